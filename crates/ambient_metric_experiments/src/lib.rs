//! The studies of arXiv 2509.03594, as the program `ambient` runs them.

pub mod contours;
pub mod error;
pub mod functions;
pub mod lowdim;
pub mod optimisers;
pub mod page;
pub mod pictures;
pub mod reference;
pub mod replay;
pub mod starts;
pub mod study;
pub mod table;
