//! A path in words.

use std::fmt::Write;

use super::event::What;
use super::search::{Search, Step};
use super::system::Explored;
use super::tables::node_id;

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
        .map(|trace| spoken(trace));
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

/// A value's name and fields as words: `Voted { term: 3, candidate: NodeId(1) }` is `voted (term 3, candidate n1)`.
fn spoken(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let (name, fields) = match text.find([' ', '(']) {
        Some(end) => text.split_at(end),
        None => (&text[..], ""),
    };
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    let fields = fields.trim();
    let inner = fields
        .strip_prefix("{ ")
        .and_then(|rest| rest.strip_suffix(" }"))
        .or_else(|| fields.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')))
        .unwrap_or(fields);
    if inner.is_empty() {
        return words;
    }
    format!("{words} ({})", plain(inner))
}

/// Node names as people write them, and fields without colons.
fn plain(fields: &str) -> String {
    let mut text = String::new();
    let mut rest = fields;
    while let Some((before, after)) = rest.split_once("NodeId(") {
        let (number, tail) = after.split_once(')').unwrap_or((after, ""));
        text.push_str(before);
        let _ = write!(text, "n{number}");
        rest = tail;
    }
    text.push_str(rest);
    text.replace(": ", " ")
}

#[cfg(test)]
mod tests {
    use perjury_systems::raft::{Position, Trace};
    use perjury_systems::replica::NodeId;

    use super::*;

    #[test]
    fn steps_are_told_in_words() {
        let voted = Trace::Voted {
            term: 3,
            candidate: NodeId(1),
        };
        assert_eq!(spoken(&voted), "voted (term 3, candidate n1)");
        assert_eq!(spoken(&Trace::Amnesiac), "amnesiac");
        let applied = Trace::Proposed {
            id: perjury_systems::RequestId(1),
            at: Position { term: 2, index: 5 },
        };
        assert_eq!(
            spoken(&applied),
            "proposed (id RequestId(1), at Position { term 2, index 5 })"
        );
    }
}
