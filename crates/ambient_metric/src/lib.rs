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

pub use ambient::ambient_metric::{AmbientMetric, Columns, Covectors, Position, Product};
pub use ambient::conformal::Conformal;
pub use ambient::correlated::Correlated;
pub use ambient::coupled::Coupled;
pub use ambient::coupling::{AlongGradient, AlongMomentum, AlongParameters, Coupling, Given, Guard};
pub use ambient::embedding::{Embedding, Identity, Log, Log1p, Power, Sqrt};
pub use ambient::gram::Gram;
pub use ambient::heights::{Height, Heights};
pub use ambient::hyperbolic::Hyperbolic;
pub use ambient::of_losses::OfLosses;
pub use ambient::profile::{Exponential, Profile, Reciprocal};
pub use ambient::solve::{CouplingProducts, damping, determinant_ratio};
pub use ambient::warped::Warped;
pub use ambient::weighted::Weighted;
pub use base::base_metric::{At, BaseMetric, DiagonalMetric};
pub use base::dense::{Dense, DenseState};
pub use base::diagonal::{Adagrad, Euclidean, RmsProp};
pub use base::kronecker::{Kronecker, KroneckerState};
pub use base::learned::{DiagonalCorrection, DiagonalLesson, Drive, LearnedDiagonal, LearnedScalar};
pub use base::muon::{Muon, MuonState, Orthogonaliser, Polar, Width};
pub use base::pointwise::{PointwiseMetric, PointwiseState};
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
pub use optimiser::engine::{Engine, Setting};
pub use optimiser::fused::{Fused, stands_zero};
pub use optimiser::optimiser::Optimiser;
pub use optimiser::report::Report;
pub use optimiser::schedule::{Constant, Cosine, Linear, Schedule, Then, Times, WarmUp};
pub use optimiser::whole::{Whole, WholeOptimiser};
pub use rule::bilinear::Bilinear;
pub use rule::clipping::{Clip, Clipped, Hard, Induction, Root, Soft};
pub use rule::descent::{Carried, Corrections, Descent, DescentSums, Memory, Multipliers, Powers};
pub use rule::induced::{
    Average, Damped, DampedFactors, Exact, ExactFactors, ExactSums, Induced, Placement, SurfaceMemory, SurfaceSums,
};
pub use rule::preconditioner::{Damping, Flat, Preconditioner, Raised};
pub use rule::rule::{Advance, Advanced, Coordinate, Measure, Measured, Pass, Rule};
pub use rule::rules;
pub use space::acts::{Inputs, Local, Outcome, Totals};
pub use space::kernel::{Kernel, Uniforms};
pub use space::layout::{Layout, Part};
pub use space::matrix::{MatrixPart, MatrixTensor, NewtonSchulz, Separable, SpectralMatrix, Transpose, WideOf};
pub use space::metric::Metric;
pub use space::momentum::{Ema, HeavyBall, Momentum, Nesterov, NoMomentum};
pub use space::record::{Entries, SavedParameter};
pub use space::selection::{Absent, Selection};
pub use space::state_storage::StateStorage;
pub use space::tensor::{Covector, Operands, Tensor, Vector, Wide, contract};
