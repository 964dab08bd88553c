//! Whom a fault really hits: what is known of the cluster when it is injected.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::{Fault, Link, Node, Resolved, Shape, Target};
use crate::shapes;

/// What is broken at the moment, and who leads.
///
/// Overlapping faults are well defined because of what is refused here: a node that is killed, frozen, out of the
/// cluster or stopped by its disk is not hit by a second fault of that sort (nor is one that died by itself), and a
/// clock that is bent is not bent again, nor is a slow disk slowed down. A fault that would hit nobody resolves to one that [is
/// empty](Resolved::is_empty) and is not injected.
#[derive(Clone, Debug)]
pub struct Situation {
    nodes: u16,
    leader: Option<Node>,
    active: BTreeMap<u32, Resolved>,
    dead: BTreeSet<Node>,
}

impl Situation {
    /// A healthy cluster of nodes 1 to `nodes`, nobody leading yet.
    pub fn new(nodes: u16) -> Self {
        Situation {
            nodes,
            leader: None,
            active: BTreeMap::new(),
            dead: BTreeSet::new(),
        }
    }

    /// All nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = Node> + use<> {
        (1..=self.nodes).map(Node)
    }

    /// Who leads, as far as is known.
    pub fn leader(&self) -> Option<Node> {
        self.leader
    }

    /// Takes note of who leads.
    pub fn see_leader(&mut self, leader: Option<Node>) {
        self.leader = leader;
    }

    /// Takes note that a node ended by itself. It stays down.
    pub fn see_death(&mut self, node: Node) {
        self.dead.insert(node);
    }

    /// The nodes that ended by themselves.
    pub fn dead(&self) -> &BTreeSet<Node> {
        &self.dead
    }

    /// Takes note that a fault was injected.
    pub fn inject(&mut self, id: u32, fault: Resolved) {
        self.active.insert(id, fault);
    }

    /// Takes note that a fault was healed.
    pub fn heal(&mut self, id: u32) {
        self.active.remove(&id);
    }

    /// The faults in force, by id.
    pub fn active(&self) -> &BTreeMap<u32, Resolved> {
        &self.active
    }

    /// How many nodes may be out of the cluster at once: the rest is at least three, and a majority of all.
    pub fn spare_members(&self) -> usize {
        usize::from(self.nodes).saturating_sub(usize::from(self.nodes / 2 + 1).max(3))
    }

    /// The fault with its targets, as they are now.
    pub fn resolve(&self, fault: &Fault) -> Resolved {
        match fault {
            Fault::Partition { shape } => Resolved::Cut {
                links: self.cut(shape),
            },
            Fault::Kill { target, crash } => Resolved::Kill {
                nodes: self.pick(target, &self.stopped()),
                crash: *crash,
            },
            Fault::Pause { target } => Resolved::Pause {
                nodes: self.pick(target, &self.stopped()),
            },
            Fault::Clock { target, bend } => {
                let mut taken = self.stopped();
                taken.extend(self.hit(|active| matches!(active, Resolved::Clock { .. })));
                Resolved::Clock {
                    nodes: self.pick(target, &taken),
                    bend: *bend,
                }
            }
            Fault::Disk { target, defect } => {
                let mut taken = self.stopped();
                taken.extend(self.hit(|active| matches!(active, Resolved::Disk { .. })));
                Resolved::Disk {
                    nodes: self.pick(target, &taken),
                    defect: *defect,
                }
            }
            Fault::Packets { target, packets } => Resolved::Packets {
                links: self.touching(&self.pick(target, &BTreeSet::new())),
                packets: *packets,
            },
            Fault::Leave { target } => {
                let gone = self.hit(|active| matches!(active, Resolved::Leave { .. })).len();
                let spare = self.spare_members().saturating_sub(gone);
                let nodes = self
                    .pick(target, &self.stopped())
                    .into_iter()
                    .take(spare)
                    .collect();
                Resolved::Leave { nodes }
            }
        }
    }

    /// The nodes that are killed, frozen, out of the cluster, stopped by their disks, or dead.
    fn stopped(&self) -> BTreeSet<Node> {
        let mut nodes = self.hit(|active| match active {
            Resolved::Kill { .. } | Resolved::Pause { .. } | Resolved::Leave { .. } => true,
            Resolved::Disk { defect, .. } => defect.stops(),
            Resolved::Cut { .. } | Resolved::Clock { .. } | Resolved::Packets { .. } => false,
        });
        nodes.extend(&self.dead);
        nodes
    }

    fn hit(&self, which: impl Fn(&Resolved) -> bool) -> BTreeSet<Node> {
        self.active
            .values()
            .filter(|active| which(active))
            .filter_map(Resolved::nodes)
            .flatten()
            .copied()
            .collect()
    }

    /// The nodes of a target, without those that are taken. The leader counts as none if it is taken.
    fn pick(&self, target: &Target, taken: &BTreeSet<Node>) -> BTreeSet<Node> {
        let leads = |otherwise: &Node| {
            self.leader
                .filter(|leader| !taken.contains(leader))
                .unwrap_or(*otherwise)
        };
        let meant: BTreeSet<Node> = match target {
            Target::Nodes(nodes) => nodes.clone(),
            Target::Leader { otherwise } => BTreeSet::from([leads(otherwise)]),
            Target::LeaderAnd { otherwise, others } => {
                let mut nodes = others.clone();
                nodes.insert(leads(otherwise));
                nodes
            }
        };
        meant
            .into_iter()
            .filter(|node| node.0 <= self.nodes && !taken.contains(node))
            .collect()
    }

    /// The links that a shape cuts.
    fn cut(&self, shape: &Shape) -> BTreeSet<Link> {
        let against_the_rest = |target: &Target| {
            let side = self.pick(target, &BTreeSet::new());
            let rest = self.nodes().filter(|node| !side.contains(node)).collect();
            shapes::links_between(&[side, rest])
        };
        match shape {
            Shape::Groups(groups) => shapes::links_between(groups),
            Shape::Alone(target) | Shape::Minority(target) => against_the_rest(target),
            Shape::Grudge(grudge) => shapes::links(grudge),
            Shape::OneWay { target, inbound } => {
                let nodes = self.pick(target, &BTreeSet::new());
                let mut links = against_the_rest(target);
                links.retain(|link| nodes.contains(if *inbound { &link.to } else { &link.from }));
                links
            }
        }
    }

    /// All links from and to these nodes.
    fn touching(&self, nodes: &BTreeSet<Node>) -> BTreeSet<Link> {
        let mut links = BTreeSet::new();
        for node in nodes {
            for other in self.nodes().filter(|other| other != node) {
                links.insert(Link {
                    from: *node,
                    to: other,
                });
                links.insert(Link {
                    from: other,
                    to: *node,
                });
            }
        }
        links
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Bend, Crash, Defect, Packets};

    fn set(nodes: &[u16]) -> BTreeSet<Node> {
        nodes.iter().copied().map(Node).collect()
    }

    fn kill(nodes: &[u16]) -> Fault {
        Fault::Kill {
            target: Target::Nodes(set(nodes)),
            crash: Crash::Kill,
        }
    }

    fn led_by(leader: Option<u16>) -> Situation {
        let mut situation = Situation::new(5);
        situation.see_leader(leader.map(Node));
        situation
    }

    fn hit(situation: &Situation, fault: &Fault) -> BTreeSet<Node> {
        situation.resolve(fault).nodes().cloned().unwrap_or_default()
    }

    #[test]
    fn the_leader_is_who_leads_when_the_fault_is_injected() {
        let fault = Fault::Pause {
            target: Target::Leader { otherwise: Node(2) },
        };
        assert_eq!(hit(&led_by(Some(4)), &fault), set(&[4]));
        assert_eq!(hit(&led_by(None), &fault), set(&[2]));
        let fault = Fault::Pause {
            target: Target::LeaderAnd {
                otherwise: Node(2),
                others: set(&[3, 4]),
            },
        };
        assert_eq!(hit(&led_by(Some(4)), &fault), set(&[3, 4]));
        assert_eq!(hit(&led_by(Some(1)), &fault), set(&[1, 3, 4]));
        assert_eq!(hit(&led_by(None), &fault), set(&[2, 3, 4]));
    }

    #[test]
    fn a_stopped_node_is_not_stopped_twice() {
        let mut situation = led_by(Some(1));
        situation.inject(1, Resolved::Pause { nodes: set(&[1]) });
        situation.inject(2, Resolved::Leave { nodes: set(&[2]) });
        situation.see_death(Node(3));
        assert_eq!(hit(&situation, &kill(&[1, 2, 3, 4])), set(&[4]));
        assert!(situation.resolve(&kill(&[1, 2])).is_empty());
        let leader = Fault::Kill {
            target: Target::Leader { otherwise: Node(5) },
            crash: Crash::TornWrite,
        };
        assert_eq!(
            hit(&situation, &leader),
            set(&[5]),
            "a paused leader leads nobody"
        );
        situation.heal(1);
        assert_eq!(hit(&situation, &kill(&[1, 2])), set(&[1]));
    }

    #[test]
    fn a_bent_clock_is_not_bent_again() {
        let mut situation = led_by(None);
        let bend = Bend::Jump { offset_ms: 5 };
        situation.inject(
            1,
            Resolved::Clock {
                nodes: set(&[1]),
                bend,
            },
        );
        assert_eq!(
            hit(
                &situation,
                &Fault::Clock {
                    target: Target::Nodes(set(&[1, 2])),
                    bend
                }
            ),
            set(&[2])
        );
    }

    #[test]
    fn a_disk_has_one_defect_at_a_time_and_one_that_stops_its_node_keeps_others_away() {
        let disk = |nodes: &[u16], defect| Fault::Disk {
            target: Target::Nodes(set(nodes)),
            defect,
        };
        let slow = Defect::Slow { fsync_ms: 50 };
        let mut situation = led_by(None);
        situation.inject(1, situation.resolve(&disk(&[1], slow)));
        situation.inject(2, situation.resolve(&disk(&[2], Defect::Full)));
        situation.inject(3, Resolved::Pause { nodes: set(&[3]) });
        for defect in [slow, Defect::Full, Defect::FlippedBit] {
            assert_eq!(hit(&situation, &disk(&[1, 2, 3, 4], defect)), set(&[4]));
        }
        assert_eq!(
            hit(&situation, &kill(&[1, 2, 3])),
            set(&[1]),
            "a node with a slow disk runs"
        );
    }

    #[test]
    fn members_never_fall_below_three_nor_below_a_majority() {
        for (nodes, spare) in [(1, 0), (2, 0), (3, 0), (4, 1), (5, 2), (7, 3), (9, 4)] {
            let mut situation = Situation::new(nodes);
            assert_eq!(situation.spare_members(), spare, "{nodes} nodes");
            let everyone = Fault::Leave {
                target: Target::Nodes((1..=nodes).map(Node).collect()),
            };
            assert_eq!(hit(&situation, &everyone).len(), spare, "{nodes} nodes");
            situation.inject(1, situation.resolve(&everyone));
            assert!(situation.resolve(&everyone).is_empty());
        }
    }

    #[test]
    fn one_way_cuts_one_direction_only() {
        for inbound in [true, false] {
            let shape = Shape::OneWay {
                target: Target::Leader { otherwise: Node(1) },
                inbound,
            };
            let resolved = led_by(Some(3)).resolve(&Fault::Partition { shape });
            let links = resolved.links().cloned().unwrap_or_default();
            assert_eq!(links.len(), 4);
            assert!(
                links
                    .iter()
                    .all(|link| (if inbound { link.to } else { link.from }) == Node(3))
            );
        }
    }

    #[test]
    fn packet_faults_touch_every_link_of_their_targets() {
        let fault = Fault::Packets {
            target: Target::Nodes(set(&[1, 2])),
            packets: Packets::default(),
        };
        assert_eq!(led_by(None).resolve(&fault).links().map(BTreeSet::len), Some(14));
    }
}
