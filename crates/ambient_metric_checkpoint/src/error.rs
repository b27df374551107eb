//! What can be wrong with a file or with what goes into one.

use std::path::{Path, PathBuf};

use safetensors::Dtype;

/// Why a checkpoint was not written, read or taken up. Files, parameters and optimisers are as they were.
///
/// # Example
///
/// ```
/// use ambient_metric_checkpoint::{Problem, Snapshot};
///
/// let error = Snapshot::from_bytes(&[0; 3]).unwrap_err();
/// assert!(matches!(error.problem, Problem::Truncated { found: 3, expected: 8 }));
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{}{problem}", of_file(path.as_deref()))]
pub struct Error {
    /// The file, where there is one.
    pub path: Option<PathBuf>,
    /// What is wrong.
    #[source]
    pub problem: Problem,
}

/// What is wrong with a checkpoint.
///
/// ```
/// use ambient_metric_checkpoint::{Problem, Snapshot};
///
/// let missing = Snapshot::new().value::<f64>("temperature").unwrap_err();
/// assert!(matches!(missing.problem, Problem::Missing { what: "value", .. }));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The system refuses.
    #[error("cannot be {action}: {error}")]
    System {
        /// What was tried: `read` or `written`.
        action: &'static str,
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
    /// The path leads to a folder, a device or a pipe.
    #[error("is no regular file: give the path of a checkpoint")]
    NoFile,
    /// There are more or fewer bytes than the file says.
    #[error("has {found} bytes where {expected} are needed: it was cut off or continued; take an older one")]
    Truncated {
        /// How many there are.
        found: u64,
        /// How many there should be.
        expected: u64,
    },
    /// The header is none.
    #[error("is no safetensors file: {0}")]
    Format(String),
    /// It is a file of another program.
    #[error(
        "is a safetensors file, but no checkpoint: its metadata do not say so. Read its tensors with the crate `safetensors`"
    )]
    Foreign,
    /// It has another version of the format.
    #[error(
        "has version `{found}` of the format, and this program reads version {supported}: use the program that wrote it, or a newer one"
    )]
    Version {
        /// The version that it has.
        found: String,
        /// The version that is read.
        supported: u32,
    },
    /// Something has changed since it was written.
    #[error("is damaged: its checksum says {written}, and that of its content is {computed}; take an older one")]
    Damaged {
        /// The checksum that was written, 32 hexadecimal digits.
        written: String,
        /// The checksum of what is there.
        computed: String,
    },
    /// The content is sound, and its header is not written as this program does.
    #[error("has a header that another program has rewritten: take the file as it was written")]
    Rewritten,
    /// An entry that this version does not know.
    #[error("has an entry `{0}` that version 1 does not know")]
    Unknown(String),
    /// The header would be longer than the format allows.
    #[error("would have a header of {0} bytes, and the format allows 100000000: save large values as tensors")]
    Header(usize),
    /// Something that is asked for is not there.
    #[error("has no {what} `{name}`: there is {}", list(known))]
    Missing {
        /// What is asked for: `value`, `tensor`, `optimiser` or `parameters`.
        what: &'static str,
        /// Its name.
        name: String,
        /// The names that are there.
        known: Vec<String>,
    },
    /// Two things have the same name.
    #[error("has {what} `{name}` already: give each a name of its own")]
    Taken {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A tensor has not the bytes that its shape asks for.
    #[error("has a tensor of type {dtype} and shape {shape:?} with {bytes} bytes, which do not fit")]
    Bytes {
        /// The type of its elements.
        dtype: Dtype,
        /// Its shape.
        shape: Vec<usize>,
        /// How many bytes there are.
        bytes: usize,
    },
    /// A tensor has elements of another type than is asked for.
    #[error("has {found} elements in `{name}`, which are not of the type that is asked for: {expected}")]
    Elements {
        /// The tensor.
        name: String,
        /// The type that is asked for.
        expected: &'static str,
        /// The type that is there.
        found: Dtype,
    },
    /// A value cannot be written as JSON, or not be read from it as this type.
    #[error(
        "cannot have `{name}` as this type: {error}. Text has no numbers that are not finite; save those as tensors"
    )]
    Text {
        /// The value or optimiser.
        name: String,
        /// What is wrong.
        #[source]
        error: serde_json::Error,
    },
    /// Parameters or an optimiser refuse.
    #[error("does not fit: {0}")]
    Fit(#[source] ambient_metric::Error),
}

impl Error {
    /// The problem as one of this file.
    pub(crate) fn of(path: &Path, problem: Problem) -> Self {
        Self { path: Some(path.to_owned()), problem }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self { path: None, problem }
    }
}

impl From<ambient_metric::Error> for Error {
    fn from(error: ambient_metric::Error) -> Self {
        Problem::Fit(error).into()
    }
}

/// What the sentence begins with.
fn of_file(path: Option<&Path>) -> String {
    path.map_or_else(|| "the checkpoint ".to_owned(), |path| format!("the checkpoint {} ", path.display()))
}

/// Names, or that there are none.
fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { format!("`{}`", names.join("`, `")) }
}
