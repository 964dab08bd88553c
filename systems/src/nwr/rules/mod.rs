//! The decisions that the store's promise rests on, each a pure function that cites its source.
//!
//! "ABD" is Attiya, Bar-Noy and Dolev, Sharing memory robustly in message-passing systems, 1995, with several writers as in
//! Lynch and Shvartsman, FTCS 1997; "Gifford" is Weighted voting for replicated data, SOSP 1979; "Dynamo" is DeCandia et
//! al., SOSP 2007.

use std::time::Duration;

use super::types::Clock;
use crate::api::Tag;
use crate::ring::Placement;
use crate::ring::rules as ring;
use crate::rules::rules;

pub mod quorums;
pub mod removals;
pub mod repair;
pub mod versions;

use quorums::{Gate, Heard, Met, Short};
use versions::Order;

rules! {
    ring::virtual_nodes = VirtualNodes(configured: u16) -> u16;
    ring::token = Token(node: u16, place: u16, index: u16, process: u64) -> u64;
    ring::keeps_both = KeepsBoth(same_token: bool) -> bool;
    ring::tie = Tie(one: (u16, u64), other: (u16, u64)) -> bool;
    ring::owns = Owns(token: u64, hash: u64) -> bool;
    ring::start = Start(hash: u64, successor: usize, tokens: usize) -> usize;
    ring::next = Next(at: usize, tokens: usize) -> usize;
    ring::takes = Takes(taken_before: bool, past_the_end: bool) -> bool;

    quorums::intersect = Intersect(w: usize, r: usize, n: usize) -> bool;
    quorums::is_met = IsMet(met: Met) -> bool;
    quorums::counts_again = CountsAgain(counted_before: bool) -> bool;
    quorums::counts_as_answer = CountsAsAnswer(heard: Heard) -> bool;
    quorums::counts_when_sent = CountsWhenSent() -> bool;
    quorums::counts_stand_in = CountsStandIn(sloppy: bool) -> bool;
    quorums::ack_gate = AckGate() -> Gate;
    quorums::short_of_quorum = ShortOfQuorum(may_be_stored: bool) -> Short;
    quorums::accepts_epoch = AcceptsEpoch(theirs: u64, mine: u64) -> bool;
    quorums::reads_from_new = ReadsFromNew(changing: bool) -> bool;
    quorums::may_finish_change = MayFinishChange(all_synced: bool) -> bool;
    quorums::must_pull = MustPull(joins: bool) -> bool;

    versions::selects = Selects(newest: usize, answers: usize) -> usize;
    versions::applies = Applies(new: Tag, held: Tag) -> bool;
    versions::asks_before_writing = AsksBeforeWriting() -> bool;
    versions::counter = Counter(greatest: u64, wall_us: u64) -> u64;
    versions::actor_life = ActorLife(life: u32) -> u32;
    versions::order = OrderOf(one: &Clock, other: &Clock) -> Order;
    versions::keeps_sibling = KeepsSibling(newer: bool) -> bool;

    repair::writes_back = WritesBack(atomic: bool) -> bool;
    repair::awaits_write_back = AwaitsWriteBack() -> bool;
    repair::repair_tag = RepairTag(read: Tag, fresh: Tag) -> Tag;
    repair::hint_is_durable = HintIsDurable() -> bool;
    repair::takes_from_peer = TakesFromPeer(theirs: Tag, mine: Option<Tag>) -> bool;

    removals::keeps_tombstone = KeepsTombstone(known_to_all: bool, age: Duration, grace: Duration) -> bool;
    removals::floor = Floor(held: u64, forgotten: u64) -> u64;
    removals::may_take = MayTake(told: u64, forgotten: u64) -> bool;
    removals::asks_anew = AsksAnew(may_be_outdated: bool) -> bool;
}

impl Placement for Rules {
    fn virtual_nodes(&self, configured: u16) -> u16 {
        self.virtual_nodes(configured)
    }

    fn token(&self, node: u16, place: u16, index: u16, process: u64) -> u64 {
        self.token(node, place, index, process)
    }

    fn keeps_both(&self, same_token: bool) -> bool {
        self.keeps_both(same_token)
    }

    fn tie(&self, one: (u16, u64), other: (u16, u64)) -> bool {
        self.tie(one, other)
    }

    fn owns(&self, token: u64, hash: u64) -> bool {
        self.owns(token, hash)
    }

    fn start(&self, hash: u64, successor: usize, tokens: usize) -> usize {
        self.start(hash, successor, tokens)
    }

    fn next(&self, at: usize, tokens: usize) -> usize {
        self.next(at, tokens)
    }

    fn takes(&self, taken_before: bool, past_the_end: bool) -> bool {
        self.takes(taken_before, past_the_end)
    }
}
