//! Machines: where the steps of a command run.

pub mod choice;
pub mod cpu;
#[cfg(feature = "wgpu")]
mod device;
pub mod machine;
