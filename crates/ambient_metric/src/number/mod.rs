//! Numbers, and named groups of them.

pub(crate) mod bundle;
pub(crate) mod dual;
pub(crate) mod scalar;
