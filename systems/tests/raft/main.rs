//! Raft, tested from outside and inside.

mod bed;
mod chaos;
mod correct;
mod directed;
mod history;
mod hunt;
mod leases;
mod liveness;
mod mutants;
mod script;
mod smoke;
