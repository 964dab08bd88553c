//! The simplest things, in fair weather.

use std::collections::BTreeMap;

use perjury_systems::api::{Command, Reply, Response, Value};
use perjury_systems::raft::{Raft, Trace};
use perjury_systems::{Cluster, Lsn, NodeId, RequestId};

use crate::bed::{Bed, MS, Nanos, Watch, Weather};

#[derive(Default)]
pub struct Answers(pub BTreeMap<RequestId, Response>);

impl Watch for Answers {
    fn booted(&mut self, _: NodeId, _: &Raft, _: Nanos) {}
    fn crashed(&mut self, _: NodeId) {}
    fn stepped(&mut self, _: NodeId, _: &Raft, _: Lsn, _: &[Trace]) -> Result<(), String> {
        Ok(())
    }
    fn answered(&mut self, id: RequestId, response: &Response, _: Nanos) {
        self.0.insert(id, response.clone());
    }
}

pub fn cluster(members: u16, spare: u16, settings: &[(&str, &str)]) -> Cluster {
    Cluster {
        nodes: (1..=members + spare).map(NodeId).collect(),
        members: (1..=members).map(NodeId).collect(),
        settings: settings
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        mutant: None,
    }
}

#[test]
fn a_cluster_elects_a_leader_and_serves_writes_and_reads_at_every_node() {
    for members in 1..=5 {
        let mut bed = Bed::new(cluster(members, 0, &[]), 7, Weather::FAIR, Answers::default());
        bed.run_for(1500 * MS);
        let leader = bed.leader().expect("a leader");
        let write = |value| Command::Write {
            key: "x".into(),
            value: Value::Int(value),
        };
        let written = bed.command(leader.0, write(5));
        bed.run_for(50 * MS);
        let answer = bed.watch.0[&written].result.clone().expect("written");
        for node in 1..=members {
            let read = bed.command(node, Command::Read { key: "x".into() });
            bed.run_for(50 * MS);
            let expected = Reply {
                value: Value::Int(5),
                version: answer.version,
            };
            assert_eq!(
                bed.watch.0[&read].result,
                Ok(expected),
                "{members} members, read at n{node}"
            );
        }
    }
}

#[test]
fn what_was_acknowledged_survives_a_crash_of_everybody() {
    let mut bed = Bed::new(
        cluster(3, 0, &[("snapshot-every", "5"), ("snapshot-keep", "0")]),
        3,
        Weather::FAIR,
        Answers::default(),
    );
    bed.run_for(1500 * MS);
    for value in 0..23 {
        let leader = bed.leader().expect("a leader");
        let id = bed.command(
            leader.0,
            Command::Write {
                key: "x".into(),
                value: Value::Int(value),
            },
        );
        bed.run_for(50 * MS);
        assert!(bed.watch.0[&id].result.is_ok(), "{:?}", bed.watch.0[&id]);
    }
    for id in bed.ids() {
        bed.crash_keeping(id, 0);
    }
    for id in bed.ids() {
        bed.start(id);
    }
    bed.run_for(1500 * MS);
    let leader = bed.leader().expect("a leader");
    let read = bed.command(leader.0, Command::Read { key: "x".into() });
    bed.run_for(50 * MS);
    let read = bed.watch.0[&read].result.clone().expect("read");
    assert_eq!(read.value, Value::Int(22));
}
