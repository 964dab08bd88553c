//! Leases, on clocks that the test turns.

use perjury_systems::api::Command;
use perjury_systems::raft::Timer;

use crate::script::Script;

const LEASE: &[(&str, &str)] = &[
    ("reads", "lease"),
    ("check-quorum", "off"),
    ("lease-drift-ppm", "200000"),
    ("election-timeout-ms", "300"),
];

/// A leader whose lease has just been confirmed by node 3.
fn leader_with_lease(mutant: Option<&str>) -> Script {
    let mut s = Script::new(3, 0, LEASE, mutant);
    s.pass(1000, &[]);
    s.elect_politely(1, &[2, 3]);
    s.beat(1, &[2, 3]);
    let read = s.read(1);
    assert!(s.answers.contains_key(&read), "its lease holds");
    s
}

/// Node 2 takes over with node 3's vote and commits a write; node 1 hears nothing of it, and is asked.
fn take_over(mut s: Script) -> Script {
    if !s.leads(2) {
        s.elect_politely(2, &[3]);
    }
    assert!(s.leads(2));
    let written = s.write(2, 7);
    s.beat(2, &[3]);
    assert!(s.answers[&written].result.is_ok());
    s
}

fn check(mutant: &str, schedule: impl Fn(Option<&str>) -> Script) {
    let correct = schedule(None);
    assert_eq!(correct.breach, None, "the correct Raft, in {mutant}'s schedule");
    assert_eq!(schedule(Some(mutant)).broken(), Some("R-I11"), "{mutant}");
}

#[test]
fn a_lease_ends_before_the_fastest_voter_may_elect_another() {
    check("lease-ignores-drift", |mutant| {
        let mut s = leader_with_lease(mutant);
        s.pass(260, &[(1, 80), (2, 120), (3, 120)]);
        s = take_over(s);
        s.read(1);
        s
    });
}

#[test]
fn a_lease_counts_from_when_the_heartbeat_was_sent() {
    check("lease-from-reply-time", |mutant| {
        let mut s = leader_with_lease(mutant);
        s.tick(1, Timer::Heartbeat);
        s.deliver(1, 3);
        let late = s.take(3, 1);
        s.pass(400, &[]);
        s = take_over(s);
        late.into_iter().for_each(|answer| s.hand(3, 1, answer));
        s.read(1);
        s
    });
}

#[test]
fn a_lease_runs_while_the_process_is_paused() {
    check("lease-counts-ticks", |mutant| {
        let mut s = leader_with_lease(mutant);
        s.pass(1000, &[]);
        s = take_over(s);
        s.read(1);
        s
    });
}

#[test]
fn a_lease_is_void_once_another_node_was_told_to_campaign() {
    check("lease-survives-transfer", |mutant| {
        let mut s = leader_with_lease(mutant);
        s.request(
            1,
            Command::Transfer {
                to: Some(perjury_systems::NodeId(2)),
            },
        );
        s.deliver(1, 2);
        s.deliver(2, 3);
        s.deliver(3, 2);
        s.lose();
        s = take_over(s);
        s.read(1);
        s
    });
}
