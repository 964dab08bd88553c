//! What becomes of a packet between two nodes.

use perjury_nemesis::{Packets, stream};
use rand_chacha::ChaCha8Rng;

use super::chance::{below, between, exponential, happens, heavy_tailed};
use super::scheduler::Order;
use super::weather::Weather;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;

/// A packet that others overtake is held back for at least this long.
const OVERTAKEN_AFTER: u64 = 5 * MILLISECOND;

/// That a connection broke is noticed within this time.
const NOTICED: u64 = 50 * MILLISECOND;

/// One fault of one link, with how many packets it dropped or mistreated.
#[derive(Debug)]
struct Affliction {
    fault: u32,
    /// None for a cut.
    packets: Option<Packets>,
    hits: u64,
}

#[derive(Debug, Default)]
struct Line {
    /// How many thousandths of the usual latency it has.
    slowness: u64,
    /// What its latency exceeds the least one by has a heavy tail.
    heavy: bool,
    afflictions: Vec<Affliction>,
    /// From when until when what is sent waits.
    clogged: (u64, u64),
    /// With connections: when the last packet arrives.
    last_arrival: u64,
    /// With connections: it broke, and the sender does not know yet, but will by then.
    broken: bool,
    told_at: u64,
}

impl Line {
    fn drawn(weather: &Weather, rng: &mut ChaCha8Rng) -> Self {
        let slowness = 1000 + below(rng, 1000 * u64::from(weather.spread.max(1) - 1) + 1);
        Line {
            slowness,
            heavy: weather.heavy_percent > 0 && below(rng, 100) < u64::from(weather.heavy_percent),
            ..Line::default()
        }
    }

    /// The least that a packet takes, and the mean of what it takes besides.
    fn latency(&self, weather: &Weather) -> (u64, u64) {
        // A microsecond has as many nanoseconds as one has thousandths.
        (
            weather.latency_us * self.slowness,
            weather.jitter_us * self.slowness,
        )
    }

    /// What a packet takes besides the least.
    fn exceeds(&self, rng: &mut ChaCha8Rng, mean: u64) -> u64 {
        if self.heavy {
            heavy_tailed(rng, mean)
        } else {
            exponential(rng, mean)
        }
    }
}

/// How long a packet takes on a link of some cluster, in nanoseconds, if nothing befalls it.
pub(crate) fn usual_delay(weather: &Weather, rng: &mut ChaCha8Rng) -> u64 {
    let line = Line::drawn(weather, rng);
    let (least, jitter) = line.latency(weather);
    least + line.exceeds(rng, jitter)
}

/// A node is to be told that its connection with another one broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) at: u64,
    pub(crate) node: usize,
    pub(crate) peer: usize,
}

/// When the copies of a packet arrive: none, one or two times.
pub(crate) type Arrivals = [Option<u64>; 2];

/// All directed links between nodes.
#[derive(Debug)]
pub(crate) struct Network {
    nodes: usize,
    lines: Vec<Line>,
    weather: Weather,
    /// What it is in peace.
    calmed: Weather,
    /// Nodes talk over connections.
    pub(crate) connected: bool,
    /// Who is to be told of a connection that broke.
    pub(crate) broken: Vec<Broken>,
    /// Nothing is lost, doubled, held back or clogged, but for faults.
    pub(crate) calm: bool,
    rng: ChaCha8Rng,
    /// What else decides when packets arrive while it is not calm.
    pub(crate) order: Order,
    /// Packets sent, and of these lost, over all links.
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    /// Whether the last packet was held back, and not only by its usual latency.
    pub(crate) held_back: bool,
}

impl Network {
    pub(crate) fn new(nodes: usize, weather: Weather, connected: bool, seed: u64) -> Self {
        let mut rng = stream(seed, "network");
        let lines = (0..nodes * nodes)
            .map(|_| Line::drawn(&weather, &mut rng))
            .collect();
        Network {
            nodes,
            lines,
            weather,
            calmed: weather.calmed(),
            connected,
            broken: Vec::new(),
            calm: true,
            rng,
            order: Order::Timed,
            sent: 0,
            lost: 0,
            held_back: false,
        }
    }

    /// What becomes of packets is drawn anew from now on; how slow each link is stays.
    pub(crate) fn reseed(&mut self, seed: u64) {
        self.rng = stream(seed, "network/anew");
    }

    /// Nothing is lost, doubled, held back or clogged any more, but for faults.
    pub(crate) fn calm_down(&mut self) {
        self.calm = true;
        for line in &mut self.lines {
            line.clogged = (0, 0);
        }
    }

    fn line(&mut self, from: usize, to: usize) -> &mut Line {
        &mut self.lines[from * self.nodes + to]
    }

    /// Links from `from` to `to` (counted from 0) suffer from a fault: a cut, or mistreated packets.
    pub(crate) fn afflict(&mut self, fault: u32, from: usize, to: usize, packets: Option<Packets>) {
        self.line(from, to).afflictions.push(Affliction {
            fault,
            packets,
            hits: 0,
        });
    }

    /// How many packets of a link a fault has hit so far.
    pub(crate) fn hits(&self, fault: u32, from: usize, to: usize) -> u64 {
        let line = &self.lines[from * self.nodes + to];
        line.afflictions
            .iter()
            .filter(|one| one.fault == fault)
            .map(|one| one.hits)
            .sum()
    }

    /// A link does not suffer from a fault any more.
    pub(crate) fn relieve(&mut self, fault: u32, from: usize, to: usize) {
        self.line(from, to).afflictions.retain(|one| one.fault != fault);
    }

    /// Some links become slow for a while, each from its own moment on and for its own time.
    pub(crate) fn clog(&mut self, now: u64) {
        let longest = u64::from(self.weather.clog_ms) * MILLISECOND;
        // From one link to all of them, few being as likely as many.
        let share = between(&mut self.rng, 1, 100);
        for line in &mut self.lines {
            if below(&mut self.rng, 100) < share {
                let from = now + below(&mut self.rng, longest / 2);
                line.clogged = (from, from + below(&mut self.rng, longest));
            }
        }
    }

    /// A connection breaks: each of both ends is told, after everything of that connection that still reaches it and
    /// before anything of the next one. What an end sends until then is lost.
    pub(crate) fn disconnect(&mut self, now: u64, one: usize, other: usize) {
        let noticed = self.weather.slowed(NOTICED);
        for (node, peer) in [(one, other), (other, one)] {
            let last_arrival = self.line(peer, node).last_arrival;
            let line = self.line(node, peer);
            if line.broken && last_arrival <= line.told_at {
                // Nothing of a later connection is under way to it.
                continue;
            }
            let at = last_arrival.max(now) + between(&mut self.rng, 1, noticed);
            self.line(peer, node).last_arrival = at;
            let line = self.line(node, peer);
            (line.broken, line.told_at) = (true, at);
            self.broken.push(Broken { at, node, peer });
        }
    }

    /// A node was told that its connection with another one broke: what it sends now goes through the next one, unless
    /// that broke meanwhile.
    pub(crate) fn told(&mut self, now: u64, node: usize, peer: usize) {
        let line = self.line(node, peer);
        line.broken &= line.told_at > now;
    }

    /// A packet leaves. Says when it arrives, if it does.
    pub(crate) fn send(&mut self, now: u64, from: usize, to: usize) -> Arrivals {
        self.sent += 1;
        let Network {
            nodes,
            lines,
            weather,
            calmed,
            connected,
            calm,
            rng,
            lost,
            held_back,
            order,
            ..
        } = self;
        *held_back = false;
        let line = &mut lines[from * *nodes + to];
        let conditions = if *calm { &*calmed } else { &*weather };
        let (least, jitter) = line.latency(conditions);
        let mut arrival = now + least + line.exceeds(rng, jitter);
        let mut dropped = false;
        let mut copies = 1;
        if !*calm {
            dropped = happens(rng, weather.loss_ppm);
            copies += u32::from(happens(rng, weather.duplicate_ppm));
            if happens(rng, weather.reorder_ppm) {
                arrival += below(rng, u64::from(weather.reorder_ms) * MILLISECOND);
                *held_back = true;
            }
        }
        for affliction in &mut line.afflictions {
            let Some(packets) = affliction.packets else {
                affliction.hits += 1;
                dropped = true;
                continue;
            };
            let mut percent = |share: u8| below(rng, 100) < u64::from(share);
            let (gone, doubled, overtaken) = (
                percent(packets.loss_percent),
                percent(packets.duplicate_percent),
                percent(packets.reorder_percent),
            );
            let delay = heavy_tailed(rng, packets.delay_ms * MILLISECOND);
            dropped |= gone;
            copies += u32::from(doubled);
            arrival += delay;
            if overtaken {
                arrival += weather.slowed(OVERTAKEN_AFTER) + delay;
            }
            affliction.hits += u64::from(gone || doubled || overtaken || delay > 0);
            *held_back |= overtaken || delay > 0;
        }
        if !*calm {
            arrival = order.arrival(now, from, to, least + jitter, arrival);
        }
        let (clogged_from, clogged_until) = line.clogged;
        if (clogged_from..clogged_until).contains(&now) {
            *held_back |= clogged_until + least > arrival;
            arrival = arrival.max(clogged_until + least);
        }
        if *connected {
            copies = 1;
            arrival = arrival.max(line.last_arrival + 1);
            if !dropped && !line.broken {
                line.last_arrival = arrival;
            }
        }
        if dropped || line.broken {
            *lost += 1;
            if *connected {
                // A connection loses nothing in its middle: it breaks.
                self.disconnect(now, from, to);
            }
            return [None, None];
        }
        let second =
            (copies > 1).then(|| arrival + exponential(rng, jitter + weather.slowed(100 * MICROSECOND)));
        [Some(arrival), second]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(weather: Weather, ordered: bool) -> Network {
        let mut network = Network::new(2, weather, ordered, 7);
        network.calm = false;
        network
    }

    #[test]
    fn a_cut_link_delivers_nothing_and_counts_what_it_dropped() {
        let mut network = network(Weather::FAIR, false);
        network.afflict(4, 0, 1, None);
        assert!((0..10).all(|now| network.send(now, 0, 1) == [None, None]));
        assert!(
            network.send(10, 1, 0)[0].is_some(),
            "the other direction is whole"
        );
        assert_eq!((network.hits(4, 0, 1), network.hits(4, 1, 0)), (10, 0));
        network.relieve(4, 0, 1);
        assert!(network.send(11, 0, 1)[0].is_some());
    }

    /// What happens to one of two ends.
    enum Happens {
        Send,
        Arrive { connection: u64, number: u64 },
        Told,
    }

    #[test]
    fn a_connection_delivers_in_order_without_a_gap_until_both_ends_are_told_that_it_broke() {
        let weather = Weather {
            jitter_us: 5_000,
            heavy_percent: 50,
            reorder_ppm: 300_000,
            loss_ppm: 20_000,
            duplicate_ppm: 100_000,
            clog_ms: 40,
            ..Weather::FAIR
        };
        let mut network = network(weather, true);
        let mut agenda = super::super::agenda::Agenda::default();
        for turn in 0..4_000 {
            agenda.plan(turn * MILLISECOND, (turn as usize % 2, Happens::Send));
        }
        // For each end: its connections so far, what it sent in this one, and what it got since it was told last.
        let (mut connection, mut sent, mut got) = ([0; 2], [0; 2], [None; 2]);
        let (mut arrived, mut told) = (0, [0; 2]);
        while let Some((now, (end, happens))) = agenda.next() {
            match happens {
                Happens::Send => {
                    if sent[end] % 50 == 7 {
                        network.clog(now);
                    }
                    let [arrival, again] = network.send(now, end, 1 - end);
                    assert_eq!(again, None, "nothing comes twice");
                    if let Some(arrival) = arrival {
                        let (connection, number) = (connection[end], sent[end]);
                        agenda.plan(arrival, (1 - end, Happens::Arrive { connection, number }));
                    }
                    sent[end] += 1;
                }
                Happens::Arrive { connection, number } => {
                    let (known, next) = got[end].unwrap_or((connection, 0));
                    assert_eq!(
                        (connection, number),
                        (known, next),
                        "a gap, or another connection"
                    );
                    got[end] = Some((known, next + 1));
                    arrived += 1;
                }
                Happens::Told => {
                    network.told(now, end, 1 - end);
                    (connection[end], sent[end], got[end]) = (connection[end] + 1, 0, None);
                    told[end] += 1;
                }
            }
            for Broken { at, node, peer } in network.broken.drain(..) {
                assert!(at > now && peer == 1 - node);
                agenda.plan(at, (node, Happens::Told));
            }
        }
        assert!(arrived > 300 && told[0] > 5 && told[1] > 5, "{arrived} {told:?}");
    }

    #[test]
    fn some_links_have_a_heavy_tail() {
        let longest = |heavy_percent| {
            let weather = Weather {
                heavy_percent,
                spread: 1,
                ..Weather::FAIR
            };
            let mut network = network(weather, false);
            let late = (0..5_000).filter(|now| {
                let arrival = network.send(*now, 0, 1)[0].expect("nothing is lost");
                arrival - now > (150 + 10 * 150) * MICROSECOND
            });
            late.count()
        };
        assert!(longest(0) < 3 && longest(100) > 5);
    }

    #[test]
    fn a_clog_delays_and_does_not_drop() {
        let weather = Weather {
            clog_ms: 1000,
            ..Weather::FAIR
        };
        let mut network = network(weather, false);
        let (mut latest, mut begun_later) = (0, 0);
        for round in 0..50 {
            let now = round * 3_000 * MILLISECOND;
            network.clog(now);
            let mut delay = |after: u64| {
                let [Some(arrival), None] = network.send(now + after, 0, 1) else {
                    panic!("dropped")
                };
                arrival - now - after
            };
            let (first, second) = (delay(0), delay(400 * MILLISECOND));
            latest = latest.max(first).max(second);
            begun_later += u32::from(first < 10 * MILLISECOND && second > 10 * MILLISECOND);
        }
        assert!(
            (100 * MILLISECOND..1100 * MILLISECOND).contains(&latest),
            "{latest}"
        );
        assert!(begun_later > 0, "links are clogged one after the other");
    }
}
