//! What becomes of a packet between two nodes.

use perjury_nemesis::{Packets, stream};
use rand_chacha::ChaCha8Rng;

use super::chance::{below, between, exponential, happens, heavy_tailed};
use super::weather::Weather;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;

/// A packet that others overtake is held back for at least this long.
const OVERTAKEN_AFTER: u64 = 5 * MILLISECOND;

/// A connection that lost a packet is broken for up to this long.
const RECONNECT: u64 = 50 * MILLISECOND;

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
    afflictions: Vec<Affliction>,
    clogged_until: u64,
    /// For ordered links: when the last packet arrives, and until when the connection is broken.
    last_arrival: u64,
    broken_until: u64,
}

/// When the copies of a packet arrive: none, one or two times.
pub(crate) type Arrivals = [Option<u64>; 2];

/// All directed links between nodes.
#[derive(Debug)]
pub(crate) struct Network {
    nodes: usize,
    lines: Vec<Line>,
    weather: Weather,
    ordered: bool,
    /// Nothing is lost, doubled, held back or clogged, but for faults.
    pub(crate) calm: bool,
    rng: ChaCha8Rng,
    /// Packets sent, and of these lost, over all links.
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    /// Whether the last packet was held back, and not only by its usual latency.
    pub(crate) held_back: bool,
}

impl Network {
    pub(crate) fn new(nodes: usize, weather: Weather, ordered: bool, seed: u64) -> Self {
        let mut rng = stream(seed, "network");
        let lines = (0..nodes * nodes)
            .map(|_| {
                let slowness = 1000 + below(&mut rng, 1000 * u64::from(weather.spread.max(1) - 1) + 1);
                Line {
                    slowness,
                    ..Line::default()
                }
            })
            .collect();
        Network {
            nodes,
            lines,
            weather,
            ordered,
            calm: true,
            rng,
            sent: 0,
            lost: 0,
            held_back: false,
        }
    }

    /// Nothing is lost, doubled, held back or clogged any more, but for faults.
    pub(crate) fn calm_down(&mut self) {
        self.calm = true;
        for line in &mut self.lines {
            line.clogged_until = 0;
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

    /// Some links become slow for a while, each for its own time.
    pub(crate) fn clog(&mut self, now: u64) {
        let longest = u64::from(self.weather.clog_ms) * MILLISECOND;
        // From one link to all of them, few being as likely as many.
        let share = between(&mut self.rng, 1, 100);
        for line in &mut self.lines {
            if below(&mut self.rng, 100) < share {
                line.clogged_until = now + below(&mut self.rng, longest);
            }
        }
    }

    /// A packet leaves. Says when it arrives, if it does.
    pub(crate) fn send(&mut self, now: u64, from: usize, to: usize) -> Arrivals {
        self.sent += 1;
        let Network {
            nodes,
            lines,
            weather,
            ordered,
            calm,
            rng,
            lost,
            held_back,
            ..
        } = self;
        *held_back = false;
        let line = &mut lines[from * *nodes + to];
        let conditions = if *calm { &weather.calmed() } else { &*weather };
        // A microsecond has as many nanoseconds as one has thousandths.
        let least = conditions.latency_us * line.slowness;
        let jitter = conditions.jitter_us * line.slowness;
        let mut arrival = now + least + exponential(rng, jitter);
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
                arrival += OVERTAKEN_AFTER + delay;
            }
            affliction.hits += u64::from(gone || doubled || overtaken || delay > 0);
            *held_back |= overtaken || delay > 0;
        }
        if line.clogged_until > now {
            *held_back |= line.clogged_until + least > arrival;
            arrival = arrival.max(line.clogged_until + least);
        }
        if *ordered {
            // A stream loses nothing in its middle: it breaks, and what is sent meanwhile is gone too.
            if dropped && line.broken_until <= now {
                line.broken_until = now + between(rng, MILLISECOND, RECONNECT);
            }
            dropped |= line.broken_until > now;
            copies = 1;
            arrival = arrival.max(line.last_arrival + 1);
            if !dropped {
                line.last_arrival = arrival;
            }
        }
        if dropped {
            *lost += 1;
            return [None, None];
        }
        let second = (copies > 1).then(|| arrival + exponential(rng, jitter + 100 * MICROSECOND));
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

    #[test]
    fn ordered_links_never_deliver_out_of_order_nor_with_a_gap_in_a_connection() {
        let weather = Weather {
            jitter_us: 5_000,
            reorder_ppm: 300_000,
            loss_ppm: 2_000,
            duplicate_ppm: 100_000,
            ..Weather::FAIR
        };
        let mut network = network(weather, true);
        let mut last = 0;
        let mut lost = 0;
        for now in (0..2_000).map(|step| step * 100_000) {
            match network.send(now, 0, 1) {
                [Some(arrival), None] => {
                    assert!(arrival > last);
                    last = arrival;
                }
                [None, None] => lost += 1,
                twice => panic!("{twice:?}"),
            }
        }
        assert!(lost > 5);
    }

    #[test]
    fn a_clog_delays_and_does_not_drop() {
        let weather = Weather {
            clog_ms: 1000,
            ..Weather::FAIR
        };
        let mut network = network(weather, false);
        let mut latest = 0;
        for round in 0..50 {
            let now = round * 2_000 * MILLISECOND;
            network.clog(now);
            let [Some(arrival), None] = network.send(now, 0, 1) else {
                panic!("dropped")
            };
            latest = latest.max(arrival - now);
        }
        assert!(
            (100 * MILLISECOND..1100 * MILLISECOND).contains(&latest),
            "{latest}"
        );
    }
}
