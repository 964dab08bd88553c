//! What a client sends: calls as HTTP requests.

use std::fmt::Write as _;

use perjury_checker::{Function, Value};
use perjury_systems::api::{Command, Reconfigure};
use perjury_workloads::Call;
use serde_json::json;

use super::json::PlainRef;
use super::{CLIENT_HEADER, SEQUENCE_HEADER};

/// Encodes a request with everything that HTTP/1.1 needs.
pub fn encode(method: &str, path: &str, session: Option<(u64, u64)>, body: &[u8]) -> Vec<u8> {
    let mut head = String::with_capacity(160 + body.len());
    // Writing to a string cannot fail.
    let _ = write!(head, "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    if let Some((client, sequence)) = session {
        let _ = write!(
            head,
            "{CLIENT_HEADER}: {client}\r\n{SEQUENCE_HEADER}: {sequence}\r\n"
        );
    }
    if !body.is_empty() {
        let _ = write!(
            head,
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Encodes a workload's call, of a client that has `seen` so much: the greatest `position` of the answers it got.
///
/// # Errors
/// Why the key-value interface has no such call.
pub fn call(call: &Call, session: Option<(u64, u64)>, seen: u64) -> Result<Vec<u8>, String> {
    let path = || format!("/kv/{}", encoded(&call.key));
    let txn = |parts: &serde_json::Value| Ok(encode("POST", "/txn", session, &to_bytes(parts)));
    match (&call.f, &call.value) {
        // A read changes nothing, so it needs no session: it may be asked as often as one likes.
        (Function::Read, _) if seen > 0 => Ok(encode("GET", &format!("{}?seen={seen}", path()), None, &[])),
        (Function::Read, _) => Ok(encode("GET", &path(), None, &[])),
        (Function::Write, value) => Ok(encode("PUT", &path(), session, &to_bytes(value))),
        (Function::Cas, Value::List(pair)) if pair.len() == 2 => {
            let body = to_bytes(&json!({ "expected": pair[0], "new": pair[1] }));
            Ok(encode("POST", &format!("{}/cas", path()), session, &body))
        }
        (Function::Delete, _) => Ok(encode("DELETE", &path(), session, &[])),
        (Function::Append | Function::Add, element) => txn(&json!([["append", call.key, element]])),
        (Function::Increment, amount @ Value::Int(_)) => txn(&json!([["add", call.key, amount]])),
        (Function::Txn, parts @ Value::List(_)) => txn(&json!(parts)),
        (f, value) => Err(format!("the key-value interface has no {f} with {value}")),
    }
}

/// Encodes a change of the members.
pub fn reconfigure(change: Reconfigure) -> Vec<u8> {
    let body = match change {
        Reconfigure::Join(node) => json!({ "join": node }),
        Reconfigure::Learn(node) => json!({ "learn": node }),
        Reconfigure::Leave(node) => json!({ "leave": node }),
        Reconfigure::Replace { leaves, joins } => {
            json!({ "replace": { "leaves": leaves, "joins": joins } })
        }
    };
    encode("POST", "/members", None, &to_bytes(&body))
}

/// Encodes what an operator asks.
///
/// # Errors
/// Why the interface has no such request.
pub fn command(command: &Command) -> Result<Vec<u8>, String> {
    match command {
        Command::Read { key } => Ok(encode("GET", &format!("/kv/{}", encoded(key)), None, &[])),
        Command::Write { key, value } => {
            let body = to_bytes(&PlainRef(value));
            Ok(encode("PUT", &format!("/kv/{}", encoded(key)), None, &body))
        }
        Command::Reconfigure(change) => Ok(reconfigure(*change)),
        Command::Transfer { to } => Ok(encode(
            "POST",
            "/leadership",
            None,
            &to_bytes(&json!({ "to": to })),
        )),
        Command::Cas { .. } | Command::Delete { .. } | Command::Txn(_) => {
            Err(format!("an operator does not ask {command:?} over HTTP"))
        }
    }
}

fn to_bytes(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a value can be encoded into memory")
}

/// A key as a path's segment.
fn encoded(key: &str) -> String {
    let mut path = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => path.push(byte.into()),
            _ => drop(write!(path, "%{byte:02X}")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(f: Function, key: &str, value: Value) -> String {
        let call = Call {
            f,
            key: key.into(),
            value,
        };
        String::from_utf8(super::call(&call, Some((7, 3)), 0).expect("there is such a call")).expect("text")
    }

    #[test]
    fn calls_map_to_the_interface() {
        let pair = Value::from(vec![Value::Nil, Value::Int(2)]);
        for (f, value, line, body) in [
            (Function::Read, Value::Nil, "GET /kv/x HTTP/1.1", ""),
            (Function::Write, Value::Int(7), "PUT /kv/x HTTP/1.1", "7"),
            (
                Function::Cas,
                pair,
                "POST /kv/x/cas HTTP/1.1",
                r#"{"expected":null,"new":2}"#,
            ),
            (
                Function::Append,
                Value::Int(4),
                "POST /txn HTTP/1.1",
                r#"[["append","x",4]]"#,
            ),
            (
                Function::Increment,
                Value::Int(1),
                "POST /txn HTTP/1.1",
                r#"[["add","x",1]]"#,
            ),
        ] {
            let request = text(f, "x", value);
            assert!(request.starts_with(line), "{request}");
            assert!(request.ends_with(&format!("\r\n\r\n{body}")), "{request}");
        }
    }

    #[test]
    fn a_key_cannot_break_out_of_the_path() {
        let request = text(Function::Read, "a/b ?\r\nx: y", Value::Nil);
        assert!(
            request.starts_with("GET /kv/a%2Fb%20%3F%0D%0Ax%3A%20y HTTP/1.1\r\n"),
            "{request}"
        );
    }

    #[test]
    fn a_session_goes_with_every_change() {
        assert!(
            text(Function::Delete, "x", Value::Nil).contains("perjury-client: 7\r\nperjury-sequence: 3\r\n")
        );
    }
}
