//! `perjury.toml`: defaults for options, under the name of their command. What stands on the command line or in
//! the environment wins.
//!
//! ```toml
//! [test]
//! nodes = 3
//! nemesis = ["partition", "kill"]
//! ```

use std::path::{Path, PathBuf};

use clap::Command;
use clap::error::ErrorKind;

/// The file that is looked for in the working directory.
pub const FILE: &str = "perjury.toml";

/// Why a configuration cannot be used.
#[derive(Debug)]
pub struct ConfigError {
    file: PathBuf,
    line: Option<usize>,
    problem: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for ConfigError {}

/// Makes what stands in the file, if there is one, the options' defaults.
///
/// # Errors
/// If the file cannot be read, is not TOML, or names a command or an option that there is not.
pub fn apply(command: Command, file: &Path) -> Result<Command, ConfigError> {
    let fault = |line, problem| ConfigError {
        file: file.to_owned(),
        line,
        problem,
    };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(command),
        Err(error) => return Err(fault(None, error.to_string())),
    };
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error
            .span()
            .map(|span| text[..span.start].matches('\n').count() + 1);
        fault(line, error.message().to_owned())
    })?;
    let mut command = command;
    for (section, options) in table {
        let Some(options) = options.as_table() else {
            let problem = format!("{section:?} must be a section, such as [test]");
            return Err(fault(line_of(&text, "", &section), problem));
        };
        let Some(known) = command.find_subcommand(&section).map(options_of) else {
            let problem = format!("there is no command {section:?}; sections are named for commands: [test]");
            return Err(fault(line_of(&text, "", &format!("[{section}]")), problem));
        };
        for (name, value) in options {
            let line = line_of(&text, &format!("[{section}]"), name);
            let Some((id, _)) = known.iter().find(|(_, long)| long == name) else {
                let names: Vec<_> = known.iter().map(|(_, long)| long.as_str()).collect();
                let problem = format!("`{section}` has no option {name:?}; it has {}", names.join(", "));
                return Err(fault(line, problem));
            };
            let values = scalars(value).ok_or_else(|| {
                fault(
                    line,
                    format!("{name:?} takes a text, a number, true or false, or a list of these"),
                )
            })?;
            refused(&command, &section, name, &values).map_or(Ok(()), |problem| Err(fault(line, problem)))?;
            command = command.mut_subcommand(&section, |subcommand| {
                subcommand.mut_arg(id, |arg| arg.default_values(values))
            });
        }
    }
    Ok(command)
}

/// The options of a command: id and long name.
fn options_of(command: &Command) -> Vec<(String, String)> {
    command
        .get_arguments()
        .filter_map(|arg| Some((arg.get_id().to_string(), arg.get_long()?.to_owned())))
        .filter(|(_, long)| long != "help")
        .collect()
}

/// Why the option does not take these values, if it does not: clap takes defaults on trust.
fn refused(command: &Command, section: &str, name: &str, values: &[String]) -> Option<String> {
    let arg = command
        .find_subcommand(section)?
        .get_arguments()
        .find(|arg| arg.get_long() == Some(name))?;
    if !arg.get_action().takes_values() {
        let flag = matches!(values, [value] if value == "true" || value == "false");
        return (!flag).then(|| format!("{name:?} is true or false"));
    }
    let mut words = vec!["perjury".to_owned(), section.to_owned()];
    words.extend(values.iter().map(|value| format!("--{name}={value}")));
    let error = command.clone().try_get_matches_from(words).err()?;
    let about_the_value = matches!(
        error.kind(),
        ErrorKind::InvalidValue
            | ErrorKind::ValueValidation
            | ErrorKind::ArgumentConflict
            | ErrorKind::TooManyValues
    );
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    about_the_value.then(|| first.trim_start_matches("error: ").to_owned())
}

fn scalars(value: &toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::Array(values) => {
            let texts: Option<Vec<_>> = values.iter().map(scalars).collect();
            Some(texts?.into_iter().flatten().collect())
        }
        toml::Value::String(text) => Some(vec![text.clone()]),
        toml::Value::Integer(number) => Some(vec![number.to_string()]),
        toml::Value::Boolean(flag) => Some(vec![flag.to_string()]),
        _ => None,
    }
}

/// The line on which a section, or an option of `section`, stands.
fn line_of(text: &str, section: &str, name: &str) -> Option<usize> {
    let from = text.lines().position(|line| line.trim() == section).unwrap_or(0);
    let names = |line: &str| {
        let key = line.split_once('=').map_or(line, |(key, _)| key);
        key.trim().trim_matches('"') == name
    };
    text.lines()
        .skip(from)
        .position(names)
        .map(|position| from + position + 1)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Cli;

    fn with(text: &str, check: impl FnOnce(Result<Command, ConfigError>)) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join(FILE);
        std::fs::write(&file, text).expect("written");
        check(apply(Cli::command(), &file));
    }

    #[test]
    fn what_stands_in_the_file_is_the_default_and_the_command_line_wins() {
        with(
            "[test]\nnodes = 3\nnemesis = [\"partition\", \"kill\"]\njson = true\n",
            |command| {
                let command = command.expect("a good file");
                let matches = command.clone().get_matches_from(["perjury", "test"]);
                let test = matches.subcommand_matches("test").expect("test");
                assert_eq!(test.get_one::<u16>("nodes"), Some(&3));
                assert!(test.get_flag("json"));
                let nemesis: Vec<_> = test.get_many::<String>("nemesis").expect("nemesis").collect();
                assert_eq!(nemesis, ["partition", "kill"]);
                let matches = command.get_matches_from(["perjury", "test", "--nodes", "7"]);
                assert_eq!(
                    matches
                        .subcommand_matches("test")
                        .expect("test")
                        .get_one::<u16>("nodes"),
                    Some(&7)
                );
            },
        );
    }

    #[test]
    fn an_unknown_option_is_an_error_that_names_the_line() {
        with("[test]\nnodes = 3\nnode = 4\n", |command| {
            let error = command.expect_err("a bad file").to_string();
            assert!(
                error.contains("perjury.toml:3: `test` has no option \"node\""),
                "{error}"
            );
        });
        with("[tests]\nnodes = 3\n", |command| {
            let error = command.expect_err("a bad file").to_string();
            assert!(
                error.contains("perjury.toml:1: there is no command \"tests\""),
                "{error}"
            );
        });
        with("[test]\n\nnodes = \"many\"\n", |command| {
            let error = command.expect_err("a bad file").to_string();
            assert!(
                error.contains("perjury.toml:3: invalid value 'many' for '--nodes"),
                "{error}"
            );
        });
        with("[test]\nnodes = \n", |command| {
            let error = command.expect_err("a bad file").to_string();
            assert!(error.contains("perjury.toml:2"), "{error}");
        });
    }
}
