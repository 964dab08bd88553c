//! Raft, tested from outside and inside.

mod bed;
mod chaos;
mod correct;
mod smoke;
