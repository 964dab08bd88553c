//! What the nodes did together, as far as invariants ask: judged once for each distinct past and step.

use std::fmt::Write;

use perjury_systems::breach::Breach;

use super::event::What;
use super::machine::{Machine, Stepped};
use super::system::{Explored, Observed};
use super::tables::{Asymmetric, MOST_NODES, NONE, Tables, node_id};

/// What the nodes did together, after a step; or the invariant that it broke, counted from 0.
pub(super) type Judged = Result<u32, u32>;

impl<R: Explored> Tables<R> {
    /// What the nodes did together before anything happened.
    pub(super) fn shared_at_first(&mut self) -> Result<Judged, Asymmetric> {
        let count = self.symmetry.len();
        let mut numbers = Vec::with_capacity(count);
        for permutation in 0..count {
            let mut shared = R::shared(&self.world.cluster);
            for node in self.symmetry.images(permutation).to_vec() {
                let boot = Machine::boot(&self.world, node_id(usize::from(node)));
                if let Err(breach) = self.judge(&mut shared, &[], usize::from(node), boot) {
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
        let one = &self.outcomes[outcome as usize];
        let mut seen = [0; MOST_NODES];
        if one.around {
            for (seen, local) in seen.iter_mut().zip(locals) {
                *seen = self.locals[*local as usize].seen;
            }
        }
        if self.memo
            && let Some(known) = self.shared_after.get(&(shared, outcome, seen))
        {
            return Ok(*known);
        }
        let (local, what) = (one.local, What::of(one.what));
        let count = self.symmetry.len();
        let mut numbers = Vec::with_capacity(count);
        for permutation in 0..count {
            let image = self.local_image(local, permutation);
            let step = self.step(image, self.image_of(what, permutation));
            let mut past = self.shared[self.shared_image(shared, permutation) as usize].clone();
            let mut images = [0; MOST_NODES];
            for (node, local) in locals.iter().enumerate() {
                images[self.symmetry.image(permutation, node)] = self.local_image(*local, permutation);
            }
            let node = usize::from(self.locals[image as usize].node);
            match self.judge(&mut past, &images[..self.nodes], node, step) {
                Ok(()) => numbers.push(self.shared_number(past)),
                Err(breach) => {
                    self.breaches.push(breach);
                    let broken = Err(self.breaches.len() as u32 - 1);
                    self.shared_after.insert((shared, outcome, seen), broken);
                    return Ok(broken);
                }
            }
        }
        self.link(&numbers, |tables| &mut tables.shared_images, "the cluster's past")?;
        if self.memo {
            self.shared_after.insert((shared, outcome, seen), Ok(numbers[0]));
        }
        Ok(Ok(numbers[0]))
    }

    fn judge(
        &self,
        shared: &mut R::Shared,
        locals: &[u32],
        node: usize,
        step: Stepped<R>,
    ) -> Result<(), Breach> {
        let me = node_id(node);
        for glimpse in &step.glimpses {
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
        let number = self.shared_numbers.number(next, |out| write!(out, "{shared:?}"));
        if number == next {
            self.shared.push(shared);
            self.shared_images.extend((0..self.symmetry.len()).map(|_| NONE));
        }
        number
    }
}
