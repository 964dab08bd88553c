//! The nemeses by name: what `--nemesis` takes and `list nemeses` shows.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::fault::kinds;

/// One sort of fault that a plan may draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Two halves that do not hear each other.
    PartitionHalves,
    /// One node alone.
    PartitionOne,
    /// The leader alone.
    PartitionLeader,
    /// The leader with a minority.
    PartitionMinority,
    /// A majorities ring.
    PartitionMajoritiesRing,
    /// A bridge.
    PartitionBridge,
    /// One direction only.
    PartitionOneWay,
    /// Cut and healed in quick succession.
    PartitionFlapping,
    /// Processes killed.
    Kill,
    /// Processes frozen.
    Pause,
    /// Wall clocks jump.
    ClockJump,
    /// Clocks run fast or slow.
    ClockDrift,
    /// Wall clocks flip to and fro.
    ClockStrobe,
    /// Packets delayed.
    PacketsDelay,
    /// Packets lost.
    PacketsLoss,
    /// Packets doubled.
    PacketsDuplicate,
    /// Packets overtaken.
    PacketsReorder,
    /// What was not fsynced is lost.
    DiskLoseUnsynced,
    /// The last write is torn.
    DiskTornWrite,
    /// Fsyncs take long.
    DiskSlow,
    /// There is no room left.
    DiskFull,
    /// A bit of what was durable flips.
    DiskFlippedBit,
    /// Nodes leave and join.
    Membership,
}

impl Part {
    /// The kind of its faults, as coverage counts it; one of [`kinds::ALL`].
    pub fn kind(self) -> &'static str {
        match self {
            Part::PartitionHalves
            | Part::PartitionOne
            | Part::PartitionLeader
            | Part::PartitionMinority
            | Part::PartitionMajoritiesRing
            | Part::PartitionBridge
            | Part::PartitionOneWay
            | Part::PartitionFlapping => kinds::PARTITION,
            Part::Kill => kinds::KILL,
            Part::Pause => kinds::PAUSE,
            Part::ClockJump | Part::ClockDrift | Part::ClockStrobe => kinds::CLOCK,
            Part::PacketsDelay | Part::PacketsLoss | Part::PacketsDuplicate | Part::PacketsReorder => {
                kinds::PACKETS
            }
            Part::DiskLoseUnsynced
            | Part::DiskTornWrite
            | Part::DiskSlow
            | Part::DiskFull
            | Part::DiskFlippedBit => kinds::DISK,
            Part::Membership => kinds::MEMBERSHIP,
        }
    }

    /// How many nodes the cluster needs for it to mean anything.
    pub fn least_nodes(self) -> u16 {
        match self {
            Part::PartitionMajoritiesRing | Part::PartitionBridge => 3,
            Part::Membership => 4,
            _ if matches!(self.kind(), kinds::PARTITION | kinds::PACKETS) => 2,
            _ => 1,
        }
    }
}

/// A nemesis that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name on the command line.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// What its plans draw from.
    pub parts: &'static [Part],
}

impl Entry {
    /// How many nodes the cluster needs for any of it to mean anything.
    pub fn least_nodes(&self) -> u16 {
        let least = self.parts.iter().map(|part| part.least_nodes());
        least.min().unwrap_or(1)
    }
}

/// Draws a subset of all faults, and how often they come, from the seed.
pub const SWARM: &str = "swarm";

/// Every nemesis that has a name, as `list nemeses` shows them.
pub const MENU: &[Entry] = &[
    Entry {
        name: "none",
        about: "no faults",
        parts: &[],
    },
    Entry {
        name: "partition",
        about: "links are cut, in a mix of all the shapes below",
        parts: &[
            Part::PartitionHalves,
            Part::PartitionOne,
            Part::PartitionLeader,
            Part::PartitionMinority,
            Part::PartitionMajoritiesRing,
            Part::PartitionBridge,
            Part::PartitionOneWay,
            Part::PartitionFlapping,
        ],
    },
    Entry {
        name: "partition-halves",
        about: "two halves do not hear each other: {a,b} | {c,d,e}",
        parts: &[Part::PartitionHalves],
    },
    Entry {
        name: "partition-one",
        about: "one node, drawn at random, is alone: {a} | {b,c,d,e}",
        parts: &[Part::PartitionOne],
    },
    Entry {
        name: "partition-leader",
        about: "the leader is alone",
        parts: &[Part::PartitionLeader],
    },
    Entry {
        name: "partition-minority",
        about: "the leader is with a minority of the others",
        parts: &[Part::PartitionMinority],
    },
    Entry {
        name: "partition-majorities-ring",
        about: "each node hears a majority, and no two hear the same one",
        parts: &[Part::PartitionMajoritiesRing],
    },
    Entry {
        name: "partition-bridge",
        about: "two sides do not hear each other, one node talks to both",
        parts: &[Part::PartitionBridge],
    },
    Entry {
        name: "partition-one-way",
        about: "a node is heard but hears nobody, or hears but is not heard",
        parts: &[Part::PartitionOneWay],
    },
    Entry {
        name: "partition-flapping",
        about: "links are cut and mended in quick succession",
        parts: &[Part::PartitionFlapping],
    },
    Entry {
        name: "kill",
        about: "processes are killed and started again; what they had not fsynced is gone",
        parts: &[Part::Kill],
    },
    Entry {
        name: "pause",
        about: "processes are frozen and go on later",
        parts: &[Part::Pause],
    },
    Entry {
        name: "clock",
        about: "nodes' clocks jump, drift and strobe (the machine's clock is never touched)",
        parts: &[Part::ClockJump, Part::ClockDrift, Part::ClockStrobe],
    },
    Entry {
        name: "clock-jump",
        about: "wall clocks jump forwards or backwards",
        parts: &[Part::ClockJump],
    },
    Entry {
        name: "clock-drift",
        about: "wall and monotonic clocks run fast or slow, within what the system claims to bear",
        parts: &[Part::ClockDrift],
    },
    Entry {
        name: "clock-strobe",
        about: "wall clocks flip to and fro many times a second",
        parts: &[Part::ClockStrobe],
    },
    Entry {
        name: "packets",
        about: "packets between nodes are delayed, lost, doubled and reordered",
        parts: &[
            Part::PacketsDelay,
            Part::PacketsLoss,
            Part::PacketsDuplicate,
            Part::PacketsReorder,
        ],
    },
    Entry {
        name: "packets-delay",
        about: "packets are delayed, some for long",
        parts: &[Part::PacketsDelay],
    },
    Entry {
        name: "packets-loss",
        about: "packets are lost",
        parts: &[Part::PacketsLoss],
    },
    Entry {
        name: "packets-duplicate",
        about: "packets arrive twice",
        parts: &[Part::PacketsDuplicate],
    },
    Entry {
        name: "packets-reorder",
        about: "packets overtake each other",
        parts: &[Part::PacketsReorder],
    },
    Entry {
        name: "disk",
        about: "disks lose or tear what was not fsynced, are slow or full, or rot: all of the below",
        parts: &[
            Part::DiskLoseUnsynced,
            Part::DiskTornWrite,
            Part::DiskSlow,
            Part::DiskFull,
            Part::DiskFlippedBit,
        ],
    },
    Entry {
        name: "disk-crash",
        about: "killed nodes lose what they had not fsynced, after fsyncs were slowed down, or find their last write torn",
        parts: &[Part::DiskLoseUnsynced, Part::DiskTornWrite],
    },
    Entry {
        name: "disk-lose-unsynced",
        about: "fsyncs are slowed down, then the node is killed and loses what was not fsynced",
        parts: &[Part::DiskLoseUnsynced],
    },
    Entry {
        name: "disk-torn-write",
        about: "the node is killed and finds its last write torn",
        parts: &[Part::DiskTornWrite],
    },
    Entry {
        name: "disk-slow",
        about: "fsyncs take long, and the node goes on",
        parts: &[Part::DiskSlow],
    },
    Entry {
        name: "disk-full",
        about: "there is no room: the next write is cut short, and the node stops until there is",
        parts: &[Part::DiskFull],
    },
    Entry {
        name: "disk-flipped-bit",
        about: "the node is killed, a bit of its log flips, and it must refuse to start until that is repaired",
        parts: &[Part::DiskFlippedBit],
    },
    Entry {
        name: "membership",
        about: "nodes leave the cluster by its own means and join again; at least three and a majority stay",
        parts: &[Part::Membership],
    },
    Entry {
        name: "all",
        about: "everything above, in turn and together",
        parts: ALL_PARTS,
    },
    Entry {
        name: SWARM,
        about: "each run draws a random subset of everything, how often faults come and how long they last",
        parts: ALL_PARTS,
    },
];

const ALL_PARTS: &[Part] = &[
    Part::PartitionHalves,
    Part::PartitionOne,
    Part::PartitionLeader,
    Part::PartitionMinority,
    Part::PartitionMajoritiesRing,
    Part::PartitionBridge,
    Part::PartitionOneWay,
    Part::PartitionFlapping,
    Part::Kill,
    Part::Pause,
    Part::ClockJump,
    Part::ClockDrift,
    Part::ClockStrobe,
    Part::PacketsDelay,
    Part::PacketsLoss,
    Part::PacketsDuplicate,
    Part::PacketsReorder,
    Part::DiskLoseUnsynced,
    Part::DiskTornWrite,
    Part::DiskSlow,
    Part::DiskFull,
    Part::DiskFlippedBit,
    Part::Membership,
];

/// What `--nemesis` chose: one name, or several with commas between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nemesis {
    entries: Vec<&'static Entry>,
}

impl Nemesis {
    /// What its plans draw from.
    pub fn parts(&self) -> BTreeSet<Part> {
        self.entries
            .iter()
            .flat_map(|entry| entry.parts)
            .copied()
            .collect()
    }

    /// Whether each run draws a subset.
    pub fn is_swarm(&self) -> bool {
        self.entries.iter().any(|entry| entry.name == SWARM)
    }

    /// Whether it asked for everything there is, and so is content with what can be done.
    pub fn takes_what_there_is(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.parts.len() == ALL_PARTS.len())
    }

    /// How many nodes the cluster needs for everything that was asked for by name.
    pub fn least_nodes(&self) -> u16 {
        if self.takes_what_there_is() {
            return 1;
        }
        self.entries
            .iter()
            .map(|entry| entry.least_nodes())
            .max()
            .unwrap_or(1)
    }

    /// The parts that were asked for by this name, for an error message.
    pub(crate) fn entries(&self) -> &[&'static Entry] {
        &self.entries
    }
}

impl fmt::Display for Nemesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.entries.iter().map(|entry| entry.name).collect();
        f.write_str(&names.join(","))
    }
}

/// A nemesis that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NemesisError(pub String);

impl fmt::Display for NemesisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NemesisError {}

impl FromStr for Nemesis {
    type Err = NemesisError;

    /// Reads names with commas between them.
    ///
    /// # Errors
    /// A name that is not on the [`MENU`], with the closest one that is; `none` or `swarm` beside other names.
    fn from_str(text: &str) -> Result<Self, NemesisError> {
        let mut entries: Vec<&'static Entry> = Vec::new();
        for name in text.split(',').map(str::trim) {
            let entry = MENU
                .iter()
                .find(|entry| entry.name == name)
                .ok_or_else(|| unknown(name))?;
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        if let (Some(alone), 2..) = (
            entries.iter().find(|entry| matches!(entry.name, "none" | SWARM)),
            entries.len(),
        ) {
            return Err(NemesisError(format!(
                "nemesis {:?} stands alone: give it without the others, or leave it out of {text:?}",
                alone.name
            )));
        }
        Ok(Nemesis { entries })
    }
}

fn unknown(name: &str) -> NemesisError {
    let closest = MENU
        .iter()
        .map(|entry| (distance(name, entry.name), entry.name))
        .min();
    let hint = match closest {
        Some((steps, closest)) if steps <= 1 + name.chars().count() / 3 => {
            format!("did you mean {closest:?}?")
        }
        _ => {
            let names: Vec<&str> = MENU.iter().map(|entry| entry.name).collect();
            format!("there are: {}", names.join(", "))
        }
    };
    NemesisError(format!("no nemesis is called {name:?}; {hint}"))
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_combine_by_commas() {
        let nemesis: Nemesis = "partition-leader, kill,kill".parse().expect("known names");
        assert_eq!(
            nemesis.parts(),
            BTreeSet::from([Part::PartitionLeader, Part::Kill])
        );
        assert_eq!(nemesis.to_string(), "partition-leader,kill");
    }

    #[test]
    fn an_unknown_name_is_an_error_that_suggests_the_right_one() {
        let cases = [
            ("partitoin", "did you mean \"partition\"?"),
            ("kil", "did you mean \"kill\"?"),
            ("clock-skew,kill", "no nemesis is called \"clock-skew\""),
            ("", "there are: none, partition"),
            ("none,kill", "stands alone"),
            ("kill,swarm", "stands alone"),
        ];
        for (text, expected) in cases {
            let error = Nemesis::from_str(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn all_leaves_nothing_out() {
        let parts = |name: &str| {
            name.parse::<Nemesis>()
                .map(|nemesis| nemesis.parts())
                .unwrap_or_default()
        };
        let listed: BTreeSet<Part> = MENU.iter().flat_map(|entry| entry.parts).copied().collect();
        assert_eq!(parts("all"), listed);
        assert_eq!(
            listed.iter().map(|part| part.kind()).collect::<BTreeSet<_>>(),
            kinds::ALL.into_iter().collect()
        );
    }
}
