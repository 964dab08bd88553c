//! The guard: a small process that kills the nodes when the control node is gone.
//!
//! Nodes die with the control node by themselves: on Linux the kernel sees to it, and everywhere their standard input
//! ends. But a frozen node reads nothing, and other systems have no such kernel; and nobody removes the data
//! directories. So the control node holds a pipe to the guard and tells it what there is; when the pipe ends without
//! a farewell, the guard kills and removes what is left.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitCode, Stdio};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use super::spawn;
use crate::subprocess;

/// The control node's end. Dropping it lets the guard do its work.
#[derive(Debug)]
pub(super) struct Guard {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    pub fn start(program: Option<&Path>) -> io::Result<Self> {
        let mut command = spawn::this_program(program)?;
        command.arg(subprocess::GUARD);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut process = spawn::spawn_survivor(command)?;
        let pipe = process.stdin.take();
        Ok(Guard { process, pipe })
    }

    /// There is a process to kill.
    pub fn watch(&mut self, pid: u32) {
        self.say(&format!("watch {pid}"));
    }

    /// The process is gone, and its number may come to mean another.
    pub fn forget(&mut self, pid: u32) {
        self.say(&format!("forget {pid}"));
    }

    /// There is a directory to remove.
    pub fn remove(&mut self, directory: &Path) {
        self.say(&format!("remove {}", directory.display()));
    }

    /// Everything is cleaned up.
    pub fn dismiss(mut self) {
        self.say("dismiss");
        drop(self.pipe.take());
        // It ends at once.
        let _ = self.process.wait();
    }

    fn say(&mut self, line: &str) {
        if let Some(pipe) = &mut self.pipe {
            // Without a guard, the other two means remain.
            let _ = pipe.write_all(format!("{line}\n").as_bytes());
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.pipe.take().is_some() {
            let _ = self.process.wait();
        }
    }
}

/// Runs a guard: waits for the end of the standard input, then kills and removes.
pub fn main() -> ExitCode {
    let mut processes = BTreeSet::new();
    let mut directories = BTreeSet::new();
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        match line.split_once(' ') {
            Some(("watch", pid)) => drop(pid.parse::<i32>().map(|pid| processes.insert(pid))),
            Some(("forget", pid)) => drop(pid.parse::<i32>().map(|pid| processes.remove(&pid))),
            Some(("remove", path)) => drop(directories.insert(PathBuf::from(path))),
            _ if line == "dismiss" => return ExitCode::SUCCESS,
            _ => {}
        }
    }
    for &pid in &processes {
        // Each node leads a process group of its own; a number that came to mean another process names none.
        let _ = signal::killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    for _ in 0..100 {
        if processes
            .iter()
            .all(|pid| signal::killpg(Pid::from_raw(*pid), None).is_err())
        {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    for directory in directories {
        let _ = std::fs::remove_dir_all(directory);
    }
    ExitCode::SUCCESS
}
