#![doc = include_str!("../README.md")]

pub mod ambient_suite;
pub mod backend_suite;
pub mod base_metric_suite;
mod chosen;
pub mod covariance;
pub mod dense;
mod differences;
mod elimination;
pub mod embedding_suite;
mod exact;
pub mod first_step;
pub mod functions;
pub mod geometry;
pub mod heights_suite;
pub mod inlining;
#[cfg(feature = "lapack")]
pub mod lapack;
mod matrix;
pub mod matrix_suite;
pub mod metric_suite;
pub mod momentum_suite;
mod observing;
pub mod preconditioner_suite;
mod proof;
mod reference;
mod reference_matrix;
pub mod rule_suite;
pub mod runs;
mod stamps;
mod strategies;
#[doc(hidden)]
pub mod subjects;
mod summation;
pub mod surface_suite;

pub use differences::central_difference;
pub use elimination::{Solution, solve_integers};
pub use exact::{Exact, ExactMask};
pub use matrix::{Matrix, MatrixMetric};
pub use proof::{Proof, RECORD};
pub use reference::Reference;
pub use reference_matrix::ReferenceMatrix;
pub use strategies::{
    Fraction, Surface, Trajectory, coefficients, components, decays, fractions, gradients, positive_diagonals,
    positive_fractions, splits, surfaces, trajectories,
};
pub use summation::compensated_sum;
