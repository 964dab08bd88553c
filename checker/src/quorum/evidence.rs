//! Who took part, operation by operation: checks E1, E2, E4, E5 and E6 and the order of writes.
//!
//! | check | what |
//! |---|---|
//! | E1 | a key's replicas are distinct nodes |
//! | E2 | an operation that succeeded counted as many distinct replicas of the key as it needed |
//! | E4 | a read returned the newest version among its answers |
//! | E5 | a read saw every write that was over before it began, if their quorums have to meet; a write is newer than those |
//! | E6 | an atomic read returned when so many replicas held what it returned that no later read can miss it |
//!
//! A removal may be forgotten: a read may find nothing at all where one can have been the newest.
//!
//! Times are the clients': what is over for a client was over for the store. O(n log n).

use std::collections::BTreeSet;

use super::Promise;
use super::regular::{by_key, is_read};
use crate::history::{Function, History, Operation, Outcome, Quorum, Tag, Value};
use crate::verdict::{Finding, Verdict, Witness};
use crate::words;

/// Violations that are shown, at most.
const WITNESSES: usize = 10;

/// Judges what answers tell of the replicas that took part; none if no answer tells anything.
pub fn evidence(history: &History, promise: Promise) -> Option<Finding> {
    let (mut told, mut broken, mut witnesses) = (0_u64, 0_u64, Vec::new());
    let mut convict = |operations: Vec<&Operation>, why: String| {
        broken += 1;
        if witnesses.len() < WITNESSES {
            witnesses.push(witness(operations, why));
        }
    };
    for (_, mut operations) in by_key(history) {
        let mut removals: Vec<&Operation> = operations.iter().copied().filter(|one| removes(one)).collect();
        removals.sort_by_key(|removal| removal.invoked.index);
        operations.retain(|operation| quorum(operation).is_some());
        told += operations.len() as u64;
        for operation in &operations {
            if let Some(why) = quorum(operation).and_then(|quorum| alone(operation, quorum, promise)) {
                convict(vec![operation], why);
            }
        }
        if promise != Promise::Eventual {
            missed(&operations, &removals, promise, &mut convict);
        }
    }
    if told == 0 {
        return None;
    }
    let verdict = if broken > 0 {
        Verdict::Invalid
    } else {
        Verdict::Valid
    };
    let first: Option<&String> = witnesses.first().and_then(|witness| witness.story.last());
    let sentence = match first {
        None => format!("In all of {told} operations that succeeded, enough replicas took part."),
        Some(why) if broken == 1 => why.clone(),
        Some(why) if broken == 2 => format!("{why} 1 other operation is as wrong."),
        Some(why) => format!("{why} {} other operations are as wrong.", broken - 1),
    };
    Some(Finding {
        property: "quorum evidence".to_owned(),
        verdict,
        sentence,
        method: "replicas named in answers".to_owned(),
        operations: told,
        states: 0,
        witnesses,
        linearizations: Vec::new(),
        levels: Vec::new(),
    })
}

fn quorum(operation: &Operation) -> Option<&Quorum> {
    let completion = &operation.completion;
    let told = completion.quorum.as_deref();
    told.filter(|_| completion.outcome == Outcome::Ok)
}

fn witness(operations: Vec<&Operation>, why: String) -> Witness {
    let mut story: Vec<String> = Vec::new();
    for operation in &operations {
        story.push(words::did(operation));
        if let Some(quorum) = quorum(operation) {
            story.push(took_part(operation, quorum));
        }
    }
    story.push(why);
    Witness {
        key: operations.first().and_then(|operation| operation.key.clone()),
        culprit: operations.last().map(|operation| operation.id),
        operations: operations.into_iter().cloned().collect(),
        story,
        orders: Vec::new(),
    }
}

/// `Of its replicas n1, n2 and n3, n1 and n3 answered it; n4, which is none of them, was counted in place of n2; 3 were
/// needed.`
fn took_part(operation: &Operation, quorum: &Quorum) -> String {
    let did = if is_read(operation) { "answered" } else { "stored" };
    let (own, others): (Vec<_>, Vec<_>) = quorum
        .answers
        .iter()
        .partition(|(node, _)| quorum.is_replica(*node));
    let told = |answers: &[&(u16, Option<Tag>)]| {
        let named = answers.iter().map(|(node, tag)| match tag {
            Some(tag) => format!("n{node} (version {tag})"),
            None => format!("n{node}"),
        });
        join(&named.collect::<Vec<_>>())
    };
    let stood_in = if others.is_empty() {
        String::new()
    } else {
        let (which, were) = if others.len() == 1 {
            ("which is", "was")
        } else {
            ("which are", "were")
        };
        let represented = quorum.represented();
        let place = if represented.is_empty() {
            String::new()
        } else {
            format!(" in place of {}", names(represented.into_iter()))
        };
        format!("; {}, {which} none of them, {were} counted{place}", told(&others))
    };
    format!(
        "Of its replicas {}, {} {did} it{stood_in}; {} {} needed.",
        names(quorum.of.iter().copied()),
        told(&own),
        quorum.need,
        if quorum.need == 1 { "was" } else { "were" }
    )
}

fn names(nodes: impl Iterator<Item = u16>) -> String {
    join(&nodes.map(|node| format!("n{node}")).collect::<Vec<_>>())
}

fn join(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What is wrong with an operation, looked at alone.
fn alone(operation: &Operation, quorum: &Quorum, promise: Promise) -> Option<String> {
    let brief = || words::sentence(&words::brief(operation));
    let of: BTreeSet<u16> = quorum.of.iter().copied().collect();
    if of.len() < quorum.of.len() {
        return Some(format!(
            "{} is on the replicas {}: one of them twice (E1).",
            brief(),
            names(quorum.of.iter().copied())
        ));
    }
    let answered: BTreeSet<u16> = quorum.answered().collect();
    for set in [&quorum.of, &quorum.before] {
        let among = set.iter().filter(|node| answered.contains(node)).count();
        if !set.is_empty() && among < usize::from(quorum.need) && promise != Promise::Eventual {
            return Some(format!(
                "{} succeeded with {among} of the replicas {}, where {} are needed (E2).",
                brief(),
                names(set.iter().copied()),
                quorum.need
            ));
        }
    }
    if !is_read(operation) {
        return None;
    }
    let newest = quorum.answers.iter().filter_map(|(_, tag)| *tag).max();
    if newest.is_some() && newest != quorum.tag && ordered(quorum) {
        let returned = quorum
            .tag
            .map_or("nothing".to_owned(), |tag| format!("version {tag}"));
        return Some(format!(
            "{} returned {returned}, and an answer had version {} (E4).",
            brief(),
            newest.map_or(String::new(), |tag| tag.to_string())
        ));
    }
    let stored: BTreeSet<u16> = quorum.stored.iter().copied().collect();
    let missing = quorum.of.len() - quorum.of.iter().filter(|node| stored.contains(node)).count();
    if promise == Promise::Linearizable && quorum.tag.is_some() && missing >= usize::from(quorum.need) {
        return Some(format!(
            "{} returned when {} was known to hold it: {} others can miss it (E6).",
            brief(),
            names(stored.iter().copied()),
            quorum.need
        ));
    }
    None
}

/// Whether it may have removed the key.
fn removes(operation: &Operation) -> bool {
    let removal = match operation.f {
        Function::Delete => true,
        Function::Write => operation.argument == Value::Nil,
        _ => false,
    };
    removal && operation.completion.outcome != Outcome::Fail
}

/// Whether a read that names no version may have found a removal, though this version was over before. The removals are in the
/// order of invocation.
fn newest_may_be_removal(removals: &[&Operation], over: Tag, read: &Operation) -> bool {
    let begun = removals.partition_point(|removal| removal.invoked.index < read.returned());
    let may_be_newer = |removal: &&Operation| {
        let tag = quorum(removal).and_then(|quorum| quorum.tag);
        tag.is_none_or(|tag| tag >= over)
    };
    // The last ones are mostly the newest.
    removals[..begun].iter().rev().any(may_be_newer)
}

/// Whether versions are in one order: an answer to a read then has a tag wherever the key was written.
fn ordered(quorum: &Quorum) -> bool {
    quorum.tag.is_some() || quorum.answers.iter().all(|(_, tag)| tag.is_none())
}

/// The newest version that is over, with the operation that shows it, for each number of replicas that took part.
type Floor<'h> = Vec<(u16, Tag, &'h Operation)>;

/// Operations that missed what was over before they began, though the quorums have to meet (E5).
fn missed<'h>(
    operations: &[&'h Operation],
    removals: &[&Operation],
    promise: Promise,
    convict: &mut impl FnMut(Vec<&'h Operation>, String),
) {
    let mut ends: Vec<&Operation> = operations.to_vec();
    ends.sort_by_key(|operation| operation.returned());
    let mut begins: Vec<&Operation> = operations.to_vec();
    begins.sort_by_key(|operation| operation.invoked.index);
    let (mut over, mut floor): (usize, Floor<'h>) = (0, Vec::new());
    for operation in begins {
        while let Some(ended) = ends
            .get(over)
            .filter(|ended| ended.returned() < operation.invoked.index)
        {
            over += 1;
            let counts = !is_read(ended) || promise == Promise::Linearizable;
            if let Some((quorum, tag)) = quorum(ended).and_then(|quorum| Some((quorum, quorum.tag?)))
                && counts
            {
                // Where reads are atomic, what was returned is held by enough replicas for any that ask as many.
                let w = if is_read(ended) {
                    quorum.of.len() as u16 + 1 - quorum.need
                } else {
                    quorum.need
                };
                raise(&mut floor, w, tag, ended);
            }
        }
        let Some(quorum) = quorum(operation) else { continue };
        let meets = |w: u16| usize::from(w + quorum.need) > quorum.of.len();
        let newest = floor
            .iter()
            .filter(|(w, ..)| meets(*w))
            .max_by_key(|(_, tag, _)| *tag);
        let Some((_, tag, earlier)) = newest else { continue };
        let behind = if is_read(operation) {
            let nothing_is_right = || newest_may_be_removal(removals, *tag, operation);
            quorum.tag < Some(*tag) && !(quorum.tag.is_none() && nothing_is_right())
        } else {
            // A writer asks a read quorum for the newest version; how many that are is not told, but as many as have to.
            quorum.tag.is_some_and(|own| own <= *tag)
        };
        if !behind || (quorum.tag.is_none() && !ordered(quorum)) {
            continue;
        }
        let common: Vec<u16> = quorum
            .answered()
            .filter(|node| {
                super::evidence::quorum(earlier).is_some_and(|other| other.answered().any(|one| one == *node))
            })
            .collect();
        let met = match common.as_slice() {
            [] => "no replica took part in both".to_owned(),
            some => format!(
                "{} took part in both, and had forgotten it",
                names(some.iter().copied())
            ),
        };
        let why = format!(
            "{} has {}, though version {tag} was over before it began: {met} (E5).",
            words::sentence(&words::brief(operation)),
            quorum
                .tag
                .map_or("no version".to_owned(), |own| format!("version {own}")),
        );
        convict(vec![earlier, operation], why);
    }
}

fn raise<'h>(floor: &mut Floor<'h>, w: u16, tag: Tag, operation: &'h Operation) {
    match floor.iter_mut().find(|(known, ..)| *known == w) {
        Some(known) if known.1 < tag => *known = (w, tag, operation),
        Some(_) => {}
        None => floor.push((w, tag, operation)),
    }
}
