#![doc = include_str!("../README.md")]

mod checksum;
mod error;
mod file;
mod header;
mod snapshot;
mod tensor;

pub use error::{Error, Problem};
/// The types of elements that tensors of a file can have.
pub use safetensors::Dtype;
pub use snapshot::Snapshot;
pub use tensor::SavedTensor;
