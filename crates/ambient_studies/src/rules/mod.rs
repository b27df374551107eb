//! Rules as the commands name them, and the constants that studies vary.

pub mod hyperparameters;
pub mod named;
pub mod table;
