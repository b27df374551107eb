#![doc = include_str!("../README.md")]

mod differences;
mod exact;
pub mod first_step;
pub mod geometry;
mod matrix;
mod reference;
pub mod runs;
mod strategies;
mod summation;

pub use differences::central_difference;
pub use exact::Exact;
pub use matrix::Matrix;
pub use reference::Reference;
pub use strategies::{
    Fraction, Surface, Trajectory, coefficients, components, decays, fractions, gradients, positive_diagonals,
    positive_fractions, splits, surfaces, trajectories,
};
pub use summation::compensated_sum;
