//! Made histories are legal, planted violations are found whatever else happens, and every format says it all.

use perjury_checker::formats::{Format, read};
use perjury_checker::generate::{Generator, Load, Plant, Recipe};
use perjury_checker::models::ModelOptions;
use perjury_checker::{Event, Finding, History, Options, Verdict};

fn judge(load: Load, events: Vec<Event>) -> Finding {
    let history = History::from_events(events).unwrap();
    load.model()
        .check(&history, &ModelOptions::default(), &Options::default())
}

fn recipes(load: Load) -> impl Iterator<Item = Recipe> {
    let small = [None, Some(3)]
        .into_iter()
        .flat_map(|values| [0, 100].map(|unknown| (values, unknown)));
    small
        .zip(0..)
        .map(move |((values, unknown_permille), seed)| Recipe {
            load,
            values: values.filter(|_| load.draws_values()),
            unknown_permille,
            operations: 120,
            clients: 4,
            keys: 2,
            seed,
            ..Recipe::default()
        })
}

#[test]
fn what_is_made_is_legal_and_what_is_planted_is_found() {
    for load in Load::ALL {
        for recipe in recipes(load) {
            let finding = judge(load, Generator::new(&recipe).collect());
            assert_eq!(
                finding.verdict,
                Verdict::Valid,
                "{recipe:?}: {}",
                finding.sentence
            );
            for plant in Plant::ALL.into_iter().filter(|plant| plant.fits(load)) {
                // Also when there is hardly any room for it.
                for operations in [recipe.operations, 1] {
                    let recipe = Recipe {
                        plant: Some(plant),
                        operations,
                        ..recipe.clone()
                    };
                    let mut generator = Generator::new(&recipe);
                    let events: Vec<Event> = generator.by_ref().collect();
                    let planted = generator.planted().expect("it is played to the end");
                    assert!(planted < events.len() as u64);
                    let finding = judge(load, events);
                    assert_eq!(
                        finding.verdict,
                        Verdict::Invalid,
                        "{recipe:?}: {}",
                        finding.sentence
                    );
                }
            }
        }
    }
}

#[test]
fn what_is_written_is_read_again() {
    for load in Load::ALL {
        for recipe in recipes(load) {
            let keyless = |mut event: Event| {
                event.key = None;
                event
            };
            let one_key = Recipe {
                keys: 1,
                ..recipe.clone()
            };
            for (format, recipe) in [
                (Format::Jsonl, &recipe),
                (Format::Json, &recipe),
                (Format::Edn, &recipe),
                (Format::KvLog, &recipe),
                (Format::EtcdLog, &one_key),
            ] {
                let events: Vec<Event> = Generator::new(recipe).collect();
                let mut text = Vec::new();
                let written: Result<Vec<()>, _> = events
                    .iter()
                    .map(|event| format.write(event, &mut text))
                    .collect();
                if let Err(error) = written {
                    // Not every format has words for everything.
                    assert!(
                        matches!(format, Format::KvLog | Format::EtcdLog),
                        "{format}: {error}"
                    );
                    continue;
                }
                let parsed = read(&text[..], Some(format)).unwrap();
                let original = match format {
                    Format::EtcdLog => History::from_events(events.into_iter().map(keyless)).unwrap(),
                    _ => History::from_events(events).unwrap(),
                };
                if matches!(format, Format::Jsonl | Format::Json | Format::Edn) {
                    assert_eq!(parsed.history, original, "{format} {load:?}");
                    continue;
                }
                let shown = |history: &History| -> Vec<String> {
                    let line = |operation: &perjury_checker::Operation| {
                        let completion = &operation.completion;
                        let value = match &completion.value {
                            perjury_checker::Value::Nil => "\"\"".to_owned(),
                            value => value.to_string(),
                        };
                        format!(
                            "{} {} {:?} {:?} {:?} {}",
                            operation.process,
                            operation.f,
                            operation.key,
                            operation.invoked.index,
                            completion.outcome,
                            value.replace('"', "")
                        )
                    };
                    history.operations.iter().map(line).collect()
                };
                let skips_values = |history: &History| {
                    let mut history = history.clone();
                    for operation in &mut history.operations {
                        if operation.completion.outcome == perjury_checker::Outcome::Info {
                            operation.completion.value = perjury_checker::Value::Nil;
                        }
                    }
                    shown(&history)
                };
                assert_eq!(skips_values(&parsed.history), skips_values(&original), "{format}");
            }
        }
    }
}
