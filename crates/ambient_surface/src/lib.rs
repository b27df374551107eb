//! A loss surface with its geometry as colour, runs on it, and how steps depend on the gradient.

mod charts;
pub mod geometry;
mod length;
pub mod output;
mod page;
mod relief;
pub mod request;
pub mod runs;
pub mod scene;
mod space;
pub mod table;
