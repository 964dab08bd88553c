//! Snapshots: taking them, dropping the log in front of them, sending and installing them (paper §7; thesis §5).

use serde::{Deserialize, Serialize};

use super::config::{Config, ConfigHistory};
use super::marks::Place;
use super::progress::{Feed, Image};
use super::types::{Message, Position, Record, Term, Trace};
use super::{Cx, Raft, State};
use crate::chunks::{Chunk, Incoming, Taken};
use crate::identity::Disk;
use crate::machine::{Machine, Stored};
use crate::replica::NodeId;

/// What a snapshot's bytes say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contents {
    last: Position,
    config: Config,
    state: Stored,
}

impl Contents {
    /// Reads a snapshot's bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    /// `about` is how long it may become.
    fn encode(&self, about: usize) -> Option<Vec<u8>> {
        postcard::to_extend(self, Vec::with_capacity(about)).ok()
    }

    pub(crate) fn last(&self) -> Position {
        self.last
    }

    /// The state and the configuration.
    pub(crate) fn restore(self) -> (Machine<Position>, Config) {
        (self.state.restore(self.last), self.config)
    }
}

impl Raft {
    /// Takes a snapshot if enough was applied since the last one.
    pub(super) fn snapshot_when_due(&mut self, cx: &mut Cx) {
        let every = self.settings.snapshot_every;
        let applied = self.machine.applied();
        let covered = self.image.as_ref().map_or(0, |image| image.last.index);
        if every == 0 || applied < covered + every {
            return;
        }
        let index = self.rules.snapshot_label(applied, self.commit);
        let Some(entry_term) = self.log.term_at(index) else {
            return;
        };
        let last = Position {
            term: self.rules.snapshot_label_term(entry_term),
            index,
        };
        let as_of = self.configs.as_of(index);
        let holds_config = self.rules.snapshot_holds_config(*as_of != *self.initial);
        let config = if holds_config {
            as_of.clone()
        } else {
            Config::clone(&self.initial)
        };
        let holds_sessions = self.rules.keeps_sessions(self.machine.has_sessions());
        let contents = Contents {
            last,
            config,
            state: self.machine.stored(holds_sessions),
        };
        let before = self.image.as_ref().map_or(0, |image| image.bytes.len());
        let Some(bytes) = contents.encode(before + before / 4 + 256) else {
            return;
        };
        cx.snapshot(bytes.clone());
        self.image = Some(Image {
            last,
            bytes: bytes.into(),
        });
        cx.trace(Trace::SnapshotTaken {
            last,
            hash: self.machine.hash(),
        });
        let base = index.saturating_sub(self.settings.snapshot_keep);
        let base = if base == index {
            Some(last)
        } else {
            self.log.term_at(base).map(|term| Position { term, index: base })
        };
        if let Some(base) = base {
            self.log.compact(base);
            self.configs.compact(base.index);
        }
        self.release(cx);
    }

    /// Lets go of the part of the write-ahead log that nothing needs any more: what is still needed and not an
    /// entry is written again first.
    fn release(&mut self, cx: &mut Cx) {
        let rewritten = cx.append(Record::Identity(self.identity.clone()));
        let after = self.write_hard_state(cx);
        let before = self
            .log
            .first_lsn()
            .map_or(rewritten, |first| first.min(rewritten));
        cx.release(before, self.rules.release_after(after));
    }

    /// Begins to send a follower the newest snapshot; false if there is none that helps.
    pub(super) fn begin_snapshot(&mut self, to: NodeId) -> bool {
        let (State::Leader(leader), Some(image)) = (&mut self.state, &self.image) else {
            return false;
        };
        let Some(progress) = leader.progress.get_mut(to) else {
            return false;
        };
        progress.feed = Feed::Snapshot {
            image: image.clone(),
            offset: 0,
            waiting: false,
            rewound: 0,
        };
        true
    }

    /// Sends the next chunk, unless one is unanswered.
    pub(super) fn send_chunk(&mut self, to: NodeId, cx: &mut Cx) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        let round = leader.round;
        let Some(Feed::Snapshot {
            image,
            offset,
            waiting,
            ..
        }) = leader.progress.get_mut(to).map(|progress| &mut progress.feed)
        else {
            return;
        };
        if std::mem::replace(waiting, true) {
            return;
        }
        let Chunk { offset, data, done } = Chunk::of(&image.bytes, *offset, self.settings.chunk_bytes);
        let message = Message::Snapshot {
            term: self.term,
            last: image.last,
            offset,
            data,
            done,
            round,
        };
        cx.send_now(to, message);
    }

    pub(super) fn on_snapshot(
        &mut self,
        from: NodeId,
        (term, round): (Term, u64),
        last: Position,
        (offset, data, complete): (u64, Vec<u8>, bool),
        cx: &mut Cx,
    ) {
        if term < self.term {
            let outcome = super::types::Appended::Stale;
            let (term, disk) = (self.term, self.identity.disk);
            let votes = self.has_a_vote();
            cx.send(
                from,
                Message::AppendReply {
                    term,
                    round,
                    outcome,
                    disk,
                    votes,
                },
            );
            return;
        }
        if matches!(self.state, State::Leader(_)) {
            self.rules.ensure(false, "two leaders of one term");
            return;
        }
        self.follow(from, cx);
        let (offset, done) = if self.rules.installs_snapshot(last.index, self.commit) {
            self.take_chunk((from, term, last), offset, data, complete, cx)
        } else {
            self.incoming = None;
            self.rules.reach(Place::OldSnapshotRefused as u8);
            (0, true)
        };
        let reply = Message::SnapshotReply {
            term: self.term,
            last,
            offset,
            done,
            round,
            disk: self.identity.disk,
            votes: self.has_a_vote(),
        };
        cx.send(from, reply);
    }

    /// Adds a chunk to the snapshot that is arriving; says which byte is wanted next, and whether it is installed.
    fn take_chunk(
        &mut self,
        (from, term, last): (NodeId, Term, Position),
        offset: u64,
        data: Vec<u8>,
        complete: bool,
        cx: &mut Cx,
    ) -> (u64, bool) {
        let chunk = Chunk {
            offset,
            data,
            done: complete,
        };
        match Incoming::take(&mut self.incoming, from, (term, last), &chunk) {
            Taken::Wanted(wanted) => (wanted, false),
            Taken::Whole(bytes) => match Contents::decode(&bytes) {
                Some(contents) if contents.last == last => {
                    self.install(contents, bytes, cx);
                    (0, true)
                }
                _ => (0, false),
            },
        }
    }

    /// Replaces the state by a leader's snapshot (figure 13, rules 6 to 8).
    fn install(&mut self, contents: Contents, bytes: Vec<u8>, cx: &mut Cx) {
        let last = contents.last();
        let has_last = self.log.term_at(last.index) == Some(last.term);
        let kept_suffix = self.rules.keeps_suffix(has_last);
        // The snapshot first: if the node stops in between, replaying it discards what does not follow from it.
        let lsn = cx.snapshot(bytes.clone());
        let end = self.log.last().index;
        if !kept_suffix && end > last.index {
            cx.append(Record::Remove {
                first: last.index + 1,
                last: end,
            });
        }
        self.image = Some(Image {
            last,
            bytes: bytes.into(),
        });
        let (machine, config) = contents.restore();
        self.machine = machine;
        self.commit = last.index;
        self.log.replace(last, kept_suffix, lsn);
        let later = self
            .configs
            .iter()
            .filter(|(index, _)| kept_suffix && *index > last.index);
        let later: Vec<_> = later.cloned().collect();
        self.configs = ConfigHistory::new(last.index, config);
        for (index, config) in later {
            self.configs.push(index, config);
        }
        let term = self.rules.term_after_install(self.term, last.term);
        if term != self.term {
            self.term = term;
            self.write_hard_state(cx);
            cx.trace(Trace::TermChanged { term });
        }
        self.requests.reads_ready = true;
        self.rules.reach(Place::SnapshotInstalled as u8);
        if kept_suffix {
            self.rules.reach(Place::SuffixKept as u8);
        }
        cx.trace(Trace::SnapshotInstalled {
            last,
            hash: self.machine.hash(),
            kept_suffix,
        });
        self.release(cx);
    }

    pub(super) fn on_snapshot_reply(
        &mut self,
        from: NodeId,
        (term, round): (Term, u64),
        last: Position,
        (wanted, done): (u64, bool),
        (disk, votes): (Disk, bool),
        cx: &mut Cx,
    ) {
        let State::Leader(leader) = &mut self.state else {
            return;
        };
        let Some(progress) = leader.progress.get_mut(from) else {
            return;
        };
        if term != self.term {
            return;
        }
        progress.active = true;
        progress.answers_with(disk, votes);
        if round <= leader.round {
            progress.answered_at = cx.now;
            progress.confirmed = progress
                .confirmed
                .max(self.rules.confirmed_round(round, leader.round));
        }
        if done && last.index <= self.log.last().index {
            progress.matched = progress.matched.max(last.index);
            // It may be a late answer, while a newer snapshot is being sent.
            progress.next = progress.next.max(progress.matched + 1);
        }
        if let Feed::Snapshot {
            image,
            offset,
            waiting,
            rewound,
        } = &mut progress.feed
            && image.last == last
        {
            // An answer that says nothing new sends nothing: if each copy of an answer sent a chunk, which is
            // answered in turn, two conversations would go on where there was one, and so forth. A follower that
            // lost what it had (it was restarted) is heard once a round of heartbeats.
            let lost = wanted < *offset && round > *rewound;
            if done {
                progress.stream();
            } else if (wanted > *offset || lost) && wanted as usize <= image.bytes.len() {
                if lost {
                    *rewound = round;
                }
                *offset = wanted;
                *waiting = false;
            }
        }
        self.confirm_reads(cx);
        self.advance_commit(cx);
        self.feed(from, cx);
        self.hand_over_when_ready(cx);
    }
}
