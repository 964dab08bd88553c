//! Counts what a run covered, and says what is missing.

use std::collections::BTreeMap;

use perjury_checker::{Operation, Outcome};
use perjury_nemesis::{Link, Resolved, kinds};
use perjury_workloads::{Bites, Counts, Coverage, Minimum};

use crate::step::{FaultRecord, View};

const KINDS: usize = kinds::ALL.len();

/// Operations are expected to succeed while faults of a kind are in force if these last at least this long, all
/// together: in a shorter time every client may be waiting for the leader that was hit, or for an election.
const OPPORTUNITY_NS: u64 = 4_000_000_000;

/// One kind of fault: how many are in force, and since which event there was always one.
#[derive(Clone, Copy, Debug, Default)]
struct Active {
    faults: u32,
    since_index: u64,
}

/// What is counted of one function.
#[derive(Clone, Debug)]
struct Row {
    name: String,
    counts: Counts,
    during: [u64; KINDS],
}

/// Counts as the run goes on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter {
    rows: Vec<Row>,
    active: [Active; KINDS],
    leader: Option<(perjury_nemesis::Node, u64)>,
    leader_changes: u64,
}

fn place(kind: &str) -> Option<usize> {
    kinds::ALL.iter().position(|known| *known == kind)
}

impl Counter {
    /// A fault took hold just before the event of this index.
    pub(crate) fn injected(&mut self, kind: &str, index: u64) {
        if let Some(place) = place(kind) {
            let active = &mut self.active[place];
            if active.faults == 0 {
                active.since_index = index;
            }
            active.faults += 1;
        }
    }

    /// A fault that had taken hold is being healed.
    pub(crate) fn healing(&mut self, kind: &str) {
        if let Some(place) = place(kind) {
            let active = &mut self.active[place];
            active.faults = active.faults.saturating_sub(1);
        }
    }

    /// An operation completed.
    pub(crate) fn completed(&mut self, operation: &Operation) {
        let name = operation.f.name();
        let row = match self.rows.iter().position(|row| row.name == name) {
            Some(row) => row,
            None => {
                self.rows.push(Row {
                    name: name.to_owned(),
                    counts: Counts::default(),
                    during: [0; KINDS],
                });
                self.rows.len() - 1
            }
        };
        let row = &mut self.rows[row];
        let differed = operation.precondition_failed();
        match operation.completion.outcome {
            Outcome::Ok => row.counts.ok += 1,
            Outcome::Fail => row.counts.fail += 1,
            Outcome::Info => row.counts.info += 1,
        }
        row.counts.differed += u64::from(differed);
        if differed || operation.completion.outcome == Outcome::Ok {
            for (active, during) in self.active.iter().zip(&mut row.during) {
                *during += u64::from(active.faults > 0 && active.since_index <= operation.invoked.index);
            }
        }
    }

    /// The cluster looks different, in the main phase or before it.
    pub(crate) fn seen(&mut self, view: &View, main: bool) {
        let Some((node, term)) = view.leader else { return };
        match self.leader {
            Some((before, at)) if term > at || (term == at && before != node) => {
                self.leader_changes += u64::from(main);
                self.leader = view.leader;
            }
            None => self.leader = view.leader,
            Some(_) => {}
        }
    }

    /// The coverage, with what is missing of the minimum. `asked` are the kinds of faults that were to come.
    pub(crate) fn finish(
        &self,
        records: &[FaultRecord],
        asked: &[&'static str],
        minimum: &Minimum,
        nodes: u16,
    ) -> Coverage {
        let mut coverage = Coverage {
            leader_changes: self.leader_changes,
            ..Coverage::default()
        };
        for row in &self.rows {
            coverage.functions.insert(row.name.clone(), row.counts);
        }
        for record in records {
            let bites: &mut Bites = coverage.faults.entry(record.kind.clone()).or_default();
            if record.injected_at.is_some() {
                bites.injected += 1;
                bites.bit += u64::from(record.bite.bit);
                let during = coverage.during.entry(record.kind.clone()).or_default();
                if let (Some(place), true) = (place(&record.kind), during.is_empty()) {
                    for row in self.rows.iter().filter(|row| row.during[place] > 0) {
                        during.insert(row.name.clone(), row.during[place]);
                    }
                }
            }
        }
        let (cut, busy) = cut_links(records);
        coverage.links_cut = cut;
        coverage.links_cut_with_traffic = busy;
        coverage.missing = missing(&coverage, records, asked, minimum, nodes);
        coverage
    }
}

/// Directed links that were cut, and how many of them dropped a packet.
fn cut_links(records: &[FaultRecord]) -> (u64, u64) {
    let mut links: BTreeMap<Link, bool> = BTreeMap::new();
    for record in records.iter().filter(|record| record.injected_at.is_some()) {
        if let Resolved::Cut { links: cut } = &record.fault {
            for link in cut {
                links.entry(*link).or_default();
            }
            for (link, packets) in &record.bite.links {
                if *packets > 0
                    && let Some(busy) = links.get_mut(link)
                {
                    *busy = true;
                }
            }
        }
    }
    (
        links.len() as u64,
        links.values().filter(|busy| **busy).count() as u64,
    )
}

fn missing(
    coverage: &Coverage,
    records: &[FaultRecord],
    asked: &[&'static str],
    minimum: &Minimum,
    nodes: u16,
) -> Vec<String> {
    let mut missing = Vec::new();
    for (function, least) in &minimum.succeeded {
        let done = coverage.functions.get(function).map_or(0, Counts::succeeded);
        if done < *least {
            missing.push(format!(
                "{done} operations of kind {function:?} succeeded, at least {least} are needed"
            ));
        }
    }
    for kind in asked {
        let bites = coverage.faults.get(*kind).copied().unwrap_or_default();
        if bites.injected == 0 {
            missing.push(format!("no {kind} fault took hold"));
            continue;
        }
        if bites.bit == 0 {
            missing.push(format!(
                "none of {} {kind} faults is known to have had an effect",
                bites.injected
            ));
        }
        let during: u64 = coverage
            .during
            .get(*kind)
            .map_or(0, |counts| counts.values().sum());
        if during < minimum.during_each_fault && opportunity_ns(records, kind, nodes) >= OPPORTUNITY_NS {
            missing.push(format!(
                "{during} operations succeeded while a {kind} fault was in force, at least {} are needed",
                minimum.during_each_fault
            ));
        }
    }
    missing
}

/// How long faults of a kind were in force under which operations can be expected to succeed, in nanoseconds.
fn opportunity_ns(records: &[FaultRecord], kind: &str, nodes: u16) -> u64 {
    let survivable = records
        .iter()
        .filter(|record| record.kind == kind && leaves_a_majority(&record.fault, nodes));
    let spans = survivable.filter_map(|record| record.healed_at?.checked_sub(record.injected_at?));
    spans.sum()
}

/// Whether operations can be expected to succeed while this fault is in force.
fn leaves_a_majority(fault: &Resolved, nodes: u16) -> bool {
    match fault {
        Resolved::Disk { defect, .. } if !defect.stops() => true,
        Resolved::Kill { nodes: hit, .. }
        | Resolved::Pause { nodes: hit }
        | Resolved::Disk { nodes: hit, .. }
        | Resolved::Leave { nodes: hit } => {
            usize::from(nodes) - hit.len().min(usize::from(nodes)) > usize::from(nodes / 2)
        }
        Resolved::Cut { links } => links.len() < usize::from(nodes) * usize::from(nodes.saturating_sub(1)),
        Resolved::Clock { .. } | Resolved::Packets { .. } => true,
    }
}
