//! A node's side: requests in, answers out.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use perjury_checker::Quorum;
use perjury_systems::api::{Command, Failure, Reconfigure, Request, Response, Session, Wish};
use perjury_systems::replica::NodeId;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::json::{self, Plain, PlainRef};
use super::{CLIENT_HEADER, GAVE_UP, INVALID, NO_LEADER, NOT_LEADER, PRECONDITION_FAILED, SEQUENCE_HEADER};
use crate::node::StatusPage;

/// What the server asks the protocol.
pub(crate) enum Ask {
    Request {
        request: Request,
        answer: oneshot::Sender<Response>,
    },
    Status {
        answer: oneshot::Sender<StatusPage>,
    },
}

#[derive(Clone)]
struct Gate {
    me: NodeId,
    ask: Arc<dyn Fn(Ask) + Send + Sync>,
}

/// Serves clients.
pub(crate) async fn serve(listener: TcpListener, me: NodeId, ask: Arc<dyn Fn(Ask) + Send + Sync>) {
    let router = Router::new()
        .route("/kv/{key}", get(read).put(write).delete(delete))
        .route("/kv/{key}/cas", post(cas))
        .route("/txn", post(txn))
        .route("/status", get(status))
        .route("/members", post(members))
        .route("/leadership", post(leadership))
        .method_not_allowed_fallback(wrong_method)
        .fallback(wrong_path)
        .with_state(Gate { me, ask });
    let listener = listener.tap_io(|stream| {
        // Without it a small answer may wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
    });
    if let Err(error) = axum::serve(listener, router).await {
        crate::node::log(&format!("cannot serve clients any more: {error}"));
    }
}

/// What a client may add to a path: `?w=2&r=2`.
fn wish(query: Option<&str>) -> Result<Wish, String> {
    let mut wish = Wish::default();
    for part in query
        .unwrap_or_default()
        .split('&')
        .filter(|part| !part.is_empty())
    {
        let number = |text: &str| text.parse().ok();
        let known = match part.split_once('=') {
            Some(("w", text)) => number(text).map(|w| wish.w = Some(w)),
            Some(("r", text)) => number(text).map(|r| wish.r = Some(r)),
            Some(("seen", text)) => text.parse().ok().map(|seen| wish.seen = Some(seen)),
            _ => None,
        };
        known.ok_or_else(|| {
            format!("what may follow the path is such as ?w=2&r=2 or ?seen=7, not {part:?}")
        })?;
    }
    Ok(wish)
}

async fn read(
    State(gate): State<Gate>,
    Path(key): Path<Arc<str>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> HttpResponse {
    gate.wish(&headers, Ok(Command::Read { key }), query).await
}

async fn write(
    State(gate): State<Gate>,
    Path(key): Path<Arc<str>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResponse {
    let command = parse::<Plain>(&body, "7").map(|Plain(value)| Command::Write { key, value });
    gate.wish(&headers, command, query).await
}

async fn delete(
    State(gate): State<Gate>,
    Path(key): Path<Arc<str>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> HttpResponse {
    gate.wish(&headers, Ok(Command::Delete { key }), query).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CasBody {
    expected: Plain,
    new: Plain,
}

async fn cas(
    State(gate): State<Gate>,
    Path(key): Path<Arc<str>>,
    headers: HeaderMap,
    body: Bytes,
) -> HttpResponse {
    let command = parse::<CasBody>(&body, r#"{"expected":1,"new":2}"#).map(|body| Command::Cas {
        key,
        expected: body.expected.0,
        new: body.new.0,
    });
    gate.request(&headers, command).await
}

async fn txn(State(gate): State<Gate>, headers: HeaderMap, body: Bytes) -> HttpResponse {
    let command = parse::<Vec<Plain>>(&body, r#"[["read","x"],["write","y",1]]"#)
        .and_then(|parts| json::transaction(parts).map(Command::Txn));
    gate.request(&headers, command).await
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum MembersBody {
    Join(NodeId),
    Learn(NodeId),
    Leave(NodeId),
    Replace { leaves: NodeId, joins: NodeId },
}

async fn members(State(gate): State<Gate>, headers: HeaderMap, body: Bytes) -> HttpResponse {
    let command = parse::<MembersBody>(
        &body,
        r#"{"join":4}, {"learn":4}, {"leave":4} or {"replace":{"leaves":4,"joins":5}}"#,
    )
    .map(|body| {
        Command::Reconfigure(match body {
            MembersBody::Join(node) => Reconfigure::Join(node),
            MembersBody::Learn(node) => Reconfigure::Learn(node),
            MembersBody::Leave(node) => Reconfigure::Leave(node),
            MembersBody::Replace { leaves, joins } => Reconfigure::Replace { leaves, joins },
        })
    });
    gate.request(&headers, command).await
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LeadershipBody {
    to: Option<NodeId>,
}

async fn leadership(State(gate): State<Gate>, headers: HeaderMap, body: Bytes) -> HttpResponse {
    let body = if body.is_empty() {
        Ok(LeadershipBody::default())
    } else {
        parse(&body, r#"{"to":3} or {}"#)
    };
    gate.request(
        &headers,
        body.map(|body: LeadershipBody| Command::Transfer { to: body.to }),
    )
    .await
}

async fn status(State(gate): State<Gate>) -> HttpResponse {
    let (answer, answered) = oneshot::channel();
    (gate.ask)(Ask::Status { answer });
    match answered.await {
        Ok(page) => json_response(StatusCode::OK, &page),
        Err(_) => stopping(),
    }
}

async fn wrong_path(uri: Uri) -> HttpResponse {
    let message = format!(
        "there is no {}; there are /kv/{{key}}, /kv/{{key}}/cas, /txn, /status, /members and /leadership",
        uri.path()
    );
    json_response(StatusCode::NOT_FOUND, &ErrorBody::new("unknown-path", message))
}

async fn wrong_method(method: Method, uri: Uri) -> HttpResponse {
    let message = format!("{method} does not go with {}", uri.path());
    json_response(
        StatusCode::METHOD_NOT_ALLOWED,
        &ErrorBody::new("wrong-method", message),
    )
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], example: &str) -> Result<T, String> {
    serde_json::from_slice(body)
        .map_err(|error| format!("the body is not what is wanted here, such as {example}: {error}"))
}

fn session(headers: &HeaderMap) -> Result<Option<Session>, String> {
    let number = |name: &str| {
        headers
            .get(name)
            .map(|value| {
                value
                    .to_str()
                    .ok()
                    .and_then(|text| text.parse().ok())
                    .ok_or(format!("{name} is a number"))
            })
            .transpose()
    };
    match (number(CLIENT_HEADER)?, number(SEQUENCE_HEADER)?) {
        (Some(client), Some(sequence)) => Ok(Some(Session { client, sequence })),
        (None, None) => Ok(None),
        _ => Err(format!("{CLIENT_HEADER} and {SEQUENCE_HEADER} go together")),
    }
}

impl Gate {
    async fn request(&self, headers: &HeaderMap, command: Result<Command, String>) -> HttpResponse {
        self.wish(headers, command, None).await
    }

    async fn wish(
        &self,
        headers: &HeaderMap,
        command: Result<Command, String>,
        query: Option<String>,
    ) -> HttpResponse {
        let request = || -> Result<Request, String> {
            Ok(Request {
                session: session(headers)?,
                command: command?,
                wish: wish(query.as_deref())?,
            })
        };
        let request = match request() {
            Ok(request) => request,
            Err(message) => return bad_request(self.me, message),
        };
        let (answer, answered) = oneshot::channel();
        (self.ask)(Ask::Request { request, answer });
        match answered.await {
            Ok(response) => respond(&response),
            Err(_) => stopping(),
        }
    }
}

#[derive(Serialize)]
struct DoneBody<'a> {
    value: PlainRef<'a>,
    version: u64,
    node: NodeId,
    term: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quorum: Option<Quorum>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed: Option<PlainRef<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leader: Option<NodeId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<NodeId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    term: Option<u64>,
}

impl<'a> ErrorBody<'a> {
    fn new(error: &'a str, message: String) -> Self {
        ErrorBody {
            error,
            message,
            observed: None,
            version: None,
            leader: None,
            node: None,
            term: None,
        }
    }
}

fn respond(response: &Response) -> HttpResponse {
    let failure = match &response.result {
        Ok(reply) => {
            let body = DoneBody {
                value: PlainRef(&reply.value),
                version: reply.version,
                node: response.node,
                term: response.term,
                position: Some(response.position).filter(|position| *position > 0),
                quorum: response.quorum.as_deref().map(perjury_simulator::evidence),
            };
            return json_response(StatusCode::OK, &body);
        }
        Err(failure) => failure,
    };
    let (status, mut body) = match failure {
        Failure::Precondition { observed, version } => {
            let message = "the value is not what was expected; nothing was changed".to_owned();
            let mut body = ErrorBody::new(PRECONDITION_FAILED, message);
            body.observed = Some(PlainRef(observed));
            body.version = Some(*version);
            (StatusCode::CONFLICT, body)
        }
        Failure::Unavailable { leader, reason } => {
            let error = if leader.is_some() { NOT_LEADER } else { NO_LEADER };
            let mut body = ErrorBody::new(error, reason.clone());
            body.leader = *leader;
            (StatusCode::SERVICE_UNAVAILABLE, body)
        }
        Failure::Invalid { reason } => (StatusCode::BAD_REQUEST, ErrorBody::new(INVALID, reason.clone())),
        Failure::Indefinite { reason } => (
            StatusCode::GATEWAY_TIMEOUT,
            ErrorBody::new(GAVE_UP, reason.clone()),
        ),
    };
    body.node = Some(response.node);
    body.term = Some(response.term);
    json_response(status, &body)
}

fn bad_request(me: NodeId, message: String) -> HttpResponse {
    let mut body = ErrorBody::new(INVALID, message);
    body.node = Some(me);
    json_response(StatusCode::BAD_REQUEST, &body)
}

/// The protocol has ended: what became of the request, nobody knows.
fn stopping() -> HttpResponse {
    json_response(
        StatusCode::GATEWAY_TIMEOUT,
        &ErrorBody::new(GAVE_UP, "this node is stopping".to_owned()),
    )
}

fn json_response(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(mut bytes) => {
            bytes.push(b'\n');
            let mut response = HttpResponse::new(Body::from(bytes));
            *response.status_mut() = status;
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_understood_or_refused() {
        let two = Wish {
            w: Some(2),
            r: Some(3),
            seen: Some(7),
        };
        assert_eq!(wish(Some("w=2&r=3&seen=7")), Ok(two));
        assert_eq!(wish(None), Ok(Wish::default()));
        for nonsense in ["w", "w=", "w=x", "w=-1", "n=3", "w=70000"] {
            assert!(wish(Some(nonsense)).is_err(), "{nonsense}");
        }
    }
}
