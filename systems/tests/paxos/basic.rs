//! One instance a key: what proposers adopt, what acceptors refuse, what reads may say.

use perjury_systems::api::{Command, Failure, Value};
use perjury_systems::paxos::basic::{BasicPaxos, Message, Timer};

use super::net::Net;

type Paxos = Net<BasicPaxos>;

fn three() -> Paxos {
    Net::new(3, 0, &[])
}

/// Lets a node's proposal be accepted by itself alone, promised by `other`.
fn accepted_alone(net: &mut Paxos, node: u16, other: u16, value: i64) {
    net.write(node, "k", value);
    net.deliver(node, other);
    net.deliver(other, node);
    net.packets.clear();
}

#[test]
fn the_first_to_be_chosen_is_what_everybody_learns() {
    let mut net = three();
    let one = net.write(1, "k", 10);
    net.settle(&[1, 2, 3]);
    let two = net.write(2, "k", 20);
    let read = net.read(3, "k");
    net.settle(&[1, 2, 3]);
    assert!(matches!(net.answer(one), Some(Ok(_))));
    let observed = Failure::Precondition {
        observed: Value::Int(10),
        version: 1,
    };
    assert_eq!(net.answer(two), Some(&Err(observed)));
    assert_eq!(net.value(read), Some(Value::Int(10)));
}

#[test]
fn a_proposer_adopts_the_vote_of_the_highest_ballot() {
    let mut net = three();
    accepted_alone(&mut net, 1, 2, 10);
    accepted_alone(&mut net, 2, 3, 20);
    // n3 asks n1 and n2, n1 first: the vote of 2's ballot is the higher one.
    let three = net.write(3, "k", 30);
    net.settle(&[1, 2, 3]);
    net.now += std::time::Duration::from_millis(500);
    for _ in 0..10 {
        for node in 1..=3 {
            net.timer(node, Timer::Retry);
            net.settle(&[1, 2, 3]);
        }
        net.now += std::time::Duration::from_millis(200);
    }
    let Some(Err(Failure::Precondition { observed, .. })) = net.answer(three) else {
        panic!("{:?}", net.answer(three));
    };
    assert_ne!(*observed, Value::Int(30));
    for node in 1..=3 {
        let (_, chosen) = net.replica(node).instances()["k"]
            .chosen()
            .expect("chosen")
            .clone();
        assert_eq!(chosen.value, *observed, "everybody knows the same");
    }
}

#[test]
fn a_read_of_nothing_is_answered_by_promises_and_writes_nothing() {
    let mut net = three();
    let read = net.read(1, "k");
    net.settle(&[1, 2]);
    assert_eq!(net.value(read), Some(Value::Nil));
    assert!(net.replica(2).instances()["k"].acceptor().accepted.is_none());
}

#[test]
fn a_read_that_finds_a_vote_gets_it_chosen_before_it_answers() {
    let mut net = three();
    accepted_alone(&mut net, 1, 2, 10);
    let read = net.read(2, "k");
    // Its first ballot is below what n1 promised itself only if n1 comes later: n2 is the higher one.
    net.deliver(2, 1);
    net.deliver(1, 2);
    assert_eq!(net.value(read), None, "a promise alone is no answer");
    net.settle(&[1, 2]);
    assert_eq!(net.value(read), Some(Value::Int(10)));
    let later = net.read(3, "k");
    net.settle(&[2, 3]);
    net.now += std::time::Duration::from_secs(1);
    net.timer(3, Timer::Retry);
    net.settle(&[2, 3]);
    assert_eq!(net.value(later), Some(Value::Int(10)));
}

#[test]
fn an_acceptor_refuses_what_is_below_its_promise_also_after_a_restart() {
    let mut net = three();
    net.write(1, "k", 10);
    net.deliver(1, 2);
    net.packets.retain(|(from, to, _)| (*from, *to) == (2, 1));
    // n3 asks n2 before n1 proposes.
    net.write(3, "k", 30);
    net.deliver(3, 2);
    net.restart(2);
    net.deliver(2, 1);
    net.packets.retain(|(from, to, _)| (*from, *to) == (1, 2));
    net.deliver(1, 2);
    assert!(
        net.packets
            .iter()
            .any(|(from, to, message)| (*from, *to) == (2, 1) && matches!(message, Message::Nack { .. })),
        "{:?}",
        net.packets
    );
    assert!(net.replica(2).instances()["k"].acceptor().accepted.is_none());
}

#[test]
fn an_acceptor_that_lost_its_disk_stays_silent() {
    let mut net: Paxos = Net::new(3, 0, &[("identity", "register")]);
    net.settle(&[1, 2, 3]);
    assert!((1..=3).all(|node| net.replica(node).is_registered()));
    net.wipe(2);
    net.settle(&[1, 2, 3]);
    assert!(!net.replica(2).is_registered());
    let write = net.write(1, "k", 10);
    net.settle(&[1, 2]);
    assert_eq!(net.answer(write), None, "n1 and a silent n2 are no majority");
    net.now += std::time::Duration::from_secs(1);
    for _ in 0..3 {
        net.timer(1, Timer::Retry);
        net.settle(&[1, 2, 3]);
        net.now += std::time::Duration::from_millis(400);
    }
    assert!(
        matches!(net.answer(write), Some(Ok(_))),
        "{:?}",
        net.answer(write)
    );
}

#[test]
fn a_proposer_that_lost_its_disk_begins_no_ballot_again() {
    // Whether it is an acceptor too, or beside the only one.
    lose_the_proposers_disk(Net::new(3, 0, &[("identity", "register")]));
    lose_the_proposers_disk(Net::new(1, 1, &[("identity", "register")]));
}

fn lose_the_proposers_disk(mut net: Paxos) {
    net.settle(&[1, 2, 3]);
    let began = |net: &mut Paxos| {
        net.write(2, "k", 10);
        let ballots = net.packets.iter().filter_map(|(_, _, message)| match message {
            Message::Prepare { ballot, .. } => Some(*ballot),
            _ => None,
        });
        let ballots: std::collections::BTreeSet<_> = ballots.collect();
        net.packets.clear();
        ballots.into_iter().next().expect("it began a ballot")
    };
    let first = began(&mut net);
    net.wipe(2);
    net.packets.clear();
    let second = began(&mut net);
    assert_ne!(first, second);
    net.wipe(2);
    net.packets.clear();
    assert_ne!(began(&mut net), second);
}

#[test]
fn what_a_register_cannot_do_is_refused_for_certain() {
    let mut net = three();
    for command in [
        Command::Delete { key: "k".into() },
        Command::Txn(Vec::new()),
        Command::Write {
            key: "k".into(),
            value: Value::Nil,
        },
    ] {
        let id = net.ask(1, command);
        assert!(matches!(net.answer(id), Some(Err(Failure::Invalid { .. }))));
    }
}
