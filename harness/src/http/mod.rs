//! Clients and nodes: HTTP/1.1 with JSON, what an engineer would poke with curl.
//!
//! | request | body | does |
//! |---|---|---|
//! | `GET /kv/{key}` | | reads |
//! | `PUT /kv/{key}` | a value | writes |
//! | `POST /kv/{key}/cas` | `{"expected":1,"new":2}` | writes if the value is what is expected; `null` is an absent key |
//! | `DELETE /kv/{key}` | | removes |
//! | `POST /txn` | `[["read","x"],["write","x",1],["append","l",2],["add","n",3]]` | all at once, or nothing |
//! | `GET /status` | | what the node is and knows |
//! | `POST /members` | `{"join":4}`, `{"learn":4}`, `{"leave":2}`, `{"replace":{"leaves":2,"joins":4}}` | changes the members |
//! | `POST /leadership` | `{"to":3}` or `{}` | hands leadership over |
//!
//! A value is JSON: `null`, an integer, a text, or a list of values. The headers `perjury-client` and
//! `perjury-sequence`, given together, make a request safe to send again. Where the system asks several replicas, `?w=2&r=2`
//! says how many have to store a write or answer a read, and the answer's `quorum` names those that did. Where an answer has a
//! `position`, `?seen=` with the greatest one keeps a client's reads from going back.
//!
//! | status | meaning |
//! |---|---|
//! | 200 | done: `{"value":7,"version":12,"node":1,"term":3}` |
//! | 400 | the request makes no sense; surely not applied |
//! | 409 | compared and differed: `{"error":"precondition-failed","observed":5,…}`; surely not applied |
//! | 503 | no leader here: `{"error":"not-leader","leader":2,…}`; surely not applied |
//! | 504 | gave up waiting: it may or may not be applied, now or later |

pub mod answer;
pub mod client;
pub mod json;
pub mod request;
pub mod server;

/// The header that names a session's client.
pub const CLIENT_HEADER: &str = "perjury-client";

/// The header that counts a session's requests.
pub const SEQUENCE_HEADER: &str = "perjury-sequence";

/// The `error` of a compare-and-set that compared and differed.
pub const PRECONDITION_FAILED: &str = "precondition-failed";

/// The `error` of a node that knows another one to lead.
pub const NOT_LEADER: &str = "not-leader";

/// The `error` of a node that knows no leader.
pub const NO_LEADER: &str = "no-leader";

/// The `error` of a request that makes no sense.
pub const INVALID: &str = "invalid";

/// The `error` of a node that gave up waiting.
pub const GAVE_UP: &str = "gave-up";
