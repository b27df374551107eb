//! The parts that training is made of, each by itself. (Beside the library and not in it, so that it is compiled once.)
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod files;
mod regression;
mod shakespeare;
mod summary;
