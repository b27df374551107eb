//! The space in which the surface stands: its metric, the heights in it, and the solve that every step is.

pub(crate) mod ambient_metric;
pub(crate) mod conformal;
pub(crate) mod correlated;
pub(crate) mod coupled;
pub(crate) mod coupling;
pub(crate) mod embedding;
pub(crate) mod gram;
pub(crate) mod heights;
pub(crate) mod hyperbolic;
pub(crate) mod of_losses;
pub(crate) mod profile;
pub(crate) mod solve;
pub(crate) mod warped;
pub(crate) mod weighted;
