//! What goes on where it was left: checkpoints, and those for other parameters.

mod checkpoints;
mod partial;
