//! The log: one Prepare, then Accepts only; gaps, catching up, trimming, leases, members.

use std::time::Duration;

use perjury_systems::api::{Failure, Reconfigure, Value};
use perjury_systems::paxos::multi::{Config, Decree, Message, Paxos, Timer, Trace};
use perjury_systems::replica::Replica;
use perjury_systems::{Command, NodeId};

use super::net::Net;

type Log = Net<Paxos>;

const ALL: [u16; 3] = [1, 2, 3];

fn led_by(node: u16, settings: &[(&str, &str)]) -> Log {
    let mut net: Log = Net::new(3, 1, settings);
    net.timer(node, Timer::Election);
    net.settle(&ALL);
    assert!(net.replica(node).leading().is_some());
    net
}

/// Has n1, which leads, change the members, and gives `lagging` the time to catch up.
fn change_members(net: &mut Log, nodes: &[u16], change: Reconfigure, lagging: u16) {
    let changed = net.ask(1, Command::Reconfigure(change));
    for _ in 0..8 {
        net.settle(nodes);
        net.now += Duration::from_millis(60);
        net.timer(1, Timer::Heartbeat);
        net.settle(nodes);
        net.timer(lagging, Timer::Fetch);
    }
    let answer = net.answer(changed);
    assert!(matches!(answer, Some(Ok(_))), "{answer:?}");
}

fn count(net: &Log, wanted: impl Fn(&Message) -> bool) -> usize {
    net.packets
        .iter()
        .filter(|(_, _, message)| wanted(message))
        .count()
}

#[test]
fn a_stable_leader_asks_for_no_more_promises() {
    let mut net = led_by(1, &[]);
    let ballot = net.replica(1).leading();
    for value in 0..5 {
        let write = net.write(1, "x", value);
        assert_eq!(
            count(&net, |message| matches!(message, Message::Prepare { .. })),
            0
        );
        assert_eq!(
            count(&net, |message| matches!(message, Message::Accept { .. })),
            2,
            "one to each other"
        );
        net.settle(&ALL);
        assert!(matches!(net.answer(write), Some(Ok(_))));
    }
    assert_eq!(net.replica(1).leading(), ballot);
    assert_eq!(net.replica(2).machine().hash(), net.replica(1).machine().hash());
}

#[test]
fn accepts_are_pipelined_up_to_alpha() {
    let mut net = led_by(1, &[("alpha", "3")]);
    for value in 0..5 {
        net.write(1, "x", value);
    }
    let open = net.replica(1).accepted().len();
    assert_eq!(open, 3, "as many slots are open as may be");
    net.settle(&ALL);
    assert_eq!(net.replica(1).machine().applied(), 5);
}

#[test]
fn a_new_leader_proposes_what_was_accepted_and_fills_the_gap_before_it() {
    let mut net = led_by(1, &[]);
    let first = net.write(1, "x", 1);
    net.packets.clear();
    let second = net.write(1, "y", 2);
    // Only the second command reaches n2; nobody but n1 has the first.
    net.packets.retain(|(from, to, _)| (*from, *to) == (1, 2));
    net.deliver(1, 2);
    net.packets.clear();
    assert_eq!(net.replica(2).accepted().keys().copied().collect::<Vec<_>>(), [2]);
    net.timer(2, Timer::Election);
    net.settle(&[2, 3]);
    let accepted = net.replica(3).accepted();
    assert!(matches!(**accepted[&1].value, Decree::Noop), "{:?}", accepted[&1]);
    assert!(matches!(**accepted[&2].value, Decree::Command { .. }));
    let read = net.read(2, "y");
    net.settle(&[2, 3]);
    assert_eq!(net.value(read), Some(Value::Int(2)));
    // The first leader hears of it: one of its commands has lost its slot, the other was chosen.
    net.timer(2, Timer::Heartbeat);
    net.settle(&ALL);
    net.timer(1, Timer::Fetch);
    net.settle(&ALL);
    assert!(
        matches!(net.answer(first), Some(Err(Failure::Unavailable { .. }))),
        "{:?}",
        net.answer(first)
    );
    assert!(
        matches!(net.answer(second), Some(Ok(_))),
        "{:?}",
        net.answer(second)
    );
}

#[test]
fn a_notice_is_believed_only_of_what_was_accepted_in_its_ballot() {
    let mut net = led_by(1, &[]);
    net.write(1, "x", 1);
    net.packets.clear();
    // n2 leads without n1's vote, and gets another command chosen in the first slot.
    net.timer(2, Timer::Election);
    net.settle(&[2, 3]);
    net.write(2, "x", 2);
    net.settle(&[2, 3]);
    net.timer(2, Timer::Heartbeat);
    // n1 accepted its own command in slot 1 and must ask what was chosen there.
    net.deliver(2, 1);
    assert_eq!(net.replica(1).machine().applied(), 0);
    assert_eq!(count(&net, |message| matches!(message, Message::Fetch { .. })), 1);
    net.settle(&ALL);
    assert_eq!(net.replica(1).machine().hash(), net.replica(2).machine().hash());
}

#[test]
fn a_deposed_leader_gets_nothing_accepted() {
    let mut net = led_by(1, &[]);
    net.timer(2, Timer::Election);
    net.settle(&[2, 3]);
    let late = net.write(1, "x", 1);
    net.settle(&ALL);
    assert_eq!(net.replica(1).leading(), None);
    assert!(!matches!(net.answer(late), Some(Ok(_))));
    assert!(
        net.traces
            .iter()
            .any(|(node, trace)| *node == 1 && matches!(trace, Trace::SteppedDown { .. }))
    );
}

#[test]
fn who_lags_behind_what_is_trimmed_gets_a_snapshot() {
    let settings = [
        ("snapshot-every", "5"),
        ("snapshot-keep", "0"),
        ("chunk-bytes", "64"),
    ];
    let mut net = led_by(1, &settings);
    for value in 0..12 {
        net.write(1, "x", value);
        net.settle(&[1, 2]);
    }
    assert!(net.replica(1).trimmed() >= 10);
    net.timer(1, Timer::Heartbeat);
    net.settle(&ALL);
    for _ in 0..5 {
        net.now += Duration::from_millis(60);
        net.timer(3, Timer::Fetch);
        net.settle(&ALL);
    }
    assert_eq!(net.replica(3).machine().hash(), net.replica(1).machine().hash());
    assert!(
        net.traces
            .iter()
            .any(|(node, trace)| *node == 3 && matches!(trace, Trace::SnapshotInstalled { .. }))
    );
    // And it comes back with it.
    net.restart(3);
    assert!(net.replica(3).machine().applied() >= 10);
}

#[test]
fn a_lagging_node_that_leads_waits_for_what_others_have_trimmed() {
    let settings = [("snapshot-every", "5"), ("snapshot-keep", "0")];
    let mut net = led_by(1, &settings);
    for value in 0..12 {
        net.write(1, "x", value);
        net.settle(&[1, 2]);
    }
    net.timer(3, Timer::Election);
    net.settle(&[2, 3]);
    let read = net.read(3, "x");
    for _ in 0..5 {
        net.now += Duration::from_millis(60);
        net.timer(3, Timer::Heartbeat);
        net.timer(3, Timer::Fetch);
        net.settle(&[2, 3]);
    }
    assert_eq!(net.value(read), Some(Value::Int(11)), "{:?}", net.answer(read));
}

#[test]
fn an_acceptor_does_not_promise_to_others_while_the_leader_has_a_lease() {
    for (reads, refuses) in [("lease", true), ("quorum", false)] {
        let mut net = led_by(1, &[("reads", reads)]);
        net.timer(1, Timer::Heartbeat);
        net.settle(&ALL);
        let read = net.read(1, "x");
        net.settle(&ALL);
        assert_eq!(net.value(read), Some(Value::Nil));
        net.timer(2, Timer::Election);
        net.deliver(2, 3);
        let promised = count(&net, |message| matches!(message, Message::Promise { .. }));
        assert_eq!(promised == 0, refuses, "{reads}");
        if refuses {
            net.packets.clear();
            net.now += Duration::from_secs(1);
            net.timer(2, Timer::Election);
            net.deliver(2, 3);
            assert_eq!(
                count(&net, |message| matches!(message, Message::Promise { .. })),
                1
            );
        }
    }
}

#[test]
fn a_write_waits_for_every_replica_that_may_read() {
    let mut net = led_by(1, &[("reads", "replicas")]);
    for _ in 0..3 {
        net.timer(1, Timer::Heartbeat);
        net.settle(&ALL);
    }
    let local = net.read(3, "x");
    assert_eq!(net.value(local), Some(Value::Nil), "n3 reads alone");
    let write = net.write(1, "x", 1);
    net.settle(&[1, 2]);
    assert_eq!(
        net.answer(write),
        None,
        "a majority has accepted it, and n3 may still read"
    );
    net.now += Duration::from_millis(400);
    net.timer(1, Timer::Heartbeat);
    net.settle(&[1, 2]);
    assert!(matches!(net.answer(write), Some(Ok(_))), "n3's lease is over");
    let refused = net.read(3, "x");
    assert!(matches!(
        net.answer(refused),
        Some(Err(Failure::Unavailable { .. }))
    ));
}

#[test]
fn a_leader_asks_those_who_are_members_now_before_it_reads() {
    let settings = [("alpha", "1"), ("catch-up-lag", "0"), ("reads", "quorum")];
    let mut net = led_by(1, &settings);
    let four = [1, 2, 3, 4];
    for change in [Reconfigure::Leave(NodeId(2)), Reconfigure::Join(NodeId(4))] {
        change_members(&mut net, &four, change, 4);
    }
    // n2, who is no member any more, hears how that came.
    let all = net.replica(1).status().applied;
    let fetch = Message::Fetch {
        from: 1,
        snapshot: None,
    };
    net.packets.push((2, 1, fetch));
    net.settle(&four);
    assert_eq!(net.replica(2).status().applied, all);
    // The others elect a leader and write; n1 has to learn again who the members are.
    net.restart(1);
    net.now += Duration::from_secs(1);
    net.timer(3, Timer::Election);
    net.settle(&[3, 4]);
    let write = net.write(3, "x", 1);
    net.settle(&[3, 4]);
    assert!(matches!(net.answer(write), Some(Ok(_))));
    net.timer(1, Timer::Election);
    net.deliver(1, 2);
    net.deliver(2, 1);
    assert!(
        net.replica(1).leading().is_some(),
        "by those who were members once"
    );
    let read = net.read(1, "x");
    net.timer(1, Timer::Heartbeat);
    net.packets
        .retain(|(.., message)| !matches!(message, Message::Accept { .. }));
    net.settle(&[1, 2]);
    assert_eq!(net.replica(1).status().applied, all, "n2 told it");
    net.timer(1, Timer::Heartbeat);
    net.settle(&[1, 2]);
    assert_ne!(net.value(read), Some(Value::Nil));
}

#[test]
fn a_lease_is_no_leave_to_read_before_what_was_chosen_out_of_order() {
    let mut net = led_by(1, &[("reads", "replicas")]);
    let proposals = |message: &Message| matches!(message, Message::Accept { .. } | Message::Accepted { .. });
    // n4, which is no member, might have a lease for all that n1 knows.
    net.now += Duration::from_millis(400);
    // The answers to the first proposal are lost; n3 does not hear of the second, which is chosen.
    let first = net.write(1, "x", 1);
    net.deliver(1, 2);
    net.deliver(1, 3);
    net.packets.clear();
    let second = net.write(1, "y", 2);
    net.deliver(1, 2);
    net.deliver(2, 1);
    net.packets.clear();
    for _ in 0..3 {
        net.timer(1, Timer::Heartbeat);
        net.packets.retain(|(.., message)| !proposals(message));
        net.settle(&ALL);
    }
    assert_eq!(net.answer(second), None, "it waits for the first");
    net.timer(1, Timer::Heartbeat);
    net.packets.retain(|(.., message)| proposals(message));
    for node in [2, 3] {
        net.deliver(1, node);
        net.deliver(node, 1);
    }
    assert!(
        [first, second]
            .iter()
            .all(|write| matches!(net.answer(*write), Some(Ok(_))))
    );
    net.deliver(1, 3);
    net.packets.clear();
    assert_eq!(net.replica(3).status().applied, 1);
    let read = net.read(3, "y");
    assert_eq!(net.answer(read), None, "y is written, and n3 does not know it");
    net.timer(3, Timer::Fetch);
    net.settle(&ALL);
    assert_eq!(net.value(read), Some(Value::Int(2)));
}

#[test]
fn a_write_waits_for_a_removed_replica_that_may_still_read() {
    let mut net = led_by(1, &[("reads", "replicas"), ("alpha", "1")]);
    // n4, which is no member, might have a lease for all that n1 knows.
    net.now += Duration::from_millis(400);
    for _ in 0..3 {
        net.timer(1, Timer::Heartbeat);
        net.settle(&ALL);
    }
    let leave = net.ask(1, Command::Reconfigure(Reconfigure::Leave(NodeId(3))));
    net.settle(&ALL);
    assert!(matches!(net.answer(leave), Some(Ok(_))));
    assert_eq!(net.replica(2).status().voters, [1, 2].map(NodeId));
    // It had asked for what is chosen.
    let fetch = Message::Fetch {
        from: 1,
        snapshot: None,
    };
    net.packets.push((3, 1, fetch));
    net.settle(&ALL);
    net.timer(2, Timer::Election);
    net.settle(&[1, 2]);
    let write = net.write(2, "x", 1);
    net.settle(&[1, 2]);
    let leased = net.read(3, "x");
    assert_eq!(net.value(leased), Some(Value::Nil), "n3 still has its lease");
    assert_eq!(net.answer(write), None, "n3 may still read");
    net.now += Duration::from_millis(400);
    net.timer(2, Timer::Heartbeat);
    net.settle(&[1, 2]);
    assert!(matches!(net.answer(write), Some(Ok(_))), "n3's lease is over");
}

#[test]
fn a_leader_gives_no_notice_in_its_ballot_of_what_another_ballot_chose() {
    let five = [1, 2, 3, 4, 5];
    let mut net: Log = Net::new(5, 0, &[]);
    net.timer(4, Timer::Election);
    net.settle(&five);
    // n4 proposes, and n1 alone accepts; n2 leads after that without either, and gets something else chosen there.
    let lost = net.write(4, "x", 1);
    net.settle(&[1, 4]);
    net.timer(2, Timer::Election);
    net.settle(&[2, 3, 5]);
    let write = net.write(2, "x", 2);
    net.settle(&[2, 3, 5]);
    assert!(matches!(net.answer(write), Some(Ok(_))));
    // n4 learns that, and has not heard of the new leader otherwise.
    let fetch = Message::Fetch {
        from: 1,
        snapshot: None,
    };
    net.packets.push((4, 2, fetch));
    net.settle(&[2, 4]);
    assert!(matches!(net.answer(lost), Some(Err(Failure::Unavailable { .. }))));
    net.timer(4, Timer::Heartbeat);
    net.settle(&[1, 4]);
    assert_eq!(net.replica(1).status().applied, 0, "n1 accepted something else");
}

#[test]
fn a_command_is_not_taken_for_one_of_another_leader_that_looks_the_same() {
    let mut net = led_by(2, &[("reads", "slot")]);
    net.timer(1, Timer::Election);
    net.settle(&[1, 3]);
    let earlier = net.read(1, "x");
    net.settle(&[1, 3]);
    assert_eq!(net.value(earlier), Some(Value::Nil));
    let write = net.write(1, "x", 1);
    net.settle(&[1, 3]);
    assert!(matches!(net.answer(write), Some(Ok(_))));
    // n2 does not know, and proposes its read in the slot that n1's has.
    let stale = net.read(2, "x");
    net.packets.clear();
    let fetch = Message::Fetch {
        from: 1,
        snapshot: None,
    };
    net.packets.push((2, 1, fetch));
    net.settle(&[1, 2]);
    assert_eq!(net.replica(2).status().applied, 2);
    assert!(
        matches!(net.answer(stale), Some(Err(Failure::Unavailable { .. }))),
        "{:?}",
        net.answer(stale)
    );
}

#[test]
fn members_change_alpha_slots_after_the_decree() {
    let mut net = led_by(1, &[("alpha", "4"), ("catch-up-lag", "0")]);
    let four = [1, 2, 3, 4];
    change_members(&mut net, &four, Reconfigure::Join(NodeId(4)), 4);
    assert_eq!(net.replica(1).status().voters, [1, 2, 3, 4].map(NodeId));
    let effective = net.traces.iter().filter_map(|(_, trace)| match trace {
        Trace::ConfigExecuted { slot, effective, .. } => Some(effective - slot),
        _ => None,
    });
    assert!(effective.into_iter().all(|after| after == 4));
    // Three of four are needed now.
    let write = net.write(1, "x", 1);
    net.settle(&[1, 2]);
    assert_eq!(net.answer(write), None);
    net.timer(1, Timer::Heartbeat);
    net.settle(&[1, 2, 4]);
    assert!(matches!(net.answer(write), Some(Ok(_))));
}

#[test]
fn a_change_that_is_chosen_out_of_order_is_under_way_until_it_is_in_force() {
    let mut net = led_by(1, &[]);
    // The answers to a write are lost; the change after it is chosen.
    let write = net.write(1, "x", 1);
    net.deliver(1, 2);
    net.deliver(1, 3);
    net.packets.clear();
    let left = net.ask(1, Command::Reconfigure(Reconfigure::Leave(NodeId(3))));
    net.deliver(1, 2);
    net.deliver(2, 1);
    assert_eq!(net.answer(left), None, "the write before it is not chosen");
    let next = net.ask(1, Command::Reconfigure(Reconfigure::Join(NodeId(4))));
    assert!(
        matches!(net.answer(next), Some(Err(Failure::Unavailable { .. }))),
        "{:?}",
        net.answer(next)
    );
    for _ in 0..3 {
        net.timer(1, Timer::Heartbeat);
        net.settle(&ALL);
    }
    assert!(
        [write, left]
            .iter()
            .all(|id| matches!(net.answer(*id), Some(Ok(_))))
    );
    assert_eq!(net.replica(1).status().voters, [1, 2].map(NodeId));
}

#[test]
fn a_change_that_was_made_from_other_members_changes_nothing() {
    let mut net = led_by(2, &[]);
    // n2 alone accepts two writes and, in the slot after them, that n3 leaves.
    net.write(2, "x", 1);
    net.write(2, "y", 2);
    net.ask(2, Command::Reconfigure(Reconfigure::Leave(NodeId(3))));
    net.packets.clear();
    // n1, which knows nothing of that, lets n4 learn.
    net.timer(1, Timer::Election);
    net.settle(&[1, 3]);
    net.ask(1, Command::Reconfigure(Reconfigure::Learn(NodeId(4))));
    net.deliver(1, 3);
    net.deliver(3, 1);
    net.packets.clear();
    // n3 hears from n2 what it accepted, and gets all of it chosen.
    net.timer(3, Timer::Election);
    net.settle(&[2, 3]);
    let accepted = &net.replica(3).accepted()[&3];
    let leaves = |config: &Config| config.voters == [1, 2].map(NodeId).into();
    assert!(
        matches!(&**accepted.value, Decree::Config { config, follows: 0 } if leaves(config)),
        "{accepted:?}"
    );
    assert!(net.replica(3).machine().applied() > 3);
    let status = net.replica(3).status();
    assert_eq!(status.voters, ALL.map(NodeId));
    assert_eq!(status.learners, [NodeId(4)]);
}

#[test]
fn who_lost_its_disk_confirms_no_read() {
    let mut net: Log = Net::new(3, 0, &[("identity", "register"), ("reads", "quorum")]);
    net.settle(&ALL);
    net.timer(1, Timer::Election);
    net.settle(&ALL);
    net.write(1, "x", 1);
    net.settle(&ALL);
    // n2 leads by n3's promise, which n3 loses with its disk.
    net.timer(2, Timer::Election);
    net.settle(&[2, 3]);
    let write = net.write(2, "x", 2);
    net.settle(&[2, 3]);
    assert!(matches!(net.answer(write), Some(Ok(_))));
    net.wipe(3);
    net.packets.clear();
    let read = net.read(1, "x");
    net.settle(&[1, 3]);
    assert_eq!(net.answer(read), None, "n3 does not know that it follows n2");
}

#[test]
fn a_leader_that_learns_how_it_came_back_goes_on() {
    let mut net = led_by(1, &[("alpha", "1"), ("catch-up-lag", "0"), ("reads", "slot")]);
    for change in [Reconfigure::Leave(NodeId(3)), Reconfigure::Join(NodeId(3))] {
        change_members(&mut net, &ALL, change, 3);
    }
    // It leads before it has learned again what it had executed, and learns all of it at once.
    net.restart(3);
    net.now += Duration::from_secs(1);
    net.timer(3, Timer::Election);
    net.deliver(3, 1);
    net.deliver(1, 3);
    assert!(net.replica(3).leading().is_some());
    net.packets.clear();
    let fetch = Message::Fetch {
        from: 1,
        snapshot: None,
    };
    net.packets.push((3, 1, fetch));
    net.settle(&[1, 3]);
    assert_eq!(net.replica(3).status().applied, 3);
    let write = net.write(3, "x", 1);
    for _ in 0..4 {
        net.timer(3, Timer::Heartbeat);
        net.settle(&[1, 3]);
        net.now += Duration::from_millis(60);
    }
    assert!(
        matches!(net.answer(write), Some(Ok(_))),
        "{:?}",
        net.answer(write)
    );
}

#[test]
fn nobody_leaves_if_too_few_of_the_others_have_a_vote() {
    let mut net: Log = Net::new(3, 0, &[("identity", "register")]);
    net.settle(&ALL);
    net.wipe(3);
    net.timer(1, Timer::Election);
    net.settle(&ALL);
    net.timer(1, Timer::Heartbeat);
    net.settle(&ALL);
    let leave = net.ask(1, Command::Reconfigure(Reconfigure::Leave(NodeId(2))));
    net.settle(&ALL);
    assert!(matches!(
        net.answer(leave),
        Some(Err(Failure::Unavailable { .. }))
    ));
    let leave = net.ask(1, Command::Reconfigure(Reconfigure::Leave(NodeId(3))));
    net.settle(&ALL);
    net.now += Duration::from_millis(400);
    net.timer(1, Timer::Heartbeat);
    net.settle(&ALL);
    assert!(
        matches!(net.answer(leave), Some(Ok(_))),
        "{:?}",
        net.answer(leave)
    );
}

#[test]
fn a_leader_hands_over_when_it_is_asked() {
    let mut net = led_by(1, &[("reads", "lease")]);
    let id = net.ask(1, Command::Transfer { to: Some(NodeId(3)) });
    net.settle(&ALL);
    assert!(net.replica(3).leading().is_some());
    assert!(matches!(net.answer(id), Some(Ok(_))));
}
