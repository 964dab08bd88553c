//! How good or bad the machines and their network are apart from any fault.

use serde::{Deserialize, Serialize};

/// The conditions of a run. Those that delay, lose, double, hold back, clog or stall anything hold while there are
/// faults: a cluster finds its first leader in peace, and recovers in peace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weather {
    /// How many times as long as usual everything takes that is not said here: what faults, the operator and whoever
    /// puts the cluster on trial wait for.
    pub slowness: u32,
    /// What every packet takes at least, in microseconds.
    pub latency_us: u64,
    /// What it takes besides on average, in microseconds; about exponential.
    pub jitter_us: u64,
    /// Links differ: the slowest is this many times as slow as the fastest.
    pub spread: u32,
    /// Links, in a hundred, on which that has a heavy tail instead.
    pub heavy_percent: u32,
    /// Nodes talk over connections, which deliver in order or break, whether the system needs them or not.
    pub connections: bool,
    /// Packets lost, in a million.
    pub loss_ppm: u32,
    /// Packets that arrive twice, in a million.
    pub duplicate_ppm: u32,
    /// Packets held back while later ones pass, in a million.
    pub reorder_ppm: u32,
    /// The longest that such a packet is held back, in milliseconds.
    pub reorder_ms: u32,
    /// Mean time between clogs, in milliseconds; 0 for none. A clog delays everything on some links until it is
    /// gone; links are clogged and become free one by one, in random order.
    pub clog_every_ms: u32,
    /// The longest that a link is clogged, in milliseconds.
    pub clog_ms: u32,
    /// What an fsync takes at least, in microseconds.
    pub fsync_us: u64,
    /// What it takes besides on average, in microseconds; heavy-tailed.
    pub fsync_jitter_us: u64,
    /// Fsyncs that stall, in a million.
    pub stall_ppm: u32,
    /// The longest stall, in milliseconds.
    pub stall_ms: u32,
    /// Clocks' rates are off by at most this much, in parts per million.
    pub drift_ppm: u32,
    /// Wall clocks are ahead or behind by at most this much, in milliseconds.
    pub offset_ms: u32,
    /// What a client's request or its answer takes on average, in microseconds.
    pub client_us: u64,
    /// Clients' requests and answers lost, in a million each.
    pub client_loss_ppm: u32,
    /// Mean time between two requests of an operator to hand leadership over, in milliseconds; 0 for none.
    pub transfer_every_ms: u32,
    /// How long a process takes to start, in milliseconds.
    pub boot_ms: u32,
}

impl Weather {
    /// Machines side by side: a third of a millisecond between nodes, fsyncs of half a millisecond, clocks that are
    /// a little off, nothing lost.
    pub const FAIR: Weather = Weather {
        slowness: 1,
        latency_us: 150,
        jitter_us: 150,
        spread: 2,
        heavy_percent: 0,
        connections: false,
        loss_ppm: 0,
        duplicate_ppm: 0,
        reorder_ppm: 0,
        reorder_ms: 5,
        clog_every_ms: 0,
        clog_ms: 200,
        fsync_us: 200,
        fsync_jitter_us: 300,
        stall_ppm: 0,
        stall_ms: 100,
        drift_ppm: 100,
        offset_ms: 50,
        client_us: 100,
        client_loss_ppm: 0,
        transfer_every_ms: 0,
        boot_ms: 20,
    };

    /// The same machines while nothing is to go wrong: no slower than usual.
    pub(crate) fn calmed(&self) -> Weather {
        let fair = |time_us| self.slowed(time_us);
        Weather {
            latency_us: self.latency_us.min(fair(Weather::FAIR.latency_us)),
            jitter_us: self.jitter_us.min(fair(Weather::FAIR.jitter_us)),
            fsync_us: self.fsync_us.min(fair(Weather::FAIR.fsync_us)),
            fsync_jitter_us: self.fsync_jitter_us.min(fair(Weather::FAIR.fsync_jitter_us)),
            ..*self
        }
    }

    /// How long a request or an answer takes between a client and a node, in nanoseconds, where what is about
    /// exponential with a given mean is drawn like this.
    pub(crate) fn client_latency(&self, exponential: impl FnOnce(u64) -> u64) -> u64 {
        let mean = self.client_us * 1_000;
        mean / 2 + exponential(mean / 2)
    }

    /// A time that is usually so long, in any unit.
    pub(crate) fn slowed(&self, usual: u64) -> u64 {
        usual * u64::from(self.slowness)
    }
}

impl Default for Weather {
    fn default() -> Self {
        Weather::FAIR
    }
}
