#![doc = include_str!("../README.md")]

mod graph;
mod lower;
mod print;
mod recording;
pub mod shader;
mod stored;
mod traced;

pub use graph::{Binary, Graph, Id, Node, Unary};
pub use print::{Body, Notation, Wgsl};
pub use recording::{Recording, Slot};
pub use traced::{Traced, TracedMask};
