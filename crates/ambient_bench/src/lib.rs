//! The command `ambient bench`: what steps cost.

pub mod gate;
mod inputs;
pub mod limit;
pub mod median;
#[cfg(feature = "compare")]
mod other_libraries;
pub mod step;
pub mod table;
