//! Pointwise metrics chosen at run time.

use crate::any::parts::{Part, Written, textual};
use crate::any::table::Kind;
use crate::any::text::{Given, TextError};
use crate::base::ada_hessian::AdaHessian;
use crate::base::adabelief::AdaBelief;
use crate::base::adamax::AdaMax;
use crate::base::amsgrad::AmsGrad;
use crate::base::diagonal::{Adagrad, Euclidean, RmsProp};
use crate::base::fisher::EmpiricalFisher;
use crate::base::learned::{Drive, LearnedDiagonal, LearnedScalar};
use crate::base::max_norm::MaxNorm;
use crate::base::pointwise::{PointwiseMetric, Stretch, Weights};
use crate::base::sign::Sign;
use crate::base::sophia::Sophia;
use crate::base::yogi::Yogi;
use crate::error::Error;
use crate::number::bundle::{fit, names};
use crate::number::scalar::Real;
use crate::rule::slots::Slots;
use crate::space::acts::Totals;

/// A pointwise metric chosen at run time. Its types have room for every one: it is for rules that are [`AnyFused`](crate::any::AnyFused), whose passes are
/// recorded and keep what the chosen one does. In a compiled loop a choice would take up to a third of a step.
///
/// ```
/// use ambient_metric::any::AnyPointwise;
/// use ambient_metric::base::PointwiseMetric;
///
/// let metric: AnyPointwise = "amsgrad".parse()?;
/// assert_eq!(metric.name(), "AmsGrad");
/// assert_eq!("sign".parse::<AnyPointwise>()?.sharp(1.0, -3.0), -1.0);
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyPointwise {
    /// [`Euclidean`].
    Euclidean(Euclidean),
    /// [`Sign`].
    Sign(Sign),
    /// [`MaxNorm`].
    MaxNorm(MaxNorm),
    /// [`RmsProp`].
    RmsProp(RmsProp),
    /// [`Adagrad`].
    Adagrad(Adagrad),
    /// [`AdaBelief`].
    AdaBelief(AdaBelief),
    /// [`AdaMax`].
    AdaMax(AdaMax),
    /// [`Yogi`].
    Yogi(Yogi),
    /// [`AmsGrad`].
    AmsGrad(AmsGrad),
    /// [`LearnedScalar`].
    LearnedScalar(LearnedScalar),
    /// [`LearnedDiagonal`].
    LearnedDiagonal(LearnedDiagonal),
    /// [`Sophia`].
    Sophia(Sophia),
    /// [`AdaHessian`].
    AdaHessian(AdaHessian),
    /// [`EmpiricalFisher`].
    EmpiricalFisher(EmpiricalFisher),
}

/// Does the same with whatever metric it is.
macro_rules! pointwise {
    ($any:expr, $part:ident => $does:expr) => {
        match $any {
            AnyPointwise::Euclidean($part) => $does,
            AnyPointwise::Sign($part) => $does,
            AnyPointwise::MaxNorm($part) => $does,
            AnyPointwise::RmsProp($part) => $does,
            AnyPointwise::Adagrad($part) => $does,
            AnyPointwise::AdaBelief($part) => $does,
            AnyPointwise::AdaMax($part) => $does,
            AnyPointwise::Yogi($part) => $does,
            AnyPointwise::AmsGrad($part) => $does,
            AnyPointwise::LearnedScalar($part) => $does,
            AnyPointwise::LearnedDiagonal($part) => $does,
            AnyPointwise::Sophia($part) => $does,
            AnyPointwise::AdaHessian($part) => $does,
            AnyPointwise::EmpiricalFisher($part) => $does,
        }
    };
}

/// The names of what a metric keeps, shares (among the corrections), learns by (among the multipliers) and sums.
fn slots<M: PointwiseMetric>(_metric: &M) -> Slots {
    Slots {
        loss: Vec::new(),
        state: names::<M::State<f64>>(),
        memory: names::<M::Memory<f64>>(),
        corrections: names::<M::Shared<f64>>(),
        multipliers: names::<M::Correction<f64>>(),
        sums: names::<M::Lesson<f64>>(),
    }
}

impl AnyPointwise {
    /// The names of what the chosen one keeps, shares, learns by and sums.
    pub(crate) fn slots(&self) -> Slots {
        pointwise!(self, part => slots(part))
    }
}

#[allow(clippy::unit_arg, reason = "some metrics keep nothing")]
impl PointwiseMetric for AnyPointwise {
    type State<S: Real> = [S; 2];
    type Memory<S: Real> = S;
    type Shared<S: Real> = S;
    type Lesson<S: Real> = [S; 3];
    type Correction<S: Real> = [S; 2];

    fn decay(&self) -> f64 {
        pointwise!(self, part => PointwiseMetric::decay(part))
    }

    const OBSERVES: bool = true;

    fn observes(&self) -> bool {
        pointwise!(self, part => PointwiseMetric::observes(part))
    }

    fn notice<S: Real>(&self, weights: Weights<S>, state: [S; 2], example: S) -> [S; 2] {
        pointwise!(self, part => fit(PointwiseMetric::notice::<S>(part, weights, fit(state), example)))
    }

    fn observation_decay(&self) -> f64 {
        pointwise!(self, part => PointwiseMetric::observation_decay(part))
    }

    fn begin<S: Real>(&self) -> S {
        pointwise!(self, part => fit(PointwiseMetric::begin::<S>(part)))
    }

    fn share<S: Real>(&self, memory: S) -> S {
        pointwise!(self, part => fit(PointwiseMetric::share::<S>(part, fit(memory))))
    }

    fn observe<S: Real>(&self, state: [S; 2], gradient: S) -> [S; 2] {
        pointwise!(self, part => fit(PointwiseMetric::observe::<S>(part, fit(state), gradient)))
    }

    fn inverse<S: Real>(&self, shared: S, state: [S; 2]) -> S {
        pointwise!(self, part => PointwiseMetric::inverse(part, fit::<S, _, _>(shared), fit::<S, _, _>(state)))
    }

    fn sharp<S: Real>(&self, inverse: S, covector: S) -> S {
        pointwise!(self, part => PointwiseMetric::sharp(part, inverse, covector))
    }

    fn is_metric(&self) -> bool {
        pointwise!(self, part => PointwiseMetric::is_metric(part))
    }

    fn lesson<S: Real>(&self, shared: S, state: [S; 2], gradient: S, momentum: S) -> [S; 3] {
        pointwise!(self, part => fit(PointwiseMetric::lesson::<S>(part, fit(shared), fit(state), gradient, momentum)))
    }

    fn stretch<S: Real>(&self, lesson: [S; 3]) -> Option<Stretch<S>> {
        pointwise!(self, part => PointwiseMetric::stretch::<S>(part, fit(lesson)))
    }

    fn learn<S: Real>(&self, memory: S, xi: S, squared_length: S, lesson: [S; 3]) -> S {
        pointwise!(self, part => fit(PointwiseMetric::learn::<S>(part, fit(memory), xi, squared_length, fit(lesson))))
    }

    fn correction<S: Real>(&self, xi: S, lessons: Totals<[S; 3]>) -> [S; 2] {
        pointwise!(self, part => {
            let lessons = Totals { pool: fit(lessons.pool), group: fit(lessons.group) };
            fit(PointwiseMetric::correction::<S>(part, xi, lessons))
        })
    }

    fn settle<S: Real>(&self, correction: [S; 2], state: [S; 2], gradient: S) -> [S; 2] {
        pointwise!(self, part => fit(PointwiseMetric::settle::<S>(part, fit(correction), fit(state), gradient)))
    }

    fn learns_per_tensor(&self) -> bool {
        pointwise!(self, part => PointwiseMetric::learns_per_tensor(part))
    }

    fn validate(&self) -> Result<(), Error> {
        pointwise!(self, part => PointwiseMetric::validate(part))
    }

    fn name(&self) -> String {
        pointwise!(self, part => PointwiseMetric::name(part))
    }
}

impl Part for AnyPointwise {
    const KINDS: &'static [Kind] = &[Kind::BaseMetric];

    fn make(name: &str, constants: &[f64], given: &mut Given<'_>) -> Result<Option<Self>, TextError> {
        let drive = |given: &mut Given<'_>| if given.option("flat") { Drive::Flat } else { Drive::Metric };
        Ok(Some(match (name, constants) {
            ("euclidean", []) => Self::Euclidean(Euclidean),
            ("sign", []) => Self::Sign(Sign),
            ("max_norm", []) => Self::MaxNorm(MaxNorm),
            ("adabelief", &[beta, epsilon]) => Self::AdaBelief(AdaBelief { beta, epsilon }),
            ("adamax", &[beta, epsilon]) => Self::AdaMax(AdaMax { beta, epsilon }),
            ("yogi", &[beta, epsilon]) => Self::Yogi(Yogi { beta, epsilon }),
            ("amsgrad", &[beta, epsilon]) => Self::AmsGrad(AmsGrad { beta, epsilon }),
            ("rmsprop", &[beta, epsilon]) => Self::RmsProp(RmsProp { beta, epsilon }),
            ("adagrad", &[epsilon]) => Self::Adagrad(Adagrad { epsilon }),
            ("learned_scalar", &[kappa, decay, bound]) => {
                Self::LearnedScalar(LearnedScalar { kappa, decay, bound, drive: drive(given) })
            }
            ("learned_diagonal", &[kappa, decay, bound]) => {
                Self::LearnedDiagonal(LearnedDiagonal { kappa, decay, bound, drive: drive(given) })
            }
            ("sophia", &[beta, gamma, epsilon, clip]) => Self::Sophia(Sophia { beta, gamma, epsilon, clip }),
            ("ada_hessian", &[beta, power, epsilon]) => Self::AdaHessian(AdaHessian { beta, power, epsilon }),
            ("fisher", &[beta, damping]) => Self::EmpiricalFisher(EmpiricalFisher { beta, damping }),
            _ => return Ok(None),
        }))
    }

    fn written(&self) -> Written {
        match *self {
            Self::Euclidean(_) => Written::new("euclidean", &[]),
            Self::Sign(_) => Written::new("sign", &[]),
            Self::MaxNorm(_) => Written::new("max_norm", &[]),
            Self::RmsProp(RmsProp { beta, epsilon }) => Written::new("rmsprop", &[beta, epsilon]),
            Self::Adagrad(Adagrad { epsilon }) => Written::new("adagrad", &[epsilon]),
            Self::AdaBelief(AdaBelief { beta, epsilon }) => Written::new("adabelief", &[beta, epsilon]),
            Self::AdaMax(AdaMax { beta, epsilon }) => Written::new("adamax", &[beta, epsilon]),
            Self::Yogi(Yogi { beta, epsilon }) => Written::new("yogi", &[beta, epsilon]),
            Self::AmsGrad(AmsGrad { beta, epsilon }) => Written::new("amsgrad", &[beta, epsilon]),
            Self::LearnedScalar(LearnedScalar { kappa, decay, bound, drive }) => {
                Written::new("learned_scalar", &[kappa, decay, bound]).option("flat", drive == Drive::Flat)
            }
            Self::LearnedDiagonal(LearnedDiagonal { kappa, decay, bound, drive }) => {
                Written::new("learned_diagonal", &[kappa, decay, bound]).option("flat", drive == Drive::Flat)
            }
            Self::Sophia(Sophia { beta, gamma, epsilon, clip }) => {
                Written::new("sophia", &[beta, gamma, epsilon, clip])
            }
            Self::AdaHessian(AdaHessian { beta, power, epsilon }) => {
                Written::new("ada_hessian", &[beta, power, epsilon])
            }
            Self::EmpiricalFisher(EmpiricalFisher { beta, damping }) => Written::new("fisher", &[beta, damping]),
        }
    }
}

textual!(AnyPointwise);
