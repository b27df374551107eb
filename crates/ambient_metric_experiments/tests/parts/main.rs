//! The parts that the studies are made of, each by itself. (Beside the library and not in it, so that it is compiled once.)
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod bench;
mod colour;
mod command_line;
mod contours;
mod functions;
mod locks;
mod optimisers;
#[cfg(feature = "train")]
mod regression;
#[cfg(feature = "train")]
mod shakespeare;
mod starts;
#[cfg(feature = "train")]
mod summary;
mod variant;

/// What the program is, for what its command line is made of.
#[allow(dead_code, reason = "nobody runs it here")]
#[path = "../../src/main.rs"]
mod program;
