//! What a node's process runs: one replica with sockets, a disk and a clock.
//!
//! The process is started by the control node with its standard input and output as a line to it: the first line
//! in is the [`NodeConfig`], further lines are [`Command`]s; lines out are [`Report`]s. When the input ends the
//! control node is gone, and the process exits at once.
//!
//! ```text
//!  HTTP tasks ──┐                       ┌─> peers: one queue and one connection each
//!  peer tasks ──┼─> mailbox ─> protocol ┼─> disk thread: write, fsync ─> mailbox
//!  stdin thread ┘                       └─> replies
//! ```
//!
//! Sockets and the protocol share one thread (nodes outnumber cores, so that hand-overs between threads would cost
//! more than they bring); only the disk has its own, so that the protocol goes on while an fsync takes its time.

mod channel;
pub mod clock;
pub mod config;
mod crash;
mod disk;
mod in_step;
mod memory;
mod peers;
mod protocol;
pub mod rot;
pub mod storage;
mod systems;
mod trace;

pub use config::{Ailment, Clocks, Command, Do, NodeConfig, Report, Turn};
pub use memory::Memory;
pub use peers::{FRAME_HEADER_BYTES, FRAME_VERSION, MAX_FRAME_BYTES};
pub use protocol::StatusPage;
pub use systems::{message_kinds, names, validate};

use std::io::{BufRead, Write};
use std::process::ExitCode;

/// Exit code of a node that found its log damaged and must not start from it.
pub const EXIT_CORRUPT: u8 = 65;

/// Exit code of a node whose disk failed: a write or an fsync that did not succeed is never tried again.
pub const EXIT_DISK: u8 = 74;

/// Exit code of a node that could not start: its configuration, its directory, its ports.
pub const EXIT_START: u8 = 78;

/// Runs a node: reads the configuration from standard input and serves until it is killed.
pub fn main() -> ExitCode {
    let mut line = String::new();
    if let Err(error) = std::io::stdin().lock().read_line(&mut line) {
        return fail(EXIT_START, &format!("cannot read the configuration: {error}"));
    }
    match serde_json::from_str::<NodeConfig>(&line) {
        Ok(config) => systems::run(config),
        Err(error) => fail(
            EXIT_START,
            &format!("the configuration on standard input is wrong: {error}"),
        ),
    }
}

/// Writes a line with the time to standard error, which the control node keeps as the node's log.
pub(crate) fn log(message: &str) {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    // Nobody to tell if this fails.
    let _ = writeln!(
        std::io::stderr().lock(),
        "{}.{:06} {message}",
        clock::time_of_day(now),
        now.subsec_micros()
    );
}

pub(crate) fn fail(code: u8, message: &str) -> ExitCode {
    log(message);
    ExitCode::from(code)
}
