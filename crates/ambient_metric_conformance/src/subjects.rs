//! The built-in metrics and embeddings with which a new subject is put together.

pub use ambient_metric::ambient::{Power, Sqrt};
pub use ambient_metric::space::Part;
use ambient_metric::{Adagrad, RmsProp};
pub use ambient_metric::{Euclidean, Identity, Log, Log1p};

/// RMSprop with constants at which proofs are exact and fractions short.
pub const RMSPROP: RmsProp = RmsProp { beta: 0.75, epsilon: 0.5 };
/// Adagrad with an ε at which fractions are short.
pub const ADAGRAD: Adagrad = Adagrad { epsilon: 0.25 };
