//! One node: its process, its disk, its clock.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use perjury_systems::context::Output;
use perjury_systems::driver::{Clocks, Driver};
use perjury_systems::marks::Marks;
use perjury_systems::replica::{MutantCounts, Replica};
use rand_chacha::ChaCha8Rng;

use super::clock::Clock;
use super::disk::Disk;

/// A node's process, or the lack of one.
#[derive(Debug)]
pub(crate) struct Machine<R: Replica> {
    pub(crate) driver: Option<Driver<R>>,
    pub(crate) disk: Disk<R>,
    pub(crate) clock: Clock,
    /// Noise of this machine: fsyncs, crashes.
    pub(crate) rng: ChaCha8Rng,
    /// How often it was started.
    pub(crate) incarnation: u32,
    /// How many fsyncs were begun since.
    pub(crate) syncs: u64,
    pub(crate) paused: bool,
    /// It ended by itself and is never started again.
    pub(crate) dead: bool,
    /// Its disk was emptied.
    pub(crate) wiped: bool,
    /// It is not to be started for now.
    pub(crate) barred: bool,
    /// It is to be killed in the middle of its next step.
    pub(crate) doomed: bool,
    /// When the next look at its timers is planned; `u64::MAX` for never.
    pub(crate) looks_at: u64,
    /// Requests that it has not answered, with what the clients call them.
    pub(crate) waiting: BTreeMap<u64, u64>,
    pub(crate) next_request: u64,
    /// The term that it claims to lead; kept up to date with its steps.
    pub(crate) claim: Option<u64>,
    /// Steps since its clock was last bent or mended.
    pub(crate) steps_on_clock: u64,
    /// What became of the planted mistake in earlier incarnations.
    pub(crate) counts: MutantCounts,
    /// The marks that earlier incarnations reached.
    marks: Marks,
}

impl<R: Replica> Machine<R> {
    pub(crate) fn new(clock: Clock, segment: usize, rng: ChaCha8Rng) -> Self {
        Machine {
            driver: None,
            disk: Disk::new(segment),
            clock,
            rng,
            incarnation: 0,
            syncs: 0,
            paused: false,
            dead: false,
            wiped: false,
            barred: false,
            doomed: false,
            looks_at: u64::MAX,
            waiting: BTreeMap::new(),
            next_request: 0,
            claim: None,
            steps_on_clock: 0,
            counts: MutantCounts::default(),
            marks: Marks::default(),
        }
    }

    /// Lets the driver do something. A panic of the protocol is caught: the process is dead then, with these words.
    pub(crate) fn drive(
        &mut self,
        now: u64,
        out: &mut Vec<Output<R>>,
        what: impl FnOnce(&mut Driver<R>, Clocks, &mut Vec<Output<R>>),
    ) -> Result<(), String> {
        let Some(driver) = &mut self.driver else {
            return Ok(());
        };
        let clocks = self.clock.read(now);
        self.steps_on_clock += 1;
        // Neither is looked at again after a panic: the driver is dropped, the outputs are cleared.
        catch_unwind(AssertUnwindSafe(|| what(driver, clocks, out))).map_err(|panic| words(&*panic))
    }

    /// Takes note of what the replica claims to be. Says whether that is news.
    pub(crate) fn look(&mut self) -> bool {
        let claim = self.driver.as_ref().and_then(|driver| driver.replica().leads());
        std::mem::replace(&mut self.claim, claim) != claim
    }

    /// The process ends. Says which requests it leaves without an answer.
    pub(crate) fn stop(&mut self) -> Vec<u64> {
        if let Some(driver) = self.driver.take() {
            let counts = driver.replica().mutant_counts();
            self.counts.reached += counts.reached;
            self.counts.differed += counts.differed;
            self.marks = self.marks.and(driver.replica().marks());
        }
        self.paused = false;
        self.doomed = false;
        self.looks_at = u64::MAX;
        self.next_request = 0;
        self.syncs = 0;
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    /// The marks that were reached so far.
    pub(crate) fn marks(&self) -> Marks {
        let now = self.driver.as_ref().map(|driver| driver.replica().marks());
        self.marks.and(now.unwrap_or_default())
    }

    /// What became of the planted mistake so far.
    pub(crate) fn mutant_counts(&self) -> MutantCounts {
        let now = self
            .driver
            .as_ref()
            .map(|driver| driver.replica().mutant_counts())
            .unwrap_or_default();
        MutantCounts {
            reached: self.counts.reached + now.reached,
            differed: self.counts.differed + now.differed,
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without words"))
}
