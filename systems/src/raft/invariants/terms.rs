//! R-I14: a term begins with a candidate (paper §5.2: "To begin an election, a follower increments its current term").
//!
//! Nobody else makes terms up: whoever takes one on has heard of it from somebody who had it before. In particular a
//! question before a campaign changes nothing (thesis §9.6).

use std::collections::BTreeSet;

use crate::raft::types::{Term, Trace};

pub(super) const NAME: (&str, &str) = ("R-I14", "a term begins with a candidate");

#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Terms {
    begun: BTreeSet<Term>,
}

impl Terms {
    pub(super) fn check(&mut self, traces: &[Trace]) -> Result<(), String> {
        let campaigns = traces.iter().filter_map(|trace| match trace {
            Trace::Campaigned { term } => Some(*term),
            _ => None,
        });
        self.begun.extend(campaigns);
        let made_up = traces.iter().find_map(|trace| match trace {
            Trace::TermChanged { term } if !self.begun.contains(term) => Some(*term),
            _ => None,
        });
        made_up.map_or(Ok(()), |term| {
            Err(format!("it took on term {term}, in which nobody has campaigned"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_in_which_nobody_campaigned_is_made_up() {
        let mut terms = Terms::default();
        let campaign = [Trace::TermChanged { term: 1 }, Trace::Campaigned { term: 1 }];
        assert_eq!(terms.check(&campaign), Ok(()));
        assert_eq!(terms.check(&[Trace::TermChanged { term: 1 }]), Ok(()));
        let ahead = terms.check(&[Trace::TermChanged { term: 2 }]);
        assert_eq!(
            ahead,
            Err("it took on term 2, in which nobody has campaigned".to_owned())
        );
    }
}
