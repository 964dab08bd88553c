//! The verdict as text: on a terminal, and for a CI system.

mod samples;

use perjury_nemesis::{Crash, Node, Resolved};
use perjury_results::{MutantSeen, RunOutcome, SystemFailure, console, github, junit, trace};
use perjury_runner::FaultRecord;
use samples::{Sample, run};

fn lying() -> Sample {
    Sample {
        operations: 3_000,
        lie: true,
        ..Sample::default()
    }
}

#[test]
fn a_violation_is_understood_without_colour() {
    let text = console::summary(&run(&lying()), None, false);
    assert!(!text.contains('\u{1b}'));
    for part in [
        "✗ INVALID",
        "✗ invalid linearizability",
        "It was n",
        "exit      1: a violation is proven",
        "again     perjury test",
        "partition",
    ] {
        assert!(text.contains(part), "{part:?} is missing from\n{text}");
    }
    assert!(
        text.trim_end().ends_with("--mutant raft/read-local-at-leader"),
        "{text}"
    );
    assert!(console::summary(&run(&lying()), None, true).contains('\u{1b}'));
}

#[test]
fn what_a_system_says_cannot_control_the_terminal() {
    let mut evidence = run(&lying());
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.findings[0].sentence = "\u{1b}[2J\u{7}\u{202e}gone\r\nValid".to_owned();
    verdict.findings[0].witnesses[0].story = vec!["\u{1b}]0;owned\u{7}".to_owned()];
    let text = console::summary(&evidence, None, false);
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{text:?}");
}

/// How often each kind of result stands in a JUnit file.
fn counts(xml: &str) -> [usize; 3] {
    ["<failure", "<error", "<skipped"].map(|tag| xml.matches(tag).count())
}

#[test]
fn a_ci_system_tells_a_violation_from_what_proves_nothing() {
    assert_eq!(
        counts(&junit::render(&run(&Sample {
            operations: 500,
            ..Sample::default()
        }))),
        [0, 0, 0]
    );

    let invalid = junit::render(&run(&lying()));
    assert_eq!(counts(&invalid), [1, 0, 0], "{invalid}");
    assert!(
        invalid.contains("name=\"seed\"") && invalid.contains("name=\"command\""),
        "{invalid}"
    );

    let mut evidence = run(&Sample {
        operations: 500,
        ..Sample::default()
    });
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.outcome = RunOutcome::Unknown;
    verdict.coverage.missing = vec!["no read succeeded".to_owned()];
    assert_eq!(counts(&junit::render(&evidence)), [0, 1, 0]);

    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.outcome = RunOutcome::HarnessFailed;
    verdict.troubles = vec!["a fault could not be healed".to_owned()];
    assert_eq!(counts(&junit::render(&evidence)), [0, 2, 0]);

    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.system_failures = vec![SystemFailure {
        at: 7,
        node: None,
        reason: "\u{0}<died> ]]> \u{1b}".to_owned(),
    }];
    let xml = junit::render(&evidence);
    assert_eq!(counts(&xml), [1, 2, 0]);
    assert!(!xml.contains(['\u{0}', '\u{1b}']) && !xml.contains("<died>"));

    evidence.verdict = None;
    assert_eq!(counts(&junit::render(&evidence)), [0, 1, 0]);

    let mut nothing = run(&Sample {
        operations: 0,
        ..Sample::default()
    });
    nothing.verdict.as_mut().expect("a verdict").findings.clear();
    assert_eq!(counts(&junit::render(&nothing)), [0, 0, 1]);
}

#[test]
fn a_job_summary_says_what_lied_and_lets_nothing_out_of_its_cell() {
    let mut evidence = run(&lying());
    let text = github::summary(&evidence);
    for part in [
        "### ✗ INVALID",
        "| linearizability | ✗ invalid |",
        "\n    perjury test",
        "It was n",
    ] {
        assert!(text.contains(part), "{part:?} is missing from\n{text}");
    }
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.findings[0].sentence = "| <img src=x> [a](b) @everyone\n### heading `code`".to_owned();
    verdict.findings[0].witnesses[0].story = vec!["</details><script>".to_owned(); 3];
    let text = github::summary(&evidence);
    assert!(
        !text.contains("<img") && !text.contains("<script") && !text.contains("@everyone"),
        "{text}"
    );
    assert!(
        !text.contains("\n### heading") && text.contains("\\| &lt;img"),
        "{text}"
    );
}

#[test]
fn how_many_witnesses_are_kept_is_not_taken_for_how_many_violations_there_are() {
    let mut evidence = run(&lying());
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    let finding = &mut verdict.findings[0];
    finding.sentence = "13 of 57 keys are not linearizable.".to_owned();
    finding.witnesses = vec![finding.witnesses[0].clone(); 3];

    for text in [
        github::summary(&evidence),
        console::summary(&evidence, None, false),
    ] {
        assert!(text.contains("2 more witnesses are kept"), "{text}");
        assert!(!text.contains("2 more violations"), "{text}");
    }
    evidence.verdict.as_mut().expect("a verdict").findings[0]
        .witnesses
        .truncate(2);
    assert!(github::summary(&evidence).contains("1 more witness is kept"));
}

#[test]
fn a_fault_is_called_by_its_kind_once_and_cut_where_a_part_of_it_ends() {
    let mut evidence = run(&lying());
    let cut = evidence.faults[0].clone();
    let everywhere = |fault: Resolved, kind: &str, description: String| FaultRecord {
        fault,
        kind: kind.to_owned(),
        description,
        injected_at: Some(0),
        healed_at: None,
        ..cut.clone()
    };
    let kill = Resolved::Kill {
        nodes: [Node(5)].into(),
        crash: Crash::Kill,
    };
    evidence.faults = vec![
        everywhere(kill, "kill", "kill n5".to_owned()),
        everywhere(cut.fault.clone(), "partition", "n1 hears {n1,n2}; ".repeat(50)),
    ];

    let text = console::summary(&evidence, None, false);

    assert!(
        text.contains("broken then: kill n5 and partition n1 hears {n1,n2}; n1"),
        "{text}"
    );
    assert!(text.contains("n1 hears {n1,n2}; …\n"), "{text}");
}

#[test]
fn a_headline_begins_with_a_capital_letter_unless_a_node_stands_there() {
    let mut evidence = run(&Sample {
        operations: 300,
        ..Sample::default()
    });
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.outcome = RunOutcome::Invalid;
    for (reason, headline) in [
        (
            "not serving after everything was healed",
            "✗ INVALID  Not serving after everything was healed.\n",
        ),
        (
            "n3 (stopped) lost its log",
            "✗ INVALID  n3 (stopped) lost its log.\n",
        ),
    ] {
        evidence.verdict.as_mut().expect("a verdict").system_failures = vec![SystemFailure {
            at: 7,
            node: None,
            reason: reason.to_owned(),
        }];
        let text = console::summary(&evidence, None, false);
        assert!(text.starts_with(headline), "{text}");
    }
}

#[test]
fn a_mutant_that_was_reached_once_was_reached_one_time() {
    let mut evidence = run(&lying());
    evidence.verdict.as_mut().expect("a verdict").mutant = Some(MutantSeen {
        reached: 1,
        differed: 2_000,
    });
    let text = console::summary(&evidence, None, false);
    assert!(text.contains("reached 1 time, differed 2,000 times"), "{text}");
}

#[test]
fn annotations_stay_on_their_line_and_say_how_to_run_it_again() {
    let mut evidence = run(&lying());
    evidence.test.name = "a,b:c%\n::error::no".to_owned();
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.findings[0].sentence = "It lied\r\n::warning::100 % sure".to_owned();
    verdict.troubles = (0..20).map(|number| format!("trouble {number}")).collect();

    let told = github::annotations(&evidence);

    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 10, "{told}");
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("::error title=a%2Cb%3Ac%25")),
        "{told}"
    );
    assert!(
        lines.iter().all(|line| line.contains("%0AAgain: perjury test")),
        "{told}"
    );
    assert!(!told.contains('\r'), "{told:?}");
}

#[test]
fn a_clean_pass_annotates_nothing_and_an_open_question_warns() {
    let mut evidence = run(&Sample {
        operations: 300,
        ..Sample::default()
    });
    assert_eq!(github::annotations(&evidence), "");
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.findings[0].verdict = perjury_checker::Verdict::Unknown;
    assert!(github::annotations(&evidence).starts_with("::warning title="));
    evidence.verdict = None;
    assert!(github::annotations(&evidence).starts_with("::error title="));
}

#[test]
fn a_trace_has_every_operation_and_fault_within_the_run() {
    let evidence = run(&lying());
    let mut out = Vec::new();
    trace::write(&evidence, &mut out).expect("it is written");

    let events: Vec<serde_json::Value> = serde_json::from_slice(&out).expect("it is JSON");

    let events_of = |group: &str, phase: &str| {
        let group = events
            .iter()
            .find(|event| event["name"] == "process_name" && event["args"]["name"] == group)
            .expect("it has a name");
        let within = |event: &&serde_json::Value| event["ph"] == phase && event["pid"] == group["pid"];
        events.iter().filter(within).count()
    };
    assert_eq!(events_of("clients", "X"), evidence.history.operations.len());
    // Faults overlap, so each has a beginning and an end of its own.
    assert_eq!(events_of("faults", "b"), evidence.faults.len());
    assert_eq!(events_of("faults", "e"), evidence.faults.len());
    assert!(events_of("nodes", "X") >= usize::from(evidence.test.nodes));
    let end = evidence.end() as f64 / 1e3 + 1.0;
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let from = event["ts"].as_f64().expect("a time");
        let lasts = event["dur"].as_f64().expect("a duration");
        assert!(from >= 0.0 && lasts >= 0.0 && from + lasts <= end, "{event}");
    }
}

#[test]
fn a_long_sentence_is_said_once() {
    for evidence in [run(&lying()), samples::invariant_broken()] {
        let verdict = evidence.verdict.as_ref().expect("a verdict");
        let finding = verdict.violation().expect("a violation");
        let text = console::summary(&evidence, None, false);
        assert_eq!(text.matches(&finding.sentence).count(), 1, "{text}");
        let last = finding.witnesses[0].story.last().expect("a story");
        assert_eq!(text.matches(last).count(), 1, "{text}");
    }
}

#[test]
fn a_broken_invariant_is_told_by_the_nodes_traces() {
    let evidence = samples::invariant_broken();
    let trace = "3.214 s  n4: BecameLeader { term: 4 }";
    let text = console::summary(&evidence, None, false);
    assert!(
        text.contains("✗ invalid protocol invariants: proven by what the nodes did and wrote down"),
        "{text}"
    );
    assert!(text.contains(trace), "{text}");
    let xml = junit::render(&evidence);
    assert_eq!(counts(&xml), [1, 0, 0]);
    assert!(xml.contains(trace), "{xml}");
    assert!(github::summary(&evidence).contains("BecameLeader"));
}

#[test]
fn what_stands_above_is_not_repeated_below() {
    let mut evidence = run(&Sample {
        operations: 500,
        ..Sample::default()
    });
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.outcome = RunOutcome::HarnessFailed;
    verdict.troubles = vec!["the first trouble".to_owned(), "the second trouble".to_owned()];
    verdict.coverage.missing = vec!["too few reads".to_owned()];
    let text = console::summary(&evidence, None, false);
    for once in ["the first trouble", "the second trouble", "too few reads"] {
        assert_eq!(text.matches(once).count(), 1, "{once}: {text}");
    }
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.outcome = RunOutcome::Unknown;
    verdict.troubles.clear();
    assert_eq!(
        console::summary(&evidence, None, false)
            .matches("too few reads")
            .count(),
        1
    );
}
