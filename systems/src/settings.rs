//! A system's options, as `name=value`: how they are listed, and how they are read.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::replica::ConfigError;

/// One option, for help and documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What values there are, in words.
    pub values: &'static str,
    /// The value if none is given.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// An option by its name, its values, its default and its help.
macro_rules! setting {
    ($name:literal, $values:literal, $default:literal, $help:literal) => {
        $crate::settings::Setting {
            name: $name,
            values: $values,
            default: $default,
            help: $help,
        }
    };
}
pub(crate) use setting;

/// Reads the options that were given; those that were not have their defaults.
pub(crate) struct Reader<'a> {
    system: &'static str,
    all: &'static [Setting],
    given: &'a BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    /// # Errors
    /// An option that the system does not have, with those that it has.
    pub(crate) fn new(
        system: &'static str,
        all: &'static [Setting],
        given: &'a BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let reader = Reader { system, all, given };
        match given.keys().find(|name| reader.setting(name).is_none()) {
            None => Ok(reader),
            Some(unknown) => {
                let known: Vec<&str> = all.iter().map(|setting| setting.name).collect();
                Err(ConfigError(format!(
                    "{system} has no setting `{unknown}`; it has {}",
                    known.join(", ")
                )))
            }
        }
    }

    fn setting(&self, name: &str) -> Option<&'static Setting> {
        self.all.iter().find(|setting| setting.name == name)
    }

    fn text(&self, name: &str) -> &str {
        let default = self.setting(name).map_or("", |setting| setting.default);
        self.given.get(name).map_or(default, String::as_str)
    }

    fn refuse(&self, name: &str) -> ConfigError {
        let values = self.setting(name).map_or("", |setting| setting.values);
        ConfigError(format!(
            "{}: {name}={} should be {values}",
            self.system,
            self.text(name)
        ))
    }

    /// A number between `min` and `max`, both included.
    pub(crate) fn number(&self, name: &str, min: u64, max: u64) -> Result<u64, ConfigError> {
        let number: Option<u64> = self.text(name).parse().ok();
        number
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| self.refuse(name))
    }

    /// A time in milliseconds, between `min` and `max`, both included.
    pub(crate) fn milliseconds(&self, name: &str, min: u64, max: u64) -> Result<Duration, ConfigError> {
        self.number(name, min, max).map(Duration::from_millis)
    }

    /// What one of some words stands for.
    pub(crate) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<T, ConfigError> {
        let text = self.text(name);
        let found = choices.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| self.refuse(name))
    }

    /// `on` or `off`.
    pub(crate) fn switch(&self, name: &str) -> Result<bool, ConfigError> {
        self.choice(name, &[("on", true), ("off", false)])
    }
}
