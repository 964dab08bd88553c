//! `perjury matrix`: plants every bug, runs the tests that should find it, and says which were found.

mod processes;
mod simulation;

use std::path::Path;

use perjury_results::report;
use perjury_systems::replica::MutantInfo;

use super::args::{Environment, MatrixArgs};
use super::{Outcome, Trouble, spec};

/// Hunts every planted bug that was asked for. Exits 0 if each was found at least once, 2 if not.
pub fn matrix(args: &MatrixArgs) -> Outcome {
    let systems = spec::bundled(&args.system)?;
    let mutants: Vec<&'static MutantInfo> = systems
        .iter()
        .flat_map(|system| system.mutants)
        .filter(|mutant| mutant.core || !args.core)
        .filter(|mutant| {
            args.only.is_empty() || args.only.iter().any(|part| mutant.name.contains(part.as_str()))
        })
        .collect();
    if mutants.is_empty() {
        let problem = format!(
            "{} has no such planted bug; see `perjury list mutants`",
            args.system
        );
        return Err(Trouble::Usage(problem));
    }
    let first = args.seed.unwrap_or_else(spec::draw_seed);
    say!(
        "{} planted bugs, {} campaigns each, seeds from {first}",
        mutants.len(),
        args.campaigns
    );
    match args.env {
        Environment::Process => processes::hunt(args, &mutants, first),
        Environment::Sim => simulation::hunt(args, &systems, &mutants, first),
    }
}

/// A row of a table in Markdown.
fn markdown(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

/// The head of a table in Markdown.
fn markdown_head(heads: &[&str]) -> String {
    format!("| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()))
}

/// Writes the table as a page, if one is wanted.
fn write_page(
    path: Option<&Path>,
    heads: &[&str],
    rows: Vec<Vec<String>>,
    note: String,
) -> Result<(), Trouble> {
    let Some(path) = path else {
        return Ok(());
    };
    let plain = |cell: String| cell.replace('`', "");
    let rows = rows
        .into_iter()
        .map(|cells| cells.into_iter().map(plain).collect())
        .collect();
    std::fs::write(path, report::store::matrix_of(heads, rows, note)?)
        .map_err(|error| Trouble::Harness(format!("{}: {error}", path.display())))?;
    say!("the table as a page: {}", path.display());
    Ok(())
}
