//! R-I1, election safety: "at most one leader can be elected in a given term" (paper §5.2, figure 3).

use std::collections::BTreeMap;

use super::Step;
use crate::raft::types::{Term, Trace};
use crate::replica::NodeId;

pub(super) const NAME: (&str, &str) = ("R-I1", "election safety");

#[derive(Clone, Debug, Default, Hash)]
pub(super) struct ElectionSafety {
    leaders: BTreeMap<Term, NodeId>,
}

impl ElectionSafety {
    pub(super) fn check(&mut self, step: &Step<'_>) -> Result<(), String> {
        for trace in step.traces {
            if let Trace::BecameLeader { term } = trace {
                self.elected(step.node, *term)?;
                let config = step.raft.configs().latest();
                if !config.is_voter(step.node)
                    && !step.raft.configs().iter().any(|(_, c)| c.is_voter(step.node))
                {
                    return Err(format!("it leads term {term} and is not a voter"));
                }
            }
        }
        Ok(())
    }

    pub(super) fn elected(&mut self, node: NodeId, term: Term) -> Result<(), String> {
        match self.leaders.insert(term, node) {
            Some(earlier) if earlier == node => Err(format!("it became leader of term {term} twice")),
            Some(earlier) => Err(format!("{earlier} and {node} both became leader of term {term}")),
            None => Ok(()),
        }
    }
}
