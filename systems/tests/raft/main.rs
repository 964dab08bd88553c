//! Raft, tested from outside and inside.

mod bed;
mod smoke;
