//! What goes to disk: folders that one command writes at a time, and files whose damage is noticed.

pub mod checksum;
pub mod folder;
pub mod lock;
