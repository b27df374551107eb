//! Oracles and strategies.
