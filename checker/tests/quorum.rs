//! What is judged of stores of quorums, against the definitions followed to the letter, on small random histories; and for
//! each property a history that has it and one that has not.

mod support;

use perjury_checker::linearizability::Options;
use perjury_checker::quorum::{Promise, evidence, regularity, sequential_consistency, staleness, validity};
use perjury_checker::{Function, History, HistoryBuilder, Operation, Outcome, Quorum, Tag, Value, Verdict};
use support::Rng;

/// Histories; `PERJURY_ORACLE_HISTORIES` asks for more.
fn histories() -> u64 {
    std::env::var("PERJURY_ORACLE_HISTORIES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(12_000)
}

const REPLICAS: [u16; 3] = [1, 2, 3];

/// Up to ten operations of three clients on one register; every write has its own value, which is its version's counter too.
fn drawn(rng: &mut Rng) -> History {
    let mut builder = HistoryBuilder::default();
    let mut open: [Option<Function>; 3] = [None, None, None];
    let mut values = Vec::new();
    let mut retired = [0_u64; 3];
    let mut time = 0;
    for _ in 0..8 + rng.below(12) {
        time += 1_000_000;
        let client = rng.below(3) as usize;
        let process = client as u64 + 3 * retired[client];
        match open[client].take() {
            None => {
                let write = rng.below(2) == 0;
                let (f, value) = if write {
                    values.push(values.len() as i64 + 1);
                    (Function::Write, Value::Int(values.len() as i64))
                } else {
                    (Function::Read, Value::Nil)
                };
                builder
                    .invoke(process, time, &f.to_string(), "x", value)
                    .expect("it follows");
                open[client] = Some(f);
            }
            Some(f) => {
                let outcome = match rng.below(8) {
                    0 => Outcome::Info,
                    1 => Outcome::Fail,
                    _ => Outcome::Ok,
                };
                let result = match (&f, rng.below(values.len() as u64 + 1)) {
                    (Function::Read, value) if value > 0 => Value::Int(value as i64),
                    _ => Value::Nil,
                };
                builder
                    .complete(process, time, outcome, result)
                    .expect("it follows");
                retired[client] += u64::from(outcome == Outcome::Info);
            }
        }
    }
    let mut history = builder.finish();
    for operation in &mut history.operations {
        if operation.completion.outcome == Outcome::Ok {
            let tag = version(operation);
            operation.completion.quorum = Some(std::sync::Arc::new(took_part(rng, tag)));
        }
    }
    history
}

fn version(operation: &Operation) -> Option<Tag> {
    let value = match operation.f {
        Function::Read => &operation.completion.value,
        _ => &operation.argument,
    };
    match value {
        Value::Int(counter) => Some(Tag(*counter as u64, 1, 0)),
        _ => None,
    }
}

/// Mostly enough replicas, and mostly none that knows a newer version.
fn took_part(rng: &mut Rng, tag: Option<Tag>) -> Quorum {
    let need = 1 + rng.below(3) as u16;
    let fewer = u16::from(rng.below(20) == 0);
    let first = rng.below(3) as usize;
    let answers = (0..need - fewer).map(|place| {
        let node = REPLICAS[(first + usize::from(place)) % 3];
        let newer = rng.below(20) == 0;
        (node, if newer { Some(Tag(100, 1, 0)) } else { tag })
    });
    let answers = answers.collect();
    Quorum {
        epoch: 0,
        of: REPLICAS.to_vec(),
        before: Vec::new(),
        need,
        tag,
        answers,
        stored: Vec::new(),
    }
}

fn ends(operation: &Operation) -> u64 {
    match (operation.completion.outcome, operation.completion.at) {
        (Outcome::Ok, Some(at)) => at.index,
        _ => u64::MAX,
    }
}

fn reads(history: &History) -> impl Iterator<Item = &Operation> {
    let read =
        |operation: &&Operation| operation.f == Function::Read && operation.completion.outcome == Outcome::Ok;
    history.operations.iter().filter(read)
}

fn writes(history: &History) -> impl Iterator<Item = &Operation> {
    history
        .operations
        .iter()
        .filter(|operation| operation.f == Function::Write && operation.completion.outcome != Outcome::Fail)
}

/// Whether a read may return its value: written by a write that began before the read ended, with no other write wholly
/// between that write and the read.
fn is_regular(history: &History, read: &Operation) -> bool {
    let over = |write: &&Operation| ends(write) < read.invoked.index;
    match &read.completion.value {
        Value::Nil => !writes(history).any(|write| over(&write)),
        value => writes(history)
            .filter(|write| write.argument == *value && write.invoked.index < ends(read))
            .any(|write| {
                !writes(history)
                    .filter(over)
                    .any(|newer| newer.invoked.index > ends(write))
            }),
    }
}

fn is_written(history: &History, read: &Operation) -> bool {
    let value = &read.completion.value;
    *value == Value::Nil
        || writes(history).any(|write| write.argument == *value && write.invoked.index < ends(read))
}

/// How many newer writes were over when a read began; none for a read before the first.
fn behind(history: &History, read: &Operation) -> Option<usize> {
    let done = || {
        let over =
            |write: &&Operation| write.completion.outcome == Outcome::Ok && ends(write) < read.invoked.index;
        writes(history).filter(over)
    };
    done().next()?;
    Some(done().filter(|write| version(write) > version(read)).count())
}

/// E2, E4 and E5, pair by pair, for regular registers.
fn has_evidence_against(history: &History) -> bool {
    let told = |operation: &Operation| operation.completion.quorum.as_deref().cloned();
    let acted: Vec<(&Operation, Quorum)> = history
        .operations
        .iter()
        .filter_map(|operation| Some((operation, told(operation)?)))
        .collect();
    acted.iter().any(|(operation, quorum)| {
        let read = operation.f == Function::Read;
        let newest = quorum.answers.iter().filter_map(|(_, tag)| *tag).max();
        let short = quorum.answers.len() < usize::from(quorum.need);
        // Where nothing was returned and answers had a version, versions may not be in one order.
        let ordered = quorum.tag.is_some() || quorum.answers.iter().all(|(_, tag)| tag.is_none());
        let older = read && ordered && newest.is_some_and(|newest| quorum.tag != Some(newest));
        let missed = acted.iter().any(|(write, other)| {
            let meets = usize::from(other.need + quorum.need) > REPLICAS.len();
            let over = write.f == Function::Write && ends(write) < operation.invoked.index;
            let behind = if read {
                quorum.tag < other.tag && ordered
            } else {
                quorum.tag <= other.tag
            };
            meets && over && behind
        });
        short || older || missed
    })
}

fn verdict(broken: bool) -> Verdict {
    if broken { Verdict::Invalid } else { Verdict::Valid }
}

#[test]
fn judgements_are_those_of_the_definitions() {
    let mut seen = [[0_u64; 2]; 3];
    for seed in 0..histories() {
        let history = drawn(&mut Rng(seed));
        let irregular = reads(&history).any(|read| !is_regular(&history, read));
        let invented = reads(&history).any(|read| !is_written(&history, read));
        let against = has_evidence_against(&history);
        let found = [regularity(&history).verdict, validity(&history).verdict];
        assert_eq!(
            found,
            [verdict(irregular), verdict(invented)],
            "seed {seed}: {history:#?}"
        );
        if let Some(finding) = evidence(&history, Promise::Regular) {
            assert_eq!(finding.verdict, verdict(against), "seed {seed}: {finding:#?}");
        }
        for (count, broken) in seen.iter_mut().zip([irregular, invented, against]) {
            count[usize::from(broken)] += 1;
        }
    }
    assert!(seen.iter().flatten().all(|count| *count > 100), "{seen:?}");
}

/// Whether some order explains the results, puts each process's operations one after the other, and lets those whose
/// outcome is unknown take effect at any time after what their process had done, or never.
fn explains(left: &[&Operation], value: &Value) -> bool {
    let next = |place: &usize| {
        let one = left[*place];
        !left[..*place]
            .iter()
            .any(|other| other.process == one.process && other.completion.outcome != Outcome::Info)
    };
    if left.iter().all(|one| one.completion.outcome == Outcome::Info) {
        return true;
    }
    (0..left.len()).filter(next).any(|place| {
        let one = left[place];
        let rest = [&left[..place], &left[place + 1..]].concat();
        match one.f {
            Function::Read => one.completion.value == *value && explains(&rest, value),
            _ => explains(&rest, &one.argument),
        }
    })
}

fn is_sequential(operations: &[Operation]) -> bool {
    let counts = |one: &&Operation| match one.completion.outcome {
        Outcome::Ok => true,
        Outcome::Info => one.f == Function::Write,
        Outcome::Fail => false,
    };
    let counted: Vec<&Operation> = operations.iter().filter(counts).collect();
    explains(&counted, &Value::Nil)
}

#[test]
fn sequential_consistency_is_judged_by_its_definition_and_witnesses_are_as_small_as_they_can_be() {
    let mut seen = [0_u64; 2];
    for seed in 0..histories() {
        let history = drawn(&mut Rng(seed));
        let found = sequential_consistency(&history, &Options::default());
        let broken = !is_sequential(&history.operations);
        assert_eq!(found.verdict, verdict(broken), "seed {seed}: {history:#?}");
        for witness in &found.witnesses {
            assert!(!is_sequential(&witness.operations), "seed {seed}: {witness:#?}");
            let evidence = |place: &usize| witness.operations[*place].f == Function::Read;
            for place in (0..witness.operations.len()).filter(evidence) {
                let mut fewer = witness.operations.clone();
                fewer.remove(place);
                assert!(
                    is_sequential(&fewer),
                    "seed {seed}, without {place}: {witness:#?}"
                );
            }
        }
        seen[usize::from(broken)] += 1;
    }
    assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
}

#[test]
fn staleness_is_counted_write_by_write() {
    let mut stale = 0;
    for seed in 0..histories() {
        let history = drawn(&mut Rng(seed));
        let Some(measured) = staleness(&history) else {
            continue;
        };
        let counts: Vec<usize> = reads(&history)
            .filter_map(|read| behind(&history, read))
            .collect();
        for (k, count) in measured.behind.iter().enumerate() {
            let wanted = counts.iter().filter(|behind| **behind == k).count();
            assert_eq!(*count, wanted as u64, "seed {seed}, k = {k}: {history:#?}");
        }
        assert_eq!(measured.reads(), counts.len() as u64, "seed {seed}");
        let behind = counts.iter().filter(|behind| **behind > 0).count();
        assert_eq!(measured.since_ns.len(), behind, "seed {seed}");
        stale += behind;
    }
    assert!(stale > 100, "{stale}");
}

/// Write 1, then write 2 or not, then a read of `value`.
fn one_after_the_other(value: i64, quorums: [(u16, &[u16]); 3]) -> History {
    let mut builder = HistoryBuilder::default();
    for (process, f, argument, result) in [
        (0, "write", Value::Int(1), Value::Nil),
        (1, "write", Value::Int(2), Value::Nil),
        (2, "read", Value::Nil, Value::Int(value)),
    ] {
        builder
            .invoke(process, 10 * process, f, "x", argument)
            .expect("it follows");
        builder
            .complete(process, 10 * process + 5, Outcome::Ok, result)
            .expect("it follows");
    }
    let mut history = builder.finish();
    for (operation, (need, nodes)) in history.operations.iter_mut().zip(quorums) {
        let tag = version(operation);
        operation.completion.quorum = Some(std::sync::Arc::new(Quorum {
            epoch: 0,
            of: REPLICAS.to_vec(),
            before: Vec::new(),
            need,
            tag,
            answers: nodes.iter().map(|node| (*node, tag)).collect(),
            stored: Vec::new(),
        }));
    }
    history
}

#[test]
fn quorums_that_meet_show_the_last_write() {
    let good = one_after_the_other(2, [(2, &[1, 2]), (2, &[2, 3]), (2, &[1, 3])]);
    assert_eq!(regularity(&good).verdict, Verdict::Valid);
    let found = evidence(&good, Promise::Regular).expect("quorums are told");
    assert_eq!(found.verdict, Verdict::Valid, "{found:#?}");
}

#[test]
fn a_pair_of_quorums_that_did_not_meet_is_named() {
    let bad = one_after_the_other(1, [(2, &[1, 2]), (2, &[2, 3]), (2, &[1])]);
    assert_eq!(regularity(&bad).verdict, Verdict::Invalid);
    let found = evidence(&bad, Promise::Regular).expect("quorums are told");
    assert_eq!(found.verdict, Verdict::Invalid);
    let told: Vec<&str> = found
        .witnesses
        .iter()
        .flat_map(|one| &one.story)
        .map(String::as_str)
        .collect();
    let text = told.join("\n");
    assert!(text.contains("no replica took part in both (E5)"), "{text}");
}

#[test]
fn a_node_that_is_no_replica_is_told_as_a_stand_in() {
    let bad = one_after_the_other(2, [(2, &[1, 2]), (3, &[2, 3, 5]), (1, &[3])]);
    let found = evidence(&bad, Promise::Regular).expect("quorums are told");
    let story = &found.witnesses[0].story;
    let told = "Of its replicas n1, n2 and n3, n2 (version 2.n1) and n3 (version 2.n1) stored it; n5 (version 2.n1), which \
                is none of them, was counted in place of n1; 3 were needed.";
    assert!(story.iter().any(|line| line == told), "{story:#?}");
}

#[test]
fn a_read_that_went_back_behind_what_its_process_knew_is_the_one_that_lied() {
    let asked = |operations: &[(u64, &str, Value, Value)]| {
        let mut builder = HistoryBuilder::default();
        for ((process, f, argument, result), time) in operations.iter().cloned().zip(0_u64..) {
            builder
                .invoke(process, 10 * time, f, "x", argument)
                .expect("it follows");
            builder
                .complete(process, 10 * time + 5, Outcome::Ok, result)
                .expect("it follows");
        }
        let found = sequential_consistency(&builder.finish(), &Options::default());
        let witness = found.witnesses.into_iter().next().expect("it is broken");
        (witness.culprit, witness.story.last().cloned().expect("a story"))
    };
    let (write, read) = (
        |process, value| (process, "write", Value::Int(value), Value::Nil),
        |process, value| (process, "read", Value::Nil, Value::Int(value)),
    );

    let own = asked(&[write(3, 1), write(4, 2), read(4, 1), read(4, 2)]);
    let other = asked(&[write(3, 1), write(3, 2), read(4, 2), read(4, 1)]);

    let said = "The read of x by process 4 returned 1, though the same process had written 2 before, and saw 2 again \
                afterwards.";
    assert_eq!(own, (Some(2), said.to_owned()));
    let said = "The read of x by process 4 returned 1, though the same process had seen 2 before, which process 3 wrote after \
                it.";
    assert_eq!(other, (Some(3), said.to_owned()));
}

#[test]
fn less_is_promised_where_quorums_need_not_meet() {
    let stale = one_after_the_other(1, [(1, &[1]), (1, &[2]), (1, &[1])]);
    assert_eq!(validity(&stale).verdict, Verdict::Valid);
    let found = evidence(&stale, Promise::Eventual).expect("quorums are told");
    assert_eq!(found.verdict, Verdict::Valid, "{found:#?}");
    let measured = staleness(&stale).expect("quorums are told");
    assert_eq!((measured.share(1), measured.quorums), (1.0, (3, 1, 1)));
}

/// What is judged of a read that names no version, after a write of 1 and what `change` makes of a write of 2.
fn verdict_on_nothing(change: impl Fn(&mut [Operation])) -> Verdict {
    let mut history = one_after_the_other(2, [(2, &[1, 2]), (2, &[2, 3]), (2, &[1, 3])]);
    let operations = &mut history.operations;
    let read = &mut operations[2].completion;
    read.value = Value::Nil;
    let mut nothing = read.quorum.as_deref().expect("it is told").clone();
    nothing.tag = None;
    nothing.answers.iter_mut().for_each(|(_, tag)| *tag = None);
    read.quorum = Some(std::sync::Arc::new(nothing));
    change(operations);
    let found = evidence(&history, Promise::Regular).expect("quorums are told");
    found.verdict
}

#[test]
fn replicas_may_forget_what_was_removed_and_nothing_else() {
    let removes = |operation: &mut Operation| {
        operation.f = Function::Delete;
        operation.argument = Value::Nil;
    };
    assert_eq!(verdict_on_nothing(|_| {}), Verdict::Invalid, "2 was written");
    assert_eq!(verdict_on_nothing(|all| removes(&mut all[1])), Verdict::Valid);
    let nil = |all: &mut [Operation]| all[1].argument = Value::Nil;
    assert_eq!(
        verdict_on_nothing(nil),
        Verdict::Valid,
        "a removal by its other name"
    );
    let before = |all: &mut [Operation]| removes(&mut all[0]);
    assert_eq!(verdict_on_nothing(before), Verdict::Invalid, "2 is newer");
    // What a removal of which nothing is known did may have been the newest.
    for (outcome, verdict) in [(Outcome::Info, Verdict::Valid), (Outcome::Fail, Verdict::Invalid)] {
        let ended = |all: &mut [Operation]| {
            removes(&mut all[1]);
            all[1].completion.outcome = outcome;
            all[1].completion.quorum = None;
        };
        assert_eq!(verdict_on_nothing(ended), verdict, "{outcome:?}");
    }
}
