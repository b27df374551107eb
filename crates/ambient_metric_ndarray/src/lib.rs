#![doc = include_str!("../README.md")]

mod lanes;
mod parameters;
mod pass;

pub use parameters::Parameters;
