//! Raft, tested from outside and inside.

mod bed;
mod chaos;
mod correct;
mod directed;
mod history;
mod hunt;
mod leases;
mod liveness;
mod members;
mod mutants;
mod recorded;
mod requests;
mod script;
mod smoke;
