//! A path in words.

use std::fmt::{Debug, Write};

use super::event::What;
use super::search::{Search, Step};
use super::system::Explored;
use super::tables::node_id;
use crate::spoken::spoken as words;

/// Every step of a path.
pub(super) fn told<R: Explored>(search: &Search<R>, path: &[Step]) -> Vec<String> {
    path.iter().map(|step| sentence(search, step)).collect()
}

/// What happens to the node, what it does, what it sends, and what it answers.
fn sentence<R: Explored>(search: &Search<R>, step: &Step) -> String {
    let tables = &search.tables;
    let me = node_id(step.node);
    let mut text = match step.what {
        What::Message(message) => {
            let sent = &tables.messages[message as usize];
            let from = node_id(usize::from(sent.from));
            let again = if step.again { ", and will once more" } else { "" };
            format!("{me} receives from {from}: {}{again}", spoken(&sent.message))
        }
        What::Timer(_) => format!("{me}: {}", tables.timer_name(step.what)),
        What::Request(operation, attempt) => {
            let call = tables.clients.call(operation as usize);
            let again = if attempt > 0 { " again" } else { "" };
            format!(
                "client {} asks {me}{again} to {} {}",
                operation + 1,
                call.f,
                call.value
            )
        }
        What::Sync => format!("{me} fsyncs"),
        What::Crash(kept) => {
            let lost = match kept {
                0 => "nothing",
                1 => "one write",
                _ => "some writes",
            };
            format!("{me} crashes and starts again; of what was not durable, {lost} survives")
        }
    };
    let stepped = tables.again(step.outcome);
    let mut sends: Vec<String> = Vec::new();
    for (to, message) in &stepped.sent {
        sends.push(format!("sends to {to}: {}", spoken(message)));
    }
    let traces = stepped
        .glimpses
        .iter()
        .flat_map(|glimpse| &glimpse.traces)
        .map(spoken);
    let answers = stepped.answers.iter().map(|(id, response)| {
        let operation = tables.clients.operation(*id) + 1;
        match &response.result {
            Ok(reply) => format!("answers client {operation}: {}", spoken(&reply.value)),
            Err(failure) => format!("answers client {operation}: {}", spoken(failure)),
        }
    });
    for line in traces.chain(answers).chain(sends) {
        let _ = write!(text, "\n    {line}");
    }
    text
}

/// A value in words.
fn spoken(value: &impl Debug) -> String {
    words(&format!("{value:?}"))
}
