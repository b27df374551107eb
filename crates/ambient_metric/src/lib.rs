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

mod ambient;
mod base;
mod error;
mod geometry;
mod number;
mod optimiser;
pub mod prelude;
mod rule;
mod space;

pub use ambient::coupling::{
    AlongGradient, AlongMomentum, AlongParameters, Bilinear, Coupling, Given, Guard, OffDiagonal, Uncoupled,
};
pub use ambient::embedding::{Embedding, Identity, Log, Log1p, Power, Sqrt};
pub use ambient::gram::Gram;
pub use ambient::heights::{Height, Heights};
pub use ambient::solve::{
    CoupledStep, CouplingProducts, JointDamping, coupled_step, damping, determinant_ratio, joint_damping,
};
pub use base::base_metric::{At, BaseMetric, DiagonalMetric};
pub use base::dense::{Dense, DenseState};
pub use base::diagonal::{Adagrad, Euclidean, RmsProp};
pub use base::kronecker::{Kronecker, KroneckerState};
pub use base::learned::{DiagonalCorrection, DiagonalLesson, Drive, LearnedDiagonal, LearnedScalar};
pub use base::muon::{Muon, MuonState, Orthogonaliser, Polar, Width};
pub use base::pointwise::{PointwiseMetric, PointwiseState};
pub use base::recorded::Recorded;
pub use base::remembered::{Remembered, Remembering};
pub use base::routed::{EveryMatrix, HiddenMatrices, Named, Route, Routed, RoutedState};
pub use error::Error;
pub use geometry::curvature::{Christoffel, Curvature};
pub use geometry::hessian::DenseHessian;
pub use geometry::pull_back::PullBack;
#[doc(hidden)]
pub use number::bundle::nested_names;
pub use number::bundle::{Bundle, convert};
pub use number::dual::Dual;
pub use number::scalar::{Element, Field, Mask, Real};
pub use optimiser::checkpoint::{Checkpoint, Restored};
pub use optimiser::configuration::{Configuration, Group, Groups, Rates};
pub use optimiser::optimiser::{Optimiser, Report, stands_zero};
pub use optimiser::schedule::{Constant, Cosine, Linear, Schedule, Then, Times, WarmUp};
pub use optimiser::whole::{MetricOptimiser, MetricReport};
pub use rule::clipping::{Clip, Clipped, Hard, Induction, Root, Soft};
pub use rule::coupled::{Coupled, CoupledState, CoupledSums};
pub use rule::descent::{Carried, Corrections, Descent, Memory, Multipliers, Powers};
pub use rule::induced::{Average, Damped, Exact, Induced, InducedSums, Placement, SurfaceFactors, SurfaceMemory};
pub use rule::joint::{Joint, JointAverage, JointSums};
pub use rule::metric_descent::MetricDescent;
pub use rule::preconditioner::{Damping, Preconditioner};
pub use rule::rule::{Advance, Advanced, Coordinate, Measure, Measured, Pass, Rule};
pub use rule::rules;
pub use space::acts::{Inputs, Local, Outcome, Totals};
pub use space::kernel::{Kernel, Uniforms};
pub use space::layout::{Layout, Part};
pub use space::matrix::{MatrixPart, MatrixTensor, NewtonSchulz, Separable, SpectralMatrix, Transpose, WideOf};
pub use space::metric::Metric;
pub use space::momentum::{Ema, HeavyBall, Momentum, Nesterov, NoMomentum};
pub use space::record::{Entries, SavedParameter};
pub use space::state_storage::StateStorage;
pub use space::tensor::{Covector, Operands, Tensor, Vector, Wide, contract};
