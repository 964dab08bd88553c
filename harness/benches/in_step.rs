//! Which failures of the simulator real processes reproduce: `cargo bench -p perjury --bench in_step --profile release --
//! RUNS NAME…`.
//!
//! Each planted bug whose name contains one of the NAMEs (all of Raft's, if none is given) is hunted in simulation, from
//! seed 1 for at most RUNS runs (500, if not given); what was found is made small; and real processes are led through that
//! in step, with `perjury test --plan`. A line tells whether they break the same property, and how that is known: from
//! what clients saw (`history`), from what the nodes wrote down (`traces`), or only because every node was in the state of
//! the simulated one after every turn (`states`).

use std::path::Path;
use std::process::{Command, Stdio};

use perjury_runner::Options;
use perjury_simulator::{Campaign, Case, Effort, Expected, Setup, Swarm, hunt, run, shrink};
use perjury_systems::registry::SYSTEMS;

/// What is hunted if nothing is said.
const RUNS: u64 = 500;

/// How a run of real processes compares with the failure that they were led through.
enum Came {
    /// They break the property; how that is known.
    Same(String),
    /// They do not, or could not be led through it.
    Not(String),
}

fn main() {
    let given: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let runs = given.iter().find_map(|word| word.parse().ok()).unwrap_or(RUNS);
    let mut names: Vec<&str> = given
        .iter()
        .map(String::as_str)
        .filter(|word| word.parse::<u64>().is_err())
        .collect();
    if names.is_empty() {
        names.push("raft/");
    }
    let folder = tempfile::tempdir().expect("a directory");
    let (mut missed, mut same, mut not) = (0, Vec::new(), 0);
    for system in SYSTEMS {
        for mutant in system.mutants {
            if !names.iter().any(|name| mutant.name.contains(name)) {
                continue;
            }
            let campaign = Campaign {
                swarm: Swarm::for_mutant(Setup::new(system.name, "cas", Options::default()), mutant),
                first_seed: 1,
                runs,
                jobs: 1,
                keep_going: false,
                invariants: true,
            };
            let tally = hunt(&campaign, &|| false, &mut |_| {}).expect("it can be run");
            let Some(found) = tally.found.first() else {
                println!("{:44} not found in {runs} runs", mutant.name);
                missed += 1;
                continue;
            };
            let small = shrink(&found.setup, true, Effort::default(), &|| false, &mut |_, _| {})
                .expect("it can be run")
                .expect("it fails");
            let mut case = Case {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                invariants: true,
                setup: small.setup,
                expected: None,
                story: Vec::new(),
            };
            let outcome = run(&case.setup, &case.wanted()).expect("it can be run");
            case.expected = Some(Expected::of(&outcome));
            let (told, came) = led(folder.path(), &case, &small.property);
            let words = match &came {
                Came::Same(how) => format!("the same, by {how}"),
                Came::Not(why) => format!("NOT the same: {why}"),
            };
            println!("{:44} {:24} {told}: {words}", mutant.name, small.property);
            match came {
                Came::Same(how) => same.push(how),
                Came::Not(_) => not += 1,
            }
        }
    }
    let of = |how: &str| same.iter().filter(|known| *known == how).count();
    println!(
        "{} failures, {} broken in the same way on real processes ({} by history, {} by traces, {} by states), {not} not; \
         {missed} bugs not found",
        same.len() + not,
        same.len(),
        of("history"),
        of("traces"),
        of("states"),
    );
}

/// Leads real processes through a run. Gives what was said of the turns, and what came of it.
fn led(folder: &Path, case: &Case, property: &str) -> (String, Came) {
    let file = folder.join("small.json");
    std::fs::write(&file, serde_json::to_vec(case).expect("JSON")).expect("it is written");
    let output = Command::new(env!("CARGO_BIN_EXE_perjury"))
        .args(["test", "--json", "--plan"])
        .arg(&file)
        .arg("--store")
        .arg(folder.join("runs"))
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    let turns = told
        .lines()
        .find(|line| line.contains(" turns, ") || line.contains("the processes did not"))
        .unwrap_or("not led")
        .to_owned();
    let Ok(verdict) = serde_json::from_slice::<serde_json::Value>(&output.stdout) else {
        return (turns, Came::Not(told.into_owned()));
    };
    let verdict = &verdict["verdict"];
    let invalid = verdict["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|finding| finding["verdict"] == "invalid");
    let mut others = Vec::new();
    for finding in invalid {
        let text = |field: &str| finding[field].as_str().unwrap_or_default().to_owned();
        let (named, sentence, method) = (text("property"), text("sentence"), text("method"));
        // Invariants are one property in a verdict; the sentence names the one that broke.
        if named == property || sentence.contains(&format!("{property} (")) {
            let how = match method.split(' ').next() {
                Some("states") => "states",
                Some("traces") => "traces",
                _ => "history",
            };
            return (turns, Came::Same(how.to_owned()));
        }
        others.push(sentence);
    }
    let failures = verdict["system_failures"].as_array().map_or(0, Vec::len);
    let by_runner = [
        "node-died",
        "does-not-recover",
        "does-not-rejoin",
        "final-reads-failed",
    ];
    if failures > 0 && by_runner.contains(&property) {
        return (turns, Came::Same("history".to_owned()));
    }
    (turns, Came::Not(others.join(" ")))
}
