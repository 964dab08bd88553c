//! Both kinds of Paxos, step by step: nothing is delivered and no timer runs out unless the test says so.

mod basic;
mod multi;
mod net;
