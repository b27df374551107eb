//! A base metric chosen at run time.

use crate::any::parts::{AnyDiagonal, AnyMomentum, AnyStateless, Part, Written, textual};
use crate::any::table::{Kind, find};
use crate::any::text::{Call, Given, TextError, error};
use crate::base::adabelief::AdaBelief;
use crate::base::adamax::AdaMax;
use crate::base::amsgrad::AmsGrad;
use crate::base::base_metric::{BaseMetric, DiagonalMetric};
use crate::base::dense::{Dense, DenseState};
use crate::base::diagonal::{Adagrad, Euclidean, RmsProp};
use crate::base::kronecker::{Kronecker, KroneckerState};
use crate::base::learned::{Drive, LearnedDiagonal, LearnedScalar};
use crate::base::muon::{Muon, MuonState, Orthogonaliser, Polar, Width};
use crate::base::pointwise::{PointwiseMetric, PointwiseState};
use crate::base::sign::Sign;
use crate::base::yogi::Yogi;
use crate::error::Error;
use crate::number::scalar::Element;
use crate::space::matrix::{MatrixTensor, NewtonSchulz, SpectralMatrix, WideOf};
use crate::space::record::Entries;
use crate::space::selection::{Selection, Separable};
use crate::space::tensor::{Covector, Vector, Wide};

/// A base metric chosen at run time: pointwise, or of whole tensors.
///
/// # Example
///
/// ```
/// use ambient_metric::any::AnyBaseMetric;
///
/// let metric: AnyBaseMetric = "rmsprop(beta=0.99)".parse()?;
/// assert_eq!(metric.to_string(), "rmsprop(beta=0.99, epsilon=1e-8)");
/// assert!(metric.is_pointwise());
/// assert!(!"muon".parse::<AnyBaseMetric>()?.is_pointwise());
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum AnyBaseMetric {
    /// One without state.
    Stateless(AnyStateless),
    /// One with a number per parameter.
    Diagonal(AnyDiagonal),
    /// [`AmsGrad`].
    AmsGrad(AmsGrad),
    /// [`LearnedScalar`].
    LearnedScalar(LearnedScalar),
    /// [`LearnedDiagonal`].
    LearnedDiagonal(LearnedDiagonal),
    /// [`Kronecker`].
    Kronecker(Kronecker),
    /// [`Muon`].
    Muon(Muon<AnyMomentum, AnyOrthogonaliser>),
    /// [`Dense`].
    Dense(Dense<f64>),
}

/// How Muon takes polar factors, chosen at run time.
///
/// ```
/// use ambient_metric::any::AnyOrthogonaliser;
/// use ambient_metric::base::Polar;
/// assert_ne!(AnyOrthogonaliser::Polar(Polar), AnyOrthogonaliser::NewtonSchulz(Default::default()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyOrthogonaliser {
    /// [`NewtonSchulz`].
    NewtonSchulz(NewtonSchulz),
    /// [`Polar`].
    Polar(Polar),
}

/// Does the same with whatever orthogonaliser it is.
macro_rules! orthogonaliser {
    ($any:expr, $part:ident => $does:expr) => {
        match $any {
            AnyOrthogonaliser::NewtonSchulz($part) => $does,
            AnyOrthogonaliser::Polar($part) => $does,
        }
    };
}

impl<M: SpectralMatrix> Orthogonaliser<M> for AnyOrthogonaliser {
    fn inverse_root(&self, matrix: &M) -> Result<M, Error> {
        orthogonaliser!(self, part => Orthogonaliser::inverse_root(part, matrix))
    }

    fn root(&self, matrix: &M, inverse: &M) -> Result<Option<(M, WideOf<M>)>, Error> {
        orthogonaliser!(self, part => Orthogonaliser::root(part, matrix, inverse))
    }

    fn polar(&self, matrix: &M) -> Result<Option<M>, Error> {
        orthogonaliser!(self, part => Orthogonaliser::polar(part, matrix))
    }

    fn validate(&self) -> Result<(), Error> {
        orthogonaliser!(self, part => Orthogonaliser::<M>::validate(part))
    }
}

/// What an [`AnyBaseMetric`] remembers: what the chosen one does.
#[allow(missing_docs, reason = "the variants are those of the metric")]
pub enum AnyBaseState<T: MatrixTensor<Element: Element<Wide = f64>>> {
    Stateless(PointwiseState<T, ()>),
    Diagonal(PointwiseState<T, ()>),
    AmsGrad(PointwiseState<T, ()>),
    LearnedScalar(PointwiseState<T, f64>),
    LearnedDiagonal(PointwiseState<T, ()>),
    Kronecker(KroneckerState<T>),
    Muon(MuonState<T>),
    Dense(DenseState<T>),
}

impl<T: MatrixTensor<Element: Element<Wide = f64>>> core::fmt::Debug for AnyBaseState<T> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = match self {
            Self::Stateless(_) => "Stateless",
            Self::Diagonal(_) => "Diagonal",
            Self::AmsGrad(_) => "AmsGrad",
            Self::LearnedScalar(_) => "LearnedScalar",
            Self::LearnedDiagonal(_) => "LearnedDiagonal",
            Self::Kronecker(_) => "Kronecker",
            Self::Muon(_) => "Muon",
            Self::Dense(_) => "Dense",
        };
        formatter.debug_tuple(name).finish_non_exhaustive()
    }
}

impl<T: MatrixTensor<Element: Element<Wide = f64>>> Clone for AnyBaseState<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Stateless(state) => Self::Stateless(state.clone()),
            Self::Diagonal(state) => Self::Diagonal(state.clone()),
            Self::AmsGrad(state) => Self::AmsGrad(state.clone()),
            Self::LearnedScalar(state) => Self::LearnedScalar(state.clone()),
            Self::LearnedDiagonal(state) => Self::LearnedDiagonal(state.clone()),
            Self::Kronecker(state) => Self::Kronecker(state.clone()),
            Self::Muon(state) => Self::Muon(state.clone()),
            Self::Dense(state) => Self::Dense(state.clone()),
        }
    }
}

/// Does the same with whatever metric it is, in its state. A state of another metric is refused.
macro_rules! metric {
    ($any:expr, $states:expr, ($metric:ident, $state:ident) => $does:expr) => {
        match ($any, $states) {
            (AnyBaseMetric::Stateless($metric), AnyBaseState::Stateless($state)) => $does,
            (AnyBaseMetric::Diagonal($metric), AnyBaseState::Diagonal($state)) => $does,
            (AnyBaseMetric::AmsGrad($metric), AnyBaseState::AmsGrad($state)) => $does,
            (AnyBaseMetric::LearnedScalar($metric), AnyBaseState::LearnedScalar($state)) => $does,
            (AnyBaseMetric::LearnedDiagonal($metric), AnyBaseState::LearnedDiagonal($state)) => $does,
            (AnyBaseMetric::Kronecker($metric), AnyBaseState::Kronecker($state)) => $does,
            (AnyBaseMetric::Muon($metric), AnyBaseState::Muon($state)) => $does,
            (AnyBaseMetric::Dense($metric), AnyBaseState::Dense($state)) => $does,
            (metric, _) => Err(Error::OtherMetric { metric: metric.name() }),
        }
    };
}

/// As `metric!`, with two states.
macro_rules! metric_of_two {
    ($any:expr, $states:expr, $others:expr, ($metric:ident, $state:ident, $other:ident) => $does:expr) => {
        match ($any, $states, $others) {
            (AnyBaseMetric::Stateless($metric), AnyBaseState::Stateless($state), AnyBaseState::Stateless($other)) => {
                $does
            }
            (AnyBaseMetric::AmsGrad($metric), AnyBaseState::AmsGrad($state), AnyBaseState::AmsGrad($other)) => $does,
            (AnyBaseMetric::Diagonal($metric), AnyBaseState::Diagonal($state), AnyBaseState::Diagonal($other)) => $does,
            (
                AnyBaseMetric::LearnedScalar($metric),
                AnyBaseState::LearnedScalar($state),
                AnyBaseState::LearnedScalar($other),
            ) => $does,
            (
                AnyBaseMetric::LearnedDiagonal($metric),
                AnyBaseState::LearnedDiagonal($state),
                AnyBaseState::LearnedDiagonal($other),
            ) => $does,
            (AnyBaseMetric::Kronecker($metric), AnyBaseState::Kronecker($state), AnyBaseState::Kronecker($other)) => {
                $does
            }
            (AnyBaseMetric::Muon($metric), AnyBaseState::Muon($state), AnyBaseState::Muon($other)) => $does,
            (AnyBaseMetric::Dense($metric), AnyBaseState::Dense($state), AnyBaseState::Dense($other)) => $does,
            (metric, ..) => Err(Error::OtherMetric { metric: metric.name() }),
        }
    };
}

impl AnyBaseMetric {
    /// Whether it is pointwise, so that rules over it run in passes over memory.
    #[must_use]
    pub fn is_pointwise(&self) -> bool {
        !matches!(self, Self::Kronecker(_) | Self::Muon(_) | Self::Dense(_))
    }

    /// Whether it is a metric, and not the dual of a norm.
    pub(crate) fn has_metric(&self) -> bool {
        !matches!(self, Self::Stateless(metric) if !DiagonalMetric::is_metric(metric))
    }

    /// The name under which reports and checkpoints know it: that of the chosen one.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Stateless(metric) => DiagonalMetric::name(metric),
            Self::Diagonal(metric) => DiagonalMetric::name(metric),
            Self::AmsGrad(metric) => DiagonalMetric::name(metric),
            Self::LearnedScalar(metric) => PointwiseMetric::name(metric),
            Self::LearnedDiagonal(metric) => PointwiseMetric::name(metric),
            Self::Kronecker(_) => "Kronecker".to_owned(),
            Self::Muon(_) => "Muon".to_owned(),
            Self::Dense(_) => "Dense".to_owned(),
        }
    }
}

impl<T> BaseMetric<T> for AnyBaseMetric
where
    T: MatrixTensor<Element: Element<Wide = f64>, Matrix: SpectralMatrix>,
{
    type State = AnyBaseState<T>;

    fn metric_name(&self) -> String {
        self.name()
    }

    fn is_metric(&self) -> bool {
        self.has_metric()
    }

    fn is_pointwise(&self) -> bool {
        Self::is_pointwise(self)
    }

    fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
        Ok(match self {
            Self::Stateless(metric) => AnyBaseState::Stateless(BaseMetric::begin(metric, parameters)?),
            Self::AmsGrad(metric) => AnyBaseState::AmsGrad(BaseMetric::begin(metric, parameters)?),
            Self::Diagonal(metric) => AnyBaseState::Diagonal(BaseMetric::begin(metric, parameters)?),
            Self::LearnedScalar(metric) => AnyBaseState::LearnedScalar(BaseMetric::begin(metric, parameters)?),
            Self::LearnedDiagonal(metric) => AnyBaseState::LearnedDiagonal(BaseMetric::begin(metric, parameters)?),
            Self::Kronecker(metric) => AnyBaseState::Kronecker(metric.begin(parameters)?),
            Self::Muon(metric) => AnyBaseState::Muon(metric.begin(parameters)?),
            Self::Dense(metric) => AnyBaseState::Dense(metric.begin(parameters)?),
        })
    }

    fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
        metric!(self, state, (metric, state) => metric.update(state, gradient))
    }

    fn learn_from(
        &self,
        state: &mut Self::State,
        gradient: &Covector<T>,
        xi: Wide<T>,
        squared_length: Wide<T>,
    ) -> Result<(), Error> {
        metric!(self, state, (metric, state) => metric.learn_from(state, gradient, xi, squared_length))
    }

    fn measured<'a>(&self, state: &'a Self::State) -> Option<&'a Covector<T>> {
        match (self, state) {
            (Self::Muon(metric), AnyBaseState::Muon(state)) => metric.measured(state),
            _ => None,
        }
    }

    fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
    where
        T: Separable,
    {
        match (self, state) {
            (Self::Stateless(metric), AnyBaseState::Stateless(state)) => {
                metric.select(state, selection).map(AnyBaseState::Stateless)
            }
            (Self::AmsGrad(metric), AnyBaseState::AmsGrad(state)) => {
                metric.select(state, selection).map(AnyBaseState::AmsGrad)
            }
            (Self::Diagonal(metric), AnyBaseState::Diagonal(state)) => {
                metric.select(state, selection).map(AnyBaseState::Diagonal)
            }
            (Self::LearnedScalar(metric), AnyBaseState::LearnedScalar(state)) => {
                metric.select(state, selection).map(AnyBaseState::LearnedScalar)
            }
            (Self::LearnedDiagonal(metric), AnyBaseState::LearnedDiagonal(state)) => {
                metric.select(state, selection).map(AnyBaseState::LearnedDiagonal)
            }
            (Self::Kronecker(metric), AnyBaseState::Kronecker(state)) => {
                metric.select(state, selection).map(AnyBaseState::Kronecker)
            }
            (Self::Muon(metric), AnyBaseState::Muon(state)) => metric.select(state, selection).map(AnyBaseState::Muon),
            (Self::Dense(metric), AnyBaseState::Dense(state)) => {
                metric.select(state, selection).map(AnyBaseState::Dense)
            }
            (metric, _) => Err(Error::OtherMetric { metric: metric.name() }),
        }
    }

    fn place(&self, state: &mut Self::State, selection: &Selection, selected: &Self::State) -> Result<(), Error>
    where
        T: Separable,
    {
        metric_of_two!(self, state, selected, (metric, state, selected) => metric.place(state, selection, selected))
    }

    fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
        metric!(self, state, (metric, state) => metric.record(state, entries))
    }

    fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        metric!(self, state, (metric, state) => metric.raise(state, covector))
    }

    fn lower(&self, state: &Self::State, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        metric!(self, state, (metric, state) => metric.lower(state, vector))
    }

    fn log_determinant(&self, state: &Self::State) -> Result<Wide<T>, Error> {
        metric!(self, state, (metric, state) => metric.log_determinant(state))
    }
}

impl Part for AnyBaseMetric {
    const KINDS: &'static [Kind] = &[Kind::BaseMetric];

    fn make(name: &str, constants: &[f64], given: &mut Given<'_>) -> Result<Option<Self>, TextError> {
        let drive = |given: &mut Given<'_>| if given.option("flat") { Drive::Flat } else { Drive::Metric };
        Ok(Some(match (name, constants) {
            ("euclidean", []) => Self::Stateless(AnyStateless::Euclidean(Euclidean)),
            ("sign", []) => Self::Stateless(AnyStateless::Sign(Sign)),
            ("adabelief", &[beta, epsilon]) => Self::Diagonal(AnyDiagonal::AdaBelief(AdaBelief { beta, epsilon })),
            ("adamax", &[beta, epsilon]) => Self::Diagonal(AnyDiagonal::AdaMax(AdaMax { beta, epsilon })),
            ("yogi", &[beta, epsilon]) => Self::Diagonal(AnyDiagonal::Yogi(Yogi { beta, epsilon })),
            ("amsgrad", &[beta, epsilon]) => Self::AmsGrad(AmsGrad { beta, epsilon }),
            ("rmsprop", &[beta, epsilon]) => Self::Diagonal(AnyDiagonal::RmsProp(RmsProp { beta, epsilon })),
            ("adagrad", &[epsilon]) => Self::Diagonal(AnyDiagonal::Adagrad(Adagrad { epsilon })),
            ("learned_scalar", &[kappa, decay, bound]) => {
                Self::LearnedScalar(LearnedScalar { kappa, decay, bound, drive: drive(given) })
            }
            ("learned_diagonal", &[kappa, decay, bound]) => {
                Self::LearnedDiagonal(LearnedDiagonal { kappa, decay, bound, drive: drive(given) })
            }
            ("kronecker", &[beta, epsilon, exponent, every]) => {
                let beta = (beta < 1.0).then_some(beta);
                Self::Kronecker(Kronecker { beta, epsilon, exponent, every: given.whole(3, every)? })
            }
            ("muon", &[a, b, c, steps]) => {
                let orthogonaliser = if given.option("polar") {
                    AnyOrthogonaliser::Polar(Polar)
                } else {
                    let steps = usize::try_from(given.whole(3, steps)?).unwrap_or(usize::MAX);
                    AnyOrthogonaliser::NewtonSchulz(NewtonSchulz { coefficients: [a, b, c], steps })
                };
                let width = match (given.option("rows_are_outputs"), given.option("columns_are_outputs")) {
                    (true, _) => Width::RowsAreOutputs,
                    (false, true) => Width::ColumnsAreOutputs,
                    (false, false) => Width::Unscaled,
                };
                let momentum = match take(given, &[Kind::Momentum]) {
                    Some(call) if call.name == "belief" => {
                        let problem = "`belief` shows a metric what it learns from, and this one learns from the momentum: take `ema`";
                        return Err(error(given.text, call.at.clone(), problem));
                    }
                    Some(call) => AnyMomentum::of(given.text, call)?,
                    None => AnyMomentum::Nesterov(Muon::default().momentum),
                };
                Self::Muon(Muon { momentum, orthogonaliser, width })
            }
            ("dense", []) => match Dense::new(given.rows.clone()) {
                Ok(dense) => Self::Dense(dense),
                Err(refusal) => return Err(error(given.text, given.at.clone(), refusal.to_string())),
            },
            _ => return Ok(None),
        }))
    }

    fn written(&self) -> Written {
        match self {
            Self::Stateless(AnyStateless::Euclidean(_)) => Written::new("euclidean", &[]),
            Self::Stateless(AnyStateless::Sign(_)) => Written::new("sign", &[]),
            Self::Diagonal(metric) => match *metric {
                AnyDiagonal::RmsProp(RmsProp { beta, epsilon }) => Written::new("rmsprop", &[beta, epsilon]),
                AnyDiagonal::Adagrad(Adagrad { epsilon }) => Written::new("adagrad", &[epsilon]),
                AnyDiagonal::AdaBelief(AdaBelief { beta, epsilon }) => Written::new("adabelief", &[beta, epsilon]),
                AnyDiagonal::AdaMax(AdaMax { beta, epsilon }) => Written::new("adamax", &[beta, epsilon]),
                AnyDiagonal::Yogi(Yogi { beta, epsilon }) => Written::new("yogi", &[beta, epsilon]),
            },
            Self::AmsGrad(AmsGrad { beta, epsilon }) => Written::new("amsgrad", &[*beta, *epsilon]),
            Self::LearnedScalar(LearnedScalar { kappa, decay, bound, drive }) => {
                Written::new("learned_scalar", &[*kappa, *decay, *bound]).option("flat", *drive == Drive::Flat)
            }
            Self::LearnedDiagonal(LearnedDiagonal { kappa, decay, bound, drive }) => {
                Written::new("learned_diagonal", &[*kappa, *decay, *bound]).option("flat", *drive == Drive::Flat)
            }
            Self::Kronecker(Kronecker { beta, epsilon, exponent, every }) => {
                Written::new("kronecker", &[beta.unwrap_or(1.0), *epsilon, *exponent, *every as f64])
            }
            Self::Muon(Muon { momentum, orthogonaliser, width }) => {
                let (constants, is_polar) = match orthogonaliser {
                    AnyOrthogonaliser::Polar(_) => (Vec::new(), true),
                    AnyOrthogonaliser::NewtonSchulz(NewtonSchulz { coefficients: [a, b, c], steps }) => {
                        (vec![*a, *b, *c, *steps as f64], false)
                    }
                };
                let mut written = Written::new("muon", &constants)
                    .option("polar", is_polar)
                    .option("rows_are_outputs", *width == Width::RowsAreOutputs)
                    .option("columns_are_outputs", *width == Width::ColumnsAreOutputs);
                written.parts.push(momentum.to_string());
                written
            }
            Self::Dense(dense) => {
                let mut written = Written::new("dense", &[]);
                written.parts = dense.rows().iter().map(|row| format!("{row:?}")).collect();
                written
            }
        }
    }
}

/// Takes the first part of these kinds.
pub(crate) fn take<'c>(given: &mut Given<'c>, kinds: &[Kind]) -> Option<&'c Call> {
    let index = given.parts.iter().position(|part| find(kinds, &part.name).is_some())?;
    Some(given.parts.remove(index))
}

textual!(AnyBaseMetric);
