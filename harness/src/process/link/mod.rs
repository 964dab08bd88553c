//! Directed links between nodes, each through a proxy of the control node.
//!
//! A node connects to the proxy instead of to its peer. The proxy understands frames (see [`crate::node`]), so it can
//! drop, hold back, double and reorder single messages of one direction while the connections stay up, as a network
//! between machines would. One thread serves all links; a frame that no fault touches is copied once.

mod frames;
mod held;
mod messages;
mod mistreat;
mod proxy;
mod state;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

use mio::net::TcpListener;
use mio::{Poll, Waker};
use perjury_nemesis::{Link, Node, Packets};
use perjury_runner::Messages;

use crate::environment::LinkTraffic;
use held::Held;
use messages::Log;
use state::{Control, LinkState};

pub use held::{Arrivals, Holding, Nth};
pub use messages::kinds;
pub use state::Hits;

/// What is done to the packets of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistreatment {
    /// None passes.
    Cut,
    /// Some are lost, late, doubled or overtaken.
    Packets(Packets),
}

/// All links of a cluster, and the thread that serves them. Dropping it stops the thread.
#[derive(Debug)]
pub struct Links {
    links: BTreeMap<Link, Arc<LinkState>>,
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
    log: Option<Arc<Log>>,
}

impl Links {
    /// Opens a listener for every directed link between `nodes` and begins to serve. With `kinds`, the names of the
    /// system's messages by their numbers, every message is taken down. With `holding`, only what is let through
    /// arrives.
    ///
    /// # Errors
    /// If the machine has no more ports, descriptors or threads.
    pub fn start(
        nodes: &[Node],
        seed: u64,
        kinds: Option<&[&str]>,
        holding: Option<&Arc<Holding>>,
    ) -> io::Result<Self> {
        let log = kinds.map(|kinds| Arc::new(Log::new(kinds)));
        let poll = Poll::new()?;
        let control = Arc::new(Control::new(Waker::new(poll.registry(), proxy::WAKER)?));
        let mut links = BTreeMap::new();
        let mut proxies = Vec::new();
        for (from, to) in nodes
            .iter()
            .flat_map(|from| nodes.iter().map(move |to| (*from, *to)))
        {
            if from == to {
                continue;
            }
            let link = Link { from, to };
            let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
            let state = Arc::new(LinkState::new(listener.local_addr()?));
            let rng = perjury_nemesis::stream(seed, &format!("network/{from}-{to}"));
            let log = log.clone().map(|log| (log, link));
            let held = holding.map(|holding| Held::new(holding, link));
            proxies.push(proxy::Proxy::new(Arc::clone(&state), listener, rng, log).holding(held));
            links.insert(link, state);
        }
        let for_thread = Arc::clone(&control);
        let server = proxy::Server::new(poll, proxies)?;
        let thread = std::thread::Builder::new()
            .name("links".into())
            .spawn(move || server.serve(&for_thread))?;
        Ok(Links {
            links,
            control,
            thread: Some(thread),
            log,
        })
    }

    /// Where node `from` reaches the others.
    pub fn addresses(&self, from: Node) -> BTreeMap<Node, SocketAddr> {
        self.links
            .iter()
            .filter(|(link, _)| link.from == from)
            .map(|(link, state)| (link.to, state.address))
            .collect()
    }

    /// Node `to` listens here from now on; none if it is down.
    pub fn target(&self, to: Node, address: Option<SocketAddr>) {
        for (_, state) in self.links.iter().filter(|(link, _)| link.to == to) {
            state.set_target(address);
        }
        self.control.wake();
    }

    /// Lets a message through that was held back.
    pub fn let_through(&self, link: Link, message: Nth) {
        if let Some(state) = self.links.get(&link) {
            state.let_through(message);
        }
        self.control.wake();
    }

    /// How many messages of a node have reached its links.
    pub fn arrived_from(&self, from: Node) -> u64 {
        let links = self.links.iter().filter(|(link, _)| link.from == from);
        links
            .map(|(_, state)| state.arrived.load(Ordering::Acquire))
            .sum()
    }

    /// Mistreats packets of a link until [`Links::heal`]; takes hold with the next packet. A link that does not
    /// exist has no packets to mistreat.
    pub fn mistreat(&self, id: u32, link: Link, how: Mistreatment) {
        if let Some(state) = self.links.get(&link) {
            state.add(id, how);
        }
    }

    /// Ends a mistreatment and says what it did.
    pub fn heal(&self, id: u32, link: Link) -> Hits {
        self.links
            .get(&link)
            .and_then(|state| state.remove(id))
            .unwrap_or_default()
    }

    /// The messages that passed since `begin`, if they were to be taken down; those before are taken as of then.
    pub fn messages(&self, begin: Instant) -> Option<Messages> {
        self.log.as_ref().map(|log| log.take(begin))
    }

    /// What passed so far.
    pub fn traffic(&self) -> Vec<LinkTraffic> {
        self.links
            .iter()
            .map(|(link, state)| LinkTraffic {
                link: *link,
                arrived: state.arrived.load(Ordering::Relaxed),
                dropped: state.dropped.load(Ordering::Relaxed),
            })
            .collect()
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.control.stop();
        if let Some(thread) = self.thread.take() {
            // It panicked: that was printed then.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
