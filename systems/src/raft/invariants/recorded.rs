//! The invariants that traces alone decide, for runs whose nodes cannot be looked into: R-I1, R-I5, R-I7, R-I9,
//! R-I12, R-I13. Traces come in the order of each node; how nodes interleave does not matter.

use std::collections::BTreeMap;

use super::{effects, election_safety, oracle, own_term, state_hash, votes};
use crate::breach::{Breach, Judge};
use crate::raft::types::{Index, Term, Trace};
use crate::replica::{NodeId, Status};

/// Judges recorded traces.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    election_safety: election_safety::ElectionSafety,
    applied: BTreeMap<Index, (Term, u64)>,
    counted: BTreeMap<(NodeId, Term), NodeId>,
    cast: Cast,
    terms: BTreeMap<NodeId, Term>,
    state_hash: state_hash::StateHash,
    effects: effects::Effects,
}

impl Judge<Trace> for Recorded {
    fn observe(&mut self, node: NodeId, trace: &Trace) -> Result<(), Breach> {
        let breach = |name: (&'static str, &'static str)| move |what: String| Breach::new(name, node, what);
        match trace {
            Trace::BecameLeader { term } => {
                self.election_safety
                    .elected(node, *term)
                    .map_err(breach(election_safety::NAME))?;
            }
            Trace::Voted { term, candidate } => {
                self.cast.voted(node, *term, *candidate);
                self.seen(node, *term).map_err(breach(votes::NAME))?;
            }
            Trace::VoteCounted { term, voter } => {
                self.counted(*voter, *term, node).map_err(breach(votes::NAME))?;
                self.seen(*voter, *term).map_err(breach(votes::NAME))?;
            }
            Trace::Applied { at, digest, .. } => {
                let known = self.applied.entry(at.index).or_insert((at.term, *digest));
                if *known != (at.term, *digest) {
                    let what = format!("two different entries were applied at {}", at.index);
                    return Err(breach(oracle::NAME)(what));
                }
            }
            Trace::Recovered { term, .. } => {
                self.terms.remove(&node);
                for term in self.cast.forgotten(node, *term) {
                    self.seen(node, term).map_err(breach(votes::NAME))?;
                }
            }
            _ => {}
        }
        let traces = std::slice::from_ref(trace);
        own_term::check(traces).map_err(breach(own_term::NAME))?;
        self.state_hash.check(traces).map_err(breach(state_hash::NAME))?;
        self.effects.check(traces).map_err(breach(effects::NAME))
    }

    // A vote that was counted must have been cast.
    fn finish(&mut self) -> Result<(), Breach> {
        let made_up = |(&(voter, term), &candidate): (&(NodeId, Term), &NodeId)| {
            (!self.cast.ever(voter, term, candidate)).then(|| {
                let what = format!("it counted a vote of {voter} in term {term}, which {voter} never cast");
                Breach::new(votes::NAME, candidate, what)
            })
        };
        self.counted.iter().find_map(made_up).map_or(Ok(()), Err)
    }
}

impl Recorded {
    /// Takes in a node's status, in the order in which that node gave them; traces in between are not needed.
    ///
    /// # Errors
    /// R-I7 if the node's term fell without a restart, or R-I8 if it applied more than it knows to be committed.
    pub fn status(&mut self, status: &Status) -> Result<(), Breach> {
        let node = status.node;
        let earlier = self.terms.insert(node, status.term).unwrap_or(0);
        if status.term < earlier {
            let what = format!("its term fell from {earlier} to {}", status.term);
            return Err(Breach::new(votes::NAME, node, what));
        }
        if status.applied > status.committed {
            let what = format!("it applied {} of {} committed", status.applied, status.committed);
            return Err(Breach::new(super::monotone::NAME, node, what));
        }
        Ok(())
    }

    /// A vote that was counted had left its voter, so it was durable: the voter never votes otherwise afterwards,
    /// nor comes back without it.
    fn seen(&self, voter: NodeId, term: Term) -> Result<(), String> {
        let Some(&candidate) = self.counted.get(&(voter, term)) else {
            return Ok(());
        };
        match self.cast.after(voter, term, candidate) {
            None => Ok(()),
            Some(None) => Err(format!(
                "{voter} forgot its vote for {candidate} in term {term}, which had counted"
            )),
            Some(Some(other)) => Err(format!(
                "{voter} voted for {other} in term {term} after its vote for {candidate}, which counted"
            )),
        }
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

/// What each node voted, in its own order. None marks a restart in an earlier term.
#[derive(Clone, Debug, Default)]
struct Cast(BTreeMap<NodeId, BTreeMap<Term, Vec<Option<NodeId>>>>);

impl Cast {
    fn voted(&mut self, voter: NodeId, term: Term, candidate: NodeId) {
        self.0
            .entry(voter)
            .or_default()
            .entry(term)
            .or_default()
            .push(Some(candidate));
    }

    /// Marks the terms that a node came back without, and names them.
    fn forgotten(&mut self, voter: NodeId, recovered: Term) -> Vec<Term> {
        let Some(terms) = self.0.get_mut(&voter) else {
            return Vec::new();
        };
        let later = terms.range_mut(recovered + 1..);
        later
            .map(|(term, votes)| {
                votes.push(None);
                *term
            })
            .collect()
    }

    fn ever(&self, voter: NodeId, term: Term, candidate: NodeId) -> bool {
        self.votes(voter, term).contains(&Some(candidate))
    }

    /// What came last, if it came after the last vote for this candidate and differs from it.
    fn after(&self, voter: NodeId, term: Term, candidate: NodeId) -> Option<Option<NodeId>> {
        let votes = self.votes(voter, term);
        let last = *votes.last()?;
        (last != Some(candidate) && votes.contains(&Some(candidate))).then_some(last)
    }

    fn votes(&self, voter: NodeId, term: Term) -> &[Option<NodeId>] {
        self.0
            .get(&voter)
            .and_then(|terms| terms.get(&term))
            .map_or(&[], Vec::as_slice)
    }
}
