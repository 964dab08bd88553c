//! Pages about many runs: the store, two runs side by side, the detection matrix.

use std::path::Path;

use askama::Template;

use super::page::{STYLE, policy};
use super::tables::{Table, facts, judgements};
use crate::evidence::Evidence;
use crate::folder::RunState;
use crate::record::{RunOutcome, VerdictRecord};
use crate::store::{Listed, Store};
use crate::{StoreError, headline, words};

const SCRIPT: &str = include_str!("../../assets/store.js");

/// Runs that are listed at most.
const RUNS: usize = 5_000;
/// Characters of a cell.
const CELL: usize = 200;

#[derive(Template)]
#[template(path = "store.html")]
struct StorePage {
    policy: String,
    style: &'static str,
    script: &'static str,
    root: String,
    has_matrix: bool,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "sheet.html")]
struct Sheet {
    policy: String,
    style: &'static str,
    script: &'static str,
    title: String,
    note: String,
    table: Table,
}

/// A run.
#[derive(Default)]
struct Row {
    id: String,
    class: &'static str,
    mark: &'static str,
    word: String,
    /// Failures sort before passes.
    rank: u8,
    name: String,
    system: String,
    workload: String,
    faults: String,
    mutant: String,
    environment: String,
    duration: String,
    duration_ns: u64,
    seed: String,
    started: String,
}

fn own_policy() -> String {
    policy(SCRIPT, "'self'")
}

fn page(page: impl Template) -> Result<String, StoreError> {
    page.render().map_err(|error| {
        StoreError::new(
            Path::new("the page"),
            format!("cannot be made: {error}"),
            "please report this",
        )
    })
}

/// The store as a page: every run with its verdict, to be sorted, filtered, compared and opened.
///
/// # Errors
/// If the store cannot be listed.
pub fn store(store: &Store, has_matrix: bool) -> Result<String, StoreError> {
    let rows = store
        .list()?
        .into_iter()
        .take(RUNS)
        .map(|run| row(&run))
        .collect();
    page(StorePage {
        policy: own_policy(),
        style: STYLE,
        script: SCRIPT,
        root: words::tame(&store.root().display().to_string(), CELL),
        has_matrix,
        rows,
    })
}

fn row(run: &Listed) -> Row {
    let mut row = Row {
        id: words::tame(&run.id, 40),
        ..Row::default()
    };
    (row.class, row.mark, row.rank, row.word) = match &run.state {
        Ok(state) => {
            let (class, mark, rank) = match state {
                RunState::Finished(RunOutcome::Invalid) => ("invalid", "✗", 0),
                RunState::Finished(RunOutcome::HarnessFailed) | RunState::Killed => ("broken", "!", 1),
                RunState::Finished(RunOutcome::Unknown | RunOutcome::Interrupted) => ("unknown", "?", 2),
                RunState::Running => ("unknown", "…", 3),
                RunState::Finished(RunOutcome::Valid) => ("valid", "✓", 4),
            };
            (class, mark, rank, state.word().to_owned())
        }
        Err(error) => ("broken", "!", 1, words::tame(&format!("damaged: {error}"), CELL)),
    };
    match &run.test {
        Ok(test) => {
            row.name = words::tame(&test.name, CELL);
            row.system = words::tame(&test.system, CELL);
            row.workload = words::tame(&test.workload, CELL);
            row.faults = words::tame(&test.nemesis.join(", "), CELL);
            row.mutant = words::tame(test.mutant.as_deref().unwrap_or_default(), CELL);
            row.environment = words::tame(&test.environment, CELL);
            row.seed = test.seed.to_string();
            row.started = test.started_at.strftime("%Y-%m-%d %H:%M:%S").to_string();
        }
        Err(error) => row.name = words::tame(&format!("damaged: {error}"), CELL),
    }
    if let Ok(Some(verdict)) = run.folder.verdict() {
        row.duration_ns = verdict.ran_ns;
        row.duration = words::duration(verdict.ran_ns);
    }
    row
}

/// Two runs side by side: verdicts, numbers, and how they were set up; what differs is marked.
///
/// # Errors
/// None that input can cause.
pub fn compare(one: &Evidence, other: &Evidence) -> Result<String, StoreError> {
    let mut rows: Vec<[String; 3]> = vec![
        ["verdict".to_owned(), word(one), word(other)],
        [
            "in a sentence".to_owned(),
            headline::sentence(one),
            headline::sentence(other),
        ],
    ];
    let side = |evidence: &Evidence| -> Vec<(String, String)> {
        let judged = judgements(evidence)
            .into_iter()
            .map(|row| (row.name, format!("{} {}: {}", row.mark, row.word, row.sentence)));
        let facts = facts(evidence)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        let recovered = evidence
            .verdict
            .as_ref()
            .and_then(|verdict: &VerdictRecord| verdict.recovery.as_ref()?.slowest())
            .map(|slowest| ("slowest recovery".to_owned(), words::duration(slowest)));
        judged.chain(recovered).chain(facts).collect()
    };
    let (left, right) = (side(one), side(other));
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in left.iter().chain(&right) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in names {
        let of = |side: &[(String, String)]| {
            let values: Vec<&str> = side
                .iter()
                .filter(|(known, _)| known == name)
                .map(|(_, value)| &**value)
                .collect();
            if values.is_empty() {
                "–".to_owned()
            } else {
                values.join("; ")
            }
        };
        rows.push([name.clone(), of(&left), of(&right)]);
    }
    let table = Table {
        heads: vec![
            "what".to_owned(),
            words::tame(&one.test.id, 40),
            words::tame(&other.test.id, 40),
            "the same?".to_owned(),
        ],
        rows: rows
            .into_iter()
            .map(|[name, a, b]| {
                let same = if a == b { "same" } else { "≠ differs" };
                vec![name, a, b, same.to_owned()]
            })
            .collect(),
    };
    page(Sheet {
        policy: own_policy(),
        style: STYLE,
        script: SCRIPT,
        title: format!(
            "{} and {}",
            words::tame(&one.test.id, 40),
            words::tame(&other.test.id, 40)
        ),
        note: "Two runs side by side.".to_owned(),
        table,
    })
}

fn word(evidence: &Evidence) -> String {
    format!(
        "{} {}",
        headline::Standing::of(evidence).mark(),
        headline::word(evidence)
    )
}

/// The detection matrix as a page, from the lines that `perjury matrix --json` printed: one object a planted bug.
///
/// # Errors
/// If a line is no object, with its number.
pub fn matrix(lines: &str) -> Result<String, StoreError> {
    let mut heads: Vec<String> = Vec::new();
    let mut objects = Vec::new();
    for (number, line) in (1..)
        .zip(lines.lines())
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).map_err(|error| {
                StoreError::new(
                    Path::new("the detection matrix"),
                    format!("line {number} is no JSON object: {error}"),
                    "`perjury matrix --json > FILE` writes such lines",
                )
            })?;
        for name in object.keys() {
            if !heads.contains(name) {
                heads.push(name.clone());
            }
        }
        objects.push(object);
    }
    // What names a planted bug stands first.
    heads.sort_by_key(|head| !matches!(head.as_str(), "mutant" | "name"));
    let cell = |value: Option<&serde_json::Value>| match value {
        None | Some(serde_json::Value::Null) => "–".to_owned(),
        Some(serde_json::Value::String(text)) => words::tame(text, CELL),
        Some(other) => words::tame(&other.to_string(), CELL),
    };
    let rows: Vec<Vec<String>> = objects
        .iter()
        .map(|object| heads.iter().map(|head| cell(object.get(head))).collect())
        .collect();
    let note = format!("{}, one a line.", words::plural(rows.len() as u64, "planted bug"));
    matrix_of(&heads, rows, note)
}

/// The detection matrix as a page, from the cells of its table and a sentence about it.
///
/// # Errors
/// If the page cannot be made.
pub fn matrix_of(
    heads: &[impl AsRef<str>],
    rows: Vec<Vec<String>>,
    note: String,
) -> Result<String, StoreError> {
    page(Sheet {
        policy: own_policy(),
        style: STYLE,
        script: SCRIPT,
        title: "Detection matrix".to_owned(),
        note,
        table: Table {
            heads: heads.iter().map(|head| words::tame(head.as_ref(), 60)).collect(),
            rows,
        },
    })
}
