//! Planted bugs in the smallest situation that shows them.

use perjury_systems::api::{Request, Session};

use crate::bed::{Bed, n, read, write};

/// Runs the situation with and without the bug: only then may something break.
fn convicts(
    mutant: &str,
    nodes: u16,
    settings: &[(&str, &str)],
    invariant: &str,
    situation: impl Fn(&mut Bed),
) {
    let mut right = Bed::new(nodes, settings, None);
    situation(&mut right);
    assert_eq!(right.breach, None);
    let mut wrong = Bed::new(nodes, settings, Some(mutant));
    situation(&mut wrong);
    let breach = wrong.breach.unwrap_or_default();
    assert!(breach.contains(invariant), "{mutant}: {breach:?}");
}

#[test]
fn a_cut_off_leader_shows_a_missing_truncation() {
    for (mutant, invariant) in [("diff-without-trunc", "Z-I"), ("trunc-one-too-many", "Z-I4")] {
        convicts(mutant, 3, &[], invariant, |bed| {
            bed.run(300);
            for value in 0..3 {
                bed.done(n(3), write("x", value));
            }
            bed.isolate(n(3));
            bed.ask(n(3), write("x", 9));
            bed.run(800);
            bed.done(n(2), write("x", 4));
            bed.heal();
            bed.run(1_500);
        });
    }
}

#[test]
fn a_commit_without_a_quorum_is_seen_at_once() {
    convicts("commit-on-half", 3, &[], "Z-I4", |bed| {
        bed.run(300);
        bed.isolate(n(3));
        bed.ask(n(3), write("x", 1));
        bed.run(20);
    });
}

#[test]
fn a_hole_in_what_later_learners_get_is_seen() {
    // n5 is behind, gets what it lacks from n3, leads, and passes it on to n4.
    convicts("committedlog-hole", 5, &[], "Z-I2", |bed| {
        bed.run(300);
        bed.kill(n(5));
        bed.kill(n(4));
        bed.run(600);
        for value in 0..3 {
            bed.done(n(3), write("x", value));
        }
        bed.start(n(5));
        bed.run(300);
        bed.kill(n(3));
        bed.run(600);
        assert_eq!(bed.leader(), Some(n(5)));
        bed.start(n(4));
        bed.run(300);
        bed.ask(n(2), write("x", 9));
        bed.run(300);
    });
}

#[test]
fn the_counter_does_not_run_into_the_epoch() {
    convicts(
        "counter-overflow-into-epoch",
        3,
        &[("counter-limit", "3")],
        "Z-I",
        |bed| {
            bed.run(300);
            for value in 0..6 {
                bed.ask(n(1), write("x", value));
                bed.run(300);
            }
        },
    );
}

#[test]
fn a_read_does_not_overtake_a_write_of_its_session() {
    convicts("session-reorder", 3, &[("reads", "local")], "Z-I11", |bed| {
        bed.run(300);
        let session = |sequence| Some(Session { client: 4, sequence });
        for (sequence, command) in [(1, write("x", 1)), (2, read("x"))] {
            let request = Request::new(session(sequence), command);
            bed.ask_for(n(1), request);
        }
        bed.run(100);
    });
}
