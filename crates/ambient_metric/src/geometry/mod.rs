//! The geometry of the surface: lengths, volume, curvature.

pub(crate) mod bending;
pub(crate) mod curvature;
pub(crate) mod hessian;
pub(crate) mod pull_back;
