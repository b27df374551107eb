//! The program `ambient`.

fn main() {}
