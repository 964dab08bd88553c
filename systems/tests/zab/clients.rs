//! What clients are promised.

use perjury_systems::api::{Failure, MicroOp, Reconfigure, Request, Session};
use perjury_systems::{Command, Role, Value};

use perjury_systems::replica::Replica;

use crate::bed::{Bed, n, read, write};

#[test]
fn every_server_takes_every_request() {
    let mut bed = Bed::new(3, &[], None);
    bed.run(300);
    for node in 1..=3 {
        bed.done(n(node), write("x", i64::from(node)));
        for reader in 1..=3 {
            assert_eq!(bed.done(n(reader), read("x")), Value::Int(i64::from(node)));
        }
    }
    bed.is_sound();
}

#[test]
fn a_request_that_is_sent_twice_is_carried_out_once() {
    let mut bed = Bed::new(3, &[], None);
    bed.run(300);
    let request = Request::new(
        Some(Session {
            client: 9,
            sequence: 1,
        }),
        Command::Txn(vec![MicroOp::Add {
            key: "x".into(),
            amount: 5,
        }]),
    );
    let first = bed.ask_for(n(1), request.clone());
    let second = bed.ask_for(n(2), request);
    bed.run(300);
    for id in [first, second] {
        assert!(bed.answer(id).is_some_and(|response| response.result.is_ok()));
    }
    assert_eq!(bed.done(n(3), read("x")), Value::Int(5));
    bed.is_sound();
}

#[test]
fn a_leader_that_was_replaced_confirms_no_sync() {
    let mut bed = Bed::new(3, &[("sync-limit-ms", "500")], None);
    bed.run(300);
    bed.done(n(3), write("x", 1));
    bed.isolate(n(3));
    let id = bed.ask(n(3), read("x"));
    bed.run(400);
    assert!(bed.answer(id).is_none_or(|response| response.result.is_err()));
    bed.heal();
    bed.run(1_500);
    bed.is_sound();
}

#[test]
fn observers_receive_everything_and_decide_nothing() {
    let mut bed = Bed::new(5, &[("observers", "2")], None);
    bed.run(500);
    bed.done(n(4), write("x", 7));
    assert_eq!(bed.done(n(5), read("x")), Value::Int(7));
    assert_eq!(bed.zab(n(5)).status().role, Role::Learner);
    // Two voters of three are gone: the observers do not help.
    let leader = bed.leader().expect("a leader");
    for node in [n(1), n(2), n(3)].into_iter().filter(|node| *node != leader) {
        bed.kill(node);
    }
    let id = bed.ask(leader, write("x", 8));
    bed.run(800);
    assert!(bed.answer(id).is_none_or(|response| response.result.is_err()));
    assert_eq!(bed.leader(), None);
    for node in [n(1), n(2), n(3)].into_iter().filter(|node| *node != leader) {
        bed.start(node);
    }
    bed.run(2_000);
    bed.done(n(5), write("x", 9));
    bed.is_sound();
}

#[test]
fn a_change_of_members_is_refused_for_good() {
    let mut bed = Bed::new(3, &[], None);
    bed.run(300);
    let id = bed.ask(n(3), Command::Reconfigure(Reconfigure::Leave(n(1))));
    let refused = bed.answer(id).map(|response| response.result.clone());
    assert!(
        matches!(refused, Some(Err(Failure::Invalid { .. }))),
        "{refused:?}"
    );
}
