//! What a test did so far, in figures.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use perjury_checker::{Event, EventKind, Process};
use perjury_runner::{Notice, Phase, View};

/// What a test did so far: fed with notices, asked for lines.
#[derive(Debug)]
pub struct Tally {
    phase: Option<Phase>,
    /// When the main phase began and when the last notice came, in nanoseconds since the start.
    main_began: Option<u64>,
    now: u64,
    ok: u64,
    fail: u64,
    info: u64,
    /// Process → when it invoked.
    open: BTreeMap<u64, u64>,
    /// Latencies in microseconds of what completed since the last lines.
    latencies: Histogram<u64>,
    window_began: u64,
    window_done: u64,
    active: BTreeMap<u32, String>,
    view: View,
}

impl Default for Tally {
    fn default() -> Self {
        Tally {
            phase: None,
            main_began: None,
            now: 0,
            ok: 0,
            fail: 0,
            info: 0,
            open: BTreeMap::new(),
            latencies: Histogram::new_with_bounds(1, 3_600_000_000, 2).expect("the bounds are in order"),
            window_began: 0,
            window_done: 0,
            active: BTreeMap::new(),
            view: View::default(),
        }
    }
}

impl Tally {
    /// Takes a notice; what a person should be told at once comes back as a line.
    pub fn take(&mut self, notice: &Notice) -> Option<String> {
        match notice {
            Notice::Event(event) => {
                self.event(event);
                None
            }
            Notice::Phase { phase, at } => {
                self.now = *at;
                self.phase = Some(*phase);
                if *phase == Phase::Main {
                    self.main_began = Some(*at);
                    self.begin_window();
                }
                Some(self.stamped(phase_sentence(*phase)?))
            }
            Notice::Fault(record) => {
                let at = record.healed_at.or(record.injected_at).unwrap_or(self.now);
                self.now = self.now.max(at);
                if let Some(error) = &record.error {
                    return Some(self.stamped(&format!("{}: {error}", record.description)));
                }
                if record.healed_at.is_some() {
                    self.active.remove(&record.id);
                    let evidence = &record.bite.evidence;
                    let seen = if evidence.is_empty() {
                        String::new()
                    } else {
                        format!(" ({evidence})")
                    };
                    return Some(self.stamped(&format!("healed: {}{seen}", record.description)));
                }
                record.injected_at?;
                let known = self
                    .active
                    .insert(record.id, record.description.clone())
                    .is_some();
                (!known).then(|| self.stamped(&record.description))
            }
            Notice::View { at, view } => {
                self.now = self.now.max(*at);
                let led = self.view.leader;
                self.view = view.clone();
                match view.leader {
                    Some((node, term)) if led != view.leader => {
                        Some(self.stamped(&format!("{node} leads in term {term}")))
                    }
                    _ => None,
                }
            }
            Notice::Recovered { node, after } => Some(self.stamped(&format!(
                "{node} serves again {:.1} s after healing",
                seconds(*after)
            ))),
            Notice::NodeDied { node, reason, at } => {
                self.now = self.now.max(*at);
                Some(self.stamped(&format!("{node} died by itself: {reason}")))
            }
            Notice::Trouble { problem, at } => {
                self.now = self.now.max(*at);
                Some(self.stamped(&format!("the harness is in trouble: {problem}")))
            }
        }
    }

    fn event(&mut self, event: &Event) {
        self.now = self.now.max(event.time);
        let Process::Client(process) = event.process else {
            return;
        };
        let count = match event.kind {
            EventKind::Invoke => {
                self.open.insert(process, event.time);
                return;
            }
            EventKind::Ok => &mut self.ok,
            EventKind::Fail => &mut self.fail,
            EventKind::Info => &mut self.info,
        };
        *count += 1;
        self.window_done += 1;
        if let Some(began) = self.open.remove(&process) {
            self.latencies
                .saturating_record((event.time.saturating_sub(began) / 1000).max(1));
        }
    }

    /// Begins a new window for the rate and the latencies.
    pub fn begin_window(&mut self) {
        self.window_began = self.now;
        self.window_done = 0;
        self.latencies.reset();
    }

    /// How far the main phase has come.
    pub fn into_main(&self, limit: Duration) -> Duration {
        self.main_began.map_or(Duration::ZERO, |began| {
            Duration::from_nanos(self.now - began).min(limit)
        })
    }

    /// The phase in a word.
    pub fn phase(&self) -> &'static str {
        match self.phase {
            None | Some(Phase::Start) => "starting",
            Some(Phase::Main) => "testing",
            Some(Phase::Heal) => "healing",
            Some(Phase::Recover) => "recovering",
            Some(Phase::Final) => "last reads",
            Some(Phase::Done) => "done",
        }
    }

    /// Operations, then the cluster, then the faults that are active.
    pub fn lines(&self) -> [String; 3] {
        let window = seconds(self.now.saturating_sub(self.window_began));
        let rate = if window > 0.0 {
            self.window_done as f64 / window
        } else {
            0.0
        };
        let quantile = |q| self.latencies.value_at_quantile(q) as f64 / 1000.0;
        let latency = if self.latencies.is_empty() {
            String::new()
        } else {
            format!(
                ", p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms",
                quantile(0.5),
                quantile(0.95),
                quantile(0.99)
            )
        };
        let operations = format!(
            "{rate:.0} ops/s: {} ok, {} fail, {} info{latency}",
            self.ok, self.fail, self.info
        );
        let up: Vec<_> = self.view.up.iter().map(ToString::to_string).collect();
        let leads = self.view.leader.map_or("nobody leads".into(), |(node, term)| {
            format!("{node} leads in term {term}")
        });
        let faults = if self.active.is_empty() {
            "no fault is active".into()
        } else {
            self.active.values().cloned().collect::<Vec<_>>().join(", ")
        };
        [operations, format!("up: {}; {leads}", up.join(" ")), faults]
    }

    fn stamped(&self, line: &str) -> String {
        format!("{:>7.2} s  {line}", seconds(self.now))
    }
}

fn phase_sentence(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Start => None,
        Phase::Main => Some("the cluster serves; clients begin"),
        Phase::Heal => Some("clients stop; everything is healed"),
        Phase::Recover => Some("waiting until every node serves again"),
        Phase::Final => Some("last reads"),
        Phase::Done => Some("stopped"),
    }
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}
