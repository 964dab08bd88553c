//! What a checker answers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::history::{Key, Operation, Value};
use crate::levels::{self, Level};
use crate::linearizability::Linearization;
use crate::words;

/// What was decided. Merging verdicts takes the greatest: `invalid` over `unknown` over `valid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The history has the property.
    Valid,
    /// Not decided; the finding's sentence gives the reason.
    Unknown,
    /// The history proves a violation.
    Invalid,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Valid => "valid",
            Verdict::Unknown => "unknown",
            Verdict::Invalid => "invalid",
        })
    }
}

/// One property of a history, judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The property: `linearizability`, `set`, `counter`, …
    pub property: String,
    /// What was decided.
    pub verdict: Verdict,
    /// One sentence for a person: what holds, what was violated, or why it is unknown.
    pub sentence: String,
    /// How it was decided: `zones`, `chains`, `search`, …, with the number of keys each.
    pub method: String,
    /// Operations that the checker considered.
    pub operations: u64,
    /// Configurations that a search explored; 0 for methods that do not search.
    pub states: u64,
    /// Evidence for `invalid`, smallest first; other keys or elements that fail follow.
    pub witnesses: Vec<Witness>,
    /// For `valid`, where it was asked for: a legal order of each key, in the order of the keys' names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub linearizations: Vec<Linearization>,
    /// For `invalid`, where it was asked for: which weaker properties the history still has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<Level>,
}

impl Finding {
    /// How bad a violation is: `Not linearizable; still: regular, monotonic reads.` None where nothing was asked.
    pub fn still(&self) -> Option<String> {
        let held = match levels::strongest(&self.levels) {
            _ if self.levels.is_empty() => return None,
            Some(held) => held,
            None if self.levels.iter().any(|level| level.verdict == Verdict::Unknown) => {
                "nothing weaker that could be decided".to_owned()
            }
            None => "none of the weaker properties either".to_owned(),
        };
        Some(format!("Not linearizable; still: {held}."))
    }
}

/// A sub-history that still proves the violation, as small as it can be, and why.
///
/// Its operations play two parts. *Evidence* is taken at its word. *Sources* only show where the values come from that
/// the evidence saw: they count for what they wrote. A value that nobody is shown to have written would be a violation
/// by itself, though none of the history's; so an operation can only be left out together with those that saw what it
/// alone wrote. In this sense the witness is minimal: it is illegal, and it becomes legal when any one operation is left
/// out.
///
/// And it proves something: its evidence has no legal order even if every other operation of the history may have taken
/// effect at any instant of its window, or not at all. That asks for more than the witness alone shows where values
/// repeat, or where a failed compare-and-set only says what the value was not: then an operation may be there because
/// without it another one, which is not shown, would be an excuse. Where making a witness smaller would have cost too
/// much, its story says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The key; none where the model has a single object.
    pub key: Option<Key>,
    /// The operations, in the order of invocation: as few as prove the violation, and those that tell where the
    /// values come from that these saw. Their `id` and `invoked.index` are those of the whole history.
    pub operations: Vec<Operation>,
    /// The operation that lied: the first whose result no order explains.
    pub culprit: Option<usize>,
    /// A few sentences, in order, that a person can follow.
    pub story: Vec<String>,
    /// The longest legal orders that were found, each with why it cannot go on.
    pub orders: Vec<Order>,
}

impl Witness {
    /// The longest legal orders in words, a line each: what took effect, and why nothing can be next.
    pub fn orders_in_words(&self) -> Vec<String> {
        let name = |id: usize| {
            let operation = self.operations.iter().find(|operation| operation.id == id);
            operation.map_or_else(|| format!("operation {id}"), words::brief)
        };
        let told = |order: &Order| {
            let mut line = match &order.start {
                Some(state) => format!("If earlier operations left {}: ", words::short(state)),
                None => String::new(),
            };
            for (place, step) in order.steps.iter().enumerate() {
                let then = if place == 0 { "first " } else { ", then " };
                let (name, state) = (name(step.operation), words::short(&step.state));
                line += &format!("{then}{name} (leaves {state})");
            }
            let stuck: Vec<&str> = order.stuck.iter().map(|stuck| stuck.reason.as_str()).collect();
            line += if order.steps.is_empty() { "" } else { "; but " };
            line += &stuck.join("; ");
            format!("{}.", words::sentence(&line))
        };
        self.orders.iter().map(told).collect()
    }
}

/// A legal order of some of a witness's operations, and why no other operation can be next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The state that it begins with, where that is not the model's initial one: operations that are not shown
    /// had left it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Value>,
    /// The operations' ids with the state after each, as text.
    pub steps: Vec<Placed>,
    /// Each operation that would have to be next, and why it cannot.
    pub stuck: Vec<Stuck>,
}

/// An operation that took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The operation's id.
    pub operation: usize,
    /// The state after it.
    pub state: Value,
}

/// An operation that cannot be next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// The operation's id.
    pub operation: usize,
    /// Why.
    pub reason: String,
}
