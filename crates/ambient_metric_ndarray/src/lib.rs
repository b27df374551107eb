#![doc = include_str!("../README.md")]

mod dependence;
mod elements;
mod lanes;
#[cfg(feature = "lapack")]
mod lapack;
mod matrix;
mod mixed;
mod narrow;
mod parameters;
mod pass;

#[cfg(feature = "lapack")]
pub use lapack::LapackDense;
pub use matrix::{HostMatrix, MatrixElement};
pub use parameters::Parameters;
