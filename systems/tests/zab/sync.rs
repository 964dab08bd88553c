//! Every way to synchronise a learner.

use perjury_systems::zab::rules::synchronisation::{Behind, how};
use perjury_systems::zab::types::How;
use perjury_systems::zab::{Trace, Zxid};

use crate::bed::{Bed, n, read, write};

fn z(epoch: u32, counter: u32) -> Zxid {
    Zxid::new(epoch, counter)
}

#[test]
fn how_a_learner_is_synchronised_depends_on_what_both_have() {
    let behind = |theirs, common, their_base| {
        how(Behind {
            theirs,
            common,
            their_base,
        })
    };
    let none = z(0, 0);
    assert_eq!(
        behind(z(1, 3), Some(z(1, 3)), none),
        How::Diff,
        "it lacks the rest"
    );
    assert_eq!(behind(none, Some(none), none), How::Diff, "it has nothing");
    assert_eq!(
        behind(z(1, 5), Some(z(1, 3)), none),
        How::Trunc(z(1, 3)),
        "it has too much"
    );
    assert_eq!(
        behind(z(2, 1), Some(z(1, 3)), none),
        How::Snap,
        "never across epochs"
    );
    assert_eq!(
        behind(z(1, 5), Some(z(1, 3)), z(1, 4)),
        How::Snap,
        "what is to stay is trimmed there"
    );
    assert_eq!(
        behind(z(1, 5), None, none),
        How::Snap,
        "the leader's log does not reach back"
    );
}

fn synced(bed: &Bed, how: impl Fn(&How) -> bool) -> usize {
    let syncs = |trace: &Trace| matches!(trace, Trace::SyncBegun { how: one, .. } if how(one));
    (1..=5).map(|node| bed.traced(n(node), syncs)).sum()
}

#[test]
fn a_learner_that_lacks_a_little_gets_that() {
    let mut bed = Bed::new(3, &[], None);
    bed.run(300);
    bed.kill(n(1));
    for value in 0..5 {
        bed.done(n(2), write("x", value));
    }
    let before = synced(&bed, |how| *how == How::Diff);
    bed.start(n(1));
    bed.run(300);
    assert_eq!(synced(&bed, |how| *how == How::Diff), before + 1);
    assert_eq!(bed.zab(n(1)).log().last(), z(1, 5));
    bed.is_sound();
}

#[test]
fn what_a_cut_off_leader_proposed_in_vain_is_dropped() {
    let mut bed = Bed::new(3, &[], None);
    bed.run(300);
    bed.done(n(3), write("x", 1));
    bed.isolate(n(3));
    for value in 2..5 {
        bed.ask(n(3), write("x", value));
    }
    bed.run(800);
    assert_eq!(bed.zab(n(3)).log().last(), z(1, 4));
    bed.heal();
    bed.run(1_500);
    assert_eq!(synced(&bed, |how| *how == How::Trunc(z(1, 1))), 1);
    assert_eq!(bed.zab(n(3)).log().last(), z(1, 1));
    bed.is_sound();
}

#[test]
fn what_is_of_another_epoch_is_replaced_as_a_whole() {
    let mut bed = Bed::new(5, &[], None);
    bed.run(300);
    bed.done(n(5), write("x", 1));
    // Two leaders after each other propose in vain; the second has nothing of the first.
    bed.isolate(n(5));
    bed.ask(n(5), write("x", 2));
    bed.run(1_000);
    let second = bed.leader().expect("a leader");
    bed.isolate(second);
    bed.ask(second, write("x", 3));
    bed.run(1_000);
    assert_eq!(bed.zab(second).log().last(), z(2, 1));
    bed.heal();
    bed.run(2_000);
    let id = bed.ask(n(1), read("x"));
    bed.run(300);
    assert!(bed.answer(id).is_some_and(|response| response.result.is_ok()));
    assert!(
        synced(&bed, |how| *how == How::Snap) >= 1,
        "the log of epoch 2 cannot be truncated"
    );
    bed.is_sound();
}

#[test]
fn a_learner_that_lacks_more_than_the_log_holds_gets_the_state() {
    let settings = [
        ("snapshot-every", "4"),
        ("snapshot-keep", "0"),
        ("piece-keys", "1"),
    ];
    let mut bed = Bed::new(3, &settings, None);
    bed.run(300);
    bed.kill(n(1));
    for value in 0..10 {
        bed.done(n(2), write(["x", "y", "z"][value as usize % 3], value));
    }
    bed.start(n(1));
    bed.run(500);
    assert_eq!(synced(&bed, |how| *how == How::Snap), 1);
    assert_eq!(bed.done(n(1), read("x")), perjury_systems::Value::Int(9));
    // It starts again from that state.
    bed.kill(n(1));
    bed.start(n(1));
    bed.run(300);
    bed.is_sound();
}

#[test]
fn proposals_that_come_during_a_synchronisation_reach_the_learner_in_order() {
    let mut bed = Bed::new(3, &[], None);
    bed.run(300);
    bed.kill(n(1));
    bed.done(n(2), write("x", 1));
    // The learner cannot finish while its disk does not fsync; the others go on.
    bed.stick(n(1), true);
    bed.start(n(1));
    bed.run(100);
    for value in 2..6 {
        bed.done(n(2), write("x", value));
    }
    bed.stick(n(1), false);
    bed.run(300);
    assert_eq!(bed.zab(n(1)).log().last(), z(1, 5));
    bed.is_sound();
}

#[test]
fn a_log_replayed_over_a_snapshot_that_holds_some_of_it_comes_to_the_same_state() {
    let settings = [
        ("snapshot-every", "5"),
        ("piece-keys", "1"),
        ("snapshot-pause-us", "3000"),
    ];
    let mut bed = Bed::new(3, &settings, None);
    bed.run(300);
    for value in 0..60 {
        bed.ask(
            n(2),
            write(["u", "v", "w", "x", "y", "z"][value as usize % 6], value),
        );
        bed.run(1);
    }
    bed.run(100);
    let fuzzy =
        |trace: &Trace| matches!(trace, Trace::SnapshotTaken { last, whole_from } if whole_from > last);
    assert!(bed.traced(n(1), fuzzy) > 0, "no snapshot was fuzzy");
    for node in 1..=3 {
        bed.kill(n(node));
        bed.start(n(node));
    }
    bed.run(600);
    assert_eq!(bed.done(n(1), read("z")), perjury_systems::Value::Int(59));
    bed.is_sound();
}
