//! The axis of a counterexample: every event keeps its place in the order, every operation gets room for its
//! label, and the empty stretches between are shortened.

use perjury_checker::{Moment, Operation};

/// Pixels between neighbouring events at least.
const GAP: f64 = 18.0;
/// Pixels that a stretch of time may add to a gap at most.
const STRETCH: f64 = 30.0;

/// Maps events and times to pixels.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// Each event in order, with its place.
    points: Vec<(Moment, f64)>,
    /// Where the axis begins and ends; the margins stand for all time before and after.
    pub left: f64,
    pub right: f64,
}

impl Scale {
    /// Lays the operations' events out between `left` and at least `right`; `label` gives the pixels that an
    /// operation's label needs.
    pub(crate) fn lay_out<'o>(
        operations: impl Iterator<Item = &'o Operation> + Clone,
        label: impl Fn(&Operation) -> f64,
        left: f64,
        right: f64,
    ) -> Self {
        const BEFORE: f64 = 28.0;
        const AFTER: f64 = 64.0;
        let mut events: Vec<Moment> = operations
            .clone()
            .flat_map(|operation| [Some(operation.invoked), returned(operation)])
            .flatten()
            .collect();
        events.sort_unstable();
        events.dedup();
        let mut places: Vec<f64> = Vec::with_capacity(events.len());
        for (position, event) in events.iter().enumerate() {
            let mut place = match position.checked_sub(1) {
                None => left + BEFORE,
                Some(before) => {
                    let elapsed_ms = event.time.saturating_sub(events[before].time) as f64 / 1e6;
                    places[before] + GAP + (8.0 * (1.0 + elapsed_ms).ln()).min(STRETCH)
                }
            };
            for operation in operations
                .clone()
                .filter(|operation| returned(operation) == Some(*event))
            {
                if let Ok(start) = events[..position].binary_search(&operation.invoked) {
                    place = place.max(places[start] + label(operation));
                }
            }
            places.push(place);
        }
        let open = operations
            .filter(|operation| returned(operation).is_none())
            .filter_map(|operation| {
                let start = events.binary_search(&operation.invoked).ok()?;
                Some(places[start] + label(operation))
            })
            .fold(0.0, f64::max);
        let last = places.last().copied().unwrap_or(left + BEFORE);
        let needed = (last + AFTER).max(open + 20.0);
        // What is left over is given to all gaps alike.
        let stretch = if needed < right && last > left + BEFORE {
            (right - AFTER.max(needed - last) - left - BEFORE) / (last - left - BEFORE)
        } else {
            1.0
        };
        for place in &mut places {
            *place = left + BEFORE + (*place - left - BEFORE) * stretch.max(1.0);
        }
        Scale {
            points: events.into_iter().zip(places).collect(),
            left,
            right: right.max(needed),
        }
    }

    /// The place of an event of one of the operations.
    pub(crate) fn event(&self, moment: Moment) -> f64 {
        match self.points.binary_search_by_key(&moment, |(event, _)| *event) {
            Ok(found) => self.points[found].1,
            Err(_) => self.time(moment.time),
        }
    }

    /// The place of any time: between two events in proportion, in the margins at their ends.
    pub(crate) fn time(&self, time: u64) -> f64 {
        let after = self.points.partition_point(|(event, _)| event.time <= time);
        match (
            after.checked_sub(1).map(|before| self.points[before]),
            self.points.get(after),
        ) {
            (None, _) => self.left,
            (Some(_), None) => self.right,
            (Some((before, from)), Some(&(after, to))) => {
                let share = (time - before.time) as f64 / (after.time - before.time).max(1) as f64;
                from + (to - from) * share
            }
        }
    }

    /// The events with their places, for the ticks of the axis.
    pub(crate) fn events(&self) -> &[(Moment, f64)] {
        &self.points
    }
}

/// When the operation surely ended; none while it may still take effect.
pub(crate) fn returned(operation: &Operation) -> Option<Moment> {
    operation
        .completion
        .at
        .filter(|_| operation.returned() != u64::MAX)
}
