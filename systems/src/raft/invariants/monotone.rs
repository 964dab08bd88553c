//! R-I8: commit, applied and match index never fall in one incarnation; match < next ≤ last + 1; applied ≤ commit; a
//! leader's commit index is at most its durable index (paper figure 2; thesis §10.2.1).

use super::Step;
use crate::identity::Disk;
use crate::node_map::NodeMap;
use crate::raft::types::{Index, Term};
use crate::replica::NodeId;

pub(super) const NAME: (&str, &str) = ("R-I8", "monotone indexes");

/// What a leader knew of its followers, and of which of their disks.
type Matched = Vec<(NodeId, Index, Option<Disk>)>;

#[derive(Clone, Debug, Default)]
pub(super) struct Monotone {
    /// By leader, with its term.
    matched: NodeMap<(Term, Matched)>,
}

impl Monotone {
    pub(super) fn stopped(&mut self, node: NodeId) {
        self.matched.remove(node);
    }

    pub(super) fn check(&mut self, step: &Step<'_>) -> Result<(), String> {
        let raft = step.raft;
        let (commit, applied) = (raft.commit(), raft.machine().applied());
        if applied > commit {
            return Err(format!(
                "it applied {applied} and knows only {commit} to be committed"
            ));
        }
        if let Some(before) = step.before.filter(|before| before.running) {
            let fell = |name, was, is| Err(format!("its {name} index fell from {was} to {is}"));
            if commit < before.commit {
                return fell("commit", before.commit, commit);
            }
            if applied < before.applied {
                return fell("applied", before.applied, applied);
            }
        }
        let Some(progress) = raft.progress() else {
            self.matched.remove(step.node);
            return Ok(());
        };
        let (last, durable) = (raft.log().last().index, raft.log().durable());
        if commit > durable {
            return Err(format!(
                "as leader it committed {commit}, and only {durable} is durable at itself"
            ));
        }
        let (term, matched) = self.matched.get_or_insert_with(step.node, Default::default);
        if *term != raft.term() {
            *term = raft.term();
            matched.clear();
        }
        let mut same = matched.len() == progress.len();
        let mut places = matched.iter();
        for (node, progress) in progress.iter() {
            let (is, next) = (progress.matched, progress.next);
            if is >= next || next > last + 1 {
                return Err(format!("for {node} it has match {is}, next {next}, last {last}"));
            }
            // Both are in the order of nodes, so mostly it is in the same place.
            same = same && places.next() == Some(&(node, is, progress.disk));
        }
        if !same {
            for (node, was, disk) in matched.iter() {
                let now = progress.get(*node);
                // What is known of a follower is known of its disk.
                if let Some(now) = now.filter(|now| now.matched < *was && now.disk == *disk) {
                    let is = now.matched;
                    return Err(format!("its match index of {node} fell from {was} to {is}"));
                }
            }
            matched.clear();
            matched.extend(
                progress
                    .iter()
                    .map(|(node, progress)| (node, progress.matched, progress.disk)),
            );
        }
        Ok(())
    }
}
