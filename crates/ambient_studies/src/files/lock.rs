//! A folder is written by one command at a time: a lock on a file in it, which the system releases when the process ends, however it ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::checksum;
use crate::error::{Error, Holder};

/// What a lock is for. Different ones of a folder do not exclude each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Studies, runs and sweeps.
    Work,
    /// Reports, which may be made of a sweep that goes on.
    Report,
}

impl Purpose {
    fn file(self) -> &'static str {
        match self {
            Self::Work => "ambient.lock",
            Self::Report => "report.lock",
        }
    }
}

/// This process as the holder of a folder, from now on.
fn this_process() -> Holder {
    let now = OffsetDateTime::now_utc().replace_nanosecond(0).ok().and_then(|now| now.format(&Rfc3339).ok());
    Holder {
        process: std::process::id(),
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" "),
        since: now.unwrap_or_else(|| "some time ago".to_owned()),
    }
}

/// What stands in a lock; nothing where it cannot be read, as on systems that let nobody read a file which another process has locked.
fn read(path: &Path) -> Option<Holder> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.trim_end();
    serde_json::from_str(&checksum::LINE.open(line).ok()?).ok()
}

/// The holder of a lock that has just been found taken; whoever took it may not have written its name yet.
fn find(path: &Path) -> Option<Holder> {
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(10));
        let holder = read(path);
        if holder.is_some() || !path.exists() {
            return holder;
        }
    }
    None
}

/// A folder that nobody else writes, until this is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes a folder that is there.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] where another process has it, [`Error::Lock`] where it cannot be locked.
    pub fn take(folder: &Path, purpose: Purpose) -> Result<Self, Error> {
        let path = folder.join(purpose.file());
        loop {
            let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let file = opened.map_err(|source| Error::Lock { path: path.clone(), source })?;
            if let Some(lock) = Self::of(&path, file, folder)? {
                return Ok(lock);
            }
        }
    }

    /// Takes a folder in which a lock is left or held; nothing, and nothing is written, where there is none.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub fn take_again(folder: &Path, purpose: Purpose) -> Result<Option<Self>, Error> {
        let path = folder.join(purpose.file());
        match fs::symlink_metadata(&path) {
            Ok(_) => Self::take(folder, purpose).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The lock on a file that was opened under this name; nothing where the name has another file by now, as its last holder took it away.
    fn of(path: &Path, file: File, folder: &Path) -> Result<Option<Self>, Error> {
        let failed = |source| Error::Lock { path: path.to_owned(), source };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Busy { folder: folder.to_owned(), holder: find(path) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let ours = file.try_clone().and_then(same_file::Handle::from_file).map_err(failed)?;
        match same_file::Handle::from_path(path) {
            Ok(named) if named == ours => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(failed(source)),
        }
        let mut lock = Self { path: path.to_owned(), file };
        lock.sign().map_err(failed)?;
        Ok(Some(lock))
    }

    /// Writes down who has it.
    fn sign(&mut self) -> io::Result<()> {
        let text = serde_json::to_string(&this_process()).map_err(io::Error::other)?;
        // What a process that was killed has left.
        self.file.set_len(0)?;
        self.file.write_all((checksum::LINE.seal(&text) + "\n").as_bytes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still held: whoever has opened it meanwhile finds that the name is gone, and makes another.
        let _ = fs::remove_file(&self.path);
    }
}
