//! What is written down of every update: a file of comma-separated numbers.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::files::write_whole;
use super::trainer::Update;
use crate::error::Error;

const HEAD: &str = "step,loss,damping,effective_learning_rate,squared_length,averaged,gradient_norm";

/// A log that is being written.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: BufWriter<File>,
}

/// A line of a log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// How many updates had been taken before.
    pub step: f64,
    /// The loss of the mini-batch.
    pub loss: f64,
    /// r.
    pub damping: f64,
    /// η r.
    pub effective_learning_rate: f64,
}

impl Log {
    /// A log of no updates.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub fn begin(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Write { path: path.to_owned(), source };
        let mut file = BufWriter::new(File::create(path).map_err(failed)?);
        writeln!(file, "{HEAD}").map_err(failed)?;
        file.flush().map_err(failed)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// A log of the first so many updates of one that is there; lines after them were written after the last checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::Write`], and [`Error::Record`] for a log that has fewer.
    pub fn resume(path: &Path, steps: usize) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let kept: Vec<&str> = text.lines().take(steps + 1).collect();
        if kept.len() < steps + 1 {
            let problem = format!("has {} updates where the checkpoint has {steps}", kept.len().saturating_sub(1));
            return Err(Error::Record { place: path.display().to_string(), problem });
        }
        write_whole(path, (kept.join("\n") + "\n").as_bytes())?;
        let failed = |source| Error::Write { path: path.to_owned(), source };
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Writes an update down.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub fn write(&mut self, update: &Update) -> Result<(), Error> {
        let Update { step, loss, report } = update;
        writeln!(
            self.file,
            "{step},{loss:?},{:?},{:?},{:?},{:?},{:?}",
            report.damping,
            report.effective_learning_rate,
            report.squared_length,
            report.averaged,
            report.gradient_norm
        )
        .map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    /// Hands all lines to the system.
    ///
    /// # Errors
    ///
    /// [`Error::Write`], as on a disk that is full.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.file.flush().map_err(|source| Error::Write { path: self.path.clone(), source })
    }
}

/// The lines of a log.
///
/// # Errors
///
/// [`Error::Read`], [`Error::Record`].
pub fn read(path: &Path) -> Result<Vec<Line>, Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let line = |line: &str| {
        let mut numbers = line.split(',').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Line { step: next()?, loss: next()?, damping: next()?, effective_learning_rate: next()? })
    };
    let malformed = |text: &str| Error::Record {
        place: path.display().to_string(),
        problem: format!("`{text}` is no line of a log"),
    };
    text.lines().skip(1).map(|text| line(text).ok_or_else(|| malformed(text))).collect()
}
