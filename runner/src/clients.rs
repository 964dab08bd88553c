//! Clients: whom they ask, and what they make of the answers.
//!
//! A client keeps its own idea of who leads, as real client libraries do, and follows hints. It also has a home:
//! a node that it prefers for a share of its operations whatever it believes, so that cut-off nodes are asked
//! too, and have the opportunity to lie.
//!
//! **What an operation may be recorded as.** It is `ok` or `fail` if an answer says so. If every attempt surely
//! did nothing, it is `fail`. One attempt of unknown outcome makes it `info`, whatever later attempts failed
//! with; only where all attempts belong to one session, in which the store applies a request at most once, does
//! a later answer settle it.
//!
//! **A refusal is a claim too.** What surely did nothing is sent again as a new request of the session, not as
//! the same one: a store that refuses and applies all the same cannot hide behind its own deduplication. And when
//! the node that was believed to lead refuses, some clients leave it at that: their `fail` must never be seen.

use std::sync::Arc;

use perjury_checker::history::PRECONDITION_FAILED;
use perjury_checker::{Function, Outcome, Value};
use perjury_nemesis::{Node, stream};
use perjury_workloads::Call;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::options::Options;
use crate::record::End;
use crate::step::Answer;

/// The first pause after an attempt that surely did nothing; doubled up to the longest, and jittered. Clients that wait
/// for answers for more than a second are as much less in a hurry.
const FIRST_PAUSE_MS: u64 = 8;
const LONGEST_PAUSE_MS: u64 = 128;

/// Hints that are followed at once, one after the other: nodes may point at each other in circles.
const HOPS: u8 = 2;

/// One in so many changes that the believed leader refuses is not tried again.
const LEFT_AT_THAT: u32 = 3;

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    /// Its number in the history; retired after an `info`.
    pub(crate) process: u64,
    /// Draws its operations.
    pub(crate) workload_rng: ChaCha8Rng,
    /// The operation that it is at.
    pub(crate) open: Option<Open>,
    sequence: u64,
    home: Node,
    leader: Option<Node>,
    /// The node that last carried out a change, until it refuses one.
    obeyed: Option<Node>,
    nodes: u16,
    /// How long it waits for an answer, at least a second.
    patience_ms: u64,
    /// For each node that let a request hang, until when it is avoided: for reads, and for changes.
    shunned_ns: Vec<[u64; 2]>,
    rng: ChaCha8Rng,
}

/// An operation that has not come to its end.
#[derive(Debug)]
pub(crate) struct Open {
    /// Its place in the history.
    pub(crate) operation: usize,
    /// What it is.
    pub(crate) call: Call,
    /// Its session, if it changes anything.
    pub(crate) session: Option<(u64, u64)>,
    /// When the client gives up.
    pub(crate) deadline_ns: u64,
    /// The attempt that is under way.
    pub(crate) attempt: Option<u64>,
    /// The node that is or was asked last, or is to be asked next.
    pub(crate) node: Node,
    /// Whether it is one of the final calls.
    pub(crate) last: bool,
    doubt: bool,
    hops: u8,
    pause_ms: u64,
}

/// What a client does about an answer.
#[derive(Debug)]
pub(crate) enum Next {
    /// The operation has come to its end.
    End(End),
    /// It is tried again, at `open.node`, at this time.
    Retry(u64),
}

/// Whether carrying it out changes anything.
pub(crate) fn changes(f: &Function) -> bool {
    *f != Function::Read
}

impl Client {
    pub(crate) fn new(number: usize, options: &Options) -> Self {
        let Options {
            nodes,
            seed,
            request_timeout_ms,
            ..
        } = *options;
        let home = Node((number % usize::from(nodes.max(1))) as u16 + 1);
        Client {
            process: number as u64,
            workload_rng: stream(seed, &format!("workload/{number}")),
            open: None,
            sequence: 0,
            home,
            leader: None,
            obeyed: None,
            nodes,
            patience_ms: request_timeout_ms.max(1_000),
            shunned_ns: vec![[0; 2]; usize::from(nodes)],
            rng: stream(seed, &format!("client/{number}")),
        }
    }

    /// Whom to ask first.
    pub(crate) fn choose(&mut self, now_ns: u64, f: &Function) -> Node {
        let mut node = self.prefer(f);
        // A node that let one request hang is mostly spared the next; else all clients would soon hang there.
        for _ in 1..self.nodes {
            if now_ns >= self.shunned_ns[usize::from(node.0 - 1)][usize::from(changes(f))]
                || self.rng.random_range(0..16) == 0
            {
                break;
            }
            node = Node(node.0 % self.nodes + 1);
        }
        node
    }

    fn prefer(&mut self, f: &Function) -> Node {
        let leads = self.leader.unwrap_or(self.home);
        // Any node may serve reads, so they go everywhere; a change mostly goes to who leads.
        let (home, anyone) = if changes(f) { (3, 4) } else { (6, 10) };
        match self.rng.random_range(0..16) {
            draw if draw < home => self.home,
            draw if draw < anyone => Node(self.rng.random_range(1..=self.nodes)),
            _ => leads,
        }
    }

    /// Begins an operation that was recorded at this place.
    pub(crate) fn begin(&mut self, operation: usize, call: Call, node: Node, deadline_ns: u64, last: bool) {
        let session = changes(&call.f).then(|| {
            self.sequence += 1;
            (self.process, self.sequence)
        });
        self.open = Some(Open {
            operation,
            call,
            session,
            deadline_ns,
            attempt: None,
            node,
            last,
            doubt: false,
            hops: 0,
            pause_ms: FIRST_PAUSE_MS * self.patience_ms / 1_000,
        });
    }

    /// Takes the number that the next operation is recorded under.
    pub(crate) fn retire(&mut self, concurrency: usize) {
        self.process += concurrency as u64;
        self.sequence = 0;
    }

    /// What to do about an answer to the open operation's attempt. `retries`: whether an unknown outcome is
    /// tried again in the same session.
    pub(crate) fn answered(&mut self, now_ns: u64, answer: Answer, retries: bool) -> Option<Next> {
        let open = self.open.as_mut()?;
        open.attempt = None;
        let node = open.node;
        Some(match answer {
            Answer::Ok {
                value,
                version,
                quorum,
                ..
            } => {
                if changes(&open.call.f) {
                    self.leader = Some(node);
                    self.obeyed = Some(node);
                }
                let end = End {
                    outcome: Outcome::Ok,
                    value,
                    error: None,
                    observed: None,
                    version,
                    quorum,
                    node: Some(node),
                };
                Next::End(end)
            }
            Answer::Failed {
                error,
                observed,
                version,
            } => {
                // A compare-and-set that differed is the session's answer to the request, whichever attempt
                // carried it. Other refusals say nothing about an attempt before them.
                let settled = !open.doubt || !changes(&open.call.f) || &*error == PRECONDITION_FAILED;
                let outcome = if settled { Outcome::Fail } else { Outcome::Info };
                Next::End(End {
                    outcome,
                    value: open.call.value.clone(),
                    error: Some(error),
                    observed: observed.filter(|_| settled),
                    version: version.filter(|_| settled),
                    quorum: None,
                    node: Some(node),
                })
            }
            Answer::Unavailable { error, leader } => {
                let deposed =
                    changes(&open.call.f) && self.obeyed.take_if(|obeyed| *obeyed == node).is_some();
                let hint = leader.filter(|hint| *hint != node && hint.0 >= 1 && hint.0 <= self.nodes);
                if hint.is_some() || self.leader == Some(node) {
                    self.leader = hint;
                }
                if deposed && !open.doubt && self.rng.random_range(0..LEFT_AT_THAT) == 0 {
                    return Some(Next::End(open.given_up(error)));
                }
                if !open.doubt
                    && let Some((_, sequence)) = open.session.as_mut()
                {
                    self.sequence += 1;
                    *sequence = self.sequence;
                }
                match hint {
                    Some(hint) if open.hops < HOPS && now_ns < open.deadline_ns => {
                        open.hops += 1;
                        open.node = hint;
                        Next::Retry(now_ns)
                    }
                    hint => self.pause(now_ns, error, hint),
                }
            }
            Answer::Unknown { error } => {
                open.doubt = true;
                let until_ns = now_ns.saturating_add(self.patience_ms * 1_000_000);
                self.shunned_ns[usize::from(node.0 - 1)][usize::from(changes(&open.call.f))] = until_ns;
                if self.leader == Some(node) {
                    self.leader = None;
                }
                if retries {
                    self.pause(now_ns, error, None)
                } else {
                    Next::End(open.given_up(error))
                }
            }
        })
    }

    /// Tries again after a pause, at this node or another; gives up if there is no time left.
    fn pause(&mut self, now_ns: u64, error: Arc<str>, node: Option<Node>) -> Next {
        let Some(open) = self.open.as_mut() else {
            return Next::Retry(now_ns);
        };
        let jittered_us = open.pause_ms * 1_000 * self.rng.random_range(50..=150) / 100;
        let at_ns = now_ns.saturating_add(jittered_us * 1_000);
        if at_ns >= open.deadline_ns {
            return Next::End(open.given_up(error));
        }
        open.pause_ms = (open.pause_ms * 2).min(LONGEST_PAUSE_MS * self.patience_ms / 1_000);
        open.hops = 0;
        open.node = node.unwrap_or(Node(open.node.0 % self.nodes + 1));
        Next::Retry(at_ns)
    }
}

impl Open {
    /// The end of an operation that got no answer of its own.
    pub(crate) fn given_up(&self, error: Arc<str>) -> End {
        End {
            outcome: if self.doubt || self.attempt.is_some() {
                Outcome::Info
            } else {
                Outcome::Fail
            },
            value: if changes(&self.call.f) {
                self.call.value.clone()
            } else {
                Value::Nil
            },
            error: Some(error),
            observed: None,
            version: None,
            quorum: None,
            node: Some(self.node),
        }
    }
}

#[cfg(test)]
mod tests {
    use perjury_checker::Key;

    use super::*;

    const MS: u64 = 1_000_000;

    fn ok() -> Answer {
        Answer::Ok {
            value: Value::Nil,
            version: None,
            quorum: None,
            term: 1,
        }
    }

    fn differed() -> Answer {
        Answer::Failed {
            error: PRECONDITION_FAILED.into(),
            observed: Some(5.into()),
            version: None,
        }
    }

    fn invalid() -> Answer {
        Answer::Failed {
            error: "invalid".into(),
            observed: None,
            version: None,
        }
    }

    fn away() -> Answer {
        Answer::Unavailable {
            error: "no-leader".into(),
            leader: None,
        }
    }

    fn lost() -> Answer {
        Answer::Unknown {
            error: "timeout".into(),
        }
    }

    fn client(number: usize, nodes: u16, seed: u64) -> Client {
        let options = Options {
            nodes,
            seed,
            ..Options::default()
        };
        Client::new(number, &options)
    }

    fn opened(f: Function) -> Client {
        let mut client = client(0, 3, 7);
        client.begin(
            0,
            Call {
                f,
                key: Key::from("k0"),
                value: 1.into(),
            },
            Node(1),
            1_000 * MS,
            false,
        );
        client
    }

    /// How the operation ends if its attempts are answered so, and then no more.
    fn ending(f: Function, retries: bool, answers: &[Answer]) -> (Outcome, Option<Value>) {
        let mut client = opened(f);
        let mut now_ns = 0;
        for answer in answers {
            if let Some(open) = client.open.as_mut() {
                open.attempt = Some(1);
            }
            match client.answered(now_ns, answer.clone(), retries) {
                Some(Next::End(end)) => return (end.outcome, end.observed),
                Some(Next::Retry(at_ns)) => now_ns = at_ns,
                None => break,
            }
        }
        let end = client
            .open
            .map(|open| open.given_up("late".into()))
            .expect("open");
        (end.outcome, end.observed)
    }

    #[test]
    fn an_operation_fails_only_if_every_attempt_surely_did_nothing() {
        use Function::{Cas, Increment, Read, Write};
        use Outcome::{Fail, Info, Ok};
        let cases: [(Function, bool, &[Answer], Outcome); 16] = [
            (Write, false, &[ok()], Ok),
            (Write, false, &[away(), ok()], Ok),
            (Write, false, &[away(), away()], Fail),
            (Write, false, &[invalid()], Fail),
            (Write, false, &[lost(), ok()], Info),
            (Write, false, &[away(), lost(), ok()], Info),
            (Cas, false, &[differed()], Fail),
            (Cas, false, &[away(), differed()], Fail),
            (Cas, false, &[lost(), differed()], Info),
            (Increment, true, &[lost(), ok()], Ok),
            (Increment, true, &[lost(), away(), away()], Info),
            (Increment, true, &[lost(), invalid()], Info),
            (Increment, true, &[away(), lost(), lost()], Info),
            (Cas, true, &[lost(), differed()], Fail),
            (Read, true, &[lost(), ok()], Ok),
            (Read, false, &[lost()], Info),
        ];
        for (f, retries, answers, expected) in cases {
            let (outcome, _) = ending(f.clone(), retries, answers);
            assert_eq!(outcome, expected, "{f} (retries: {retries}): {answers:?}");
        }
    }

    #[test]
    fn a_doubtful_request_is_retried_until_it_is_settled_or_late() {
        for seed in 0..50 {
            let mut client = client(0, 3, seed);
            client.obeyed = Some(Node(1));
            let call = Call {
                f: Function::Increment,
                key: Key::from("k0"),
                value: 1.into(),
            };
            client.begin(0, call, Node(1), 1_000 * MS, false);
            assert!(matches!(client.answered(0, lost(), true), Some(Next::Retry(_))));
            assert!(
                matches!(client.answered(MS, away(), true), Some(Next::Retry(_))),
                "seed {seed}"
            );
        }
    }

    #[test]
    fn a_refused_request_is_sent_anew_and_a_doubtful_one_is_not() {
        let mut client = opened(Function::Increment);
        let session = |client: &Client| client.open.as_ref().and_then(|open| open.session);
        assert_eq!(session(&client), Some((0, 1)));
        client.answered(0, away(), true);
        assert_eq!(session(&client), Some((0, 2)));
        client.answered(0, lost(), true);
        client.answered(0, away(), true);
        assert_eq!(session(&client), Some((0, 2)));
    }

    #[test]
    fn what_a_failed_compare_and_set_saw_is_evidence_only_if_it_is_settled() {
        assert_eq!(ending(Function::Cas, false, &[differed()]).1, Some(5.into()));
        assert_eq!(ending(Function::Cas, true, &[lost(), invalid()]).1, None);
    }

    #[test]
    fn hints_are_followed_at_once_but_not_in_circles() {
        let mut client = opened(Function::Write);
        let mut pauses = 0;
        let mut now_ns = 0;
        for turn in 0..20 {
            let asked = client.open.as_ref().map(|open| open.node).expect("open");
            let hint = if asked == Node(1) { Node(2) } else { Node(1) };
            let answer = Answer::Unavailable {
                error: "not-leader".into(),
                leader: Some(hint),
            };
            match client.answered(now_ns, answer, false) {
                Some(Next::Retry(at_ns)) => {
                    assert_eq!(
                        client.open.as_ref().map(|open| open.node),
                        Some(hint),
                        "turn {turn}"
                    );
                    pauses += u64::from(at_ns > now_ns);
                    now_ns = at_ns;
                }
                other => panic!("turn {turn}: {other:?}"),
            }
        }
        assert_eq!(pauses, 6);
    }

    #[test]
    fn a_client_goes_on_asking_its_home_whoever_leads() {
        let mut client = client(2, 5, 7);
        client.leader = Some(Node(1));
        for f in [Function::Read, Function::Write] {
            let asked: Vec<Node> = (0..1_000).map(|_| client.choose(0, &f)).collect();
            let home = asked.iter().filter(|node| **node == Node(3)).count();
            let leader = asked.iter().filter(|node| **node == Node(1)).count();
            assert!(
                home > 120 && leader > 300,
                "{f}: {home} times home, {leader} times the leader"
            );
            assert!((1..=5).all(|node| asked.contains(&Node(node))));
        }
    }

    #[test]
    fn a_node_that_lets_reads_hang_is_spared_reads_but_not_changes() {
        let mut client = opened(Function::Read);
        client.answered(0, lost(), false);
        let asked =
            |client: &mut Client, now_ns, f| (0..400).filter(|_| client.choose(now_ns, f) == Node(1)).count();
        assert!(asked(&mut client, 1, &Function::Read) < 40);
        assert!(asked(&mut client, 1, &Function::Write) > 200);
        assert!(asked(&mut client, 2_000 * MS, &Function::Read) > 200);
    }
}
