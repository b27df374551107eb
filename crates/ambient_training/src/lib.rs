//! The training studies: networks trained by the library's optimisers in Burn.

pub mod checkpoint;
pub mod curves;
pub mod data;
pub mod device;
pub mod files;
mod interrupt;
pub mod log;
pub mod networks;
pub mod optimisers;
pub mod outcome;
pub mod report;
pub mod run;
pub mod sampler;
pub mod settings;
pub mod studies;
pub mod study;
pub mod sweep;
pub mod task;
pub mod trainer;
