//! Numbers, and named groups of them.

pub(crate) mod bundle;
pub(crate) mod dual;
pub(crate) mod mix;
pub(crate) mod scalar;

#[doc(hidden)]
pub use self::bundle::nested_names;
pub use self::bundle::{Bundle, Pairing, convert};
pub use self::dual::Dual;
pub use self::mix::mix;
pub use self::scalar::{Element, Field, Mask, Real};
