//! Fast leader election.

use perjury_systems::zab::rules::election::{beats, may_join, vote_in_round};
use perjury_systems::zab::{Trace, Vote, Zxid};

use crate::bed::{Bed, n, read, write};

fn vote(epoch: u32, zxid: (u32, u32), leader: u16) -> Vote {
    Vote {
        leader: n(leader),
        zxid: Zxid::new(zxid.0, zxid.1),
        epoch,
    }
}

#[test]
fn votes_are_ordered_by_epoch_then_transaction_then_name() {
    let rising = [
        vote(1, (1, 5), 3),
        vote(2, (1, 3), 1),
        vote(2, (1, 3), 2),
        vote(2, (2, 1), 1),
        vote(3, (1, 1), 1),
    ];
    for (place, one) in rising.iter().enumerate() {
        for (other_place, other) in rising.iter().enumerate() {
            assert_eq!(beats(*one, *other), place > other_place, "{one:?} {other:?}");
        }
    }
}

#[test]
fn a_later_round_is_compared_with_what_a_node_has_itself() {
    let own = vote(2, (2, 4), 1);
    assert_eq!(vote_in_round(vote(1, (1, 9), 3), own), own);
    let better = vote(2, (2, 5), 2);
    assert_eq!(vote_in_round(better, own), better);
    assert!(!may_join(true, false) && !may_join(false, true) && may_join(true, true));
}

#[test]
fn whoever_has_the_greatest_name_leads_where_histories_are_equal() {
    let mut bed = Bed::new(5, &[], None);
    bed.run(300);
    assert_eq!(bed.leader(), Some(n(5)));
    bed.is_sound();
}

#[test]
fn whoever_has_more_leads_whatever_its_name() {
    let mut bed = Bed::new(3, &[], None);
    bed.run(300);
    bed.kill(n(1));
    bed.done(n(2), write("x", 1));
    bed.kill(n(3));
    bed.start(n(1));
    bed.run(600);
    assert_eq!(bed.leader(), Some(n(2)));
    assert_eq!(bed.done(n(1), read("x")), perjury_systems::Value::Int(1));
    bed.is_sound();
}

#[test]
fn a_node_that_starts_again_joins_the_leader_that_there_is() {
    let mut bed = Bed::new(3, &[], None);
    bed.run(300);
    bed.kill(n(1));
    bed.run(50);
    bed.start(n(1));
    bed.run(300);
    assert_eq!(bed.leader(), Some(n(3)));
    assert_eq!(bed.zab(n(3)).epochs().current, 1, "nobody was elected again");
    assert_eq!(
        bed.traced(n(1), |trace| matches!(trace, Trace::Elected { joined: true, .. })),
        1
    );
    bed.is_sound();
}

#[test]
fn a_minority_elects_nobody_and_a_leader_without_a_quorum_gives_up() {
    let mut bed = Bed::new(5, &[], None);
    bed.run(300);
    bed.isolate(n(5));
    bed.run(1_000);
    assert_eq!(bed.zab(n(5)).established(), None);
    assert_eq!(bed.leader(), Some(n(4)));
    bed.heal();
    bed.run(1_500);
    bed.is_sound();
}

#[test]
fn safety_does_not_depend_on_whom_an_oracle_names() {
    let mut bed = Bed::new(3, &[("election", "oracle"), ("init-limit-ms", "200")], None);
    for round in 0..12 {
        bed.run(400);
        let node = n(1 + round % 3);
        bed.ask(node, write("x", i64::from(round)));
        bed.run(20);
        bed.kill(node);
        bed.run(100);
        bed.start(node);
    }
    assert_eq!(bed.breach, None);
    let outdated = (1..=3)
        .map(|node| bed.traced(n(node), |trace| matches!(trace, Trace::Leading)))
        .sum::<usize>();
    assert!(outdated > 3, "the oracle named somebody {outdated} times");
}
