//! Carries out what the runner says, in a simulated world.

mod admin;
pub(crate) mod calls;
mod faults;
mod patience;
mod rest;
mod scripted;
mod trial;
mod wake;
mod way;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem::{Discriminant, discriminant};

use perjury_nemesis::{Node, stream};
use perjury_runner::{Action, Answer, Attempt, Bite, Input, Notice, Phase, Runner, View};
use perjury_systems::api::{Command, Request, Response};
use perjury_systems::breach::Breach;
use perjury_systems::replica::{NodeId, Promise, Replica};
use perjury_workloads::Call;
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;

use crate::likelihood::Branch;
use crate::script::Script;
use crate::setup::Setup;
use crate::world::{Happened, Invariants, MILLISECOND, Note, Weather, World, exponential, variant};
use admin::Admins;
use faults::Active;
use patience::Patience;
use trial::{TRIAL_TICKET, Trial};
use wake::{Came, Wake};
use way::Way;

/// Whole logs are compared once in so many events.
const EVENTS_BETWEEN_CHECKPOINTS: u64 = 1 << 14;

/// Requests of the environment itself are numbered from here on.
const ADMIN_TICKETS: u64 = 1 << 63;

/// What the environment plans.
#[derive(Debug, PartialEq)]
pub(crate) enum Alarm {
    /// The runner wants to be called.
    Wake,
    /// An answer reaches its client.
    Answer(
        /// Larger than most of what is planned, and rarer: what is planned is kept small.
        Box<(u64, Answer)>,
    ),
    /// Some client may have waited long enough.
    TimeOut,
    /// A node whose disk stands still may have something to lose by now.
    Crash { fault: u32, node: Node },
    /// A change of members is tried, or tried again.
    Admin { ticket: u64 },
    /// A change of members has taken too long.
    GiveUp { fault: u32, healing: bool },
    /// Members that are missing are asked back.
    Repair,
    /// Whether the cluster has come to rest.
    Rest,
    /// Leadership is handed over.
    Transfer,
    /// The majority that is on trial is asked.
    Trial,
    /// The operator asks what the script says.
    Request { place: usize },
    /// The script is over.
    End,
    /// The weather changes, as the script says.
    Weather { bad: bool },
}

/// A request that was not answered yet.
#[derive(Debug)]
struct Open {
    call: Call,
    way: Way,
}

/// One run.
#[derive(Debug)]
pub(crate) struct Environment<R: Replica> {
    pub(crate) world: World<R, Alarm>,
    pub(crate) runner: Runner,
    weather: Weather,
    calm: bool,
    /// Draws what faults and the operator do.
    rng: ChaCha8Rng,
    script: Option<Script>,
    /// How many clients there are.
    clients: usize,
    /// What befalls requests is drawn from.
    noise: u64,
    /// How many requests each client made; those after the clients probe.
    attempts: Vec<u64>,
    triggers: Vec<crate::world::Trigger>,
    /// How far in the system's order each client has seen it.
    seen: Vec<u64>,
    /// Whether a client reads what it changes before it is told that it is changed: a system that reads its own state has
    /// to keep the order of a session.
    pipelines: bool,
    open: FxHashMap<u64, Open>,
    patience: Patience,
    active: BTreeMap<u32, Active>,
    /// Those that are members from the start.
    members: Vec<NodeId>,
    admins: Admins,
    /// The kinds of faults that the plan has.
    kinds: BTreeSet<&'static str>,
    pub(crate) has_trial: bool,
    trial: Option<Trial>,
    /// A majority that did not serve.
    stalled: Option<Vec<Node>>,
    wake: Wake,
    booting: usize,
    phase: Phase,
    /// Kept for their room.
    notes: Vec<Note>,
    inputs: VecDeque<Input>,
    actions: Vec<Action>,
    /// Whether two nodes claimed to lead at once, in different terms or not.
    pub(crate) two_leaders: bool,
    /// Which kinds of steps were recorded, by their names, and how often.
    pub(crate) marks: Vec<(Discriminant<R::Trace>, &'static str, u64)>,
    /// Which triggers struck whom, and when.
    pub(crate) struck: Vec<(usize, Node, u64)>,
    /// Whoever wants to know what the runner tells.
    pub(crate) notices: Vec<Notice>,
    keeps_notices: bool,
    /// When whom the operator asked what, if somebody wants to know.
    pub(crate) asked: Option<Vec<(u64, Node, Command)>>,
    /// Where the noise is to be drawn anew, and when it was.
    pub(crate) branch: Option<Branch>,
    pub(crate) branched_ns: Option<u64>,
    interrupted: bool,
    done: bool,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As it should.
    Finished,
    /// An invariant broke.
    Broken(Breach),
    /// A healthy majority did not serve.
    Stalled(Vec<Node>),
    /// There were more events than any run needs.
    Runaway,
    /// Nothing was planned any more, though the test was not over.
    Stuck,
}

impl<R: Replica> Environment<R> {
    pub(crate) fn new(
        setup: &Setup,
        runner: Runner,
        watch: Box<dyn Invariants<R>>,
        keeps_notices: bool,
    ) -> Self {
        let noise = setup.noise();
        let mut world = World::new(setup.cluster(), setup.weather, noise, watch);
        world.schedule(setup.scheduler);
        if let Some(script) = &setup.script {
            world.follow(script);
        }
        let attempts = vec![0; setup.options.concurrency + usize::from(setup.options.nodes)];
        Environment {
            world,
            script: setup.script.clone(),
            clients: setup.options.concurrency,
            noise,
            seen: attempts.clone(),
            attempts,
            pipelines: R::promise(&setup.cluster()) == Promise::Sequential,
            runner,
            weather: setup.weather,
            calm: true,
            rng: stream(noise, "clients"),
            triggers: setup.triggers.clone(),
            open: FxHashMap::default(),
            patience: Patience::default(),
            active: BTreeMap::new(),
            members: setup.cluster().members,
            admins: Admins::default(),
            kinds: setup.plan.kinds(),
            has_trial: setup.quorum_trial,
            trial: None,
            stalled: None,
            wake: Wake::NONE,
            booting: usize::from(setup.options.nodes),
            phase: Phase::Start,
            notes: Vec::new(),
            inputs: VecDeque::new(),
            actions: Vec::new(),
            two_leaders: false,
            marks: Vec::new(),
            struck: Vec::new(),
            notices: Vec::new(),
            keeps_notices,
            asked: None,
            branch: None,
            branched_ns: None,
            interrupted: false,
            done: false,
        }
    }

    /// Runs until the test is over. `each` is called after every event with the world, and says whether the user has had
    /// enough: then the runner heals everything and comes to an end.
    pub(crate) fn run(&mut self, max_events: u64, mut each: impl FnMut(&World<R, Alarm>) -> bool) -> End {
        for node in self.world.nodes() {
            self.world.start(node, 0);
        }
        self.begin_script();
        while !self.done {
            if self.world.events >= max_events {
                return End::Runaway;
            }
            if let Some(branch) = self.branch.take_if(|branch| self.world.events >= branch.event) {
                self.noise = branch.noise;
                self.rng = stream(branch.noise, "clients");
                self.world.reseed(branch.noise);
                self.branched_ns = Some(self.world.now());
            }
            match self.world.next() {
                None => return End::Stuck,
                Some(Happened::Alarm(alarm)) => self.alarmed(alarm),
                Some(Happened::Stepped(_)) => self.mark(),
                Some(Happened::Nothing) => {}
            }
            if self.world.events.is_multiple_of(EVENTS_BETWEEN_CHECKPOINTS) {
                self.world.checkpoint();
            }
            if !self.world.notes.is_empty() || self.world.view_changed || !self.inputs.is_empty() {
                self.settle();
            }
            if each(&self.world) && !self.interrupted {
                self.interrupted = true;
                self.inputs.push_back(Input::Interrupt);
            }
            if self.world.breach.is_some() || self.stalled.is_some() {
                break;
            }
        }
        if let Some(breach) = self.world.breach.take() {
            return End::Broken(breach);
        }
        if let Some(quorum) = self.stalled.take() {
            return End::Stalled(quorum);
        }
        self.rest();
        self.world.checkpoint();
        match self.world.breach.take() {
            Some(breach) => End::Broken(breach),
            None => End::Finished,
        }
    }

    fn mark(&mut self) {
        for trace in &self.world.traces {
            let kind = discriminant(trace);
            match self.marks.iter().position(|(known, ..)| *known == kind) {
                Some(place) => {
                    self.marks[place].2 += 1;
                    // What comes most often is found first.
                    if place > 0 && self.marks[place].2 > self.marks[place - 1].2 {
                        self.marks.swap(place, place - 1);
                    }
                }
                None => self.marks.push((kind, variant(trace), 1)),
            }
        }
    }

    /// Until nothing follows from what happened.
    fn settle(&mut self) {
        loop {
            if !self.world.notes.is_empty() {
                let room = std::mem::take(&mut self.notes);
                let mut notes = std::mem::replace(&mut self.world.notes, room);
                for note in notes.drain(..) {
                    self.note(note);
                }
                self.notes = notes;
            }
            if std::mem::take(&mut self.world.view_changed) {
                let up = self
                    .world
                    .nodes()
                    .filter(|node| self.world.is_up(*node))
                    .collect();
                let leader = self.world.leader();
                if self.world.claimants().len() > 1 {
                    self.two_leaders = true;
                }
                self.inputs.push_back(Input::View(View { leader, up }));
            }
            let Some(input) = self.inputs.pop_front() else {
                if self.world.notes.is_empty() && !self.world.view_changed {
                    return;
                }
                continue;
            };
            let now = self.world.now();
            if let Some(score) = &mut self.world.score {
                score.told(now, &input);
            }
            let mut actions = std::mem::take(&mut self.actions);
            self.runner.step(now, input, &mut actions);
            for action in actions.drain(..) {
                self.act(action);
            }
            self.actions = actions;
        }
    }

    fn note(&mut self, note: Note) {
        match note {
            Note::Reply { ticket, response } => self.replied(ticket, response),
            Note::Reset { ticket } => self.lost(
                ticket,
                Answer::Unknown {
                    error: "connection-reset".into(),
                },
            ),
            Note::Refused { ticket } => {
                let error = "connection-refused".into();
                self.lost(ticket, Answer::Unavailable { error, leader: None });
            }
            Note::Killed { node, lost } => self.killed(node, lost),
            Note::Booted { node } => self.booted(node),
            Note::Died { node, reason } => {
                self.booted(node);
                self.inputs.push_back(Input::NodeDied { node, reason });
            }
            Note::Struck { trigger, node } => self.struck.push((trigger, node, self.world.now())),
        }
    }

    fn booted(&mut self, node: Node) {
        if self.booting > 0 {
            self.booting -= 1;
            if self.booting == 0 {
                self.inputs.push_back(Input::Started);
            }
        }
        self.restarted(node);
    }

    fn replied(&mut self, ticket: u64, response: Response) {
        if ticket == TRIAL_TICKET {
            if trial::served(&response.result) {
                self.end_trial();
            }
            return;
        }
        if ticket >= ADMIN_TICKETS {
            return self.admin_answered(ticket, Some(response));
        }
        let Some(open) = self.open.get(&ticket) else {
            return;
        };
        if response.result.is_ok() {
            let seen = &mut self.seen[open.way.client as usize];
            *seen = (*seen).max(response.position);
        }
        if let Some(score) = &mut self.world.score {
            score.replied(ticket);
        }
        let answer = calls::conclude(&open.call, response);
        self.answer_later(ticket, answer);
    }

    fn lost(&mut self, ticket: u64, answer: Answer) {
        if ticket >= ADMIN_TICKETS {
            return self.admin_answered(ticket, None);
        }
        self.answer_later(ticket, answer);
    }

    /// The operator asks a node.
    fn ask(&mut self, at: u64, node: Node, ticket: u64, request: Request) {
        if let Some(asked) = &mut self.asked {
            asked.push((at, node, request.command.clone()));
        }
        self.world.ask(at, node, ticket, request);
    }

    fn answer_later(&mut self, attempt: u64, answer: Answer) {
        let Some(open) = self.open.get(&attempt) else {
            return;
        };
        let way = Way {
            back: true,
            ..open.way
        };
        if self.loses(way) {
            return;
        }
        let at = self.world.now() + self.takes(way);
        self.world.alarm(at, Alarm::Answer(Box::new((attempt, answer))));
    }

    fn client_latency(&mut self) -> u64 {
        self.weather
            .client_latency(|mean| exponential(&mut self.rng, mean))
    }

    fn alarmed(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Wake => match self.wake.came(self.world.now()) {
                Came::Due => self.inputs.push_back(Input::Woke),
                Came::Early(at) => self.world.alarm(at, Alarm::Wake),
                Came::Overtaken => {}
            },
            Alarm::Answer(answered) => {
                let (attempt, answer) = *answered;
                if self.open.remove(&attempt).is_some() {
                    self.inputs.push_back(Input::Answer { attempt, answer });
                }
            }
            Alarm::TimeOut => self.time_out(),
            Alarm::Crash { fault, node } => self.crash(fault, node),
            Alarm::Admin { ticket } => self.admin(ticket),
            Alarm::GiveUp { fault, healing } => self.admin_gives_up(fault, healing),
            Alarm::Trial => self.try_quorum(),
            // Of use only when the run is over.
            Alarm::Rest => {}
            Alarm::Request { place } => self.request(place),
            Alarm::End => self.done = true,
            Alarm::Weather { bad: true } => self.storm(),
            Alarm::Weather { bad: false } => {
                self.world.calm();
                self.calm = true;
            }
            Alarm::Repair => self.repair(),
            Alarm::Transfer => self.transfer(),
        }
    }

    fn time_out(&mut self) {
        let now = self.world.now();
        loop {
            let open = &self.open;
            match self.patience.came(now, |attempt| open.contains_key(&attempt)) {
                Ok(attempt) => {
                    self.open.remove(&attempt);
                    if let Some(score) = &mut self.world.score {
                        score.given_up(attempt);
                    }
                    let error = "timeout".into();
                    let answer = Answer::Unknown { error };
                    self.inputs.push_back(Input::Answer { attempt, answer });
                }
                Err(next) => {
                    if let Some(at) = next {
                        self.world.alarm(at, Alarm::TimeOut);
                    }
                    return;
                }
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send(attempt) => self.send(attempt),
            Action::Inject { id, fault } => self.inject(id, fault),
            Action::Heal { id } => self.heal(id),
            Action::Wake(at) => {
                if let Some(at) = self.wake.want(at.max(self.world.now())) {
                    self.world.alarm(at, Alarm::Wake);
                }
            }
            Action::Notice(notice) => self.notice(notice),
            Action::Finish => self.done = true,
        }
    }

    fn notice(&mut self, notice: Notice) {
        match &notice {
            Notice::Event(event) => self.world.hash.mix(event),
            Notice::Phase { phase, .. } => {
                self.phase = *phase;
                match phase {
                    Phase::Main => {
                        if self
                            .script
                            .as_ref()
                            .is_none_or(|script| script.weather_ns.is_none())
                        {
                            self.storm();
                        }
                        self.world.arm(&self.triggers);
                        self.transfer();
                    }
                    Phase::Heal => {
                        self.world.calm();
                        self.calm = true;
                        if self.has_trial {
                            self.begin_trial();
                        }
                    }
                    Phase::Recover => self.repair(),
                    _ => {}
                }
            }
            _ => {}
        }
        if self.keeps_notices {
            self.notices.push(notice);
        }
    }

    fn storm(&mut self) {
        self.world.storm();
        self.calm = false;
    }

    fn send(&mut self, attempt: Attempt) {
        let Attempt {
            id,
            client,
            node,
            call,
            session,
            timeout_ms,
            ..
        } = attempt;
        let now = self.world.now();
        let way = Way {
            client: client as u64,
            number: self.attempts[client],
            back: false,
        };
        self.attempts[client] += 1;
        let arrives = now + self.takes(way);
        if let Some(at) = self.patience.wait(now + timeout_ms * MILLISECOND, id) {
            self.world.alarm(at, Alarm::TimeOut);
        }
        match calls::request(&call, session, self.seen[client]) {
            Err(_) => {
                let answer = Answer::Failed {
                    error: "invalid".into(),
                    observed: None,
                    version: None,
                };
                self.world.alarm(arrives, Alarm::Answer(Box::new((id, answer))));
            }
            Ok(request) => {
                if let Some(asked) = &mut self.asked
                    && client >= self.clients
                {
                    // A probe; in a scripted run nobody probes.
                    asked.push((arrives, node, request.command.clone()));
                }
                if !self.loses(way) {
                    let next = (self.pipelines && request.session.is_some())
                        .then(|| calls::pipelined(&request, &call.key, self.seen[client]));
                    self.world.ask(arrives, node, id, request);
                    if let Some(next) = next {
                        self.world.ask(arrives + 1, node, ADMIN_TICKETS, next);
                    }
                }
            }
        }
        self.open.insert(id, Open { call, way });
    }

    fn injected(&mut self, id: u32, result: Result<Bite, String>) {
        self.inputs.push_back(Input::Injected { id, result });
    }

    fn healed(&mut self, id: u32, result: Result<Bite, String>) {
        self.inputs.push_back(Input::Healed { id, result });
    }
}
