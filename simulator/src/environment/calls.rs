//! A workload's call as a request, and a response as what a client may conclude from it: the same meaning as the
//! HTTP interface of a real node has.

use std::sync::Arc;

use perjury_checker::{Function, Key, Quorum, Tag, Value};
use perjury_nemesis::Node;
use perjury_runner::Answer;
use perjury_systems::api::{self, Command, Failure, MicroOp, Request, Response, Session, Wish};
use perjury_systems::replica::NodeId;
use perjury_workloads::Call;

/// Translates a call of a client that has `seen` so much ([`Response::position`]).
///
/// # Errors
/// Why the key-value interface has no such call.
pub(crate) fn request(call: &Call, session: Option<(u64, u64)>, seen: u64) -> Result<Request, String> {
    let key = || Arc::clone(&call.key);
    let unknown = || format!("the key-value interface has no {} with {}", call.f, call.value);
    let value = |value: &Value| to_api(value).ok_or_else(unknown);
    let command = match (&call.f, &call.value) {
        (Function::Read, _) => Command::Read { key: key() },
        (Function::Write, new) => Command::Write {
            key: key(),
            value: value(new)?,
        },
        (Function::Cas, Value::List(pair)) if pair.len() == 2 => Command::Cas {
            key: key(),
            expected: value(&pair[0])?,
            new: value(&pair[1])?,
        },
        (Function::Delete, _) => Command::Delete { key: key() },
        (Function::Append | Function::Add, element) => Command::Txn(vec![MicroOp::Append {
            key: key(),
            value: value(element)?,
        }]),
        (Function::Increment, Value::Int(amount)) => Command::Txn(vec![MicroOp::Add {
            key: key(),
            amount: *amount,
        }]),
        (Function::Txn, Value::List(parts)) => Command::Txn(
            parts
                .iter()
                .map(|part| micro_op(part).ok_or_else(unknown))
                .collect::<Result<_, _>>()?,
        ),
        _ => return Err(unknown()),
    };
    // A read changes nothing, so it needs no session: it may be asked as often as one likes.
    let reads = matches!(command, Command::Read { .. });
    let session = session.filter(|_| !reads);
    Ok(Request {
        session: session.map(|(client, sequence)| Session { client, sequence }),
        command,
        wish: if reads { since(seen) } else { Wish::default() },
    })
}

/// Nothing older than what the client has seen, if it has seen anything.
fn since(seen: u64) -> Wish {
    Wish {
        seen: Some(seen).filter(|seen| *seen > 0),
        ..Wish::default()
    }
}

/// A read of what a client has just asked to be changed, sent without waiting for the answer.
pub(crate) fn pipelined(request: &Request, key: &Key, seen: u64) -> Request {
    Request {
        session: request.session,
        command: Command::Read { key: Arc::clone(key) },
        wish: since(seen),
    }
}

fn micro_op(part: &Value) -> Option<MicroOp> {
    let Value::List(words) = part else {
        return None;
    };
    let [Value::Text(name), Value::Text(key), argument] = &words[..] else {
        return None;
    };
    let key = Arc::clone(key);
    match (&**name, argument) {
        ("read" | "r", _) => Some(MicroOp::Read { key }),
        ("write" | "w", value) => Some(MicroOp::Write {
            key,
            value: to_api(value)?,
        }),
        ("append", value) => Some(MicroOp::Append {
            key,
            value: to_api(value)?,
        }),
        ("add", Value::Int(amount)) => Some(MicroOp::Add { key, amount: *amount }),
        _ => None,
    }
}

fn to_api(value: &Value) -> Option<api::Value> {
    Some(match value {
        Value::Nil => api::Value::Nil,
        Value::Bool(_) => return None,
        Value::Int(number) => api::Value::Int(*number),
        Value::Text(text) => api::Value::Text(Arc::clone(text)),
        Value::List(values) => values.iter().map(to_api).collect::<Option<Vec<_>>>()?.into(),
    })
}

fn from_api(value: &api::Value) -> Value {
    match value {
        api::Value::Nil => Value::Nil,
        api::Value::Int(number) => Value::Int(*number),
        api::Value::Text(text) => Value::Text(Arc::clone(text)),
        api::Value::List(values) => Value::List(values.iter().map(from_api).collect()),
    }
}

/// What a system tells of its quorums, as it stands in a history.
pub fn evidence(quorum: &api::Quorum) -> Quorum {
    let tag = |tag: api::Tag| Tag(tag.counter, tag.node.0, tag.life);
    let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
    let answers = quorum.answers.iter();
    Quorum {
        epoch: quorum.epoch,
        of: numbers(&quorum.of),
        before: numbers(&quorum.before),
        need: quorum.need,
        tag: quorum.tag.map(tag),
        answers: answers
            .map(|(node, version)| (node.0, version.map(tag)))
            .collect(),
        stored: numbers(&quorum.stored),
    }
}

/// What the client of a call may conclude from a response.
pub(crate) fn conclude(call: &Call, response: Response) -> Answer {
    let version = |version: u64| Some(version).filter(|version| *version > 0);
    match response.result {
        Ok(reply) => Answer::Ok {
            value: result(call, from_api(&reply.value)),
            version: version(reply.version),
            term: response.term,
            quorum: response
                .quorum
                .as_deref()
                .map(|quorum| Arc::new(evidence(quorum))),
        },
        Err(Failure::Precondition {
            observed,
            version: seen,
        }) => Answer::Failed {
            error: perjury_checker::history::PRECONDITION_FAILED.into(),
            observed: Some(from_api(&observed)),
            version: version(seen),
        },
        Err(Failure::Invalid { .. }) => Answer::Failed {
            error: "invalid".into(),
            observed: None,
            version: None,
        },
        Err(Failure::Unavailable { leader, .. }) => Answer::Unavailable {
            error: if leader.is_some() {
                "not-leader"
            } else {
                "no-leader"
            }
            .into(),
            leader: leader.map(|leader| Node(leader.0)),
        },
        Err(Failure::Indefinite { .. }) => Answer::Unknown {
            error: "gave-up".into(),
        },
    }
}

/// What a call's completion holds: what was read; for a transaction, its parts with what was read filled in.
fn result(call: &Call, value: Value) -> Value {
    match (&call.f, &call.value, value) {
        (Function::Read, _, value) => value,
        (Function::Txn, Value::List(parts), Value::List(results)) => {
            let filled = parts.iter().zip(results.iter()).map(|(part, result)| match part {
                Value::List(words) if words.first().is_some_and(is_read) && words.len() >= 2 => {
                    Value::from(vec![words[0].clone(), words[1].clone(), result.clone()])
                }
                other => other.clone(),
            });
            filled.collect::<Vec<Value>>().into()
        }
        _ => Value::Nil,
    }
}

fn is_read(word: &Value) -> bool {
    matches!(word, Value::Text(name) if matches!(&**name, "read" | "r"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(f: Function, value: Value) -> Call {
        Call {
            f,
            key: "x".into(),
            value,
        }
    }

    #[test]
    fn only_what_surely_did_not_happen_is_a_failure() {
        let concluded = |failure| {
            let response = Response {
                node: NodeId(1),
                term: 2,
                position: 0,
                result: Err(failure),
                quorum: None,
            };
            conclude(&call(Function::Write, Value::Int(1)), response)
        };
        let indefinite = Failure::Indefinite {
            reason: String::new(),
        };
        assert!(matches!(concluded(indefinite), Answer::Unknown { .. }));
        let unavailable = Failure::Unavailable {
            leader: None,
            reason: String::new(),
        };
        assert!(matches!(concluded(unavailable), Answer::Unavailable { .. }));
        let differed = Failure::Precondition {
            observed: api::Value::Nil,
            version: 0,
        };
        let Answer::Failed {
            observed, version, ..
        } = concluded(differed)
        else {
            panic!("it surely failed")
        };
        assert_eq!((observed, version), (Some(Value::Nil), None));
    }

    #[test]
    fn every_function_of_the_workloads_has_a_request_and_reads_need_no_session() {
        let pair = Value::from(vec![Value::Nil, Value::Int(1)]);
        let part = |name: &str, value| Value::from(vec![name.into(), "x".into(), value]);
        let parts = Value::from(vec![part("append", Value::Int(1)), part("read", Value::Nil)]);
        for (f, value) in [
            (Function::Write, Value::Int(1)),
            (Function::Cas, pair),
            (Function::Append, Value::Int(1)),
            (Function::Add, Value::Int(1)),
            (Function::Increment, Value::Int(1)),
            (Function::Delete, Value::Nil),
            (Function::Txn, parts),
        ] {
            assert!(request(&call(f, value), Some((1, 2)), 0).is_ok_and(|request| request.session.is_some()));
        }
        assert!(
            request(&call(Function::Read, Value::Nil), Some((1, 2)), 0)
                .is_ok_and(|one| one.session.is_none())
        );
        assert!(request(&call(Function::Increment, Value::Nil), None, 0).is_err());
    }
}
