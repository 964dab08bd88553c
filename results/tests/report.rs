//! Reports of runs of every kind, and what must never stand in one.

mod samples;

use std::path::PathBuf;

use perjury_checker::Verdict;
use perjury_results::{Evidence, report};
use samples::{Sample, run};

/// Writes a report where a person can look at it, and returns it.
fn written(name: &str, evidence: &Evidence) -> String {
    let page = report::render(evidence).expect("the template renders");
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.html"));
    std::fs::write(&path, &page).expect("the report is written");
    page
}

#[test]
fn a_stale_read_is_told_drawn_and_linked() {
    let evidence = run(&Sample { lie: true, ..Sample::default() });
    let verdict = evidence.verdict.as_ref().expect("a verdict");
    assert_eq!(verdict.verdict(), Verdict::Invalid);
    let page = written("invalid", &evidence);
    let culprit = verdict.findings[0].witnesses[0].culprit.expect("a culprit");
    assert!(page.contains("▼ lied"));
    assert!(page.contains(&format!("id=\"op-{culprit}\"")));
    assert!(page.contains(&format!("href=\"#op-{culprit}\"")));
    assert!(page.contains("perjury test --system raft"));
}

#[test]
fn a_valid_run_says_what_was_covered() {
    let page = written("valid", &run(&Sample::default()));
    assert!(page.contains("nothing that clients saw contradicts linearizability"));
}
