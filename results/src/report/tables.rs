//! What the page shows in tables: judgements, coverage, recovery, faults, facts.

use perjury_checker::Verdict;
use perjury_runner::FaultRecord;

use super::charts::moment;
use super::timeline::phase_name;
use crate::evidence::Evidence;
use crate::headline;
use crate::record::VerdictRecord;
use crate::words;

/// Rows of the table of faults.
const FAULTS: usize = 500;

/// A line of the first table: a property, or one of coverage, system and harness.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub name: String,
    /// `valid`, `invalid`, `unknown`, `broken`.
    pub class: &'static str,
    pub mark: &'static str,
    pub word: String,
    pub sentence: String,
    pub method: String,
}

/// Every property, then what is no property and must not be mixed with one. Trouble in the harness comes first.
pub(crate) fn judgements(evidence: &Evidence) -> Vec<Judgement> {
    let Some(verdict) = &evidence.verdict else {
        return vec![Judgement {
            name: "harness".to_owned(),
            class: "broken",
            mark: "!",
            word: "died".to_owned(),
            sentence:
                "The control node ended before the checkers were done. What it wrote can still be checked."
                    .to_owned(),
            method: String::new(),
        }];
    };
    let mut rows = Vec::new();
    let harness = harness(verdict);
    let troubled = harness.class == "broken";
    if troubled {
        rows.push(harness);
    }
    rows.extend(verdict.findings.iter().map(|finding| Judgement {
        name: words::tame(&finding.property, 60),
        class: class(finding.verdict),
        mark: headline::mark(finding.verdict),
        word: finding.verdict.to_string(),
        sentence: sentence(finding, verdict),
        method: method(finding),
    }));
    rows.push(coverage(evidence, verdict));
    rows.push(system(verdict));
    if !troubled {
        rows.push(self::harness(verdict));
    }
    rows
}

/// A finding's sentence; for the one that stands above the table already, how it is proven. Then what still holds.
fn sentence(finding: &perjury_checker::Finding, verdict: &VerdictRecord) -> String {
    let mut sentence = judged(finding, verdict);
    if let Some(still) = finding.still() {
        sentence += &format!(" {}", words::tame(&still, 600));
    }
    sentence
}

fn judged(finding: &perjury_checker::Finding, verdict: &VerdictRecord) -> String {
    if finding.verdict != Verdict::Invalid || !headline::is_above(finding, verdict) {
        return words::tame(&finding.sentence, 600);
    }
    let more = headline::more_witnesses(finding);
    let more = more.map_or(String::new(), |more| format!("; {more} kept"));
    format!("It is {}{more}.", headline::proof(finding))
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::Unknown => "unknown",
        Verdict::Invalid => "invalid",
    }
}

fn method(finding: &perjury_checker::Finding) -> String {
    let mut method = words::tame(&finding.method, 120);
    if finding.operations > 0 {
        method.push_str(&format!(" · {}", words::plural(finding.operations, "operation")));
    }
    if finding.states > 0 {
        method.push_str(&format!(" · {}", words::plural(finding.states, "state")));
    }
    method
}

fn harness(verdict: &VerdictRecord) -> Judgement {
    let (class, mark, word, sentence) = match verdict.troubles.as_slice() {
        [] => (
            "valid",
            "✓",
            "worked",
            "Every fault was carried out and healed, and nothing was lost.".to_owned(),
        ),
        troubles => {
            let all: Vec<_> = troubles
                .iter()
                .take(10)
                .map(|trouble| words::tame(trouble, 600))
                .collect();
            ("broken", "!", "in trouble", all.join(" — "))
        }
    };
    Judgement {
        name: "harness".to_owned(),
        class,
        mark,
        word: word.to_owned(),
        sentence,
        method: String::new(),
    }
}

fn coverage(evidence: &Evidence, verdict: &VerdictRecord) -> Judgement {
    let coverage = &verdict.coverage;
    let ok: u64 = coverage.functions.values().map(|counts| counts.ok).sum();
    let during: u64 = coverage
        .during
        .values()
        .flat_map(|functions| functions.values())
        .sum();
    let bit: u64 = coverage.faults.values().map(|bites| bites.bit).sum();
    let injected: u64 = coverage.faults.values().map(|bites| bites.injected).sum();
    let (class, mark, word) = if coverage.missing.is_empty() {
        ("valid", "✓", "sufficient")
    } else {
        ("unknown", "?", "too little")
    };
    let sentence = if coverage.missing.is_empty() {
        let mut sentence = format!("{} succeeded", words::plural(ok, "operation"));
        if injected > 0 {
            sentence.push_str(&format!(
                ", {} of them while a fault was active; {bit} of {} bit",
                words::count(during.min(ok)),
                words::plural(injected, "fault"),
            ));
        }
        if evidence.was_led() {
            let changes = words::plural(coverage.leader_changes, "new leader");
            sentence.push_str(&format!("; {changes}"));
        }
        sentence.push('.');
        sentence
    } else {
        coverage
            .missing
            .iter()
            .take(10)
            .map(|missing| words::tame(missing, 300))
            .collect::<Vec<_>>()
            .join("; ")
    };
    Judgement {
        name: "coverage".to_owned(),
        class,
        mark,
        word: word.to_owned(),
        sentence,
        method: String::new(),
    }
}

fn system(verdict: &VerdictRecord) -> Judgement {
    let problems = headline::system_problems(verdict);
    let slowest = verdict
        .recovery
        .as_ref()
        .and_then(crate::record::Recovery::slowest);
    let recovered = match slowest {
        Some(slowest) => {
            format!(
                "every node served again within {} of the last heal",
                words::duration(slowest)
            )
        }
        None => "it was not observed whether every node serves again".to_owned(),
    };
    let (class, mark, word, sentence) = if problems.is_empty() {
        (
            "valid",
            "✓",
            "stood",
            format!("No node died by itself; {recovered}."),
        )
    } else {
        (
            "invalid",
            "✗",
            "failed",
            format!("{}.", words::tame(&problems.join("; "), 1_500)),
        )
    };
    Judgement {
        name: "system".to_owned(),
        class,
        mark,
        word: word.to_owned(),
        sentence,
        method: String::new(),
    }
}

/// A table with its column heads; every cell is text.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub heads: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// Successes by function: in all, and while each kind of fault was active.
pub(crate) fn functions(verdict: &VerdictRecord) -> Table {
    let coverage = &verdict.coverage;
    let mut heads: Vec<String> = ["operation", "ok", "fail", "info"].map(str::to_owned).into();
    heads.extend(
        coverage
            .during
            .keys()
            .map(|kind| format!("ok during {}", words::tame(kind, 20))),
    );
    let rows = coverage
        .functions
        .iter()
        .map(|(function, counts)| {
            let mut row = vec![
                words::tame(function, 40),
                words::count(counts.ok),
                words::count(counts.fail),
                words::count(counts.info),
            ];
            let during = coverage.during.values();
            row.extend(during.map(|counts| words::count(counts.get(function).copied().unwrap_or(0))));
            row
        })
        .collect();
    Table { heads, rows }
}

/// Kinds of faults: how many came, and how many are known to have bitten.
pub(crate) fn kinds(verdict: &VerdictRecord) -> Table {
    let coverage = &verdict.coverage;
    let mut rows: Vec<Vec<String>> = coverage
        .faults
        .iter()
        .map(|(kind, bites)| {
            vec![
                words::tame(kind, 20),
                words::count(bites.injected),
                words::count(bites.bit),
            ]
        })
        .collect();
    if coverage.links_cut > 0 {
        rows.push(vec![
            "directed links cut, and of these with dropped packets".to_owned(),
            words::count(coverage.links_cut),
            words::count(coverage.links_cut_with_traffic),
        ]);
    }
    Table {
        heads: ["fault", "injected", "bit"].map(str::to_owned).into(),
        rows,
    }
}

/// How long each node took to serve again.
pub(crate) fn recovery(verdict: &VerdictRecord) -> Table {
    let Some(recovery) = &verdict.recovery else {
        return Table::default();
    };
    let rows = recovery
        .nodes
        .iter()
        .map(|(node, after)| {
            let (time, word) = match after {
                Some(after) if *after <= recovery.limit_ns => (words::duration(*after), "in time"),
                Some(after) => (words::duration(*after), "too late"),
                None => ("–".to_owned(), "never"),
            };
            vec![node.to_string(), time, word.to_owned()]
        })
        .collect();
    let limit = format!("limit {}", words::duration(recovery.limit_ns));
    Table {
        heads: vec!["node".to_owned(), "served again after".to_owned(), limit],
        rows,
    }
}

/// A fault as a row to be linked to.
#[derive(Debug)]
pub(crate) struct FaultRow {
    pub id: u32,
    pub kind: String,
    pub description: String,
    pub from: String,
    pub to: String,
    /// The same in microseconds, for the selection of a span.
    pub span: String,
    pub bit: &'static str,
    pub evidence: String,
}

/// Every fault, and how many do not fit on the page.
pub(crate) fn faults(evidence: &Evidence) -> (Vec<FaultRow>, usize) {
    let row = |fault: &FaultRecord| FaultRow {
        id: fault.id,
        kind: words::tame(&fault.kind, 20),
        description: words::tame(&fault.description, 200),
        from: moment(fault.injected_at),
        to: moment(fault.healed_at),
        span: match (fault.injected_at, fault.healed_at) {
            (Some(from), Some(to)) => format!("{} {}", from / 1_000, to / 1_000),
            (Some(from), None) => format!("{} {}", from / 1_000, evidence.end() / 1_000 + 1),
            (None, _) => String::new(),
        },
        bit: if fault.bite.bit { "✓ yes" } else { "? not seen" },
        evidence: match &fault.error {
            Some(error) => format!("error: {}", words::tame(error, 300)),
            None => words::tame(&fault.bite.evidence, 300),
        },
    };
    let rows = evidence.faults.iter().take(FAULTS).map(row).collect();
    (rows, evidence.faults.len().saturating_sub(FAULTS))
}

/// Names and values: how the run was set up.
pub(crate) fn facts(evidence: &Evidence) -> Vec<(&'static str, String)> {
    let test = &evidence.test;
    let [ok, fail, info] = evidence.outcomes();
    let mut facts = vec![
        ("run", test.id.clone()),
        ("test", test.name.clone()),
        (
            "started",
            test.started_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        ),
        ("system", test.system.clone()),
        (
            "mutant",
            test.mutant
                .clone()
                .unwrap_or_else(|| "none: the correct system".to_owned()),
        ),
        ("workload", test.workload.clone()),
        (
            "nemesis",
            if test.nemesis.is_empty() {
                "none".to_owned()
            } else {
                test.nemesis.join(", ")
            },
        ),
        ("environment", test.environment.clone()),
        ("nodes", test.nodes.to_string()),
        ("clients", test.concurrency.to_string()),
        (
            "rate",
            if test.rate > 0.0 {
                format!("{}/s", test.rate)
            } else {
                "as fast as it goes".to_owned()
            },
        ),
        ("keys", keys(test.keys)),
        (
            "values",
            test.values
                .map_or_else(|| "unique".to_owned(), |values| format!("drawn from {values}")),
        ),
        (
            "time limit",
            words::duration(test.time_limit_ms.saturating_mul(1_000_000)),
        ),
        (
            "request time-out",
            words::duration(test.request_timeout_ms.saturating_mul(1_000_000)),
        ),
        (
            "recovery limit",
            words::duration(test.recovery_limit_ms.saturating_mul(1_000_000)),
        ),
        ("seed", test.seed.to_string()),
        (
            "operations",
            format!(
                "{} ok, {} fail, {} info",
                words::count(ok),
                words::count(fail),
                words::count(info)
            ),
        ),
        ("plan", words::plural(test.plan.steps.len() as u64, "step")),
        ("perjury", test.version.clone()),
        ("machine", machine(test)),
    ];
    for (name, value) in &test.settings {
        facts.push(("setting", format!("{name} = {value}")));
    }
    if let Some(verdict) = &evidence.verdict {
        facts.push(("ran for", words::duration(verdict.ran_ns)));
        facts.push(("checked for", words::duration(verdict.checked_ns)));
        let code = verdict.exit_code;
        facts.push(("exit code", format!("{code}: {}", words::exit_meaning(code))));
        if let Some(mutant) = &verdict.mutant {
            facts.push((
                "mutant at work",
                format!(
                    "rule reached {}, decided otherwise {}",
                    words::plural(mutant.reached, "time"),
                    words::plural(mutant.differed, "time")
                ),
            ));
        }
    }
    for (_, value) in &mut facts {
        *value = words::tame(value, 400);
    }
    facts
}

fn machine(test: &crate::record::TestRecord) -> String {
    let machine = &test.machine;
    let mut text = format!(
        "{} {}, {}",
        machine.os,
        machine.arch,
        words::plural(machine.cores as u64, "core")
    );
    if let Some(memory) = machine.memory_bytes {
        text.push_str(&format!(", {:.1} GiB", memory as f64 / f64::from(1 << 30)));
    }
    if let Some(kernel) = &machine.kernel {
        text.push_str(&format!(", kernel {kernel}"));
    }
    text
}

/// When each phase began.
pub(crate) fn phases(evidence: &Evidence) -> Table {
    let rows = evidence
        .phases()
        .map(|(phase, at)| vec![phase_name(phase).to_owned(), words::moment(at)])
        .collect();
    Table {
        heads: vec!["phase".to_owned(), "began at".to_owned()],
        rows,
    }
}

fn keys(keys: usize) -> String {
    match keys {
        0 => "the workload's own choice".to_owned(),
        keys => keys.to_string(),
    }
}
