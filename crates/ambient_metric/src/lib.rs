#![doc = include_str!("../README.md")]

#[macro_use]
mod named_unit;

mod base_metrics;
mod bundle;
mod checkpoint;
mod configuration;
mod curvature;
mod descent;
mod dual;
mod embedding;
mod error;
mod hessian;
mod kernel;
mod layout;
mod metric;
mod momentum;
mod optimiser;
mod preconditioner;
pub mod prelude;
mod pull_back;
mod rule;
pub mod rules;
mod scalar;
mod schedule;
mod tensor;

pub use base_metrics::{Adagrad, Euclidean, RmsProp};
#[doc(hidden)]
pub use bundle::nested_names;
pub use bundle::{Bundle, convert};
pub use checkpoint::{Checkpoint, SavedParameter};
pub use configuration::{Configuration, Group, Groups, Rates};
pub use curvature::{Christoffel, Curvature};
pub use descent::{Carried, Corrections, Descent, Memory, Multipliers, Powers};
pub use dual::Dual;
pub use embedding::{Embedding, Identity, Log, Log1p, Power, Sqrt};
pub use error::Error;
pub use hessian::DenseHessian;
pub use kernel::{Kernel, Uniforms};
pub use layout::{Layout, Part};
pub use metric::{At, BaseMetric, DiagonalMetric, DiagonalState, Metric};
pub use momentum::{Ema, HeavyBall, Momentum, Nesterov, NoMomentum};
pub use optimiser::{Optimiser, Report, stands_zero};
pub use preconditioner::{
    Average, Damped, Damping, Exact, Induced, InducedSums, Inputs, Outcome, Placement, Preconditioner,
};
pub use pull_back::{PullBack, damping, determinant_ratio};
pub use rule::{Advance, Advanced, Coordinate, Measure, Measured, Pass, Rule};
pub use scalar::{Element, Field, Real};
pub use schedule::{Constant, Cosine, Linear, Schedule, Then, Times, WarmUp};
pub use tensor::{Covector, Operands, Tensor, Vector, Wide};
