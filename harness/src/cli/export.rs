//! `perjury export`: a run as one file, and such files in place of runs.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use perjury_results::{RunFolder, trace};
use perjury_runner::exit;

use super::args::ExportArgs;
use super::runs::find;
use super::{Outcome, Trouble};

/// Writes a run into a zip, or as a trace, and prints where it is.
pub fn export(args: &ExportArgs) -> Outcome {
    let folder = find(&args.store, &args.run)?;
    let path = args.output.clone().unwrap_or_else(|| match args.trace {
        true => folder.archive_name().with_extension("trace.json"),
        false => folder.archive_name(),
    });
    let trouble =
        |error: std::io::Error| Trouble::Harness(format!("{}: cannot write it: {error}", path.display()));
    // Under another name until it is whole, so that nobody takes half of it for the run.
    let mut partial = path.clone().into_os_string();
    partial.push(".tmp");
    let partial = PathBuf::from(partial);
    let written = File::create(&partial)
        .map_err(trouble)
        .and_then(|file| match args.trace {
            true => trace::write(&folder.evidence()?, file).map_err(trouble),
            false => folder.export(file).map_err(Trouble::from),
        })
        .and_then(|()| fs::rename(&partial, &path).map_err(trouble));
    if let Err(error) = written {
        // The half-written file would only be clutter; that it cannot be removed is no second error.
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    writeln!(std::io::stdout().lock(), "{}", path.display())?;
    Ok(exit::VALID)
}

/// The run that a path names, by its folder or its archive; none if it is a file of another sort.
pub fn run_at(path: &Path) -> Result<Option<RunFolder>, Trouble> {
    if RunFolder::is_archive(path) {
        let folder = RunFolder::from_archive(path);
        return folder
            .map(Some)
            .map_err(|error| Trouble::Usage(error.to_string()));
    }
    Ok(path.is_dir().then(|| RunFolder::at(path)))
}
