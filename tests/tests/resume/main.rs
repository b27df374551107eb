//! What goes on where it was left: checkpoints, those for other parameters, and what else becomes data.

mod checkpoints;
mod data;
mod partial;
