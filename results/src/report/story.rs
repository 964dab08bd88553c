//! What happened, in the order in which it happened: who asked what and was told what, what was broken, who led.
//! Every sentence is made from the evidence, and every name links to what it names.

use perjury_checker::{Function, Operation, Outcome, Value, Witness};
use perjury_nemesis::Node;

use super::logs::Logs;
use super::picture::{focus, span};
use crate::evidence::Evidence;
use crate::told::Told;
use crate::words;

/// Faults and changes of leadership that a story tells at most; the rest is counted.
const CONTEXT: usize = 12;

/// How long before the first trace of a witness without operations its story begins, in nanoseconds.
const PRELUDE: u64 = 300_000_000;

/// One sentence of the story.
#[derive(Debug)]
pub(crate) struct Sentence {
    /// When, in words.
    pub when: String,
    /// What kind of sentence: `op`, `lie`, `fault`, `heal`, `leader`, `died`; `trace`, `breach` for what a node
    /// wrote down of itself.
    pub kind: &'static str,
    /// The text in pieces, some of which are links.
    pub pieces: Vec<Piece>,
}

/// A piece of a sentence.
#[derive(Debug)]
pub(crate) struct Piece {
    pub text: String,
    /// Where it leads on this page, without the `#`; none for plain text.
    pub to: Option<String>,
}

impl Piece {
    fn plain(text: impl Into<String>) -> Self {
        Piece {
            text: text.into(),
            to: None,
        }
    }

    fn link(text: impl Into<String>, to: String) -> Self {
        Piece {
            text: text.into(),
            to: Some(to),
        }
    }
}

/// Tells what happened around a witness.
pub(crate) fn tell(evidence: &Evidence, logs: &Logs, witness: &Witness) -> (Vec<Sentence>, usize) {
    let (mut from, to) = span(witness);
    if witness.operations.is_empty() {
        // What the nodes wrote down came of what had been broken and who had led shortly before.
        from = from.saturating_sub(PRELUDE);
    }
    let (context, untold) = context(evidence, logs, from, to, focus(witness));
    let alike = words::alike(&witness.operations);
    let mut told: Vec<(u64, u8, Sentence)> = context;
    for operation in &witness.operations {
        let lie = witness.culprit == Some(operation.id);
        let mut pieces = vec![Piece::link(
            format!("Process {}", operation.process),
            format!("op-{}", operation.id),
        )];
        pieces.extend(linked(operation, alike, witness));
        let sentence = Sentence {
            when: words::moment(operation.invoked.time),
            kind: if lie { "lie" } else { "op" },
            pieces,
        };
        told.push((operation.invoked.time, 1, sentence));
    }
    told.extend(traces(witness));
    told.sort_by_key(|(at, rank, _)| (*at, *rank));
    (
        told.into_iter().map(|(_, _, sentence)| sentence).collect(),
        untold,
    )
}

/// What an operation did, as [`predicate`] tells it; the value that it saw links to the operation that wrote it, if that
/// one belongs to the witness.
fn linked(operation: &Operation, alike: usize, witness: &Witness) -> Vec<Piece> {
    let told = predicate(operation, alike);
    let seen = match operation.completion.outcome {
        Outcome::Ok => &operation.completion.value,
        _ => operation.completion.observed.as_ref().unwrap_or(&Value::Nil),
    };
    let writer = witness
        .operations
        .iter()
        .find(|other| written(other) == Some(seen));
    let value = match writer {
        Some(writer) if !told.value.is_empty() => Piece::link(told.value, format!("op-{}", writer.id)),
        _ => Piece::plain(told.value),
    };
    let pieces = [
        Piece::plain(format!(" {}", told.before)),
        value,
        Piece::plain(told.after),
    ];
    pieces
        .into_iter()
        .filter(|piece| !piece.text.is_empty())
        .collect()
}

/// The value that a key has when this operation has taken effect, if the operation alone says so.
fn written(operation: &Operation) -> Option<&Value> {
    match (&operation.f, &operation.argument) {
        (Function::Write, value) if *value != Value::Nil => Some(value),
        (Function::Cas, Value::List(pair)) if !operation.precondition_failed() => pair.get(1),
        _ => None,
    }
}

/// What the nodes wrote down, for a witness that has no operations: the last of it broke the rule.
fn traces(witness: &Witness) -> Vec<(u64, u8, Sentence)> {
    if !witness.operations.is_empty() {
        return Vec::new();
    }
    let lines = witness.story.iter().filter(|line| !line.starts_with("At "));
    let mut traces: Vec<_> = lines
        .filter_map(|line| Told::read(line))
        .map(|told| {
            let sentence = Sentence {
                when: words::moment(told.at),
                kind: "trace",
                pieces: vec![Piece::plain(words::tame(told.text, 400))],
            };
            (told.at, 1, sentence)
        })
        .collect();
    if let Some((_, _, last)) = traces.last_mut() {
        last.kind = "breach";
    }
    traces
}

/// Faults, deaths and leaders around a span: those at its beginning, and what changed within it.
fn context(
    evidence: &Evidence,
    logs: &Logs,
    from: u64,
    to: u64,
    focus: u64,
) -> (Vec<(u64, u8, Sentence)>, usize) {
    let mut told: Vec<(u64, Sentence)> = Vec::new();
    let mut standing: Vec<Sentence> = Vec::new();
    for fault in evidence.faults_during(from, to) {
        let link = Piece::link(
            words::tame(&fault.description, 120),
            format!("fault-{}", fault.id),
        );
        let kind = words::tame(&fault.kind, 20);
        match fault.injected_at {
            Some(at) if at >= from => told.push((
                at,
                Sentence {
                    when: words::moment(at),
                    kind: "fault",
                    pieces: vec![Piece::plain(format!("Fault ({kind}): ")), link, Piece::plain(".")],
                },
            )),
            Some(at) => standing.push(Sentence {
                when: words::moment(at),
                kind: "fault",
                pieces: vec![
                    Piece::plain(format!("Already broken ({kind}): ")),
                    link,
                    Piece::plain("."),
                ],
            }),
            None => {}
        }
        if let Some(at) = fault.healed_at.filter(|at| (from..=to).contains(at)) {
            let link = Piece::link(
                words::tame(&fault.description, 120),
                format!("fault-{}", fault.id),
            );
            told.push((
                at,
                Sentence {
                    when: words::moment(at),
                    kind: "heal",
                    pieces: vec![Piece::plain("Healed: "), link, Piece::plain(".")],
                },
            ));
        }
    }
    if let Some((node, term)) = evidence.leader_at(from) {
        standing.push(Sentence {
            when: words::moment(from),
            kind: "leader",
            pieces: leads(evidence, logs, node, term, from),
        });
    }
    let mut leader = evidence.leader_at(from);
    for (at, view) in evidence.views().filter(|(at, _)| (from..=to).contains(at)) {
        if view.leader == leader {
            continue;
        }
        let pieces = match view.leader {
            Some((node, term)) => leads(evidence, logs, node, term, at),
            None => vec![Piece::plain("Nobody leads any more.")],
        };
        leader = view.leader;
        told.push((
            at,
            Sentence {
                when: words::moment(at),
                kind: "leader",
                pieces,
            },
        ));
    }
    for notice in &evidence.notices {
        if let perjury_runner::Notice::NodeDied { at, node, reason } = notice
            && (from..=to).contains(at)
        {
            let name = match logs.last_words(&node.to_string(), *at) {
                Some(line) => Piece::link(node.to_string(), log_line(line)),
                None => Piece::plain(node.to_string()),
            };
            let text = format!(" died by itself: {}", words::tame(reason, 200));
            told.push((
                *at,
                Sentence {
                    when: words::moment(*at),
                    kind: "died",
                    pieces: vec![name, Piece::plain(text)],
                },
            ));
        }
    }
    let all = told.len();
    told.sort_by_key(|(at, _)| at.abs_diff(focus));
    told.truncate(CONTEXT);
    let untold = all - told.len();
    let more = standing.len().saturating_sub(CONTEXT);
    let standing = standing
        .into_iter()
        .skip(more)
        .map(|sentence| (from, 0, sentence));
    (
        standing
            .chain(told.into_iter().map(|(at, sentence)| (at, 0, sentence)))
            .collect(),
        untold + more,
    )
}

/// Who leads, with a link to what the node itself wrote about it when it took the lead, if that is on the page.
fn leads(evidence: &Evidence, logs: &Logs, node: Node, term: u64, at: u64) -> Vec<Piece> {
    let led = evidence
        .views()
        .find(|(_, view)| view.leader == Some((node, term)));
    let since = led.map_or(at, |(since, _)| since);
    let name = node.to_string();
    let subject = match logs.about_leading(&name, since) {
        Some(line) => Piece::link(name, log_line(line)),
        None => Piece::plain(name),
    };
    vec![subject, Piece::plain(format!(" leads, in term {term}."))]
}

/// Where a line of the logs stands on the page.
fn log_line(place: usize) -> String {
    format!("log-{place}")
}

/// The sentences of a checker's story that say more than what an operation did: the argument. Where they name
/// an operation of the witness, they link to it.
pub(crate) fn argument(witness: &Witness) -> Vec<Vec<Piece>> {
    witness
        .story
        .iter()
        .filter(|sentence| {
            let trace = witness.operations.is_empty()
                && !sentence.starts_with("At ")
                && Told::read(sentence).is_some();
            !trace
                && !witness
                    .operations
                    .iter()
                    .any(|operation| is_account(sentence, operation))
        })
        .map(|sentence| link(&words::tame(sentence, 2_000), witness))
        .collect()
}

/// Whether a sentence only tells what an operation did, which the chronicle tells already.
fn is_account(sentence: &str, operation: &Operation) -> bool {
    let name = format!("Process {} ", operation.process);
    let window = format!("({:.4} s", operation.invoked.time as f64 / 1e9);
    sentence.starts_with(&name) && sentence.contains(&window) && sentence.matches("rocess ").count() == 1
}

/// Turns `process 3` into a link wherever the witness has exactly one operation of that process.
fn link(sentence: &str, witness: &Witness) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = sentence;
    while let Some(found) = rest.find("rocess ") {
        let digits_at = found + "rocess ".len();
        let digits = rest[digits_at..].bytes().take_while(u8::is_ascii_digit).count();
        let start = rest[..found]
            .char_indices()
            .next_back()
            .filter(|(_, c)| matches!(c, 'p' | 'P'))
            .map(|(at, _)| at);
        let end = digits_at + digits;
        let process = rest[digits_at..end].parse::<u64>().ok();
        let mut named = witness
            .operations
            .iter()
            .filter(|operation| Some(operation.process) == process);
        match (start, named.next(), named.next()) {
            (Some(start), Some(operation), None) => {
                pieces.push(Piece::plain(&rest[..start]));
                pieces.push(Piece::link(&rest[start..end], format!("op-{}", operation.id)));
            }
            _ => pieces.push(Piece::plain(&rest[..end])),
        }
        rest = &rest[end..];
    }
    pieces.push(Piece::plain(rest));
    pieces
}

/// A whole sentence of what an operation did.
pub(crate) fn did(operation: &Operation, alike: usize) -> String {
    format!(
        "#{} at {}: process {} {}",
        operation.id,
        words::moment(operation.invoked.time),
        operation.process,
        predicate(operation, alike)
    )
}

/// What an operation did, without its subject, the value that it saw apart: `read x through n1; it was told `, `5`,
/// ` after 3.1 ms.`
struct Predicate {
    before: String,
    value: String,
    after: String,
}

impl std::fmt::Display for Predicate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}{}", self.before, self.value, self.after)
    }
}

fn predicate(operation: &Operation, alike: usize) -> Predicate {
    const LONGEST: usize = 60;
    let key = operation.key.as_deref().map(|key| words::tame(key, 40));
    let on = key.as_ref().map(|key| format!(" {key}")).unwrap_or_default();
    let to = key.as_ref().map(|key| format!(" to {key}")).unwrap_or_default();
    let argument = words::cut(&operation.argument, LONGEST);
    let completion = &operation.completion;
    let asked = match (&operation.f, &operation.argument) {
        (Function::Read, _) => format!("read{on}"),
        (Function::Write, _) => format!("wrote {argument}{to}"),
        (Function::Cas, Value::List(pair)) if pair.len() == 2 => format!(
            "set{on} to {} if it was {}",
            words::cut(&pair[1], LONGEST),
            words::cut(&pair[0], LONGEST)
        ),
        (Function::Append, _) => format!("appended {argument}{to}"),
        (Function::Delete, _) => format!("deleted{on}"),
        (Function::Increment, _) => format!("incremented{on} by {argument}"),
        (Function::Add, _) => format!("added {argument}{to}"),
        _ => format!("asked for {}{on}", words::call(operation, LONGEST)),
    };
    let node = completion.node.as_ref().or(operation.node.as_ref());
    let through = node
        .map(|node| format!(" through {}", words::tame(node, 40)))
        .unwrap_or_default();
    let after = completion
        .at
        .map(|at| {
            format!(
                " after {}",
                words::duration(at.time.saturating_sub(operation.invoked.time))
            )
        })
        .unwrap_or_default();
    let saw = |told: &str, value: &Value, after: &str| Predicate {
        before: format!("{asked}{through}; {told} "),
        value: words::seen(value, LONGEST, alike),
        after: format!("{after}."),
    };
    let told = match completion.outcome {
        Outcome::Ok if matches!(operation.f, Function::Read | Function::Txn | Function::Other(_)) => {
            return saw("it was told", &completion.value, &after);
        }
        Outcome::Ok => format!("acknowledged{after}"),
        Outcome::Fail if operation.precondition_failed() => match &completion.observed {
            Some(observed) => return saw(&format!("refused{after}: it saw"), observed, ""),
            None => format!("refused{after}: it compared and differed"),
        },
        Outcome::Fail => format!("surely failed{after}{}", why(operation)),
        Outcome::Info => format!("whether that happened is unknown{}", why(operation)),
    };
    Predicate {
        before: format!("{asked}{through}; {told}."),
        value: String::new(),
        after: String::new(),
    }
}

fn why(operation: &Operation) -> String {
    operation
        .completion
        .error
        .as_deref()
        .map(|error| format!(" ({})", words::tame(error, 60)))
        .unwrap_or_default()
}
