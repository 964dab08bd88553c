//! Draws single faults: whom they hit and how hard.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::fault::{Bend, Crash, Defect, Fault, Node, Packets, Shape, Target};
use crate::menu::{NemesisError, Part};
use crate::shapes;

/// How many nodes a fault of processes, clocks or packets hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// One node, drawn at random.
    One,
    /// Fewer than half, half of the time with the leader among them.
    Minority,
    /// More than half, but not all, where there are enough nodes.
    Majority,
    /// Who leads.
    Leader,
    /// Everyone.
    All,
}

impl Class {
    /// All classes, as `--targets` lists them.
    pub const ALL: [Class; 5] = [
        Class::One,
        Class::Minority,
        Class::Majority,
        Class::Leader,
        Class::All,
    ];
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::One => "one",
            Class::Minority => "minority",
            Class::Majority => "majority",
            Class::Leader => "leader",
            Class::All => "all",
        })
    }
}

impl FromStr for Class {
    type Err = NemesisError;

    fn from_str(text: &str) -> Result<Self, NemesisError> {
        let text = text.trim();
        Class::ALL
            .into_iter()
            .find(|class| class.to_string() == text)
            .ok_or_else(|| {
                NemesisError(format!(
                    "no targets are called {text:?}; there are: one, minority, majority, leader, all"
                ))
            })
    }
}

/// Draws faults for a cluster.
pub(crate) struct Draw<'a> {
    pub(crate) rng: &'a mut ChaCha8Rng,
    pub(crate) nodes: u16,
    /// Empty: a mix that suits the fault.
    pub(crate) classes: &'a BTreeSet<Class>,
    pub(crate) drift_limit_ppm: u32,
}

/// How often each class is drawn when none was asked for. Stopping a majority or all leaves nothing to succeed,
/// so it is rarer than hitting the few that matter.
const STOPPED: &[(Class, u32)] = &[
    (Class::One, 30),
    (Class::Leader, 35),
    (Class::Minority, 20),
    (Class::Majority, 8),
    (Class::All, 7),
];
/// What was not fsynced is lost for good only if every copy is lost at once, so many nodes are hit together.
const CRASHED: &[(Class, u32)] = &[
    (Class::One, 10),
    (Class::Leader, 20),
    (Class::Minority, 25),
    (Class::Majority, 25),
    (Class::All, 20),
];
/// Clocks matter as they differ from each other, and so does how fast disks are.
const BENT: &[(Class, u32)] = &[
    (Class::One, 30),
    (Class::Leader, 30),
    (Class::Minority, 20),
    (Class::Majority, 15),
    (Class::All, 5),
];
/// Packets matter most where there are many of them.
const MISTREATED: &[(Class, u32)] = &[
    (Class::All, 45),
    (Class::Leader, 25),
    (Class::Minority, 15),
    (Class::One, 15),
];
/// A node that does not hear, or is not heard.
const DEAF: &[(Class, u32)] = &[(Class::Leader, 50), (Class::One, 30), (Class::Minority, 20)];

impl Draw<'_> {
    /// A fault of this sort. (A flapping partition is one of its cuts.)
    pub(crate) fn fault(&mut self, part: Part) -> Fault {
        match part {
            Part::Kill => Fault::Kill {
                target: self.target(STOPPED),
                crash: Crash::Kill,
            },
            Part::DiskLoseUnsynced => Fault::Kill {
                target: self.target(CRASHED),
                crash: Crash::LoseUnsynced,
            },
            Part::DiskTornWrite => Fault::Kill {
                target: self.target(CRASHED),
                crash: Crash::TornWrite,
            },
            Part::DiskSlow => Fault::Disk {
                target: self.target(BENT),
                defect: Defect::Slow {
                    fsync_ms: [10, 50, 200, 500][self.rng.random_range(0..4)],
                },
            },
            Part::DiskFull | Part::DiskFlippedBit => Fault::Disk {
                target: self.target(STOPPED),
                defect: match part {
                    Part::DiskFull => Defect::Full,
                    _ => Defect::FlippedBit,
                },
            },
            Part::Pause => Fault::Pause {
                target: self.target(STOPPED),
            },
            Part::ClockJump | Part::ClockDrift | Part::ClockStrobe => Fault::Clock {
                target: self.target(BENT),
                bend: self.bend(part),
            },
            Part::PacketsDelay | Part::PacketsLoss | Part::PacketsDuplicate | Part::PacketsReorder => {
                Fault::Packets {
                    target: self.target(MISTREATED),
                    packets: self.packets(part),
                }
            }
            Part::Membership => {
                let otherwise = self.node();
                let target = if self.rng.random_bool(0.5) {
                    Target::Leader { otherwise }
                } else {
                    Target::Nodes(BTreeSet::from([otherwise]))
                };
                Fault::Leave { target }
            }
            _ => Fault::Partition {
                shape: self.shape(part),
            },
        }
    }

    fn shape(&mut self, part: Part) -> Shape {
        let order = self.order();
        match part {
            Part::PartitionHalves => Shape::Groups(shapes::halves(&order)),
            Part::PartitionOne => Shape::Groups(shapes::one(&order)),
            Part::PartitionLeader => Shape::Alone(Target::Leader { otherwise: order[0] }),
            Part::PartitionMinority => Shape::Minority(self.leader_and(usize::from(self.nodes - 1) / 2)),
            Part::PartitionMajoritiesRing => Shape::Grudge(shapes::majorities_ring(&order)),
            Part::PartitionBridge => Shape::Grudge(shapes::bridge(&order)),
            Part::PartitionOneWay => Shape::OneWay {
                target: self.target(DEAF),
                inbound: self.rng.random_bool(0.5),
            },
            _ => match self.rng.random_range(0..3) {
                0 => Shape::Groups(shapes::halves(&order)),
                1 => Shape::Groups(shapes::one(&order)),
                _ => Shape::Alone(Target::Leader { otherwise: order[0] }),
            },
        }
    }

    /// Jumps and strobes reach from what a lease forgives to what no one does.
    fn bend(&mut self, part: Part) -> Bend {
        let sign = if self.rng.random_bool(0.5) { 1 } else { -1 };
        match part {
            Part::ClockDrift => {
                // Mostly as fast or slow as the system claims to bear: that is where a missing margin shows.
                let share = [1, 1, 2, 10][self.rng.random_range(0..4)];
                Bend::Drift {
                    rate_ppm: sign * i64::from((self.drift_limit_ppm / share).max(1)),
                }
            }
            Part::ClockStrobe => Bend::Strobe {
                offset_ms: sign * self.magnitude(100, 5),
                every_ms: [10, 25, 50, 100, 250][self.rng.random_range(0..5)],
            },
            _ => Bend::Jump {
                offset_ms: sign * self.magnitude(100, 10),
            },
        }
    }

    /// `least`, doubled a random number of times below `doublings`, and a bit.
    fn magnitude(&mut self, least: i64, doublings: u32) -> i64 {
        let base = least << self.rng.random_range(0..doublings);
        base + self.rng.random_range(0..base)
    }

    fn packets(&mut self, part: Part) -> Packets {
        let mut packets = Packets::default();
        let mut pick = |choices: &[u64]| choices[self.rng.random_range(0..choices.len())];
        match part {
            Part::PacketsDelay => packets.delay_ms = pick(&[20, 50, 100, 200]),
            Part::PacketsLoss => packets.loss_percent = pick(&[5, 10, 20, 35]) as u8,
            Part::PacketsDuplicate => packets.duplicate_percent = pick(&[10, 25, 50]) as u8,
            _ => packets.reorder_percent = pick(&[10, 25, 50]) as u8,
        }
        packets
    }

    fn target(&mut self, mix: &[(Class, u32)]) -> Target {
        let asked: Vec<(Class, u32)> = self.classes.iter().map(|class| (*class, 1)).collect();
        let mix = if asked.is_empty() { mix } else { &asked };
        let total: u32 = mix.iter().map(|(_, weight)| weight).sum();
        let mut ticket = self.rng.random_range(0..total.max(1));
        let mut drawn = Class::One;
        for (class, weight) in mix {
            drawn = *class;
            match ticket.checked_sub(*weight) {
                Some(rest) => ticket = rest,
                None => break,
            }
        }
        self.of_class(drawn)
    }

    fn of_class(&mut self, class: Class) -> Target {
        let nodes = usize::from(self.nodes);
        let majority = nodes / 2 + 1;
        match class {
            Class::One => Target::Nodes(BTreeSet::from([self.node()])),
            Class::Leader => Target::Leader {
                otherwise: self.node(),
            },
            Class::All => Target::Nodes((1..=self.nodes).map(Node).collect()),
            Class::Majority => {
                let count = self.rng.random_range(majority..=majority.max(nodes - 1));
                Target::Nodes(self.some(count))
            }
            Class::Minority => {
                let most = ((nodes - 1) / 2).max(1);
                // The larger ones are the interesting ones: with two of five down, every ack counts.
                let count = if self.rng.random_bool(0.6) {
                    most
                } else {
                    self.rng.random_range(1..=most)
                };
                if self.rng.random_bool(0.5) {
                    self.leader_and(count)
                } else {
                    Target::Nodes(self.some(count))
                }
            }
        }
    }

    /// The leader and as many others as make up `count`, itself included.
    fn leader_and(&mut self, count: usize) -> Target {
        let mut order = self.order();
        let otherwise = order.pop().unwrap_or(Node(1));
        match count {
            0 | 1 => Target::Leader { otherwise },
            _ => Target::LeaderAnd {
                otherwise,
                others: order.into_iter().take(count - 1).collect(),
            },
        }
    }

    fn node(&mut self) -> Node {
        Node(self.rng.random_range(1..=self.nodes))
    }

    fn some(&mut self, count: usize) -> BTreeSet<Node> {
        self.order().into_iter().take(count).collect()
    }

    fn order(&mut self) -> Vec<Node> {
        let mut order: Vec<Node> = (1..=self.nodes).map(Node).collect();
        order.shuffle(self.rng);
        order
    }
}
