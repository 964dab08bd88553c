//! What a script says: when clients, the operator and the weather act in a run that is written out ([`crate::script`]).

use perjury_systems::api::Request;
use perjury_systems::replica::Replica;

use super::{ADMIN_TICKETS, Alarm, Environment};

impl<R: Replica> Environment<R> {
    /// Plans what the operator asks, the weather, and the end.
    pub(super) fn begin_script(&mut self) {
        let Some(script) = &self.script else {
            return;
        };
        for (place, asked) in script.requests.iter().enumerate() {
            self.world.alarm(asked.at_ns, Alarm::Request { place });
        }
        self.world.alarm(script.ends_ns, Alarm::End);
        if let Some((from, until)) = script.weather_ns {
            self.world.alarm(from, Alarm::Weather { bad: true });
            self.world.alarm(until, Alarm::Weather { bad: false });
        }
    }

    /// Nobody waits for the answer.
    pub(super) fn request(&mut self, place: usize) {
        let Some(asked) = self.script.as_ref().and_then(|script| script.requests.get(place)) else {
            return;
        };
        let request = Request::new(None, asked.command.clone());
        self.world
            .ask(self.world.now(), asked.node, ADMIN_TICKETS, request);
    }
}
