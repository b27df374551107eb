//! The command `ambient bench`: what steps cost.

mod inputs;
#[cfg(feature = "compare")]
mod other_libraries;
pub mod step;
pub mod table;
