//! The thread that serves all links.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use perjury_nemesis::Link;
use perjury_runner::Fate as Became;
use rand_chacha::ChaCha8Rng;

use super::frames;
use super::held::Held;
use super::messages::Log;
use super::mistreat::{Fate, fate};
use super::state::{Control, LinkState};

/// The token of the control node's waker.
pub(super) const WAKER: Token = Token(usize::MAX);

/// Tokens of one link: 0 is the listener, 1 the connection to the receiver, the rest connections from the sender.
const TOKENS: usize = 64;
const LISTENER: usize = 0;
const DOWN: usize = 1;
const FIRST_UP: usize = 2;

/// What may wait for a receiver that does not read; further packets are dropped.
const MAX_WAITING_BYTES: usize = 16 << 20;

/// A receiver that refused a connection is tried again with the first packet after this.
const BACK_OFF: Duration = Duration::from_millis(10);

/// A link.
pub(super) struct Proxy {
    state: Arc<LinkState>,
    listener: TcpListener,
    rng: ChaCha8Rng,
    ups: Vec<Option<Up>>,
    down: Option<Down>,
    target: Option<SocketAddr>,
    retargeted: u64,
    try_again: Option<Instant>,
    delayed: BinaryHeap<Reverse<Delayed>>,
    /// No packet that keeps its place may leave before this.
    not_before: Option<Instant>,
    serial: u64,
    /// Where messages are taken down, and as whose.
    log: Option<(Arc<Log>, Link)>,
    /// What is held back, if everything is.
    held: Option<Held>,
}

/// A connection from the sender, with the beginning of a frame whose rest has not come.
struct Up {
    stream: TcpStream,
    partial: Vec<u8>,
}

/// The connection to the receiver, with what waits to be written.
struct Down {
    stream: TcpStream,
    connected: bool,
    waiting: Vec<u8>,
    written: usize,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Delayed {
    due: Instant,
    serial: u64,
    frame: Vec<u8>,
}

/// All links and the poll that tells which has something to do.
pub(super) struct Server {
    poll: Poll,
    proxies: Vec<Proxy>,
}

impl Server {
    pub fn new(poll: Poll, mut proxies: Vec<Proxy>) -> io::Result<Self> {
        for (index, proxy) in proxies.iter_mut().enumerate() {
            poll.registry().register(
                &mut proxy.listener,
                Token(index * TOKENS + LISTENER),
                Interest::READABLE,
            )?;
        }
        Ok(Server { poll, proxies })
    }

    pub fn serve(mut self, control: &Control) {
        let mut events = Events::with_capacity(256);
        let mut scratch = vec![0; 64 << 10];
        while !control.stopped() {
            let next = self.proxies.iter().filter_map(Proxy::next_due).min();
            let wait = next.map(|due| due.saturating_duration_since(Instant::now()));
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                // A poll that fails fails for ever; the nodes see a network that is gone.
                return;
            }
            let registry = self.poll.registry();
            for event in &events {
                if event.token() == WAKER {
                    for (index, proxy) in self.proxies.iter_mut().enumerate() {
                        proxy.retarget(registry, index);
                        proxy.let_through(registry, index);
                    }
                } else if let Some(proxy) = self.proxies.get_mut(event.token().0 / TOKENS) {
                    proxy.ready(registry, event, &mut scratch);
                }
            }
            if next.is_some() {
                let now = Instant::now();
                for (index, proxy) in self.proxies.iter_mut().enumerate() {
                    proxy.release(registry, index, now);
                }
            }
        }
    }
}

impl Proxy {
    pub fn new(
        state: Arc<LinkState>,
        listener: TcpListener,
        rng: ChaCha8Rng,
        log: Option<(Arc<Log>, Link)>,
    ) -> Self {
        Proxy {
            state,
            listener,
            rng,
            ups: Vec::new(),
            down: None,
            target: None,
            retargeted: 0,
            try_again: None,
            delayed: BinaryHeap::new(),
            not_before: None,
            serial: 0,
            log,
            held: None,
        }
    }

    /// Holds everything back until it is let through, if there is something to hold it.
    pub fn holding(mut self, held: Option<Held>) -> Self {
        self.held = held;
        self
    }

    fn next_due(&self) -> Option<Instant> {
        self.delayed.peek().map(|Reverse(delayed)| delayed.due)
    }

    /// Takes notice of a receiver that is gone, or at another address.
    fn retarget(&mut self, registry: &Registry, index: usize) {
        let retargeted = self.state.retargeted();
        if retargeted != self.retargeted {
            self.retargeted = retargeted;
            self.target = self.state.target();
            self.down = None;
            self.try_again = None;
            self.connect(registry, index);
        }
    }

    fn ready(&mut self, registry: &Registry, event: &Event, scratch: &mut [u8]) {
        let index = event.token().0 / TOKENS;
        match event.token().0 % TOKENS {
            LISTENER => self.accept(registry, index),
            DOWN => self.down_ready(event, scratch),
            other => self.up_ready(
                registry,
                index,
                (other - FIRST_UP, event.is_read_closed()),
                scratch,
            ),
        }
    }

    fn accept(&mut self, registry: &Registry, index: usize) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let free = self
                .ups
                .iter()
                .position(Option::is_none)
                .unwrap_or(self.ups.len());
            if free + FIRST_UP >= TOKENS {
                // A node has one connection; dozens are a node that has gone mad.
                continue;
            }
            let token = Token(index * TOKENS + FIRST_UP + free);
            if registry.register(&mut stream, token, Interest::READABLE).is_err() {
                continue;
            }
            if free == self.ups.len() {
                self.ups.push(None);
            }
            self.ups[free] = Some(Up {
                stream,
                partial: Vec::new(),
            });
        }
    }

    fn up_ready(
        &mut self,
        registry: &Registry,
        index: usize,
        (place, closed): (usize, bool),
        scratch: &mut [u8],
    ) {
        let Some(Some(mut up)) = self.ups.get_mut(place).map(Option::take) else {
            return;
        };
        let mut open = true;
        loop {
            match up.stream.read(scratch) {
                Ok(0) => {
                    open = false;
                    break;
                }
                Ok(count) => {
                    if self
                        .take_in(registry, index, &mut up.partial, &scratch[..count])
                        .is_err()
                    {
                        open = false;
                        break;
                    }
                    if count < scratch.len() && !closed {
                        // That was all; what comes later makes another event.
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    open = false;
                    break;
                }
            }
        }
        if open {
            self.ups[place] = Some(up);
        }
        self.write_down();
    }

    /// Takes in what a sender wrote: whole frames meet their fate, the beginning of another waits.
    fn take_in(
        &mut self,
        registry: &Registry,
        index: usize,
        partial: &mut Vec<u8>,
        fresh: &[u8],
    ) -> Result<(), frames::NoFrames> {
        let faults = self.state.faults();
        let joined;
        let mut rest = if partial.is_empty() {
            fresh
        } else {
            partial.extend_from_slice(fresh);
            joined = std::mem::take(partial);
            &joined[..]
        };
        let mut arrived = 0;
        while let Some((frame, after)) = frames::split(rest)? {
            rest = after;
            arrived += 1;
            if self.held.is_some() {
                self.hold(frame);
            } else if faults.is_empty() && self.delayed.is_empty() {
                let taken = self.forward(registry, index, frame);
                if self.log.is_some() {
                    let now = Instant::now();
                    self.note(frame, now, taken.then_some(now), Became::Delivered);
                }
            } else {
                let fate = fate(&faults, &mut self.rng);
                self.meet(registry, index, frame, fate);
            }
        }
        self.state.arrived.fetch_add(arrived, Ordering::Release);
        partial.extend_from_slice(rest);
        Ok(())
    }

    /// Holds a frame back until it is let through, if it ever is.
    fn hold(&mut self, frame: &[u8]) {
        let Some(held) = &mut self.held else { return };
        let (now, arrivals) = held.take(frame);
        let arrivals = arrivals.to_vec();
        if arrivals.is_empty() {
            self.state.dropped.fetch_add(1, Ordering::Relaxed);
            self.note(frame, now, None, Became::Dropped);
        }
        for (copy, arrives) in arrivals.into_iter().enumerate() {
            let became = if copy > 0 {
                Became::Duplicated
            } else {
                Became::Delivered
            };
            self.note(frame, now, Some(arrives), became);
        }
    }

    /// Lets go of what is to be let through.
    fn let_through(&mut self, registry: &Registry, index: usize) {
        for message in self.state.take_let_through() {
            let frame = self.held.as_ref().and_then(|held| held.frame(message));
            if let Some(frame) = frame.map(<[u8]>::to_vec) {
                self.forward(registry, index, &frame);
            }
        }
        self.write_down();
    }

    fn meet(&mut self, registry: &Registry, index: usize, frame: &[u8], fate: Fate) {
        if fate.dropped {
            self.state.dropped.fetch_add(1, Ordering::Relaxed);
            self.note(frame, Instant::now(), None, Became::Dropped);
            return;
        }
        for copy in 0..fate.copies {
            let now = Instant::now();
            // In its place: not before the one ahead of it, unless it is to be overtaken.
            let due = if fate.overtaken.is_zero() {
                let due = (now + fate.delay).max(self.not_before.unwrap_or(now));
                self.not_before = Some(due);
                due
            } else {
                now + fate.delay + fate.overtaken
            };
            let became = match due > now {
                _ if copy > 0 => Became::Duplicated,
                true => Became::Delayed,
                false => Became::Delivered,
            };
            if due <= now {
                let taken = self.forward(registry, index, frame);
                self.note(frame, now, taken.then_some(now), became);
                continue;
            }
            self.note(frame, now, Some(due), became);
            self.serial += 1;
            self.delayed.push(Reverse(Delayed {
                due,
                serial: self.serial,
                frame: frame.to_vec(),
            }));
        }
    }

    /// Lets go of what was held back long enough.
    fn release(&mut self, registry: &Registry, index: usize, now: Instant) {
        let mut any = false;
        while self.delayed.peek().is_some_and(|Reverse(first)| first.due <= now) {
            if let Some(Reverse(first)) = self.delayed.pop() {
                self.forward(registry, index, &first.frame);
                any = true;
            }
        }
        if self.delayed.is_empty() {
            self.not_before = None;
        }
        if any {
            self.write_down();
        }
    }

    /// Takes a message down, if that is wanted. One that nobody took never arrived.
    fn note(&self, frame: &[u8], at: Instant, arrived: Option<Instant>, became: Became) {
        if let Some((log, link)) = &self.log {
            let became = if arrived.is_some() {
                became
            } else {
                Became::Dropped
            };
            log.add(*link, frame, at, arrived, became);
        }
    }

    /// Adds a frame to what waits for the receiver; without a receiver it is lost. Says whether there is one.
    fn forward(&mut self, registry: &Registry, index: usize, frame: &[u8]) -> bool {
        if self.down.is_none() && self.try_again.is_none_or(|at| Instant::now() >= at) {
            self.connect(registry, index);
        }
        if let Some(down) = &mut self.down
            && down.waiting.len() - down.written + frame.len() <= MAX_WAITING_BYTES
        {
            down.waiting.extend_from_slice(frame);
            return true;
        }
        false
    }

    fn connect(&mut self, registry: &Registry, index: usize) {
        let Some(target) = self.target else { return };
        self.try_again = Some(Instant::now() + BACK_OFF);
        let Ok(mut stream) = TcpStream::connect(target) else {
            return;
        };
        let token = Token(index * TOKENS + DOWN);
        if registry
            .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)
            .is_ok()
        {
            self.down = Some(Down {
                stream,
                connected: false,
                waiting: Vec::new(),
                written: 0,
            });
        }
    }

    fn down_ready(&mut self, event: &Event, scratch: &mut [u8]) {
        let Some(down) = &mut self.down else { return };
        let refused = |stream: &TcpStream| matches!(stream.take_error(), Ok(Some(_)) | Err(_));
        if event.is_error() || (!down.connected && refused(&down.stream)) {
            self.down = None;
            return;
        }
        if !down.connected && event.is_writable() {
            let _ = down.stream.set_nodelay(true);
            down.connected = true;
        }
        // A node never answers on this connection: what can be read is its end.
        if down.connected && (event.is_readable() || event.is_read_closed()) {
            match down.stream.read(scratch) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => {
                    self.down = None;
                    return;
                }
            }
        }
        self.write_down();
    }

    fn write_down(&mut self) {
        let Some(down) = &mut self.down else { return };
        if !down.connected {
            return;
        }
        while down.written < down.waiting.len() {
            match down.stream.write(&down.waiting[down.written..]) {
                Ok(0) => {
                    self.down = None;
                    return;
                }
                Ok(count) => down.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // What was written makes room before it grows without end.
                    if down.written > MAX_WAITING_BYTES / 4 {
                        down.waiting.drain(..down.written);
                        down.written = 0;
                    }
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.down = None;
                    return;
                }
            }
        }
        down.waiting.clear();
        down.written = 0;
    }
}
