//! How results are shown: what tables, pictures and pages share. Nothing here knows of a study.

pub mod chart;
pub mod colour;
pub mod contours;
pub mod page;
pub mod palette;
pub mod picture;
pub mod print;
pub mod progress;
pub mod relief;
pub mod table;
pub mod ticks;
