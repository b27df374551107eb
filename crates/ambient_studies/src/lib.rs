//! What the studies of the program `ambient` share: rules by name, machines to run them on, test functions, files, tables and pictures.

pub mod error;
pub mod explain;
pub mod files;
pub mod functions;
pub mod machines;
pub mod present;
pub mod rules;
