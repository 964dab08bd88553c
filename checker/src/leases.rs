//! Leases: `acquire`, `renew`, `release`; holders exclude each other in time.
//!
//! A lease is a lock that ends by itself (Gray and Cheriton, 1989). `acquire` and `renew` are granted for a length of
//! time: the completion's value or, if that is none, the argument, an integer of nanoseconds on the history's clock.
//! A careful holder counts from the moment at which it asked, since it cannot know when in between it was granted. So
//! it holds the lease for certain from the completion of the grant until the length has passed since the invocation,
//! or until it asks to release it, if that is earlier:
//!
//! ```text
//!  process 0   [─ acquire 100 ms ─]
//!              │                  ├──── holds it for certain ────┤
//!              └───────────────────── 100 ms ────────────────────┘
//!  process 1                              [─ acquire 100 ms ─]
//!                                                            ├── holds it, too: broken
//! ```
//!
//! The history is broken exactly if two processes hold a lease for certain at the same time. That does not depend on
//! when in its window the store granted or released it: it held for all of that time whatever the instant was. A
//! grant whose outcome is unknown binds nobody, since its process does not act on it.

use std::collections::BTreeMap;

use crate::history::{History, Key, Operation, Outcome, Value};
use crate::verdict::{Finding, Verdict, Witness};
use crate::words;

/// The most witnesses that a finding carries.
const WITNESSES: usize = 10;

/// Judges every key's lease.
pub fn check(history: &History) -> Finding {
    let mut keys: BTreeMap<Option<&Key>, Lease> = BTreeMap::new();
    let mut unknown = Vec::new();
    for operation in &history.operations {
        let lease = keys.entry(operation.key.as_ref()).or_default();
        if let Err(reason) = lease.add(operation) {
            unknown.push(reason);
        }
    }
    let timed = |operation: &Operation| {
        operation.invoked.time > 0 || operation.completion.at.is_some_and(|at| at.time > 0)
    };
    let grants: usize = keys.values().map(|lease| lease.grants.len()).sum();
    if grants > 0 && !history.operations.iter().any(timed) {
        unknown.push("the history has no times".to_owned());
    }
    let (mut violations, mut witnesses) = (0u64, Vec::new());
    for (key, lease) in &mut keys {
        for (first, second) in lease.overlaps() {
            violations += 1;
            if witnesses.len() < WITNESSES {
                witnesses.push(explain(*key, &first, &second));
            }
        }
    }
    let verdict = match (violations, unknown.is_empty()) {
        (0, true) => Verdict::Valid,
        (0, false) => Verdict::Unknown,
        _ => Verdict::Invalid,
    };
    let sentence = match verdict {
        Verdict::Valid => format!("No two processes held a lease at the same time in {grants} grants."),
        Verdict::Unknown => words::undecided(&unknown),
        Verdict::Invalid => {
            let first: Option<&Witness> = witnesses.first();
            let story = first.and_then(|witness| witness.story.last().cloned());
            let of = if violations == 1 { "time" } else { "times" };
            format!(
                "{violations} {of} a lease was granted while another process held it for certain. {}",
                story.unwrap_or_default()
            )
        }
    };
    Finding {
        property: "lease".to_owned(),
        verdict,
        sentence,
        method: format!("intervals ({})", keys.len()),
        operations: history.operations.len() as u64,
        states: 0,
        witnesses,
        linearizations: Vec::new(),
        levels: Vec::new(),
    }
}

/// A stretch of time, in nanoseconds, in which a process holds a lease for certain.
#[derive(Clone, Copy)]
struct Grant<'h> {
    operation: &'h Operation,
    from: u64,
    until: u64,
    released: Option<&'h Operation>,
}

#[derive(Default)]
struct Lease<'h> {
    grants: Vec<Grant<'h>>,
    /// By process: the releases, in the order of invocation.
    releases: BTreeMap<u64, Vec<&'h Operation>>,
    /// When the first operation was invoked that a lease does not have: it may have ended what was held.
    strange: Option<u64>,
}

impl<'h> Lease<'h> {
    fn add(&mut self, operation: &'h Operation) -> Result<(), String> {
        let completion = &operation.completion;
        match operation.f.name() {
            "release" => self
                .releases
                .entry(operation.process)
                .or_default()
                .push(operation),
            "acquire" | "renew" => {
                let Some(at) = completion.at.filter(|_| completion.outcome == Outcome::Ok) else {
                    return Ok(());
                };
                let ((Value::Int(length), _) | (_, Value::Int(length))) =
                    (&completion.value, &operation.argument)
                else {
                    return Err(format!(
                        "operation {} does not say how long the lease is",
                        operation.id
                    ));
                };
                let length = u64::try_from(*length).map_err(|_| {
                    format!("operation {} is for {length} ns, less than nothing", operation.id)
                })?;
                self.grants.push(Grant {
                    operation,
                    from: at.time,
                    until: operation.invoked.time.saturating_add(length),
                    released: None,
                });
            }
            other => {
                if completion.outcome != Outcome::Fail {
                    let since = operation.invoked.time;
                    self.strange = Some(self.strange.map_or(since, |earliest| earliest.min(since)));
                }
                return Err(format!(
                    "operation {} is `{other}`, which a lease does not have",
                    operation.id
                ));
            }
        }
        Ok(())
    }

    /// Pairs of grants to different processes that overlap, one for each grant that overlaps an earlier one.
    fn overlaps(&mut self) -> Vec<(Grant<'h>, Grant<'h>)> {
        for grant in &mut self.grants {
            let releases = self
                .releases
                .get(&grant.operation.process)
                .map_or(&[][..], Vec::as_slice);
            let next = releases.partition_point(|release| release.id < grant.operation.id);
            if let Some(&release) = releases
                .get(next)
                .filter(|release| release.invoked.time < grant.until)
            {
                (grant.until, grant.released) = (release.invoked.time, Some(release));
            }
        }
        let known = self.strange.unwrap_or(u64::MAX);
        self.grants
            .retain(|grant| grant.from < grant.until && grant.from < known);
        self.grants.sort_by_key(|grant| (grant.from, grant.operation.id));
        let mut overlaps = Vec::new();
        // The grant that lasts longest so far, and the one that does so among those to other processes.
        let (mut longest, mut other): (Option<Grant>, Option<Grant>) = (None, None);
        for &grant in &self.grants {
            let process = grant.operation.process;
            let rival = match longest {
                Some(longest) if longest.operation.process != process => Some(longest),
                _ => other,
            };
            overlaps.extend(
                rival
                    .filter(|rival| rival.until > grant.from)
                    .map(|rival| (rival, grant)),
            );
            match longest {
                Some(best) if best.operation.process == process => {
                    longest = Some(if grant.until > best.until { grant } else { best });
                }
                Some(best) if grant.until > best.until => (longest, other) = (Some(grant), Some(best)),
                Some(_) => {
                    let better = other.is_none_or(|other| grant.until > other.until);
                    other = if better { Some(grant) } else { other };
                }
                None => longest = Some(grant),
            }
        }
        overlaps
    }
}

fn explain(key: Option<&Key>, first: &Grant, second: &Grant) -> Witness {
    let mut operations: Vec<&Operation> = vec![first.operation, second.operation];
    operations.extend(first.released.into_iter().chain(second.released));
    operations.sort_by_key(|operation| operation.id);
    operations.dedup_by_key(|operation| operation.id);
    let mut story: Vec<String> = operations.iter().map(|operation| words::did(operation)).collect();
    let end = |grant: &Grant| match grant.released {
        Some(_) => "when it asked to release it",
        None => "when its length had passed since it asked",
    };
    story.push(format!(
        "Process {} held the lease from {} until {}, {}; process {} held it from {} until {}: for {} both did.",
        first.operation.process,
        words::seconds(first.from),
        words::seconds(first.until),
        end(first),
        second.operation.process,
        words::seconds(second.from),
        words::seconds(second.until),
        words::span(first.until.min(second.until) - second.from),
    ));
    Witness {
        key: key.cloned(),
        culprit: Some(second.operation.id),
        operations: operations.into_iter().cloned().collect(),
        story,
        orders: Vec::new(),
    }
}
