//! The studies of arXiv 2509.03594, as the program `ambient` runs them.

pub mod bench;
#[cfg(feature = "compare")]
mod beside;
#[cfg(not(feature = "compare"))]
#[path = "nothing_beside.rs"]
mod beside;
pub mod checksum;
pub mod contours;
#[cfg(feature = "wgpu")]
pub mod device;
#[cfg(not(feature = "wgpu"))]
#[path = "no_device.rs"]
pub mod device;
pub mod error;
pub mod explain;
pub mod extended;
mod folder;
pub mod functions;
pub mod landscape;
pub mod lock;
pub mod lowdim;
pub mod machine;
pub mod numbers;
pub mod optimisers;
pub mod page;
pub mod pictures;
pub mod progress;
pub mod reference;
pub mod replay;
pub mod starts;
pub mod stepping;
pub mod study;
pub mod surface;
pub mod table;
#[cfg(feature = "train")]
pub mod training;
#[cfg(not(feature = "train"))]
#[path = "no_training.rs"]
pub mod training;
pub mod variant;
