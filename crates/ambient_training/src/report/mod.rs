//! The report on sweeps and repeated runs.

pub mod groups;
pub mod page;
pub mod pictures;
