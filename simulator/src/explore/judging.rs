//! What the nodes did together, as far as invariants ask: judged once for each distinct past and step.

use std::rc::Rc;

use perjury_systems::breach::Breach;

use super::event::What;
use super::machine::{Glimpse, Machine};
use super::system::{Explored, Observed};
use super::tables::{Asymmetric, MOST_NODES, NONE, Tables, node_id, pair};

/// What the nodes did together, after a step; or the invariant that it broke, counted from 0.
pub(super) type Judged = Result<u32, u32>;

/// How many steps are kept to be judged again: a few kilobytes each.
const MOST_RECENT: usize = 1 << 11;

impl<R: Explored> Tables<R> {
    /// What the nodes did together before anything happened.
    pub(super) fn shared_at_first(&mut self) -> Result<Judged, Asymmetric> {
        let count = self.symmetry.len();
        let mut numbers = Vec::with_capacity(count);
        for permutation in 0..count {
            let mut shared = R::shared(&self.world.cluster);
            for node in self.symmetry.images(permutation).to_vec() {
                let boot = Machine::boot(&self.world, node_id(usize::from(node)));
                if let Err(breach) = self.judge(&mut shared, &[], usize::from(node), &boot.glimpses) {
                    self.breaches.push(breach);
                    return Ok(Err(self.breaches.len() as u32 - 1));
                }
            }
            numbers.push(self.shared_number(shared));
        }
        self.link(&numbers, |tables| &mut tables.shared_images, "the cluster's past")?;
        Ok(Ok(numbers[0]))
    }

    /// What the nodes did together after a step; `locals` are the nodes' states before it.
    #[inline]
    pub(super) fn shared_after(
        &mut self,
        shared: u32,
        outcome: u32,
        locals: &[u32],
    ) -> Result<Judged, Asymmetric> {
        if !self.outcomes[outcome as usize].around {
            let key = pair(shared, outcome);
            if let Some(known) = self.shared_after.get(&key) {
                return Ok(*known);
            }
            let judged = self.judge_all(shared, outcome, locals)?;
            if self.memo {
                self.shared_after.insert(key, judged);
            }
            return Ok(judged);
        }
        let mut seen = [0; MOST_NODES];
        for (seen, local) in seen.iter_mut().zip(locals) {
            *seen = self.locals[*local as usize].seen;
        }
        let key = (shared, outcome, seen);
        if let Some(known) = self.shared_around.get(&key) {
            return Ok(*known);
        }
        let judged = self.judge_all(shared, outcome, locals)?;
        if self.memo {
            self.shared_around.insert(key, judged);
        }
        Ok(judged)
    }

    /// Judges a step and its images.
    fn judge_all(&mut self, shared: u32, outcome: u32, locals: &[u32]) -> Result<Judged, Asymmetric> {
        let one = &self.outcomes[outcome as usize];
        let (local, what) = (one.local, What::of(one.what));
        let count = self.symmetry.len();
        let mut numbers = Vec::with_capacity(count);
        for permutation in 0..count {
            let image = self.local_image(local, permutation);
            let glimpses = self.glimpses(image, self.image_of(what, permutation));
            let mut past = self.shared[self.shared_image(shared, permutation) as usize].clone();
            let mut images = [0; MOST_NODES];
            for (node, local) in locals.iter().enumerate() {
                images[self.symmetry.image(permutation, node)] = self.local_image(*local, permutation);
            }
            let node = usize::from(self.locals[image as usize].node);
            match self.judge(&mut past, &images[..self.nodes], node, &glimpses) {
                Ok(()) => numbers.push(self.shared_number(past)),
                Err(breach) => {
                    self.breaches.push(breach);
                    return Ok(Err(self.breaches.len() as u32 - 1));
                }
            }
        }
        self.link(&numbers, |tables| &mut tables.shared_images, "the cluster's past")?;
        Ok(Ok(numbers[0]))
    }

    /// What there is to be seen of a step. The same ones are judged again and again, each time after another past.
    fn glimpses(&mut self, local: u32, what: What) -> Rc<[Glimpse<R>]> {
        let key = pair(local, what.number());
        if let Some(known) = self.recent.get(&key) {
            return Rc::clone(known);
        }
        let glimpses: Rc<[Glimpse<R>]> = self.step(local, what).glimpses.into();
        if self.memo {
            if self.recent.len() == MOST_RECENT {
                self.recent.clear();
            }
            self.recent.insert(key, Rc::clone(&glimpses));
        }
        glimpses
    }

    fn judge(
        &self,
        shared: &mut R::Shared,
        locals: &[u32],
        node: usize,
        glimpses: &[Glimpse<R>],
    ) -> Result<(), Breach> {
        let me = node_id(node);
        for glimpse in glimpses {
            if glimpse.restarted {
                R::stop_shared(shared, me);
            }
            // When nodes first start, there is nothing to be known of the others.
            let owns: Vec<&R::Own> = (0..self.nodes)
                .map(|other| match locals.get(other) {
                    Some(local) if other != node => &self.machines[*local as usize].own,
                    _ => &glimpse.before,
                })
                .collect();
            let observed = Observed {
                node: me,
                replica: &glimpse.replica,
                traces: &glimpse.traces,
                durable: glimpse.durable,
            };
            R::judge_shared(shared, observed, &owns)?;
        }
        Ok(())
    }

    fn shared_number(&mut self, shared: R::Shared) -> u32 {
        let next = self.shared.len() as u32;
        let number = self.shared_numbers.number_of(next, &shared);
        if number == next {
            self.shared.push(shared);
            self.shared_images.extend((0..self.symmetry.len()).map(|_| NONE));
        }
        number
    }
}
