//! Z-I9: the order of votes is total; a node looks no further only with a quorum of equal votes of voters, cast in that
//! round, or with a quorum that follows a leader which says that it leads; and whom a quorum elects is not behind any of
//! its voters at the time of the vote (Medeiros §3.3).

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::breach::Breach;
use crate::replica::NodeId;
use crate::zab::rules::election::beats;
use crate::zab::types::{Trace, Vote};

const NAME: (&str, &str) = ("Z-I9", "elections");

#[derive(Clone, Debug, Default)]
pub(super) struct Elections {
    /// What each node had itself in each round. After a restart it may go through the same round again.
    own: FxHashMap<(NodeId, u64), Vec<Vote>>,
    /// Whom each node voted for in each round.
    cast: FxHashMap<(NodeId, u64), BTreeSet<NodeId>>,
    /// Who joined a leader in which round: its vote is the one that elected the leader, long ago perhaps.
    joined: FxHashSet<(NodeId, u64)>,
}

impl Elections {
    pub(super) fn check(&mut self, node: NodeId, voters: &[NodeId], trace: &Trace) -> Result<(), Breach> {
        let judged = match trace {
            Trace::Looking { round, vote } | Trace::RoundAdopted { round, vote } => {
                self.own.entry((node, *round)).or_default().push(*vote);
                Ok(())
            }
            Trace::Voted { round, vote } => {
                self.cast.entry((node, *round)).or_default().insert(vote.leader);
                Ok(())
            }
            Trace::Compared { offered, had, taken } => ordered(*offered, *had, *taken),
            Trace::Elected {
                round,
                vote,
                voters: agree,
                joined,
                confirmed,
            } => {
                self.cast.entry((node, *round)).or_default().insert(vote.leader);
                if *joined {
                    self.joined.insert((node, *round));
                }
                quorum(agree, voters, *confirmed).and_then(|()| {
                    if *joined {
                        Ok(())
                    } else {
                        self.elected(*round, *vote, agree)
                    }
                })
            }
            _ => Ok(()),
        };
        judged.map_err(|what| Breach::new(NAME, node, what))
    }

    fn elected(&self, round: u64, vote: Vote, agree: &BTreeSet<NodeId>) -> Result<(), String> {
        for voter in agree {
            let cast = self.cast.get(&(*voter, round));
            if !cast.is_some_and(|cast| cast.contains(&vote.leader)) {
                let leader = vote.leader;
                return Err(format!("{voter} did not vote for {leader} in round {round}"));
            }
            let own = self.own.get(&(*voter, round)).into_iter().flatten();
            if !self.joined.contains(&(*voter, round))
                && let Some(least) = own.min_by_key(|own| (own.epoch, own.zxid, own.leader))
                && beats(*least, vote)
            {
                return Err(format!(
                    "in round {round} {voter} voted for {}, which is behind it: {vote:?} against {least:?}",
                    vote.leader
                ));
            }
        }
        Ok(())
    }
}

fn ordered(offered: Vote, had: Vote, taken: bool) -> Result<(), String> {
    if taken == beats(offered, had) {
        return Ok(());
    }
    let word = if taken { "took" } else { "did not take" };
    Err(format!("it {word} the vote {offered:?} in place of {had:?}"))
}

fn quorum(agree: &BTreeSet<NodeId>, voters: &[NodeId], confirmed: bool) -> Result<(), String> {
    let count = agree.iter().filter(|node| voters.contains(node)).count();
    if count <= voters.len() / 2 {
        return Err(format!(
            "it looks no further with {count} of {} votes",
            voters.len()
        ));
    }
    if !confirmed {
        return Err("it joins a leader that has not said that it leads".to_owned());
    }
    Ok(())
}
