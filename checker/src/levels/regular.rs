//! Regular and safe registers (Lamport, "On interprocess communication", 1986), with several writers (Shao, Welch,
//! Pierce and Lee, "Multiwriter consistency conditions for shared memory registers", 2011, the weakest of them).
//!
//! A read may return a write that was invoked before the read completed, unless another write lies entirely between
//! the two. In a *regular* register every read does so; in a *safe* one at least every read that overlaps no write.
//!
//! ```text
//!  process 0   [─ write 1 ─]   [─────── write 2 ───────]
//!  process 1                      [─ read 2 ─]
//!  process 2                                 [─ read 1 ─]      regular, but not linearizable
//! ```
//!
//! With the writes in the order of invocation and of completion, and the extremes so far of the other end, each read
//! is judged in O(log n).

use super::Held;
use super::cell::{Act, INITIAL, Register};
use crate::history::Operation;

/// Whether the register is regular, and whether it is safe.
pub(super) fn judge(register: &Register<'_>) -> [Held; 2] {
    let writes = Writes::new(register);
    let (mut regular, mut safe) = (Held::Yes, Held::Yes);
    for read in register.acts.iter().filter(|act| !act.pending()) {
        if writes.may_say(read) {
            continue;
        }
        if regular == Held::Yes {
            regular = Held::No(format!(
                "{}, which neither overlaps it nor was the last before it",
                read.says(register)
            ));
        }
        if safe == Held::Yes && !writes.overlap(read) {
            safe = Held::No(format!("{} although no write overlaps it", read.says(register)));
        }
    }
    [regular, safe]
}

/// The reads that no regular register may have answered so.
pub(super) fn lies<'h>(register: &Register<'h>) -> Vec<&'h Operation> {
    let writes = Writes::new(register);
    let reads = register.acts.iter().filter(|act| !act.pending());
    reads
        .filter(|act| !writes.may_say(act))
        .map(|act| act.operation)
        .collect()
}

/// A write: when it was invoked and when it completed, its place among the acts, and its value.
#[derive(Clone, Copy)]
struct Write {
    invoked: u64,
    returned: u64,
    id: usize,
    value: u32,
}

/// Two writes that complete last, which differ in their ids or in their values.
type Latest = [Option<Write>; 2];

struct Writes {
    /// By completion: the completion, and the latest invocation up to there.
    completed: Vec<(u64, u64)>,
    /// By invocation: the invocation, and the two that complete last up to there, by ids and by values.
    invoked: Vec<(u64, Latest, Latest)>,
    /// Of each value, by invocation: the invocation, and the latest completion up to there.
    of_value: Vec<Vec<(u64, u64)>>,
}

impl Writes {
    fn new(register: &Register<'_>) -> Self {
        let mut writes = vec![Write {
            invoked: 0,
            returned: 0,
            id: usize::MAX,
            value: INITIAL,
        }];
        // What nobody saw may still have been under way.
        writes.extend(register.acts.iter().chain(&register.unseen).filter_map(|act| {
            Some(Write {
                invoked: act.invoked,
                returned: act.returned,
                id: act.operation.id,
                value: act.wrote?,
            })
        }));
        writes.sort_by_key(|write| write.invoked);
        let mut completed: Vec<(u64, u64)> = writes
            .iter()
            .map(|write| (write.returned, write.invoked))
            .collect();
        completed.sort_unstable();
        let mut latest = 0;
        for (_, invoked) in &mut completed {
            latest = latest.max(*invoked);
            *invoked = latest;
        }
        let mut of_value: Vec<Vec<(u64, u64)>> = vec![Vec::new(); register.values()];
        let (mut by_id, mut by_value): (Latest, Latest) = ([None; 2], [None; 2]);
        let mut invoked = Vec::with_capacity(writes.len());
        for write in writes {
            keep(&mut by_id, write, |one, other| one.id == other.id);
            keep(&mut by_value, write, |one, other| one.value == other.value);
            invoked.push((write.invoked, by_id, by_value));
            let same = &mut of_value[write.value as usize];
            let latest = same.last().map_or(0, |&(_, latest)| latest);
            same.push((write.invoked, latest.max(write.returned)));
        }
        Writes {
            completed,
            invoked,
            of_value,
        }
    }

    /// Whether a regular register may tell it what it saw.
    fn may_say(&self, read: &Act<'_>) -> bool {
        // The latest invocation of a write that had completed when the read began.
        let before = self
            .completed
            .partition_point(|&(returned, _)| returned < read.invoked);
        let floor = before.checked_sub(1).map_or(0, |last| self.completed[last].1);
        let saw = read.saw.is_none_or(|value| {
            let writes = &self.of_value[value as usize];
            match writes.partition_point(|&(invoked, _)| invoked < read.returned) {
                0 => false,
                count => writes[count - 1].1 >= floor,
            }
        });
        let denied = read.denied.is_none_or(|value| {
            let (_, latest) = self.up_to(read);
            let other = latest.into_iter().flatten().find(|write| write.value != value);
            other.is_some_and(|write| write.returned >= floor)
        });
        saw && denied
    }

    fn overlap(&self, read: &Act<'_>) -> bool {
        let (latest, _) = self.up_to(read);
        let other = latest
            .into_iter()
            .flatten()
            .find(|write| write.id != read.operation.id);
        other.is_some_and(|write| write.returned > read.invoked)
    }

    fn up_to(&self, read: &Act<'_>) -> (Latest, Latest) {
        let count = self
            .invoked
            .partition_point(|&(invoked, ..)| invoked < read.returned);
        let (_, by_id, by_value) = self.invoked[count - 1];
        (by_id, by_value)
    }
}

fn keep(latest: &mut Latest, write: Write, same: impl Fn(&Write, &Write) -> bool) {
    let [first, second] = latest;
    match first {
        Some(best) if write.returned > best.returned => {
            if !same(best, &write) {
                *second = Some(*best);
            }
            *first = Some(write);
        }
        Some(best) if !same(best, &write) => {
            if second.is_none_or(|second| write.returned > second.returned) {
                *second = Some(write);
            }
        }
        Some(_) => {}
        None => *first = Some(write),
    }
}
