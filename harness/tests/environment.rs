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
    assert_eq!(closed.tally.unknown + closed.tally.unavailable, 0, "{:?}", closed.tally);
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("a directory").flatten().collect();
    assert_eq!(left.len(), 1, "only the logs stay: {left:?}");
}
