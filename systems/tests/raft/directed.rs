//! Directed schedules: the few steps that a hard mistake needs. The correct Raft must walk through each unharmed, and
//! the mutant must be caught.

use perjury_systems::api::{Reconfigure, Value};
use perjury_systems::raft::{Message, Timer};
use perjury_systems::{NodeId, Replica};

use crate::script::Script;

const BARE: &[(&str, &str)] = &[
    ("prevote", "off"),
    ("check-quorum", "off"),
    ("max-entries-per-append", "1"),
];

/// Runs a schedule with the correct Raft and with a mutant, which must break the invariant.
fn check(mutant: &str, invariant: &str, schedule: impl Fn(Option<&str>) -> Script) {
    let correct = schedule(None);
    assert_eq!(correct.breach, None, "the correct Raft, in {mutant}'s schedule");
    let mutated = schedule(Some(mutant));
    assert_eq!(
        mutated.broken(),
        Some(invariant),
        "{mutant}: {:?}",
        mutated.breach
    );
}

/// S-R1: an entry of an old term reaches a majority, and a later leader without it is elected all the same.
#[test]
fn figure_8_old_term_entry_is_not_committed_by_counting() {
    let schedule = |mutant: Option<&str>| {
        let mut s = Script::new(5, 0, BARE, mutant);
        s.elect(1, &[2, 3]);
        s.beat(1, &[2, 3, 4, 5]);
        s.write(1, 10);
        s.deliver(1, 2);
        s.lose();
        s.elect(5, &[3, 4]);
        s.restart(1);
        // Its first campaign is in a term in which others have voted already.
        s.elect(1, &[2, 3]);
        s.elect(1, &[2, 3]);
        assert!(s.leads(1) && s.raft(1).term() == 3);
        // To node 2, whose log agrees, only heartbeats; to node 3 only the old entry.
        s.tick(1, Timer::Heartbeat);
        s.deliver(1, 2);
        s.take(2, 1)
            .into_iter()
            .take(1)
            .for_each(|reply| s.hand(2, 1, reply));
        for _ in 0..4 {
            for message in s.take(1, 3) {
                let old = |message: &Message| match message {
                    Message::Append { entries, .. } => entries.iter().all(|entry| entry.at.index <= 2),
                    _ => false,
                };
                if old(&message) {
                    s.hand(1, 3, message);
                }
            }
            s.deliver(3, 1);
        }
        assert_eq!(s.raft(3).log().last().index, 2);
        s.lose();
        s.elect(5, &[2, 3, 4]);
        if !s.leads(5) {
            s.elect(5, &[2, 3, 4]);
        }
        assert!(s.leads(5));
        s.beat(5, &[2, 3, 4]);
        s
    };
    check("commit-old-term-by-count", "R-I9", schedule);
}

/// S-R2: an answer from an earlier leadership of the same node arrives late.
#[test]
fn an_answer_to_an_append_of_an_earlier_term_is_not_counted() {
    let schedule = |mutant: Option<&str>| {
        let settings = [("prevote", "off"), ("check-quorum", "off")];
        let mut s = Script::new(5, 0, &settings, mutant);
        s.elect(1, &[2, 4]);
        s.write(1, 1);
        s.write(1, 2);
        s.lose();
        for _ in 0..3 {
            s.tick(1, Timer::Heartbeat);
            s.deliver(1, 2);
            let answers = s.take(2, 1);
            let ends = |answer: &Message| {
                let text = format!("{answer:?}");
                text.contains("Matches(3)")
            };
            if let Some(held) = answers.iter().find(|answer| ends(answer)).cloned() {
                s.lose();
                return rest(s, held);
            }
            answers.into_iter().for_each(|answer| s.hand(2, 1, answer));
        }
        panic!("node 2 never held three entries");
    };
    fn rest(mut s: Script, held: Message) -> Script {
        s.elect(3, &[4, 5]);
        if !s.leads(3) {
            s.elect(3, &[4, 5]);
        }
        assert!(s.leads(3));
        s.tick(3, Timer::Heartbeat);
        for _ in 0..4 {
            for node in [1, 2] {
                s.deliver(3, node);
                s.deliver(node, 3);
            }
        }
        assert_eq!(
            (s.raft(1).log().last().index, s.raft(2).log().last().index),
            (1, 1)
        );
        s.lose();
        s.elect(1, &[2, 4]);
        assert!(s.leads(1));
        s.write(1, 3);
        s.write(1, 4);
        s.lose();
        s.hand(2, 1, held);
        s.lose();
        for _ in 0..4 {
            s.tick(1, Timer::Heartbeat);
            s.deliver(1, 4);
            s.deliver(4, 1);
        }
        s
    }
    check("stale-append-reply-counted", "R-I6", schedule);
}

/// S-R3: heartbeat answers that were sent before a read arrive after it.
#[test]
fn a_read_is_not_confirmed_by_an_older_heartbeat() {
    let schedule = |mutant: Option<&str>| {
        let settings = [("prevote", "off"), ("check-quorum", "off")];
        let mut s = Script::new(3, 0, &settings, mutant);
        s.elect(1, &[2, 3]);
        s.beat(1, &[2, 3]);
        s.tick(1, Timer::Heartbeat);
        s.deliver(1, 3);
        let held = s.take(3, 1);
        assert!(!held.is_empty());
        s.lose();
        s.elect(2, &[3]);
        assert!(s.leads(2));
        let written = s.write(2, 7);
        s.beat(2, &[3]);
        assert!(s.answers[&written].result.is_ok());
        let read = s.read(1);
        s.tick(1, Timer::Heartbeat);
        s.lose();
        held.into_iter().for_each(|answer| s.hand(3, 1, answer));
        if let Some(answer) = s.answers.get(&read) {
            let value = answer.result.as_ref().map(|reply| &reply.value);
            assert_ne!(value, Ok(&Value::Int(7)), "an isolated leader cannot know");
        }
        s
    };
    check("readindex-reuses-old-acks", "R-I11", schedule);
}

/// S-R4: two single-server changes of different leaders, neither aware of the other (raft-dev, 2015).
#[test]
fn members_do_not_change_before_an_entry_of_the_term_is_committed() {
    let schedule = |mutant: Option<&str>| {
        let settings = [
            ("prevote", "off"),
            ("check-quorum", "off"),
            ("membership", "single"),
            ("catch-up-lag", "0"),
        ];
        let mut s = Script::new(4, 1, &settings, mutant);
        s.elect(1, &[2, 3]);
        s.beat(1, &[2, 3, 4]);
        s.reconfigure(1, Reconfigure::Join(NodeId(5)));
        // The learner catches up; the promotion reaches nobody else.
        for _ in 0..6 {
            for node in [2, 3, 4, 5] {
                if s.raft(1).configs().latest().voters.len() == 4 {
                    s.deliver(1, node);
                    s.deliver(node, 1);
                }
            }
            s.tick(1, Timer::Heartbeat);
        }
        assert_eq!(s.raft(1).configs().latest().voters.len(), 5);
        for _ in 0..3 {
            s.deliver(1, 5);
            s.deliver(5, 1);
            s.tick(1, Timer::Heartbeat);
        }
        s.lose();
        assert_eq!(s.raft(5).configs().latest().voters.len(), 5);
        s.elect(2, &[3, 4]);
        assert!(s.leads(2));
        // Node 2 removes node 1 before its first entry is committed; only node 3 hears of it.
        s.reconfigure(2, Reconfigure::Leave(NodeId(1)));
        for _ in 0..4 {
            s.tick(2, Timer::Heartbeat);
            s.deliver(2, 3);
            s.deliver(3, 2);
        }
        s.lose();
        s.restart(1);
        s.elect(1, &[4, 5]);
        s.elect(1, &[4, 5]);
        if s.leads(1) {
            s.beat(1, &[4, 5]);
        }
        s
    };
    check("single-change-before-term-commit", "R-I4", schedule);
}

/// S-R5: a voter restarts right after its vote has left; another candidate of the same term asks.
fn two_candidates_of_one_term(mutant: Option<&str>, prompt: bool) -> Script {
    let mut s = Script::new(3, 0, BARE, mutant);
    if !prompt {
        s.hold_disk(3);
    }
    s.tick(1, Timer::Election);
    s.tick(2, Timer::Election);
    s.deliver(1, 3);
    s.deliver(3, 1);
    s.restart(3);
    s.deliver(2, 3);
    if !prompt {
        s.sync(3);
    }
    s.deliver(3, 2);
    s
}

#[test]
fn a_vote_survives_a_restart() {
    check("vote-not-durable", "R-I7", |mutant| {
        two_candidates_of_one_term(mutant, true)
    });
    check("term-not-durable", "R-I7", |mutant| {
        two_candidates_of_one_term(mutant, true)
    });
}

#[test]
fn a_vote_leaves_when_it_is_durable() {
    check("hardstate-fsync-skipped", "R-I1", |mutant| {
        two_candidates_of_one_term(mutant, false)
    });
}

/// S-R6: a learner's promotion is committed without its knowledge; its vote is needed.
#[test]
fn a_node_that_believes_it_is_a_learner_answers_candidates() {
    let schedule = |mutant: Option<&str>| {
        let settings = [("prevote", "off"), ("check-quorum", "off"), ("catch-up-lag", "0")];
        let mut s = Script::new(2, 1, &settings, mutant);
        s.elect(1, &[2]);
        s.beat(1, &[2]);
        s.reconfigure(1, Reconfigure::Join(NodeId(3)));
        for _ in 0..12 {
            s.tick(1, Timer::Heartbeat);
            s.deliver(1, 2);
            s.deliver(2, 1);
            if s.raft(1).configs().latest().voters.len() == 2 {
                s.deliver(1, 3);
                s.deliver(3, 1);
            }
            if s.raft(1).configs().latest().voters.len() == 3 {
                s.take(1, 3);
            }
        }
        assert_eq!(s.raft(2).configs().latest().voters.len(), 3);
        assert!(!s.raft(2).configs().latest().is_joint());
        assert!(s.raft(3).configs().latest().learners.contains(&NodeId(3)));
        s.lose();
        s.elect(2, &[3]);
        s
    };
    assert!(schedule(None).leads(2));
    let mutated = schedule(Some("learner-refuses-vote"));
    assert!(!mutated.leads(2) && mutated.raft(3).mutant_counts().differed > 0);
}

/// S-R7: a candidate wins an old term after a newer one has committed: lawful, and no reason for an alarm.
#[test]
fn a_late_winner_of_an_old_term_is_no_breach() {
    let mut s = Script::new(3, 0, BARE, None);
    s.elect(1, &[2]);
    assert_eq!(s.raft(1).term(), 1);
    // Node 3's requests of term 1 are lost, those of term 2 reach node 2, whose grant is held, and node 1, which
    // refuses and steps down.
    s.tick(3, Timer::Election);
    s.lose();
    s.tick(3, Timer::Election);
    s.deliver(3, 2);
    let grant = s.take(2, 3);
    s.deliver(3, 1);
    s.lose();
    assert_eq!((s.raft(3).term(), s.raft(2).term()), (2, 2));
    s.elect(1, &[2]);
    assert!(s.leads(1) && s.raft(1).term() == 3);
    s.beat(1, &[2]);
    assert_eq!(s.invariants.oracle().last(), 2);
    grant.into_iter().for_each(|message| s.hand(2, 3, message));
    assert!(s.leads(3) && s.raft(3).term() == 2);
    assert_eq!(s.breach, None);
    s.beat(3, &[1, 2]);
    assert_eq!(s.breach, None);
}

/// A crash in the middle of removing a suffix.
#[test]
fn removing_a_suffix_leaves_no_hole() {
    let schedule = |mutant: Option<&str>| {
        let mut s = Script::new(3, 0, &[("prevote", "off"), ("check-quorum", "off")], mutant);
        s.elect(1, &[2]);
        for value in 0..4 {
            s.write(1, value);
        }
        s.lose();
        s.elect(2, &[3]);
        if !s.leads(2) {
            s.elect(2, &[3]);
        }
        s.beat(2, &[3]);
        s.hold_disk(1);
        s.tick(2, Timer::Heartbeat);
        for _ in 0..4 {
            s.deliver(2, 1);
            // Not more than the term is synced before the removal.
            if s.raft(1).log().last().index < 5 {
                break;
            }
            s.sync(1);
            s.deliver(1, 2);
        }
        let keep = s.unsynced(1).min(3);
        s.crash_keeping(1, keep);
        s.start(1);
        s
    };
    check("truncate-front-to-back", "R-I3", schedule);
}

/// A voter's disk is replaced by an empty one under the same id.
#[test]
fn an_empty_disk_under_a_known_id_does_not_vote() {
    let schedule = |mutant: Option<&str>| {
        let settings = [
            ("prevote", "off"),
            ("check-quorum", "off"),
            ("identity", "register"),
        ];
        let mut s = Script::new(3, 0, &settings, mutant);
        s.settle(&[1, 2, 3]);
        s.elect(1, &[2]);
        s.write(1, 5);
        s.beat(1, &[2]);
        assert!(s.invariants.oracle().last() >= 2);
        s.wipe(2);
        s.settle(&[2, 3]);
        s.elect(3, &[2]);
        if !s.leads(3) {
            s.elect(3, &[2]);
        }
        s
    };
    check("amnesiac-rejoins-as-voter", "R-I1", schedule);
}

/// One node is put in another's place: the old majority and the new one need not overlap.
#[test]
fn replacing_a_node_goes_through_both_majorities() {
    let schedule = |mutant: Option<&str>| {
        let settings = [("prevote", "off"), ("check-quorum", "off"), ("catch-up-lag", "0")];
        let mut s = Script::new(3, 1, &settings, mutant);
        s.elect(1, &[2, 3]);
        s.beat(1, &[2, 3]);
        let (leaves, joins) = (NodeId(3), NodeId(4));
        s.reconfigure(1, Reconfigure::Replace { leaves, joins });
        // Nodes 2 and 3 hear of the learner, and of nothing after it.
        for _ in 0..12 {
            s.tick(1, Timer::Heartbeat);
            for node in [2, 3] {
                if !s.raft(1).configs().latest().is_voter(joins) {
                    s.deliver(1, node);
                    s.deliver(node, 1);
                }
            }
            s.deliver(1, 4);
            s.deliver(4, 1);
        }
        s.lose();
        s.write(1, 5);
        s.beat(1, &[4]);
        s.elect(2, &[3]);
        s.elect(2, &[3]);
        assert!(s.leads(2));
        s
    };
    check("direct-switch", "R-I4", schedule);
}
