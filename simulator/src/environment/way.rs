//! What befalls requests and answers on their way.

use perjury_systems::replica::Replica;

use super::Environment;
use crate::world::{MILLION, exponential_of, mixed};

/// A request's way to a node, or its answer's way back. What befalls it depends on nothing else, so that a request
/// more or less does not change what befalls the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) client: u64,
    /// Which of the client's requests.
    pub(super) number: u64,
    pub(super) back: bool,
}

impl<R: Replica> Environment<R> {
    fn drawn(&self, way: Way, what: u64) -> u64 {
        let Way { client, number, back } = way;
        mixed([self.noise, client, 2 * number + u64::from(back), what])
    }

    /// Whether it is lost.
    pub(super) fn loses(&self, way: Way) -> bool {
        let ppm = u64::from(self.weather.client_loss_ppm);
        !self.calm && ppm > 0 && self.drawn(way, 0) % MILLION < ppm
    }

    /// How long a request or an answer takes, in nanoseconds.
    pub(super) fn takes(&self, way: Way) -> u64 {
        let drawn = self.drawn(way, 1);
        self.weather.client_latency(|mean| exponential_of(drawn, mean))
    }
}
