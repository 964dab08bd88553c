//! Discovery: epochs, and who may begin to lead.

use perjury_systems::zab::rules::discovery::{ack_counts, is_new, must_abort};
use perjury_systems::zab::{Trace, Zxid};

use crate::bed::{Bed, n, write};

#[test]
fn an_epoch_is_new_only_if_it_is_later_and_counts_only_the_first_time() {
    assert!(is_new(3, 2) && !is_new(2, 2) && !is_new(1, 2));
    assert!(ack_counts(true) && !ack_counts(false));
}

#[test]
fn a_leader_gives_up_for_a_later_epoch_even_with_fewer_transactions() {
    let z = Zxid::new;
    assert!(must_abort((2, z(1, 3)), (1, z(1, 9))));
    assert!(must_abort((2, z(2, 4)), (2, z(2, 3))));
    assert!(!must_abort((2, z(2, 3)), (2, z(2, 3))));
    assert!(!must_abort((1, z(1, 9)), (2, z(1, 3))));
}

#[test]
fn every_leader_has_an_epoch_of_its_own() {
    let mut bed = Bed::new(3, &[], None);
    bed.run(300);
    for epoch in 1..5 {
        let leader = bed.leader().expect("a leader");
        assert_eq!(bed.zab(leader).established(), Some(epoch));
        bed.done(leader, write("x", i64::from(epoch)));
        bed.kill(leader);
        bed.run(600);
        bed.start(leader);
        bed.run(300);
    }
    bed.is_sound();
}

#[test]
fn the_counter_at_its_limit_forces_another_epoch() {
    let mut bed = Bed::new(3, &[("counter-limit", "3")], None);
    bed.run(300);
    let mut done = 0;
    for value in 0..12 {
        let id = bed.ask(n(1), write("x", value));
        bed.run(500);
        done += usize::from(bed.answer(id).is_some_and(|response| response.result.is_ok()));
    }
    assert!(done >= 8, "{done}");
    let leader = bed.leader().expect("a leader");
    assert!(bed.zab(leader).epochs().current >= 3);
    assert!(bed.zab(leader).log().last().counter <= 3);
    bed.is_sound();
}

#[test]
fn an_agreement_counts_when_it_is_durable() {
    let mut bed = Bed::new(3, &[], None);
    for node in 1..=3 {
        bed.stick(n(node), true);
    }
    bed.run(400);
    let counted = |bed: &Bed| {
        let all = 1..=3;
        all.map(|node| bed.traced(n(node), |trace| matches!(trace, Trace::EpochAckCounted { .. })))
            .sum::<usize>()
    };
    assert_eq!((counted(&bed), bed.leader()), (0, None));
    for node in 1..=3 {
        bed.stick(n(node), false);
    }
    bed.run(300);
    assert!(counted(&bed) >= 2);
    assert!(bed.leader().is_some());
    bed.is_sound();
}
