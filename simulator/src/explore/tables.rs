//! Everything that a state is made of, each distinct thing kept once and known by a number; and what follows from
//! what, computed once.
//!
//! **Symmetry without renaming.** A permutation of the nodes turns a run of a symmetric system into another run of
//! it. So the image of a node's state is not made by replacing names in it: it is the state that the permuted node
//! reaches by the permuted events, and is computed together with it. What a system does with the images is compared
//! with the images of what it does, for every step that is ever computed, so that symmetry is not assumed: a system
//! that prefers one node to another is found out ([`Asymmetric`]).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::rc::Rc;

use perjury_systems::breach::Breach;
use perjury_systems::replica::NodeId;
use rustc_hash::FxHashMap;

use super::bounds::Spent;
use super::clients::{Seen, Table, Told};
use super::event::What;
use super::judging::Judged;
use super::machine::{Glimpse, Happens, Machine, Stepped, World};
use super::slices::Slices;
use super::symmetry::Symmetry;
use super::system::{Explored, Pace};
use super::written::Written;

pub(super) const MOST_NODES: usize = 5;
pub(super) const NONE: u32 = u32::MAX;

/// The system does not treat its nodes alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asymmetric(pub(super) String);

/// What of a node's state is looked at all the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local {
    /// The least of its images: the same for all of them.
    pub(super) orbit: u32,
    /// What other nodes' steps are judged by.
    pub(super) seen: u32,
    /// The timers that may run out, as a list.
    timers: u32,
    /// Writes that are not durable.
    pub(super) unsynced: u16,
    pub(super) node: u16,
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Sent<M> {
    pub(super) from: u8,
    pub(super) message: M,
}

/// What follows when something happens to a node in a state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) local: u32,
    pub(super) what: u32,
    pub(super) next: u32,
    /// The messages that are sent to each node, as a list.
    pub(super) sent: [u32; MOST_NODES],
    /// What clients did and saw.
    pub(super) seen: u32,
    /// Which invariant the node's own past says is broken, counted from 1.
    pub(super) breach: u32,
    /// Nothing follows at all.
    pub(super) nothing: bool,
    /// What the nodes did together is to be looked at.
    pub(super) shared: bool,
    /// The states of other nodes too.
    pub(super) around: bool,
}

/// All tables.
pub(super) struct Tables<R: Explored> {
    pub(super) world: World,
    pub(super) nodes: usize,
    pub(super) symmetry: Symmetry,
    pub(super) clients: Table,
    /// Whether what follows is remembered, or computed each time.
    pub(super) memo: bool,

    pub(super) locals: Vec<Local>,
    pub(super) machines: Vec<Machine<R>>,
    local_numbers: Written,
    local_images: Vec<u32>,
    seen_numbers: Written,

    pub(super) messages: Vec<Sent<R::Message>>,
    message_numbers: Written,
    message_images: Vec<u32>,

    timers: BTreeMap<R::Timer, u32>,
    timer_lists: Vec<Vec<(u32, Spent)>>,
    pub(super) inboxes: Slices,
    inbox_images: Vec<u32>,
    lists: Slices,

    pub(super) outcomes: Vec<Outcome>,
    outcome_of: FxHashMap<u64, u32>,
    inbox_after: FxHashMap<u64, u32>,
    seen: Vec<Vec<Seen>>,
    clients_after: FxHashMap<u64, u32>,

    pub(super) shared: Vec<R::Shared>,
    pub(super) shared_numbers: Written,
    pub(super) shared_images: Vec<u32>,
    /// By what they did before and the outcome; where other nodes are looked at, also by what is seen of those.
    pub(super) shared_after: FxHashMap<u64, Judged>,
    pub(super) shared_around: FxHashMap<(u32, u32, [u32; MOST_NODES]), Judged>,
    /// What there is to be seen of steps that were judged lately.
    pub(super) recent: FxHashMap<u64, Rc<[Glimpse<R>]>>,
    pub(super) breaches: Vec<Breach>,
}

pub(super) fn pair(one: u32, other: u32) -> u64 {
    u64::from(one) << 32 | u64::from(other)
}

pub(super) fn node_id(node: usize) -> NodeId {
    NodeId(node as u16 + 1)
}

impl<R: Explored> Tables<R> {
    pub(super) fn new(world: World, symmetry: bool, memo: bool) -> Self {
        let nodes = usize::from(world.bounds.nodes);
        let symmetry = Symmetry::new(nodes, symmetry);
        Tables {
            nodes,
            clients: Table::new(&world.bounds.operations),
            memo,
            locals: Vec::new(),
            machines: Vec::new(),
            local_numbers: Written::default(),
            local_images: Vec::new(),
            seen_numbers: Written::default(),
            messages: Vec::new(),
            message_numbers: Written::default(),
            message_images: Vec::new(),
            timers: BTreeMap::new(),
            timer_lists: Vec::new(),
            inboxes: Slices::new(),
            inbox_images: vec![NONE; symmetry.len()],
            lists: Slices::new(),
            outcomes: Vec::new(),
            outcome_of: FxHashMap::default(),
            inbox_after: FxHashMap::default(),
            seen: vec![Vec::new()],
            clients_after: FxHashMap::default(),
            shared: Vec::new(),
            shared_numbers: Written::default(),
            shared_images: Vec::new(),
            shared_after: FxHashMap::default(),
            shared_around: FxHashMap::default(),
            recent: FxHashMap::default(),
            breaches: Vec::new(),
            symmetry,
            world,
        }
    }

    /// The image of a node's state.
    #[inline]
    pub(super) fn local_image(&self, local: u32, permutation: usize) -> u32 {
        self.local_images[local as usize * self.symmetry.len() + permutation]
    }

    /// The timers of a node that may run out, each with what that uses up.
    #[inline]
    pub(super) fn timers(&self, local: u32) -> &[(u32, Spent)] {
        &self.timer_lists[self.locals[local as usize].timers as usize]
    }

    /// The image of what is on its way to a node.
    #[inline]
    pub(super) fn inbox_image(&mut self, inbox: u32, permutation: usize) -> u32 {
        let at = inbox as usize * self.symmetry.len() + permutation;
        if permutation == 0 || inbox == 0 {
            return inbox;
        }
        if self.inbox_images[at] == NONE {
            let count = self.symmetry.len();
            let image = |message: &u32| self.message_images[*message as usize * count + permutation];
            let images = self.inboxes.get(inbox).iter().map(image).collect();
            self.inbox_images[at] = self.inbox_number(images);
        }
        self.inbox_images[at]
    }

    /// The image of what the nodes did together.
    #[inline]
    pub(super) fn shared_image(&self, shared: u32, permutation: usize) -> u32 {
        self.shared_images[shared as usize * self.symmetry.len() + permutation]
    }

    /// An outcome by its number.
    #[inline]
    pub(super) fn outcome(&self, number: u32) -> &Outcome {
        &self.outcomes[number as usize]
    }

    /// Starts all nodes: what follows for each.
    pub(super) fn boot(&mut self) -> Result<Vec<u32>, Asymmetric> {
        let mut boots = vec![NONE; self.nodes];
        for node in 0..self.nodes {
            if boots[node] != NONE {
                continue;
            }
            let images: Vec<usize> = (0..self.symmetry.len())
                .map(|one| self.symmetry.image(one, node))
                .collect();
            let steps = images
                .iter()
                .map(|image| Machine::boot(&self.world, node_id(*image)))
                .collect();
            let first = self.admit((NONE, What::Sync), &images, steps)?;
            for (permutation, image) in images.into_iter().enumerate() {
                boots[image] = first + permutation as u32;
            }
        }
        Ok(boots)
    }

    /// What follows when something happens to a node.
    #[inline]
    pub(super) fn follow(&mut self, local: u32, what: What) -> Result<u32, Asymmetric> {
        if self.memo
            && let Some(known) = self.outcome_of.get(&pair(local, what.number()))
        {
            return Ok(*known);
        }
        self.compute(local, what)
    }

    fn compute(&mut self, local: u32, what: What) -> Result<u32, Asymmetric> {
        let node = usize::from(self.locals[local as usize].node);
        let mut images = Vec::with_capacity(self.symmetry.len());
        let mut steps = Vec::with_capacity(self.symmetry.len());
        for permutation in 0..self.symmetry.len() {
            let image = self.local_image(local, permutation);
            let what = self.image_of(what, permutation);
            images.push(self.symmetry.image(permutation, node));
            steps.push(self.step(image, what));
        }
        self.admit((local, what), &images, steps)
    }

    pub(super) fn image_of(&self, what: What, permutation: usize) -> What {
        match what {
            What::Message(message) => {
                What::Message(self.message_images[message as usize * self.symmetry.len() + permutation])
            }
            other => other,
        }
    }

    pub(super) fn happens(&self, what: What) -> Happens<R> {
        match what {
            What::Message(message) => {
                let sent = &self.messages[message as usize];
                Happens::Message(node_id(usize::from(sent.from)), sent.message.clone())
            }
            What::Timer(timer) => {
                let found = self.timers.iter().find(|(_, number)| **number == timer);
                Happens::Timer(*found.expect("it was numbered").0)
            }
            What::Request(operation, attempt) => {
                let (id, request) = self.clients.request(operation as usize, attempt);
                Happens::Request(id, request)
            }
            What::Sync => Happens::Sync,
            What::Crash(kept) => Happens::Crash(kept as usize),
        }
    }

    /// Computes what follows.
    pub(super) fn step(&self, local: u32, what: What) -> Stepped<R> {
        let me = node_id(usize::from(self.locals[local as usize].node));
        self.machines[local as usize].step(&self.world, me, self.happens(what))
    }

    /// Takes in a step with its images, and compares them; `nodes` are those that stepped. Says the number of the
    /// first outcome; those of the images follow.
    fn admit(
        &mut self,
        (local, what): (u32, What),
        nodes: &[usize],
        steps: Vec<Stepped<R>>,
    ) -> Result<u32, Asymmetric> {
        let mut seen = Vec::new();
        if let What::Request(operation, _) = what {
            seen.push(Seen::Sent(operation as usize));
        }
        let answers = |step: &Stepped<R>| -> Vec<Seen> {
            let told = step.answers.iter().cloned();
            told.filter_map(|(id, response)| self.clients.told(id, response))
                .collect()
        };
        let answered = answers(&steps[0]);
        if steps.iter().any(|step| answers(step) != answered) {
            return Err(Asymmetric("nodes answer the same request differently".into()));
        }
        let refused = matches!(answered[..], [Seen::Answered(_, Told::Refused)]) && !seen.is_empty();
        seen.extend(answered);
        let seen = self.seen_number(seen);
        let sent = self.admit_messages(nodes, &steps)?;
        let first = self.outcomes.len() as u32;
        let mut nexts = Vec::with_capacity(steps.len());
        for (permutation, step) in steps.into_iter().enumerate() {
            let silent = step.glimpses.is_empty();
            let around = step
                .glimpses
                .iter()
                .any(|glimpse| R::looks_around(&glimpse.traces));
            let breach = step.breach.map_or(0, |breach| {
                self.breaches.push(breach);
                self.breaches.len() as u32
            });
            let next = self.local_number(nodes[permutation], step.machine);
            nexts.push(next);
            let (local, what) = match local {
                NONE => (NONE, what),
                local => (
                    self.local_image(local, permutation),
                    self.image_of(what, permutation),
                ),
            };
            let unchanged = next == local && sent[permutation].iter().all(|list| *list == 0) && breach == 0;
            if self.memo && local != NONE {
                let number = self.outcomes.len() as u32;
                self.outcome_of.insert(pair(local, what.number()), number);
            }
            self.outcomes.push(Outcome {
                local,
                what: what.number(),
                next,
                sent: sent[permutation],
                seen,
                breach,
                nothing: unchanged && (refused || silent && seen == 0),
                shared: !silent,
                around,
            });
        }
        self.link(&nexts, |tables| &mut tables.local_images, "a node's state")?;
        for next in &nexts {
            let images = (0..self.symmetry.len()).map(|one| self.local_image(*next, one));
            self.locals[*next as usize].orbit = images.min().unwrap_or(*next);
        }
        Ok(first)
    }

    /// Numbers what is sent: for each image, the list for each node.
    fn admit_messages(
        &mut self,
        nodes: &[usize],
        steps: &[Stepped<R>],
    ) -> Result<Vec<[u32; MOST_NODES]>, Asymmetric> {
        let mut lists = vec![[0; MOST_NODES]; steps.len()];
        for to in 0..self.nodes {
            let mut numbers: Vec<Vec<u32>> = Vec::with_capacity(steps.len());
            for (permutation, step) in steps.iter().enumerate() {
                let image = self.symmetry.image(permutation, to);
                let to_it = step.sent.iter().filter(|(to, _)| *to == node_id(image));
                let sent: Vec<R::Message> = to_it.map(|(_, message)| message.clone()).collect();
                let from = nodes[permutation];
                numbers.push(
                    sent.into_iter()
                        .map(|message| self.message_number(from, image, message))
                        .collect(),
                );
            }
            if numbers.iter().any(|list| list.len() != numbers[0].len()) {
                return Err(Asymmetric("nodes send different numbers of messages".into()));
            }
            for place in 0..numbers[0].len() {
                let images: Vec<u32> = numbers.iter().map(|list| list[place]).collect();
                self.link(&images, |tables| &mut tables.message_images, "a message")?;
            }
            for (permutation, mut list) in numbers.into_iter().enumerate() {
                list.sort_unstable();
                let image = self.symmetry.image(permutation, to);
                lists[permutation][image] = self.lists.number(&list);
            }
        }
        Ok(lists)
    }

    /// Notes that `things[p]` is the image of `things[0]` under each permutation `p`, and what follows for the
    /// images' images.
    pub(super) fn link(
        &mut self,
        things: &[u32],
        images: impl Fn(&mut Self) -> &mut Vec<u32>,
        name: &str,
    ) -> Result<(), Asymmetric> {
        let count = self.symmetry.len();
        for (before, thing) in things.iter().enumerate() {
            for after in 0..count {
                let image = things[self.symmetry.compose(after, before)];
                let known = &mut images(self)[*thing as usize * count + after];
                if *known != NONE && *known != image {
                    return Err(Asymmetric(format!(
                        "{name} has two images under one renaming of the nodes"
                    )));
                }
                *known = image;
            }
        }
        Ok(())
    }

    fn local_number(&mut self, node: usize, machine: Machine<R>) -> u32 {
        let next = self.locals.len() as u32;
        let bounds = &self.world.bounds;
        let number = self
            .local_numbers
            .number(next, |out| machine.write_state(bounds, out));
        if number != next {
            return number;
        }
        let mut timers = Vec::new();
        for (timer, pace) in machine.timers() {
            let fresh = self.timers.len() as u32;
            let spent = match pace {
                Pace::Election => Spent::Elections,
                Pace::Heartbeat => Spent::Heartbeats,
            };
            timers.push((*self.timers.entry(timer).or_insert(fresh), spent));
        }
        let list = self.timer_lists.iter().position(|list| *list == timers);
        let list = list.unwrap_or_else(|| {
            self.timer_lists.push(timers);
            self.timer_lists.len() - 1
        });
        let seen = self.seen_numbers.len() as u32;
        let seen = self
            .seen_numbers
            .number(seen, |out| R::write_seen(&machine.own, out));
        self.locals.push(Local {
            node: node as u16,
            unsynced: machine.unsynced() as u16,
            timers: list as u32,
            orbit: next,
            seen,
        });
        self.machines.push(machine);
        self.local_images.extend((0..self.symmetry.len()).map(|_| NONE));
        next
    }

    fn message_number(&mut self, from: usize, to: usize, message: R::Message) -> u32 {
        let next = self.messages.len() as u32;
        let write = |out: &mut String| write!(out, "{from} {to} {message:?}");
        let number = self.message_numbers.number(next, write);
        if number == next {
            self.messages.push(Sent {
                from: from as u8,
                message,
            });
            self.message_images.extend((0..self.symmetry.len()).map(|_| NONE));
        }
        number
    }

    fn seen_number(&mut self, seen: Vec<Seen>) -> u32 {
        let known = self.seen.iter().position(|one| *one == seen);
        known.unwrap_or_else(|| {
            self.seen.push(seen);
            self.seen.len() - 1
        }) as u32
    }

    /// An inbox without the message at a place.
    #[inline]
    pub(super) fn without(&mut self, inbox: u32, place: usize) -> u32 {
        let after = self.inboxes.without(inbox, place);
        self.room_for_images();
        after
    }

    /// An inbox with a list of messages more.
    #[inline]
    pub(super) fn with(&mut self, inbox: u32, list: u32) -> u32 {
        if list == 0 {
            return inbox;
        }
        let key = pair(inbox, list);
        if let Some(known) = self.inbox_after.get(&key) {
            return *known;
        }
        let mut all = self.inboxes.get(inbox).to_vec();
        all.extend_from_slice(self.lists.get(list));
        let after = self.inbox_number(all);
        self.inbox_after.insert(key, after);
        after
    }

    fn inbox_number(&mut self, mut list: Vec<u32>) -> u32 {
        list.sort_unstable();
        let number = self.inboxes.number(&list);
        self.room_for_images();
        number
    }

    #[inline]
    fn room_for_images(&mut self) {
        let wanted = self.inboxes.len() * self.symmetry.len();
        if self.inbox_images.len() < wanted {
            self.inbox_images.resize(wanted, NONE);
        }
    }

    /// The clients' state after what they did and saw.
    pub(super) fn clients_after(&mut self, clients: u32, seen: u32) -> u32 {
        if seen == 0 {
            return clients;
        }
        let key = pair(clients, seen);
        if let Some(known) = self.clients_after.get(&key) {
            return *known;
        }
        let after = self.clients.step(clients, &self.seen[seen as usize]);
        self.clients_after.insert(key, after);
        after
    }

    /// Computes an outcome again, to see what the node did.
    pub(super) fn again(&self, outcome: u32) -> Stepped<R> {
        let Outcome { local, what, .. } = self.outcomes[outcome as usize];
        self.step(local, What::of(what))
    }

    /// A timer's name, in words.
    pub(super) fn timer_name(&self, what: What) -> String {
        match self.happens(what) {
            Happens::Timer(timer) => format!("the {timer:?} timer runs out").replace("Timer::", ""),
            _ => String::new(),
        }
    }

    /// Distinct things of each kind.
    pub(super) fn counts(&self) -> super::Distinct {
        super::Distinct {
            nodes: self.locals.len(),
            messages: self.messages.len(),
            inboxes: self.inboxes.len(),
            steps: self.outcomes.len(),
            pasts: self.shared.len(),
            histories: self.clients.len(),
        }
    }

    /// Bytes that are allocated for numbers; what the nodes' states, the messages and the pasts hold themselves
    /// is not among them.
    pub(super) fn bytes(&self) -> usize {
        let map = |capacity: usize, entry: usize| capacity * (entry + 1) * 8 / 7;
        self.inboxes.bytes()
            + self.lists.bytes()
            + 4 * (self.local_images.capacity()
                + self.message_images.capacity()
                + self.inbox_images.capacity()
                + self.shared_images.capacity())
            + self.local_numbers.bytes()
            + self.message_numbers.bytes()
            + self.shared_numbers.bytes()
            + self.locals.capacity() * size_of::<Local>()
            + self.machines.capacity() * size_of::<Machine<R>>()
            + self.messages.capacity() * size_of::<Sent<R::Message>>()
            + self.shared.capacity() * size_of::<R::Shared>()
            + self.outcomes.capacity() * size_of::<Outcome>()
            + map(
                self.outcome_of.capacity() + self.inbox_after.capacity() + self.clients_after.capacity(),
                12,
            )
            + map(self.shared_after.capacity(), 12)
            + map(self.shared_around.capacity(), 40)
    }
}
