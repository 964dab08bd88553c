//! How bad a violation is: the weaker properties that a history still has.
//!
//! ```text
//!                        linearizable
//!          ┌──────────────────┼──────────────────────┐
//!       regular        2-atomic, 3-atomic, …   sequentially consistent per key
//!          │                                         │
//!        safe                    monotonic reads · monotonic writes · read your writes · writes follow reads
//! ```
//!
//! | level | what it says | judged | source |
//! |---|---|---|---|
//! | sequentially consistent per key | one order explains all, and agrees with each process's own | exactly where written values are unique (linear time), by a bounded search elsewhere | Lamport, 1979; Cantin, Lipasti and Smith, 2005 |
//! | regular | a read returns a write that overlaps it, or one that no other write came between | exactly, O(n log n) | Lamport, 1986; Shao et al., 2011 |
//! | safe | the same of the reads that overlap no write | exactly, O(n log n) | Lamport, 1986 |
//! | *k*-atomic | in one order that agrees with real time, reads return one of the last *k* values | *k* = 2 exactly where values are unique; larger *k* between bounds, or by a bounded search | Golab, Hurwitz and Li, 2013 |
//! | the session guarantees | see [`sessions`] | exactly where values are unique, in near-linear time | Terry et al., 1994 |
//!
//! All but the first are about single values that are read, written, compared and set, or deleted. A compare-and-set
//! counts as a read of what it found and a write of what it left.

mod cell;
mod k_atomic;
mod regular;
mod sequential;
pub mod sessions;

use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::history::Operation;
use crate::models::{Cell, Model};
use crate::verdict::Verdict;

use cell::Register;

/// One of the weaker properties, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Its name, as the end of a sentence: `sequentially consistent per key`, `regular`, `2-atomic`, …
    pub name: String,
    /// Whether the history has it.
    pub verdict: Verdict,
    /// Why it has not, or why that is unknown; empty where it has.
    pub reason: String,
}

/// The levels, in the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Sequential,
    Regular,
    Safe,
    KAtomic,
    MonotonicReads,
    MonotonicWrites,
    ReadYourWrites,
    WritesFollowReads,
}

impl Rank {
    const OF_CELLS: [Rank; 8] = [
        Rank::Sequential,
        Rank::Regular,
        Rank::Safe,
        Rank::KAtomic,
        Rank::MonotonicReads,
        Rank::MonotonicWrites,
        Rank::ReadYourWrites,
        Rank::WritesFollowReads,
    ];

    fn name(self) -> &'static str {
        match self {
            Rank::Sequential => SEQUENTIAL,
            Rank::Regular => REGULAR,
            Rank::Safe => SAFE,
            Rank::KAtomic => "k-atomic",
            Rank::MonotonicReads => "monotonic reads",
            Rank::MonotonicWrites => "monotonic writes",
            Rank::ReadYourWrites => "read your writes",
            Rank::WritesFollowReads => "writes follow reads",
        }
    }
}

const SEQUENTIAL: &str = "sequentially consistent per key";
const REGULAR: &str = "regular";
const SAFE: &str = "safe";
const SESSION_GUARANTEES: [&str; 4] = [
    "monotonic reads",
    "monotonic writes",
    "read your writes",
    "writes follow reads",
];

/// Whether one key has a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It has.
    Yes,
    /// It has not, and why.
    No(String),
    /// Not decided, and why.
    Unknown(String),
}

/// One key's levels.
pub(crate) struct KeyLevels {
    held: Vec<(Rank, Held)>,
    /// Between which bounds the smallest *k* lies for which it is *k*-atomic; no upper one if there is none.
    k: Option<(u64, Option<u64>)>,
}

/// The configurations that a search for one level of one key may explore.
const STATES: u64 = 100_000;
/// The bytes that it may hold.
const BYTES: u64 = 256 << 20;

/// Judges the operations of one key, which are not linearizable, in the order of invocation.
pub(crate) fn of_key<M: Model>(operations: &[&Operation], model: &M, budget: &Budget) -> KeyLevels {
    let budget = bounded(budget);
    let register = model.cell().and_then(|cell| Register::new(cell, operations));
    let Some(register) = register else {
        let held = sequential::by_search(model, operations, &budget);
        return KeyLevels {
            held: vec![(Rank::Sequential, held)],
            k: None,
        };
    };
    let sequential = in_sequence(&register, model, operations, &budget);
    let [regular, safe] = regular::judge(&register);
    let k = k_atomic::smallest(&register, operations, &budget);
    let mut held = vec![
        (Rank::Sequential, sequential),
        (Rank::Regular, regular),
        (Rank::Safe, safe),
    ];
    held.extend(sessions::judge(&register));
    KeyLevels { held, k: Some(k) }
}

/// Whether one order explains the operations of one key and agrees with each process's own.
pub(crate) fn sequential(cell: &Cell, operations: &[&Operation], budget: &Budget) -> Held {
    let budget = bounded(budget);
    match Register::new(cell, operations) {
        Some(register) => in_sequence(&register, cell, operations, &budget),
        None => sequential::by_search(cell, operations, &budget),
    }
}

fn in_sequence<M: Model>(
    register: &Register<'_>,
    model: &M,
    operations: &[&Operation],
    budget: &Budget,
) -> Held {
    sequential::of_register(register).unwrap_or_else(|| sequential::by_search(model, operations, budget))
}

fn bounded(budget: &Budget) -> Budget {
    budget
        .clone()
        .with_states(budget.states.min(STATES))
        .with_bytes(budget.bytes.min(BYTES))
}

/// The reads among one key's operations that no regular register may have answered so; none if the operations are not
/// those of a register.
pub(crate) fn irregular<'h>(cell: &Cell, operations: &[&'h Operation]) -> Option<Vec<&'h Operation>> {
    Some(regular::lies(&Register::new(cell, operations)?))
}

/// Puts the keys' levels together; `open` says that other keys were not decided.
pub(crate) fn merge(keys: &[(String, KeyLevels)], open: bool) -> Vec<Level> {
    let mut levels = Vec::new();
    for rank in Rank::OF_CELLS {
        if rank == Rank::KAtomic {
            levels.extend(merge_k(keys, open));
            continue;
        }
        let judged = || {
            keys.iter().filter_map(|(key, levels)| {
                let (_, held) = levels.held.iter().find(|(other, _)| *other == rank)?;
                Some((key, held))
            })
        };
        if judged().next().is_none() {
            continue;
        }
        let broken = judged().find_map(|(key, held)| match held {
            Held::No(reason) => Some(format!("{key}{reason}")),
            _ => None,
        });
        let unknown = judged().find_map(|(key, held)| match held {
            Held::Unknown(reason) => Some(format!("{key}{reason}")),
            _ => None,
        });
        let unknown = unknown.or_else(|| open.then(|| "some keys were not decided".to_owned()));
        let (verdict, reason) = match (broken, unknown) {
            (Some(reason), _) => (Verdict::Invalid, reason),
            (None, Some(reason)) => (Verdict::Unknown, reason),
            (None, None) => (Verdict::Valid, String::new()),
        };
        levels.push(Level {
            name: rank.name().to_owned(),
            verdict,
            reason,
        });
    }
    levels
}

/// The greatest of the keys' *k*.
fn merge_k(keys: &[(String, KeyLevels)], open: bool) -> Option<Level> {
    let bounds: Vec<(u64, Option<u64>)> = keys.iter().filter_map(|(_, levels)| levels.k).collect();
    let low = bounds.iter().map(|(low, _)| *low).max()?;
    let high = bounds
        .iter()
        .map(|(_, high)| *high)
        .try_fold(0, |most, high| high.map(|high| most.max(high)));
    Some(match high {
        Some(high) if low == high && !open => Level {
            name: format!("{high}-atomic"),
            verdict: Verdict::Valid,
            reason: String::new(),
        },
        Some(high) if !open => Level {
            name: format!("{high}-atomic"),
            verdict: Verdict::Valid,
            reason: format!("the smallest k may be {low} already"),
        },
        Some(_) => Level {
            name: "k-atomic".to_owned(),
            verdict: Verdict::Unknown,
            reason: "some keys were not decided".to_owned(),
        },
        None if low == u64::MAX => Level {
            name: "k-atomic".to_owned(),
            verdict: Verdict::Invalid,
            reason: "a value was read that had not been written by then: no k is great enough".to_owned(),
        },
        None => Level {
            name: "k-atomic".to_owned(),
            verdict: Verdict::Unknown,
            reason: format!("not {}-atomic; no greater k was decided", low - 1),
        },
    })
}

/// The strongest levels that still hold, in a few words; none if there are none. What others imply is left out.
pub fn strongest(levels: &[Level]) -> Option<String> {
    let holds = |name: &str| {
        let mut named = levels.iter().filter(|level| level.name == name);
        named.any(|level| level.verdict == Verdict::Valid)
    };
    let implied = |level: &Level| {
        (level.name == SAFE && holds(REGULAR))
            || (SESSION_GUARANTEES.contains(&&*level.name) && holds(SEQUENTIAL))
    };
    let names: Vec<&str> = levels
        .iter()
        .filter(|level| level.verdict == Verdict::Valid && !implied(level))
        .map(|level| &*level.name)
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}
