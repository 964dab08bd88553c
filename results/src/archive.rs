//! A run as one file: a zip that can be mailed, kept as an artifact, and read again as if it were the folder.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Component, Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::error::StoreError;
use crate::folder::{LOCK, RunFolder, TEST};

/// The ending of an archive's name.
pub(crate) const ENDING: &str = "zip";

/// Files in an archive at most.
const FILES: usize = 1_000;
/// Bytes that an archive may unpack to.
const BYTES: u64 = 8 << 30;
/// How deep folders lie in a run's folder: `nodes/n1.log`.
const DEPTH: usize = 2;

impl RunFolder {
    /// Whether a path names an archive rather than a run's folder.
    pub fn is_archive(path: &Path) -> bool {
        path.extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case(ENDING))
            && path.is_file()
    }

    /// The name of the run's archive: that of its folder, with `.zip`.
    pub fn archive_name(&self) -> PathBuf {
        let mut name = self.path().file_name().unwrap_or_default().to_os_string();
        name.push(".");
        name.push(ENDING);
        PathBuf::from(name)
    }

    /// Writes the whole run into a zip, in which it is a folder of the same name. Its files are in order of
    /// their names and without times, so that the same run gives the same bytes.
    ///
    /// # Errors
    /// If a file cannot be read, or the archive cannot be written.
    pub fn export(&self, out: impl Write + Seek) -> Result<(), StoreError> {
        self.test()?;
        let root = self.path().file_name().unwrap_or_default().to_string_lossy();
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(true)
            .unix_permissions(0o644);
        let mut zip = ZipWriter::new(BufWriter::new(out));
        for file in files(self.path(), DEPTH)? {
            let relative = file.strip_prefix(self.path()).unwrap_or(&file);
            // Names in an archive are parted by slashes, whatever the system.
            let parts: Vec<_> = relative
                .components()
                .map(|part| part.as_os_str().to_string_lossy())
                .collect();
            zip.start_file(format!("{root}/{}", parts.join("/")), options)
                .map_err(io::Error::from)
                .and_then(|()| io::copy(&mut File::open(&file)?, &mut zip))
                .map_err(StoreError::io(&file, "put it into the archive"))?;
        }
        zip.finish()
            .map_err(io::Error::from)
            .and_then(|mut out| out.flush())
            .map_err(StoreError::io(&self.archive_name(), "write the archive"))
    }

    /// The run in an archive, unpacked beside it into a folder of the run's name. If that is there already, it
    /// is used as it is.
    ///
    /// # Errors
    /// If the archive cannot be read, or holds anything but a run, or the folder cannot be written.
    pub fn from_archive(archive: &Path) -> Result<Self, StoreError> {
        let file = File::open(archive).map_err(StoreError::io(archive, "read it"))?;
        let mut zip = ZipArchive::new(file)
            .map_err(io::Error::from)
            .map_err(StoreError::io(archive, "read it as a zip"))?;
        let root = check(archive, &mut zip)?;
        let target = archive.with_file_name(&root);
        if target.join(TEST).is_file() {
            return Ok(RunFolder::at(target));
        }
        let temporary = archive.with_file_name(format!(".{root}-{}", std::process::id()));
        let unpacked = unpack(&mut zip, &temporary)
            .and_then(|()| fs::rename(temporary.join(&root), &target))
            .map_err(StoreError::io(&target, "unpack the archive into it"));
        // What is left of it is only clutter.
        let _ = fs::remove_dir_all(&temporary);
        unpacked.map(|()| RunFolder::at(target))
    }
}

/// The files in a folder, sorted, links not followed; without the lock and what is half written.
fn files(dir: &Path, depth: usize) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(StoreError::io(dir, "list it"))? {
        let entry = entry.map_err(StoreError::io(dir, "list it"))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(StoreError::io(&path, "look at it"))?;
        if kind.is_dir() && depth > 1 {
            found.extend(files(&path, depth - 1)?);
        } else if kind.is_file()
            && path.file_name().is_some_and(|name| name != LOCK)
            && path.extension().is_none_or(|ending| ending != "tmp")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Refuses what no run is: several folders, names that lead elsewhere, links, too much. Gives the folder's name.
fn check(archive: &Path, zip: &mut ZipArchive<File>) -> Result<String, StoreError> {
    let refuse = |problem: String| StoreError::new(archive, problem, "`perjury export` writes such archives");
    if zip.len() > FILES {
        return Err(refuse(format!(
            "holds {} files, more than any run has",
            zip.len()
        )));
    }
    let mut root: Option<String> = None;
    let mut bytes = 0_u64;
    let mut is_run = false;
    for position in 0..zip.len() {
        let file = zip
            .by_index_raw(position)
            .map_err(|error| refuse(format!("is damaged: {error}")))?;
        let path = file
            .enclosed_name()
            .ok_or_else(|| refuse("holds a file that would lie outside of its folder".to_owned()))?;
        let parts: Vec<_> = path
            .components()
            .map(|part| match part {
                Component::Normal(name) => name.to_str(),
                _ => None,
            })
            .collect::<Option<_>>()
            .ok_or_else(|| refuse("holds a file with a strange name".to_owned()))?;
        let plain = !file.is_symlink() && (2..=DEPTH + 1).contains(&parts.len());
        if !plain && !file.is_dir() || parts[0].starts_with('.') {
            return Err(refuse(format!("holds {path:?}, which is no file of a run")));
        }
        if *root.get_or_insert_with(|| parts[0].to_owned()) != parts[0] {
            return Err(refuse("holds more than one folder".to_owned()));
        }
        is_run |= parts[1..] == [TEST];
        bytes = bytes.saturating_add(file.size());
    }
    match root {
        Some(root) if is_run && bytes <= BYTES => Ok(root),
        Some(_) if is_run => Err(refuse(format!("would take {bytes} bytes"))),
        _ => Err(refuse(format!("holds no run: there is no {TEST} in it"))),
    }
}

/// Unpacks what was checked. The sizes that an archive states need not be true, so they are held to here.
fn unpack(zip: &mut ZipArchive<File>, target: &Path) -> io::Result<()> {
    for position in 0..zip.len() {
        let mut file = zip.by_index(position)?;
        let Some(name) = file.enclosed_name() else {
            continue;
        };
        let path = target.join(name);
        if file.is_dir() {
            fs::create_dir_all(&path)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let size = file.size();
        let mut limited = io::Read::take(&mut file, size);
        io::copy(&mut limited, &mut File::create(&path)?)?;
    }
    Ok(())
}
