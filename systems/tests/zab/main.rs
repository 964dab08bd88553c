//! ZAB, step by step: elections, epochs, every way to synchronise a learner, clients.

mod bed;
mod clients;
mod election;
mod epochs;
mod planted;
mod sync;
