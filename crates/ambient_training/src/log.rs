//! What is written down of every update: a file of comma-separated numbers, every line of it with a checksum.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use ambient_studies::error::Error;
use ambient_studies::files::checksum;

use crate::files::{read_text, unsound, write_whole};
use crate::trainer::Update;

const HEAD: &str = "step,loss,damping,effective_learning_rate,squared_length,averaged,gradient_norm,crc32";

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
        let text = read_text(path)?;
        // What follows the last end of a line was cut off.
        let whole = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
        let kept: Vec<&str> = whole.split('\n').take(steps + 1).collect();
        if kept.len() < steps + 1 {
            let problem = format!("has {} updates where the checkpoint has {steps}", kept.len().saturating_sub(1));
            return Err(unsound(path, problem));
        }
        check(path, &kept)?;
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
        let row = format!(
            "{step},{loss:?},{:?},{:?},{:?},{:?},{:?}",
            report.damping,
            report.effective_learning_rate,
            report.squared_length,
            report.averaged,
            report.gradient_norm
        );
        writeln!(self.file, "{}", checksum::seal_row(&row))
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
    let text = read_text(path)?;
    let whole = text.strip_suffix('\n').ok_or_else(|| unsound(path, "was cut off within a line"))?;
    check(path, &whole.split('\n').collect::<Vec<_>>())
}

/// The lines below the head, where all of them are as they were written.
fn check(path: &Path, lines: &[&str]) -> Result<Vec<Line>, Error> {
    let rows = match lines.split_first() {
        Some((&HEAD, rows)) => rows,
        Some((head, _)) if HEAD.strip_suffix(",crc32") == Some(head) => {
            let problem =
                "has no checksums: it was written by an earlier version; make the run again in another folder";
            return Err(unsound(path, problem));
        }
        _ => return Err(unsound(path, format!("is damaged: its first line is not `{HEAD}`"))),
    };
    let mut read = Vec::with_capacity(rows.len());
    for (step, text) in rows.iter().enumerate() {
        let row = checksum::check_row(text).map_err(|error| unsound(path, format!("at update {step} {error}")))?;
        let line = parse(row).filter(|line| line.step.to_bits() == (step as f64).to_bits());
        read.push(
            line.ok_or_else(|| unsound(path, format!("has the line `{text}` where that of update {step} belongs")))?,
        );
    }
    Ok(read)
}

fn parse(row: &str) -> Option<Line> {
    let mut numbers = row.split(',').map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(Line { step: next()?, loss: next()?, damping: next()?, effective_learning_rate: next()? })
}
