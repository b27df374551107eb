#![doc = include_str!("../README.md")]

mod abstract_tensor;
mod context;
mod element;
mod error;
mod matrix;
mod optimiser;
mod pass;
mod tensor;

pub use ambient_metric::space::{NewtonSchulz, Transpose};
pub use context::{AdapterSummary, Context, adapters};
pub use element::DeviceElement;
pub use error::DeviceError;
pub use matrix::DeviceMatrix;
pub use optimiser::{Device, DeviceOptimiser, Loss, Skip, Skips, Traffic};
pub use tensor::{BufferPart, DeviceTensor};
