//! Depth-first search for a legal order: exact for every model.
//!
//! After Wing and Gong (1993) and Lowe ("Testing for linearizability", 2017), with these reductions, each of
//! which keeps at least one legal order if there is any:
//!
//! - **Just in time.** Effects are put off until a completion forces them. When an operation completes without
//!   having taken effect, some sequence of operations in flight ending with it takes effect right then.
//! - **Greedy pure actions.** A read in flight takes effect as soon as it is legal: that changes nothing for
//!   the others and frees the read.
//! - **Memo.** A configuration is the position in the history, the state, and which operations in flight have
//!   taken effect; the past beyond that does not matter. It is explored once. Its size follows the concurrency
//!   and not the length of the history. Where nothing is in flight (a quiescent cut) it is the state alone. What is
//!   remembered of the past is forgotten when the search has got well past it, so that the memo does not grow with
//!   the history either; should the search ever come back there, it explores once more.
//! - **Symmetry.** Of several operations in flight with equal actions, the one that completes first goes first.
//!   Operations that never completed are counted, not told apart.
//! - **Dominance.** A configuration that has used up more of the never-completed operations than another that
//!   is equal otherwise can do nothing that the other cannot.
//!
//! ```text
//!  process 0   [──── write 1 ────]
//!  process 1      [─ write 2 ─]
//!  process 2          [─ read 1 ──────]
//!                             ▲ here write 2 must take effect: [2], or [1 2]
//!                                ▲ here write 1 must: [1], unless it did already
//! ```

use std::collections::VecDeque;
use std::mem::size_of;

use rustc_hash::FxHashMap;

use super::configurations::{Bits, clear, has, ones, set};
use super::problem::{NEVER, Op, Spec};
use crate::budget::{Meter, Spent};

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// There is a legal order.
    Legal,
    /// There is none. The history up to the completion of this operation (an index into `ops`) has none
    /// either, and without that completion it had one.
    Illegal(usize),
    /// Gave up.
    Spent(Spent),
    /// More operations are in flight at once than the search is made for.
    TooWide(usize),
}

/// The most operations in flight at once, never-completed ones apart.
pub(crate) const WIDEST: usize = 4096;

#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) op: u32,
    pub(super) completes: bool,
}

/// The events in their order. Operations stand in the order of invocation, so that only the completions have to
/// be sorted; and positions are mostly dense enough for each to find its place by itself.
fn steps(ops: &[Op]) -> Vec<Step> {
    let completed = |(_, op): &(usize, &Op)| op.returned != NEVER;
    let count = ops.len() + ops.iter().enumerate().filter(completed).count();
    let mut steps = Vec::with_capacity(count);
    let first = ops.first().map_or(0, |op| op.invoked);
    let last = ops
        .iter()
        .filter(|op| op.returned != NEVER)
        .map(|op| op.returned)
        .max()
        .unwrap_or(0);
    let span = last.saturating_sub(first) as usize;
    let mut completions: Vec<u32> = Vec::new();
    if span < 8 * count {
        let mut places = vec![u32::MAX; span + 1];
        for (index, op) in ops.iter().enumerate().filter(completed) {
            places[(op.returned - first) as usize] = index as u32;
        }
        completions.extend(places.into_iter().filter(|&index| index != u32::MAX));
    } else {
        completions.extend(
            ops.iter()
                .enumerate()
                .filter(completed)
                .map(|(index, _)| index as u32),
        );
        completions.sort_unstable_by_key(|&index| ops[index as usize].returned);
    }
    let mut completions = completions.into_iter().peekable();
    for (index, op) in ops.iter().enumerate() {
        while let Some(done) = completions.next_if(|&done| ops[done as usize].returned < op.invoked) {
            steps.push(Step {
                op: done,
                completes: true,
            });
        }
        steps.push(Step {
            op: index as u32,
            completes: false,
        });
    }
    steps.extend(completions.map(|op| Step { op, completes: true }));
    steps
}

/// The order of events, and a slot for each operation while it is in flight.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// For an operation that never completed, the place of its action among `pending`.
    pub(super) slot: Vec<u32>,
    pub(super) width: usize,
    /// The distinct actions of operations that never completed, and how often each is there.
    pub(super) pending: Vec<u32>,
    pub(super) supply: Vec<u32>,
}

impl Plan {
    pub(super) fn new(ops: &[Op]) -> Self {
        let steps = steps(ops);
        let mut pending: Vec<u32> = ops
            .iter()
            .filter(|op| op.returned == NEVER)
            .map(|op| op.class)
            .collect();
        pending.sort_unstable();
        pending.dedup();
        let mut slot = vec![0; ops.len()];
        let mut supply = vec![0; pending.len()];
        let (mut free, mut width) = (Vec::new(), 0);
        for step in &steps {
            let index = step.op as usize;
            if ops[index].returned == NEVER {
                if let Ok(position) = pending.binary_search(&ops[index].class) {
                    slot[index] = position as u32;
                    supply[position] += 1;
                }
            } else if step.completes {
                free.push(slot[index]);
            } else {
                slot[index] = free.pop().unwrap_or_else(|| {
                    width += 1;
                    width as u32 - 1
                });
            }
        }
        Plan {
            steps,
            slot,
            width,
            pending,
            supply,
        }
    }
}

/// A configuration whose choices are being tried.
struct Frame<const N: usize> {
    /// The completion at which it stands.
    step: u32,
    state: u32,
    taken: Bits<N>,
    /// Whether nothing has been chosen at this completion yet.
    fresh: bool,
    choice: u32,
}

#[derive(PartialEq, Eq, Hash)]
struct Place<const N: usize> {
    step: u32,
    state: u32,
    taken: Bits<N>,
    fresh: bool,
}

/// Configurations that were explored.
struct Memo<const N: usize> {
    /// For each place, the last vector of counts with which it was explored.
    places: FxHashMap<Place<N>, u32>,
    /// Vectors of counts, one count for each pending action, and for each vector the next one of its place.
    counts: Vec<u32>,
    next: Vec<u32>,
}

impl<const N: usize> Default for Memo<N> {
    fn default() -> Self {
        Memo {
            places: FxHashMap::default(),
            counts: Vec::new(),
            next: Vec::new(),
        }
    }
}

impl<const N: usize> Memo<N> {
    /// Whether the place was explored with no more used than this.
    fn covers(&self, place: &Place<N>, used: &[u32]) -> bool {
        let mut entry = self.places.get(place).copied().unwrap_or(NONE);
        while entry != NONE {
            let known = &self.counts[entry as usize * used.len()..][..used.len()];
            if known.iter().zip(used).all(|(known, used)| known <= used) {
                return true;
            }
            entry = self.next[entry as usize];
        }
        false
    }

    fn insert(&mut self, place: Place<N>, used: &[u32]) {
        let fresh = self.next.len() as u32;
        let head = self.places.entry(place).or_insert(NONE);
        self.next.push(std::mem::replace(head, fresh));
        self.counts.extend_from_slice(used);
    }

    fn bytes(&self) -> usize {
        let places = self.places.capacity() * (size_of::<Place<N>>() + 5);
        places + self.counts.capacity() * 4 + self.next.capacity() * 4
    }
}

/// How many configurations are remembered at least before the older half is forgotten; and only once the search has
/// got further than ever before.
const GENERATION: usize = 1 << 14;

/// A search that can be interrupted.
pub(super) struct Search<'a, const N: usize> {
    plan: &'a Plan,
    ops: &'a [Op],
    roots: std::slice::Iter<'a, u32>,
    root: u32,
    /// Events before this one have happened.
    cursor: usize,
    live: Bits<N>,
    occupant: Vec<u32>,
    previous: Vec<u32>,
    available: Vec<u32>,
    memo: Memo<N>,
    /// What was remembered before that.
    older: Memo<N>,
    stack: Vec<Frame<N>>,
    /// For each frame, how many of each pending action it has used.
    used: Vec<u32>,
    /// The same of the configuration that is being made.
    using: Vec<u32>,
    /// The first event that no order found so far gets past.
    furthest: usize,
    states: u64,
    /// When `furthest` was reached.
    progress: u64,
}

const NONE: u32 = u32::MAX;

impl<'a, const N: usize> Search<'a, N> {
    pub(super) fn new(plan: &'a Plan, ops: &'a [Op], roots: &'a [u32]) -> Self {
        Search {
            plan,
            ops,
            roots: roots.iter(),
            root: NONE,
            cursor: 0,
            live: [0; N],
            occupant: vec![NONE; plan.width],
            previous: vec![NONE; ops.len()],
            available: vec![0; plan.pending.len()],
            memo: Memo::default(),
            older: Memo::default(),
            stack: Vec::new(),
            used: Vec::new(),
            using: vec![0; plan.pending.len()],
            furthest: 0,
            states: 0,
            progress: 0,
        }
    }

    /// Configurations explored.
    pub(super) fn states(&self) -> u64 {
        self.states
    }

    /// The first event that no order found so far gets past: the history before it has a legal order.
    pub(super) fn furthest(&self) -> usize {
        self.furthest
    }

    /// The order that the choices on the stack make, once they have led to the end.
    pub(super) fn order<S: Spec + ?Sized>(&mut self, spec: &mut S) -> Option<Vec<usize>> {
        let frames = std::mem::take(&mut self.stack);
        let mut waiting: Vec<VecDeque<u32>> = vec![VecDeque::new(); self.plan.pending.len()];
        for (index, op) in self.ops.iter().enumerate().filter(|(_, op)| op.returned == NEVER) {
            if let Ok(position) = self.plan.pending.binary_search(&op.class) {
                waiting[position].push_back(index as u32);
            }
        }
        let mut order = Vec::with_capacity(self.ops.len());
        self.seek(0);
        let (mut state, mut taken) = (self.root, [0; N]);
        let width = self.plan.width as u32;
        for frame in frames {
            self.settle(spec, state, &mut taken, |op| order.push(op as usize));
            let own = self.plan.steps[self.cursor].op;
            let op = match frame.choice - 1 {
                0 => {
                    self.forward();
                    continue;
                }
                1 => own,
                choice if choice - 2 < width => self.occupant[choice as usize - 2],
                choice => waiting[(choice - 2 - width) as usize].pop_front()?,
            };
            let Op { class, returned, .. } = self.ops[op as usize];
            if returned != NEVER {
                set(&mut taken, self.plan.slot[op as usize]);
            }
            state = spec.step(state, class)?;
            order.push(op as usize);
        }
        self.settle(spec, state, &mut taken, |op| order.push(op as usize));
        Some(order)
    }

    /// Goes on until the question is decided, the budget is spent, or so many configurations have been explored
    /// without getting any further; then the answer is none.
    pub(super) fn go<S: Spec + ?Sized>(
        &mut self,
        spec: &mut S,
        meter: &mut Meter,
        patience: u64,
    ) -> Option<Answer> {
        self.progress = self.states;
        loop {
            while let Some(answer) = self.choose(spec, meter) {
                if answer.is_some() {
                    return answer;
                }
                if self.states - self.progress > patience {
                    return None;
                }
            }
            let Some(&root) = self.roots.next() else {
                return Some(match self.plan.steps.get(self.furthest) {
                    Some(step) => Answer::Illegal(step.op as usize),
                    None => Answer::Legal,
                });
            };
            self.root = root;
            self.seek(0);
            self.using.fill(0);
            if let Some(answer) = self.arrive(spec, meter, root, [0; N], None) {
                return Some(answer);
            }
        }
    }

    /// Moves to just before the event `step`.
    fn seek(&mut self, step: usize) {
        while self.cursor < step {
            self.forward();
        }
        while self.cursor > step {
            self.cursor -= 1;
            let Step { op, completes, .. } = self.plan.steps[self.cursor];
            let slot = self.plan.slot[op as usize];
            if completes {
                set(&mut self.live, slot);
            } else if self.ops[op as usize].returned == NEVER {
                self.available[slot as usize] -= 1;
            } else {
                clear(&mut self.live, slot);
                self.occupant[slot as usize] = self.previous[op as usize];
            }
        }
    }

    fn forward(&mut self) {
        let Step { op, completes, .. } = self.plan.steps[self.cursor];
        let slot = self.plan.slot[op as usize];
        if completes {
            clear(&mut self.live, slot);
        } else if self.ops[op as usize].returned == NEVER {
            self.available[slot as usize] += 1;
        } else {
            set(&mut self.live, slot);
            self.previous[op as usize] = self.occupant[slot as usize];
            self.occupant[slot as usize] = op;
        }
        self.cursor += 1;
    }

    /// The slots in flight whose operations have not taken effect.
    fn waiting(&self, taken: &Bits<N>) -> impl Iterator<Item = u32> + use<N> {
        let mut words: Bits<N> = self.live;
        for (word, taken) in words.iter_mut().zip(taken) {
            *word &= !taken;
        }
        ones(words)
    }

    fn occupant(&self, slot: u32) -> &'a Op {
        &self.ops[self.occupant[slot as usize] as usize]
    }

    /// Goes on from the cursor to the next completion of an operation that has not taken effect. Pure actions
    /// take effect as soon as they are legal, and `placed` is told.
    fn settle<S: Spec + ?Sized>(
        &mut self,
        spec: &mut S,
        state: u32,
        taken: &mut Bits<N>,
        mut placed: impl FnMut(u32),
    ) {
        for slot in self.waiting(taken) {
            let class = self.occupant(slot).class;
            if spec.settles(state, class) {
                set(taken, slot);
                placed(self.occupant[slot as usize]);
            }
        }
        while let Some(&Step { op, completes, .. }) = self.plan.steps.get(self.cursor) {
            let Op { class, returned, .. } = self.ops[op as usize];
            let slot = self.plan.slot[op as usize];
            if completes {
                if !has(taken, slot) {
                    break;
                }
                clear(taken, slot);
            } else if returned != NEVER && spec.settles(state, class) {
                set(taken, slot);
                placed(op);
            }
            self.forward();
        }
    }

    /// Settles, and pushes the configuration reached, which has used what `using` says, unless it was explored before.
    fn arrive<S: Spec + ?Sized>(
        &mut self,
        spec: &mut S,
        meter: &mut Meter,
        state: u32,
        mut taken: Bits<N>,
        from: Option<usize>,
    ) -> Option<Answer> {
        self.settle(spec, state, &mut taken, |_| ());
        if self.cursor > self.furthest {
            (self.furthest, self.progress) = (self.cursor, self.states);
            if self.memo.places.len() > GENERATION {
                self.older = std::mem::take(&mut self.memo);
            }
        }
        if self.cursor == self.plan.steps.len() {
            return Some(Answer::Legal);
        }
        let fresh = from != Some(self.cursor);
        let place = Place {
            step: self.cursor as u32,
            state,
            taken,
            fresh,
        };
        if self.memo.covers(&place, &self.using) || self.older.covers(&place, &self.using) {
            return None;
        }
        self.memo.insert(place, &self.using);
        self.states += 1;
        if let Err(spent) = meter.charge(self.bytes() + spec.bytes()) {
            return Some(Answer::Spent(spent));
        }
        self.stack.push(Frame {
            step: self.cursor as u32,
            state,
            taken,
            fresh,
            choice: 0,
        });
        self.used.extend_from_slice(&self.using);
        None
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        let stack = self.stack.capacity() * size_of::<Frame<N>>() + self.used.capacity() * 4;
        (self.memo.bytes() + self.older.bytes() + stack) as u64
    }

    /// Tries the next choice of the newest configuration; none when all is explored.
    #[expect(
        clippy::option_option,
        reason = "outer: is anything left; inner: is the search decided"
    )]
    fn choose<S: Spec + ?Sized>(&mut self, spec: &mut S, meter: &mut Meter) -> Option<Option<Answer>> {
        let &Frame {
            step,
            state,
            taken,
            fresh,
            mut choice,
        } = self.stack.last()?;
        self.seek(step as usize);
        let returning = self.plan.steps[step as usize].op;
        let own = self.plan.slot[returning as usize];
        let width = self.plan.width as u32;
        let before = self.used.len() - self.using.len();
        self.using.copy_from_slice(&self.used[before..]);
        loop {
            let mut taken = taken;
            let this = choice;
            choice += 1;
            let next = match this {
                // An optional operation may go without ever having taken effect.
                0 if !self.ops[returning as usize].required && fresh => {
                    self.stack.last_mut()?.choice = choice;
                    self.forward();
                    return Some(self.arrive(spec, meter, state, taken, None));
                }
                0 => continue,
                1 => {
                    set(&mut taken, own);
                    spec.step(state, self.ops[returning as usize].class)
                }
                _ if this - 2 < width => {
                    let slot = this - 2;
                    if slot == own || !has(&self.live, slot) || has(&taken, slot) || self.yields(slot, &taken)
                    {
                        continue;
                    }
                    set(&mut taken, slot);
                    spec.step(state, self.occupant(slot).class)
                }
                _ => {
                    let position = (this - 2 - width) as usize;
                    let Some(&class) = self.plan.pending.get(position) else {
                        self.stack.pop();
                        self.used.truncate(before);
                        return Some(None);
                    };
                    let twin = |slot| self.occupant(slot).class == class;
                    if self.using[position] >= self.available[position] || self.waiting(&taken).any(twin) {
                        continue;
                    }
                    let next = spec.step(state, class).filter(|next| *next != state);
                    self.using[position] += u32::from(next.is_some());
                    next
                }
            };
            let Some(next) = next else { continue };
            self.stack.last_mut()?.choice = choice;
            return Some(self.arrive(spec, meter, next, taken, Some(step as usize)));
        }
    }

    /// Whether another operation that cannot be told apart goes first.
    fn yields(&self, slot: u32, taken: &Bits<N>) -> bool {
        let this = self.occupant(slot);
        self.waiting(taken).any(|other| {
            let other = self.occupant(other);
            other.class == this.class && other.returned < this.returned && (other.required || !this.required)
        })
    }
}
