//! Members that come, go, and come back.

use perjury_systems::api::{Failure, Reconfigure};
use perjury_systems::raft::Timer;
use perjury_systems::{NodeId, Replica, RequestId, Role};

use crate::script::Script;

const EAGER: &[(&str, &str)] = &[("prevote", "off"), ("check-quorum", "off"), ("catch-up-lag", "0")];

fn done(s: &Script, id: RequestId) -> bool {
    s.answers.get(&id).is_some_and(|response| response.result.is_ok())
}

fn change(s: &mut Script, change: Reconfigure, nodes: &[u16]) {
    let id = s.reconfigure(1, change);
    for _ in 0..10 {
        s.beat(1, nodes);
    }
    assert!(done(s, id), "{change:?}: {:?}", s.answers.get(&id));
    assert_eq!(s.breach, None);
}

#[test]
fn a_node_joins_votes_leaves_and_is_replaced() {
    let mut s = Script::new(3, 2, EAGER, None);
    s.elect(1, &[2, 3]);
    s.beat(1, &[2, 3]);
    change(&mut s, Reconfigure::Join(NodeId(4)), &[2, 3, 4]);
    assert_eq!(s.raft(4).status().role, Role::Follower);
    change(&mut s, Reconfigure::Learn(NodeId(5)), &[2, 3, 4, 5]);
    assert_eq!(s.raft(5).status().role, Role::Learner);
    change(&mut s, Reconfigure::Leave(NodeId(4)), &[2, 3, 4, 5]);
    let (leaves, joins) = (NodeId(2), NodeId(5));
    change(&mut s, Reconfigure::Replace { leaves, joins }, &[2, 3, 4, 5]);
    let voters: Vec<u16> = s.raft(1).status().voters.iter().map(|node| node.0).collect();
    assert_eq!(voters, [1, 3, 5]);
}

#[test]
fn one_change_at_a_time_and_nothing_that_makes_no_sense() {
    let mut s = Script::new(3, 1, EAGER, None);
    let early = s.reconfigure(2, Reconfigure::Leave(NodeId(3)));
    assert!(
        matches!(s.answers[&early].result, Err(Failure::Unavailable { .. })),
        "it does not lead"
    );
    s.elect(1, &[2]);
    let early = s.reconfigure(1, Reconfigure::Leave(NodeId(3)));
    assert!(
        matches!(s.answers[&early].result, Err(Failure::Unavailable { .. })),
        "nothing of its term is committed"
    );
    s.beat(1, &[2, 3]);
    let first = s.reconfigure(1, Reconfigure::Join(NodeId(4)));
    let second = s.reconfigure(1, Reconfigure::Leave(NodeId(3)));
    assert!(!s.answers.contains_key(&first));
    assert!(
        matches!(s.answers[&second].result, Err(Failure::Unavailable { .. })),
        "one at a time"
    );
    for _ in 0..10 {
        s.beat(1, &[2, 3, 4]);
    }
    assert!(done(&s, first));
    let stranger = s.reconfigure(1, Reconfigure::Join(NodeId(9)));
    assert!(matches!(
        s.answers[&stranger].result,
        Err(Failure::Invalid { .. })
    ));
    let again = s.reconfigure(1, Reconfigure::Join(NodeId(4)));
    assert!(done(&s, again), "it is a member already");
}

#[test]
fn a_leader_that_was_removed_steps_down_and_another_takes_over() {
    let mut s = Script::new(3, 0, EAGER, None);
    s.elect(1, &[2, 3]);
    s.beat(1, &[2, 3]);
    let id = s.reconfigure(1, Reconfigure::Leave(NodeId(1)));
    s.settle(&[1, 2, 3]);
    assert!(done(&s, id));
    assert!(!s.leads(1));
    assert_eq!(s.raft(1).status().role, Role::Outsider);
    assert!(s.leads(2) || s.leads(3), "it was told to");
    assert_eq!(s.breach, None);
}

#[test]
fn a_removed_node_that_does_not_know_it_disturbs_nobody() {
    let mut s = Script::new(4, 0, &[], None);
    s.pass(1000, &[]);
    s.elect_politely(1, &[2, 3, 4]);
    s.beat(1, &[2, 3, 4]);
    let id = s.reconfigure(1, Reconfigure::Leave(NodeId(4)));
    for _ in 0..6 {
        s.beat(1, &[2, 3]);
    }
    assert!(done(&s, id));
    assert!(
        s.raft(4).configs().latest().is_voter(NodeId(4)),
        "it has not heard"
    );
    for _ in 0..3 {
        s.tick(4, Timer::Election);
        s.settle(&[1, 2, 3, 4]);
    }
    assert!(s.leads(1));
    assert_eq!(s.raft(1).term(), 1);
}

#[test]
fn an_amnesiac_votes_again_once_it_was_removed_and_joined() {
    let settings = [EAGER, &[("identity", "register")]].concat();
    let mut s = Script::new(3, 0, &settings, None);
    s.settle(&[1, 2, 3]);
    s.elect(1, &[2]);
    s.beat(1, &[2, 3]);
    s.wipe(3);
    s.settle(&[2, 3]);
    change(&mut s, Reconfigure::Leave(NodeId(3)), &[2, 3]);
    change(&mut s, Reconfigure::Join(NodeId(3)), &[2, 3]);
    s.restart(2);
    s.elect(2, &[3]);
    assert!(s.leads(2), "node 3's vote counts again");
    s.wipe(3);
    s.settle(&[2, 3]);
    s.elect(2, &[3]);
    s.restart(2);
    s.elect(2, &[3]);
    assert!(!s.leads(2), "and is lost with its new disk");
    assert_eq!(s.breach, None);
}

/// It has forgotten that it voted in a later term, and would confirm a leader that is deposed.
#[test]
fn what_an_amnesiac_holds_does_not_count() {
    let settings = [EAGER, &[("identity", "register")]].concat();
    let mut s = Script::new(3, 0, &settings, None);
    s.settle(&[1, 2, 3]);
    s.elect(1, &[2, 3]);
    s.beat(1, &[2, 3]);
    s.beat(1, &[2, 3]);
    let before = s.raft(1).commit();
    s.elect(2, &[3]);
    assert!(s.leads(2));
    s.wipe(3);
    s.settle(&[1, 3]);
    let id = s.write(1, 7);
    for _ in 0..4 {
        s.beat(1, &[3]);
    }
    assert!(s.leads(1), "it has not heard");
    assert_eq!(s.raft(3).log().last(), s.raft(1).log().last());
    assert_eq!(s.raft(1).commit(), before);
    assert!(!s.answers.contains_key(&id));
    s.beat(2, &[1, 3]);
    assert_eq!(s.breach, None);
}

/// As an amnesiac does not vote, the rest of the old configuration is no majority of it, and none of the new one's has
/// a log as new as that of the node which left.
#[test]
fn a_node_that_left_campaigns_until_its_leaving_is_committed() {
    let settings = [EAGER, &[("identity", "register")]].concat();
    let mut s = Script::new(4, 0, &settings, None);
    s.settle(&[1, 2, 3, 4]);
    s.elect(1, &[2, 3]);
    s.beat(1, &[2, 3, 4]);
    s.reconfigure(1, Reconfigure::Leave(NodeId(1)));
    s.lose();
    s.wipe(4);
    s.settle(&[1, 2, 3, 4]);
    s.restart(1);
    s.elect(2, &[1, 3, 4]);
    assert!(!s.leads(2), "node 1 has a newer log");
    s.elect(1, &[2, 3, 4]);
    for _ in 0..3 {
        s.beat(1, &[2, 3, 4]);
    }
    s.settle(&[1, 2, 3, 4]);
    let voters: Vec<u16> = s.raft(2).status().voters.iter().map(|node| node.0).collect();
    assert_eq!(voters, [2, 3, 4]);
    assert_eq!(s.raft(1).status().role, Role::Outsider);
    assert!(s.leads(2) || s.leads(3), "it led only until it had left");
    assert_eq!(s.breach, None);
    s.elect(1, &[2, 3, 4]);
    assert!(!s.leads(1), "nor does it campaign any more");
}

#[test]
fn a_learner_that_does_not_catch_up_is_given_up_and_blocks_nobody() {
    let mut s = Script::new(3, 1, EAGER, None);
    s.elect(1, &[2, 3]);
    s.beat(1, &[2, 3]);
    let join = s.reconfigure(1, Reconfigure::Join(NodeId(4)));
    s.beat(1, &[2, 3]);
    s.pass(6_000, &[]);
    s.tick(1, Timer::Sweep);
    assert!(matches!(s.answers[&join].result, Err(Failure::Indefinite { .. })));
    change(&mut s, Reconfigure::Leave(NodeId(4)), &[2, 3]);
}
