//! What recorded rules promise when they run.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test has nobody to return an error to"
)]

mod bits;
mod bytes;
mod programs;
#[cfg(feature = "serde")]
mod stored;
