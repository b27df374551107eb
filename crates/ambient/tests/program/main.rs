//! The program as its users meet it: output, exit codes and messages.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod command_line;
#[cfg(feature = "wgpu")]
mod devices;
#[cfg(feature = "train")]
mod training;
mod usage;

/// What the program is, for what its command line is made of.
#[allow(dead_code, reason = "nobody runs it here")]
#[path = "../../src/main.rs"]
mod program;
