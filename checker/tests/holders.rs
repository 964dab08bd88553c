//! Leases and unique ids against their definitions, followed to the letter.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use perjury_checker::{Finding, History, HistoryBuilder, Operation, Outcome, Value, Verdict};
use perjury_checker::{leases, unique_ids};
use support::Rng;
use support::plays::show;

const HISTORIES: u64 = 10_000;

/// A few processes that acquire, renew and release at random, without anybody to keep them apart.
fn draw_lease(rng: &mut Rng) -> History {
    let mut recorder = HistoryBuilder::default();
    let (processes, events) = (2 + rng.below(2), 8 + rng.below(10));
    let mut open: BTreeMap<u64, &str> = BTreeMap::new();
    let mut time = 1;
    for _ in 0..events {
        time += rng.below(4);
        let process = rng.below(processes);
        let Some(f) = open.remove(&process) else {
            let f = ["acquire", "acquire", "renew", "release"][rng.below(4) as usize];
            let argument = match f {
                "release" => Value::Nil,
                _ => Value::Int(rng.below(9) as i64),
            };
            recorder.invoke(process, time, f, "lease", argument).unwrap();
            open.insert(process, f);
            continue;
        };
        let outcome = [
            Outcome::Ok,
            Outcome::Ok,
            Outcome::Ok,
            Outcome::Fail,
            Outcome::Info,
        ];
        // Now and then less, or more, is granted than was asked for.
        let granted = if f != "release" && rng.chance(25) {
            Value::Int(rng.below(9) as i64)
        } else {
            Value::Nil
        };
        let outcome = outcome[rng.below(5) as usize];
        recorder.complete(process, time, outcome, granted).unwrap();
    }
    recorder.finish()
}

/// Who holds the lease for certain at an instant.
fn holders(operations: &[Operation], instant: u64) -> BTreeSet<u64> {
    let holds = |grant: &&Operation| {
        let length = match (&grant.completion.value, &grant.argument) {
            (Value::Int(length), _) | (_, Value::Int(length)) => *length as u64,
            _ => return false,
        };
        let granted = grant.completion.outcome == Outcome::Ok
            && grant.f.name() != "release"
            && grant.completion.at.is_some_and(|at| at.time <= instant);
        let given_back = operations.iter().any(|release| {
            let of_it = release.process == grant.process && release.id > grant.id;
            release.f.name() == "release" && of_it && release.invoked.time <= instant
        });
        granted && instant < grant.invoked.time + length && !given_back
    };
    operations
        .iter()
        .filter(holds)
        .map(|grant| grant.process)
        .collect()
}

fn lease_is_broken(operations: &[Operation]) -> bool {
    (0..100).any(|instant| holders(operations, instant).len() > 1)
}

#[test]
fn leases_are_judged_by_their_definition() {
    let mut rng = Rng(21);
    let mut broken = 0;
    for _ in 0..HISTORIES {
        let history = draw_lease(&mut rng);
        let finding = leases::check(&history);
        let expected = if lease_is_broken(&history.operations) {
            Verdict::Invalid
        } else {
            Verdict::Valid
        };
        assert_eq!(
            finding.verdict,
            expected,
            "{} {}",
            finding.sentence,
            show(&history)
        );
        assert_eq!(expected == Verdict::Invalid, !finding.witnesses.is_empty());
        broken += u64::from(expected == Verdict::Invalid);
        for witness in &finding.witnesses {
            let shown = &witness.operations;
            assert!(
                lease_is_broken(shown),
                "{:?} proves nothing: {}",
                witness.story,
                show(&history)
            );
            // Two grants, and whatever cut them short: without either grant nothing is broken.
            let grants = shown.iter().filter(|operation| operation.f.name() != "release");
            assert_eq!(grants.clone().count(), 2);
            for grant in grants {
                let rest: Vec<Operation> = shown
                    .iter()
                    .filter(|other| other.id != grant.id)
                    .cloned()
                    .collect();
                assert!(!lease_is_broken(&rest));
            }
        }
    }
    assert!(broken > HISTORIES / 20 && broken < HISTORIES * 9 / 10, "{broken}");
}

fn lease(steps: &[(u64, u64, &str, Outcome, i64, u64)]) -> Finding {
    let mut recorder = HistoryBuilder::default();
    for &(process, begun, f, outcome, length, ended) in steps {
        recorder
            .invoke(process, begun, f, "lease", Value::Int(length))
            .unwrap();
        recorder.complete(process, ended, outcome, Value::Nil).unwrap();
    }
    leases::check(&recorder.finish())
}

#[test]
fn a_lease_is_held_from_the_answer_until_its_length_has_passed_since_the_question() {
    use Outcome::{Info, Ok};
    let first = (0, 100, "acquire", Ok, 50, 110);
    // It ends at 150, not at 160.
    assert_eq!(
        lease(&[first, (1, 120, "acquire", Ok, 50, 150)]).verdict,
        Verdict::Valid
    );
    assert_eq!(
        lease(&[first, (1, 120, "acquire", Ok, 50, 149)]).verdict,
        Verdict::Invalid
    );
    // A renewal goes on, unless nobody heard that it was granted.
    let second = (1, 170, "acquire", Ok, 50, 180);
    assert_eq!(
        lease(&[first, (0, 140, "renew", Ok, 50, 145), second]).verdict,
        Verdict::Invalid
    );
    assert_eq!(
        lease(&[first, (0, 140, "renew", Info, 50, 145), second]).verdict,
        Verdict::Valid
    );
    // Whoever has asked to release it holds it no longer, whatever came of that.
    assert_eq!(
        lease(&[
            first,
            (0, 115, "release", Info, 0, 120),
            (1, 130, "acquire", Ok, 50, 135)
        ])
        .verdict,
        Verdict::Valid
    );
}

#[test]
fn what_says_nothing_about_a_lease_is_unknown() {
    use Outcome::Ok;
    let untimed = lease(&[(0, 0, "acquire", Ok, 50, 0)]);
    assert_eq!(untimed.verdict, Verdict::Unknown, "{}", untimed.sentence);
    let backwards = lease(&[(0, 1, "acquire", Ok, -5, 2)]);
    assert!(
        backwards.sentence.contains("less than nothing"),
        "{}",
        backwards.sentence
    );
    let foreign = lease(&[(0, 1, "acquire", Ok, 5, 2), (0, 3, "steal", Ok, 5, 4)]);
    assert!(foreign.sentence.contains("`steal`"), "{}", foreign.sentence);
}

fn draw_ids(rng: &mut Rng) -> History {
    let mut recorder = HistoryBuilder::default();
    for process in 0..2 + rng.below(6) {
        recorder
            .invoke(process, process, "generate", "ids", Value::Nil)
            .unwrap();
        let id = match rng.below(20) {
            0 => Value::Nil,
            1 => Value::from("7"),
            _ => Value::Int(rng.below(30) as i64),
        };
        match rng.below(10) {
            0 => {}
            1 => recorder
                .complete(process, process, Outcome::Info, Value::Nil)
                .unwrap(),
            2 => recorder.complete(process, process, Outcome::Fail, id).unwrap(),
            _ => recorder.complete(process, process, Outcome::Ok, id).unwrap(),
        }
    }
    recorder.finish()
}

#[test]
fn ids_are_judged_by_their_definition() {
    let mut rng = Rng(22);
    let mut counts = [0; 3];
    for _ in 0..HISTORIES {
        let history = draw_ids(&mut rng);
        let finding = unique_ids::check(&history);
        let given: Vec<&Operation> = history
            .operations
            .iter()
            .filter(|operation| operation.completion.outcome == Outcome::Ok)
            .collect();
        let untold = given.iter().any(|one| one.completion.value == Value::Nil);
        let given: Vec<&Operation> = given
            .into_iter()
            .filter(|one| one.completion.value != Value::Nil)
            .collect();
        let different: BTreeSet<&Value> = given
            .iter()
            .map(|operation| &operation.completion.value)
            .collect();
        let expected = match (given.len(), different.len()) {
            (0, _) => Verdict::Unknown,
            (all, different) if all == different && untold => Verdict::Unknown,
            (all, different) if all == different => Verdict::Valid,
            _ => Verdict::Invalid,
        };
        assert_eq!(
            finding.verdict,
            expected,
            "{} {}",
            finding.sentence,
            show(&history)
        );
        counts[expected as usize] += 1;
        for witness in &finding.witnesses {
            let [one, other] = &witness.operations[..] else {
                panic!("{:?}", witness.story)
            };
            assert!(one.id != other.id && one.completion.value == other.completion.value);
        }
        assert_eq!(expected == Verdict::Invalid, !finding.witnesses.is_empty());
    }
    assert!(
        counts[0] > HISTORIES / 10 && counts[2] > HISTORIES / 10 && counts[1] > 0,
        "{counts:?}"
    );
}

#[test]
fn an_operation_that_gives_out_no_id_is_named() {
    let mut recorder = HistoryBuilder::default();
    recorder.invoke(0, 0, "draw", "ids", Value::Nil).unwrap();
    recorder.complete(0, 1, Outcome::Ok, 1).unwrap();
    let finding = unique_ids::check(&recorder.finish());
    assert_eq!(finding.verdict, Verdict::Unknown);
    assert!(finding.sentence.contains("`draw`"), "{}", finding.sentence);
}
