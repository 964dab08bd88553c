//! Queues and stacks, by every method, against an oracle that tries every order.

mod support;

use perjury_checker::models::{FifoQueue, Nondeterministic, Stack, UnorderedQueue};
use perjury_checker::{EventKind, Function, History, Outcome, Value};
use support::Rng;
use support::plays::{Ended, Play, agree, draw, histories, legal};

/// Something that values are put into and taken out of.
struct Container {
    inside: Vec<i64>,
    ever: Vec<i64>,
    newest: bool,
    any: bool,
    values: Option<u64>,
    lie_percent: u64,
    names: [&'static str; 2],
}

impl Play for Container {
    fn invent(&mut self, rng: &mut Rng, count: u64, _: u64) -> (Function, Value) {
        if rng.chance(50) {
            let value = self.values.map_or(count, |values| rng.below(values)) as i64;
            (Function::from(self.names[0]), Value::Int(value))
        } else {
            (Function::from(self.names[1]), Value::Nil)
        }
    }

    fn effect(&mut self, rng: &mut Rng, f: &Function, argument: &Value, _: u64) -> Ended {
        if let (true, Value::Int(value)) = (f.name() == self.names[0], argument) {
            if !rng.chance(self.lie_percent / 2) {
                self.inside.push(*value);
            }
            self.ever.push(*value);
            return (EventKind::Ok, argument.clone(), None);
        }
        let lies = rng.chance(self.lie_percent);
        let nothing = if rng.chance(50) {
            EventKind::Ok
        } else {
            EventKind::Fail
        };
        match (lies, rng.below(4)) {
            (true, 0) => return (nothing, Value::Nil, None),
            (true, 1) if !self.ever.is_empty() => {
                let value = self.ever[rng.below(self.ever.len() as u64) as usize];
                return (EventKind::Ok, Value::Int(value), None);
            }
            _ => {}
        }
        if self.inside.is_empty() {
            return (nothing, Value::Nil, None);
        }
        let place = match (lies || self.any, self.newest) {
            (true, _) => rng.below(self.inside.len() as u64) as usize,
            (false, true) => self.inside.len() - 1,
            (false, false) => 0,
        };
        (EventKind::Ok, Value::Int(self.inside.remove(place)), None)
    }
}

fn containers(rng: &mut Rng, newest: bool, any: bool, names: [&'static str; 2], repeat: bool) -> History {
    let mut container = Container {
        inside: Vec::new(),
        ever: Vec::new(),
        newest,
        any,
        values: repeat.then_some(2),
        lie_percent: [0, 40, 80][rng.below(3) as usize],
        names,
    };
    let info_percent = [0, 10, 30][rng.below(3) as usize];
    draw(rng, &mut container, info_percent)
}

/// A container by its definition: the state is the list of what is inside, the oldest first.
fn contained(history: &History, newest: bool, any: bool) -> bool {
    legal(history, vec![Vec::new().into()], &|operation, state| {
        let Value::List(inside) = state else {
            return Vec::new();
        };
        let completion = &operation.completion;
        if operation.argument != Value::Nil {
            if completion.outcome == Outcome::Fail {
                return Vec::new();
            }
            let mut inside = inside.to_vec();
            inside.push(operation.argument.clone());
            if any {
                inside.sort();
            }
            return vec![inside.into()];
        }
        let unknown = completion.outcome == Outcome::Info;
        let mut next = Vec::new();
        if inside.is_empty() && (unknown || completion.value == Value::Nil) {
            next.push(state.clone());
        }
        for place in 0..inside.len() {
            let turn = any || place == if newest { inside.len() - 1 } else { 0 };
            if turn && (unknown || inside[place] == completion.value) {
                let mut rest = inside.to_vec();
                rest.remove(place);
                next.push(rest.into());
            }
        }
        next
    })
}

#[test]
fn no_method_errs_on_fifo_queues() {
    let names = ["enqueue", "dequeue"];
    let oracle = |history: &History| contained(history, false, false);
    let mut unique = |rng: &mut Rng| containers(rng, false, false, names, false);
    let own = agree(&FifoQueue, 1, &mut unique, &oracle, true);
    assert!(own * 10 > 9 * histories(), "{own}");
    let mut repeated = |rng: &mut Rng| containers(rng, false, false, names, true);
    agree(&FifoQueue, 2, &mut repeated, &oracle, true);
}

#[test]
fn no_method_errs_on_stacks() {
    let names = ["push", "pop"];
    let oracle = |history: &History| contained(history, true, false);
    let mut unique = |rng: &mut Rng| containers(rng, true, false, names, false);
    let own = agree(&Stack, 3, &mut unique, &oracle, true);
    assert!(own * 10 > 9 * histories(), "{own}");
    let mut repeated = |rng: &mut Rng| containers(rng, true, false, names, true);
    agree(&Stack, 4, &mut repeated, &oracle, true);
}

#[test]
fn no_method_errs_on_unordered_queues() {
    let names = ["enqueue", "dequeue"];
    let oracle = |history: &History| contained(history, false, true);
    let mut unique = |rng: &mut Rng| containers(rng, false, true, names, false);
    let own = agree(&Nondeterministic(UnorderedQueue), 5, &mut unique, &oracle, true);
    assert!(own * 10 > 9 * histories(), "{own}");
    let mut repeated = |rng: &mut Rng| containers(rng, false, true, names, true);
    agree(&Nondeterministic(UnorderedQueue), 6, &mut repeated, &oracle, true);
}
