//! The parts that the studies are made of, each by itself, and the studies against what the paper reports. (Beside the library and not in it, so that it
//! is compiled once.)
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod bench;
mod colour;
mod contours;
mod explain;
mod functions;
mod golden;
mod limit;
mod locks;
mod rules;
mod starts;
mod study;
