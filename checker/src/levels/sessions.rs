//! The session guarantees (Terry et al., "Session guarantees for weakly consistent replicated data", 1994), judged on
//! values that were written once each. A session is a process.
//!
//! A history shows them through the order of the versions of a key. No such order is recorded; so a guarantee holds if
//! there is *some* order, with the initial value first, in which it does:
//!
//! | guarantee | what a process sees or writes | and later | so that |
//! |---|---|---|---|
//! | monotonic reads | sees *a* | sees *b* | *a* is not after *b* |
//! | read your writes | writes *a* | sees *b* | *a* is not after *b* |
//! | monotonic writes | writes *a* | writes *b* | *a* is before *b* |
//! | writes follow reads | sees *a* | writes *b* | *a* is before *b* |
//!
//! The last two say what *others* may see, in which order. No history can show them broken unless somebody's reads put
//! versions in order; so they are judged together with monotonic reads, and where these are broken already, and by the
//! same versions, that is unknown.
//!
//! ```text
//!  process 0   [─ write 1 ─] [─ write 2 ─]
//!  process 1                               [─ read 2 ─] [─ read 1 ─]     monotonic writes are broken
//! ```

use std::collections::BTreeMap;

use super::cell::{INITIAL, Register};
use super::{Held, Rank};

/// Judges the four guarantees.
pub(super) fn judge(register: &Register<'_>) -> Vec<(Rank, Held)> {
    let ranks = [
        Rank::MonotonicReads,
        Rank::MonotonicWrites,
        Rank::ReadYourWrites,
        Rank::WritesFollowReads,
    ];
    if !register.unique {
        return ranks.map(|rank| (rank, Held::Unknown(register.repeats()))).into();
    }
    let sessions = sessions(register);
    let reads = edges(register, &sessions, monotonic_reads);
    let together = |guarantee: fn(&[Step], &mut Versions)| {
        let mut versions = edges(register, &sessions, guarantee);
        let own = versions.edges.clone();
        versions.join(&reads);
        versions.blame(&own, reads.acyclic())
    };
    let alone = |versions: &Versions, what: &str| {
        if versions.acyclic() {
            Held::Yes
        } else {
            Held::No(format!("no order of the versions lets every process {what}"))
        }
    };
    let yours = edges(register, &sessions, read_your_writes);
    let held = [
        alone(&reads, "see them only go forward"),
        together(monotonic_writes),
        alone(&yours, "see at least what it wrote"),
        together(writes_follow_reads),
    ];
    ranks.into_iter().zip(held).collect()
}

/// What a process saw, and then what it wrote.
struct Step {
    saw: Option<u32>,
    wrote: Option<u32>,
    pending: bool,
}

/// The steps of each process.
fn sessions(register: &Register<'_>) -> Vec<Vec<Step>> {
    let mut sessions: BTreeMap<u64, Vec<Step>> = BTreeMap::new();
    for act in &register.acts {
        sessions.entry(act.operation.process).or_default().push(Step {
            saw: act.saw.filter(|_| !act.pending()),
            wrote: act.wrote,
            pending: act.pending(),
        });
    }
    sessions.into_values().collect()
}

/// Versions, by the numbers of their values, and which must not be after which. Further nodes stand for several.
struct Versions {
    values: usize,
    edges: Vec<Vec<u32>>,
}

fn edges(register: &Register<'_>, sessions: &[Vec<Step>], guarantee: fn(&[Step], &mut Versions)) -> Versions {
    let mut versions = Versions {
        values: register.values(),
        edges: vec![Vec::new(); register.values()],
    };
    versions.edges[INITIAL as usize].extend(INITIAL + 1..register.values() as u32);
    for session in sessions {
        guarantee(session, &mut versions);
    }
    versions
}

fn monotonic_reads(session: &[Step], versions: &mut Versions) {
    let mut saws = session.iter().filter_map(|step| step.saw);
    let Some(mut before) = saws.next() else { return };
    for saw in saws {
        if saw != before {
            versions.add(before, saw);
        }
        before = saw;
    }
}

fn monotonic_writes(session: &[Step], versions: &mut Versions) {
    let mut before = None;
    for step in session {
        let Some(wrote) = step.wrote else { continue };
        if let Some(before) = before {
            versions.add(before, wrote);
        }
        // A pending write may have taken effect after all that came later.
        if !step.pending {
            before = Some(wrote);
        }
    }
}

fn writes_follow_reads(session: &[Step], versions: &mut Versions) {
    let mut seen = None;
    for step in session {
        if let Some(saw) = step.saw {
            let node = versions.node();
            versions.add(saw, node);
            if let Some(seen) = seen {
                versions.add(seen, node);
            }
            seen = Some(node);
        }
        if let (Some(seen), Some(wrote)) = (seen, step.wrote) {
            versions.add(seen, wrote);
        }
    }
}

/// Every version that a process saw is not before any that it wrote until then, itself apart. A tree over its writes
/// keeps that to a few edges for each read.
fn read_your_writes(session: &[Step], versions: &mut Versions) {
    let writes: Vec<u32> = session
        .iter()
        .filter(|step| !step.pending)
        .filter_map(|step| step.wrote)
        .collect();
    let leaves = writes.len().next_power_of_two();
    let root = versions.edges.len() as u32;
    for _ in 0..2 * leaves {
        versions.node();
    }
    for node in 2..2 * leaves as u32 {
        versions.add(root + node, root + node / 2);
    }
    let mut places: BTreeMap<u32, usize> = BTreeMap::new();
    for (place, &wrote) in writes.iter().enumerate() {
        versions.add(wrote, root + (leaves + place) as u32);
        places.insert(wrote, place);
    }
    let mut behind = 0;
    for step in session {
        if let Some(saw) = step.saw {
            let own = places
                .get(&saw)
                .copied()
                .filter(|&place| place < behind)
                .unwrap_or(behind);
            for (mut from, mut to) in [(leaves, leaves + own), (leaves + own + 1, leaves + behind)] {
                while from < to {
                    if from % 2 == 1 {
                        versions.add(root + from as u32, saw);
                        from += 1;
                    }
                    if to % 2 == 1 {
                        to -= 1;
                        versions.add(root + to as u32, saw);
                    }
                    (from, to) = (from / 2, to / 2);
                }
            }
        }
        behind += usize::from(step.wrote.is_some() && !step.pending);
    }
}

impl Versions {
    fn node(&mut self) -> u32 {
        self.edges.push(Vec::new());
        self.edges.len() as u32 - 1
    }

    fn add(&mut self, from: u32, to: u32) {
        self.edges[from as usize].push(to);
    }

    /// Takes over the edges between versions of another guarantee that has no further nodes.
    fn join(&mut self, other: &Versions) {
        for (from, edges) in other.edges[..other.values].iter().enumerate() {
            self.edges[from].extend(edges);
        }
    }

    fn acyclic(&self) -> bool {
        let components = self.components();
        let mut sizes = vec![0u32; self.edges.len()];
        for &component in &components {
            sizes[component as usize] += 1;
        }
        sizes.iter().all(|&size| size <= 1)
    }

    /// Whether edges of a guarantee's own are part of a cycle, given whether the others have none by themselves.
    fn blame(&self, own: &[Vec<u32>], others_acyclic: bool) -> Held {
        let components = self.components();
        let inside = own.iter().enumerate().any(|(from, edges)| {
            edges
                .iter()
                .any(|&to| from as u32 != INITIAL && components[from] == components[to as usize])
        });
        match (inside, others_acyclic) {
            (false, _) => Held::Yes,
            (true, true) => {
                Held::No("no order of the versions agrees with it and with what processes saw".to_owned())
            }
            (true, false) => Held::Unknown("monotonic reads are broken by the same versions".to_owned()),
        }
    }

    /// The strongly connected component of each node (Tarjan, 1972), without recursion.
    fn components(&self) -> Vec<u32> {
        const NONE: u32 = u32::MAX;
        let count = self.edges.len();
        let (mut index, mut low, mut component) = (vec![NONE; count], vec![0; count], vec![NONE; count]);
        let (mut stack, mut next, mut components) = (Vec::new(), 0, 0);
        for start in 0..count {
            if index[start] != NONE {
                continue;
            }
            let mut path = vec![(start, 0)];
            while let Some((node, edge)) = path.last_mut() {
                let node = *node;
                if *edge == 0 {
                    (index[node], low[node]) = (next, next);
                    next += 1;
                    stack.push(node);
                }
                if let Some(&to) = self.edges[node].get(*edge) {
                    *edge += 1;
                    let to = to as usize;
                    if index[to] == NONE {
                        path.push((to, 0));
                    } else if component[to] == NONE {
                        low[node] = low[node].min(index[to]);
                    }
                    continue;
                }
                path.pop();
                if let Some(&(parent, _)) = path.last() {
                    low[parent] = low[parent].min(low[node]);
                }
                if low[node] == index[node] {
                    while let Some(member) = stack.pop() {
                        component[member] = components;
                        if member == node {
                            break;
                        }
                    }
                    components += 1;
                }
            }
        }
        component
    }
}
