//! Checkpoints: what a run is taken up again from.

use std::fs;
use std::path::{Path, PathBuf};

use ambient_metric_burn::checksum as ending;
use ambient_studies::error::Error;
use burn::tensor::{Bytes, DType};
use burn_pack::{Reader, Tensor as Entry, Writer};
use serde::Serialize;

use crate::files::{unsound, write_whole};
use crate::outcome::Epoch;
use crate::settings::Settings;

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
pub fn path(folder: &Path) -> PathBuf {
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
    let path = path(folder);
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
    let path = path(folder);
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
