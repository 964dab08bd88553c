//! How slow a run's world is: everything takes as many times as long.
//!
//! Clusters beat their hearts every twenty milliseconds on one rack, every few seconds between continents; what a
//! protocol does depends on how its time-outs compare with its latencies, and not on how long either takes. So a run is
//! drawn as if all its machines stood side by side, and then slowed down as a whole: the system's timers, the network,
//! the disks, the clients, the faults, and all limits.

use perjury_nemesis::{Bend, Defect, Fault, Plan, StepKind};
use perjury_systems::registry;
use rand_chacha::ChaCha8Rng;

use super::pick;
use crate::setup::Setup;
use crate::world::Weather;

/// From one rack to satellites.
const SLOWNESS: [u32; 7] = [1, 1, 2, 5, 10, 20, 40];

/// How many times as long as usual everything takes.
pub(super) fn draw(rng: &mut ChaCha8Rng) -> u32 {
    pick(rng, &SLOWNESS)
}

/// Whether a setting of this name is a time.
fn is_time(setting: &str) -> bool {
    setting.ends_with("-ms") || setting.ends_with("-us")
}

/// Whether a setup fixes how long anything takes at its nodes.
pub(super) fn is_timed(setup: &Setup) -> bool {
    setup.settings.keys().any(|name| is_time(name))
}

/// Everything takes so many times as long.
pub(super) fn slow_down(setup: &mut Setup, times: u32) {
    setup.options.rate /= f64::from(times);
    let slowness = setup.weather.slowness * times;
    stretch(setup, &|time| time * u64::from(times));
    setup.weather.slowness = slowness;
}

/// Everything takes as long as usual.
pub(crate) fn speed_up(setup: &mut Setup) {
    let times = setup.weather.slowness.max(1);
    setup.options.rate *= f64::from(times);
    stretch(setup, &|time| time / u64::from(times));
    setup.weather.slowness = 1;
}

fn stretch(setup: &mut Setup, long: &dyn Fn(u64) -> u64) {
    let options = &mut setup.options;
    for limit_ms in [
        &mut options.time_limit_ms,
        &mut options.request_timeout_ms,
        &mut options.recovery_limit_ms,
        &mut options.start_limit_ms,
    ] {
        *limit_ms = long(*limit_ms);
    }
    for setting in registry::system(&setup.system).map_or(&[][..], |system| system.settings) {
        let given = setup.settings.get(setting.name);
        let usual = given.map_or(setting.default, String::as_str);
        if is_time(setting.name)
            && let Ok(usual) = usual.parse()
        {
            let now = long(usual).to_string();
            setup.settings.insert(setting.name.to_owned(), now);
        }
    }
    stretch_weather(&mut setup.weather, long);
    stretch_plan(&mut setup.plan, long);
    for trigger in &mut setup.triggers {
        trigger.after_ms = long(trigger.after_ms);
        trigger.heal_ms = long(trigger.heal_ms);
    }
}

fn stretch_weather(weather: &mut Weather, long: &dyn Fn(u64) -> u64) {
    for time_us in [
        &mut weather.latency_us,
        &mut weather.jitter_us,
        &mut weather.fsync_us,
        &mut weather.fsync_jitter_us,
        &mut weather.client_us,
    ] {
        *time_us = long(*time_us);
    }
    for time_ms in [
        &mut weather.reorder_ms,
        &mut weather.clog_every_ms,
        &mut weather.clog_ms,
        &mut weather.stall_ms,
        &mut weather.transfer_every_ms,
        &mut weather.boot_ms,
    ] {
        *time_ms = long(u64::from(*time_ms)) as u32;
    }
}

fn stretch_plan(plan: &mut Plan, long: &dyn Fn(u64) -> u64) {
    for step in &mut plan.steps {
        step.at_ms = long(step.at_ms);
        match &mut step.what {
            StepKind::Inject(Fault::Packets { packets, .. }) => packets.delay_ms = long(packets.delay_ms),
            StepKind::Inject(Fault::Clock {
                bend: Bend::Strobe { every_ms, .. },
                ..
            }) => *every_ms = long(*every_ms),
            StepKind::Inject(Fault::Disk {
                defect: Defect::Slow { fsync_ms },
                ..
            }) => *fsync_ms = long(*fsync_ms),
            StepKind::Inject(_) | StepKind::Heal => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use perjury_runner::Options;

    use super::*;
    use crate::swarm::{Draws, Swarm};

    #[test]
    fn whatever_was_slowed_down_is_as_fast_again_and_nothing_else_is_changed() {
        let mut swarm = Swarm::new(Setup::new("raft", "cas", Options::default()));
        for seed in 1..40 {
            swarm.draws = Draws::ALL;
            let mut slow = swarm.setup(seed).expect("it can be drawn");
            swarm.draws.slowness = false;
            let usual = swarm.setup(seed).expect("it can be drawn");
            let times = u64::from(slow.weather.slowness);
            assert_eq!(slow.options.time_limit_ms, usual.options.time_limit_ms * times);
            assert_eq!(slow.plan.steps.len(), usual.plan.steps.len());
            speed_up(&mut slow);
            // What is not given is as usual.
            for (name, value) in &usual.settings {
                assert_eq!(slow.settings.get(name), Some(value), "seed {seed}");
            }
            slow.settings.clone_from(&usual.settings);
            slow.options.rate = usual.options.rate;
            assert_eq!(slow, usual, "seed {seed}");
        }
    }

    #[test]
    fn who_sets_a_time_has_it_as_it_is() {
        let mut base = Setup::new("raft", "cas", Options::default());
        base.settings.insert("heartbeat-ms".to_owned(), "70".to_owned());
        let swarm = Swarm::new(base);
        for seed in 1..20 {
            let setup = swarm.setup(seed).expect("it can be drawn");
            assert_eq!(setup.settings["heartbeat-ms"], "70");
            assert_eq!(setup.weather.slowness, 1);
        }
    }
}
