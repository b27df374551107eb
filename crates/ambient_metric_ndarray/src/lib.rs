#![doc = include_str!("../README.md")]

mod lanes;
mod matrix;
mod parameters;
mod pass;

pub use matrix::{HostMatrix, MatrixElement};
pub use parameters::Parameters;
