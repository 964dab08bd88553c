//! Walking everything that can happen to a tiny Raft cluster.

use perjury_simulator::explore::{Bounds, Disk, Doing, Exploration, Limits, Walked, explore};

fn bounds(nodes: u16, elections: u8, operations: &[Doing]) -> Bounds {
    Bounds {
        nodes,
        elections,
        operations: operations.to_vec(),
        ..Bounds::default()
    }
}

fn with_a_crash(bounds: Bounds) -> Bounds {
    Bounds {
        crashes: 1,
        disk: Disk::Later,
        ..bounds
    }
}

#[track_caller]
fn walk(exploration: &Exploration) -> Walked {
    explore(exploration, &mut |_| true).expect("it can be explored")
}

/// Plants a bug and checks which property it breaks, and that no path to it has fewer steps.
#[track_caller]
fn found(mutant: &str, bounds: Bounds, property: &str, steps: usize) {
    let mut exploration = Exploration::new("raft", bounds);
    exploration.mutant = Some(mutant.to_owned());
    let mut shortest = None;
    for symmetry in [true, false] {
        exploration.symmetry = symmetry;
        let walked = walk(&exploration);
        assert!(!walked.exhausted);
        let violation = walked
            .violation
            .unwrap_or_else(|| panic!("{mutant} is not found"));
        assert_eq!(violation.property, property, "{mutant}: {}", violation.what);
        assert_eq!(violation.steps.len(), steps, "{mutant}: {:#?}", violation.steps);
        let same = *shortest.get_or_insert(violation.steps.len());
        assert_eq!(same, violation.steps.len(), "{mutant}: symmetry changes the way");
    }
}

#[test]
fn with_and_without_symmetry_the_same_states_are_seen() {
    let cases = [
        bounds(2, 1, &[Doing::Write, Doing::Read]),
        bounds(2, 2, &[]),
        bounds(3, 1, &[]),
        with_a_crash(bounds(2, 1, &[Doing::Write])),
        Bounds {
            duplicates: 1,
            heartbeats: 1,
            ..bounds(2, 1, &[])
        },
    ];
    for bounds in cases {
        let mut exploration = Exploration::new("raft", bounds.clone());
        let folded = walk(&exploration);
        exploration.symmetry = false;
        let unfolded = walk(&exploration);
        for walked in [&folded, &unfolded] {
            assert!(walked.exhausted, "{bounds:?}");
            assert_eq!(walked.violation, None, "{bounds:?}");
        }
        assert_eq!(folded.unfolded, unfolded.seen.states, "{bounds:?}");
        assert_eq!(unfolded.unfolded, unfolded.seen.states, "{bounds:?}");
        assert_eq!(folded.seen.depth, unfolded.seen.depth, "{bounds:?}");
        assert!(folded.seen.states < unfolded.seen.states, "{bounds:?}");
    }
}

#[test]
fn what_is_remembered_is_what_would_be_computed_again() {
    for bounds in [
        bounds(2, 1, &[Doing::Write]),
        with_a_crash(bounds(2, 1, &[])),
        bounds(3, 1, &[]),
    ] {
        let mut exploration = Exploration::new("raft", bounds.clone());
        exploration.limits.states = 4_000;
        let remembered = walk(&exploration);
        exploration.memo = false;
        let computed = walk(&exploration);
        let told = |walked: &Walked| {
            (
                walked.seen.states,
                walked.seen.steps,
                walked.seen.depth,
                walked.exhausted,
            )
        };
        assert_eq!(told(&remembered), told(&computed), "{bounds:?}");
    }
}

#[test]
fn planted_bugs_are_found_with_the_fewest_steps() {
    found("double-vote", bounds(3, 2, &[]), "R-I7", 3);
    found("vote-not-durable", with_a_crash(bounds(2, 1, &[])), "R-I7", 3);
    found("term-not-durable", with_a_crash(bounds(2, 1, &[])), "R-I7", 3);
    found(
        "append-ack-before-fsync",
        with_a_crash(bounds(2, 1, &[])),
        "R-I6",
        8,
    );
    found("vote-skip-log-check", bounds(3, 2, &[]), "R-I4", 8);
}

#[test]
fn what_clients_can_see_is_found_in_their_history_alone() {
    let mut exploration = Exploration::new("raft", bounds(2, 1, &[Doing::Write, Doing::Read]));
    exploration.black_box = true;
    assert!(walk(&exploration).exhausted);
    exploration.mutant = Some("read-local-at-any-node".to_owned());
    let violation = walk(&exploration)
        .violation
        .expect("a follower answers with an old value");
    assert_eq!(violation.property, "linearizability");
    let last = violation.steps.last().expect("steps");
    assert!(
        last.contains("client 2 asks") && last.contains("answers client 2"),
        "{last}"
    );
}

#[test]
fn a_path_is_told_from_the_first_step_to_the_one_that_breaks_something() {
    let mut exploration = Exploration::new("raft", bounds(3, 2, &[]));
    exploration.mutant = Some("double-vote".to_owned());
    let violation = walk(&exploration).violation.expect("it is found");
    assert!(
        violation.steps[0].contains("the Election timer runs out"),
        "{:#?}",
        violation.steps
    );
    assert!(
        violation.steps[2].contains("receives from"),
        "{:#?}",
        violation.steps
    );
    assert_eq!(
        walk(&exploration).violation,
        Some(violation),
        "the same walk finds the same"
    );
}

#[test]
fn a_walk_stops_at_its_limits_and_when_it_is_told_to() {
    let mut exploration = Exploration::new("raft", bounds(3, 2, &[Doing::Write]));
    exploration.limits = Limits {
        states: 5_000,
        ..Limits::default()
    };
    let walked = walk(&exploration);
    assert!(!walked.exhausted && walked.violation.is_none());
    assert!(
        walked.seen.states >= 5_000 && walked.seen.states < 50_000,
        "{:?}",
        walked.seen
    );
    exploration.limits = Limits::default();
    let stopped = explore(&exploration, &mut |seen| seen.states < 5_000).expect("it can be explored");
    assert_eq!(stopped.seen, walked.seen);
}

#[test]
fn what_cannot_be_explored_is_refused_with_the_reason() {
    let refused = |change: &dyn Fn(&mut Exploration)| {
        let mut exploration = Exploration::new("raft", Bounds::default());
        change(&mut exploration);
        explore(&exploration, &mut |_| true)
            .expect_err("it cannot be explored")
            .to_string()
    };
    let set = |name: &str, value: &str| {
        let (name, value) = (name.to_owned(), value.to_owned());
        move |exploration: &mut Exploration| {
            exploration.settings.insert(name.clone(), value.clone());
        }
    };
    for (told, reason) in [
        (refused(&set("prevote", "on")), "time stands still"),
        (refused(&set("reads", "lease")), "time stands still"),
        (refused(&set("heartbeat", "1")), "no setting"),
        (refused(&|one| one.system = "zab".to_owned()), "raft"),
        (
            refused(&|one| one.mutant = Some("no-such-bug".to_owned())),
            "no-such-bug",
        ),
        (refused(&|one| one.bounds.nodes = 6), "from 1 to 5"),
    ] {
        assert!(told.contains(reason), "{told:?} does not say {reason:?}");
    }
}
