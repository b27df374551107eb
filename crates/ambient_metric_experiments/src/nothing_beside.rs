//! A program that was built without other libraries measures nothing beside ours.

use crate::error::Error;
use crate::machine::{Baseline, Precision};

/// None.
///
/// # Errors
///
/// None.
#[allow(clippy::unnecessary_wraps, reason = "a program with others can fail")]
pub fn others(_parameters: usize, _precision: Precision) -> Result<Vec<Baseline>, Error> {
    Ok(Vec::new())
}
