//! A base metric chosen at run time.

use crate::any::matrix::{AnyMatrixMetric, AnyMatrixState};
use crate::any::parts::{Part, Written, textual};
use crate::any::pointwise::AnyPointwise;
use crate::any::table::Kind;
use crate::any::text::{Given, TextError};
use crate::base::base_metric::BaseMetric;
use crate::base::pointwise::{PointwiseMetric, PointwiseState};
use crate::error::Error;
use crate::number::scalar::Element;
use crate::space::matrix::{MatrixTensor, SpectralMatrix};
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
    /// A pointwise one.
    Pointwise(AnyPointwise),
    /// One of whole tensors.
    Matrix(AnyMatrixMetric),
}

/// What an [`AnyBaseMetric`] remembers.
#[allow(missing_docs, reason = "the variants are those of the metric")]
#[derive(Clone, Debug)]
pub enum AnyBaseState<T: MatrixTensor<Element: Element<Wide = f64>>> {
    Pointwise(PointwiseState<T, f64>),
    Matrix(AnyMatrixState<T>),
}

/// Does the same with whatever metric it is, in its states. A state of another metric is refused.
macro_rules! metric {
    ($any:expr, ($($states:expr),+), ($metric:ident, $($state:ident),+) => $does:expr) => {
        match ($any, $($states),+) {
            (AnyBaseMetric::Pointwise($metric), $(AnyBaseState::Pointwise($state)),+) => $does,
            (AnyBaseMetric::Matrix($metric), $(AnyBaseState::Matrix($state)),+) => $does,
            (metric, ..) => Err(Error::OtherMetric { metric: metric.name() }),
        }
    };
}

impl AnyBaseMetric {
    /// Whether it is pointwise, so that rules over it run in passes over memory.
    #[must_use]
    pub fn is_pointwise(&self) -> bool {
        matches!(self, Self::Pointwise(_))
    }

    /// Whether it is a metric, and not the dual of a norm.
    pub(crate) fn has_metric(&self) -> bool {
        match self {
            Self::Pointwise(metric) => PointwiseMetric::is_metric(metric),
            Self::Matrix(metric) => metric.has_metric(),
        }
    }

    /// Accepts its constants.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Pointwise(metric) => PointwiseMetric::validate(metric),
            Self::Matrix(metric) => metric.validate(),
        }
    }

    /// The name under which reports and checkpoints know it: that of the chosen one.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Pointwise(metric) => PointwiseMetric::name(metric),
            Self::Matrix(metric) => metric.name(),
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
        match self {
            Self::Pointwise(metric) => BaseMetric::begin(metric, parameters).map(AnyBaseState::Pointwise),
            Self::Matrix(metric) => metric.begin(parameters).map(AnyBaseState::Matrix),
        }
    }

    fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
        metric!(self, (state), (metric, state) => metric.update(state, gradient))
    }

    fn observes(&self) -> bool {
        match self {
            Self::Pointwise(metric) => PointwiseMetric::observes(metric),
            Self::Matrix(metric) => BaseMetric::<T>::observes(metric),
        }
    }

    fn take_observation(&self, state: &mut Self::State, examples: &[&Covector<T>]) -> Result<(), Error> {
        metric!(self, (state), (metric, state) => metric.take_observation(state, examples))
    }

    fn learn_from(
        &self,
        state: &mut Self::State,
        gradient: &Covector<T>,
        xi: Wide<T>,
        squared_length: Wide<T>,
    ) -> Result<(), Error> {
        metric!(self, (state), (metric, state) => metric.learn_from(state, gradient, xi, squared_length))
    }

    fn measured<'a>(&self, state: &'a Self::State) -> Option<&'a Covector<T>> {
        match (self, state) {
            (Self::Matrix(metric), AnyBaseState::Matrix(state)) => metric.measured(state),
            _ => None,
        }
    }

    fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
    where
        T: Separable,
    {
        match (self, state) {
            (Self::Pointwise(metric), AnyBaseState::Pointwise(state)) => {
                metric.select(state, selection).map(AnyBaseState::Pointwise)
            }
            (Self::Matrix(metric), AnyBaseState::Matrix(state)) => {
                metric.select(state, selection).map(AnyBaseState::Matrix)
            }
            (metric, _) => Err(Error::OtherMetric { metric: metric.name() }),
        }
    }

    fn place(&self, state: &mut Self::State, selection: &Selection, selected: &Self::State) -> Result<(), Error>
    where
        T: Separable,
    {
        metric!(self, (state, selected), (metric, state, selected) => metric.place(state, selection, selected))
    }

    fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
        metric!(self, (state), (metric, state) => metric.record(state, entries))
    }

    fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        metric!(self, (state), (metric, state) => metric.raise(state, covector))
    }

    fn lower(&self, state: &Self::State, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        metric!(self, (state), (metric, state) => metric.lower(state, vector))
    }

    fn log_determinant(&self, state: &Self::State) -> Result<Wide<T>, Error> {
        metric!(self, (state), (metric, state) => metric.log_determinant(state))
    }
}

impl Part for AnyBaseMetric {
    const KINDS: &'static [Kind] = &[Kind::BaseMetric];

    fn make(name: &str, constants: &[f64], given: &mut Given<'_>) -> Result<Option<Self>, TextError> {
        if let Some(metric) = AnyPointwise::make(name, constants, given)? {
            return Ok(Some(Self::Pointwise(metric)));
        }
        Ok(AnyMatrixMetric::make(name, constants, given)?.map(Self::Matrix))
    }

    fn written(&self) -> Written {
        match self {
            Self::Pointwise(metric) => metric.written(),
            Self::Matrix(metric) => metric.written(),
        }
    }
}

textual!(AnyBaseMetric);
