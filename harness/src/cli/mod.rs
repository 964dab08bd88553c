//! The command line: parses, dispatches, and turns what came of it into an exit code.

mod again;
mod args;
mod cases;
mod check;
mod cluster;
mod config;
mod doctor;
mod explore;
mod export;
mod generate;
mod hunt;
mod interrupt;
mod list;
mod matrix;
mod play;
mod quorums;
mod ran;
mod replay;
mod runs;
mod serve;
mod shrink;
mod spec;
mod store;
mod test;
mod verdict;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, CommandFactory, FromArgMatches};
use perjury_runner::exit;

use args::{Cli, Command};

/// Why a command could not do its work, and the exit code that says so.
#[derive(Debug)]
pub enum Trouble {
    /// The user asked for something that there is not.
    Usage(String),
    /// The harness or the machine failed.
    Harness(String),
    /// A run came to an end, but not all of it could be kept.
    Unkept {
        /// How it ended.
        code: u8,
        /// What went wrong, and what the run proved.
        problem: String,
    },
    /// Whoever reads the output has gone.
    Gone,
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Trouble::Gone,
            _ => Trouble::Harness(error.to_string()),
        }
    }
}

/// What a command comes to: an exit code, or why there is none.
pub type Outcome = Result<u8, Trouble>;

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    match dispatch() {
        Ok(code) => ExitCode::from(code),
        Err(Trouble::Gone) => ExitCode::SUCCESS,
        Err(Trouble::Usage(problem)) => {
            say!("error: {problem}");
            ExitCode::from(exit::USAGE)
        }
        Err(Trouble::Harness(problem)) => {
            say!("error: {problem}");
            ExitCode::from(exit::HARNESS)
        }
        Err(Trouble::Unkept { code, problem }) => {
            say!("error: {problem}");
            ExitCode::from(code)
        }
    }
}

fn dispatch() -> Outcome {
    let command = config::apply(flags_in_the_environment(Cli::command()), Path::new(config::FILE))
        .map_err(|error| Trouble::Usage(error.to_string()))?;
    let matches = match command.try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version are what was asked for; everything else is wrong usage.
            let code = if error.use_stderr() {
                exit::USAGE
            } else {
                exit::VALID
            };
            error.print()?;
            if let Some(variable) = refused_variable(&error) {
                say!("\n  tip: the value is that of {variable} in the environment");
            }
            return Ok(code);
        }
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|error| Trouble::Usage(error.to_string()))?;
    match cli.command {
        Command::Test(args) => test::test(&args),
        Command::Check(args) => check::check(&args),
        Command::Generate(args) => generate::generate(&args),
        Command::List(args) => list::list(&args),
        Command::Show(args) => runs::show(&args),
        Command::Report(args) => runs::report(&args),
        Command::Export(args) => export::export(&args),
        Command::Serve(args) => serve::serve(&args),
        Command::Play(args) => play::play(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Shrink(args) => shrink::shrink(&args),
        Command::Likelihood(args) => shrink::likelihood(&args),
        Command::Matrix(args) => matrix::matrix(&args),
        Command::Hunt(args) => hunt::hunt(&args),
        Command::Explore(args) => explore::explore(&args),
        Command::Prune(args) => runs::prune(&args),
        Command::Cluster(args) => cluster::cluster(&args),
        Command::Doctor => doctor::doctor(),
        Command::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "perjury", &mut out);
            print(&out)
        }
        Command::Man => {
            let mut out = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut out)?;
            print(&out)
        }
    }
}

/// Lets a flag be given in the environment as 1 or 0 too.
fn flags_in_the_environment(command: clap::Command) -> clap::Command {
    command.mut_subcommands(|subcommand| {
        subcommand.mut_args(|arg| match arg.get_action() {
            ArgAction::SetTrue if arg.get_env().is_some() => arg.value_parser(FalseyValueParser::new()),
            _ => arg,
        })
    })
}

/// The variable of the environment that a refused value is from, if it is from there.
fn refused_variable(error: &clap::Error) -> Option<String> {
    let told = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let option = told(ContextKind::InvalidArg)?.strip_prefix("--")?;
    let name = option.split_whitespace().next()?.replace('-', "_").to_uppercase();
    let variable = format!("PERJURY_{name}");
    let value = std::env::var(&variable).ok()?;
    (told(ContextKind::InvalidValue)? == value).then_some(variable)
}

fn print(bytes: &[u8]) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(exit::VALID)
}
