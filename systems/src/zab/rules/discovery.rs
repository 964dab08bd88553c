//! How a leader finds its epoch and the history that it begins with (paper, phase 1).

use super::super::types::{Epoch, Zxid};

/// How far a leader has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A quorum has agreed to its epoch.
    Discovered,
    /// A quorum has adopted its history.
    Established,
}

/// Does this server count in a quorum of an election, of epochs, of adopted histories? Only those that vote:
/// "observers … do not participate in the voting" (ZooKeeper Observers guide).
pub fn has_a_say(voter: bool) -> bool {
    voter
}

/// How many of so many voters are a quorum? More than half, so that any two have one in common (paper §III).
pub fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

/// Is an epoch new to a server that has agreed to this one? If it is later (paper, steps l.1.1 and f.1.2: "such that e'
/// is later than any e").
pub fn is_new(epoch: Epoch, accepted: Epoch) -> bool {
    epoch > accepted
}

/// Does an agreement to an epoch count? Only the first of each server: what it agreed to before, it agreed to for
/// another leader (paper, step f.1.2).
pub fn ack_counts(fresh: bool) -> bool {
    fresh
}

/// Is the epoch that a server agrees to written down? Yes: it must never agree to an earlier one, also after a restart
/// (paper, step f.1.2: "f sets f.p to e'", non-volatile).
pub fn writes_accepted() -> bool {
    true
}

/// Must a leader give up because of what a follower has? If that is later than its own: its history is the one that
/// all will adopt (paper, step l.1.2: no f' has a later epoch, or the same with a later transaction).
pub fn must_abort(theirs: (Epoch, Zxid), mine: (Epoch, Zxid)) -> bool {
    theirs > mine
}

/// May a leader commit its history and serve? Once a quorum has adopted it (paper, step l.2.2).
pub fn may_serve(progress: Progress) -> bool {
    progress == Progress::Established
}
