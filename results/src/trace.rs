//! A run as a trace that Perfetto and Chrome's tracing open: clients, nodes and faults as tracks, messages as arrows.
//!
//! The format is the "Trace Event Format" of Chrome, as JSON; times are microseconds.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use perjury_checker::Outcome;
use perjury_nemesis::Node;
use perjury_runner::{Fate, View};
use serde_json::{Value, json};

use crate::evidence::{Evidence, hits};
use crate::messages::centres;
use crate::words;

const CLIENTS: u64 = 1;
const NODES: u64 = 2;
const FAULTS: u64 = 3;
const RUN: u64 = 4;
/// Messages that become arrows at most; the others stand in `messages.jsonl`.
const ARROWS: usize = 50_000;
/// Nanoseconds that a message shows at either end of its arrow.
const TIP: u64 = 1_000;

/// Writes events one by one.
struct Events<W: Write> {
    out: BufWriter<W>,
    first: bool,
}

impl<W: Write> Events<W> {
    fn push(&mut self, event: &Value) -> io::Result<()> {
        self.out.write_all(if self.first { b"[\n" } else { b",\n" })?;
        self.first = false;
        serde_json::to_writer(&mut self.out, event).map_err(io::Error::from)
    }

    fn name(&mut self, process: u64, thread: Option<u64>, name: &str) -> io::Result<()> {
        let what = if thread.is_some() {
            "thread_name"
        } else {
            "process_name"
        };
        self.push(&json!({
            "ph": "M", "name": what, "pid": process, "tid": thread.unwrap_or(0), "args": { "name": name },
        }))
    }

    fn slice(
        &mut self,
        track: (u64, u64),
        name: &str,
        category: &str,
        (from, to): (u64, u64),
        args: Value,
    ) -> io::Result<()> {
        self.push(&json!({
            "ph": "X", "name": name, "cat": category, "pid": track.0, "tid": track.1,
            "ts": micros(from), "dur": micros(to.saturating_sub(from)), "args": args,
        }))
    }
}

fn micros(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}

/// Writes a run as a trace.
///
/// # Errors
/// If it cannot be written.
pub fn write(evidence: &Evidence, out: impl Write) -> io::Result<()> {
    let mut events = Events {
        out: BufWriter::new(out),
        first: true,
    };
    let end = evidence.end();
    for (process, name) in [
        (RUN, "run"),
        (FAULTS, "faults"),
        (NODES, "nodes"),
        (CLIENTS, "clients"),
    ] {
        events.name(process, None, name)?;
    }
    phases(evidence, end, &mut events)?;
    operations(evidence, end, &mut events)?;
    nodes(evidence, end, &mut events)?;
    faults(evidence, end, &mut events)?;
    messages(evidence, &mut events)?;
    events.out.write_all(b"\n]\n")?;
    events.out.flush()
}

fn phases(evidence: &Evidence, end: u64, events: &mut Events<impl Write>) -> io::Result<()> {
    let phases: Vec<_> = evidence.phases().collect();
    for (place, (phase, at)) in phases.iter().enumerate() {
        let until = phases.get(place + 1).map_or(end, |(_, next)| *next);
        let name = format!("{phase:?}").to_lowercase();
        events.slice((RUN, 0), &name, "phase", (*at, until), json!({}))?;
    }
    for at in centres(evidence.verdict.as_ref()) {
        events.push(&json!({
            "ph": "i", "s": "g", "name": "violation", "cat": "violation", "pid": RUN, "tid": 0, "ts": micros(at),
        }))?;
    }
    Ok(())
}

fn operations(evidence: &Evidence, end: u64, events: &mut Events<impl Write>) -> io::Result<()> {
    let findings = evidence.verdict.iter().flat_map(|verdict| &verdict.findings);
    let lies: Vec<usize> = findings
        .flat_map(|finding| &finding.witnesses)
        .filter_map(|witness| witness.culprit)
        .collect();
    // A process has one operation at a time, so its slices never overlap.
    for operation in &evidence.history.operations {
        let completion = &operation.completion;
        let key = operation
            .key
            .as_deref()
            .map(|key| format!("{}: ", words::tame(key, 40)));
        let lied = if lies.contains(&operation.id) {
            " ▼ lied"
        } else {
            ""
        };
        let name = format!(
            "{}{} {}{lied}",
            key.unwrap_or_default(),
            words::call(operation, 60),
            words::result(operation, 60, 0)
        );
        let outcome = match completion.outcome {
            Outcome::Ok => "ok",
            Outcome::Fail => "fail",
            Outcome::Info => "info",
        };
        let until = completion.at.map_or(end, |at| at.time);
        let args = json!({
            "operation": operation.id,
            "outcome": outcome,
            "node": completion.node.as_deref().or(operation.node.as_deref()),
            "error": completion.error.as_deref().map(|error| words::tame(error, 200)),
        });
        events.slice(
            (CLIENTS, operation.process),
            &name,
            outcome,
            (operation.invoked.time, until),
            args,
        )?;
    }
    Ok(())
}

fn nodes(evidence: &Evidence, end: u64, events: &mut Events<impl Write>) -> io::Result<()> {
    for node in (1..=evidence.test.nodes).map(Node) {
        let (up, leads) = (u64::from(node.0) * 2, u64::from(node.0) * 2 + 1);
        events.name(NODES, Some(up), &node.to_string())?;
        events.name(NODES, Some(leads), &format!("{node} leads"))?;
        let is_up = |view: &View| view.up.contains(&node).then_some(0);
        let led = |view: &View| {
            view.leader
                .filter(|(leader, _)| *leader == node)
                .map(|(_, term)| term)
        };
        for (from, to, _) in evidence.stretches(end, is_up) {
            events.slice((NODES, up), "up", "node", (from, to), json!({}))?;
        }
        for (from, to, term) in evidence.stretches(end, led) {
            events.slice(
                (NODES, leads),
                &format!("term {term}"),
                "leader",
                (from, to),
                json!({ "term": term }),
            )?;
        }
    }
    Ok(())
}

/// Faults overlap as they like, so each is a pair of events of its own and not a slice.
fn faults(evidence: &Evidence, end: u64, events: &mut Events<impl Write>) -> io::Result<()> {
    for fault in &evidence.faults {
        let Some(from) = fault.injected_at else { continue };
        let kind = words::tame(&fault.kind, 20);
        let name = words::tame(&fault.description, 120);
        let hit: Vec<String> = (1..=evidence.test.nodes)
            .map(Node)
            .filter(|node| hits(fault, *node))
            .map(|node| node.to_string())
            .collect();
        let args = json!({ "nodes": hit, "evidence": words::tame(&fault.bite.evidence, 200) });
        for (phase, at) in [("b", from), ("e", fault.healed_at.unwrap_or(end))] {
            events.push(&json!({
                "ph": phase, "cat": kind, "name": name, "id": fault.id, "pid": FAULTS, "tid": 0,
                "ts": micros(at), "args": args,
            }))?;
        }
    }
    Ok(())
}

/// Each message is a sliver at its sender, and if it arrived one at its receiver, with an arrow between them.
fn messages(evidence: &Evidence, events: &mut Events<impl Write>) -> io::Result<()> {
    let Some(traffic) = &evidence.messages else {
        return Ok(());
    };
    let track = |node: Node| 1_000 + u64::from(node.0);
    let mut named: BTreeMap<Node, ()> = BTreeMap::new();
    for (number, message) in traffic.messages.iter().take(ARROWS).enumerate() {
        for node in [message.from, message.to] {
            if named.insert(node, ()).is_none() {
                events.name(NODES, Some(track(node)), &format!("{node} messages"))?;
            }
        }
        let kind = traffic
            .kinds
            .get(usize::from(message.kind))
            .map_or("?", |kind| kind);
        let fate = if message.fate == Fate::Delivered {
            ""
        } else {
            message.fate.word()
        };
        let name = format!("{} → {} {fate}", words::tame(kind, 40), message.to);
        let from = (NODES, track(message.from));
        events.slice(
            from,
            name.trim_end(),
            "message",
            (message.at, message.at + TIP),
            json!({ "fate": message.fate.word() }),
        )?;
        let Some(arrived) = message.arrived else { continue };
        let to = (NODES, track(message.to));
        let name = format!("{} ← {}", words::tame(kind, 40), message.from);
        events.slice(to, &name, "message", (arrived, arrived + TIP), json!({}))?;
        for (phase, track, at) in [("s", from, message.at), ("f", to, arrived)] {
            events.push(&json!({
                "ph": phase, "bp": "e", "cat": "message", "name": "message", "id": number,
                "pid": track.0, "tid": track.1, "ts": micros(at),
            }))?;
        }
    }
    Ok(())
}
