//! The rules by name, and what they are put together from.

pub mod hyperparameters;
pub mod optimisers;
pub mod space;
pub mod surface;
pub mod variant;
pub mod with_rule;
