//! R-I7: a node's term never falls, also across restarts, and it votes at most once in a term (paper §5.1, §5.2,
//! figure 2).
//!
//! What was not durable when a node stopped is forgotten lawfully; nobody can have seen it. What somebody has seen
//! is a vote that a candidate counted.

use std::collections::BTreeMap;

use super::Step;
use crate::node_map::NodeMap;
use crate::raft::types::{Term, Trace};
use crate::replica::NodeId;

pub(super) const NAME: (&str, &str) = ("R-I7", "terms and votes");

#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Votes {
    /// The term and the vote that are surely durable.
    durable: NodeMap<(Term, Option<NodeId>)>,
    /// The latest term of this incarnation.
    terms: NodeMap<Term>,
    /// Every vote that a node cast in this incarnation or before: a later one in the same term replaces it only
    /// if it was lost with a crash.
    cast: BTreeMap<(NodeId, Term), NodeId>,
    counted: BTreeMap<(NodeId, Term), NodeId>,
    incarnation: BTreeMap<(NodeId, Term), NodeId>,
}

impl Votes {
    pub(super) fn stopped(&mut self, node: NodeId) {
        self.terms.remove(node);
        self.incarnation.retain(|(voter, _), _| *voter != node);
    }

    pub(super) fn wiped(&mut self, node: NodeId) {
        self.durable.remove(node);
    }

    pub(super) fn check(&mut self, step: &Step<'_>) -> Result<(), String> {
        self.check_own(step)?;
        self.check_counted(step)
    }

    /// What the node itself did before is enough to judge this.
    pub(super) fn check_own(&mut self, step: &Step<'_>) -> Result<(), String> {
        let (node, term, vote) = (step.node, step.raft.term(), step.raft.vote());
        for trace in step.traces {
            match trace {
                Trace::Recovered { term, .. } => self.recovered(node, *term, vote)?,
                Trace::Voted { term, candidate } => self.voted(node, *term, *candidate)?,
                _ => {}
            }
        }
        let earlier = self.terms.get_or_insert_with(node, || term);
        if term < *earlier {
            return Err(format!("its term fell from {earlier} to {term}"));
        }
        *earlier = term;
        if step.durable >= step.raft.hard_state_at() {
            self.durable.insert(node, (term, vote));
        }
        Ok(())
    }

    /// Whether the votes that are counted were cast.
    pub(super) fn check_counted(&mut self, step: &Step<'_>) -> Result<(), String> {
        for trace in step.traces {
            match trace {
                Trace::Voted { term, candidate } => {
                    self.cast.insert((step.node, *term), *candidate);
                }
                Trace::VoteCounted { term, voter } => self.was_counted(*voter, *term, step.node)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Forgets the votes of terms that a node has left: it cannot vote in them again without its term falling.
    pub(super) fn forget_before(&mut self, node: NodeId, term: Term) {
        self.incarnation
            .retain(|(voter, voted), _| *voter != node || *voted >= term);
    }

    /// What is durable of a node's term and vote, and how it voted in this incarnation.
    pub(super) fn of(&self, node: NodeId) -> impl std::fmt::Debug {
        let votes: Vec<_> = self
            .incarnation
            .iter()
            .filter(|((voter, _), _)| *voter == node)
            .collect();
        format!("{:?} {votes:?}", self.durable.get(node))
    }

    fn recovered(&self, node: NodeId, term: Term, vote: Option<NodeId>) -> Result<(), String> {
        let Some((earlier, voted_for)) = self.durable.get(node) else {
            return Ok(());
        };
        if term < *earlier {
            return Err(format!(
                "it restarted in term {term} after term {earlier} was durable"
            ));
        }
        match voted_for {
            Some(candidate) if term == *earlier && vote != Some(*candidate) => {
                Err(format!("it forgot its vote for {candidate} in term {term}"))
            }
            _ => Ok(()),
        }
    }

    fn voted(&mut self, node: NodeId, term: Term, candidate: NodeId) -> Result<(), String> {
        match self.incarnation.insert((node, term), candidate) {
            Some(earlier) if earlier != candidate => Err(format!(
                "in term {term} it voted for {earlier} and for {candidate}"
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn was_counted(&mut self, voter: NodeId, term: Term, candidate: NodeId) -> Result<(), String> {
        match self.counted.insert((voter, term), candidate) {
            Some(earlier) if earlier != candidate => {
                return Err(format!(
                    "{voter}'s vote in term {term} counted for {earlier} and for {candidate}"
                ));
            }
            _ => {}
        }
        match self.cast.get(&(voter, term)) {
            Some(cast) if *cast == candidate => Ok(()),
            _ => Err(format!(
                "{candidate} counted a vote of {voter} that was not cast for it in term {term}"
            )),
        }
    }
}
