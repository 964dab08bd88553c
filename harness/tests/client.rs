//! What a client concludes from servers that misbehave. An operation that may have happened must never be recorded
//! as one that surely did not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use mio::{Events, Poll};
use perjury::http::answer::conclude;
use perjury::http::client::{Connections, End, Outgoing};
use perjury::http::request;
use perjury_checker::{Function, Value};
use perjury_runner::Answer;
use perjury_workloads::Call;

const OK: &str = r#"{"value":null,"version":3,"node":1,"term":1}"#;

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads a whole request, which here ends with the body `7`.
fn read_request(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    while !bytes.ends_with(b"\r\n\r\n7") {
        let count = stream.read(&mut buffer).expect("a request");
        assert!(count > 0, "the client closed early");
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// A server whose connections are handled by `handle`, one after the other.
fn server(mut handle: impl FnMut(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            handle(stream);
        }
    });
    address
}

struct Client {
    poll: Poll,
    connections: Connections<u64>,
}

impl Client {
    fn new() -> Self {
        let poll = Poll::new().expect("a poll");
        let registry = poll.registry().try_clone().expect("a registry");
        Client {
            poll,
            connections: Connections::new(registry, 100),
        }
    }

    /// Writes 7 to x and waits for what comes of it.
    fn ask(&mut self, address: SocketAddr, limit: Duration) -> (End, Answer) {
        let call = Call {
            f: Function::Write,
            key: "x".into(),
            value: Value::Int(7),
        };
        self.connections.send(Outgoing {
            lane: 0,
            place: 1,
            address,
            bytes: request::call(&call, Some((1, 1)), 0).expect("a request"),
            deadline: Instant::now() + limit,
            tag: 1,
        });
        let mut events = Events::with_capacity(16);
        loop {
            if let Some(ended) = self.connections.ended().next() {
                return (ended.end.clone(), conclude(&call, &ended.end).0);
            }
            let left = self
                .connections
                .next_deadline()
                .map(|at| at.saturating_duration_since(Instant::now()));
            self.poll.poll(&mut events, left).expect("events");
            for event in &events {
                self.connections.ready(event);
            }
            self.connections.expire(Instant::now());
        }
    }

    /// Lets the client take notice of what happened meanwhile.
    fn idle(&mut self) {
        let mut events = Events::with_capacity(16);
        self.poll
            .poll(&mut events, Some(Duration::from_millis(50)))
            .expect("events");
        for event in &events {
            self.connections.ready(event);
        }
    }
}

fn ask(address: SocketAddr) -> (End, Answer) {
    Client::new().ask(address, Duration::from_millis(300))
}

fn is_unknown(answer: &Answer) -> bool {
    matches!(answer, Answer::Unknown { .. })
}

#[test]
fn a_refused_connection_surely_did_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let (end, answer) = ask(address);
    assert_eq!(end, End::NotSent("connection-refused"));
    assert!(matches!(answer, Answer::Unavailable { .. }));
}

#[test]
fn what_breaks_after_a_byte_was_sent_is_unknown() {
    type Handler = Box<dyn FnMut(TcpStream) + Send>;
    let handlers: [(&str, Handler); 10] = [
        ("closes without reading", Box::new(drop)),
        (
            "closes after a while without reading",
            Box::new(|stream| {
                std::thread::sleep(Duration::from_millis(50));
                drop(stream);
            }),
        ),
        (
            "closes after reading",
            Box::new(|mut stream| {
                read_request(&mut stream);
            }),
        ),
        (
            "sends half an answer",
            Box::new(|mut stream| {
                read_request(&mut stream);
                let whole = answer("200", OK);
                let _ = stream.write_all(&whole.as_bytes()[..whole.len() / 2]);
            }),
        ),
        (
            "sends a definite answer without its last byte",
            Box::new(|mut stream| {
                read_request(&mut stream);
                let whole = answer("503", r#"{"error":"no-leader"}"#);
                let _ = stream.write_all(&whole.as_bytes()[..whole.len() - 1]);
            }),
        ),
        (
            "never answers",
            Box::new(|mut stream| {
                read_request(&mut stream);
                std::thread::sleep(Duration::from_secs(2));
            }),
        ),
        (
            "never reads",
            Box::new(|stream| {
                std::thread::sleep(Duration::from_secs(2));
                drop(stream);
            }),
        ),
        (
            "speaks something else",
            Box::new(|mut stream| {
                read_request(&mut stream);
                let _ = stream.write_all(b"220 mail.example.org ESMTP\r\n");
            }),
        ),
        (
            "answers twice the length",
            Box::new(|mut stream| {
                read_request(&mut stream);
                let _ =
                    stream.write_all(b"HTTP/1.1 503 X\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}x");
            }),
        ),
        (
            "answers in chunks",
            Box::new(|mut stream| {
                read_request(&mut stream);
                let _ = stream.write_all(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
            }),
        ),
    ];
    for (name, handle) in handlers {
        let (end, answer) = ask(server(handle));
        assert!(is_unknown(&answer), "a server that {name}: {end:?}, {answer:?}");
    }
}

#[test]
fn an_answer_in_single_bytes_is_an_answer() {
    let address = server(|mut stream| {
        read_request(&mut stream);
        let _ = stream.set_nodelay(true);
        for byte in answer("200", OK).into_bytes() {
            let _ = stream.write_all(&[byte]);
        }
        std::thread::sleep(Duration::from_millis(100));
    });
    let (_, answer) = ask(address);
    assert_eq!(
        answer,
        Answer::Ok {
            value: Value::Nil,
            version: Some(3),
            term: 1,
            quorum: None
        }
    );
}

#[test]
fn the_answer_to_a_request_that_timed_out_is_not_taken_for_the_answer_to_the_next() {
    let mut first = true;
    let address = server(move |mut stream| {
        read_request(&mut stream);
        if std::mem::take(&mut first) {
            std::thread::sleep(Duration::from_millis(200));
            let _ = stream.write_all(answer("200", OK).as_bytes());
            return;
        }
        let _ = stream.write_all(answer("503", r#"{"error":"no-leader"}"#).as_bytes());
        std::thread::sleep(Duration::from_millis(100));
    });
    let mut client = Client::new();
    let (end, _) = client.ask(address, Duration::from_millis(50));
    assert_eq!(end, End::TimedOut);
    let (_, answer) = client.ask(address, Duration::from_secs(5));
    assert!(matches!(answer, Answer::Unavailable { .. }), "{answer:?}");
}

#[test]
fn a_connection_that_was_closed_while_idle_is_replaced() {
    let address = server(|mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(answer("200", OK).as_bytes());
    });
    let mut client = Client::new();
    for _ in 0..3 {
        let (_, answer) = client.ask(address, Duration::from_secs(5));
        assert!(matches!(answer, Answer::Ok { .. }), "{answer:?}");
        client.idle();
    }
}

#[test]
fn a_second_answer_that_nobody_asked_for_ends_the_connection() {
    let address = server(|mut stream| {
        read_request(&mut stream);
        let twice = answer("200", OK) + &answer("200", OK);
        let _ = stream.write_all(twice.as_bytes());
        // If the client used the connection again, it would take the second answer for its own.
        std::thread::sleep(Duration::from_millis(100));
    });
    let mut client = Client::new();
    for _ in 0..2 {
        let (_, answer) = client.ask(address, Duration::from_secs(5));
        assert!(matches!(answer, Answer::Ok { .. }), "{answer:?}");
    }
}
