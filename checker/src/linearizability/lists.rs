//! Append-only lists in which every element is appended at most once, in linear time.
//!
//! A read shows the whole past: the elements of the longest list that was read are the first appends in their
//! order, and every other read must be a prefix of it. So the order is given, up to reads of the same list, and
//! up to appends that nobody saw, which come last.
//!
//! ```text
//!  given:   append a   read [a]   append b   read [a b]   append c (acknowledged, never seen)
//! ```
//!
//! It is legal exactly if it agrees with real time, that is if nothing in it completed before something that
//! stands earlier was invoked.

use super::cells::{Act, CellSpec};
use super::decide::Found;
use super::problem::Op;

const NONE: u32 = u32::MAX;

/// Decides a key whose operations are appends and reads of lists; none if it cannot.
pub(crate) fn decide(ops: &[Op], spec: &CellSpec) -> Option<Found> {
    match Lists::build(ops, spec) {
        Ok(lists) => Some(lists.judge()),
        Err(found) => found,
    }
}

/// The order that the lists give, of operations for which [`decide`] found one.
pub(crate) fn order(ops: &[Op], spec: &CellSpec) -> Option<Vec<usize>> {
    let lists = Lists::build(ops, spec).ok()?;
    let elements = lists.elements(lists.longest);
    let mut order = Vec::with_capacity(ops.len());
    let mut reads = lists
        .reads
        .iter()
        .copied()
        .map(|read| {
            let seen = spec.act(&ops[read as usize]).observes();
            (seen.map_or(0, |list| lists.length(list)), read as usize)
        })
        .collect::<Vec<_>>();
    reads.sort_unstable();
    let mut reads = reads.into_iter().peekable();
    let mut shown = vec![false; ops.len()];
    for length in 0..=elements.len() {
        if length > lists.start as usize {
            let append = *lists.appends.get(elements[length - 1] as usize)? as usize;
            shown[append] = true;
            order.push(append);
        }
        while let Some((_, read)) = reads.next_if(|&(seen, _)| seen as usize == length) {
            order.push(read);
        }
    }
    let unseen = |index: &usize| ops[*index].required && !spec.act(&ops[*index]).pure() && !shown[*index];
    order.extend((0..ops.len()).filter(unseen));
    Some(order)
}

struct Lists<'a> {
    ops: &'a [Op],
    spec: &'a CellSpec,
    reads: Vec<u32>,
    /// The append of each element.
    appends: Vec<u32>,
    /// The longest list that was read, and by whom.
    longest: u32,
    longest_read: u32,
    start: u32,
}

impl<'a> Lists<'a> {
    fn build(ops: &'a [Op], spec: &'a CellSpec) -> Result<Self, Option<Found>> {
        let start = spec.values.list(spec.initial).ok_or(None)?.length;
        let mut lists = Lists {
            ops,
            spec,
            reads: Vec::new(),
            appends: Vec::new(),
            longest: spec.initial,
            longest_read: NONE,
            start,
        };
        let mut unseen = Vec::new();
        let mut no_list = None;
        for (index, op) in ops.iter().enumerate() {
            match spec.act(op) {
                act if !op.required && act.pure() => {}
                Act::Append(piece) => match spec.values.element(&spec.pieces[piece as usize]) {
                    Some(element) => lists.append(element, index as u32)?,
                    None if op.required => unseen.push(piece),
                    None => {}
                },
                Act::Read(list) => {
                    let Some(length) = spec.values.list(list).map(|path| path.length) else {
                        no_list = no_list.or(Some(vec![index]));
                        continue;
                    };
                    lists.reads.push(index as u32);
                    if lists.longest_read == NONE || length > lists.length(lists.longest) {
                        (lists.longest, lists.longest_read) = (list, index as u32);
                    }
                }
                _ => return Err(None),
            }
        }
        unseen.sort_unstable();
        if unseen.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(None);
        }
        for element in lists.elements(spec.initial) {
            if lists
                .appends
                .get(element as usize)
                .is_some_and(|&append| append != NONE)
            {
                return Err(None);
            }
        }
        match no_list {
            Some(evidence) => Err(Some(Found::Illegal(evidence.into()))),
            None => Ok(lists),
        }
    }

    fn append(&mut self, element: u32, op: u32) -> Result<(), Option<Found>> {
        if self.appends.is_empty() {
            self.appends = vec![NONE; self.spec.values.elements()];
        }
        match &mut self.appends[element as usize] {
            append @ &mut NONE => *append = op,
            _ => return Err(None),
        }
        Ok(())
    }

    fn length(&self, list: u32) -> u32 {
        self.spec.values.list(list).map_or(0, |path| path.length)
    }

    /// A list's elements, the first first.
    fn elements(&self, list: u32) -> Vec<u32> {
        let mut elements = Vec::new();
        let mut path = self.spec.values.list(list);
        while let Some(step) = path.filter(|step| step.length > 0) {
            elements.push(step.element);
            path = self.spec.values.list(step.before);
        }
        elements.reverse();
        elements
    }

    fn judge(&self) -> Found {
        let mut on_path = vec![false; self.spec.values.len()];
        let mut list = self.longest;
        on_path[list as usize] = true;
        while let Some(step) = self.spec.values.list(list).filter(|step| step.length > 0) {
            list = step.before;
            on_path[list as usize] = true;
        }
        let length = self.length(self.longest) as usize;
        // Reads by the length of what they saw: the first to complete, and the last to be invoked.
        let mut reads = vec![(NONE, NONE); length + 1];
        for &read in &self.reads {
            let op = &self.ops[read as usize];
            let Act::Read(list) = self.spec.act(op) else {
                continue;
            };
            if !on_path[list as usize] {
                return Found::Illegal(self.apart(read).into());
            }
            let seen = self.length(list);
            if seen < self.start {
                return Found::Illegal(vec![read as usize].into());
            }
            let (first, last) = &mut reads[seen as usize];
            if *first == NONE || op.returned < self.ops[*first as usize].returned {
                *first = read;
            }
            *last = read;
        }
        if !on_path[self.spec.initial as usize] {
            return Found::Illegal(vec![self.longest_read as usize].into());
        }
        self.compare(&self.elements(self.longest), &reads)
    }

    /// Two reads of which neither is a prefix of the other, or one that the initial list is no prefix of.
    fn apart(&self, read: u32) -> Vec<usize> {
        vec![self.longest_read as usize, read as usize]
    }

    /// Walks the given order and compares it with real time.
    fn compare(&self, elements: &[u32], reads: &[(u32, u32)]) -> Found {
        let mut seen = vec![false; self.spec.values.elements()];
        // The latest invocation so far, and whose.
        let (mut latest, mut whose) = (0, NONE);
        let (mut latest_read, mut whose_read) = (0, NONE);
        for length in 0..=elements.len() {
            if length > 0 {
                let element = elements[length - 1] as usize;
                let append = self.appends.get(element).copied().unwrap_or(NONE);
                if std::mem::replace(&mut seen[element], true)
                    || (append == NONE && length > self.start as usize)
                {
                    // Twice, or from nobody: any read that shows it is enough.
                    let shows = reads[length..]
                        .iter()
                        .map(|(first, _)| *first)
                        .filter(|&first| first != NONE);
                    let first = shows.min_by_key(|&read| self.ops[read as usize].returned);
                    let first: Vec<usize> = first.map(|read| read as usize).into_iter().collect();
                    return Found::Illegal(first.into());
                }
                if append != NONE {
                    let op = &self.ops[append as usize];
                    if whose != NONE && op.returned < latest {
                        let shows = reads[length..]
                            .iter()
                            .map(|(first, _)| *first)
                            .find(|&first| first != NONE);
                        let mut evidence = vec![whose as usize, append as usize];
                        evidence.extend(shows.map(|read| read as usize));
                        return Found::Illegal(evidence.into());
                    }
                    if whose == NONE || op.invoked > latest {
                        (latest, whose) = (op.invoked, append);
                    }
                }
            }
            let (first, last) = reads[length];
            if first != NONE {
                if whose != NONE && self.ops[first as usize].returned < latest {
                    return Found::Illegal(vec![whose as usize, first as usize].into());
                }
                let invoked = self.ops[last as usize].invoked;
                if whose == NONE || invoked > latest {
                    (latest, whose) = (invoked, last);
                }
                if whose_read == NONE || invoked > latest_read {
                    (latest_read, whose_read) = (invoked, last);
                }
            }
        }
        self.unseen(&seen, (latest, whose), (latest_read, whose_read))
    }

    /// Acknowledged appends that no read shows must fit behind everything.
    fn unseen(&self, seen: &[bool], latest: (u64, u32), latest_read: (u64, u32)) -> Found {
        for (index, op) in self.ops.iter().enumerate().filter(|(_, op)| op.required) {
            let Act::Append(piece) = self.spec.act(op) else {
                continue;
            };
            let element = self.spec.values.element(&self.spec.pieces[piece as usize]);
            if element.is_some_and(|element| seen[element as usize]) {
                continue;
            }
            for (at, whose) in [latest_read, latest] {
                if whose != NONE && op.returned < at {
                    let mut evidence = vec![index, whose as usize];
                    evidence.extend((self.longest_read != NONE).then_some(self.longest_read as usize));
                    return Found::Illegal(evidence.into());
                }
            }
        }
        Found::Legal
    }
}
