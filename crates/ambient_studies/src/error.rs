//! What can go wrong in a study, said in one line.

use std::io;
use std::path::PathBuf;

use ambient_metric::any::TextError;
use serde::Serialize;
use thiserror::Error;

/// Why a command stopped. Its display is one line.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that nobody knows.
    #[error("unknown {what} `{name}`: known are {}", known.join(", "))]
    UnknownName {
        /// What kind of thing was named.
        what: &'static str,
        /// The name.
        name: String,
        /// The names that would have been understood.
        known: Vec<&'static str>,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder that cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder that another process is at work in.
    #[error("the folder {} is in use by {}: wait until that has ended, or give another --out", folder.display(), name(holder.as_ref()))]
    Busy {
        /// The folder.
        folder: PathBuf,
        /// Who has it, where that is known.
        holder: Option<Holder>,
    },
    /// A folder that cannot be locked.
    #[error("cannot write {}, which keeps other commands out of the folder: {source}", path.display())]
    Lock {
        /// The file of the lock.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Text that is not the JSON that was expected; the source says the line and column.
    #[error("{what} is malformed: {source}")]
    Json {
        /// What was read.
        what: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// Recorded facts that contradict each other.
    #[error("{place}: {problem}")]
    Record {
        /// Where.
        place: String,
        /// What is wrong there.
        problem: String,
    },
    /// A rule that cannot be read; the text says where and why.
    #[error("{}", rule(.0))]
    Rule(#[from] TextError),
    /// A hyperparameter that is missing, or one that the rule does not have.
    #[error("{rule} {problem}")]
    Hyperparameter {
        /// The rule.
        rule: String,
        /// What is wrong.
        problem: String,
    },
    /// What the library refused.
    #[error(transparent)]
    Library(#[from] ambient_metric::Error),
    /// An option that does not go with the others.
    #[error("the option {option} {problem}")]
    Option {
        /// The option.
        option: &'static str,
        /// Why not, and what to do.
        problem: String,
    },
    /// A device that is not there, or that cannot do what is asked of it.
    #[error("{0}")]
    Device(String),
    /// What another library refused.
    #[error("what is measured beside the rules failed: {0}")]
    Beside(String),
    /// Devices are asked for, and the program was built without them.
    #[error("this program was built without devices: build it with `cargo build --release -p ambient --features wgpu`")]
    NoDevices,
    /// A run that was stopped from outside.
    #[error("stopped after {updates} updates, all of them saved: go on with --out {} --resume", folder.display())]
    Interrupted {
        /// How many updates were taken.
        updates: usize,
        /// The folder of the run.
        folder: PathBuf,
    },
    /// A sweep that the user stopped.
    #[error("stopped; the runs that had ended are kept in {folder}: give the same command again to go on", folder = .folder.display())]
    SweepInterrupted {
        /// The folder of the sweep.
        folder: PathBuf,
    },
    /// A run that the optimiser had to stop.
    #[error(
        "the run diverged after {updates} updates, and its files are kept: {reason}; try a smaller learning rate, with another --out"
    )]
    Diverged {
        /// How many updates were taken.
        updates: usize,
        /// What the optimiser refused.
        reason: String,
    },
    /// A picture that could not be drawn.
    #[error("cannot draw the picture {picture}: {problem}")]
    Picture {
        /// Which one.
        picture: String,
        /// Why.
        problem: String,
    },
}

/// Who has a folder.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Holder {
    /// The number of the process.
    pub process: u32,
    /// Its command line.
    pub command: String,
    /// Since when, in universal time.
    pub since: String,
}

ambient_metric::known_keys! { Holder { process, command, since } }

/// What is wrong with a rule, and where, on one line.
fn rule(error: &TextError) -> String {
    let there = error.text.get(error.at.clone()).unwrap_or_default();
    if there == error.text {
        return format!("the rule `{}`: {}", error.text, error.problem);
    }
    let before = error.text.get(..error.at.start).unwrap_or_default();
    format!("the rule `{}`, at character {}: {}", error.text, before.chars().count() + 1, error.problem)
}

fn name(holder: Option<&Holder>) -> String {
    holder.map_or_else(
        || "another process".to_owned(),
        |Holder { process, command, since }| format!("process {process} (`{command}`) since {since}"),
    )
}

impl Error {
    /// The same error, with the place in a file where it arose.
    #[must_use]
    pub fn at(self, place: impl Into<String>) -> Self {
        Self::Record { place: place.into(), problem: self.to_string() }
    }
}
