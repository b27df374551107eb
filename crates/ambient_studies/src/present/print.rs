//! How results are printed.

use std::fmt::Write as _;

use serde::Serialize;

use crate::error::Error;

/// How results are printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// For readers.
    Table,
    /// For programs.
    Json,
}

impl Format {
    /// A result in this form, with what makes a table of it.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] for what cannot be written as JSON.
    pub fn of<T: Serialize>(self, result: &T, table: impl FnOnce(&T) -> String) -> Result<String, Error> {
        match self {
            Self::Table => Ok(table(result)),
            Self::Json => json(result),
        }
    }
}

fn json(result: &impl Serialize) -> Result<String, Error> {
    let mut text =
        serde_json::to_string_pretty(result).map_err(|source| Error::Json { what: "the result".to_owned(), source })?;
    let _ = writeln!(text);
    Ok(text)
}
