//! The studies of arXiv 2509.03594, as the program `ambient` runs them.

pub mod bench;
pub mod error;
pub mod explain;
pub mod files;
pub mod functions;
pub mod lowdim;
pub mod machines;
pub mod present;
pub mod replay;
pub mod rules;
pub mod surface;
