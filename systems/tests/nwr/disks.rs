//! What a node may say before its disk has it, and before others know its disk.

use std::collections::BTreeMap;
use std::time::Duration;

use perjury_systems::api::{Reconfigure, Tag, Value};
use perjury_systems::nwr::types::Version;
use perjury_systems::nwr::{Message, Nwr, View};
use perjury_systems::{Cluster, Driver, Durable, Event, Lsn, NodeId, Output};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// n1 of a few nodes, alone with its disk.
struct Alone {
    driver: Driver<Nwr>,
    written: Lsn,
    /// What left, to whom.
    sent: Vec<(NodeId, Message)>,
}

impl Alone {
    fn new(nodes: u16, identity: &str) -> Self {
        let all: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        let cluster = Cluster {
            nodes: all.clone(),
            members: all,
            settings: BTreeMap::from([("identity".to_owned(), identity.to_owned())]),
            mutant: None,
        };
        let (rng, mut out) = (ChaCha8Rng::seed_from_u64(1), Vec::new());
        let clocks = (Duration::ZERO, Duration::ZERO);
        let driver = Driver::recover(&cluster, NodeId(1), Durable::default(), rng, clocks, &mut out);
        let mut alone = Alone {
            driver,
            written: Lsn(0),
            sent: Vec::new(),
        };
        alone.take(out);
        alone
    }

    fn take(&mut self, out: Vec<Output<Nwr>>) {
        for output in out {
            match output {
                Output::Write { lsn, .. } => self.written = lsn,
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
    let tag = Tag {
        counter: 1,
        node: NodeId(2),
        life: 1,
    };
    Message::Store {
        ticket,
        epoch: 0,
        key: "x".into(),
        cell: vec![Version {
            tag,
            value: Value::Int(1),
            clock: Default::default(),
        }],
        hint_for: None,
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
