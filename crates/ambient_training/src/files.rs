//! Files that are there as a whole or not at all, and whose damage is noticed.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use ambient_studies::error::Error;
use ambient_studies::files::checksum::Object;
use serde::de::DeserializeOwned;

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
