//! Looking at the nodes' status pages, as an operator's dashboard would.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use perjury_nemesis::Node;
use perjury_runner::View;
use perjury_systems::replica::{MutantCounts, Role};

use super::Tag;
use super::nodes::Nodes;
use crate::http::client::{Connections, End, Outgoing};
use crate::http::request;
use crate::node::StatusPage;

/// How often.
const EVERY: Duration = Duration::from_millis(100);

/// A page that takes longer is not there.
const LIMIT: Duration = Duration::from_millis(250);

/// The lane of these requests: no client has it.
const LANE: u64 = u64::MAX;

/// What the status pages said.
#[derive(Debug)]
pub(super) struct Watch {
    pages: BTreeMap<Node, Seen>,
    leaderless: bool,
    next: Option<Instant>,
    counts: BTreeMap<(Node, u64), MutantCounts>,
}

/// What is known of a node.
#[derive(Debug, Default)]
struct Seen {
    looking: bool,
    /// None if the last look found nobody.
    page: Option<StatusPage>,
    answered: Option<Instant>,
    /// How far its wall clock was off, at most, since it was last asked to be forgotten.
    wall_ahead_ms: i64,
}

impl Watch {
    pub fn new(nodes: &[Node], leaderless: bool) -> Self {
        let pages = nodes.iter().map(|node| (*node, Seen::default())).collect();
        Watch {
            pages,
            leaderless,
            next: None,
            counts: BTreeMap::new(),
        }
    }

    /// When to look next.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Looks if it is time to.
    pub fn look(&mut self, now: Instant, nodes: &Nodes, connections: &mut Connections<Tag>) {
        if self.next.is_none_or(|next| now >= next) {
            self.next = Some(now + EVERY);
            self.look_now(now, nodes, connections);
        }
    }

    /// Looks at every node that is up and not being looked at.
    pub fn look_now(&mut self, now: Instant, nodes: &Nodes, connections: &mut Connections<Tag>) {
        for (&node, seen) in self.pages.iter_mut().filter(|(_, seen)| !seen.looking) {
            let Some(address) = nodes.http(node) else {
                seen.page = None;
                continue;
            };
            seen.looking = true;
            connections.send(Outgoing {
                lane: LANE,
                place: node.0,
                address,
                bytes: request::encode("GET", "/status", None, &[]),
                deadline: now + LIMIT,
                tag: Tag::Look { node },
            });
        }
    }

    /// Whether any look has not come to its end.
    pub fn looking(&self) -> bool {
        self.pages.values().any(|seen| seen.looking)
    }

    /// Takes in what a look found.
    pub fn looked(&mut self, node: Node, end: &End, now: Instant) {
        let Some(seen) = self.pages.get_mut(&node) else {
            return;
        };
        seen.looking = false;
        seen.page = match end {
            End::Response { status: 200, body } => serde_json::from_slice(body).ok(),
            _ => None,
        };
        if let Some(page) = &seen.page {
            seen.answered = Some(now);
            if page.wall_ahead_ms.abs() > seen.wall_ahead_ms.abs() {
                seen.wall_ahead_ms = page.wall_ahead_ms;
            }
            self.counts.insert((node, page.incarnation), page.mutant);
        }
    }

    /// A node's process is gone.
    pub fn gone(&mut self, node: Node) {
        if let Some(seen) = self.pages.get_mut(&node) {
            seen.page = None;
        }
    }

    /// How the cluster looks.
    pub fn view(&self, nodes: &Nodes) -> View {
        let leader = self
            .pages
            .iter()
            .filter_map(|(node, seen)| Some((*node, &seen.page.as_ref()?.status)))
            .filter(|(_, status)| status.role == Role::Leader)
            .map(|(node, status)| (node, status.term))
            .max_by_key(|(node, term)| (*term, *node));
        View {
            leader,
            up: nodes.up(),
        }
    }

    /// Who is asked to change the members: the leader, or, where nobody ever leads, the node with the newest configuration.
    pub fn spokesman(&self, nodes: &Nodes) -> Option<Node> {
        if !self.leaderless {
            return self.view(nodes).leader.map(|(leader, _)| leader);
        }
        let epochs = self
            .pages
            .iter()
            .filter_map(|(node, seen)| Some((seen.page.as_ref()?.status.term, *node)));
        epochs.max().map(|(_, node)| node)
    }

    /// The voters and learners as this node knew them at some time after `since`.
    pub fn members(&self, node: Node, since: Instant) -> Option<(Vec<Node>, Vec<Node>)> {
        let seen = self.pages.get(&node)?;
        // The page was made before the answer came, but not before the look began.
        if seen.answered? < since + LIMIT {
            return None;
        }
        let status = &seen.page.as_ref()?.status;
        let nodes = |ids: &[perjury_systems::replica::NodeId]| ids.iter().map(|id| Node(id.0)).collect();
        Some((nodes(&status.voters), nodes(&status.learners)))
    }

    /// Since when a node has answered nothing; none if it never did.
    pub fn answered(&self, node: Node) -> Option<Instant> {
        self.pages.get(&node)?.answered
    }

    /// Forgets how far a node's clock was off.
    pub fn forget_clock(&mut self, node: Node) {
        if let Some(seen) = self.pages.get_mut(&node) {
            seen.wall_ahead_ms = 0;
        }
    }

    /// How far a node's wall clock was off at most, in milliseconds.
    pub fn wall_ahead_ms(&self, node: Node) -> i64 {
        self.pages.get(&node).map_or(0, |seen| seen.wall_ahead_ms)
    }

    /// The last that was seen of every incarnation.
    pub fn mutant_counts(&self) -> impl Iterator<Item = MutantCounts> + '_ {
        self.counts.values().copied()
    }
}
