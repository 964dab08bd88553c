//! `perjury generate`: histories out of nothing.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use perjury_checker::formats::Format;
use perjury_checker::generate::{Generator, Load, Plant, Recipe};
use perjury_checker::models::ModelName;
use perjury_runner::exit;

use super::args::GenerateArgs;
use super::{Outcome, Trouble, spec};

/// Makes a history and prints it, or writes it into a file.
pub fn generate(args: &GenerateArgs) -> Outcome {
    let load = load(&args.model)?;
    let format: Format = parsed(&args.format)?;
    let plant = args.plant.as_deref().map(|name| plant(name, load)).transpose()?;
    if args.values.is_some() && !load.draws_values() {
        let problem = format!(
            "--values: clients of a {} write no values that could be drawn; leave it out",
            load.model()
        );
        return Err(Trouble::Usage(problem));
    }
    if format == Format::EtcdLog && args.keys > 1 {
        let problem = "--format etcd-log has no keys; leave --keys at 1, or choose another format";
        return Err(Trouble::Usage(problem.to_owned()));
    }
    let seed = args.seed.unwrap_or_else(spec::draw_seed);
    say!("seed {seed}");
    let recipe = Recipe {
        load,
        operations: args.operations,
        clients: u64::from(args.concurrency),
        keys: u64::from(args.keys),
        values: args.values.map(u64::from),
        unknown_permille: args.unknown,
        plant,
        seed,
    };
    let mut generator = Generator::new(&recipe);
    match &args.output {
        None => write(&mut generator, format, BufWriter::new(std::io::stdout().lock()))?,
        Some(path) => {
            let out = File::create(path).map_err(|error| trouble(path, &error))?;
            match write(&mut generator, format, BufWriter::new(out)) {
                Err(Trouble::Usage(problem)) => {
                    // The half-written file would only be clutter; that it cannot be removed is no second error.
                    let _ = std::fs::remove_file(path);
                    return Err(Trouble::Usage(problem));
                }
                Err(Trouble::Harness(problem)) => {
                    return Err(Trouble::Harness(format!("{}: {problem}", path.display())));
                }
                other => other?,
            }
        }
    }
    if let Some(index) = generator.planted() {
        let name = args.plant.as_deref().unwrap_or_default();
        say!("the {name} that was planted is complete with the event of index {index}");
    }
    Ok(exit::VALID)
}

fn write(generator: &mut Generator, format: Format, mut out: impl Write) -> Result<(), Trouble> {
    let mut line = Vec::new();
    for event in generator {
        line.clear();
        format.write(&event, &mut line).map_err(|error| {
            let problem = &error.problem;
            Trouble::Usage(format!("--format {format} cannot hold this history: {problem}"))
        })?;
        out.write_all(&line)?;
    }
    out.flush()?;
    Ok(())
}

fn trouble(path: &Path, error: &std::io::Error) -> Trouble {
    Trouble::Usage(format!("{}: cannot write it: {error}", path.display()))
}

fn parsed<T: std::str::FromStr>(name: &str) -> Result<T, Trouble>
where
    T::Err: std::fmt::Display,
{
    name.parse()
        .map_err(|error: T::Err| Trouble::Usage(error.to_string()))
}

fn load(model: &str) -> Result<Load, Trouble> {
    let model: ModelName = parsed(model)?;
    let load = Load::ALL.into_iter().find(|load| load.model() == model);
    load.ok_or_else(|| {
        let names: Vec<&str> = Load::ALL.iter().map(|load| load.model().name()).collect();
        Trouble::Usage(format!(
            "no histories of {model} are made, only of {}",
            names.join(", ")
        ))
    })
}

fn plant(name: &str, load: Load) -> Result<Plant, Trouble> {
    let plant: Plant = parsed(name)?;
    if plant.fits(load) {
        return Ok(plant);
    }
    let fitting = Plant::ALL.into_iter().filter(|plant| plant.fits(load));
    let names: Vec<&str> = fitting.map(Plant::name).collect();
    let (model, names) = (load.model(), names.join(", "));
    Err(Trouble::Usage(format!(
        "--plant {name} proves nothing about a {model}; choose of {names}"
    )))
}
