//! The geometry of the surface: lengths, volume, curvature.

pub(crate) mod bending;
pub(crate) mod curvature;
pub(crate) mod hessian;
pub(crate) mod pull_back;

pub use self::curvature::{Christoffel, Curvature};
pub use self::hessian::DenseHessian;
pub use self::pull_back::PullBack;
