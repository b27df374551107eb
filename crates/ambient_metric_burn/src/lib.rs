#![doc = include_str!("../README.md")]

pub mod checksum;
mod error;
mod evaluate;
mod matrix;
mod module;
mod optimiser;
mod parameters;
mod record;
mod saving;

pub use error::BurnError;
pub use matrix::DeviceMatrix;
pub use optimiser::ModuleOptimiser;
pub use parameters::{BurnElement, Parameters};
