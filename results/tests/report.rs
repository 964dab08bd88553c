//! Reports of runs of every kind, and what must never stand in one.

mod samples;

use std::path::PathBuf;

use perjury_checker::verdict::{Order, Placed, Stuck};
use perjury_checker::{Function, Operation, Value, Verdict};
use perjury_nemesis::{Bend, Node, Resolved};
use perjury_results::{
    DecisiveRecord, Evidence, INVARIANTS, LikelihoodRecord, MomentRecord, RunOutcome, SCHEMA, Traffic, report,
};
use perjury_runner::{Fate, FaultRecord, Message};
use samples::{SECOND, Sample, run};

/// Writes a report where a person can look at it, and returns it.
fn written(name: &str, evidence: &Evidence) -> String {
    let page = report::render(evidence).expect("the template renders");
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.html"));
    std::fs::write(&path, &page).expect("the report is written");
    page
}

#[test]
fn a_stale_read_is_told_drawn_and_linked() {
    let evidence = run(&Sample {
        lie: true,
        ..Sample::default()
    });
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
fn a_story_links_who_leads_to_its_own_words_and_what_was_read_to_who_wrote_it() {
    let mut evidence = run(&Sample {
        lie: true,
        ..Sample::default()
    });
    let witness = &evidence.verdict.as_ref().expect("a verdict").findings[0].witnesses[0];
    let culprit = witness.culprit.expect("a culprit");
    let lie = witness
        .operations
        .iter()
        .find(|one| one.id == culprit)
        .expect("it is there");
    let wrote = witness.operations.iter().find(|one| match &one.argument {
        Value::List(pair) => pair.get(1) == Some(&lie.completion.value),
        value => *value == lie.completion.value,
    });
    let wrote = wrote
        .unwrap_or_else(|| panic!("nobody wrote it: {:?}", witness.operations))
        .id;
    let at = lie.invoked.time;
    let (leader, _) = evidence.leader_at(at).expect("somebody leads");
    let since = evidence
        .views()
        .filter(|(from, view)| *from <= at && view.leader.is_some_and(|(node, _)| node == leader))
        .map(|(from, _)| from)
        .last()
        .expect("it began");
    let stamp = evidence.test.started_at + std::time::Duration::from_nanos(since + 1_000_000);
    let log = evidence
        .logs
        .iter_mut()
        .find(|log| log.node == leader.to_string())
        .expect("a log");
    log.lines = vec![format!("{stamp} begins to lead")];
    let line = log.lines[0].clone();

    let page = written("linked", &evidence);

    let row = page
        .lines()
        .find(|row| row.contains(&line))
        .expect("the line is on the page");
    let id = row
        .split("id=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("it has an id");
    assert!(id.starts_with("log-"), "{row}");
    assert!(page.contains(&format!("data-goto=\"{id}\">{leader}</a> leads, in term")));
    assert!(page.contains(&format!(
        "it was told <a href=\"#op-{wrote}\" data-goto=\"op-{wrote}\">"
    )));
}

#[test]
fn a_log_shows_how_far_the_clock_was_off() {
    let mut evidence = run(&Sample {
        operations: 300,
        ..Sample::default()
    });
    let started = evidence.test.started_at;
    let line = |seconds: u64| format!("{} a line", started + std::time::Duration::from_secs(seconds));
    evidence.logs[1].lines = vec![line(1), line(3), line(5), line(8)];
    let bend = |bend: Bend, from: u64, to: u64| FaultRecord {
        fault: Resolved::Clock {
            nodes: [Node(2)].into(),
            bend,
        },
        kind: "clock".to_owned(),
        injected_at: Some(from * SECOND),
        healed_at: Some(to * SECOND),
        ..evidence.faults[0].clone()
    };
    let bends = [
        bend(Bend::Jump { offset_ms: -1_500 }, 2, 4),
        bend(Bend::Drift { rate_ppm: 50_000 }, 4, 6),
    ];
    assert!(!written("right-clocks", &evidence).contains("its clock"));
    evidence.faults.extend(bends);

    let page = written("skewed", &evidence);

    let row = |seconds: u64| {
        let line = line(seconds);
        page.lines()
            .find(|row| row.contains(&line))
            .expect("the line is on the page")
    };
    assert!(page.contains("its clock"));
    assert!(row(3).contains("-1500 ms"), "{}", row(3));
    assert!(row(5).contains("+50.0 ms, 5.0 % fast"), "{}", row(5));
    assert!(row(8).contains("<td class=\"number\"></td>"), "{}", row(8));
}

#[test]
fn a_valid_run_says_what_was_covered() {
    let page = written("valid", &run(&Sample::default()));
    assert!(page.contains("nothing that clients saw contradicts linearizability"));
}

#[test]
fn an_undecided_run_says_what_is_missing() {
    let mut evidence = run(&Sample {
        operations: 300,
        ..Sample::default()
    });
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.outcome = RunOutcome::Unknown;
    verdict.exit_code = 2;
    verdict.findings[0].verdict = Verdict::Unknown;
    verdict.findings[0].sentence =
        "The search of key x was not decided: the limit of 50000000 configurations was reached.".to_owned();
    verdict.coverage.missing =
        vec!["Only 3 reads succeeded while a partition was active; 10 are needed.".to_owned()];
    let page = written("unknown", &evidence);
    assert!(page.contains("Only 3 reads succeeded while a partition was active"));
}

#[test]
fn trouble_in_the_harness_stands_first() {
    let mut evidence = run(&Sample {
        operations: 500,
        ..Sample::default()
    });
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.outcome = RunOutcome::HarnessFailed;
    verdict.exit_code = 255;
    verdict.troubles = vec!["fault 3 could not be healed: the proxy of n1 → n4 does not answer".to_owned()];
    let page = written("harness", &evidence);
    let body = &page[page.find("<tbody>").expect("a table")..];
    let trouble = body.find("the proxy of n1").expect("the trouble");
    assert!(trouble < body.find("linearizability").expect("the property"));
}

#[test]
fn a_run_that_was_killed_has_a_report_without_a_verdict() {
    let mut evidence = run(&Sample {
        operations: 500,
        ..Sample::default()
    });
    evidence.verdict = None;
    evidence.history_problem = Some("line 812 is torn: its writer was killed".to_owned());
    let page = written("killed", &evidence);
    assert!(page.contains("The control node died before it came to a verdict"));
    assert!(page.contains("line 812 is torn"));
}

#[test]
fn an_empty_history_has_a_report() {
    let mut evidence = run(&Sample {
        operations: 0,
        partitions: false,
        ..Sample::default()
    });
    evidence.notices.clear();
    evidence.logs.clear();
    written("empty", &evidence);
}

/// What somebody could write into a system under test to take over the page of whoever looks at its report.
const HOSTILE: [&str; 6] = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "<!--<script>",
    "{{ 7 * 7 }}",
    "\u{2028}\u{202e}\u{0}\u{1b}[31m",
];

#[test]
fn hostile_values_are_text() {
    let mut evidence = run(&Sample {
        lie: true,
        ..Sample::default()
    });
    let hostile = |position: usize| HOSTILE[position % HOSTILE.len()];
    let taint = |operation: &mut Operation| {
        let text = hostile(operation.id);
        operation.key = Some(text.into());
        operation.argument = Value::from(text);
        operation.completion.value = Value::from(vec![Value::from(text)]);
        operation.completion.error = Some(text.into());
        operation.completion.node = Some(text.into());
        operation.f = Function::Other(text.into());
    };
    evidence.history.operations.iter_mut().for_each(taint);
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    for finding in &mut verdict.findings {
        finding.property = hostile(0).to_owned();
        finding.sentence = hostile(1).to_owned();
        finding.method = hostile(2).to_owned();
        for witness in &mut finding.witnesses {
            witness.operations.iter_mut().for_each(taint);
            witness.key = Some(hostile(0).into());
            witness.story = HOSTILE.map(str::to_owned).to_vec();
            witness.orders = vec![Order {
                start: Some(Value::from(hostile(2))),
                steps: vec![Placed {
                    operation: witness.operations[0].id,
                    state: Value::from(hostile(1)),
                }],
                stuck: vec![Stuck {
                    operation: witness.operations[1].id,
                    reason: hostile(0).to_owned(),
                }],
            }];
        }
    }
    verdict.troubles = HOSTILE.map(str::to_owned).to_vec();
    verdict.coverage.missing = HOSTILE.map(str::to_owned).to_vec();
    for text in HOSTILE {
        verdict.coverage.functions.entry(text.to_owned()).or_default();
        verdict.coverage.during.entry(text.to_owned()).or_default();
        verdict.coverage.faults.entry(text.to_owned()).or_default();
    }
    for (position, fault) in evidence.faults.iter_mut().enumerate() {
        fault.kind = hostile(position).to_owned();
        fault.description = hostile(position + 1).to_owned();
        fault.bite.evidence = hostile(position).to_owned();
    }
    for log in &mut evidence.logs {
        log.node = hostile(1).to_owned();
        log.lines = HOSTILE.map(str::to_owned).to_vec();
    }
    evidence.test.name = hostile(0).to_owned();
    evidence.test.command = hostile(1).to_owned();
    evidence.test.mutant = Some(hostile(2).to_owned());
    evidence
        .test
        .settings
        .insert(hostile(0).to_owned(), hostile(1).to_owned());
    evidence.history_problem = Some(hostile(0).to_owned());
    let page = written("hostile", &evidence);
    for (position, markup) in ["<img", "<svg onload", "<script>alert", "<!--<script>", "{{ 7"]
        .into_iter()
        .enumerate()
    {
        // The template's braces are harmless here, but must come out as they went in.
        let expected = usize::from(markup == "{{ 7") * page.matches("{{ 7").count();
        assert_eq!(page.matches(markup).count(), expected, "{position}: {markup}");
    }
    // The data, the script, and nothing else.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains('\u{0}'));
    assert!(!page.contains('\u{1b}'));
}

#[test]
fn a_megabyte_of_text_is_cut() {
    let mut evidence = run(&Sample {
        operations: 2_000,
        lie: false,
        ..Sample::default()
    });
    let huge = "<".repeat(1 << 20);
    for operation in evidence.history.operations.iter_mut().take(40) {
        operation.argument = Value::from(huge.as_str());
        operation.completion.value = Value::from(huge.as_str());
        operation.completion.error = Some(huge.as_str().into());
    }
    evidence.logs[0].lines = vec![huge.clone(); 10];
    let page = written("huge", &evidence);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
}

#[test]
fn nothing_is_fetched() {
    let page = written(
        "offline",
        &run(&Sample {
            lie: true,
            ..Sample::default()
        }),
    );
    assert!(page.contains("default-src &#39;none&#39;"));
    for reference in [
        "http://",
        "https://",
        " src=",
        "@import",
        "url(",
        "<link",
        "<iframe",
        "fetch(",
        "XMLHttpRequest",
    ] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(!page.contains(" style=\""), "the policy forbids inline styles");
    assert!(!page.contains(" onclick="), "the policy forbids inline handlers");
}

#[test]
fn a_million_operations_fit_into_five_megabytes() {
    let evidence = run(&Sample {
        operations: 1_000_000,
        clients: 40,
        seconds: 60,
        lie: true,
        ..Sample::default()
    });
    assert_eq!(evidence.history.operations.len(), 1_000_000);
    let page = written("million", &evidence);
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert!(page.contains("operations are here one by one"));
}

#[test]
fn the_same_run_gives_the_same_page() {
    let sample = Sample {
        lie: true,
        ..Sample::default()
    };
    assert!(report::render(&run(&sample)).ok() == report::render(&run(&sample)).ok());
}

#[test]
fn a_broken_invariant_is_told_without_an_empty_drawing() {
    let page = written("invariant", &samples::invariant_broken());
    assert!(page.contains("n4: BecameLeader { term: 4 }"));
    assert!(page.contains("<li class=\"breach\">"));
    assert!(!page.contains("0 operations prove it"));
    assert!(!page.contains("id=\"counterexample\""));
    assert!(!page.contains("href=\"#counterexample\""));
}

#[test]
fn how_likely_the_failure_had_become_is_drawn_if_it_was_estimated() {
    let mut evidence = run(&Sample {
        lie: true,
        ..Sample::default()
    });
    assert!(!written("not-estimated", &evidence).contains("id=\"likelihood\""));
    let moment = |seconds, failed| MomentRecord {
        event: seconds * 100,
        at: seconds * SECOND,
        failed,
        branches: 20,
    };
    evidence.likelihood = Some(LikelihoodRecord {
        schema: SCHEMA,
        property: "linearizability".to_owned(),
        moments: vec![moment(1, 1), moment(4, 3), moment(5, 17), moment(9, 20)],
        decisive: Some(DecisiveRecord {
            from: 1,
            to: 2,
            happened: vec!["450 4.500000 n1 <is> cut off".to_owned()],
        }),
    });
    let page = written("likelihood", &evidence);
    assert!(page.contains("in 15 % of the branches at 4.000 s, and in 85 % at 5.000 s"));
    assert!(page.contains("n1 &#60;is&#62; cut off"), "it is text");
    // A damaged place is no reason to draw nothing.
    if let Some(LikelihoodRecord {
        decisive: Some(decisive),
        ..
    }) = &mut evidence.likelihood
    {
        decisive.to = 99;
    }
    assert!(written("likelihood-damaged", &evidence).contains("No moment was decisive"));
}

#[test]
fn further_witnesses_are_folded_away() {
    let mut evidence = run(&Sample {
        lie: true,
        ..Sample::default()
    });
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    let witness = verdict.findings[0].witnesses[0].clone();
    verdict.findings[0].witnesses = vec![witness; 8];
    let page = written("many", &evidence);
    assert!(page.contains("… and 7 more witnesses</summary>"));
    assert_eq!(
        page.matches("<details").count(),
        page.matches("</details>").count()
    );
}

#[test]
fn what_was_observed_of_availability_is_said_with_its_numbers() {
    let page = written("availability", &run(&Sample::default()));
    assert!(page.contains("as observed. During 6 partitions"));
    for head in [
        "read, larger side",
        "Time to recover after each heal",
        "partition {",
        "After a cut, the first success on the larger side took",
    ] {
        assert!(page.contains(head), "{head}");
    }
    assert!(!page.contains("larger side, first success"), "it was not asked");
    let quiet = Sample {
        partitions: false,
        ..Sample::default()
    };
    let page = written("unbroken", &run(&quiet));
    assert!(!page.contains("as observed") && !page.contains("Behind all"));
}

#[test]
fn nothing_is_said_of_availability_if_nobody_asked_those_who_were_cut_off() {
    let mut evidence = run(&Sample::default());
    let operations = &mut evidence.history.operations;
    operations.truncate(operations.partition_point(|operation| operation.invoked.time < SECOND));

    let page = written("nobody-asked", &evidence);

    assert!(
        page.contains("During 6 partitions, nobody asked anybody: nothing was observed of availability.")
    );
    assert!(!page.contains("as observed."));
}

#[test]
fn a_broken_invariant_does_not_break_what_clients_were_promised() {
    let mut evidence = run(&Sample::default());
    let broken = samples::invariant_broken();
    let invariants = broken.verdict.as_ref().expect("a verdict").findings.iter();
    let invariants: Vec<_> = invariants
        .filter(|one| one.property == INVARIANTS)
        .cloned()
        .collect();
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.outcome = RunOutcome::Invalid;
    verdict.findings.extend(invariants);

    let page = written("inside-only", &evidence);

    assert!(!page.contains("what was promised does not hold"));
    assert!(page.contains("as observed. During 6 partitions"));
}

#[test]
fn a_valid_run_does_not_say_that_clients_see_invariants() {
    let mut evidence = run(&Sample::default());
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    let mut invariants = verdict.findings[0].clone();
    invariants.property = INVARIANTS.to_owned();
    verdict.findings.push(invariants);

    let page = written("valid-inside", &evidence);

    assert!(page.contains(
        "nothing that clients saw contradicts linearizability, and no invariant of the protocol was broken."
    ));
}

#[test]
fn a_node_that_is_no_replica_is_shown_as_a_stand_in() {
    let mut evidence = run(&Sample {
        lie: true,
        ..Sample::default()
    });
    let operations = &mut evidence.verdict.as_mut().expect("a verdict").findings[0].witnesses[0].operations;
    for operation in operations {
        if let Some(quorum) = &mut operation.completion.quorum {
            let quorum = std::sync::Arc::make_mut(quorum);
            quorum.of = vec![1, 2, 3];
            quorum.answers = [1, 2, 5].map(|node| (node, quorum.tag)).into();
        }
    }

    let page = written("stand-in", &evidence);

    assert!(page.contains("stood in for n3 and answered, version 7.n2"));
}

#[test]
fn messages_are_counted_without_a_script_and_drawn_around_the_lie() {
    let mut evidence = run(&Sample {
        lie: true,
        ..Sample::default()
    });
    let fate = |number: u64| Fate::ALL[(number % 4) as usize];
    let messages = (0..40_000_u64).map(|number| Message {
        at: number * 700_000,
        arrived: (fate(number) != Fate::Dropped).then_some(number * 700_000 + 300_000),
        from: Node(1 + (number % 5) as u16),
        to: Node(1 + (number % 4) as u16),
        kind: (number % 2) as u8,
        fate: fate(number),
    });
    evidence.messages = Some(Traffic {
        kinds: vec!["Append".to_owned(), "</script><b>".to_owned()],
        counts: vec![[10_000, 0, 10_000, 0], [0, 10_000, 0, 10_000]],
        windows: Vec::new(),
        messages: messages.collect(),
    });
    let page = written("messages", &evidence);
    assert!(page.contains("10,000 of 40,000 messages are here one by one: those of "));
    assert!(page.contains("<th scope=\"row\">&#60;/script&#62;&#60;b&#62;</th>"));
    assert_eq!(page.matches("</script").count(), 2);
}
