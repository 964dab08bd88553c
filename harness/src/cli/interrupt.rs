//! Ctrl-C: the first ends a run in good order, the second ends this process at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use perjury_runner::exit;

use super::Trouble;

type Interrupt = Box<dyn Fn() + Send>;

/// What Ctrl-C interrupts at the moment.
static RUNNING: Mutex<Option<Interrupt>> = Mutex::new(None);
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// While it lives, Ctrl-C calls what it was made with. A second one ends this process at once, and the guard takes
/// the nodes away. One may live within another.
pub struct Armed {
    outer: Option<Interrupt>,
}

impl Armed {
    /// Lets Ctrl-C call `interrupt`, from a thread of its own.
    pub fn new(interrupt: impl Fn() + Send + 'static) -> Result<Self, Trouble> {
        static INSTALLED: Once = Once::new();
        let mut installed = Ok(());
        INSTALLED.call_once(|| installed = ctrlc::set_handler(on_interrupt));
        installed.map_err(|error| Trouble::Harness(format!("cannot watch for Ctrl-C: {error}")))?;
        let outer = running().replace(Box::new(interrupt));
        Ok(Armed { outer })
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        *running() = self.outer.take();
    }
}

/// Whether Ctrl-C was pressed.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

fn running() -> MutexGuard<'static, Option<Interrupt>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn on_interrupt() {
    let first = !INTERRUPTED.swap(true, Ordering::SeqCst);
    match &*running() {
        Some(interrupt) if first => interrupt(),
        _ => std::process::exit(i32::from(exit::INTERRUPTED)),
    }
}
