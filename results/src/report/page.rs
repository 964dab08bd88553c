//! The page: everything that the template shows, and what keeps it safe.
//!
//! The template library escapes whatever it is given; the only texts that go in as they are stand here: the
//! style sheet and the scripts, which are part of this program, and the timeline's data, in which no character
//! is left that could end a script.

use askama::Template;
use base64::Engine;
use sha2::{Digest, Sha256};

use perjury_checker::{Verdict, Witness};

use super::availability::Availability;
use super::charts::Charts;
use super::logs::Logs;
use super::messages;
use super::picture::Picture;
use super::quorum::Quorums;
use super::story::{self, Piece, Sentence};
use super::tables::{self, FaultRow, Judgement, Table};
use super::timeline::Timeline;
use crate::evidence::Evidence;
use crate::headline::{self, Standing};
use crate::words;

pub(super) const STYLE: &str = include_str!("../../assets/report.css");
const SCRIPT: &str = concat!(
    include_str!("../../assets/page.js"),
    include_str!("../../assets/timeline.js"),
    include_str!("../../assets/timeline-draw.js"),
    include_str!("../../assets/timeline-span.js"),
    include_str!("../../assets/timeline-messages.js"),
    include_str!("../../assets/timeline-act.js"),
);

/// Witnesses that are told and drawn; further ones are counted.
const WITNESSES: usize = 5;
/// Operations of a witness that are drawn; a larger one is told in its table alone.
const DRAWN: usize = 60;
/// Operations of a witness in its table.
const ROWS: usize = 500;

/// The whole page.
#[derive(Template)]
#[template(path = "report.html")]
struct Page<'e> {
    policy: String,
    style: &'static str,
    script: &'static str,
    data: String,
    title: String,
    standing: &'static str,
    mark: &'static str,
    word: String,
    sentence: String,
    circumstances: Option<String>,
    run: &'e crate::record::TestRecord,
    started: String,
    chips: Vec<(&'static str, String)>,
    command: String,
    judgements: Vec<Judgement>,
    history_problem: Option<String>,
    cases: Vec<Case>,
    more_cases: usize,
    run_is_empty: bool,
    timeline: Timeline,
    message_counts: Table,
    messages_left_out: Option<String>,
    charts: Option<Charts>,
    availability: Availability,
    quorums: Quorums,
    functions: Table,
    kinds: Table,
    recovery: Table,
    missing: Vec<String>,
    faults: Vec<FaultRow>,
    more_faults: usize,
    phases: Table,
    facts: Vec<(&'static str, String)>,
    logs: Logs,
    left: f64,
    right: f64,
}

/// A witness: the story, the picture, the words of the picture.
struct Case {
    number: usize,
    property: String,
    key: String,
    sentence: String,
    argument: Vec<Vec<Piece>>,
    story: Vec<Sentence>,
    untold: usize,
    pictures: Vec<Drawn>,
    rows: Vec<OperationRow>,
    more_rows: usize,
}

/// An order that was tried, drawn and in words.
struct Drawn {
    picture: Option<Picture>,
    steps: Vec<(usize, String, String)>,
    stuck: Vec<(usize, String)>,
}

/// An operation of a witness, to be linked to.
struct OperationRow {
    id: usize,
    process: u64,
    node: String,
    call: String,
    key: String,
    result: String,
    outcome: &'static str,
    invoked: String,
    returned: String,
    culprit: bool,
}

/// The report of a run: one page of HTML that needs nothing but itself.
///
/// # Errors
/// None that input can cause: if the template cannot be rendered, which is a mistake in this program.
pub fn render(evidence: &Evidence) -> Result<String, askama::Error> {
    let standing = Standing::of(evidence);
    let verdict = evidence.verdict.as_ref();
    let timeline = Timeline::of(evidence);
    let (faults, more_faults) = tables::faults(evidence);
    let witnesses: Vec<_> = verdict
        .iter()
        .flat_map(|verdict| &verdict.findings)
        .filter(|finding| finding.verdict == Verdict::Invalid)
        .flat_map(|finding| finding.witnesses.iter().map(move |witness| (finding, witness)))
        .collect();
    let sentence = headline::sentence(evidence);
    let word = headline::word(evidence);
    let logs = Logs::of(evidence);
    let page = Page {
        policy: policy(SCRIPT, "'none'"),
        style: STYLE,
        script: SCRIPT,
        data: json_in_html(&timeline),
        title: format!(
            "{word}: {} ({})",
            words::tame(&evidence.test.name, 80),
            words::tame(&evidence.test.id, 20)
        ),
        standing: match standing {
            Standing::Valid => "valid",
            Standing::Invalid => "invalid",
            Standing::Unknown => "unknown",
            Standing::Broken => "broken",
        },
        mark: standing.mark(),
        word: word.to_owned(),
        sentence,
        circumstances: headline::circumstances(evidence),
        run: &evidence.test,
        started: evidence
            .test
            .started_at
            .strftime("%Y-%m-%d %H:%M UTC")
            .to_string(),
        chips: chips(evidence),
        command: words::tame(&evidence.test.command, 8_000),
        judgements: tables::judgements(evidence),
        history_problem: evidence
            .history_problem
            .as_deref()
            .map(|problem| words::tame(problem, 500)),
        more_cases: witnesses.len().saturating_sub(WITNESSES),
        cases: witnesses
            .into_iter()
            .take(WITNESSES)
            .enumerate()
            .map(|(position, (finding, witness))| case(evidence, &logs, position + 1, finding, witness))
            .collect(),
        message_counts: evidence
            .messages
            .as_ref()
            .map(messages::counts)
            .unwrap_or_default(),
        messages_left_out: evidence
            .messages
            .as_ref()
            .and_then(|traffic| timeline.messages.as_ref()?.left_out(traffic)),
        run_is_empty: evidence.history.operations.is_empty(),
        timeline,
        charts: Charts::of(evidence),
        availability: Availability::of(evidence),
        quorums: Quorums::of(evidence),
        functions: verdict.map(tables::functions).unwrap_or_default(),
        kinds: verdict.map(tables::kinds).unwrap_or_default(),
        recovery: verdict.map(tables::recovery).unwrap_or_default(),
        missing: verdict
            .map(|verdict| {
                verdict
                    .coverage
                    .missing
                    .iter()
                    .map(|missing| words::tame(missing, 400))
                    .collect()
            })
            .unwrap_or_default(),
        faults,
        more_faults,
        phases: tables::phases(evidence),
        facts: tables::facts(evidence),
        logs,
        left: super::charts::LEFT,
        right: super::charts::RIGHT,
    };
    page.render()
}

/// Nothing may be fetched, forms go only where `forms` says, and of scripts and styles only those that this program wrote may run.
pub(super) fn policy(script: &str, forms: &str) -> String {
    let hash = |text: &str| base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action {forms}",
        hash(STYLE),
        hash(script)
    )
}

/// JSON that can stand in a `script` element: without `<`, `>` and `&`, which could end it or begin a comment.
fn json_in_html(value: &impl serde::Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    let mut safe = String::with_capacity(json.len() + json.len() / 64);
    for c in json.chars() {
        match c {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            _ => safe.push(c),
        }
    }
    safe
}

fn chips(evidence: &Evidence) -> Vec<(&'static str, String)> {
    let test = &evidence.test;
    let mut chips = vec![("system", test.system.clone())];
    if let Some(mutant) = &test.mutant {
        chips.push(("mutant", mutant.clone()));
    }
    chips.push(("workload", test.workload.clone()));
    chips.push((
        "nemesis",
        if test.nemesis.is_empty() {
            "none".to_owned()
        } else {
            test.nemesis.join(", ")
        },
    ));
    chips.push(("environment", test.environment.clone()));
    chips.push(("nodes", test.nodes.to_string()));
    chips.push((
        "operations",
        words::count(evidence.history.operations.len() as u64),
    ));
    chips.push(("lasted", words::duration(evidence.end())));
    chips.push(("seed", test.seed.to_string()));
    for (_, value) in &mut chips {
        *value = words::tame(value, 100);
    }
    chips
}

fn case(
    evidence: &Evidence,
    logs: &Logs,
    number: usize,
    finding: &perjury_checker::Finding,
    witness: &Witness,
) -> Case {
    let (story, untold) = story::tell(evidence, logs, witness);
    let small = witness.operations.len() <= DRAWN;
    let mut pictures: Vec<Drawn> = witness
        .orders
        .iter()
        .filter(|order| super::picture::says_something(order, witness))
        .take(3)
        .map(|order| Drawn {
            picture: small.then(|| Picture::draw(evidence, witness, Some(order))),
            steps: order
                .steps
                .iter()
                .map(|step| {
                    (
                        step.operation,
                        named(witness, step.operation),
                        words::cut(&step.state, 80),
                    )
                })
                .collect(),
            stuck: order
                .stuck
                .iter()
                .take(20)
                .map(|stuck| (stuck.operation, words::tame(&stuck.reason, 400)))
                .collect(),
        })
        .collect();
    if pictures.is_empty() && small && !witness.operations.is_empty() {
        pictures.push(Drawn {
            picture: Some(Picture::draw(evidence, witness, None)),
            steps: Vec::new(),
            stuck: Vec::new(),
        });
    }
    Case {
        number,
        property: words::tame(&finding.property, 60),
        key: witness
            .key
            .as_deref()
            .map(|key| words::tame(key, 60))
            .unwrap_or_default(),
        sentence: words::tame(&finding.sentence, 1_000),
        argument: story::argument(witness),
        story,
        untold,
        pictures,
        rows: witness
            .operations
            .iter()
            .take(ROWS)
            .map(|operation| row(witness, operation))
            .collect(),
        more_rows: witness.operations.len().saturating_sub(ROWS),
    }
}

fn named(witness: &Witness, id: usize) -> String {
    let Some(operation) = witness.operations.iter().find(|operation| operation.id == id) else {
        return format!("#{id}");
    };
    format!(
        "process {}: {} {}",
        operation.process,
        words::call(operation, 40),
        words::result(operation, 40, words::alike(&witness.operations))
    )
}

fn row(witness: &Witness, operation: &perjury_checker::Operation) -> OperationRow {
    let node = operation.completion.node.as_ref().or(operation.node.as_ref());
    let mut result = words::result(operation, 400, 0);
    if let Some(error) = operation
        .completion
        .error
        .as_deref()
        .filter(|_| !operation.precondition_failed())
    {
        result.push_str(&format!(" ({})", words::tame(error, 100)));
    }
    OperationRow {
        id: operation.id,
        process: operation.process,
        node: node.map_or_else(|| "–".to_owned(), |node| words::tame(node, 40)),
        call: words::call(operation, 120),
        key: operation
            .key
            .as_deref()
            .map_or_else(|| "–".to_owned(), |key| words::tame(key, 60)),
        result,
        outcome: words::outcome(operation.completion.outcome),
        invoked: words::moment(operation.invoked.time),
        returned: operation
            .completion
            .at
            .map_or_else(|| "never".to_owned(), |at| words::moment(at.time)),
        culprit: witness.culprit == Some(operation.id),
    }
}
