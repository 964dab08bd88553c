//! Faults in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::fault::{Bend, Crash, Defect, Link, Node, Packets, Resolved};

/// What a fault does, in a few words: `{n1,n2} | {n3,n4,n5}`, `kill n3 (leader)`. `nodes` is how many the
/// cluster has.
pub fn describe(fault: &Resolved, leader: Option<Node>, nodes: u16) -> String {
    let name = |set: &BTreeSet<Node>| names(set, leader, nodes);
    match fault {
        Resolved::Cut { links } => partition(links, leader, nodes),
        Resolved::Kill {
            nodes,
            crash: Crash::Kill,
        } => format!("kill {}", name(nodes)),
        Resolved::Kill {
            nodes,
            crash: Crash::LoseUnsynced,
        } => {
            format!(
                "kill {} with slow fsyncs and lose what was not fsynced",
                name(nodes)
            )
        }
        Resolved::Kill {
            nodes,
            crash: Crash::TornWrite,
        } => format!("kill {} and tear the last write", name(nodes)),
        Resolved::Pause { nodes } => format!("pause {}", name(nodes)),
        Resolved::Clock { nodes, bend } => format!("clock of {}: {}", name(nodes), bent(bend)),
        Resolved::Packets { links, packets } => {
            format!(
                "packets {}: {}",
                touched(links, leader, nodes),
                mistreated(packets)
            )
        }
        Resolved::Disk { nodes, defect } => format!("disk of {}: {}", name(nodes), defective(*defect)),
        Resolved::Leave { nodes } => format!("{} leaves the cluster", name(nodes)),
    }
}

fn names(set: &BTreeSet<Node>, leader: Option<Node>, nodes: u16) -> String {
    if set.len() == usize::from(nodes) && nodes > 1 {
        return "all nodes".to_owned();
    }
    let named = set.iter().map(|node| match leader {
        Some(leader) if leader == *node => format!("{node} (leader)"),
        _ => node.to_string(),
    });
    named.collect::<Vec<_>>().join(", ")
}

fn group(set: &BTreeSet<Node>) -> String {
    format!(
        "{{{}}}",
        set.iter().map(Node::to_string).collect::<Vec<_>>().join(",")
    )
}

fn bent(bend: &Bend) -> String {
    match bend {
        Bend::Jump { offset_ms } => format!("wall clock jumps by {offset_ms:+} ms"),
        Bend::Drift { rate_ppm } => format!("runs {:+.1} % off", *rate_ppm as f64 / 10_000.0),
        Bend::Strobe { offset_ms, every_ms } => {
            format!("wall clock flips between right and {offset_ms:+} ms every {every_ms} ms")
        }
    }
}

fn defective(defect: Defect) -> String {
    match defect {
        Defect::Slow { fsync_ms } => format!("fsyncs take {fsync_ms} ms longer"),
        Defect::Full => "no room left".to_owned(),
        Defect::FlippedBit => "killed, and a bit of the log flips".to_owned(),
    }
}

fn mistreated(packets: &Packets) -> String {
    let mut parts = Vec::new();
    if packets.delay_ms > 0 {
        parts.push(format!("{} ms delay", packets.delay_ms));
    }
    for (percent, what) in [
        (packets.loss_percent, "lost"),
        (packets.duplicate_percent, "doubled"),
        (packets.reorder_percent, "reordered"),
    ] {
        if percent > 0 {
            parts.push(format!("{percent} % {what}"));
        }
    }
    if parts.is_empty() {
        "untouched".to_owned()
    } else {
        parts.join(", ")
    }
}

/// The nodes all of whose links are named.
fn touched(links: &BTreeSet<Link>, leader: Option<Node>, nodes: u16) -> String {
    let all = |node: &Node| {
        (1..=nodes).map(Node).filter(|other| other != node).all(|other| {
            links.contains(&Link {
                from: *node,
                to: other,
            }) && links.contains(&Link {
                from: other,
                to: *node,
            })
        })
    };
    let whole: BTreeSet<Node> = (1..=nodes).map(Node).filter(all).collect();
    if whole.len() == usize::from(nodes) {
        "on all links".to_owned()
    } else if whole.is_empty() {
        format!("on {}", arrows(links))
    } else {
        format!("from and to {}", names(&whole, leader, nodes))
    }
}

fn partition(cut: &BTreeSet<Link>, leader: Option<Node>, nodes: u16) -> String {
    let mut text = shape(cut, nodes);
    if let Some(leader) = leader
        && cut.iter().any(|link| link.from == leader || link.to == leader)
    {
        let _ = write!(text, ", leader {leader}");
    }
    text
}

fn shape(cut: &BTreeSet<Link>, nodes: u16) -> String {
    let everyone: BTreeSet<Node> = (1..=nodes).map(Node).collect();
    let symmetric = cut.iter().all(|link| {
        cut.contains(&Link {
            from: link.to,
            to: link.from,
        })
    });
    if !symmetric {
        return one_way(cut, &everyone).unwrap_or_else(|| hearing(cut, &everyone));
    }
    // A bridge talks to everyone, the rest falls apart without it.
    let touched: BTreeSet<Node> = cut.iter().flat_map(|link| [link.from, link.to]).collect();
    let bridges: BTreeSet<Node> = everyone.difference(&touched).copied().collect();
    let sides = components(cut, &touched);
    let complete = sides.iter().enumerate().all(|(position, side)| {
        sides[position + 1..]
            .iter()
            .flatten()
            .all(|b| side.iter().all(|a| cut.contains(&Link { from: *a, to: *b })))
    });
    if sides.len() < 2 || !complete {
        return hearing(cut, &everyone);
    }
    let mut text = sides.iter().map(group).collect::<Vec<_>>().join(" | ");
    if !bridges.is_empty() {
        let _ = write!(text, ", bridge {}", group(&bridges));
    }
    text
}

/// The connected components of these nodes over the links that are not cut.
fn components(cut: &BTreeSet<Link>, nodes: &BTreeSet<Node>) -> Vec<BTreeSet<Node>> {
    let mut left = nodes.clone();
    let mut components = Vec::new();
    while let Some(first) = left.pop_first() {
        let mut component = BTreeSet::from([first]);
        let mut queue = vec![first];
        while let Some(node) = queue.pop() {
            let reached: Vec<Node> = left
                .iter()
                .filter(|other| {
                    !cut.contains(&Link {
                        from: node,
                        to: **other,
                    })
                })
                .copied()
                .collect();
            for other in reached {
                left.remove(&other);
                component.insert(other);
                queue.push(other);
            }
        }
        components.push(component);
    }
    components
}

fn one_way(cut: &BTreeSet<Link>, everyone: &BTreeSet<Node>) -> Option<String> {
    let to: BTreeSet<Node> = cut.iter().map(|link| link.to).collect();
    let from: BTreeSet<Node> = cut.iter().map(|link| link.from).collect();
    if !to.is_disjoint(&from) || cut.len() != to.len() * from.len() || to.len() + from.len() != everyone.len()
    {
        return None;
    }
    let verb = if to.len() == 1 { "hears" } else { "hear" };
    Some(format!("{} {verb} nothing from {}", group(&to), group(&from)))
}

fn hearing(cut: &BTreeSet<Link>, everyone: &BTreeSet<Node>) -> String {
    let mut heard: BTreeMap<Node, BTreeSet<Node>> = BTreeMap::new();
    for to in everyone {
        let from = everyone.iter().filter(|from| {
            !cut.contains(&Link {
                from: **from,
                to: *to,
            })
        });
        heard.insert(*to, from.copied().collect());
    }
    if cut.len() * 2 < everyone.len() * everyone.len() / 2 {
        return format!("cut {}", arrows(cut));
    }
    let parts = heard
        .iter()
        .map(|(node, from)| format!("{node} hears {}", group(from)));
    parts.collect::<Vec<_>>().join("; ")
}

fn arrows(links: &BTreeSet<Link>) -> String {
    links
        .iter()
        .map(|link| format!("{}→{}", link.from, link.to))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Fault, Shape, Target};
    use crate::shapes;
    use crate::situation::Situation;

    fn set(nodes: &[u16]) -> BTreeSet<Node> {
        nodes.iter().copied().map(Node).collect()
    }

    fn order(count: u16) -> Vec<Node> {
        (1..=count).map(Node).collect()
    }

    fn cut(shape: Shape) -> String {
        describe(&Situation::new(5).resolve(&Fault::Partition { shape }), None, 5)
    }

    #[test]
    fn partitions_read_as_they_are_drawn() {
        let leader = Target::Leader { otherwise: Node(3) };
        let cases = [
            (Shape::Groups(shapes::halves(&order(5))), "{n1,n2} | {n3,n4,n5}"),
            (Shape::Alone(leader.clone()), "{n1,n2,n4,n5} | {n3}"),
            (
                Shape::Grudge(shapes::bridge(&order(5))),
                "{n1,n2} | {n4,n5}, bridge {n3}",
            ),
            (
                Shape::Grudge(shapes::majorities_ring(&order(5))),
                "n1 hears {n1,n2,n5}; n2 hears {n1,n2,n3}; n3 hears {n2,n3,n4}; n4 hears {n3,n4,n5}; \
                 n5 hears {n1,n4,n5}",
            ),
            (
                Shape::OneWay {
                    target: leader.clone(),
                    inbound: true,
                },
                "{n3} hears nothing from {n1,n2,n4,n5}",
            ),
            (
                Shape::OneWay {
                    target: leader,
                    inbound: false,
                },
                "{n1,n2,n4,n5} hear nothing from {n3}",
            ),
        ];
        for (shape, expected) in cases {
            assert_eq!(cut(shape), expected);
        }
    }

    #[test]
    fn other_faults_name_their_targets_and_the_leader() {
        let links = Situation::new(5).resolve(&Fault::Packets {
            target: Target::Nodes(set(&[2])),
            packets: Packets {
                delay_ms: 50,
                loss_percent: 10,
                ..Packets::default()
            },
        });
        let cases = [
            (
                Resolved::Kill {
                    nodes: set(&[3]),
                    crash: Crash::Kill,
                },
                "kill n3 (leader)",
            ),
            (Resolved::Pause { nodes: set(&[1, 3]) }, "pause n1, n3 (leader)"),
            (
                Resolved::Kill {
                    nodes: set(&[1, 2, 3, 4, 5]),
                    crash: Crash::TornWrite,
                },
                "kill all nodes and tear the last write",
            ),
            (
                Resolved::Clock {
                    nodes: set(&[1]),
                    bend: Bend::Drift { rate_ppm: -250_000 },
                },
                "clock of n1: runs -25.0 % off",
            ),
            (
                Resolved::Disk {
                    nodes: set(&[2]),
                    defect: Defect::Slow { fsync_ms: 200 },
                },
                "disk of n2: fsyncs take 200 ms longer",
            ),
            (
                Resolved::Disk {
                    nodes: set(&[3]),
                    defect: Defect::FlippedBit,
                },
                "disk of n3 (leader): killed, and a bit of the log flips",
            ),
            (links, "packets from and to n2: 50 ms delay, 10 % lost"),
        ];
        for (fault, expected) in cases {
            assert_eq!(describe(&fault, Some(Node(3)), 5), expected);
        }
    }
}
