//! Clients' connections, all on the control node's one thread.
//!
//! A verdict stands or falls with knowing whether a request may have reached a node. So this speaks HTTP/1.1 itself,
//! one request at a time on a connection, and knows of every byte whether the kernel took it: [`End::NotSent`] is
//! said only if it took none. It is also cheaper than a general client, which counts when the nodes under test want
//! the same cores: for a request and its answer reqwest took 20 µs of processor time where the whole control node, with
//! the runner and the recording, takes 9 µs.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustc_hash::FxHashMap;

/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A whole answer.
    Response {
        /// HTTP's status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// Not a byte of it left: `connection-refused`, `connection-failed`.
    NotSent(&'static str),
    /// At least a byte of it may have left, and no whole answer came: `connection-reset`, `connection-closed`,
    /// `unreadable-answer`.
    Lost(&'static str),
    /// No whole answer came in time, though at least a byte of it may have left.
    TimedOut,
}

/// A request that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended<Tag> {
    /// Names the request.
    pub tag: Tag,
    /// What became of it.
    pub end: End,
}

/// A request to send.
#[derive(Clone, Debug)]
pub struct Outgoing<Tag> {
    /// Who sends it: requests of one lane to one place share a connection.
    pub lane: u64,
    /// The node, whatever its address is at the moment.
    pub place: u16,
    /// Its address.
    pub address: SocketAddr,
    /// The whole request.
    pub bytes: Vec<u8>,
    /// When to give up.
    pub deadline: Instant,
    /// Names it.
    pub tag: Tag,
}

/// All clients' connections.
#[derive(Debug)]
pub struct Connections<Tag> {
    registry: Registry,
    first_token: usize,
    connections: Vec<Connection<Tag>>,
    by_place: FxHashMap<(u64, u16), usize>,
    ended: Vec<Ended<Tag>>,
    /// No deadline is earlier.
    earliest: Option<Instant>,
    scratch: Box<[u8]>,
}

#[derive(Debug)]
struct Connection<Tag> {
    token: Token,
    address: SocketAddr,
    stream: Option<TcpStream>,
    connected: bool,
    open: Option<Open<Tag>>,
    input: Vec<u8>,
}

/// A request without an answer yet.
#[derive(Debug)]
struct Open<Tag> {
    tag: Tag,
    bytes: Vec<u8>,
    sent: usize,
    deadline: Instant,
}

impl<Tag> Connections<Tag> {
    /// Connections whose events carry tokens from `first_token` on.
    pub fn new(registry: Registry, first_token: usize) -> Self {
        Connections {
            registry,
            first_token,
            connections: Vec::new(),
            by_place: FxHashMap::default(),
            ended: Vec::new(),
            earliest: None,
            scratch: vec![0; 64 << 10].into_boxed_slice(),
        }
    }

    /// The requests that came to their end since the last call.
    pub fn ended(&mut self) -> std::vec::Drain<'_, Ended<Tag>> {
        self.ended.drain(..)
    }

    /// Sends a request. Requests of one lane to one place must not overlap.
    ///
    /// # Panics
    /// If they do.
    pub fn send(&mut self, outgoing: Outgoing<Tag>) {
        let Outgoing {
            lane,
            place,
            address,
            bytes,
            deadline,
            tag,
        } = outgoing;
        let index = *self.by_place.entry((lane, place)).or_insert_with(|| {
            self.connections.push(Connection {
                token: Token(self.first_token + self.connections.len()),
                address,
                stream: None,
                connected: false,
                open: None,
                input: Vec::new(),
            });
            self.connections.len() - 1
        });
        let connection = &mut self.connections[index];
        assert!(
            connection.open.is_none(),
            "lane {lane} already waits for an answer of node {place}"
        );
        self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
        connection.open = Some(Open {
            tag,
            bytes,
            sent: 0,
            deadline,
        });
        if connection.address != address {
            connection.address = address;
            connection.close(&self.registry);
        }
        let outcome = if connection.stream.is_none() {
            connection.connect(&self.registry)
        } else if connection.connected {
            connection.write()
        } else {
            Ok(())
        };
        self.settle(index, outcome);
    }

    /// Takes notice that a socket is ready; an event of another token is ignored.
    pub fn ready(&mut self, event: &Event) {
        let Some(index) = event.token().0.checked_sub(self.first_token) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if connection.stream.is_none() {
            return;
        }
        let mut outcome = Ok(());
        if !connection.connected {
            outcome = connection.finish_connecting();
        }
        if outcome.is_ok() && connection.connected && event.is_writable() {
            outcome = connection.write();
        }
        if outcome.is_ok() && connection.connected && (event.is_readable() || event.is_read_closed()) {
            match connection.read(&mut self.scratch) {
                Ok(Some((status, body, keep))) => {
                    if let Some(open) = connection.open.take() {
                        self.ended.push(Ended {
                            tag: open.tag,
                            end: End::Response { status, body },
                        });
                    }
                    if !keep || event.is_read_closed() {
                        connection.close(&self.registry);
                    }
                }
                Ok(None) => {}
                Err(why) => outcome = Err(why),
            }
        }
        self.settle(index, outcome);
    }

    /// Gives up requests whose time is over.
    pub fn expire(&mut self, now: Instant) {
        if self.earliest.is_none_or(|earliest| now < earliest) {
            return;
        }
        self.earliest = None;
        for connection in &mut self.connections {
            match &connection.open {
                Some(open) if open.deadline <= now => {
                    // The answer may still come: nobody shall take it for the answer to the next request.
                    connection.close(&self.registry);
                    if let Some(open) = connection.open.take() {
                        let end = if open.sent == 0 {
                            End::NotSent("connect-timeout")
                        } else {
                            End::TimedOut
                        };
                        self.ended.push(Ended { tag: open.tag, end });
                    }
                }
                Some(open) => {
                    self.earliest = Some(
                        self.earliest
                            .map_or(open.deadline, |other| other.min(open.deadline)),
                    );
                }
                None => {}
            }
        }
    }

    /// When [`Connections::expire`] has something to do, at the earliest.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.earliest
    }

    fn settle(&mut self, index: usize, outcome: Result<(), &'static str>) {
        let Err(why) = outcome else { return };
        let connection = &mut self.connections[index];
        connection.close(&self.registry);
        if let Some(open) = connection.open.take() {
            let end = if open.sent == 0 {
                End::NotSent(why)
            } else {
                End::Lost(why)
            };
            self.ended.push(Ended { tag: open.tag, end });
        }
    }
}

/// An answer's status and body, and whether the connection can be used again.
type Whole = (u16, Vec<u8>, bool);

impl<Tag> Connection<Tag> {
    fn connect(&mut self, registry: &Registry) -> Result<(), &'static str> {
        let mut stream = TcpStream::connect(self.address).map_err(|error| word(&error))?;
        registry
            .register(&mut stream, self.token, Interest::READABLE | Interest::WRITABLE)
            .map_err(|_| "connection-failed")?;
        self.stream = Some(stream);
        self.connected = false;
        self.input.clear();
        Ok(())
    }

    fn finish_connecting(&mut self) -> Result<(), &'static str> {
        let Some(stream) = &self.stream else { return Ok(()) };
        if let Ok(Some(error)) | Err(error) = stream.take_error() {
            return Err(word(&error));
        }
        match stream.peer_addr() {
            Ok(_) => {
                // A small request must not wait for an acknowledgement.
                let _ = stream.set_nodelay(true);
                self.connected = true;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            Err(error) => Err(word(&error)),
        }
    }

    fn write(&mut self) -> Result<(), &'static str> {
        let (Some(stream), Some(open)) = (&mut self.stream, &mut self.open) else {
            return Ok(());
        };
        while open.sent < open.bytes.len() {
            match stream.write(&open.bytes[open.sent..]) {
                Ok(0) => return Err("connection-closed"),
                Ok(count) => open.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(word(&error)),
            }
        }
        Ok(())
    }

    fn read(&mut self, scratch: &mut [u8]) -> Result<Option<Whole>, &'static str> {
        loop {
            let Some(stream) = &mut self.stream else {
                return Ok(None);
            };
            match stream.read(scratch) {
                Ok(0) => return Err("connection-closed"),
                Ok(count) => {
                    self.input.extend_from_slice(&scratch[..count]);
                    match &self.open {
                        // A node that speaks without being asked is not to be trusted with the next request.
                        None => return Err("unreadable-answer"),
                        Some(open) if open.sent < open.bytes.len() => return Err("unreadable-answer"),
                        Some(_) => {}
                    }
                    if let Some(whole) = parse(&self.input)? {
                        self.input.clear();
                        return Ok(Some(whole));
                    }
                    if self.input.len() > MAX_ANSWER_BYTES {
                        return Err("unreadable-answer");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(word(&error)),
            }
        }
    }

    fn close(&mut self, registry: &Registry) {
        if let Some(mut stream) = self.stream.take() {
            // Closing takes it out of the poll in any case.
            let _ = registry.deregister(&mut stream);
        }
        self.connected = false;
        self.input.clear();
    }
}

fn word(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection-refused",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection-reset",
        _ => "connection-failed",
    }
}

/// Reads one answer; none if it is not whole yet.
fn parse(input: &[u8]) -> Result<Option<Whole>, &'static str> {
    const UNREADABLE: &str = "unreadable-answer";
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(input) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(UNREADABLE),
    };
    let status = response.code.ok_or(UNREADABLE)?;
    let mut length = None;
    let mut keep = response.version == Some(1);
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value).map_err(|_| UNREADABLE)?;
            let bytes: usize = text.trim().parse().map_err(|_| UNREADABLE)?;
            if length.is_some_and(|other| other != bytes) || bytes > MAX_ANSWER_BYTES {
                return Err(UNREADABLE);
            }
            length = Some(bytes);
        } else if header.name.eq_ignore_ascii_case("connection") {
            keep &= !header.value.eq_ignore_ascii_case(b"close");
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(UNREADABLE);
        }
    }
    let length = length.ok_or(UNREADABLE)?;
    if input.len() < head + length {
        return Ok(None);
    }
    // Bytes after the answer belong to nothing that was asked.
    keep &= input.len() == head + length;
    Ok(Some((status, input[head..head + length].to_vec(), keep)))
}
