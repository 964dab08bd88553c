//! What the control node and the proxies' thread share of a link.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mio::Waker;

use super::{Mistreatment, Nth};

/// What a mistreatment did to the packets of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Dropped.
    pub dropped: u64,
    /// Held back.
    pub delayed: u64,
    /// Sent twice.
    pub duplicated: u64,
    /// Overtaken by later ones.
    pub reordered: u64,
}

impl Hits {
    /// How many packets were mistreated, a packet counted once for each thing that was done to it.
    pub fn total(&self) -> u64 {
        self.dropped + self.delayed + self.duplicated + self.reordered
    }
}

/// The same, while it is counted. One thread adds; another reads when it is over.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub dropped: AtomicU64,
    pub delayed: AtomicU64,
    pub duplicated: AtomicU64,
    pub reordered: AtomicU64,
}

impl Counts {
    fn hits(&self) -> Hits {
        Hits {
            dropped: self.dropped.load(Ordering::Relaxed),
            delayed: self.delayed.load(Ordering::Relaxed),
            duplicated: self.duplicated.load(Ordering::Relaxed),
            reordered: self.reordered.load(Ordering::Relaxed),
        }
    }
}

/// A fault that is active on a link.
#[derive(Clone, Debug)]
pub(super) struct Active {
    pub id: u32,
    pub how: Mistreatment,
    pub counts: Arc<Counts>,
}

#[derive(Debug)]
pub(super) struct LinkState {
    /// Where the proxy listens.
    pub address: SocketAddr,
    pub arrived: AtomicU64,
    pub dropped: AtomicU64,
    /// Whether there is any fault: what a frame pays on a link without.
    faulty: AtomicBool,
    faults: Mutex<Vec<Active>>,
    target: Mutex<Option<SocketAddr>>,
    /// Counts changes of the target.
    retargeted: AtomicU64,
    /// Messages that were held back and are to be let through.
    let_through: Mutex<Vec<Nth>>,
}

impl LinkState {
    pub fn new(address: SocketAddr) -> Self {
        LinkState {
            address,
            arrived: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            faulty: AtomicBool::new(false),
            faults: Mutex::new(Vec::new()),
            target: Mutex::new(None),
            retargeted: AtomicU64::new(0),
            let_through: Mutex::default(),
        }
    }

    pub fn add(&self, id: u32, how: Mistreatment) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.push(Active {
            id,
            how,
            counts: Arc::default(),
        });
        self.faulty.store(true, Ordering::Release);
    }

    pub fn remove(&self, id: u32) -> Option<Hits> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let position = faults.iter().position(|active| active.id == id)?;
        let gone = faults.remove(position);
        self.faulty.store(!faults.is_empty(), Ordering::Release);
        Some(gone.counts.hits())
    }

    /// The active faults; empty, without a lock, if there is none.
    pub fn faults(&self) -> Vec<Active> {
        if self.faulty.load(Ordering::Acquire) {
            self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
        } else {
            Vec::new()
        }
    }

    pub fn let_through(&self, message: Nth) {
        let mut all = self.let_through.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(message);
    }

    /// What is to be let through since this was last asked.
    pub fn take_let_through(&self) -> Vec<Nth> {
        std::mem::take(&mut *self.let_through.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set_target(&self, address: Option<SocketAddr>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = address;
        self.retargeted.fetch_add(1, Ordering::Release);
    }

    pub fn target(&self) -> Option<SocketAddr> {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn retargeted(&self) -> u64 {
        self.retargeted.load(Ordering::Acquire)
    }
}

/// How the thread is told that something changed.
#[derive(Debug)]
pub(super) struct Control {
    waker: Waker,
    stop: AtomicBool,
}

impl Control {
    pub fn new(waker: Waker) -> Self {
        Control {
            waker,
            stop: AtomicBool::new(false),
        }
    }

    pub fn wake(&self) {
        // It fails only if the thread has ended.
        let _ = self.waker.wake();
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
