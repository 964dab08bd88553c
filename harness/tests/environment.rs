//! Real processes, driven as a test drives them.

mod support;

use support::{Closed, Todo, config, run};

#[test]
fn a_cluster_serves_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut closed = Closed::new(4, 1, vec![(1000, Todo::Finish)]);
    let summary = run(config("memory", 1, folder.path()), &mut closed);
    eprintln!("{:?} {summary:?}", closed.tally);
    assert!(closed.tally.ok > 100, "{:?}", closed.tally);
    assert_eq!(
        closed.tally.unknown + closed.tally.unavailable,
        0,
        "{:?}",
        closed.tally
    );
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("a directory")
        .flatten()
        .collect();
    assert_eq!(left.len(), 1, "only the logs stay: {left:?}");
}

fn links(from: &[u16], to: &[u16]) -> std::collections::BTreeSet<perjury_nemesis::Link> {
    use perjury_nemesis::{Link, Node};
    from.iter()
        .flat_map(|a| to.iter().map(move |b| (*a, *b)))
        .filter(|(a, b)| a != b)
        .map(|(a, b)| Link {
            from: Node(a),
            to: Node(b),
        })
        .collect()
}

#[test]
fn every_fault_bites_and_heals() {
    use perjury_nemesis::{Bend, Crash, Node, Packets, Resolved};
    let folder = tempfile::tempdir().expect("a directory");
    let some = |nodes: &[u16]| nodes.iter().map(|node| Node(*node)).collect();
    let packets = Packets {
        delay_ms: 5,
        loss_percent: 10,
        duplicate_percent: 10,
        reorder_percent: 10,
    };
    let faults = [
        Resolved::Cut {
            links: links(&[1], &[2, 3]),
        },
        Resolved::Packets {
            links: links(&[1, 2, 3], &[1, 2, 3]),
            packets,
        },
        Resolved::Pause { nodes: some(&[2]) },
        Resolved::Clock {
            nodes: some(&[1, 3]),
            bend: Bend::Jump { offset_ms: -5000 },
        },
        Resolved::Clock {
            nodes: some(&[1]),
            bend: Bend::Drift { rate_ppm: 300_000 },
        },
        Resolved::Clock {
            nodes: some(&[2]),
            bend: Bend::Strobe {
                offset_ms: 2000,
                every_ms: 150,
            },
        },
        Resolved::Kill {
            nodes: some(&[1]),
            crash: Crash::Kill,
        },
        Resolved::Kill {
            nodes: some(&[1, 2, 3]),
            crash: Crash::LoseUnsynced,
        },
        Resolved::Kill {
            nodes: some(&[1, 2, 3]),
            crash: Crash::TornWrite,
        },
        Resolved::Leave { nodes: some(&[3]) },
        Resolved::Leave { nodes: some(&[1]) },
        Resolved::Leave { nodes: some(&[2]) },
    ];
    let mut todo = Vec::new();
    for (id, fault) in faults.iter().enumerate() {
        let at = 1000 + id as u64 * 2000;
        todo.push((at, Todo::Inject(id as u32, fault.clone())));
        todo.push((at + 1000, Todo::Heal(id as u32)));
    }
    todo.push((1000 + faults.len() as u64 * 2000 + 12000, Todo::Finish));
    let mut closed = Closed::new(6, 3, todo);
    closed.timeout_ms = 500;
    let summary = run(config("raft", 3, folder.path()), &mut closed);
    let tally = &closed.tally;
    for (id, result) in tally.injected.iter().chain(&tally.healed) {
        eprintln!("{id} {:?}: {result:?}", faults[*id as usize]);
    }
    eprintln!(
        "{summary:?} {} ok {} failed {} unavailable {} unknown",
        tally.ok, tally.failed, tally.unavailable, tally.unknown
    );
    eprintln!("{:?}", tally.inputs);
    assert_eq!(tally.died, []);
    assert_eq!(tally.healed.len(), faults.len());
    for (id, result) in &tally.healed {
        assert!(
            result.as_ref().is_ok_and(|bite| bite.bit),
            "{:?}: {result:?}",
            faults[*id as usize]
        );
    }
}
