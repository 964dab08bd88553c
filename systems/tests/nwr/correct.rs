//! Correct clusters raise no alarm, come to rest, and serve; planted bugs are found.

use perjury_systems::api::{Command, MicroOp, Reconfigure, Value};
use perjury_systems::nwr::MUTANTS;
use perjury_systems::{Failure, NodeId};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::bed::Bed;

const MS: u64 = 1_000;

/// What happens besides requests.
#[derive(Clone, Copy)]
struct Chaos {
    kills: bool,
    cuts: bool,
    members: bool,
    wipes: bool,
    set: bool,
}

/// Plays a run; says how many requests succeeded.
fn play(bed: &mut Bed, nodes: u16, chaos: Chaos, seed: u64) -> usize {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xbed);
    let any = |rng: &mut ChaCha8Rng| NodeId(rng.random_range(1..=nodes));
    bed.run(100 * MS);
    bed.loss_percent = 3;
    let (mut down, mut away, mut wiped) = (None, None, false);
    for turn in 0..500i64 {
        let node = any(&mut rng);
        let key = ["x", "y", "z"][rng.random_range(0..3)].into();
        let command = match rng.random_range(0..10) {
            0..5 => Command::Read { key },
            5 if !chaos.set => Command::Delete { key },
            _ if chaos.set => Command::Txn(vec![MicroOp::Append {
                key,
                value: Value::Int(turn),
            }]),
            _ => Command::Write {
                key,
                value: Value::Int(turn),
            },
        };
        if bed.is_up(node) {
            bed.invoke(node, command);
        }
        bed.run(rng.random_range(MS..8 * MS));
        if chaos.kills && rng.random_range(0..40) == 0 {
            match down.take() {
                Some(node) => bed.boot(node),
                None => {
                    let node = any(&mut rng);
                    let wipe = chaos.wipes && !wiped && rng.random_range(0..4) == 0;
                    wiped |= wipe;
                    bed.kill(node, wipe);
                    down = Some(node);
                }
            }
        }
        if chaos.cuts && rng.random_range(0..30) == 0 {
            bed.cut.clear();
            let (one, other) = (any(&mut rng), any(&mut rng));
            for third in 1..=nodes {
                bed.cut.push((one, NodeId(third)));
                bed.cut.push((NodeId(third), other));
            }
        }
        if chaos.members && rng.random_range(0..60) == 0 && bed.is_up(NodeId(1)) {
            let change = match away.take() {
                Some(node) => Reconfigure::Join(node),
                None => {
                    let node = any(&mut rng);
                    away = Some(node);
                    Reconfigure::Leave(node)
                }
            };
            bed.invoke(NodeId(1), Command::Reconfigure(change));
        }
        if bed.breach.is_some() {
            break;
        }
    }
    bed.cut.clear();
    bed.loss_percent = 0;
    down.into_iter().for_each(|node| bed.boot(node));
    bed.answers
        .values()
        .filter(|answer| answer.result.is_ok())
        .count()
}

const ALL: Chaos = Chaos {
    kills: true,
    cuts: true,
    members: false,
    wipes: false,
    set: false,
};

fn correct(nodes: u16, settings: &[(&str, &str)], chaos: Chaos, seeds: u64) {
    for seed in 0..seeds {
        let mut bed = Bed::new(nodes, settings, None, seed);
        let succeeded = play(&mut bed, nodes, chaos, seed);
        assert_eq!(bed.breach, None, "seed {seed}, {settings:?}");
        assert!(succeeded > 100, "seed {seed}: {succeeded} requests succeeded");
        bed.run(15_000 * MS);
        let views: Vec<_> = (1..=nodes)
            .map(|node| {
                (
                    bed.replica(NodeId(node)).view().clone(),
                    bed.replica(NodeId(node)).is_ready(),
                )
            })
            .collect();
        assert_eq!(bed.settled(), Ok(()), "seed {seed}, {settings:?}: {views:?}");
        assert_eq!(bed.breach, None, "seed {seed}, {settings:?}");
        assert!(
            (1..=nodes).all(|node| bed.replica(NodeId(node)).hints() == 0),
            "seed {seed}"
        );
        let id = bed.invoke(NodeId(nodes), Command::Read { key: "x".into() });
        bed.run(100 * MS);
        assert!(
            bed.answers[&id].result.is_ok(),
            "seed {seed}: {:?}",
            bed.answers[&id]
        );
    }
}

#[test]
fn quorums_hold_while_nodes_are_killed_and_cut_off() {
    correct(3, &[], ALL, 6);
    correct(5, &[("reads", "abd"), ("snapshot-every", "50")], ALL, 6);
    correct(
        5,
        &[("n", "5"), ("w", "3"), ("r", "3"), ("token-bits", "6")],
        ALL,
        4,
    );
}

#[test]
fn quorums_hold_while_the_ring_changes_and_a_disk_is_lost() {
    let chaos = Chaos { members: true, ..ALL };
    correct(5, &[], chaos, 8);
    correct(6, &[("reads", "abd"), ("virtual-nodes", "2")], chaos, 6);
    correct(5, &[("snapshot-every", "50")], Chaos { wipes: true, ..chaos }, 8);
}

#[test]
fn sets_of_siblings_lose_nothing() {
    correct(5, &[("versions", "vector")], Chaos { set: true, ..ALL }, 6);
}

#[test]
fn a_write_that_too_few_replicas_stored_is_an_unknown_outcome() {
    let mut bed = Bed::new(3, &[("request-timeout-ms", "200")], None, 1);
    bed.run(100 * MS);
    let write = || Command::Write {
        key: "x".into(),
        value: Value::Int(1),
    };
    let id = bed.invoke(NodeId(1), write());
    bed.run(2 * MS);
    for other in [2, 3] {
        bed.cut.push((NodeId(1), NodeId(other)));
    }
    bed.run(400 * MS);
    let early = bed.answers.get(&id).map(|answer| answer.result.clone());
    let late = bed.invoke(NodeId(1), write());
    bed.run(400 * MS);
    let refused = &bed.answers[&late].result;
    assert!(
        matches!(refused, Err(Failure::Unavailable { .. })),
        "nothing was stored: {refused:?}"
    );
    assert!(early.is_some_and(|early| !matches!(early, Err(Failure::Unavailable { .. }))));
}

#[test]
fn most_planted_bugs_are_found_by_what_must_always_hold() {
    let mut missed = Vec::new();
    for mutant in MUTANTS.iter().filter(|mutant| mutant.core) {
        let settings: Vec<(&str, &str)> = mutant.given().collect();
        let chaos = Chaos {
            members: mutant.nemesis.contains("membership"),
            wipes: false,
            set: mutant.workload == "set",
            ..ALL
        };
        let found = (0..12).find(|seed| {
            let mut bed = Bed::new(5, &settings, Some(mutant.name), *seed);
            play(&mut bed, 5, chaos, *seed);
            bed.breach.is_some()
        });
        println!("{} {found:?}", mutant.name);
        if found.is_none() {
            missed.push(mutant.name);
        }
    }
    // Clients alone see these: clocks that are bent, a failure that was none.
    missed.retain(|name| !["nwr/local-clock-tags", "nwr/partial-write-reported-fail"].contains(name));
    assert!(missed.len() <= 3, "{missed:?}");
}
