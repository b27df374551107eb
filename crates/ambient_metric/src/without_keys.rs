//! What stands for `known_keys!` where nothing is deserialised.

macro_rules! known_keys {
    ($($keys:tt)*) => {};
}
