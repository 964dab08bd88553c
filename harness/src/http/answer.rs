//! What a client may conclude from what it saw. The soundness of every verdict rests on this file: an operation
//! that may have happened must never be recorded as one that surely did not.

use std::sync::Arc;

use perjury_checker::{Function, Quorum, Value};
use perjury_nemesis::Node;
use perjury_runner::Answer;
use perjury_workloads::Call;
use serde::Deserialize;

use super::client::End;
use super::{GAVE_UP, INVALID, NO_LEADER, PRECONDITION_FAILED};

#[derive(Deserialize)]
struct Done {
    value: Value,
    version: u64,
    term: u64,
    position: Option<u64>,
    quorum: Option<Quorum>,
}

#[derive(Deserialize)]
struct Refusal {
    error: Arc<str>,
    #[serde(default, deserialize_with = "present")]
    observed: Option<Value>,
    version: Option<u64>,
    leader: Option<Node>,
}

/// A field that is present is `Some`, also when it is `null`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// An answer that nobody can make sense of: the request may have been applied.
fn nonsense() -> Answer {
    Answer::Unknown {
        error: "unreadable-answer".into(),
    }
}

/// What came of a call, as its client may conclude, and how far in the system's order the client has seen it by that, if
/// the answer tells.
pub fn conclude(call: &Call, end: &End) -> (Answer, Option<u64>) {
    match end {
        End::Response { status: 200, body } => match serde_json::from_slice::<Done>(body) {
            Ok(done) => (
                Answer::Ok {
                    value: result(call, done.value),
                    // A transaction over several keys has no one version.
                    version: (done.version > 0).then_some(done.version),
                    term: done.term,
                    quorum: done.quorum.map(Arc::new),
                },
                done.position,
            ),
            Err(_) => (nonsense(), None),
        },
        _ => (failed(end), None),
    }
}

/// What a client may conclude from anything but a success.
fn failed(end: &End) -> Answer {
    let (status, body) = match end {
        End::Response { status, body } => (*status, body),
        // Not a byte was taken: nobody can have acted on it.
        End::NotSent(why) => {
            return Answer::Unavailable {
                error: (*why).into(),
                leader: None,
            };
        }
        End::Lost(why) => return Answer::Unknown { error: (*why).into() },
        End::TimedOut => {
            return Answer::Unknown {
                error: "timeout".into(),
            };
        }
    };
    let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else {
        return nonsense();
    };
    match (status, &*refusal.error) {
        (409, PRECONDITION_FAILED) => Answer::Failed {
            error: refusal.error,
            observed: refusal.observed,
            version: refusal.version.filter(|version| *version > 0),
        },
        (400, INVALID) => Answer::Failed {
            error: refusal.error,
            observed: None,
            version: None,
        },
        (503, NO_LEADER | super::NOT_LEADER) => Answer::Unavailable {
            error: refusal.error,
            leader: refusal.leader,
        },
        (504, GAVE_UP) => Answer::Unknown { error: refusal.error },
        _ => nonsense(),
    }
}

/// What a call's completion holds: what was read; for a transaction, its parts with what was read filled in.
fn result(call: &Call, value: Value) -> Value {
    match (&call.f, &call.value, value) {
        (Function::Read, _, value) => value,
        (Function::Txn, Value::List(parts), Value::List(results)) => parts
            .iter()
            .zip(results.iter())
            .map(|(part, result)| match part {
                Value::List(words) if words.first().is_some_and(is_read) && words.len() >= 2 => {
                    Value::from(vec![words[0].clone(), words[1].clone(), result.clone()])
                }
                other => other.clone(),
            })
            .collect::<Vec<Value>>()
            .into(),
        _ => Value::Nil,
    }
}

fn is_read(word: &Value) -> bool {
    matches!(word, Value::Text(name) if matches!(&**name, "read" | "r"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(status: u16, body: &str) -> Answer {
        let call = Call {
            f: Function::Write,
            key: "x".into(),
            value: Value::Int(1),
        };
        conclude(
            &call,
            &End::Response {
                status,
                body: body.as_bytes().to_vec(),
            },
        )
        .0
    }

    #[test]
    fn only_an_answer_that_says_so_in_full_counts_as_definite() {
        for (status, body) in [
            (200, ""),
            (200, r#"{"value":1}"#),
            (409, "{}"),
            (409, r#"{"error":"something"}"#),
            (400, "<html>bad request</html>"),
            (503, "overloaded"),
            (503, r#"{"error":"gave-up"}"#),
            (504, r#"{"error":"gave-up"}"#),
            (500, r#"{"error":"no-leader"}"#),
            (404, r#"{"error":"unknown-path"}"#),
            (302, ""),
        ] {
            assert!(
                matches!(after(status, body), Answer::Unknown { .. }),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn a_compare_and_set_that_differed_tells_what_it_saw_also_when_that_is_nothing() {
        let body = r#"{"error":"precondition-failed","observed":null,"version":0,"node":1,"term":1}"#;
        let Answer::Failed {
            observed, version, ..
        } = after(409, body)
        else {
            panic!("it surely failed")
        };
        assert_eq!((observed, version), (Some(Value::Nil), None));
    }

    #[test]
    fn a_transaction_completes_with_what_it_read_filled_in() {
        let part = |name: &str, value| Value::from(vec![name.into(), "x".into(), value]);
        let parts = Value::from(vec![part("append", Value::Int(1)), part("read", Value::Nil)]);
        let call = Call {
            f: Function::Txn,
            key: "x".into(),
            value: parts,
        };
        let body = br#"{"value":[null,[1]],"version":4,"node":1,"term":2}"#.to_vec();
        let (Answer::Ok { value, .. }, None) = conclude(&call, &End::Response { status: 200, body }) else {
            panic!("it happened")
        };
        let list = Value::from(vec![Value::Int(1)]);
        assert_eq!(
            value,
            Value::from(vec![part("append", Value::Int(1)), part("read", list)])
        );
    }
}
