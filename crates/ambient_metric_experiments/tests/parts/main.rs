//! The parts that the studies are made of, each by itself. (Beside the library and not in it, so that it is compiled once.)
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod bench;
mod colour;
mod contours;
mod functions;
mod optimisers;
#[cfg(feature = "train")]
mod regression;
#[cfg(feature = "train")]
mod shakespeare;
mod starts;
#[cfg(feature = "train")]
mod summary;
mod variant;
