//! What can go wrong in a developer command.

use std::path::PathBuf;

use thiserror::Error;

/// Why a developer command failed, naming the step where it did.
#[derive(Debug, Error)]
pub enum Failure {
    #[error("step `{step}`: {status}")]
    Step { step: String, status: std::process::ExitStatus },
    #[error("step `{step}`: cannot start `{program}`: {source}")]
    Start { step: String, program: String, source: std::io::Error },
    #[error("step `{step}`: {problem}")]
    Check { step: &'static str, problem: String },
    #[error("cannot access {}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("run this as `cargo xtask`: {0} is not set")]
    Environment(&'static str),
}

impl Failure {
    /// A failed check of a step.
    pub fn check(step: &'static str, problem: impl Into<String>) -> Self {
        Self::Check { step, problem: problem.into() }
    }

    /// Turns an error on a path into a failure.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
