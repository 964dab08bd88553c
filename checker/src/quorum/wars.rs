//! How soon after a write reads see it, as a model says: WARS (Bailis et al., "Probabilistically bounded staleness for
//! practical partial quorums", VLDB 2012).
//!
//! A write goes to all replicas and is over when W have acknowledged it; a read asks all and takes the first R that
//! respond. What decides are four delays at each replica:
//!
//! ```text
//!  write   ├── W ──▶● stored        ├── A ──▶ acknowledged
//!  read        t after the W-th of these:  ├── R ──▶● asked   ├── S ──▶ responded
//! ```
//!
//! The read misses the write if each of its R replicas was asked before it had stored it.

/// What one write and one read take at one replica, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// From the writing coordinator to the replica: from then on it shows the write.
    pub write: u64,
    /// From then until the coordinator knows.
    pub acknowledge: u64,
    /// From the reading coordinator to the replica.
    pub read: u64,
    /// From then until the coordinator has its response.
    pub respond: u64,
}

/// How long after the end of the write the read has to begin, at least, to see it, in nanoseconds; `u64::MAX` if it never
/// does. Over many trials with delays that are drawn anew, the share of those that are no longer than *t* is the model's
/// *t*-visibility.
pub fn visible_after_ns(w: usize, r: usize, replicas: &[Delays]) -> u64 {
    let mut acknowledged: Vec<u64> = replicas
        .iter()
        .map(|one| one.write.saturating_add(one.acknowledge))
        .collect();
    acknowledged.sort_unstable();
    let Some(&over) = acknowledged.get(w.wrapping_sub(1)) else {
        return u64::MAX;
    };
    let mut responses: Vec<&Delays> = replicas.iter().collect();
    responses.sort_by_key(|one| one.read.saturating_add(one.respond));
    let needed = responses.into_iter().take(r).map(|one| match one.write {
        u64::MAX => u64::MAX,
        write => write.saturating_sub(over.saturating_add(one.read)),
    });
    needed.min().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every choice of `size` of `n` replicas.
    fn choices(n: usize, size: usize) -> Vec<Vec<usize>> {
        let all = (0_u32..1 << n).filter(|set| set.count_ones() as usize == size);
        all.map(|set| (0..n).filter(|place| set >> place & 1 == 1).collect())
            .collect()
    }

    #[test]
    fn a_read_sees_a_write_once_a_replica_that_it_asks_has_stored_it() {
        let at = |write, acknowledge, read, respond| Delays {
            write,
            acknowledge,
            read,
            respond,
        };
        // The write is over after 2, with the first; the read takes the second, which stores it after 10 and is asked after 3.
        let replicas = [at(1, 1, 9, 9), at(10, 1, 3, 1), at(50, 1, 9, 9)];
        assert_eq!(visible_after_ns(1, 1, &replicas), 10 - 2 - 3);
        // With two acknowledgements it is over after 11, and there already; with two responses the first one shows it.
        assert_eq!(visible_after_ns(2, 1, &replicas), 0);
        assert_eq!(visible_after_ns(1, 2, &replicas), 0);
        assert_eq!(visible_after_ns(4, 1, &replicas), u64::MAX);
    }

    #[test]
    fn quorums_that_meet_always_see_it_and_writes_that_go_no_further_are_missed_as_random_quorums_miss_them()
    {
        for (n, w, r) in [(3, 1, 1), (3, 1, 2), (3, 2, 2), (5, 2, 2), (5, 3, 3), (5, 1, 4)] {
            let (mut missed, mut all) = (0, 0);
            for stored in choices(n, w) {
                for asked in choices(n, r) {
                    let replicas: Vec<Delays> = (0..n)
                        .map(|place| Delays {
                            write: if stored.contains(&place) { 0 } else { u64::MAX },
                            respond: u64::from(!asked.contains(&place)),
                            ..Delays::default()
                        })
                        .collect();
                    missed += u64::from(visible_after_ns(w, r, &replicas) > 0);
                    all += 1;
                }
            }
            let predicted = super::super::staleness::missed(n as u16, w as u16, r as u16);
            let share = missed as f64 / f64::from(all);
            assert!(
                (share - predicted).abs() < 1e-9,
                "({n},{w},{r}): {share} {predicted}"
            );
        }
    }
}
