//! Plays a script, and writes down what a script could be made of.

use perjury_nemesis::Node;

use super::network::Arrivals;
use crate::script::{Blow, Script};

const MICROSECOND: u64 = 1_000;

/// What of a script took effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// For each delivery, whether it reached a process that ran.
    pub deliveries: Vec<bool>,
    /// For each timer, whether it went off.
    pub timers: Vec<bool>,
}

/// A script under way. Its times count from the start of the world.
#[derive(Debug)]
pub(crate) struct Play {
    lanes: Vec<Lane>,
    /// The timers that may go off, for each node.
    permits: Vec<Vec<usize>>,
    pub(crate) played: Played,
}

/// The messages of one name from one node to another.
#[derive(Debug)]
struct Lane {
    from: usize,
    to: usize,
    message: String,
    sent: u32,
    /// Number, time, place in the script, by number.
    arrivals: Vec<(u32, u64, usize)>,
    /// What is on its way: when it arrives, place in the script.
    under_way: Vec<(u64, usize)>,
}

fn place(node: Node) -> usize {
    usize::from(node.0) - 1
}

impl Play {
    pub(crate) fn new(script: &Script, nodes: usize) -> Self {
        let mut lanes: Vec<Lane> = Vec::new();
        for (index, delivery) in script.deliveries.iter().enumerate() {
            let (from, to) = (place(delivery.from), place(delivery.to));
            let arrival = (delivery.nth, delivery.at_ns, index);
            let same =
                |lane: &&mut Lane| lane.from == from && lane.to == to && lane.message == delivery.message;
            match lanes.iter_mut().find(same) {
                Some(lane) => lane.arrivals.push(arrival),
                None => lanes.push(Lane {
                    from,
                    to,
                    message: delivery.message.clone(),
                    sent: 0,
                    arrivals: vec![arrival],
                    under_way: Vec::new(),
                }),
            }
        }
        for lane in &mut lanes {
            lane.arrivals.sort_unstable();
        }
        Play {
            lanes,
            permits: vec![Vec::new(); nodes],
            played: Played {
                deliveries: vec![false; script.deliveries.len()],
                timers: vec![false; script.timers.len()],
            },
        }
    }

    fn lane(&mut self, from: usize, to: usize, message: &str) -> Option<&mut Lane> {
        self.lanes
            .iter_mut()
            .find(|lane| lane.from == from && lane.to == to && lane.message == message)
    }

    /// A message leaves. Says when it arrives, if it does; a third copy is none.
    pub(crate) fn send(&mut self, now: u64, from: usize, to: usize, message: &str) -> Arrivals {
        let Some(lane) = self.lane(from, to, message) else {
            return [None, None];
        };
        lane.sent += 1;
        let mut arrivals = [None, None];
        let mut copies = arrivals.iter_mut();
        let first = lane.arrivals.partition_point(|(nth, ..)| *nth < lane.sent);
        for (nth, at, index) in &lane.arrivals[first..] {
            let Some(copy) = copies.next().filter(|_| *nth == lane.sent) else {
                break;
            };
            // No message arrives before it was sent.
            let at = (*at).max(now + MICROSECOND);
            lane.under_way.push((at, *index));
            *copy = Some(at);
        }
        arrivals
    }

    /// A message reaches a process.
    pub(crate) fn arrived(&mut self, now: u64, from: usize, to: usize, message: &str) {
        let Some(lane) = self.lane(from, to, message) else {
            return;
        };
        if let Some(place) = lane.under_way.iter().position(|(at, _)| *at == now) {
            let (_, index) = lane.under_way.swap_remove(place);
            self.played.deliveries[index] = true;
        }
    }

    /// A node's next timer may go off.
    pub(crate) fn permit(&mut self, node: usize, timer: usize) {
        self.permits[node].push(timer);
    }

    /// Whether a timer of this node may go off.
    pub(crate) fn permits(&self, node: usize) -> bool {
        !self.permits[node].is_empty()
    }

    /// A timer of this node goes off.
    pub(crate) fn fired(&mut self, node: usize) {
        if !self.permits[node].is_empty() {
            let timer = self.permits[node].remove(0);
            self.played.timers[timer] = true;
        }
    }
}

/// What happened between the nodes, in order: what a script is made of. Times are in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// When each message arrived: time, sender, receiver, name, number among those of that name on that link.
    pub arrivals: Vec<(u64, Node, Node, &'static str, u32)>,
    /// When whose timers went off.
    pub timers: Vec<(u64, Node)>,
    /// What befell machines, but for triggers.
    pub mishaps: Vec<(u64, Node, Blow)>,
    sent: Vec<(usize, usize, &'static str, u32)>,
}

impl Recording {
    /// A message leaves. Says which one of its name it is on its link.
    pub(crate) fn sent(&mut self, from: usize, to: usize, message: &'static str, arrivals: Arrivals) -> u32 {
        let same = |(a, b, name, _): &&mut (usize, usize, &'static str, u32)| {
            *a == from && *b == to && *name == message
        };
        let nth = match self.sent.iter_mut().find(same) {
            Some((.., count)) => {
                *count += 1;
                *count
            }
            None => {
                self.sent.push((from, to, message, 1));
                1
            }
        };
        let node = |place: usize| Node(place as u16 + 1);
        for at in arrivals.into_iter().flatten() {
            self.arrivals.push((at, node(from), node(to), message, nth));
        }
        nth
    }
}
