//! The frontier: all configurations that the history so far allows, event by event. Exact for every model.
//!
//! A *configuration* is a state, which of the operations in flight have taken effect in it, and how many of the
//! operations that never completed were used. The history is linearizable exactly if some configuration survives
//! all events. Effects are put off until a completion forces them (just in time); when an operation completes
//! that has not taken effect, every order of operations in flight that ends with it is tried from every
//! configuration. Nothing is kept of the past, so the memory follows the concurrency and not the length of the
//! history, and the events may come while a test is running.
//!
//! - **Greedy pure actions.** A read in flight takes effect as soon as it is legal.
//! - **Hidden writes.** A blind write may take effect just before another one, and nobody will ever know. Once
//!   any blind write takes effect, all others that are in flight are *free*: they have been hidden before it, or
//!   will take effect later, as it suits. So they need not be told apart:
//!
//! ```text
//!  process 0   [────── write 1 ──────]           when write 2 takes effect, write 1 becomes free: it was hidden
//!  process 1        [─ write 2 ─]                just before it, or explains a read of 1 that comes later
//! ```
//!
//!   This is why a write whose outcome is unknown is of use even where its value is there already: it can hide
//!   another.
//! - **Dominance.** A configuration is dropped if another with the same state can do all that it can: a free
//!   operation is worth more than one that waits or has been used, a read that is done more than one that waits,
//!   and an operation of unknown outcome more if it has been used less.
//! - **Symmetry.** Of operations in flight that cannot be told apart, the one that completes first goes first.
//!   Those that never completed are counted.

use super::configurations::{Bits, Config, Set, clear, has, ones, set};
use super::problem::Spec;

/// An operation that was invoked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Invoked {
    /// Where it stands while it is in flight.
    pub slot: u32,
    pub class: u32,
    /// When it completes.
    pub returned: u64,
    /// Whether it must take effect.
    pub required: bool,
}

/// Why a step was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// No configuration is left: there is no legal order.
    Empty,
    /// The caller's limit was reached, in the middle of an event: the frontier is of no further use.
    Limit,
}

/// An effect on the way to a configuration: the one before, the event that forced it, and the operation's slot,
/// or the number of its pending class behind [`PENDING`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effect {
    pub before: u32,
    pub event: u32,
    pub what: u32,
}

pub(crate) const PENDING: u32 = 1 << 31;
pub(crate) const NONE: u32 = u32::MAX;

/// All configurations that the events so far allow.
pub(crate) struct Frontier<const N: usize> {
    live: Bits<N>,
    pure: Bits<N>,
    blind: Bits<N>,
    flight: Vec<Invoked>,
    pending: Vec<Pending>,
    now: Set<N>,
    next: Set<N>,
    forced: Set<N>,
    /// The most configurations that are kept; if more are dropped, an empty frontier proves nothing.
    most: usize,
    cut: bool,
    effects: Option<Vec<Effect>>,
    events: u32,
}

/// Operations that never completed and cannot be told apart.
#[derive(Clone, Copy, Debug)]
struct Pending {
    class: u32,
    available: u16,
    blind: bool,
    /// Whether they are counted. If not, they may be used as often as it helps.
    counted: bool,
    /// What using one costs.
    cost: u32,
}

impl<const N: usize> Frontier<N> {
    /// A frontier that begins with these states. `trace` keeps how each configuration came about.
    pub(crate) fn new(roots: &[u32], most: usize, trace: bool) -> Self {
        let mut now = Set::default();
        for &state in roots {
            now.insert(Config::new(state), &[], &[0; N]);
        }
        Frontier {
            live: [0; N],
            pure: [0; N],
            blind: [0; N],
            flight: Vec::new(),
            pending: Vec::new(),
            now,
            next: Set::default(),
            forced: Set::default(),
            most,
            cut: false,
            effects: trace.then(Vec::new),
            events: 0,
        }
    }

    /// Announces operations that never complete. They come before the first event.
    pub(crate) fn announce<S: Spec + ?Sized>(&mut self, spec: &S, class: u32, counted: bool, cost: u32) {
        self.pending.push(Pending {
            class,
            available: 0,
            blind: spec.blind(class),
            counted,
            cost,
        });
        for set in [&mut self.now, &mut self.next, &mut self.forced] {
            set.widen(self.pending.len());
        }
    }

    /// Whether configurations were dropped that might have survived.
    pub(crate) fn was_cut(&self) -> bool {
        self.cut
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> u64 {
        let effects = self
            .effects
            .as_ref()
            .map_or(0, |effects| effects.capacity() * size_of::<Effect>());
        effects as u64 + self.now.bytes() + self.next.bytes() + self.forced.bytes()
    }

    /// One of the announced operations is invoked.
    pub(crate) fn pend(&mut self, position: usize) {
        let available = &mut self.pending[position].available;
        match available.checked_add(1) {
            Some(more) => *available = more,
            None => self.cut = true,
        }
        self.events += 1;
    }

    /// An operation that will complete is invoked.
    pub(crate) fn invoke<S: Spec + ?Sized>(&mut self, spec: &mut S, invoked: Invoked) {
        let Invoked {
            slot,
            class,
            required,
            ..
        } = invoked;
        if self.flight.len() <= slot as usize {
            self.flight.resize(slot as usize + 1, invoked);
        }
        self.flight[slot as usize] = invoked;
        set(&mut self.live, slot);
        if spec.pure(class) {
            set(&mut self.pure, slot);
            for config in &mut self.now.configs {
                if spec.settles(config.state, class) {
                    set(&mut config.taken, slot);
                }
            }
        } else {
            if spec.blind(class) {
                set(&mut self.blind, slot);
            }
            if !required {
                self.now
                    .configs
                    .iter_mut()
                    .for_each(|config| set(&mut config.free, slot));
            }
        }
        self.events += 1;
    }

    /// The operation in a slot completes. `charge` is told of each configuration that is tried, and how many
    /// bytes are held; if it says no, the frontier is given up.
    ///
    /// # Errors
    /// If no configuration is left, or the limit was reached.
    pub(crate) fn complete<S: Spec + ?Sized>(
        &mut self,
        spec: &mut S,
        slot: u32,
        charge: &mut impl FnMut(u64) -> bool,
    ) -> Result<(), Stop> {
        self.events += 1;
        if self.now.configs.iter().all(|config| has(&config.taken, slot)) {
            self.now
                .configs
                .iter_mut()
                .for_each(|config| clear(&mut config.taken, slot));
            self.leave(slot);
            return if charge(self.bytes()) {
                Ok(())
            } else {
                Err(Stop::Limit)
            };
        }
        self.next.clear();
        self.forced.clear();
        for place in 0..self.now.configs.len() {
            let config = self.now.configs[place];
            self.reach(config, None, place, slot);
        }
        let mut used = Vec::new();
        let mut place = 0;
        while let Some(&config) = self.forced.configs.get(place) {
            if !config.dead {
                if !charge(self.bytes()) {
                    return Err(Stop::Limit);
                }
                used.clear();
                used.extend_from_slice(self.forced.used(place));
                self.force(spec, config, &mut used, slot);
            }
            place += 1;
        }
        self.leave(slot);
        std::mem::swap(&mut self.now, &mut self.next);
        self.now.bury();
        if self.now.configs.len() > self.most {
            let live = self.live;
            let idle = |config: &Config<N>| {
                let mut waiting = live;
                for (word, (taken, free)) in waiting.iter_mut().zip(config.taken.iter().zip(&config.free)) {
                    *word &= !taken & !free;
                }
                ones(waiting).count()
            };
            self.now.keep_best(self.most, idle);
            self.cut = true;
        }
        if self.now.configs.is_empty() {
            Err(Stop::Empty)
        } else {
            Ok(())
        }
    }

    fn leave(&mut self, slot: u32) {
        clear(&mut self.live, slot);
        clear(&mut self.pure, slot);
        clear(&mut self.blind, slot);
    }

    /// A configuration before the completion of the operation in `own`: it is done with if that has taken effect
    /// or was hidden; and if it has not taken effect, it still may. `used` is what the configuration has used, or
    /// else that of the one at `place`.
    fn reach(&mut self, config: Config<N>, used: Option<&[u16]>, place: usize, own: u32) {
        let Frontier {
            now,
            next,
            forced,
            pure,
            ..
        } = self;
        let used = used.unwrap_or_else(|| now.used(place));
        let taken = has(&config.taken, own);
        if taken || has(&config.free, own) {
            let mut done = config;
            clear(&mut done.taken, own);
            clear(&mut done.free, own);
            next.insert(done, used, pure);
        }
        if !taken {
            forced.insert(config, used, pure);
        }
    }

    /// Lets one more operation take effect, in every way.
    fn force<S: Spec + ?Sized>(&mut self, spec: &mut S, config: Config<N>, used: &mut [u16], own: u32) {
        for slot in ones(self.waiting(&config)) {
            if slot != own && self.yields(&config, slot) {
                continue;
            }
            let Some(state) = spec.step(config.state, self.flight[slot as usize].class) else {
                continue;
            };
            let mut after = config;
            after.state = state;
            set(&mut after.taken, slot);
            clear(&mut after.free, slot);
            let blind = has(&self.blind, slot);
            self.settle(spec, &mut after, blind, slot);
            self.reach(after, Some(used), 0, own);
        }
        for position in 0..self.pending.len() {
            let Pending {
                class,
                available,
                blind,
                counted,
                cost,
            } = self.pending[position];
            if available == 0 || (counted && used[position] >= available) {
                continue;
            }
            let twin = ones(self.waiting(&config)).any(|slot| self.flight[slot as usize].class == class);
            let Some(state) = spec.step(config.state, class).filter(|_| !twin) else {
                continue;
            };
            let mut after = config;
            after.state = state;
            after.cost = after.cost.saturating_add(cost);
            self.settle(spec, &mut after, blind, PENDING | position as u32);
            if after.state == config.state && after.free == config.free {
                continue;
            }
            if counted {
                after.spend(position);
            }
            used[position] += u16::from(counted);
            self.reach(after, Some(used), 0, own);
            used[position] -= u16::from(counted);
        }
    }

    /// What follows from an effect by itself.
    fn settle<S: Spec + ?Sized>(&mut self, spec: &mut S, config: &mut Config<N>, blind: bool, what: u32) {
        if blind {
            for (free, (blind, taken)) in config.free.iter_mut().zip(self.blind.iter().zip(&config.taken)) {
                *free |= blind & !taken;
            }
        }
        let mut reads = self.waiting(config);
        for (word, pure) in reads.iter_mut().zip(&self.pure) {
            *word &= pure;
        }
        for slot in ones(reads) {
            if spec.settles(config.state, self.flight[slot as usize].class) {
                set(&mut config.taken, slot);
            }
        }
        if let Some(effects) = &mut self.effects {
            effects.push(Effect {
                before: config.trail,
                event: self.events - 1,
                what,
            });
            config.trail = effects.len() as u32 - 1;
        }
    }

    /// The slots in flight whose operations have not taken effect.
    fn waiting(&self, config: &Config<N>) -> Bits<N> {
        let mut words = self.live;
        for (word, taken) in words.iter_mut().zip(&config.taken) {
            *word &= !taken;
        }
        words
    }

    /// Whether another operation that cannot be told apart goes first.
    fn yields(&self, config: &Config<N>, slot: u32) -> bool {
        let this = self.flight[slot as usize];
        ones(self.waiting(config)).any(|other| {
            let that = self.flight[other as usize];
            that.class == this.class
                && that.returned < this.returned
                && (!has(&config.free, other) || has(&config.free, slot))
        })
    }

    /// The states of all configurations, for their owner to renumber.
    pub(crate) fn states(&mut self) -> impl Iterator<Item = &mut u32> {
        self.now.configs.iter_mut().map(|config| &mut config.state)
    }

    /// The classes of everything in flight or pending, for their owner to renumber.
    pub(crate) fn classes(&mut self) -> impl Iterator<Item = &mut u32> {
        let live = self.live;
        let flight = self.flight.iter_mut().enumerate();
        let flying = flight
            .filter(move |(slot, _)| has(&live, *slot as u32))
            .map(|(_, invoked)| &mut invoked.class);
        flying.chain(self.pending.iter_mut().map(|pending| &mut pending.class))
    }

    /// After states were renumbered.
    pub(crate) fn renumbered(&mut self) {
        self.now.rebuild();
    }

    /// How many configurations there are.
    pub(crate) fn size(&self) -> usize {
        self.now.configs.len()
    }

    /// How a surviving configuration came about: the effects, the first first. Only if they were traced.
    pub(crate) fn trail(&self) -> Option<Vec<Effect>> {
        let effects = self.effects.as_ref()?;
        let best = self.now.configs.iter().min_by_key(|config| config.cost)?;
        let mut trail = Vec::new();
        let mut at = best.trail;
        while at != NONE {
            trail.push(effects[at as usize]);
            at = effects[at as usize].before;
        }
        trail.reverse();
        Some(trail)
    }
}
