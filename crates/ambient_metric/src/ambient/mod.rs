//! The space in which the surface stands: its metric, the heights in it, and the solve that every step is.

pub(crate) mod ambient_metric;
pub(crate) mod conformal;
pub(crate) mod correlated;
pub(crate) mod coupled;
pub(crate) mod coupling;
pub(crate) mod embedding;
pub(crate) mod gram;
pub(crate) mod heights;
pub(crate) mod hyperbolic;
pub(crate) mod of_losses;
pub(crate) mod profile;
pub(crate) mod solve;
pub(crate) mod warped;
pub(crate) mod weighted;

pub use self::ambient_metric::{AmbientMetric, Columns, Covectors, Position, Product};
pub use self::conformal::Conformal;
pub use self::correlated::Correlated;
pub use self::coupled::Coupled;
pub use self::coupling::{AlongGradient, AlongMomentum, AlongParameters, Coupling, Given, Guard};
pub use self::embedding::{Embedding, Identity, Log, Log1p, Power, Sqrt};
pub use self::gram::Gram;
pub use self::heights::{Height, Heights};
pub use self::hyperbolic::Hyperbolic;
pub use self::of_losses::OfLosses;
pub use self::profile::{Exponential, Profile, Reciprocal};
pub use self::solve::{CouplingProducts, damping, determinant_ratio};
pub use self::warped::Warped;
pub use self::weighted::Weighted;
