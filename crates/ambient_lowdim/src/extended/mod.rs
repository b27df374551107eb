//! Every variant of the library on the five functions.

pub mod output;
mod page;
pub mod study;
pub mod table;
