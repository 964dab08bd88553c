//! Real runs of several kinds, made by the program, and what their reports must say.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// A kind of run, and how to come by it.
pub struct Kind {
    pub name: &'static str,
    pub arguments: &'static str,
    pub exit: i32,
    /// The word that stands above its report.
    pub word: &'static str,
    /// Sections that its report must have.
    pub sections: &'static [&'static [&'static str]],
}

const ALL: &[&str] = &[
    "verdict",
    "timeline",
    "messages",
    "performance",
    "coverage",
    "faults",
    "facts",
];
const LIE: &[&str] = &["story", "counterexample"];

/// Runs of every kind; those in simulation take no time.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "valid",
        arguments: "--env sim --nemesis partition --time-limit 10s --interval 2s --seed 1",
        exit: 0,
        word: "valid",
        sections: &[ALL],
    },
    Kind {
        name: "stale-read",
        arguments: "--env sim --mutant raft/read-local-at-leader --workload register --nemesis partition \
                    --time-limit 10s --interval 2s --seed 2",
        exit: 1,
        word: "invalid",
        sections: &[ALL, LIE],
    },
    Kind {
        name: "lost-write",
        arguments: "--env sim --mutant raft/commit-quorum-half --workload append --nemesis partition,kill \
                    --time-limit 10s --interval 2s --seed 1",
        exit: 1,
        word: "invalid",
        sections: &[ALL, LIE],
    },
    Kind {
        name: "quorum-violation",
        arguments: "--env sim --system nwr --mutant nwr/sloppy-counts-hints --set w=3 --set r=1 --set hint-after-ms=20 \
                    --nemesis partition --time-limit 10s --interval 2s --seed 2",
        exit: 1,
        word: "invalid",
        sections: &[ALL, LIE, &["quorums"]],
    },
    Kind {
        name: "broken-invariant",
        arguments: "--env sim --mutant raft/commit-old-term-by-count --workload append --nemesis partition,kill \
                    --time-limit 10s --interval 2s --seed 1",
        exit: 1,
        word: "invalid",
        sections: &[&["verdict", "story", "timeline", "messages", "facts"]],
    },
    Kind {
        name: "mistreated",
        arguments: "--env sim --nemesis packets,clock,pause,membership --time-limit 10s --interval 1s --seed 1",
        exit: 0,
        word: "valid",
        sections: &[ALL],
    },
    Kind {
        name: "unknown",
        arguments: "--env sim --nemesis partition --rate 2 --interval 20s --time-limit 1s --seed 1",
        exit: 2,
        word: "unknown",
        sections: &[&["verdict", "timeline", "performance", "coverage", "facts"]],
    },
    Kind {
        name: "processes",
        arguments: "--mutant raft/read-local-at-any-node --workload register --nemesis partition,packets \
                    --time-limit 5s --interval 2s --seed 1",
        exit: 1,
        word: "invalid",
        sections: &[ALL, LIE],
    },
    // Its nodes' data would have to go to a folder that is not there: the cluster cannot start, nothing is recorded.
    Kind {
        name: "harness-failure",
        arguments: "--nemesis partition --time-limit 1s --seed 1",
        exit: 255,
        word: "harness failed",
        sections: &[&["verdict", "timeline", "coverage", "facts"]],
    },
];

/// A folder with a run of each kind.
pub struct Runs {
    folder: TempDir,
}

/// The program, without the settings of whoever runs the tests.
pub fn perjury() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perjury"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PERJURY_") || name == "GITHUB_STEP_SUMMARY" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

impl Runs {
    /// The runs, made when they are first asked for.
    pub fn get() -> &'static Self {
        static RUNS: OnceLock<Runs> = OnceLock::new();
        RUNS.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a folder");
            for kind in KINDS {
                make(kind, folder.path());
            }
            Runs { folder }
        })
    }

    /// The store.
    pub fn store(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the run of a kind.
    pub fn run(&self, name: &str) -> PathBuf {
        let runs = std::fs::read_dir(self.folder.path().join(name)).expect("its runs");
        runs.map(|entry| entry.expect("an entry").path())
            .next()
            .expect("a run")
    }

    /// The report of a kind.
    pub fn report(&self, name: &str) -> PathBuf {
        self.run(name).join("report.html")
    }

    /// A copy of a run in which `change` changed every text, with its report written anew.
    pub fn changed(&self, name: &str, change: impl Fn(&str, String) -> Vec<u8>) -> (TempDir, PathBuf) {
        let copy = tempfile::tempdir().expect("a folder");
        let target = copy.path().join("20260101T000000.000Z-changed");
        std::fs::create_dir_all(target.join("nodes")).expect("a folder");
        let from = self.run(name);
        for relative in files(&from) {
            let text = std::fs::read_to_string(from.join(&relative)).expect("a text");
            std::fs::write(target.join(&relative), change(&relative, text)).expect("it is written");
        }
        let done = perjury()
            .arg("report")
            .arg(&target)
            .output()
            .expect("the program runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        (copy, target.join("report.html"))
    }
}

fn files(run: &Path) -> Vec<String> {
    let mut files: Vec<String> = [
        "test.json",
        "history.jsonl",
        "cluster.jsonl",
        "faults.json",
        "verdict.json",
        "messages.jsonl",
    ]
    .into_iter()
    .filter(|name| run.join(name).is_file())
    .map(str::to_owned)
    .collect();
    for entry in std::fs::read_dir(run.join("nodes")).expect("the nodes' logs") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a name");
        if name.ends_with(".log") {
            files.push(format!("nodes/{name}"));
        }
    }
    files
}

fn make(kind: &Kind, store: &Path) {
    let mut command = perjury();
    command.arg("test").args(kind.arguments.split_whitespace());
    command.args(["--name", kind.name, "--store"]).arg(store);
    if kind.name == "harness-failure" {
        command.env("TMPDIR", store.join("nowhere"));
    }
    let done = command.output().expect("the program runs");
    assert_eq!(
        done.status.code(),
        Some(kind.exit),
        "{}: {}{}",
        kind.name,
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

/// A program that serves a store on loopback until this is dropped.
pub struct Server {
    child: Child,
    /// Where it is.
    pub url: String,
}

impl Server {
    /// Starts it, at any port that is free.
    pub fn start(arguments: &[&OsStr]) -> Self {
        let mut command = perjury();
        command.args(["serve", "--port", "0"]).args(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut url = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut url)
            .expect("it says where it is");
        Server {
            child,
            url: url.trim_end().to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
