//! What the standard library has no word for. The only unsafe code of the program.
#![allow(unsafe_code)]

use std::io;
use std::process::Command;

/// Makes the process that `command` starts die with this one, whatever happens to this one, where the system can do
/// that. It is bound to the *thread* that starts it: see [`super::spawn`].
#[cfg(target_os = "linux")]
pub(super) fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;

    use nix::sys::{prctl, signal::Signal};
    use nix::unistd::{Pid, getppid};

    let parent = Pid::this();
    let hook = move || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // If the parent died before that, nobody will send the signal any more.
        if getppid() != parent {
            return Err(io::Error::from(nix::Error::ESRCH));
        }
        Ok(())
    };
    // SAFETY: between fork and exec the hook makes only two system calls, prctl and getppid; it allocates nothing,
    // takes no lock, and the error that it may return holds only a number.
    unsafe {
        command.pre_exec(hook);
    }
}

/// Elsewhere the guard and the end of the standard input have to do.
#[cfg(not(target_os = "linux"))]
pub(super) fn die_with_parent(_: &mut Command) {
    let _: fn() -> io::Error = io::Error::last_os_error;
}
