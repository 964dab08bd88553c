//! `perjury list`: what there is.

use std::io::Write;

use perjury_checker::formats::Format;
use perjury_checker::models::ModelName;
use perjury_results::{RunState, Store};
use perjury_runner::exit;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Outcome;
use super::args::{ListArgs, Listed};
use perjury_systems::registry::{SYSTEMS, System};
use perjury_systems::settings::Setting;

/// One thing of a list: a name, and columns of text about it.
#[derive(Debug)]
struct Row {
    name: String,
    columns: Vec<(&'static str, String)>,
}

impl Row {
    fn new(name: &str, columns: &[(&'static str, &str)]) -> Self {
        let columns = columns
            .iter()
            .map(|(column, text)| (*column, (*text).to_owned()))
            .collect();
        Row {
            name: name.to_owned(),
            columns,
        }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len() + 1))?;
        map.serialize_entry("name", &self.name)?;
        for (column, text) in &self.columns {
            map.serialize_entry(column, text)?;
        }
        map.end()
    }
}

/// Prints a list.
pub fn list(args: &ListArgs) -> Outcome {
    let rows = match args.what {
        Listed::Systems => systems(),
        Listed::Settings => settings(),
        Listed::Workloads => perjury_workloads::MENU
            .iter()
            .map(|entry| {
                Row::new(
                    entry.name,
                    &[("models", &entry.models.join(",")), ("about", entry.about)],
                )
            })
            .collect(),
        Listed::Nemeses => perjury_nemesis::menu::MENU
            .iter()
            .map(|entry| Row::new(entry.name, &[("about", entry.about)]))
            .collect(),
        Listed::Mutants => mutants(),
        Listed::Models => ModelName::ALL
            .iter()
            .map(|model| Row::new(model.name(), &[("about", model.describe())]))
            .collect(),
        Listed::Formats => Format::ALL
            .iter()
            .map(|format| Row::new(format.name(), &[("about", format.describe())]))
            .collect(),
        Listed::Runs => runs(args)?,
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        for row in &rows {
            writeln!(
                out,
                "{}",
                serde_json::to_string(row).map_err(std::io::Error::from)?
            )?;
        }
    } else if args.what == Listed::Mutants {
        paragraphs(&mut out, &rows)?;
    } else {
        table(&mut out, &rows)?;
    }
    Ok(exit::VALID)
}

fn systems() -> Vec<Row> {
    let memory =
        "a single node that answers from memory: what the control node can do when the system costs nothing";
    let bundled = SYSTEMS.iter().map(|system| {
        let columns = [
            ("promise", system.promise),
            ("workloads", &system.workloads.join(",")),
            ("mutants", &system.mutants.len().to_string()),
            ("about", system.about),
        ];
        Row::new(system.name, &columns)
    });
    let columns = [
        ("promise", "linearizable"),
        ("workloads", "any"),
        ("mutants", "0"),
        ("about", memory),
    ];
    bundled.chain([Row::new("memory", &columns)]).collect()
}

fn settings() -> Vec<Row> {
    let of_system = |system: &System| {
        let row = |setting: &Setting| {
            let columns = [
                ("system", system.name),
                ("default", setting.default),
                ("values", setting.values),
                ("about", setting.help),
            ];
            Row::new(setting.name, &columns)
        };
        system.settings.iter().map(row).collect::<Vec<_>>()
    };
    SYSTEMS.iter().flat_map(of_system).collect()
}

fn mutants() -> Vec<Row> {
    let row = |mutant: &perjury_systems::replica::MutantInfo| {
        let difficulty = format!("{:?}", mutant.difficulty).to_lowercase();
        let unmask = format!("--workload {} --nemesis {}", mutant.workload, mutant.nemesis);
        let columns = [
            ("id", mutant.id),
            ("difficulty", &difficulty),
            ("change", mutant.change),
            ("source", mutant.source),
            ("unmask", &*unmask),
            ("settings", &mutant.settings.join(", ")),
            ("finding", mutant.finding),
        ];
        Row::new(mutant.name, &columns)
    };
    SYSTEMS
        .iter()
        .flat_map(|system| system.mutants.iter().map(row).collect::<Vec<_>>())
        .collect()
}

fn runs(args: &ListArgs) -> Result<Vec<Row>, super::Trouble> {
    let mut rows = Vec::new();
    for run in Store::at(&args.store.dir).list()? {
        let state = match &run.state {
            Ok(RunState::Finished(outcome)) => outcome.word().to_owned(),
            Ok(state) => state.word().to_owned(),
            Err(error) => format!("damaged: {error}"),
        };
        let (started, name, seed) = match &run.test {
            Ok(test) => (
                test.started_at.to_string(),
                test.name.clone(),
                test.seed.to_string(),
            ),
            Err(error) => (String::new(), format!("damaged: {error}"), String::new()),
        };
        let folder = run.folder.path().display().to_string();
        let columns = [
            ("verdict", &*state),
            ("started", &started),
            ("test", &name),
            ("seed", &seed),
            ("folder", &folder),
        ];
        rows.push(Row::new(&run.id, &columns));
    }
    Ok(rows)
}

/// Columns as wide as their widest cell; the last one takes what it needs.
fn table(out: &mut impl Write, rows: &[Row]) -> std::io::Result<()> {
    let cells: Vec<Vec<&str>> = rows
        .iter()
        .map(|row| {
            std::iter::once(&*row.name)
                .chain(row.columns.iter().map(|(_, text)| &**text))
                .collect()
        })
        .collect();
    let columns = cells.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        cells
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &cells {
        let last = row.len() - 1;
        for (column, cell) in row.iter().enumerate() {
            if column == last {
                writeln!(out, "{cell}")?;
            } else {
                write!(out, "{cell:<width$}  ", width = widths[column])?;
            }
        }
    }
    Ok(())
}

/// A name, and a line for each column: for what does not fit into a table.
fn paragraphs(out: &mut impl Write, rows: &[Row]) -> std::io::Result<()> {
    for row in rows {
        writeln!(out, "{}", row.name)?;
        for (column, text) in &row.columns {
            writeln!(out, "    {column:<11}{}", text)?;
        }
    }
    Ok(())
}
