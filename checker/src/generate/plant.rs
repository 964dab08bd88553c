//! Violations to plant: short scenes in which one answer cannot be true, whatever the other clients do meanwhile.
//!
//! The values of a scene are written by nobody else, so no operation of another client, and none whose outcome is
//! unknown, can excuse what is answered.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use super::{ACQUIRE, Generator, Load, RELEASE, plus, with};
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
    /// A lock is granted while it is held.
    DoubleGrant,
}

impl Plant {
    /// Every violation.
    pub const ALL: [Plant; 6] = [
        Plant::StaleRead,
        Plant::LostWrite,
        Plant::DirtyRead,
        Plant::Phantom,
        Plant::LostUpdate,
        Plant::DoubleGrant,
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
        }
    }

    /// Whether it can happen under this load. (A set may be late, so that a stale read of one proves nothing.)
    pub fn fits(self, load: Load) -> bool {
        match self {
            Plant::StaleRead => !matches!(load, Load::Mutex | Load::Set),
            Plant::LostWrite | Plant::DirtyRead | Plant::Phantom => load != Load::Mutex,
            Plant::LostUpdate => matches!(load, Load::CasRegister | Load::KeyValue),
            Plant::DoubleGrant => load == Load::Mutex,
        }
    }

    /// What happens, in order.
    pub(super) fn scene(self, load: Load) -> VecDeque<Step> {
        let replaces = matches!(load, Load::Register | Load::CasRegister | Load::KeyValue);
        match self {
            Plant::StaleRead if replaces => vec![Step::Remember, Step::Change, Step::ReadRemembered],
            Plant::StaleRead => vec![Step::RememberAndChange, Step::ReadRemembered],
            Plant::LostWrite if replaces => vec![Step::Remember, Step::ChangeInVain, Step::ReadRemembered],
            Plant::LostWrite => vec![Step::ChangeInVain, Step::Read],
            Plant::DirtyRead if replaces => vec![Step::RememberButFail, Step::ReadRemembered],
            Plant::DirtyRead => vec![Step::RememberButFail, Step::Read],
            Plant::Phantom => vec![Step::ReadInvented],
            Plant::LostUpdate => vec![Step::Remember, Step::Update, Step::Update],
            Plant::DoubleGrant => vec![Step::Acquire, Step::AcquireHeld, Step::Release],
        }
        .into()
    }
}

/// One operation of a scene. A *change* is a write, append, add or increment, whichever the load has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A change.
    Change,
    /// A change to a value that is remembered.
    Remember,
    /// A change; the state before it is remembered.
    RememberAndChange,
    /// A change to a value that is remembered; it takes effect, but its client is told that it failed.
    RememberButFail,
    /// A change that is acknowledged and never takes effect.
    ChangeInVain,
    /// A read of the truth.
    Read,
    /// A read that sees what is remembered.
    ReadRemembered,
    /// A read that sees what nobody wrote.
    ReadInvented,
    /// A compare-and-set from what is remembered. It succeeds, whatever the state is.
    Update,
    /// The lock is granted; tried until it is.
    Acquire,
    /// The lock is granted although it is held.
    AcquireHeld,
    /// The holder gives the lock back.
    Release,
}

impl Generator {
    /// Who does what in a step, and with which argument.
    pub(super) fn invocation(&mut self, step: Step) -> (u64, Function, Value) {
        let process = self.new_process();
        match step {
            Step::Read | Step::ReadRemembered | Step::ReadInvented => (process, Function::Read, Value::Nil),
            Step::Update => {
                let pair = vec![self.remembered.clone(), self.unique()];
                (process, Function::Cas, pair.into())
            }
            Step::Acquire => match self.holders[KEY] {
                // Who will do nothing any more gives it back first.
                Some(holder) if self.open.is_empty() => (holder, RELEASE.into(), Value::Nil),
                _ => (process, ACQUIRE.into(), Value::Nil),
            },
            Step::AcquireHeld => (process, ACQUIRE.into(), Value::Nil),
            Step::Release => (self.holders[KEY].unwrap_or(process), RELEASE.into(), Value::Nil),
            Step::Change
            | Step::Remember
            | Step::RememberAndChange
            | Step::RememberButFail
            | Step::ChangeInVain => {
                let change = match self.recipe.load {
                    Load::AppendList => Function::Append,
                    Load::Set => Function::Add,
                    Load::Counter => Function::Increment,
                    _ => Function::Write,
                };
                let value = match self.recipe.load {
                    Load::Counter => Value::Int(MUCH),
                    _ => self.unique(),
                };
                if matches!(step, Step::Remember | Step::RememberButFail) {
                    self.remembered = value.clone();
                }
                (process, change, value)
            }
        }
    }

    /// What a step does to the state, and how it completes.
    pub(super) fn perform(&mut self, chosen: usize, step: Step) -> (EventKind, Value, Option<Value>) {
        let argument = self.open[chosen].argument.clone();
        let state = &self.states[KEY];
        match step {
            Step::Change | Step::Remember | Step::Read | Step::Release => self.apply(chosen),
            Step::RememberAndChange => {
                self.remembered = state.clone();
                self.apply(chosen)
            }
            Step::RememberButFail => {
                self.apply(chosen);
                (EventKind::Fail, argument, None)
            }
            Step::ChangeInVain | Step::AcquireHeld => (EventKind::Ok, argument, None),
            Step::ReadRemembered => (EventKind::Ok, self.remembered.clone(), None),
            Step::ReadInvented => {
                let saw = match self.recipe.load {
                    Load::AppendList | Load::Set => {
                        let state = state.clone();
                        with(&state, &self.unique())
                    }
                    Load::Counter => plus(state, MUCH),
                    _ => self.unique(),
                };
                (EventKind::Ok, saw, None)
            }
            Step::Update => {
                if let Value::List(pair) = &argument {
                    self.states[KEY] = pair[1].clone();
                }
                (EventKind::Ok, argument, None)
            }
            Step::Acquire => {
                let done = self.apply(chosen);
                if done.0 != EventKind::Ok || self.open[chosen].f.name() != ACQUIRE {
                    self.scene.push_front(Step::Acquire);
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
