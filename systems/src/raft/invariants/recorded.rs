//! The invariants that traces alone decide, for runs whose nodes cannot be looked into: R-I1, R-I5, R-I7, R-I9,
//! R-I12, R-I13. Traces come in the order of each node; how nodes interleave does not matter.

use std::collections::BTreeMap;

use super::{Breach, effects, election_safety, oracle, own_term, state_hash, votes};
use crate::raft::types::{Index, Term, Trace};
use crate::replica::{NodeId, Status};

/// Judges recorded traces.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    election_safety: election_safety::ElectionSafety,
    applied: BTreeMap<Index, (Term, u64)>,
    counted: BTreeMap<(NodeId, Term), NodeId>,
    terms: BTreeMap<NodeId, Term>,
    state_hash: state_hash::StateHash,
    effects: effects::Effects,
}

impl Recorded {
    /// Takes in what a node traced.
    ///
    /// # Errors
    /// The first invariant found broken.
    pub fn observe(&mut self, node: NodeId, trace: &Trace) -> Result<(), Breach> {
        let breach = |(invariant, name): (&'static str, &'static str)| {
            move |what: String| Breach {
                invariant,
                name,
                node,
                what,
            }
        };
        match trace {
            Trace::BecameLeader { term } => {
                self.election_safety
                    .elected(node, *term)
                    .map_err(breach(election_safety::NAME))?;
            }
            Trace::VoteCounted { term, voter } => {
                self.counted(*voter, *term, node).map_err(breach(votes::NAME))?;
            }
            Trace::Applied { at, digest, .. } => {
                let known = self.applied.entry(at.index).or_insert((at.term, *digest));
                if *known != (at.term, *digest) {
                    let what = format!("two different entries were applied at {}", at.index);
                    return Err(breach(oracle::NAME)(what));
                }
            }
            Trace::Recovered { .. } => {
                self.terms.remove(&node);
            }
            _ => {}
        }
        let traces = std::slice::from_ref(trace);
        own_term::check(traces).map_err(breach(own_term::NAME))?;
        self.state_hash.check(traces).map_err(breach(state_hash::NAME))?;
        self.effects.check(traces).map_err(breach(effects::NAME))
    }

    /// Takes in a node's status, in the order in which that node gave them; traces in between are not needed.
    ///
    /// # Errors
    /// R-I7 if the node's term fell without a restart, or R-I8 if it applied more than it knows to be committed.
    pub fn status(&mut self, status: &Status) -> Result<(), Breach> {
        let node = status.node;
        let earlier = self.terms.insert(node, status.term).unwrap_or(0);
        let (invariant, name, what) = if status.term < earlier {
            let (invariant, name) = votes::NAME;
            (
                invariant,
                name,
                format!("its term fell from {earlier} to {}", status.term),
            )
        } else if status.applied > status.committed {
            let (invariant, name) = super::monotone::NAME;
            (
                invariant,
                name,
                format!("it applied {} of {} committed", status.applied, status.committed),
            )
        } else {
            return Ok(());
        };
        Err(Breach {
            invariant,
            name,
            node,
            what,
        })
    }

    fn counted(&mut self, voter: NodeId, term: Term, candidate: NodeId) -> Result<(), String> {
        match self.counted.insert((voter, term), candidate) {
            Some(earlier) if earlier != candidate => Err(format!(
                "{voter}'s vote in term {term} counted for {earlier} and for {candidate}"
            )),
            _ => Ok(()),
        }
    }
}
