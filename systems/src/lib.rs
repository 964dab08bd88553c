//! The bundled replicated systems, each a deterministic state machine without I/O.
//!
//! A [`Replica`] is handed events and says what it wants done. It never reads a clock, opens a socket, touches a file,
//! spawns a task or draws randomness that was not given to it; whoever drives it (a process with sockets and a
//! disk, or a simulator) carries that out under the contract in [`replica`].

pub mod api;
pub mod breach;
mod chunks;
pub mod context;
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
pub use context::{Context, Output, Written};
pub use driver::Driver;
pub use replica::{Cluster, Durable, Event, Lsn, NodeId, Replica, RequestId, Role, Status};
