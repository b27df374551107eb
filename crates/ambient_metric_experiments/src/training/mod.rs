//! The training studies: networks trained by the library's optimisers in Burn.

pub mod command;
pub mod curves;
pub mod data;
pub mod device;
pub mod files;
pub mod log;
pub mod networks;
pub mod optimisers;
pub mod report;
pub mod report_page;
pub mod report_pictures;
pub mod run;
pub mod sampler;
pub mod studies;
pub mod study;
pub mod sweep;
pub mod sweep_command;
pub mod task;
pub mod trainer;
