//! What most programs need, in one line: `use ambient_metric::prelude::*;`.
//!
//! Left out are the traits whose methods share names with those of the metrics ([`AmbientMetric`](crate::AmbientMetric),
//! [`Preconditioner`](crate::Preconditioner), [`Rule`](crate::Rule), [`Bundle`](crate::Bundle)); import them where you implement them.
//!
//! ```
//! use ambient_metric::prelude::*;
//!
//! let rule = Descent::new(RmsProp::default(), Induced::new(Log, 0.1), Ema(0.9));
//! let configuration = Configuration::new(rule, 0.01);
//! assert_eq!(configuration.weight_decay, 0.0);
//! ```

pub use crate::ambient::{AlongGradient, AlongMomentum, AlongParameters, Given, Power, Sqrt};
pub use crate::base::{EveryMatrix, HiddenMatrices, LearnedDiagonal, LearnedScalar};
pub use crate::geometry::DenseHessian;
pub use crate::optimiser::{Constant, Cosine, Linear, WholeOptimiser};
pub use crate::rule::Clipped;
pub use crate::space::{Absent, HeavyBall, StateStorage};
pub use crate::{
    Adagrad, BaseMetric, Checkpoint, Configuration, Conformal, Correlated, Coupled, Covector, Curvature, Dense,
    Descent, DiagonalMetric, Ema, Embedding, Error, Euclidean, Field, Flat, Group, Height, Hyperbolic, Identity,
    Induced, Kronecker, Log, Log1p, Metric, Muon, Nesterov, NoMomentum, Optimiser, PullBack, Real, Report, RmsProp,
    Routed, Schedule, Tensor, Vector, Warped, Weighted, rules,
};
