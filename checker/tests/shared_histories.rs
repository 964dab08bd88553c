//! Histories of real systems with known verdicts. They lie outside the repository: `PERJURY_HISTORIES` names
//! their folder, and without it these tests say that they are skipped.

use std::fs;
use std::path::{Path, PathBuf};

use perjury_checker::budget::Budget;
use perjury_checker::formats::Format;
use perjury_checker::models::{ModelName, ModelOptions};
use perjury_checker::{Finding, Method, Options, Value, Verdict};

fn folder(name: &str) -> Option<PathBuf> {
    match std::env::var_os("PERJURY_HISTORIES") {
        Some(root) => Some(Path::new(&root).join(name)),
        None => {
            println!("skipped: PERJURY_HISTORIES is not set");
            None
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

fn judge(file: &Path, model: ModelName, initial: Option<Value>) -> Finding {
    let text = fs::read_to_string(file).unwrap();
    let format = Format::detect(&text).unwrap_or_else(|| panic!("{} has no known format", file.display()));
    let parsed = format
        .read(text.as_bytes())
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let options = ModelOptions {
        initial: initial.or(parsed.options.initial),
        ..parsed.options
    };
    let by = |method| {
        let budget = Budget::default().with_states(20_000_000);
        let how = Options {
            method,
            budget,
            ..Options::default()
        };
        model.check(&parsed.history, &options, &how)
    };
    let cheapest = by(Method::Cheapest);
    let mut agreed = vec![Method::Cheapest.name()];
    for method in [
        Method::Search,
        Method::Frontier,
        Method::Zones,
        Method::Lists,
        Method::Own,
    ] {
        let finding = by(method);
        let applies = !finding.sentence.contains("does not apply");
        if applies {
            let about = format!("{}, {}: {}", file.display(), method.name(), finding.sentence);
            assert_eq!(cheapest.verdict, finding.verdict, "{about}");
            agreed.push(method.name());
        }
    }
    assert!(agreed.len() > 2, "{}: only {agreed:?}", file.display());
    println!(
        "{}: {} by {}",
        file.display(),
        cheapest.verdict,
        agreed.join(", ")
    );
    cheapest
}

fn expect(file: &Path, finding: &Finding, valid: bool) {
    let verdict = if valid { Verdict::Valid } else { Verdict::Invalid };
    assert_eq!(
        finding.verdict,
        verdict,
        "{}: {}",
        file.display(),
        finding.sentence
    );
    let name = file.file_name().unwrap().to_string_lossy();
    println!("{name}: {} states, {}", finding.states, finding.method);
    for witness in &finding.witnesses {
        println!("  {}", witness.story.join("\n  "));
    }
}

#[test]
fn etcd_logs_get_their_known_verdicts() {
    let Some(folder) = folder("etcd-jepsen") else {
        return;
    };
    let valid = [
        "002", "018", "038", "048", "056", "076", "080", "092", "098", "100", "102",
    ];
    for file in files(&folder) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let finding = judge(&file, ModelName::CasRegister, None);
        expect(&file, &finding, valid.iter().any(|number| name.ends_with(number)));
    }
}

#[test]
fn key_value_logs_get_their_known_verdicts() {
    let Some(folder) = folder("kv-log") else { return };
    for file in files(&folder) {
        let finding = judge(&file, ModelName::KeyValue, None);
        expect(&file, &finding, file.to_string_lossy().ends_with("ok.txt"));
    }
}

#[test]
fn knossos_fixtures_get_their_known_verdicts() {
    let Some(folder) = folder("knossos") else { return };
    for (path, model, valid) in [
        ("cas-register/good", ModelName::CasRegister, true),
        ("cas-register/bad", ModelName::CasRegister, false),
        ("multi-register/good", ModelName::MultiRegister, true),
        ("mutex/bad", ModelName::Mutex, false),
    ] {
        for file in files(&folder.join(path)) {
            for initial in [None, Some(Value::Int(0))] {
                if initial.is_none() && model == ModelName::MultiRegister {
                    continue;
                }
                let finding = judge(&file, model, initial);
                expect(&file, &finding, valid);
            }
        }
    }
}
