#![doc = include_str!("../README.md")]

mod allocation;
mod dependence;
mod elements;
mod executed;
mod lanes;
mod mixed;
mod narrow;
pub mod pass;
mod program;
mod recorded;

pub use elements::Elements;
pub use executed::{Executed, StepRates};
pub use program::Program;
pub use recorded::Recorded;
