#![doc = include_str!("../README.md")]

#[cfg(feature = "serde")]
#[doc(hidden)]
#[macro_use]
pub mod keys;
#[cfg(not(feature = "serde"))]
#[macro_use]
mod without_keys;
#[macro_use]
mod named;

pub mod ambient;
pub mod any;
pub mod base;
mod error;
pub mod geometry;
pub mod number;
pub mod optimiser;
pub mod prelude;
pub mod rule;
pub mod space;

pub use ambient::{
    AmbientMetric, Conformal, Correlated, Coupled, Embedding, Height, Hyperbolic, Identity, Log, Log1p, Warped,
    Weighted,
};
pub use any::{AnyOptimiser, AnyRule};
pub use base::{Adagrad, BaseMetric, Dense, DiagonalMetric, Euclidean, Kronecker, Muon, RmsProp, Routed};
pub use error::Error;
pub use geometry::{Curvature, PullBack};
pub use number::{Bundle, Field, Real};
pub use optimiser::{Checkpoint, Configuration, Group, Optimiser, Report, Schedule};
pub use rule::{Descent, Flat, Induced, Preconditioner, Rule, rules};
pub use space::{Covector, Ema, Kernel, Layout, Metric, Momentum, Nesterov, NoMomentum, Tensor, Vector};
