//! Node to node: one-way messages in frames over TCP.
//!
//! ```text
//! ┌───────────┬─────────────┬───────────┬──────────────────┐
//! │ len   u32 │ version  u8 │ from  u16 │ message, postcard│   little-endian; len counts what follows it
//! └───────────┴─────────────┴───────────┴──────────────────┘
//! ```
//!
//! Each node connects to every other and only writes on that connection; it reads on those that others make. Every
//! frame stands for itself, so that a proxy between two nodes can drop, hold back, double and reorder frames.
//!
//! For systems that need FIFO channels the version is 2, and the message is followed by a stamp of three u64 (see
//! [`super::channel`]); a frame that only greets has the byte 255 for a message, which no message begins with.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use perjury_systems::replica::NodeId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::channel::{STAMP_BYTES, Stamp};

/// Bytes of a frame before the message.
pub const FRAME_HEADER_BYTES: usize = 7;

/// The version of the layout that this program speaks.
pub const FRAME_VERSION: u8 = 1;

/// The version of the layout in which a stamp follows the message.
const STAMPED_VERSION: u8 = 2;

/// Stands for a message in a frame that only greets.
const GREETING: u8 = u8::MAX;

/// The longest frame; a longer length field ends the connection.
pub const MAX_FRAME_BYTES: usize = 64 << 20;

/// What may wait for a peer that does not read; further messages are dropped, as a network would.
const MAX_QUEUE_BYTES: usize = 16 << 20;

const FIRST_BACK_OFF: Duration = Duration::from_millis(5);
const LONGEST_BACK_OFF: Duration = Duration::from_millis(200);

/// What a frame holds.
pub(super) struct Frame<M> {
    /// Who sent it.
    pub from: NodeId,
    /// The message; none if it only greets.
    pub message: Option<M>,
    /// Its place in a channel, if it goes through one.
    pub stamp: Option<Stamp>,
}

/// The queues to all other nodes.
pub(super) struct Peers {
    me: NodeId,
    queues: BTreeMap<NodeId, Queue>,
}

struct Queue {
    shared: Arc<Shared>,
    /// Gathered in this turn of the protocol.
    fresh: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Vec<u8>>,
    more: Notify,
}

impl Peers {
    /// Begins to connect to `addresses`.
    pub fn start(me: NodeId, addresses: &BTreeMap<NodeId, SocketAddr>) -> Self {
        let queues = addresses
            .iter()
            .map(|(&node, &address)| {
                let shared = Arc::new(Shared::default());
                tokio::spawn(deliver(address, Arc::clone(&shared)));
                (
                    node,
                    Queue {
                        shared,
                        fresh: Vec::new(),
                    },
                )
            })
            .collect();
        Peers { me, queues }
    }

    /// Whether there is such a peer.
    pub fn knows(&self, peer: NodeId) -> bool {
        self.queues.contains_key(&peer)
    }

    /// Takes a message, with its stamp if it goes through a channel; it leaves with [`Peers::flush`].
    pub fn send(&mut self, to: NodeId, message: &impl Serialize, stamp: Option<Stamp>) {
        self.put(to, stamp, |buffer| {
            postcard::to_extend(message, buffer).expect("a message can be encoded into memory")
        });
    }

    /// Tells a peer of this end of the channel.
    pub fn greet(&mut self, to: NodeId, stamp: Stamp) {
        self.put(to, Some(stamp), |mut buffer| {
            buffer.push(GREETING);
            buffer
        });
    }

    fn put(&mut self, to: NodeId, stamp: Option<Stamp>, encode: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let Some(queue) = self.queues.get_mut(&to) else {
            return;
        };
        let begin = queue.fresh.len();
        queue.fresh.extend_from_slice(&[0; 4]);
        queue.fresh.push(if stamp.is_some() {
            STAMPED_VERSION
        } else {
            FRAME_VERSION
        });
        queue.fresh.extend_from_slice(&self.me.0.to_le_bytes());
        queue.fresh = encode(std::mem::take(&mut queue.fresh));
        if let Some(stamp) = stamp {
            queue.fresh.extend_from_slice(&stamp.encode());
        }
        let length = queue.fresh.len() - begin - 4;
        if length > MAX_FRAME_BYTES {
            super::log(&format!(
                "a message of {length} bytes for {to} is too long and is dropped"
            ));
            queue.fresh.truncate(begin);
            return;
        }
        queue.fresh[begin..begin + 4].copy_from_slice(&(length as u32).to_le_bytes());
    }

    /// Lets go of everything that was taken.
    pub fn flush(&mut self) {
        for queue in self.queues.values_mut().filter(|queue| !queue.fresh.is_empty()) {
            let mut waiting = queue
                .shared
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if waiting.is_empty() {
                std::mem::swap(&mut *waiting, &mut queue.fresh);
            } else if waiting.len() + queue.fresh.len() <= MAX_QUEUE_BYTES {
                waiting.extend_from_slice(&queue.fresh);
            }
            drop(waiting);
            queue.fresh.clear();
            queue.shared.more.notify_one();
        }
    }
}

/// Keeps one connection up and writes what waits for it.
async fn deliver(address: SocketAddr, shared: Arc<Shared>) {
    let mut back_off = FIRST_BACK_OFF;
    let mut batch = Vec::new();
    loop {
        let Ok(mut stream) = TcpStream::connect(address).await else {
            tokio::time::sleep(back_off).await;
            back_off = (back_off * 2).min(LONGEST_BACK_OFF);
            continue;
        };
        back_off = FIRST_BACK_OFF;
        // Without it small messages wait for acknowledgements.
        let _ = stream.set_nodelay(true);
        loop {
            batch.clear();
            std::mem::swap(
                &mut *shared.waiting.lock().unwrap_or_else(PoisonError::into_inner),
                &mut batch,
            );
            if batch.is_empty() {
                shared.more.notified().await;
                continue;
            }
            // What was half written is lost with the connection, as a packet is.
            if stream.write_all(&batch).await.is_err() {
                break;
            }
        }
    }
}

/// Accepts other nodes' connections and hands their frames to `tell` until it returns false.
pub(super) async fn listen<M, F>(listener: TcpListener, tell: F)
where
    M: DeserializeOwned + Send + 'static,
    F: Fn(Frame<M>) -> bool + Clone + Send + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let tell = tell.clone();
                tokio::spawn(async move {
                    if let Err(error) = receive::<M, F>(stream, tell).await {
                        super::log(&format!("a connection from another node ended: {error}"));
                    }
                });
            }
            // Out of descriptors, most likely: better to wait than to spin.
            Err(_) => tokio::time::sleep(FIRST_BACK_OFF).await,
        }
    }
}

async fn receive<M, F>(mut stream: TcpStream, tell: F) -> io::Result<()>
where
    M: DeserializeOwned,
    F: Fn(Frame<M>) -> bool,
{
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut buffer = Vec::with_capacity(64 << 10);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        let mut rest = &buffer[..];
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_le_bytes(*length) as usize;
            if !(FRAME_HEADER_BYTES - 4..=MAX_FRAME_BYTES).contains(&length) {
                return Err(bad("a frame's length is out of bounds"));
            }
            if after.len() < length {
                break;
            }
            let (frame, next) = after.split_at(length);
            let (content, stamp) = match frame[0] {
                FRAME_VERSION => (&frame[3..], None),
                STAMPED_VERSION => {
                    let (content, stamp) = frame[3..]
                        .split_last_chunk::<STAMP_BYTES>()
                        .ok_or_else(|| bad("a frame has no stamp"))?;
                    (content, Some(Stamp::decode(stamp)))
                }
                _ => return Err(bad("a frame has another version")),
            };
            let from = NodeId(u16::from_le_bytes([frame[1], frame[2]]));
            let message = match content {
                [GREETING] => None,
                bytes => Some(postcard::from_bytes(bytes).map_err(|_| bad("a message cannot be decoded"))?),
            };
            let frame = Frame { from, message, stamp };
            if !tell(frame) {
                return Ok(());
            }
            rest = next;
        }
        let used = buffer.len() - rest.len();
        buffer.drain(..used);
    }
}
