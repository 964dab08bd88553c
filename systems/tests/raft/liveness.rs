//! Mistakes that clients notice only by waiting.

use perjury_systems::api::{Command, Reconfigure};
use perjury_systems::raft::{Message, Raft, Timer};
use perjury_systems::{Cluster, NodeId, Replica};

use crate::script::Script;
use crate::smoke::cluster;

fn leader_of_three(mutant: Option<&str>) -> Script {
    let mut s = Script::new(3, 0, &[], mutant);
    s.pass(1000, &[]);
    s.elect_politely(1, &[2, 3]);
    s.beat(1, &[2, 3]);
    assert!(s.leads(1));
    s
}

#[test]
fn a_node_that_was_cut_off_does_not_inflate_terms() {
    let term = |mutant| {
        let mut s = leader_of_three(mutant);
        for _ in 0..5 {
            s.tick(3, Timer::Election);
            s.deliver(3, 1);
            s.deliver(3, 2);
            s.lose();
        }
        s.raft(1).term()
    };
    assert_eq!(term(None), 1);
    assert!(term(Some("prevote-changes-state")) > 1);
}

#[test]
fn a_node_that_hears_no_leader_does_not_depose_one_that_others_hear() {
    let deposed = |mutant| {
        let mut s = leader_of_three(mutant);
        s.elect_politely(3, &[2]);
        s.leads(3)
    };
    assert!(!deposed(None));
    assert!(deposed(Some("prevote-ignores-live-leader")));
}

#[test]
fn a_leader_that_nobody_answers_steps_down() {
    let leads = |mutant| {
        let mut s = leader_of_three(mutant);
        s.tick(1, Timer::Quorum);
        s.tick(1, Timer::Heartbeat);
        s.lose();
        s.tick(1, Timer::Quorum);
        s.leads(1)
    };
    assert!(!leads(None));
    assert!(leads(Some("checkquorum-disabled")));
}

#[test]
fn a_longer_log_of_an_older_term_does_not_block_an_election() {
    let elected = |mutant| {
        let mut s = Script::new(3, 0, &[("prevote", "off"), ("check-quorum", "off")], mutant);
        s.elect(2, &[1]);
        s.write(2, 1);
        s.write(2, 2);
        s.lose();
        s.elect(3, &[1]);
        s.elect(3, &[1]);
        assert!(s.leads(3));
        s.restart(2);
        s.restart(3);
        s.crash(1);
        for _ in 0..3 {
            s.elect(2, &[3]);
            s.elect(3, &[2]);
        }
        s.leads(2) || s.leads(3)
    };
    assert!(elected(None));
    assert!(!elected(Some("log-check-vector-order")));
}

#[test]
fn a_node_without_the_log_does_not_become_a_voter_that_commitment_waits_for() {
    let serves = |mutant| {
        let mut s = Script::new(
            3,
            1,
            &[("prevote", "off"), ("check-quorum", "off"), ("catch-up-lag", "2")],
            mutant,
        );
        s.elect(1, &[2, 3]);
        for value in 0..30 {
            s.write(1, value);
        }
        s.beat(1, &[2, 3]);
        s.crash(3);
        s.reconfigure(1, Reconfigure::Join(NodeId(4)));
        // The new node answers once, and is slow from then on.
        s.deliver(1, 4);
        s.deliver(4, 1);
        s.beat(1, &[2]);
        s.beat(1, &[2]);
        let written = s.write(1, 99);
        s.beat(1, &[2]);
        s.answers.contains_key(&written)
    };
    assert!(serves(None));
    assert!(!serves(Some("new-voter-without-catchup")));
}

#[test]
fn leadership_goes_where_it_is_told_and_comes_back_if_nobody_takes_it() {
    let mut s = leader_of_three(None);
    let given = s.request(1, Command::Transfer { to: Some(NodeId(3)) });
    s.settle(&[1, 2, 3]);
    assert!(s.leads(3) && !s.leads(1));
    assert!(s.answers[&given].result.is_ok());
    let refused = s.request(3, Command::Transfer { to: Some(NodeId(1)) });
    s.lose();
    let during = s.write(3, 1);
    assert!(
        s.answers[&during].result.is_err(),
        "no proposals while it hands over"
    );
    s.tick(3, Timer::Transfer);
    assert!(s.answers[&refused].result.is_err());
    let after = s.write(3, 2);
    s.settle(&[1, 2, 3]);
    assert!(s.answers[&after].result.is_ok());
}

#[test]
fn only_a_planted_mistake_starts_from_a_damaged_log() {
    let starts = |mutant: Option<&str>| {
        let cluster = Cluster {
            mutant: mutant.map(str::to_owned),
            ..cluster(3, 0, &[])
        };
        Raft::starts_from_damaged_log(&cluster)
    };
    assert!(!starts(None));
    assert!(starts(Some("corruption-treated-as-end-of-log")));
}

#[test]
fn answers_that_overtake_each_other_do_not_multiply() {
    let entries = 60;
    let settings = [("max-entries-per-append", "1"), ("max-inflight", "64")];
    let mut s = Script::new(3, 0, &settings, None);
    s.pass(1000, &[]);
    s.elect_politely(1, &[2, 3]);
    s.beat(1, &[2, 3]);
    for value in 0..entries {
        s.write(1, value);
    }
    // Whatever is under way between the two, in any order.
    let mut under_way: Vec<(u16, u16, Message)> = Vec::new();
    let mut delivered = 0;
    let mut drawn = 1_usize;
    loop {
        for (from, to) in [(1, 3), (3, 1)] {
            under_way.extend(s.take(from, to).into_iter().map(|message| (from, to, message)));
        }
        if under_way.is_empty() {
            break;
        }
        drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (from, to, message) = under_way.swap_remove((drawn >> 33) % under_way.len());
        s.hand(from, to, message);
        delivered += 1;
        assert!(delivered < 5_000, "{delivered} messages for {entries} entries");
    }
    assert_eq!(s.raft(3).log().last(), s.raft(1).log().last());
}
