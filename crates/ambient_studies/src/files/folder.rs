//! The folder that pictures and pages go to.

use std::fs::{self, OpenOptions};
use std::path::Path;

use super::lock::{Lock, Purpose};
use crate::error::Error;

/// Makes the folder, locks it and opens the page in it, so that a folder that cannot be written is known before the first run.
///
/// # Errors
///
/// [`Error::Write`] where the folder cannot be made or written, [`Error::Busy`] where another command is at work in it, and [`Error::Lock`].
#[must_use = "the folder is free when the lock is dropped"]
pub fn prepare(folder: &Path, page: &str) -> Result<Lock, Error> {
    fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.to_owned(), source })?;
    let lock = Lock::take(folder, Purpose::Work)?;
    let page = folder.join(page);
    let opened = OpenOptions::new().create(true).append(true).open(&page);
    opened.map(|_| lock).map_err(|source| Error::Write { path: page, source })
}

/// Writes a file.
///
/// # Errors
///
/// [`Error::Write`].
pub fn save(folder: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|source| Error::Write { path, source })
}
