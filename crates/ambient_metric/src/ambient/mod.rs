//! The space in which the surface stands: heights, what couples them to the parameters, and the closed forms of a step.

pub(crate) mod coupling;
pub(crate) mod embedding;
pub(crate) mod gram;
pub(crate) mod heights;
pub(crate) mod solve;
