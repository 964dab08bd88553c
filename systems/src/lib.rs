//! The bundled replicated systems, each a deterministic state machine without I/O.
//!
//! A [`Replica`] is handed events and returns effects. It never reads a clock, opens a socket, touches a file,
//! spawns a task or draws randomness that was not given to it; whoever drives it (a process with sockets and a
//! disk, or a simulator) carries the effects out under the contract in [`replica`].

pub mod api;
pub mod breach;
mod chunks;
pub mod digest;
pub mod driver;
pub mod identity;
pub mod kv;
pub mod machine;
pub mod marks;
pub mod node_map;
pub mod nwr;
pub mod paxos;
pub mod raft;
pub mod registry;
pub mod replica;
pub mod ring;
pub mod rules;
pub mod sealed;
pub mod sessions;
pub mod settings;
pub mod wal;
pub mod zab;

pub use api::{Command, Failure, MicroOp, Request, Response, Value, Wish};
pub use driver::{Driver, Output, Written};
pub use replica::{Cluster, Context, Durable, Effect, Event, Lsn, NodeId, Replica, RequestId, Role, Status};
