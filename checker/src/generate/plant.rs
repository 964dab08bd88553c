//! Violations to plant: short scenes in which one answer cannot be true, whatever the other clients do meanwhile.
//!
//! The values of a scene are written by nobody else, so no operation of another client, and none whose outcome is
//! unknown, can excuse what is answered.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use super::object::{ACQUIRE, Done, REFUSED, RELEASE, access, change_and_ask, plus, with};
use super::{Generator, Load};
use crate::history::{EventKind, Function, Value};

/// A violation to plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A read sees what had been replaced before it began.
    StaleRead,
    /// An acknowledged write never takes effect.
    LostWrite,
    /// A write takes effect, although its client was told that it failed.
    DirtyRead,
    /// A read sees what nobody ever wrote.
    Phantom,
    /// Two compare-and-sets from the same value succeed.
    LostUpdate,
    /// A lock or a lease is granted while another holds it.
    DoubleGrant,
    /// A lock is granted with the token of the holder before.
    StaleToken,
    /// A value that was put in once is taken out twice, or an id is given out twice.
    Doubled,
    /// Two values are taken out of a queue or a stack in the wrong order.
    OutOfOrder,
}

impl Plant {
    /// Every violation.
    pub const ALL: [Plant; 9] = [
        Plant::StaleRead,
        Plant::LostWrite,
        Plant::DirtyRead,
        Plant::Phantom,
        Plant::LostUpdate,
        Plant::DoubleGrant,
        Plant::StaleToken,
        Plant::Doubled,
        Plant::OutOfOrder,
    ];

    /// The name as it is written on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Plant::StaleRead => "stale-read",
            Plant::LostWrite => "lost-write",
            Plant::DirtyRead => "dirty-read",
            Plant::Phantom => "phantom",
            Plant::LostUpdate => "lost-update",
            Plant::DoubleGrant => "double-grant",
            Plant::StaleToken => "stale-token",
            Plant::Doubled => "doubled",
            Plant::OutOfOrder => "out-of-order",
        }
    }

    /// Whether it can happen under this load. (A set may be late, so that a stale read of one proves nothing.)
    pub fn fits(self, load: Load) -> bool {
        let values = !load.locks() && load != Load::UniqueIds;
        match self {
            Plant::StaleRead => values && !load.takes() && load != Load::Set,
            Plant::LostWrite | Plant::DirtyRead | Plant::Phantom => values,
            Plant::LostUpdate => matches!(load, Load::CasRegister | Load::KeyValue | Load::VersionedRegister),
            Plant::DoubleGrant => load.locks(),
            Plant::StaleToken => load == Load::FencedLock,
            Plant::Doubled => load.takes() || load == Load::UniqueIds,
            Plant::OutOfOrder => matches!(load, Load::FifoQueue | Load::Stack),
        }
    }

    /// What happens, in order.
    pub(super) fn scene(self, load: Load) -> VecDeque<Step> {
        let grows = load.counts() || matches!(load, Load::AppendList | Load::Set | Load::LinearizableSet);
        match self {
            Plant::StaleRead if grows => vec![Step::RememberAndChange, Step::ReadRemembered],
            Plant::StaleRead => vec![Step::Remember, Step::Change, Step::ReadRemembered],
            Plant::LostWrite if grows => vec![Step::ChangeInVain, Step::Read],
            Plant::LostWrite if load.takes() => vec![Step::ChangeInVain],
            Plant::LostWrite => vec![Step::Remember, Step::ChangeInVain, Step::ReadRemembered],
            Plant::DirtyRead if grows => vec![Step::RememberButFail, Step::Read],
            Plant::DirtyRead if load.takes() => vec![Step::RememberButFail, Step::TakeRemembered],
            Plant::DirtyRead => vec![Step::RememberButFail, Step::ReadRemembered],
            Plant::Phantom => vec![Step::ReadInvented],
            Plant::LostUpdate => vec![Step::Remember, Step::Update, Step::Update],
            Plant::DoubleGrant => vec![Step::Acquire, Step::AcquireHeld, Step::Release],
            Plant::StaleToken => vec![Step::Acquire, Step::Release, Step::AcquireStale, Step::Release],
            Plant::Doubled if load.takes() => {
                vec![Step::Remember, Step::TakeRemembered, Step::ReadRemembered]
            }
            Plant::Doubled => vec![Step::RememberAnswer, Step::ReadRemembered],
            Plant::OutOfOrder => OUT_OF_ORDER.to_vec(),
        }
        .into()
    }
}

/// Two values are put in one after the other, and then taken out one after the other.
const OUT_OF_ORDER: [Step; 4] = [
    Step::Remember,
    Step::RememberSecond,
    Step::TakeWrong,
    Step::ReadRemembered,
];

/// One operation of a scene. A *change* is a write, append, add, increment, enqueue or push, a *read* a read, dequeue
/// or pop, whichever the load has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A change.
    Change,
    /// A change to a value that is remembered.
    Remember,
    /// A change to a second value that is remembered.
    RememberSecond,
    /// A change; the state before it is remembered.
    RememberAndChange,
    /// A change to a value that is remembered; it takes effect, but its client is told that it failed.
    RememberButFail,
    /// A change that is acknowledged and never takes effect.
    ChangeInVain,
    /// A read of the truth.
    Read,
    /// A read of the truth, which is remembered.
    RememberAnswer,
    /// A read that sees what is remembered.
    ReadRemembered,
    /// A read that sees what nobody wrote.
    ReadInvented,
    /// What is remembered is taken out, out of turn; if another has done so, whatever is next.
    TakeRemembered,
    /// Both values that are remembered leave, and the one whose turn it is not is answered; the other is remembered.
    /// If they are no longer there, all begins anew.
    TakeWrong,
    /// A compare-and-set from what is remembered. It succeeds, whatever the state is.
    Update,
    /// The lock is granted; tried until it is.
    Acquire,
    /// The lock is granted although it is held.
    AcquireHeld,
    /// The lock is granted with the token of the holder before; tried until it is.
    AcquireStale,
    /// The holder gives the lock back.
    Release,
}

impl Generator {
    /// Who does what in a step, and with which argument.
    pub(super) fn invocation(&mut self, step: Step) -> (u64, Function, Value) {
        let process = self.new_process();
        let load = self.recipe.load;
        let (change, ask) = change_and_ask(load);
        // Long enough for whatever happens in between.
        let length = if load == Load::Lease {
            Value::Int(MUCH)
        } else {
            Value::Nil
        };
        let holder = self.objects[KEY].holder;
        match step {
            Step::Read
            | Step::RememberAnswer
            | Step::ReadRemembered
            | Step::ReadInvented
            | Step::TakeRemembered
            | Step::TakeWrong => {
                let argument = match load {
                    Load::MultiRegister => vec![access("read", KEY, Value::Nil)].into(),
                    _ => Value::Nil,
                };
                (process, ask, argument)
            }
            Step::Update => {
                let pair = vec![self.remembered.clone(), self.unique()];
                (process, Function::Cas, pair.into())
            }
            Step::Acquire | Step::AcquireStale => match holder {
                // Who will do nothing any more gives it back first.
                Some(holder) if self.open.is_empty() => (holder, RELEASE.into(), Value::Nil),
                _ => (process, ACQUIRE.into(), length),
            },
            Step::AcquireHeld => (process, ACQUIRE.into(), length),
            Step::Release => (holder.unwrap_or(process), RELEASE.into(), Value::Nil),
            Step::Change
            | Step::Remember
            | Step::RememberSecond
            | Step::RememberAndChange
            | Step::RememberButFail
            | Step::ChangeInVain => {
                let value = match load {
                    _ if load.counts() => Value::Int(MUCH),
                    _ => self.unique(),
                };
                match step {
                    Step::Remember | Step::RememberButFail => self.remembered = value.clone(),
                    Step::RememberSecond => self.second = value.clone(),
                    _ => {}
                }
                let argument = match load {
                    Load::MultiRegister => vec![access("write", KEY, value)].into(),
                    _ => value,
                };
                (process, change, argument)
            }
        }
    }

    /// What a step does to the object, and how it completes.
    pub(super) fn perform(&mut self, chosen: usize, step: Step) -> Done {
        let argument = self.open[chosen].argument.clone();
        let load = self.recipe.load;
        let answer = |value: Value| match load {
            Load::MultiRegister => Done::ok(vec![access("read", KEY, value)].into()),
            _ => Done::ok(value),
        };
        match step {
            Step::Change | Step::Remember | Step::RememberSecond | Step::Read | Step::Release => {
                self.apply(chosen)
            }
            Step::RememberAndChange => {
                self.remembered = self.objects[KEY].state.clone();
                self.apply(chosen)
            }
            Step::RememberAnswer => {
                let done = self.apply(chosen);
                self.remembered = done.value.clone();
                done
            }
            Step::RememberButFail => {
                self.apply(chosen);
                Done::fail(argument, REFUSED)
            }
            Step::ChangeInVain => Done::ok(argument),
            Step::AcquireHeld if load == Load::FencedLock => Done::ok(Value::Int(MUCH)),
            Step::AcquireHeld => Done::ok(argument),
            Step::ReadRemembered => answer(self.remembered.clone()),
            Step::ReadInvented => {
                let state = self.objects[KEY].state.clone();
                answer(match load {
                    Load::AppendList | Load::Set | Load::LinearizableSet => with(&state, &self.unique()),
                    _ if load.counts() => plus(&state, MUCH),
                    _ => self.unique(),
                })
            }
            Step::TakeRemembered => {
                if self.objects[KEY].withdraw(&self.remembered) {
                    Done::ok(self.remembered.clone())
                } else {
                    self.apply(chosen)
                }
            }
            Step::TakeWrong => {
                let object = &mut self.objects[KEY];
                let there = [&self.remembered, &self.second].map(|value| object.withdraw(value));
                if there != [true, true] {
                    self.scene = OUT_OF_ORDER.into();
                    return self.apply(chosen);
                }
                let (first, second) = (self.remembered.clone(), self.second.clone());
                let (wrong, other) = match load {
                    Load::Stack => (first, second),
                    _ => (second, first),
                };
                self.remembered = other;
                Done::ok(wrong)
            }
            Step::Update => {
                if let Value::List(pair) = &argument {
                    self.objects[KEY].state = pair[1].clone();
                }
                Done::ok(argument)
            }
            Step::Acquire | Step::AcquireStale => {
                let mut done = self.apply(chosen);
                if done.kind != EventKind::Ok || self.open[chosen].f.name() != ACQUIRE {
                    self.scene.push_front(step);
                } else if let (Step::AcquireStale, Value::Int(token)) = (step, &mut done.value) {
                    *token -= 1;
                }
                done
            }
        }
    }
}

/// The key on which a scene is played.
pub(super) const KEY: usize = 0;

/// More than a counter comes to in any history: what a scene adds stands out.
const MUCH: i64 = 1 << 40;

impl FromStr for Plant {
    type Err = UnknownPlant;

    fn from_str(name: &str) -> Result<Self, UnknownPlant> {
        let known = Plant::ALL.into_iter().find(|plant| plant.name() == name);
        known.ok_or_else(|| UnknownPlant(name.to_owned()))
    }
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No violation has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPlant(pub String);

impl fmt::Display for UnknownPlant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Plant::ALL.map(Plant::name).join(", ");
        write!(
            f,
            "there is no violation {:?} to plant; there are {names}",
            self.0
        )
    }
}

impl std::error::Error for UnknownPlant {}
