//! How soon after a write a simulated store of quorums shows it, as WARS predicts it from the delays of its network.

use perjury_checker::quorum::{Delays, Visibility, visible_after_ns};
use perjury_nemesis::stream;
use perjury_systems::nwr::Settings;
use perjury_systems::replica::ConfigError;
use rand_chacha::ChaCha8Rng;

use crate::setup::Setup;
use crate::world::{Weather, below, exponential, happens, heavy_tailed, usual_delay};

const MICROSECOND: u64 = 1_000;

/// The share of reads that see a write if they begin `after_ns` nanoseconds after its end as clients see it, out of so
/// many trials: of a write that nothing else overlaps, in a cluster without faults in which no replica is repaired.
///
/// # Errors
/// If the setup's settings are not those of Quorum NWR.
pub fn predicted_visibility(
    setup: &Setup,
    after_ns: &[u64],
    trials: u64,
) -> Result<Vec<Visibility>, ConfigError> {
    let settings = Settings::parse(&setup.settings)?;
    let mut trial = Trial {
        nodes: u64::from(setup.options.nodes),
        replicas: settings.n,
        retry: settings.retry.as_nanos() as u64,
        weather: setup.weather,
        rng: stream(setup.noise(), "visibility"),
    };
    let mut needed: Vec<u64> = (0..trials)
        .map(|_| {
            let replicas = trial.replicas();
            visible_after_ns(settings.w, settings.r, &replicas).saturating_sub(trial.clients())
        })
        .collect();
    needed.sort_unstable();
    let point = |after_ns: &u64| Visibility {
        after_ns: *after_ns,
        reads: trials,
        fresh: needed.partition_point(|needed| needed <= after_ns) as u64,
    };
    Ok(after_ns.iter().map(point).collect())
}

/// What the delays of a write and a read are drawn from.
struct Trial {
    nodes: u64,
    replicas: usize,
    retry: u64,
    weather: Weather,
    rng: ChaCha8Rng,
}

impl Trial {
    /// The delays at each replica: any node coordinates.
    fn replicas(&mut self) -> Vec<Delays> {
        let [writer, reader] = [(); 2].map(|()| below(&mut self.rng, self.nodes) as usize);
        (0..self.replicas)
            .map(|replica| Delays {
                write: self.way(replica == writer),
                acknowledge: self.fsync() + self.way(replica == writer),
                read: self.way(replica == reader),
                respond: self.way(replica == reader),
            })
            .collect()
    }

    /// From one node to another; what is lost is sent again.
    fn way(&mut self, itself: bool) -> u64 {
        if itself {
            return 0;
        }
        let mut takes = usual_delay(&self.weather, &mut self.rng);
        while happens(&mut self.rng, self.weather.loss_ppm) {
            takes += self.retry;
        }
        takes
    }

    fn fsync(&mut self) -> u64 {
        let Weather {
            fsync_us,
            fsync_jitter_us,
            ..
        } = self.weather;
        fsync_us * MICROSECOND + heavy_tailed(&mut self.rng, fsync_jitter_us * MICROSECOND)
    }

    /// From the coordinator's last word on the write to its client, and from the reading client to its coordinator.
    fn clients(&mut self) -> u64 {
        let ways = [(); 2].map(|()| {
            let rng = &mut self.rng;
            self.weather.client_latency(|mean| exponential(rng, mean))
        });
        ways.iter().sum()
    }
}
