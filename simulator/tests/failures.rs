//! What becomes of a run that failed: it is kept as a file, replayed, made small, and asked when it was bound to fail.

use perjury_runner::Options;
use perjury_simulator::{
    Campaign, Case, Comparison, Effort, Estimate, Expected, Found, Setup, Swarm, hunt, likelihood, run,
    shrink, story,
};

fn found(mutant: &str) -> Found {
    let mutants = perjury_systems::raft::MUTANTS;
    let info = mutants
        .iter()
        .find(|one| one.name == mutant)
        .expect("there is one");
    let campaign = Campaign {
        swarm: Swarm::for_mutant(Setup::new("raft", "cas", Options::default()), info),
        first_seed: 1,
        runs: 200,
        jobs: 2,
        keep_going: false,
        invariants: true,
    };
    let tally = hunt(&campaign, &|| false, &mut |_| {}).expect("it can be run");
    tally.found.into_iter().next().expect("it is found")
}

fn case_of(found: &Found) -> Case {
    let mut case = Case {
        version: "1".to_owned(),
        invariants: true,
        setup: found.setup.clone(),
        expected: None,
        story: Vec::new(),
    };
    let outcome = run(&case.setup, &case.wanted()).expect("it can be run");
    assert_eq!(
        outcome.hash, found.hash,
        "a run does not depend on what is wanted of it"
    );
    case.expected = Some(Expected::of(&outcome));
    case
}

#[test]
fn a_failure_that_was_sent_as_a_file_is_the_same_bit_for_bit_and_another_run_differs_at_an_event() {
    let case = case_of(&found("raft/term-not-durable"));
    let file = serde_json::to_string(&case).expect("JSON");
    let mut read: Case = serde_json::from_str(&file).expect("the same");
    assert_eq!(read, case);
    let outcome = run(&read.setup, &read.wanted()).expect("it can be run");
    assert_eq!(read.compare(&outcome), Ok(Comparison::Identical));
    read.setup.noise = Some(read.setup.noise() + 1);
    let other = run(&read.setup, &read.wanted()).expect("it can be run");
    let Ok(Comparison::Different {
        event: Some(event),
        now,
    }) = read.compare(&other)
    else {
        panic!("other noise is another run");
    };
    assert!(event >= 1 && !now.is_empty(), "event {event}: {now:?}");
    // Where only the hash is known, that is all that can be said.
    read.expected.as_mut().expect("it was run").steps.clear();
    assert_eq!(
        read.compare(&other),
        Ok(Comparison::Different {
            event: None,
            now: Vec::new()
        })
    );
}

#[test]
fn a_run_that_is_written_out_is_small_and_tells_what_happens_in_it() {
    let found = found("raft/term-not-durable");
    let small = shrink(&found.setup, true, Effort::default(), &|| false, &mut |_, _| {})
        .expect("it can be run")
        .expect("it fails");
    assert_eq!(small.property, found.property());
    let script = small.setup.script.as_ref().expect("it is written out");
    assert!(
        small.size.actions <= 5 && script.deliveries.len() <= 25,
        "{:?}",
        small.size
    );
    assert_eq!(
        script.deliveries.len() as u64,
        small.size.delivered,
        "what is left was needed"
    );
    let told = story(&small.setup, true, 400).expect("it can be run");
    assert!(told.len() < 100, "{told:?}");
    assert!(
        told.iter().any(|sentence| sentence.text.contains("voted")),
        "{told:?}"
    );
    // What is small already stays what it is.
    let again = shrink(&small.setup, true, Effort::default(), &|| false, &mut |_, _| {})
        .expect("it can be run")
        .expect("it fails");
    assert!(again.size.delivered <= small.size.delivered && again.size.actions <= small.size.actions);
}

/// What ends in the very moment in which a timer runs out or an fsync returns, and what needs the requests that try a
/// majority.
#[test]
fn whatever_breaks_safety_can_be_written_out() {
    let effort = Effort {
        events: 200_000,
        noises: 0,
    };
    for mutant in [
        "raft/apply-uncommitted",
        "raft/leader-counts-unsynced-self",
        "raft/prev-log-index-only",
        "raft/overwrite-without-truncating-tail",
    ] {
        let found = found(mutant);
        let small = shrink(&found.setup, true, effort, &|| false, &mut |_, _| {})
            .expect("it can be run")
            .expect("it fails");
        assert!(small.setup.script.is_some(), "{mutant}: {}", small.property);
    }
}

#[test]
fn who_is_interrupted_keeps_the_smallest_run_so_far() {
    let found = found("raft/term-not-durable");
    let runs = std::cell::Cell::new(0);
    let stop = || {
        runs.set(runs.get() + 1);
        runs.get() > 30
    };
    let small = shrink(&found.setup, true, Effort::default(), &stop, &mut |_, _| {})
        .expect("it can be run")
        .expect("it fails");
    assert!(small.runs <= 32, "{}", small.runs);
    let again = run(&small.setup, &perjury_simulator::Wanted::default()).expect("it can be run");
    assert_eq!(
        again
            .violations
            .first()
            .map(perjury_simulator::Violation::property),
        Some(small.property)
    );
}

#[test]
fn a_failure_becomes_certain_when_it_happens() {
    let found = found("raft/term-not-durable");
    let estimate = Estimate {
        moments: 4,
        branches: 5,
    };
    let known = likelihood(&found.setup, true, estimate, &|| false)
        .expect("it can be run")
        .expect("it fails");
    assert_eq!(known.property, found.property());
    assert!(known.moments.is_sorted_by_key(|moment| moment.event));
    let last = known.moments.last().expect("there are moments");
    assert_eq!(
        (last.event, last.failed),
        (found.events, 5),
        "what has happened is certain"
    );
    assert_eq!(known.happened.is_empty(), known.decisive.is_none(), "{known:?}");
    let correct = Setup {
        mutant: None,
        ..found.setup
    };
    assert_eq!(likelihood(&correct, true, estimate, &|| false), Ok(None));
}
