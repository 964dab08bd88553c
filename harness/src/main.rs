//! The command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = perjury::subprocess::dispatch(std::env::args_os().skip(1)) {
        return code;
    }
    perjury::cli::main()
}
