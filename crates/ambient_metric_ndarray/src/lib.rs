#![doc = include_str!("../README.md")]

mod allocation;
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
/// The arrays that [`Parameters`] are made from and hand out, in the version that they are of: a crate of another version has other types.
pub use ndarray;
pub use parameters::Parameters;
