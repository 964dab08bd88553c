//! The rules of the house that no compiler checks: which crate may know of which, and habits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

/// Crate → what of the house it may stand on.
const STANDS_ON: [(&str, &[&str]); 8] = [
    ("checker", &[]),
    ("systems", &[]),
    ("nemesis", &[]),
    ("workloads", &["checker"]),
    ("runner", &["checker", "nemesis", "workloads"]),
    (
        "simulator",
        &["checker", "nemesis", "runner", "systems", "workloads"],
    ),
    ("results", &["checker", "nemesis", "runner", "workloads"]),
    (
        "harness",
        &[
            "checker",
            "nemesis",
            "results",
            "runner",
            "simulator",
            "systems",
            "workloads",
        ],
    ),
];

/// Crates that do no I/O: these may not depend on anything that does.
const WITHOUT_IO: [&str; 6] = [
    "checker",
    "systems",
    "nemesis",
    "workloads",
    "runner",
    "simulator",
];
const IO_CRATES: [&str; 8] = [
    "tokio",
    "axum",
    "reqwest",
    "hyper",
    "nix",
    "rustix",
    "tempfile",
    "indicatif",
];

fn dependencies(folder: &str) -> Vec<String> {
    let manifest = root().join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).expect("a manifest");
    let table: toml::Table = text.parse().expect("TOML");
    let mut names = Vec::new();
    for section in ["dependencies", "build-dependencies"] {
        if let Some(dependencies) = table.get(section).and_then(toml::Value::as_table) {
            names.extend(dependencies.keys().cloned());
        }
    }
    if let Some(targets) = table.get("target").and_then(toml::Value::as_table) {
        for target in targets.values() {
            if let Some(dependencies) = target.get("dependencies").and_then(toml::Value::as_table) {
                names.extend(dependencies.keys().cloned());
            }
        }
    }
    names
}

#[test]
fn dependencies_point_one_way() {
    let allowed: BTreeMap<_, _> = STANDS_ON.into_iter().collect();
    for (folder, may) in &allowed {
        for name in dependencies(folder) {
            if let Some(room) = name.strip_prefix("perjury-") {
                assert!(may.contains(&room), "{folder} must not know of {room}");
            }
            assert_ne!(name, "perjury", "nothing stands on the harness");
        }
    }
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("the workspace's manifest");
    let table: toml::Table = manifest.parse().expect("TOML");
    let members = table["workspace"]["members"].as_array().expect("members");
    for member in members {
        let member = member.as_str().expect("a folder");
        assert!(
            allowed.contains_key(member),
            "say in this test what {member} stands on"
        );
    }
}

#[test]
fn what_decides_does_no_io() {
    for folder in WITHOUT_IO {
        for name in dependencies(folder) {
            assert!(
                !IO_CRATES.contains(&name.as_str()),
                "{folder} depends on {name}, which does I/O"
            );
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn a_file_holds_one_subject() {
    const LONGEST: usize = 600;
    let mut files = Vec::new();
    for (folder, _) in STANDS_ON {
        sources(&root().join(folder), &mut files);
    }
    assert!(files.len() > 50, "the walk found only {} files", files.len());
    let long: Vec<_> = files
        .iter()
        .filter_map(|file| {
            let lines = std::fs::read_to_string(file)
                .expect("a source file")
                .lines()
                .count();
            (lines > LONGEST).then(|| format!("{} has {lines} lines", file.display()))
        })
        .collect();
    assert!(
        long.is_empty(),
        "past {LONGEST} lines a file has two subjects: {long:#?}"
    );
}

#[test]
fn what_decides_takes_time_and_chance_as_inputs() {
    // Tests and benchmarks may look at a clock; clippy.toml bans the calls in code, this bans the types too.
    const BANNED: [&str; 5] = ["std::fs", "std::net", "std::process", "thread_rng", "SystemTime"];
    let mut files = Vec::new();
    for folder in WITHOUT_IO {
        sources(&root().join(folder).join("src"), &mut files);
    }
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source file");
        for banned in BANNED {
            assert!(!text.contains(banned), "{} uses {banned}", file.display());
        }
    }
}
