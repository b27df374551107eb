//! Files that are there as a whole or not at all.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ambient_metric_burn::checksum as ending;
use burn::tensor::{Bytes, DType};
use burn_pack::{Reader, Tensor as Entry, Writer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::trainer::{Epoch, Settings};
use crate::checksum::Object;
use crate::error::Error;

/// Writes a file under another name beside it, and renames it when it is complete.
///
/// # Errors
///
/// [`Error::Write`]; what was there before is then unchanged.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&part, path));
    renamed.map_err(|source| {
        // It is of no use, and may fill the disk.
        let _ = fs::remove_file(&part);
        Error::Write { path: path.to_owned(), source }
    })
}

/// The text of a file.
///
/// # Errors
///
/// [`Error::Read`], and [`Error::Record`] for bytes that are no text.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|error| unsound(path, format!("is damaged: {error}")))
}

/// A file that is not as it was written.
pub(crate) fn unsound(path: &Path, problem: impl core::fmt::Display) -> Error {
    Error::Record { place: path.display().to_string(), problem: problem.to_string() }
}

/// What an object of JSON holds, where its checksum is right.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, layout: Object, object: &str) -> Result<T, Error> {
    let object = layout.open(object).map_err(|error| unsound(path, error))?;
    serde_json::from_str(&object).map_err(|source| Error::Json { what: path.display().to_string(), source })
}

/// Removes what a run that was killed while it wrote has left in its folder.
///
/// # Errors
///
/// [`Error::Read`], [`Error::Write`].
pub fn sweep_up(folder: &Path) -> Result<(), Error> {
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_part = path.extension().is_some_and(|extension| extension == "part");
        if is_part && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(CHECKPOINT)) {
            fs::remove_file(&path).map_err(|source| Error::Write { path, source })?;
        }
    }
    Ok(())
}

/// What a checkpoint knows beside the numbers of model and optimiser.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// What decides the run.
    pub settings: Settings,
    /// How many updates have been taken.
    pub step: usize,
    /// The scores so far.
    pub scores: Vec<Epoch>,
    /// How long it has taken.
    pub seconds: f64,
}

ambient_metric::known_keys! { Progress { settings, step, scores, seconds } }

/// The names of a checkpoint's entries.
const ENTRIES: [&str; 2] = ["model", "optimiser"];
const PROGRESS: &str = "progress";

const CHECKPOINT: &str = "checkpoint.bpk";

/// The file of the checkpoint in the folder of a run.
#[must_use]
pub fn checkpoint(folder: &Path) -> PathBuf {
    folder.join(CHECKPOINT)
}

/// Saves a checkpoint: one file, in Burn's format, with a checksum at its end.
///
/// # Errors
///
/// [`Error::Write`]; an earlier checkpoint is then unchanged.
pub fn save(folder: &Path, progress: &Progress, numbers: [Bytes; 2]) -> Result<(), Error> {
    let text =
        serde_json::to_string(progress).map_err(|source| Error::Json { what: "a checkpoint".to_owned(), source })?;
    let entry = |(name, bytes): (&str, Bytes)| Entry::new(name.to_owned(), DType::U8, vec![bytes.len()], None, bytes);
    let writer = Writer::new(ENTRIES.into_iter().zip(numbers).map(entry).collect()).with_metadata(PROGRESS, &text);
    let path = checkpoint(folder);
    let mut bytes = Vec::new();
    let size = writer.size().map_err(|error| damaged(&path, error))?;
    bytes.reserve_exact(size + ending::LENGTH);
    bytes.resize(size, 0);
    writer.write_into(&mut bytes).map_err(|error| damaged(&path, error))?;
    ending::append(&mut bytes);
    write_whole(&path, &bytes)
}

/// Reads the checkpoint of a run.
///
/// # Errors
///
/// [`Error::Option`] where there is none, [`Error::Read`], and [`Error::Record`] where it is damaged.
pub fn load(folder: &Path) -> Result<(Progress, [Bytes; 2]), Error> {
    let path = checkpoint(folder);
    if !path.exists() {
        let problem = "finds no run there: none was saved in that folder".to_owned();
        return Err(Error::Option { option: "--resume", problem });
    }
    let bytes = fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
    ending::verify(&bytes).map_err(|error| unsound(&path, error))?;
    let reader = Reader::from_bytes(Bytes::from_bytes_vec(bytes)).map_err(|error| damaged(&path, error))?;
    let text = reader.metadata().get(PROGRESS).cloned().unwrap_or_default();
    let progress = serde_json::from_str(&text).map_err(|error| damaged(&path, error))?;
    let mut numbers = ENTRIES.map(|_| None);
    for entry in reader.into_tensors().map_err(|error| damaged(&path, error))? {
        let place = ENTRIES.iter().position(|name| *name == entry.name);
        let bytes = entry.into_bytes().map_err(|error| damaged(&path, error))?;
        if let Some(slot) = place.and_then(|place| numbers.get_mut(place)) {
            *slot = Some(bytes);
        }
    }
    match numbers {
        [Some(model), Some(optimiser)] => Ok((progress, [model, optimiser])),
        _ => Err(damaged(&path, "an entry is missing")),
    }
}

fn damaged(path: &Path, problem: impl core::fmt::Display) -> Error {
    Error::Record { place: path.display().to_string(), problem: format!("is no checkpoint or is damaged: {problem}") }
}
