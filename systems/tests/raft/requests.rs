//! What clients are told when things take too long.

use perjury_systems::api::{Failure, Value};
use perjury_systems::raft::{Entry, Message, Payload, Position, Timer};

use crate::script::Script;

const BARE: &[(&str, &str)] = &[("prevote", "off"), ("check-quorum", "off")];

#[test]
fn a_write_that_is_not_committed_in_time_has_an_unknown_outcome_and_a_read_has_none() {
    let mut s = Script::new(3, 0, BARE, None);
    s.elect(1, &[2, 3]);
    s.beat(1, &[2, 3]);
    let (write, read) = (s.write(1, 1), s.read(1));
    s.lose();
    s.pass(3_000, &[]);
    s.tick(1, Timer::Sweep);
    assert!(matches!(
        s.answers[&write].result,
        Err(Failure::Indefinite { .. })
    ));
    assert!(matches!(
        s.answers[&read].result,
        Err(Failure::Unavailable { .. })
    ));
}

#[test]
fn a_deposed_leader_does_not_know_what_became_of_its_proposals() {
    let mut s = Script::new(3, 0, BARE, None);
    s.elect(1, &[2, 3]);
    s.beat(1, &[2, 3]);
    let write = s.write(1, 1);
    s.deliver(1, 2);
    s.elect(2, &[3]);
    s.beat(2, &[1, 3]);
    assert!(matches!(
        s.answers[&write].result,
        Err(Failure::Indefinite { .. })
    ));
    let read = s.read(1);
    s.settle(&[1, 2, 3]);
    s.beat(2, &[1, 3]);
    let value = s.answers[&read].result.as_ref().map(|reply| &reply.value);
    assert_eq!(value, Ok(&Value::Int(1)), "it took effect all the same");
}

#[test]
fn a_node_that_does_not_lead_says_who_does() {
    let mut s = Script::new(3, 0, BARE, None);
    let write = s.write(3, 1);
    assert!(matches!(
        s.answers[&write].result,
        Err(Failure::Unavailable { leader: None, .. })
    ));
    s.elect(1, &[2, 3]);
    s.beat(1, &[2, 3]);
    let write = s.write(3, 1);
    let Err(Failure::Unavailable {
        leader: Some(leader), ..
    }) = &s.answers[&write].result
    else {
        panic!("{:?}", s.answers[&write]);
    };
    assert_eq!(leader.0, 1);
}

#[test]
fn a_read_that_waits_for_a_leader_is_answered_by_the_next_one() {
    let mut s = Script::new(3, 0, BARE, None);
    s.elect(1, &[2, 3]);
    s.beat(1, &[2, 3]);
    let read = s.read(3);
    s.lose();
    s.elect(2, &[3]);
    s.beat(2, &[3]);
    s.beat(2, &[3]);
    assert!(s.answers[&read].result.is_ok());
    assert_eq!(s.breach, None);
}

#[test]
fn an_append_that_no_leader_can_have_sent_changes_nothing() {
    let mut s = Script::new(3, 0, BARE, None);
    // A term in which nobody has campaigned would be a breach of its own.
    s.tick(1, Timer::Election);
    s.lose();
    let entry = |term, index| Entry {
        at: Position { term, index },
        payload: Payload::Noop.into(),
    };
    let cases = [
        (Position::default(), vec![entry(1, 2)]),
        (Position::default(), vec![entry(1, 1), entry(1, 3)]),
        (Position::default(), vec![entry(9, 1)]),
        (
            Position {
                term: 1,
                index: u64::MAX,
            },
            vec![entry(1, 1)],
        ),
    ];
    for (prev, entries) in cases {
        let (term, commit, round) = (1, u64::MAX, 1);
        s.hand(
            1,
            2,
            Message::Append {
                term,
                prev,
                entries,
                commit,
                round,
            },
        );
        assert_eq!(s.raft(2).log().last(), Position::default());
        assert_eq!(s.raft(2).commit(), 0);
    }
    assert_eq!(s.breach, None);
}
