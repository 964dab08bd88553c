//! `perjury generate`: histories out of nothing.

use std::io::{BufWriter, Write};

use perjury_checker::formats::write_event;
use perjury_checker::generate::{Load, Recipe, linearizable, make_stale};
use perjury_runner::exit;

use super::args::{GenerateArgs, LoadArg};
use super::{Outcome, Trouble, spec};

/// The stale read lies somewhere after the middle, and sees what another read saw this many reads earlier.
const STALE_FROM_PERMILLE: u64 = 500;
const STALE_BY_READS: usize = 20;

/// Makes a history and prints it.
pub fn generate(args: &GenerateArgs) -> Outcome {
    let seed = args.seed.unwrap_or_else(spec::draw_seed);
    eprintln!("seed {seed}");
    let load = match args.load {
        LoadArg::Register => Load::Register,
        LoadArg::CasRegister => Load::CasRegister,
        LoadArg::AppendList => Load::AppendList,
    };
    let mut events = linearizable(&Recipe {
        load,
        operations: args.operations,
        clients: u64::from(args.concurrency),
        keys: u64::from(args.keys),
        values: args.values.map(u64::from),
        unknown_permille: u64::from(args.unknown_permille),
        seed,
    });
    if args.stale {
        match make_stale(&mut events, STALE_FROM_PERMILLE, STALE_BY_READS) {
            Some(index) => eprintln!("the read that completes at index {index} lies"),
            None => {
                let problem = "no read can be made stale in so short a history; ask for more --operations";
                return Err(Trouble::Usage(problem.to_owned()));
            }
        }
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut line = Vec::new();
    for event in &events {
        line.clear();
        write_event(event, &mut line);
        out.write_all(&line)?;
    }
    out.flush()?;
    Ok(exit::VALID)
}
