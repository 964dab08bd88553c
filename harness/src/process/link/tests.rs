use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use perjury_nemesis::{Link, Node, Packets};

use super::{Hits, Links, Mistreatment};
use crate::node::FRAME_VERSION;

const LINK: Link = Link {
    from: Node(1),
    to: Node(2),
};

/// Two nodes with the proxies between them: what goes in at n1, and what comes out at n2.
struct Wire {
    links: Links,
    sender: TcpStream,
    received: mpsc::Receiver<u32>,
}

fn frame(number: u32, padding: usize) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&(7 + padding as u32).to_le_bytes());
    frame.extend_from_slice(&[FRAME_VERSION, 1, 0]);
    frame.extend_from_slice(&number.to_le_bytes());
    frame.resize(frame.len() + padding, 0);
    frame
}

fn receive(mut stream: TcpStream, out: &mpsc::Sender<u32>) {
    let mut length = [0; 4];
    while stream.read_exact(&mut length).is_ok() {
        let mut body = vec![0; u32::from_le_bytes(length) as usize];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        let number = u32::from_le_bytes(body[3..7].try_into().expect("four bytes"));
        if out.send(number).is_err() {
            return;
        }
    }
}

fn wire() -> Wire {
    let links = Links::start(&[Node(1), Node(2)], 7, None, None).expect("links");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    links.target(Node(2), listener.local_addr().ok());
    let (out, received) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            receive(stream, &out);
        }
    });
    let sender = TcpStream::connect(links.addresses(Node(1))[&Node(2)]).expect("a connection");
    Wire {
        links,
        sender,
        received,
    }
}

impl Wire {
    fn send(&mut self, numbers: std::ops::Range<u32>) {
        let bytes: Vec<u8> = numbers
            .flat_map(|number| frame(number, number as usize % 300))
            .collect();
        self.sender.write_all(&bytes).expect("sent");
    }

    fn receive(&self, count: usize) -> Vec<u32> {
        (0..count)
            .map(|_| {
                self.received
                    .recv_timeout(Duration::from_secs(20))
                    .expect("a packet that must arrive")
            })
            .collect()
    }

    fn arrived(&self) -> u64 {
        self.links
            .traffic()
            .iter()
            .find(|traffic| traffic.link == LINK)
            .expect("the link")
            .arrived
    }

    fn wait_until_arrived(&self, count: u64) {
        for _ in 0..2000 {
            if self.arrived() >= count {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} of {count} packets arrived", self.arrived());
    }
}

#[test]
fn without_faults_everything_passes_in_order() {
    let mut wire = wire();
    wire.send(0..5000);
    assert_eq!(wire.receive(5000), (0..5000).collect::<Vec<u32>>());
    assert_eq!(wire.arrived(), 5000);
}

#[test]
fn frames_cut_anywhere_by_the_stream_stay_whole() {
    let mut wire = wire();
    let bytes: Vec<u8> = (0..40)
        .flat_map(|number| frame(number, number as usize))
        .collect();
    wire.sender.set_nodelay(true).expect("an option");
    for piece in bytes.chunks(3) {
        wire.sender.write_all(piece).expect("sent");
    }
    assert_eq!(wire.receive(40), (0..40).collect::<Vec<u32>>());
}

#[test]
fn a_cut_drops_and_counts_every_packet_and_the_connection_survives_it() {
    let mut wire = wire();
    wire.send(0..10);
    assert_eq!(wire.receive(10).len(), 10);
    wire.links.mistreat(1, LINK, Mistreatment::Cut);
    wire.send(10..110);
    wire.wait_until_arrived(110);
    assert_eq!(
        wire.links.heal(1, LINK),
        Hits {
            dropped: 100,
            ..Hits::default()
        }
    );
    wire.send(110..120);
    assert_eq!(wire.receive(10), (110..120).collect::<Vec<u32>>());
}

#[test]
fn of_two_cuts_the_second_holds_when_the_first_is_healed() {
    let mut wire = wire();
    wire.links.mistreat(1, LINK, Mistreatment::Cut);
    wire.links.mistreat(2, LINK, Mistreatment::Cut);
    wire.send(0..10);
    wire.wait_until_arrived(10);
    assert_eq!(wire.links.heal(1, LINK).dropped, 10);
    wire.send(10..15);
    wire.wait_until_arrived(15);
    assert_eq!(wire.links.heal(2, LINK).dropped, 15);
    wire.send(15..16);
    assert_eq!(wire.receive(1), [15]);
}

#[test]
fn what_is_lost_and_doubled_is_exactly_what_was_counted() {
    let mut wire = wire();
    let packets = Packets {
        loss_percent: 20,
        duplicate_percent: 20,
        ..Packets::default()
    };
    wire.links.mistreat(1, LINK, Mistreatment::Packets(packets));
    wire.send(0..2000);
    wire.wait_until_arrived(2000);
    let hits = wire.links.heal(1, LINK);
    assert!(hits.dropped > 200 && hits.duplicated > 200, "{hits:?}");
    let received = wire.receive((2000 - hits.dropped + hits.duplicated) as usize);
    assert!(received.is_sorted(), "neither reorders");
    let different: BTreeSet<u32> = received.into_iter().collect();
    assert_eq!(different.len() as u64, 2000 - hits.dropped);
}

#[test]
fn delay_keeps_the_order_and_reordering_does_not() {
    for (reorder_percent, sorted) in [(0, true), (20, false)] {
        let mut wire = wire();
        let packets = Packets {
            delay_ms: 2,
            reorder_percent,
            ..Packets::default()
        };
        wire.links.mistreat(1, LINK, Mistreatment::Packets(packets));
        wire.send(0..500);
        let received = wire.receive(500);
        assert_eq!(received.is_sorted(), sorted);
        let hits = wire.links.heal(1, LINK);
        assert_eq!(hits.delayed, 500);
        assert_eq!(hits.reordered > 0, !sorted);
    }
}

#[test]
fn packets_for_a_node_that_is_down_are_lost_and_later_ones_reach_it_at_its_new_address() {
    let mut wire = wire();
    wire.send(0..1);
    assert_eq!(wire.receive(1), [0]);
    wire.links.target(Node(2), None);
    wire.send(1..10);
    wire.wait_until_arrived(10);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    wire.links.target(Node(2), listener.local_addr().ok());
    let (stream, _) = listener.accept().expect("the proxy connects");
    let (out, received) = mpsc::channel();
    std::thread::spawn(move || receive(stream, &out));
    wire.send(10..12);
    let again: Vec<u32> = (0..2)
        .map(|_| received.recv_timeout(Duration::from_secs(20)).expect("a packet"))
        .collect();
    assert_eq!(again, [10, 11]);
}
