//! Rules: updates in three acts, written once.

pub(crate) mod bilinear;
pub(crate) mod clipping;
pub(crate) mod descent;
pub(crate) mod induced;
pub(crate) mod preconditioner;
#[allow(clippy::module_inception, reason = "the room has the name of what stands in the middle of it")]
pub(crate) mod rule;
pub mod rules;
pub(crate) mod state_range;
