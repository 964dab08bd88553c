//! What clients have seen: every distinct state of their operations once, each judged for linearizability once.

use std::sync::Arc;

use perjury_checker::history::PRECONDITION_FAILED;
use perjury_checker::models::Cell;
use perjury_checker::{Event, EventKind, HistoryBuilder, Options, Process, Value, Verdict, check};
use perjury_runner::Answer;
use perjury_systems::api::{Request, Response};
use perjury_systems::replica::RequestId;
use perjury_workloads::Call;
use rustc_hash::FxHashMap;

use super::bounds::Doing;
use crate::environment::calls::{conclude, request};

/// What an answer tells a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Told {
    /// It happened, with this result.
    Done(Value),
    /// It compared, and saw this.
    Differed(Value),
    /// It surely did not happen.
    Refused,
}

/// Something that a client does or sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Seen {
    /// It sends its operation, for the first time or again.
    Sent(usize),
    /// It is answered.
    Answered(usize, Told),
}

/// One operation, as far as its client knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Known {
    /// How many attempts were made.
    attempts: u8,
    /// How many of them were refused.
    refused: u8,
    /// What came of it; none while that is open.
    told: Option<Told>,
    /// The operations that were over before this one began: all that real time tells.
    after: u8,
}

/// One state of the clients.
#[derive(Clone, Debug)]
struct Clients {
    known: Vec<Known>,
    /// One order of events that leads here; any other gives the same history but for the order of overlapping
    /// operations.
    events: Vec<Seen>,
    /// Why the history is not linearizable, if it is not.
    lie: Option<Arc<str>>,
}

/// Every state of the clients that was reached. State 0 is the one before anything was sent.
#[derive(Debug)]
pub(super) struct Table {
    calls: Vec<Call>,
    states: Vec<Clients>,
    numbers: FxHashMap<Vec<Known>, u32>,
}

/// Requests of one attempt are this far from those of the next.
const ATTEMPT: u64 = 16;

impl Table {
    pub(super) fn new(operations: &[Doing]) -> Self {
        let calls: Vec<Call> = operations
            .iter()
            .enumerate()
            .map(|(place, doing)| doing.call(place + 1))
            .collect();
        let known = vec![Known::default(); calls.len()];
        Table {
            numbers: FxHashMap::from_iter([(known.clone(), 0)]),
            states: vec![Clients {
                known,
                events: Vec::new(),
                lie: None,
            }],
            calls,
        }
    }

    pub(super) fn operations(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn call(&self, operation: usize) -> &Call {
        &self.calls[operation]
    }

    /// How many states there are.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// How often an operation was sent, if it may be sent (again): none once its outcome is known.
    pub(super) fn attempts(&self, state: u32, operation: usize) -> Option<u8> {
        let known = &self.states[state as usize].known[operation];
        known.told.is_none().then_some(known.attempts)
    }

    /// The request of an attempt, counted from 0. All attempts are one session's request, so that it is applied once.
    pub(super) fn request(&self, operation: usize, attempt: u8) -> (RequestId, Request) {
        let id = RequestId(operation as u64 + 1 + u64::from(attempt) * ATTEMPT);
        let session = Some((operation as u64 + 1, 1));
        let request = request(&self.calls[operation], session, 0).expect("these are calls of the store");
        (id, request)
    }

    /// The operation that a request is an attempt of.
    pub(super) fn operation(&self, id: RequestId) -> usize {
        ((id.0 - 1) % ATTEMPT) as usize
    }

    /// What an answer tells; none if it tells nothing.
    pub(super) fn told(&self, id: RequestId, response: Response) -> Option<Seen> {
        let operation = self.operation(id);
        let told = match conclude(&self.calls[operation], response) {
            Answer::Ok { value, .. } => Told::Done(value),
            Answer::Failed {
                observed: Some(observed),
                ..
            } => Told::Differed(observed),
            Answer::Failed { .. } | Answer::Unavailable { .. } => Told::Refused,
            Answer::Unknown { .. } => return None,
        };
        Some(Seen::Answered(operation, told))
    }

    /// The state after what clients did and saw in one step.
    pub(super) fn step(&mut self, state: u32, seen: &[Seen]) -> u32 {
        let mut clients = self.states[state as usize].clone();
        for one in seen {
            clients.see(one.clone());
        }
        let next = self.states.len() as u32;
        let number = *self.numbers.entry(clients.known.clone()).or_insert(next);
        if number == next {
            clients.lie = self.lie(&clients.events);
            self.states.push(clients);
        }
        number
    }

    /// Why what the clients saw is not linearizable, if it is not.
    pub(super) fn verdict(&self, state: u32) -> Option<&Arc<str>> {
        self.states[state as usize].lie.as_ref()
    }

    fn lie(&self, events: &[Seen]) -> Option<Arc<str>> {
        let mut builder = HistoryBuilder::default();
        for (index, seen) in events.iter().enumerate() {
            let pushed = builder.push(self.event(index as u64, seen));
            debug_assert!(pushed.is_ok(), "clients do one thing each: {pushed:?}");
        }
        let options = Options {
            threads: std::num::NonZero::<usize>::MIN,
            ..Options::default()
        };
        let finding = check(&builder.finish(), &Cell::key_value(), &options);
        if finding.verdict != Verdict::Invalid {
            return None;
        }
        let story = finding.witnesses.first().map(|witness| witness.story.join(" "));
        Some(story.unwrap_or(finding.sentence).into())
    }

    fn event(&self, index: u64, seen: &Seen) -> Event {
        let (operation, kind, value, error, observed) = match seen {
            Seen::Sent(operation) => {
                let argument = self.calls[*operation].value.clone();
                (*operation, EventKind::Invoke, argument, None, None)
            }
            Seen::Answered(operation, told) => match told {
                Told::Done(value) => (*operation, EventKind::Ok, value.clone(), None, None),
                Told::Differed(observed) => (
                    *operation,
                    EventKind::Fail,
                    Value::Nil,
                    Some(PRECONDITION_FAILED.into()),
                    Some(observed.clone()),
                ),
                Told::Refused => (
                    *operation,
                    EventKind::Fail,
                    Value::Nil,
                    Some("unavailable".into()),
                    None,
                ),
            },
        };
        Event {
            index,
            time: index,
            process: Process::Client(operation as u64),
            node: None,
            kind,
            f: self.calls[operation].f.clone(),
            key: Some(Arc::clone(&self.calls[operation].key)),
            value,
            error,
            observed,
            version: None,
            quorum: None,
        }
    }
}

impl Clients {
    fn see(&mut self, seen: Seen) {
        let over = (0..self.known.len())
            .filter(|place| self.known[*place].told.is_some())
            .fold(0, |mask, place| mask | 1 << place);
        match &seen {
            Seen::Sent(operation) => {
                let known = &mut self.known[*operation];
                known.attempts += 1;
                if known.attempts > 1 {
                    return;
                }
                known.after = over;
            }
            Seen::Answered(operation, told) => {
                let known = &mut self.known[*operation];
                if known.told.is_some() {
                    // Another attempt was answered before.
                    return;
                }
                if *told == Told::Refused {
                    known.refused += 1;
                    if known.refused < known.attempts {
                        return;
                    }
                }
                known.told = Some(told.clone());
            }
        }
        self.events.push(seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(operation: usize, value: Value) -> Seen {
        Seen::Answered(operation, Told::Done(value))
    }

    #[test]
    fn a_read_that_misses_a_completed_write_is_a_lie_and_an_overlapping_one_is_not() {
        let mut table = Table::new(&[Doing::Write, Doing::Read]);
        let written = table.step(0, &[Seen::Sent(0), done(0, Value::Nil)]);
        let stale = table.step(written, &[Seen::Sent(1), done(1, Value::Nil)]);
        assert!(table.verdict(stale).is_some());
        let overlapping = table.step(
            0,
            &[
                Seen::Sent(0),
                Seen::Sent(1),
                done(0, Value::Nil),
                done(1, Value::Nil),
            ],
        );
        assert!(table.verdict(overlapping).is_none());
    }

    #[test]
    fn states_are_told_apart_by_real_time_and_not_by_the_order_of_overlapping_events() {
        let mut table = Table::new(&[Doing::Write, Doing::Write]);
        let one = table.step(0, &[Seen::Sent(0), Seen::Sent(1)]);
        let other = table.step(0, &[Seen::Sent(1), Seen::Sent(0)]);
        assert_eq!(one, other);
        let first = table.step(0, &[Seen::Sent(0), done(0, Value::Nil), Seen::Sent(1)]);
        let second = table.step(one, &[done(0, Value::Nil)]);
        assert_ne!(first, second);
    }

    #[test]
    fn a_request_that_was_sent_twice_has_failed_only_when_both_attempts_have() {
        let mut table = Table::new(&[Doing::Append]);
        let refused = Seen::Answered(0, Told::Refused);
        let sent = table.step(0, &[Seen::Sent(0), Seen::Sent(0), refused.clone()]);
        assert_eq!(table.attempts(sent, 0), Some(2));
        let over = table.step(sent, &[refused]);
        assert_eq!(table.attempts(over, 0), None);
    }
}
