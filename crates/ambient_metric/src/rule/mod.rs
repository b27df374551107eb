//! Rules: updates in three acts, written once.

pub(crate) mod clipping;
pub(crate) mod coupled;
pub(crate) mod descent;
pub(crate) mod induced;
pub(crate) mod joint;
pub(crate) mod metric_descent;
pub(crate) mod preconditioner;
#[allow(clippy::module_inception, reason = "the room has the name of what stands in the middle of it")]
pub(crate) mod rule;
pub mod rules;
pub(crate) mod state_range;
