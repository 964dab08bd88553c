//! Runs that never took place: a cluster of registers simulated in a page of code, with partitions, leaders,
//! time-outs, and if asked for a read that lies.

use std::collections::BTreeMap;
use std::sync::Arc;

use perjury_checker::history::PRECONDITION_FAILED;
use perjury_checker::models::Cell;
use perjury_checker::quorum::Visibility;
use perjury_checker::{
    Event, EventKind, Finding, Function, History, Options, Process, Quorum, Tag, Value, Verdict, Witness,
};
use perjury_nemesis::{Link, Node, Plan, Resolved};
use perjury_results::{
    Evidence, Machine, NodeLog, Recovery, RunOutcome, SCHEMA, TestRecord, VerdictRecord, run_id,
};
use perjury_runner::{Bite, FaultRecord, Notice, Phase, View};
use perjury_workloads::{Bites, Counts, Coverage};

pub const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

/// What a run is to look like.
pub struct Sample {
    pub seed: u64,
    pub operations: usize,
    pub clients: u64,
    pub seconds: u64,
    pub partitions: bool,
    pub lie: bool,
}

impl Default for Sample {
    fn default() -> Self {
        Sample {
            seed: 7,
            operations: 6_000,
            clients: 10,
            seconds: 30,
            partitions: true,
            lie: false,
        }
    }
}

/// Numbers that look random and never change.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

pub fn test(sample: &Sample) -> TestRecord {
    let started_at = "2026-11-21T07:01:53.123Z".parse().expect("a time");
    TestRecord {
        schema: SCHEMA,
        id: run_id(sample.seed, started_at),
        name: "raft-cas-partition".to_owned(),
        system: "raft".to_owned(),
        workload: "cas".to_owned(),
        nemesis: if sample.partitions {
            vec!["partition".to_owned()]
        } else {
            Vec::new()
        },
        environment: "process".to_owned(),
        nodes: 5,
        concurrency: sample.clients as usize,
        rate: 200.0,
        keys: 3,
        values: None,
        time_limit_ms: sample.seconds * 1_000,
        request_timeout_ms: 1_000,
        recovery_limit_ms: 10_000,
        stop_on_violation: false,
        seed: sample.seed,
        mutant: sample.lie.then(|| "raft/read-local-at-leader".to_owned()),
        settings: BTreeMap::new(),
        plan: Plan::default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: Machine::here(),
        started_at,
        command: format!(
            "perjury test --system raft --workload cas --nemesis partition --time-limit {}s --seed {}{}",
            sample.seconds,
            sample.seed,
            if sample.lie {
                " --mutant raft/read-local-at-leader"
            } else {
                ""
            },
        ),
    }
}

fn node(number: u64) -> Arc<str> {
    format!("n{}", number + 1).into()
}

struct Pending {
    process: u64,
    key: usize,
    node: u64,
    f: Function,
    invoked: u64,
    applied: Option<u64>,
    returned: Option<u64>,
    argument: Value,
    result: Value,
    observed: Option<Value>,
    kind: EventKind,
    error: Option<&'static str>,
}

/// When a partition holds: two seconds of every five, the leader and one more cut off.
fn cut(sample: &Sample, time: u64) -> Option<u64> {
    let round = time / (5 * SECOND);
    let within = time % (5 * SECOND);
    (sample.partitions && (2 * SECOND..4 * SECOND).contains(&within) && time < sample.seconds * SECOND)
        .then_some(round)
}

/// Who leads at a time, and in which term: after each cut another node, half a second late.
fn leader(sample: &Sample, time: u64) -> (u64, u64) {
    if !sample.partitions {
        return (0, 1);
    }
    let elections = (time + 5 * SECOND - 2_500 * MS) / (5 * SECOND);
    (elections * 2 % 5, elections + 1)
}

pub fn history(sample: &Sample) -> Vec<Event> {
    let mut dice = Dice::new(sample.seed);
    let mut pending = Vec::with_capacity(sample.operations);
    let mut free = vec![0_u64; sample.clients as usize];
    let mut process: Vec<u64> = (0..sample.clients).collect();
    let span = sample.seconds * SECOND;
    let pause = span * sample.clients / sample.operations.max(1) as u64;
    for number in 0..sample.operations as u64 {
        let client = (number % sample.clients) as usize;
        let invoked = free[client] + 100_000 + dice.below(pause.saturating_sub(2 * MS) * 2 + 1);
        let (leads, _) = leader(sample, invoked);
        let lost = match cut(sample, invoked) {
            Some(_) => dice.below(5) < 2,
            None => dice.below(400) == 0,
        };
        let latency = 400_000
            + dice.below(2 * MS)
            + if dice.below(40) == 0 {
                dice.below(30 * MS)
            } else {
                0
            };
        let key = (dice.below(9) / 3) as usize;
        let (f, argument) = match dice.below(10) {
            0..5 => (Function::Read, Value::Nil),
            5..8 => (Function::Write, Value::Int(number as i64)),
            _ => (
                Function::Cas,
                Value::from(vec![Value::Int(0), Value::Int(number as i64)]),
            ),
        };
        let refused = lost && dice.below(3) > 0;
        let operation = Pending {
            process: process[client],
            key,
            node: if lost { dice.below(5) } else { leads },
            f,
            invoked,
            applied: if lost { None } else { Some(invoked + latency / 2) },
            returned: Some(
                invoked
                    + if refused {
                        latency
                    } else if lost {
                        1_000 * MS
                    } else {
                        latency
                    },
            ),
            argument,
            result: Value::Nil,
            observed: None,
            kind: if refused {
                EventKind::Fail
            } else if lost {
                EventKind::Info
            } else {
                EventKind::Ok
            },
            error: if refused {
                Some("no-leader")
            } else if lost {
                Some("timeout")
            } else {
                None
            },
        };
        free[client] =
            operation.returned.unwrap_or(invoked) + if sample.operations > 100_000 { 0 } else { MS };
        if operation.kind == EventKind::Info {
            process[client] += sample.clients;
        }
        pending.push(operation);
    }
    apply(sample, &mut pending);
    events(&pending)
}

/// Lets every operation take effect in the order of time; the lie is one read of the old leader.
fn apply(sample: &Sample, pending: &mut [Pending]) {
    let mut order: Vec<usize> = (0..pending.len())
        .filter(|&p| pending[p].applied.is_some())
        .collect();
    order.sort_by_key(|&position| pending[position].applied);
    let mut state = [const { Value::Nil }; 3];
    let mut stale: Option<[Value; 3]> = None;
    let mut lied = !sample.lie;
    for position in order {
        let operation = &mut pending[position];
        let key = operation.key;
        if operation.invoked > 17_000 * MS && stale.is_none() {
            stale = Some(state.clone());
        }
        match operation.f {
            Function::Read => {
                operation.result = state[key].clone();
                if !lied
                    && operation.invoked > 18_200 * MS
                    && let Some(stale) = &stale
                    && stale[key] != state[key]
                {
                    operation.result = stale[key].clone();
                    operation.node = leader(sample, 17_000 * MS).0;
                    lied = true;
                }
            }
            Function::Write => state[key] = operation.argument.clone(),
            _ => {
                let Value::List(pair) = &operation.argument else {
                    continue;
                };
                let new = pair[1].clone();
                // Half of them guess right.
                let hit = operation.invoked.is_multiple_of(2);
                let expected = if hit { state[key].clone() } else { Value::Int(-1) };
                operation.argument = Value::from(vec![expected.clone(), new.clone()]);
                if hit {
                    state[key] = new;
                } else {
                    operation.kind = EventKind::Fail;
                    operation.error = Some(PRECONDITION_FAILED);
                    operation.observed = Some(state[key].clone());
                }
            }
        }
    }
}

fn events(pending: &[Pending]) -> Vec<Event> {
    const KEYS: [&str; 3] = ["x", "y", "z"];
    let mut events = Vec::with_capacity(pending.len() * 2);
    for operation in pending {
        let event = |time: u64, kind: EventKind, value: Value| Event {
            index: 0,
            time,
            process: Process::Client(operation.process),
            node: Some(node(operation.node)),
            kind,
            f: operation.f.clone(),
            key: Some(KEYS[operation.key].into()),
            value,
            error: None,
            observed: None,
            version: None,
            quorum: None,
        };
        events.push(event(
            operation.invoked,
            EventKind::Invoke,
            operation.argument.clone(),
        ));
        if let Some(returned) = operation.returned {
            let value = if operation.f == Function::Read {
                operation.result.clone()
            } else {
                operation.argument.clone()
            };
            let mut completion = event(returned, operation.kind, value);
            completion.error = operation.error.map(Into::into);
            completion.observed.clone_from(&operation.observed);
            completion.quorum = (operation.f == Function::Read && operation.kind == EventKind::Ok)
                .then(|| quorum(operation.node).into());
            events.push(completion);
        }
    }
    events.sort_by_key(|event| event.time);
    for (event, index) in events.iter_mut().zip(0..) {
        event.index = index;
    }
    events
}

/// Two of three replicas answered a read.
fn quorum(node: u64) -> Quorum {
    let tag = Some(Tag(7, 2, 1));
    let other = (node % 5) as u16 + 1;
    Quorum {
        epoch: 0,
        of: vec![1, 2, 3, 4, 5],
        before: Vec::new(),
        need: 2,
        tag,
        answers: vec![(other, tag), (other % 5 + 1, None)],
        stored: Vec::new(),
    }
}

fn faults(sample: &Sample) -> Vec<FaultRecord> {
    let rounds = if sample.partitions { sample.seconds / 5 } else { 0 };
    let fault = |round: u64| {
        let (leads, _) = leader(sample, round * 5 * SECOND + 2 * SECOND);
        let minority = [leads, (leads + 1) % 5].map(|n| Node(n as u16 + 1));
        let links = (1..=5)
            .map(Node)
            .filter(|n| !minority.contains(n))
            .flat_map(|other| {
                minority
                    .iter()
                    .flat_map(move |&one| [Link { from: one, to: other }, Link { from: other, to: one }])
            });
        FaultRecord {
            id: round as u32,
            kind: "partition".to_owned(),
            description: format!(
                "{{{},{}}} | the rest ({} leads)",
                minority[0], minority[1], minority[0]
            ),
            fault: Resolved::Cut {
                links: links.collect(),
            },
            injected_at: Some(round * 5 * SECOND + 2 * SECOND),
            healed_at: Some(round * 5 * SECOND + 4 * SECOND),
            bite: Bite {
                bit: true,
                links: Vec::new(),
                evidence: "dropped 312 packets on 12 links".to_owned(),
            },
            error: None,
        }
    };
    (0..rounds).map(fault).collect()
}

fn notices(sample: &Sample) -> Vec<Notice> {
    let end = sample.seconds * SECOND;
    let up: Vec<Node> = (1..=5).map(Node).collect();
    let mut notices = vec![Notice::Phase {
        phase: Phase::Start,
        at: 0,
    }];
    let view = |at: u64| {
        let (leads, term) = leader(sample, at);
        Notice::View {
            at,
            view: View {
                leader: Some((Node(leads as u16 + 1), term)),
                up: up.clone(),
            },
        }
    };
    notices.push(view(1));
    notices.push(Notice::Phase {
        phase: Phase::Main,
        at: 200 * MS,
    });
    if sample.partitions {
        notices.extend((0..sample.seconds / 5).map(|round| view(round * 5 * SECOND + 2_500 * MS)));
    }
    notices.push(Notice::Phase {
        phase: Phase::Heal,
        at: end,
    });
    notices.push(Notice::Phase {
        phase: Phase::Recover,
        at: end + 20 * MS,
    });
    for number in 1..=5 {
        notices.push(Notice::Recovered {
            node: Node(number),
            after: u64::from(number) * 41 * MS,
        });
    }
    notices.push(Notice::Phase {
        phase: Phase::Final,
        at: end + 300 * MS,
    });
    notices.push(Notice::Phase {
        phase: Phase::Done,
        at: end + 350 * MS,
    });
    notices
}

fn coverage(sample: &Sample, history: &History, faults: &[FaultRecord]) -> Coverage {
    let mut coverage = Coverage {
        leader_changes: if sample.partitions { sample.seconds / 5 } else { 0 },
        ..Coverage::default()
    };
    for operation in &history.operations {
        let counts: &mut Counts = coverage
            .functions
            .entry(operation.f.name().to_owned())
            .or_default();
        match operation.completion.outcome {
            perjury_checker::Outcome::Ok => {
                counts.ok += 1;
                if cut(sample, operation.invoked.time).is_some() {
                    *coverage
                        .during
                        .entry("partition".to_owned())
                        .or_default()
                        .entry(operation.f.name().to_owned())
                        .or_default() += 1;
                }
            }
            perjury_checker::Outcome::Fail => counts.fail += 1,
            perjury_checker::Outcome::Info => counts.info += 1,
        }
    }
    if !faults.is_empty() {
        let count = faults.len() as u64;
        coverage.faults.insert(
            "partition".to_owned(),
            Bites {
                injected: count,
                bit: count,
            },
        );
        coverage.links_cut = 12;
        coverage.links_cut_with_traffic = 12;
    }
    coverage
}

/// Everything that such a run leaves behind, judged by the real checker.
pub fn run(sample: &Sample) -> Evidence {
    let history = History::from_events(history(sample)).expect("events that follow each other");
    let options = Options {
        levels: true,
        ..Options::default()
    };
    let finding = perjury_checker::check(&history, &Cell::cas_register(), &options);
    let faults = faults(sample);
    let test = test(sample);
    let outcome = match finding.verdict {
        Verdict::Valid => RunOutcome::Valid,
        Verdict::Invalid => RunOutcome::Invalid,
        Verdict::Unknown => RunOutcome::Unknown,
    };
    let verdict = VerdictRecord {
        schema: SCHEMA,
        id: test.id.clone(),
        outcome,
        exit_code: match outcome {
            RunOutcome::Valid => 0,
            RunOutcome::Invalid => 1,
            _ => 2,
        },
        findings: vec![finding],
        coverage: coverage(sample, &history, &faults),
        ran_ns: sample.seconds * SECOND + 350 * MS,
        checked_ns: 48 * MS,
        recovery: Some(Recovery {
            limit_ns: 10 * SECOND,
            nodes: (1..=5)
                .map(|number| (Node(number), Some(u64::from(number) * 41 * MS)))
                .collect(),
        }),
        system_failures: Vec::new(),
        troubles: Vec::new(),
        predicted_visibility: vec![Visibility {
            after_ns: 0,
            reads: 100,
            fresh: 60,
        }],
        mutant: sample.lie.then_some(perjury_results::MutantSeen {
            reached: 3_012,
            differed: 17,
        }),
    };
    Evidence {
        test,
        verdict: Some(verdict),
        history,
        history_problem: None,
        faults,
        notices: notices(sample),
        logs: (1..=5)
            .map(|number| NodeLog {
                node: format!("n{number}"),
                lines: (0..20)
                    .map(|line| {
                        format!(
                            "{:>8.3} term={} role=follower applied={}",
                            f64::from(line) * 1.5,
                            1 + line / 4,
                            line * 311
                        )
                    })
                    .collect(),
                bytes_before: 0,
            })
            .collect(),
        messages: None,
        likelihood: None,
    }
}

/// A run whose clients saw nothing wrong, while the nodes' traces show two leaders of one term.
#[allow(dead_code, reason = "not every test file tells of it")]
pub fn invariant_broken() -> Evidence {
    let mut evidence = run(&Sample {
        operations: 3_000,
        ..Sample::default()
    });
    let story = [
        "3.160 s  n2: Campaigned { term: 4 }",
        "3.171 s  n2: VoteCounted { term: 4, voter: NodeId(1) }",
        "3.172 s  n2: BecameLeader { term: 4 }",
        "3.210 s  n4: VoteCounted { term: 4, voter: NodeId(1) }",
        "3.214 s  n4: BecameLeader { term: 4 }",
    ];
    let verdict = evidence.verdict.as_mut().expect("a verdict");
    verdict.outcome = RunOutcome::Invalid;
    verdict.exit_code = 1;
    verdict.findings.push(Finding {
        property: "protocol invariants".to_owned(),
        verdict: Verdict::Invalid,
        sentence: "At 3.214 s election safety is broken at n4: n2 leads in term 4 as well.".to_owned(),
        method: "traces (1240 steps)".to_owned(),
        operations: 0,
        states: 0,
        witnesses: vec![Witness {
            key: None,
            operations: Vec::new(),
            culprit: None,
            story: story.map(str::to_owned).to_vec(),
            orders: Vec::new(),
        }],
        linearizations: Vec::new(),
        levels: Vec::new(),
    });
    evidence
}
