//! How much of the control node's time the runner itself takes: whole tests against a store that answers at once.
//!
//! ```text
//! cargo run --release -p perjury-runner --example throughput [operations]
//! ```

use std::collections::VecDeque;
use std::error::Error;

use perjury_checker::{Function, Value};
use perjury_nemesis::Plan;
use perjury_runner::{Action, Answer, Input, Options, Runner};
use perjury_workloads::build;

/// The machine's clock: an example may read it, the runner may not.
#[allow(clippy::disallowed_methods)]
fn clock() -> std::time::Instant {
    std::time::Instant::now()
}

fn main() -> Result<(), Box<dyn Error>> {
    let wanted: u64 = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |argument| argument.parse())?;
    for workload in ["register", "cas", "counter"] {
        let options = Options {
            rate: 0.0,
            concurrency: 20,
            time_limit_ms: 3_600_000,
            ..Options::default()
        };
        let mut runner = Runner::new(options, build(workload, &Default::default())?, Plan::default())?;
        let mut pending = VecDeque::from([Input::Started]);
        let (mut out, mut inputs, mut actions, mut operations) = (Vec::new(), 0u64, 0u64, 0u64);
        let started = clock();
        while operations < wanted {
            let Some(input) = pending.pop_front() else { break };
            inputs += 1;
            runner.step(inputs * 10_000, input, &mut out);
            actions += out.len() as u64;
            for action in out.drain(..) {
                if let Action::Send(attempt) = action {
                    operations += 1;
                    let value = if attempt.call.f == Function::Read {
                        Value::Int(1)
                    } else {
                        Value::Nil
                    };
                    let answer = Answer::Ok {
                        value,
                        version: Some(operations),
                        quorum: None,
                        term: 1,
                    };
                    pending.push_back(Input::Answer {
                        attempt: attempt.id,
                        answer,
                    });
                }
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "{workload:10} {operations} operations in {seconds:.2} s: {:.0} operations/s, {:.0} actions/s",
            operations as f64 / seconds,
            actions as f64 / seconds
        );
    }
    if let Ok(status) = std::fs::read_to_string("/proc/self/status")
        && let Some(line) = status.lines().find(|line| line.starts_with("VmHWM"))
    {
        println!(
            "peak memory, one history of that length at a time: {}",
            line.trim_start_matches("VmHWM:").trim()
        );
    }
    Ok(())
}
