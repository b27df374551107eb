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

pub use crate::{
    Absent, Adagrad, AlongGradient, AlongMomentum, AlongParameters, BaseMetric, Checkpoint, Clipped, Configuration,
    Conformal, Constant, Correlated, Cosine, Coupled, Covector, Curvature, Dense, DenseHessian, Descent,
    DiagonalMetric, Ema, Embedding, Error, Euclidean, EveryMatrix, Field, Flat, Given, Group, HeavyBall, Height,
    HiddenMatrices, Hyperbolic, Identity, Induced, Kronecker, LearnedDiagonal, LearnedScalar, Linear, Log, Log1p,
    Metric, Muon, Nesterov, NoMomentum, Optimiser, Power, PullBack, Real, Report, RmsProp, Routed, Schedule, Sqrt,
    StateStorage, Tensor, Vector, Warped, Weighted, WholeOptimiser, rules,
};
