//! Optimisers: rules at work on named parameters.

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
