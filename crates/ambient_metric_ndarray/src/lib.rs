#![doc = include_str!("../README.md")]

#[cfg(feature = "lapack")]
mod lapack;
#[cfg(feature = "matrices")]
mod matrix;
mod parameters;
#[cfg(feature = "serde")]
mod saved;

#[cfg(feature = "lapack")]
pub use lapack::LapackDense;
#[cfg(feature = "matrices")]
pub use matrix::{HostMatrix, MatrixElement};
/// The arrays that [`Parameters`] are made from and hand out, in the version that they are of: a crate of another version has other types.
pub use ndarray;
pub use parameters::Parameters;
