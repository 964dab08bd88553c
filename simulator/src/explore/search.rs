//! The walk itself: breadth first, so that the first violation found is one with the fewest steps.

use perjury_systems::replica::ConfigError;

use super::bounds::{Counted, Disk, Spent};
use super::event::What;
use super::machine::World;
use super::symmetry::Symmetry;
use super::system::Explored;
use super::tables::{Asymmetric, MOST_NODES, Tables};
use super::visited::Visited;
use super::{Broken, Exploration, Limits};

/// The most words of a state.
const MOST_WORDS: usize = 2 * MOST_NODES + 2;

/// A state: each node, what is on its way to each node, what the nodes did together, and what was used up with the
/// clients' state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct State {
    words: [u32; MOST_WORDS],
}

impl State {
    fn inbox(nodes: usize, node: usize) -> usize {
        nodes + node
    }

    fn shared(nodes: usize) -> usize {
        2 * nodes
    }

    fn counted(nodes: usize) -> usize {
        2 * nodes + 1
    }
}

/// One step from a state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// The node to which something happens.
    pub(super) node: usize,
    /// What happens.
    pub(super) what: What,
    /// The message stays on its way, to be delivered again.
    pub(super) again: bool,
    pub(super) outcome: u32,
    /// The state that it leads to, before nodes are renamed.
    pub(super) next: State,
    hash: u64,
    /// What it breaks.
    pub(super) broken: Option<Broken>,
}

/// Why the walk ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Everything within the bounds was seen.
    Exhausted,
    /// The limit of states or of memory was reached, or the walk was interrupted.
    Stopped,
    /// Something is broken after a step from this state.
    Broken(u32),
}

/// A walk.
pub(super) struct Search<R: Explored> {
    pub(super) tables: Tables<R>,
    pub(super) visited: Visited,
    /// Steps taken, to states seen before too.
    pub(super) steps: u64,
    /// The number of the first state of each depth.
    pub(super) depths: Vec<u32>,
    /// Invariants are not asked.
    black_box: bool,
    /// The steps from the state that is being left.
    found: Vec<Step>,
}

impl<R: Explored> Search<R> {
    pub(super) fn new(world: World, exploration: &Exploration) -> Self {
        let tables = Tables::new(world, exploration.symmetry, exploration.memo);
        Search {
            visited: Visited::new(2 * tables.nodes + 2),
            tables,
            steps: 0,
            depths: Vec::new(),
            black_box: exploration.black_box,
            found: Vec::new(),
        }
    }

    fn words(&self) -> usize {
        2 * self.tables.nodes + 2
    }

    /// The state in which all nodes have just started.
    fn first(&mut self) -> Result<Result<State, u32>, Asymmetric> {
        let nodes = self.tables.nodes;
        let boots = self.tables.boot()?;
        let mut words = [0; MOST_WORDS];
        for (node, boot) in boots.iter().enumerate() {
            let outcome = *self.tables.outcome(*boot);
            words[node] = outcome.next;
            if outcome.breach > 0 {
                return Ok(Err(outcome.breach - 1));
            }
            for to in 0..nodes {
                let inbox = &mut words[State::inbox(nodes, to)];
                *inbox = self.tables.with(*inbox, outcome.sent[to]);
            }
        }
        match self.tables.shared_at_first()? {
            Ok(shared) => words[State::shared(nodes)] = shared,
            Err(breach) => return Ok(Err(breach)),
        }
        Ok(Ok(State { words }))
    }

    /// Walks until everything was seen, something is broken, or a limit is reached. `stop` is asked now and then.
    pub(super) fn walk(
        &mut self,
        limits: Limits,
        stop: &mut dyn FnMut(&Self) -> bool,
    ) -> Result<End, Asymmetric> {
        let first = match self.first()? {
            Ok(first) => self.canonical(&first),
            Err(_) => {
                return Err(Asymmetric(
                    "a node breaks an invariant when it first starts".into(),
                ));
            }
        };
        let words = self.words();
        let hash = Visited::hash(&first.words[..words]);
        self.visited.insert(&first.words[..words], hash, 0);
        self.depths.push(0);
        let (mut number, mut deeper) = (0_u32, 1_usize);
        while (number as usize) < self.visited.len() {
            if number as usize == deeper {
                self.depths.push(number);
                deeper = self.visited.len();
            }
            if number.is_multiple_of(1 << 12)
                && (stop(self)
                    || self.visited.len() as u64 >= limits.states
                    || self.bytes() as u64 >= limits.bytes)
            {
                return Ok(End::Stopped);
            }
            if self.leave(number)? {
                return Ok(End::Broken(number));
            }
            number += 1;
        }
        Ok(End::Exhausted)
    }

    /// Takes every step from a state; says whether one breaks something.
    fn leave(&mut self, number: u32) -> Result<bool, Asymmetric> {
        let state = self.state(number);
        let mut found = std::mem::take(&mut self.found);
        self.steps_from(&state, &mut found)?;
        self.steps += found.len() as u64;
        let words = self.words();
        let mut broken = false;
        for step in &mut found {
            broken |= step.broken.is_some();
            step.next = self.canonical(&step.next);
            step.hash = Visited::hash(&step.next.words[..words]);
        }
        // Looking at every place first lets the machine fetch them from memory together.
        let near = found
            .iter()
            .fold(0, |near, step| near ^ self.visited.touch(step.hash));
        std::hint::black_box(near);
        let near = found
            .iter()
            .fold(0, |near, step| near ^ self.visited.touch_known(step.hash));
        std::hint::black_box(near);
        for step in &found {
            self.visited.insert(&step.next.words[..words], step.hash, number);
        }
        self.found = found;
        Ok(broken)
    }

    pub(super) fn state(&self, number: u32) -> State {
        let mut words = [0; MOST_WORDS];
        let known = self.visited.state(number);
        words[..known.len()].copy_from_slice(known);
        State { words }
    }

    /// Every step from a state that changes anything.
    pub(super) fn steps_from(&mut self, state: &State, found: &mut Vec<Step>) -> Result<(), Asymmetric> {
        found.clear();
        let nodes = self.tables.nodes;
        let counted = Counted(state.words[State::counted(nodes)]);
        for node in 0..nodes {
            let local = state.words[node];
            let inbox = state.words[State::inbox(nodes, node)];
            let mut last = None;
            for place in 0..self.tables.inboxes.get(inbox).len() {
                let message = self.tables.inboxes.get(inbox)[place];
                if last.replace(message) == Some(message) {
                    continue;
                }
                let rest = self.tables.without(inbox, place);
                let what = What::Message(message);
                self.try_step(state, node, (what, rest), None, found)?;
                self.try_step(state, node, (what, inbox), Some(Spent::Duplicates), found)?;
            }
            for place in 0..self.tables.timers(local).len() {
                let (timer, spent) = self.tables.timers(local)[place];
                self.try_step(state, node, (What::Timer(timer), inbox), Some(spent), found)?;
            }
            let unsynced = u32::from(self.tables.locals[local as usize].unsynced);
            if unsynced > 0 && self.tables.world.bounds.disk == Disk::Later {
                self.try_step(state, node, (What::Sync, inbox), None, found)?;
            }
            if self.left(counted, Spent::Crashes) {
                for kept in 0..=unsynced {
                    self.try_step(
                        state,
                        node,
                        (What::Crash(kept), inbox),
                        Some(Spent::Crashes),
                        found,
                    )?;
                }
            }
            for operation in 0..self.tables.clients.operations() {
                if let Some(attempts) = self.tables.clients.attempts(counted.clients(), operation) {
                    let again = (attempts > 0).then_some(Spent::Resends);
                    let what = What::Request(operation as u32, attempts);
                    self.try_step(state, node, (what, inbox), again, found)?;
                }
            }
        }
        Ok(())
    }

    fn left(&self, counted: Counted, spent: Spent) -> bool {
        counted.spent(spent) < self.tables.world.bounds.of(spent)
    }

    /// Takes a step if the bounds allow it and it changes anything; `inbox` is what is left on the way to the node.
    #[inline]
    fn try_step(
        &mut self,
        state: &State,
        node: usize,
        (what, inbox): (What, u32),
        spent: Option<Spent>,
        found: &mut Vec<Step>,
    ) -> Result<(), Asymmetric> {
        let nodes = self.tables.nodes;
        let mut counted = Counted(state.words[State::counted(nodes)]);
        if let Some(spent) = spent {
            if !self.left(counted, spent) {
                return Ok(());
            }
            counted = counted.spend(spent);
        }
        let number = self.tables.follow(state.words[node], what)?;
        let outcome = *self.tables.outcome(number);
        // A message that does nothing is as good as one that never arrives.
        if outcome.nothing {
            return Ok(());
        }
        let mut next = *state;
        next.words[node] = outcome.next;
        next.words[State::inbox(nodes, node)] = inbox;
        for to in 0..nodes {
            let inbox = &mut next.words[State::inbox(nodes, to)];
            *inbox = self.tables.with(*inbox, outcome.sent[to]);
        }
        let breach = outcome.breach.checked_sub(1).filter(|_| !self.black_box);
        let mut broken = breach.map(Broken::Invariant);
        if outcome.shared && !self.black_box {
            let shared = &mut next.words[State::shared(nodes)];
            match self.tables.shared_after(*shared, number, &state.words[..nodes])? {
                Ok(after) => *shared = after,
                Err(breach) => broken = broken.or(Some(Broken::Invariant(breach))),
            }
        }
        if outcome.seen > 0 {
            let clients = self.tables.clients_after(counted.clients(), outcome.seen);
            if self.tables.clients.verdict(clients).is_some() {
                broken = broken.or(Some(Broken::History(clients)));
            }
            counted = counted.with_clients(clients);
        }
        next.words[State::counted(nodes)] = counted.0;
        found.push(Step {
            node,
            what,
            again: spent == Some(Spent::Duplicates),
            outcome: number,
            next,
            hash: 0,
            broken,
        });
        Ok(())
    }

    /// The state that stands for this one and all its images: the one whose nodes are in the order of their orbits;
    /// of several, the least.
    #[inline]
    pub(super) fn canonical(&mut self, state: &State) -> State {
        let nodes = self.tables.nodes;
        if self.tables.symmetry.len() == 1 {
            return *state;
        }
        let mut orbits = [0; MOST_NODES];
        for (orbit, word) in orbits[..nodes].iter_mut().zip(&state.words) {
            *orbit = self.tables.locals[*word as usize].orbit;
        }
        let mut best: Option<State> = None;
        for permutation in 0..self.tables.symmetry.len() {
            if !in_order(&self.tables.symmetry, permutation, &orbits[..nodes]) {
                continue;
            }
            let image = self.image(state, permutation);
            if best.is_none_or(|best| image < best) {
                best = Some(image);
            }
        }
        best.unwrap_or(*state)
    }

    fn image(&mut self, state: &State, permutation: usize) -> State {
        let nodes = self.tables.nodes;
        let mut image = *state;
        for node in 0..nodes {
            let to = self.tables.symmetry.image(permutation, node);
            image.words[to] = self.tables.local_image(state.words[node], permutation);
            image.words[State::inbox(nodes, to)] = self
                .tables
                .inbox_image(state.words[State::inbox(nodes, node)], permutation);
        }
        image.words[State::shared(nodes)] = self
            .tables
            .shared_image(state.words[State::shared(nodes)], permutation);
        image
    }

    /// How many different states a state and its images are.
    pub(super) fn orbit_size(&mut self, number: u32) -> usize {
        let group = self.tables.symmetry.len();
        if group == 1 {
            return 1;
        }
        let state = self.state(number);
        let nodes = self.tables.nodes;
        // A state that is kept has its nodes in the order of their orbits.
        let orbit = |place: usize| self.tables.locals[state.words[place] as usize].orbit;
        // Only a permutation among equal nodes can leave a state as it is.
        if (1..nodes).all(|place| orbit(place - 1) != orbit(place)) {
            return group;
        }
        let same = (0..group).filter(|permutation| self.image(&state, *permutation) == state);
        group / same.count()
    }

    /// Bytes that are allocated for states and numbers.
    pub(super) fn bytes(&self) -> usize {
        self.visited.bytes() + self.tables.bytes()
    }

    /// The steps from the first state to what a step from state `last` breaks, in names that stay the same on the
    /// way.
    pub(super) fn path(&mut self, last: u32) -> Result<Vec<Step>, Asymmetric> {
        let mut way = vec![last];
        while let Some(number) = way.last().filter(|number| **number > 0) {
            way.push(self.visited.parent(*number));
        }
        way.reverse();
        let mut state = self
            .first()?
            .map_err(|_| Asymmetric("a node breaks an invariant when it first starts".into()))?;
        let mut path = Vec::new();
        let mut found = Vec::new();
        for number in &way[1..] {
            let wanted = self.state(*number);
            self.steps_from(&state, &mut found)?;
            let step = found
                .iter()
                .copied()
                .find(|step| self.canonical(&step.next) == wanted);
            let step = step.ok_or_else(|| Asymmetric("a path cannot be walked again".into()))?;
            state = step.next;
            path.push(step);
        }
        self.steps_from(&state, &mut found)?;
        let broken = found.iter().find(|step| step.broken.is_some());
        path.push(*broken.ok_or_else(|| Asymmetric("the last step cannot be walked again".into()))?);
        Ok(path)
    }
}

/// Whether a permutation puts the nodes into the order of their orbits.
#[inline]
fn in_order(symmetry: &Symmetry, permutation: usize, orbits: &[u32]) -> bool {
    let mut placed = [0; MOST_NODES];
    for (image, orbit) in symmetry.images(permutation).iter().zip(orbits) {
        placed[usize::from(*image)] = *orbit;
    }
    placed[..orbits.len()].is_sorted()
}

impl From<Asymmetric> for ConfigError {
    fn from(Asymmetric(what): Asymmetric) -> Self {
        ConfigError(format!(
            "the system does not treat its nodes alike ({what}): explore it without symmetry"
        ))
    }
}
