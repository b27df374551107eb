#![doc = include_str!("../README.md")]

mod abstract_tensor;
mod context;
mod error;
mod matrix;
mod optimiser;
mod pass;
mod tensor;

pub use ambient_metric::{NewtonSchulz, Transpose};
pub use context::{AdapterSummary, Context, adapters};
pub use error::DeviceError;
pub use matrix::DeviceMatrix;
pub use optimiser::{Device, DeviceOptimiser, Loss, Skip, Skips, Traffic};
pub use tensor::{BufferPart, DeviceElement, DeviceTensor};
