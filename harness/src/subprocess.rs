//! The hidden commands: this program also is what it starts.

use std::ffi::OsString;
use std::process::ExitCode;

/// The first argument of a node's process.
pub const NODE: &str = "node";

/// The first argument of the guard's process.
pub const GUARD: &str = "guard";

/// Runs a hidden command if the arguments (without the program's name) name one. Call it before anything else
/// in `main`; none means that the program was started by a person.
pub fn dispatch(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    match arguments.next()?.to_str()? {
        NODE => Some(crate::node::main()),
        GUARD => Some(crate::process::guard::main()),
        _ => None,
    }
}
