//! Optimisers: rules at work on named parameters.

pub(crate) mod build;
pub(crate) mod checkpoint;
pub(crate) mod configuration;
pub(crate) mod engine;
pub(crate) mod fused;
pub(crate) mod in_place;
#[allow(clippy::module_inception, reason = "the room has the name of what stands in the middle of it")]
pub(crate) mod optimiser;
pub(crate) mod present;
pub(crate) mod report;
pub(crate) mod schedule;
pub(crate) mod whole;

pub use self::build::WholeOptimiser;
pub use self::checkpoint::{Checkpoint, Restored};
pub use self::configuration::{Configuration, Group, Groups, Rates, Setting};
pub use self::engine::Engine;
pub use self::fused::{Fused, stands_zero};
pub use self::optimiser::Optimiser;
pub use self::report::Report;
pub use self::schedule::{Constant, Cosine, Linear, Schedule, Then, Times, WarmUp};
pub use self::whole::Whole;
