//! What most programs need, in one line: `use ambient_metric::prelude::*;`.
//!
//! Left out are the traits whose methods share names with those of the metrics ([`Preconditioner`](crate::Preconditioner),
//! [`Rule`](crate::Rule), [`Bundle`](crate::Bundle)); import them where you implement them.
//!
//! ```
//! use ambient_metric::prelude::*;
//!
//! let rule = Descent::new(Induced::new(RmsProp::default(), Log, 0.1), Ema(0.9));
//! let configuration = Configuration::new(rule, 0.01);
//! assert_eq!(configuration.weight_decay, 0.0);
//! ```

pub use crate::{
    Adagrad, AlongGradient, AlongMomentum, AlongParameters, BaseMetric, Checkpoint, Clipped, Configuration, Constant,
    Cosine, Coupled, Covector, Curvature, Dense, DenseHessian, Descent, DiagonalMetric, Ema, Embedding, Error,
    Euclidean, EveryMatrix, Field, Given, Group, HeavyBall, Height, HiddenMatrices, Identity, Induced, Joint,
    Kronecker, LearnedDiagonal, LearnedScalar, Linear, Log, Log1p, Metric, MetricDescent, MetricOptimiser,
    MetricReport, Muon, Nesterov, NoMomentum, Optimiser, Power, PullBack, Real, Report, RmsProp, Routed, Schedule,
    Sqrt, StateStorage, Tensor, Vector, rules,
};
