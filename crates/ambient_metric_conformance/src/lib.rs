#![doc = include_str!("../README.md")]

pub mod ambient_suite;
pub mod backend_suite;
pub mod base_metric_suite;
mod chosen;
pub mod covariance;
mod differences;
pub mod embedding_suite;
mod exact;
pub mod first_step;
pub mod geometry;
mod matrix;
pub mod metric_suite;
mod proof;
mod reference;
mod reference_matrix;
pub mod runs;
mod stamps;
mod strategies;
#[doc(hidden)]
pub mod subjects;
mod summation;
pub mod surface_suite;

pub use differences::central_difference;
pub use exact::Exact;
pub use matrix::Matrix;
pub use proof::{Proof, RECORD};
pub use reference::Reference;
pub use reference_matrix::ReferenceMatrix;
pub use strategies::{
    Fraction, Surface, Trajectory, coefficients, components, decays, fractions, gradients, positive_diagonals,
    positive_fractions, splits, surfaces, trajectories,
};
pub use summation::compensated_sum;
