//! Starting processes, always from one thread that lives as long as the program.
//!
//! On Linux a child can ask to be killed when its parent dies, but "parent" is the *thread* that started it: a child
//! started from a thread that ends is killed in the middle of a run.

use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{LazyLock, mpsc};

use super::sys;

type Order = (Command, mpsc::Sender<io::Result<Child>>);

static SPAWNER: LazyLock<Option<mpsc::Sender<Order>>> = LazyLock::new(|| {
    let (orders, inbox) = mpsc::channel::<Order>();
    let work = move || {
        for (mut command, reply) in inbox {
            // Whoever asked waits for the answer.
            let _ = reply.send(command.spawn());
        }
    };
    std::thread::Builder::new()
        .name("spawner".into())
        .spawn(work)
        .ok()
        .map(|_| orders)
});

/// Starts a process that dies with this one and is out of reach of the terminal's Ctrl-C.
pub(crate) fn spawn(mut command: Command) -> io::Result<Child> {
    sys::die_with_parent(&mut command);
    spawn_survivor(command)
}

/// Starts a process that outlives this one and is out of reach of the terminal's Ctrl-C.
pub(super) fn spawn_survivor(mut command: Command) -> io::Result<Child> {
    use std::os::unix::process::CommandExt as _;

    command.process_group(0);
    let gone = || io::Error::other("the thread that starts processes is gone");
    let orders = SPAWNER.as_ref().ok_or_else(gone)?;
    let (reply, answer) = mpsc::channel();
    orders.send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

/// A command that runs this program, or the one that is named.
pub(crate) fn this_program(program: Option<&Path>) -> io::Result<Command> {
    use std::os::unix::process::CommandExt as _;

    if let Some(program) = program {
        return Ok(Command::new(program));
    }
    // The file may be replaced while a run goes on (somebody builds); this link still leads to what is running, so
    // that a node that is started again is the same program.
    let running = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") && running.exists() {
        let mut command = Command::new(running);
        command.arg0("perjury");
        return Ok(command);
    }
    std::env::current_exe().map(Command::new)
}
