//! What a node may say before its disk has it, and before others know its disk.

use std::time::Duration;

use perjury_systems::api::{Reconfigure, Tag, Value};
use perjury_systems::context::Written;
use perjury_systems::nwr::types::{Record, Version};
use perjury_systems::nwr::{Message, Nwr, View};
use perjury_systems::{Cluster, Driver, Durable, Event, Lsn, NodeId, Output};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// n1 of a few nodes, alone with its disk.
struct Alone {
    driver: Driver<Nwr>,
    written: Lsn,
    /// Everything that it wrote to its log.
    records: Vec<(Lsn, Record)>,
    /// What left, to whom.
    sent: Vec<(NodeId, Message)>,
}

impl Alone {
    fn new(nodes: u16, identity: &str) -> Self {
        Alone::recovered(nodes, identity, Vec::new())
    }

    /// From what its disk holds.
    fn recovered(nodes: u16, identity: &str, records: Vec<(Lsn, Record)>) -> Self {
        Alone::with(nodes, &[("identity", identity)], records)
    }

    fn with(nodes: u16, settings: &[(&str, &str)], records: Vec<(Lsn, Record)>) -> Self {
        let all: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        let settings = settings.iter();
        let cluster = Cluster {
            nodes: all.clone(),
            members: all,
            settings: settings
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            mutant: None,
        };
        let (rng, mut out) = (ChaCha8Rng::seed_from_u64(1), Vec::new());
        let clocks = (Duration::ZERO, Duration::ZERO);
        let written = records.last().map_or(Lsn(0), |(lsn, _)| *lsn);
        let durable = Durable {
            snapshot: None,
            records: records.clone(),
            end: written,
        };
        let driver = Driver::recover(&cluster, NodeId(1), durable, rng, clocks, &mut out);
        let mut alone = Alone {
            driver,
            written,
            records,
            sent: Vec::new(),
        };
        alone.take(out);
        alone
    }

    fn take(&mut self, out: Vec<Output<Nwr>>) {
        for output in out {
            match output {
                Output::Write { lsn, what } => {
                    self.written = lsn;
                    if let Written::Record(record) = what {
                        self.records.push((lsn, record));
                    }
                }
                Output::Send { to, message } => self.sent.push((to, message)),
                _ => {}
            }
        }
    }

    fn receives(&mut self, from: u16, message: Message) {
        let mut out = Vec::new();
        let event = Event::Message {
            from: NodeId(from),
            message,
        };
        self.driver
            .step(event, (Duration::ZERO, Duration::ZERO), &mut out);
        self.take(out);
    }

    fn syncs(&mut self) {
        while self.driver.durable_until() < self.written {
            let mut out = Vec::new();
            self.driver
                .durable(self.written, (Duration::ZERO, Duration::ZERO), &mut out);
            self.take(out);
        }
    }

    /// What it hands over when its timers run out: to whom, under which ticket, which counter.
    fn hands_over(&mut self) -> Vec<(NodeId, u64, u64)> {
        let (late, mut out) = (Duration::from_secs(2), Vec::new());
        self.driver.fire((late, late), &mut out);
        self.take(out);
        let hints = self.sent.drain(..).filter_map(|(to, message)| match message {
            Message::Hint { ticket, cell, .. } => Some((to, ticket, cell.first()?.tag.counter)),
            _ => None,
        });
        hints.collect()
    }

    /// Its timers run out at that time.
    fn waits(&mut self, until: Duration) {
        let mut out = Vec::new();
        self.driver.fire((until, until), &mut out);
        self.take(out);
    }

    /// Everything that was sent since the last time, in words.
    fn says(&mut self) -> Vec<String> {
        let said = self.sent.drain(..).filter_map(|(to, message)| match message {
            Message::Answer { cell, forgotten, .. } => Some(format!(
                "{to}: holds {:?}, forgot {}",
                counters(&cell),
                forgotten.greatest
            )),
            Message::Stored { tag, .. } => Some(format!("{to}: stored {:?}", tag.map(|tag| tag.counter))),
            Message::Doubt { .. } => Some(format!("{to}: do you hold it?")),
            Message::HintTaken { .. } => Some(format!("{to}: taken")),
            _ => None,
        });
        said.collect()
    }

    /// How often it says that it forgot anything, as it asks others.
    fn asks_when(&self) -> Option<u64> {
        self.sent.iter().find_map(|(_, message)| match message {
            Message::Doubt { forgets, .. } => Some(*forgets),
            _ => None,
        })
    }

    /// The epochs of the views that left.
    fn views_sent(&mut self) -> Vec<u64> {
        let views = self.sent.drain(..).filter_map(|(_, message)| match message {
            Message::View(view) | Message::Refused { view, .. } | Message::Known { view, .. } => {
                Some(view.epoch)
            }
            _ => None,
        });
        views.collect()
    }

    /// Those whose request to store was acknowledged.
    fn acknowledged(&mut self) -> Vec<NodeId> {
        let acknowledged = self.sent.drain(..).filter_map(|(to, message)| match message {
            Message::Stored { .. } => Some(to),
            _ => None,
        });
        acknowledged.collect()
    }

    /// The disk that it asks others to know it by.
    fn disk(&self) -> u64 {
        let asked = self.sent.iter().find_map(|(_, message)| match message {
            Message::Hello { disk, .. } => Some(*disk),
            _ => None,
        });
        asked.expect("an empty disk is to be known")
    }
}

fn counters(cell: &[Version]) -> Vec<u64> {
    cell.iter().map(|version| version.tag.counter).collect()
}

fn first_view(nodes: u16) -> View {
    View {
        epoch: 0,
        members: (1..=nodes).map(NodeId).collect(),
        before: None,
        settled: false,
        renewed: Vec::new(),
    }
}

fn store(ticket: u64) -> Message {
    kept(ticket, 1, None)
}

/// A request to store a version, or to keep it for another node.
fn kept(ticket: u64, counter: u64, hint_for: Option<NodeId>) -> Message {
    Message::Store {
        ticket,
        epoch: 0,
        key: "x".into(),
        cell: vec![version(counter, Value::Int(1))],
        chosen: 0,
        hint_for,
    }
}

fn version(counter: u64, value: Value) -> Version {
    Version {
        tag: tag(counter),
        value,
        clock: Default::default(),
    }
}

fn tag(counter: u64) -> Tag {
    Tag {
        counter,
        node: NodeId(2),
        life: 1,
    }
}

/// n1 begins a change and tells n2, whose request it refuses, before its disk has it. It is killed, forgets the change, and
/// begins another one: two nodes have different members under one epoch, and their quorums need not meet.
#[test]
fn a_view_is_told_to_nobody_before_it_is_durable() {
    let old = [
        Message::Ask {
            ticket: 1,
            epoch: 0,
            key: "x".into(),
        },
        store(1),
        Message::Refused {
            ticket: 1,
            view: first_view(4),
        },
        Message::View(first_view(4)),
        Message::Tree {
            epoch: 0,
            at: 0,
            hashes: Vec::new(),
        },
        Message::Pull {
            epoch: 0,
            after: None,
        },
        Message::Hello {
            disk: 1,
            again: false,
        },
    ];
    for message in old {
        let mut n1 = Alone::new(4, "trust");
        n1.syncs();
        let change = Reconfigure::Leave(NodeId(4));
        n1.receives(3, Message::Change { ticket: 1, change });
        n1.receives(2, message.clone());
        assert_eq!(n1.views_sent(), Vec::<u64>::new(), "after {message:?}");
        n1.syncs();
        let told = n1.views_sent();
        // Whoever is not told in answer is told anyway: the change goes to the three others.
        assert_eq!(told, [1; 4], "after {message:?}");
    }
}

/// n1 acknowledges a write when only n2 knows its disk, and loses it. Those who have not heard of n1 take the empty one for
/// its first: it answers reads, and what it acknowledged is gone from one replica of two.
#[test]
fn what_is_stored_counts_once_a_majority_knows_the_disk() {
    let known = |n1: &Alone, first| Message::Known {
        disk: n1.disk(),
        first,
        view: first_view(5),
    };
    // Whether this or another disk is the one that is known: a third one is not taken for the first.
    for first in [true, false] {
        let mut n1 = Alone::new(5, "register");
        n1.syncs();
        let answer = known(&n1, first);
        n1.receives(2, store(7));
        n1.syncs();
        n1.receives(2, answer.clone());
        n1.receives(3, answer.clone());
        n1.receives(3, store(8));
        n1.syncs();
        assert_eq!(n1.acknowledged(), [], "two of four know it, first: {first}");
        n1.receives(4, answer);
        n1.receives(3, store(8));
        n1.syncs();
        assert_eq!(n1.acknowledged(), [NodeId(3)], "first: {first}");
    }
}

/// n1 keeps two versions of a key for n3, which takes the first. n1 is killed while it writes that down: a part of it is
/// durable. The second version must not be gone: nothing else may ever bring it to n3.
#[test]
fn handing_over_one_version_never_loses_another_one_that_is_kept_for_the_same_node() {
    let mut n1 = Alone::new(5, "trust");
    for counter in [1, 2] {
        n1.receives(2, kept(counter, counter, Some(NodeId(3))));
    }
    n1.syncs();
    let kept = n1.hands_over();
    let (_, first, _) = *kept
        .iter()
        .find(|(.., counter)| *counter == 1)
        .expect("it is kept");
    assert_eq!(kept.len(), 2);
    n1.syncs();
    let durable = n1.records.len();
    n1.receives(3, Message::HintTaken { ticket: first });
    assert!(n1.records.len() > durable, "that it arrived is written down");
    for end in durable..=n1.records.len() {
        let mut again = Alone::recovered(5, "trust", n1.records[..end].to_vec());
        let left: Vec<u64> = again
            .hands_over()
            .into_iter()
            .map(|(.., counter)| counter)
            .collect();
        assert!(
            left.contains(&2),
            "after {end} records of {}: {left:?}",
            n1.records.len()
        );
        assert!(
            end < n1.records.len() || left == [2],
            "what arrived is not kept: {left:?}"
        );
    }
}

/// n1, which has forgotten a removal that all replicas held; and what is on its disk.
fn forgetful() -> (Alone, Vec<(Lsn, Record)>) {
    const SETTINGS: [(&str, &str); 2] = [("identity", "trust"), ("gc-grace-ms", "1")];
    let mut n1 = Alone::with(3, &SETTINGS, Vec::new());
    let removal = Message::Store {
        ticket: 9,
        epoch: 0,
        key: "x".into(),
        cell: vec![version(9, Value::Nil)],
        chosen: 0,
        hint_for: None,
    };
    n1.receives(2, removal);
    n1.syncs();
    let (key, late) = ("x".into(), Duration::from_secs(2));
    n1.receives(2, Message::Removed { key, tag: tag(9) });
    n1.waits(late);
    n1.syncs();
    n1.sent.clear();
    let records = n1.records.clone();
    (n1, records)
}

/// What a replica has forgotten, it must not be told anew: not by a message that was long under way, nor by a hint, nor by a
/// writer that hears of nothing newer. It learns from the others whether there is something to know.
#[test]
fn what_was_removed_and_forgotten_is_not_brought_back_by_anybody_who_remembers() {
    let (mut n1, records) = forgetful();
    let ask = Message::Ask {
        ticket: 1,
        epoch: 0,
        key: "x".into(),
    };
    let nothing = ["n2: holds [], forgot 9"];
    let doubts = ["n2: do you hold it?", "n3: do you hold it?"];
    for restarted in [false, true] {
        if restarted {
            let settings = [("identity", "trust"), ("gc-grace-ms", "1")];
            n1 = Alone::with(3, &settings, records.clone());
            n1.syncs();
            n1.sent.clear();
        }
        n1.receives(2, ask.clone());
        n1.syncs();
        assert_eq!(n1.says(), nothing, "restarted: {restarted}");
        n1.receives(2, kept(8, 8, None));
        n1.syncs();
        assert_eq!(n1.says(), doubts, "restarted: {restarted}");
        // A newer one is none of that.
        let mut other = Alone::with(3, &[("identity", "trust")], n1.records.clone());
        other.receives(2, kept(10, 10, None));
        other.syncs();
        assert!(other.says().contains(&"n2: stored Some(10)".to_owned()));
    }
}

#[test]
fn a_version_below_a_removal_that_was_forgotten_is_taken_from_a_replica_that_holds_it_now() {
    let (mut n1, _) = forgetful();
    let sure = |forgets, counters: &[u64]| Message::Sure {
        epoch: 0,
        key: "x".into(),
        forgets,
        cell: counters
            .iter()
            .map(|counter| version(*counter, Value::Int(1)))
            .collect(),
    };
    n1.receives(2, kept(8, 8, None));
    let forgets = n1.asks_when().expect("it asks");
    n1.says();
    // An answer to what was asked before it forgot anything says nothing.
    n1.receives(3, sure(forgets.wrapping_sub(1), &[8]));
    n1.receives(2, kept(8, 8, None));
    n1.syncs();
    assert_eq!(n1.says().len(), 2, "it asks again");
    n1.receives(3, sure(forgets, &[8]));
    n1.receives(2, kept(8, 8, None));
    n1.syncs();
    assert_eq!(n1.says(), ["n2: stored Some(8)"]);
}

#[test]
fn what_is_kept_for_a_replica_has_had_its_day_when_no_other_one_holds_anything() {
    let (mut n1, _) = forgetful();
    let hint = || Message::Hint {
        ticket: 4,
        key: "x".into(),
        cell: vec![version(8, Value::Int(1))],
    };
    n1.receives(2, hint());
    let forgets = n1.asks_when().expect("it asks");
    n1.syncs();
    assert_eq!(n1.says().len(), 2, "it asks two others, and takes nothing");
    for (from, taken) in [(2, false), (3, true)] {
        let nothing = Message::Sure {
            epoch: 0,
            key: "x".into(),
            forgets,
            cell: Vec::new(),
        };
        n1.receives(from, nothing);
        n1.receives(2, hint());
        n1.syncs();
        let said = n1.says();
        assert_eq!(said.contains(&"n2: taken".to_owned()), taken, "n{from}: {said:?}");
    }
    let ask = Message::Ask {
        ticket: 1,
        epoch: 0,
        key: "x".into(),
    };
    n1.receives(2, ask);
    n1.syncs();
    assert_eq!(n1.says(), ["n2: holds [], forgot 9"]);
}
