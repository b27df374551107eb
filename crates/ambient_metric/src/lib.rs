#![doc = include_str!("../README.md")]

#[cfg(feature = "serde")]
#[doc(hidden)]
#[macro_use]
pub mod keys;
#[cfg(not(feature = "serde"))]
#[macro_use]
mod without_keys;
#[macro_use]
mod named_unit;

mod base_metrics;
mod bundle;
mod checkpoint;
mod clipping;
mod configuration;
mod coupling;
mod curvature;
mod dense;
mod descent;
mod dual;
mod embedding;
mod error;
mod few;
mod hessian;
mod induced;
mod kernel;
mod kronecker;
mod layout;
mod ldl;
mod learned;
mod losses;
mod matrix;
mod metric;
mod metric_descent;
mod metric_optimiser;
mod momentum;
mod muon;
mod optimiser;
mod pointwise;
mod preconditioner;
pub mod prelude;
mod present;
mod pull_back;
mod record;
mod remembered;
mod routed;
mod rule;
pub mod rules;
mod scalar;
mod schedule;
mod state_storage;
mod tensor;

pub use base_metrics::{Adagrad, Euclidean, RmsProp};
#[doc(hidden)]
pub use bundle::nested_names;
pub use bundle::{Bundle, convert};
pub use checkpoint::{Checkpoint, Restored, SavedParameter};
pub use clipping::{Clip, Clipped, Hard, Induction, Root, Soft};
pub use configuration::{Configuration, Group, Groups, Rates};
pub use coupling::{
    AlongGradient, AlongMomentum, AlongParameters, Bilinear, Coupled, CoupledState, CoupledStep, CoupledSums, Coupling,
    CouplingProducts, Given, Guard, OffDiagonal, Uncoupled, coupled_step,
};
pub use curvature::{Christoffel, Curvature};
pub use dense::{Dense, DenseState};
pub use descent::{Carried, Corrections, Descent, Memory, Multipliers, Powers};
pub use dual::Dual;
pub use embedding::{Embedding, Identity, Log, Log1p, Power, Sqrt};
pub use error::Error;
pub use hessian::DenseHessian;
pub use induced::{Average, Damped, Exact, Induced, InducedSums, Placement, SurfaceFactors, SurfaceMemory};
pub use kernel::{Kernel, Uniforms};
pub use kronecker::{Kronecker, KroneckerState};
pub use layout::{Layout, Part};
pub use learned::{DiagonalCorrection, DiagonalLesson, Drive, LearnedDiagonal, LearnedScalar};
pub use losses::{Gram, Height, Heights, Joint, JointAverage, JointDamping, JointSums, joint_damping};
pub use matrix::{MatrixPart, MatrixTensor, NewtonSchulz, Separable, SpectralMatrix, Transpose, WideOf};
pub use metric::{At, BaseMetric, DiagonalMetric, Metric};
pub use metric_descent::MetricDescent;
pub use metric_optimiser::{MetricOptimiser, MetricReport};
pub use momentum::{Ema, HeavyBall, Momentum, Nesterov, NoMomentum};
pub use muon::{Muon, MuonState, Orthogonaliser, Polar, Width};
pub use optimiser::{Optimiser, Report, stands_zero};
pub use pointwise::{PointwiseMetric, PointwiseState};
pub use preconditioner::{Damping, Inputs, Local, Outcome, Preconditioner, Totals};
pub use pull_back::{PullBack, damping, determinant_ratio};
pub use record::{Entries, Recorded};
pub use remembered::{Remembered, Remembering};
pub use routed::{EveryMatrix, HiddenMatrices, Named, Route, Routed, RoutedState};
pub use rule::{Advance, Advanced, Coordinate, Measure, Measured, Pass, Rule};
pub use scalar::{Element, Field, Mask, Real};
pub use schedule::{Constant, Cosine, Linear, Schedule, Then, Times, WarmUp};
pub use state_storage::StateStorage;
pub use tensor::{Covector, Operands, Tensor, Vector, Wide, contract};
