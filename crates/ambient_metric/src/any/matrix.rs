//! Base metrics of whole tensors, chosen at run time.

use crate::any::parts::{AnyMomentum, Part, Written, textual};
use crate::any::table::{Kind, find};
use crate::any::text::{Call, Given, TextError, error};
use crate::base::base_metric::BaseMetric;
use crate::base::dense::{Dense, DenseState};
use crate::base::factored::KroneckerState;
use crate::base::kronecker::Kronecker;
use crate::base::muon::{Muon, MuonState, Orthogonaliser, Polar, Width};
use crate::error::Error;
use crate::number::scalar::Element;
use crate::space::matrix::{MatrixTensor, NewtonSchulz, SpectralMatrix, WideOf};
use crate::space::record::Entries;
use crate::space::selection::{Selection, Separable};
use crate::space::tensor::{Covector, Vector, Wide};

/// A base metric of whole tensors, chosen at run time.
///
/// ```
/// use ambient_metric::any::AnyMatrixMetric;
///
/// let metric: AnyMatrixMetric = "kronecker(beta=0.99)".parse()?;
/// assert_eq!(metric.name(), "Kronecker");
/// # Ok::<(), ambient_metric::any::TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum AnyMatrixMetric {
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

/// What an [`AnyMatrixMetric`] remembers: what the chosen one does.
#[allow(missing_docs, reason = "the variants are those of the metric")]
pub enum AnyMatrixState<T: MatrixTensor<Element: Element<Wide = f64>>> {
    Kronecker(KroneckerState<T>),
    Muon(MuonState<T>),
    Dense(DenseState<T>),
}

impl<T: MatrixTensor<Element: Element<Wide = f64>>> core::fmt::Debug for AnyMatrixState<T> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = match self {
            Self::Kronecker(_) => "Kronecker",
            Self::Muon(_) => "Muon",
            Self::Dense(_) => "Dense",
        };
        formatter.debug_tuple(name).finish_non_exhaustive()
    }
}

impl<T: MatrixTensor<Element: Element<Wide = f64>>> Clone for AnyMatrixState<T> {
    fn clone(&self) -> Self {
        match self {
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
            (AnyMatrixMetric::Kronecker($metric), AnyMatrixState::Kronecker($state)) => $does,
            (AnyMatrixMetric::Muon($metric), AnyMatrixState::Muon($state)) => $does,
            (AnyMatrixMetric::Dense($metric), AnyMatrixState::Dense($state)) => $does,
            (metric, _) => Err(Error::OtherMetric { metric: metric.name() }),
        }
    };
}

/// As `metric!`, with two states.
macro_rules! metric_of_two {
    ($any:expr, $states:expr, $others:expr, ($metric:ident, $state:ident, $other:ident) => $does:expr) => {
        match ($any, $states, $others) {
            (
                AnyMatrixMetric::Kronecker($metric),
                AnyMatrixState::Kronecker($state),
                AnyMatrixState::Kronecker($other),
            ) => $does,
            (AnyMatrixMetric::Muon($metric), AnyMatrixState::Muon($state), AnyMatrixState::Muon($other)) => $does,
            (AnyMatrixMetric::Dense($metric), AnyMatrixState::Dense($state), AnyMatrixState::Dense($other)) => $does,
            (metric, ..) => Err(Error::OtherMetric { metric: metric.name() }),
        }
    };
}

impl AnyMatrixMetric {
    /// The name under which reports and checkpoints know it: that of the chosen one.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Kronecker(_) => "Kronecker".to_owned(),
            Self::Muon(_) => "Muon".to_owned(),
            Self::Dense(_) => "Dense".to_owned(),
        }
    }
}

impl<T> BaseMetric<T> for AnyMatrixMetric
where
    T: MatrixTensor<Element: Element<Wide = f64>, Matrix: SpectralMatrix>,
{
    type State = AnyMatrixState<T>;

    fn metric_name(&self) -> String {
        self.name()
    }

    fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
        Ok(match self {
            Self::Kronecker(metric) => AnyMatrixState::Kronecker(metric.begin(parameters)?),
            Self::Muon(metric) => AnyMatrixState::Muon(metric.begin(parameters)?),
            Self::Dense(metric) => AnyMatrixState::Dense(metric.begin(parameters)?),
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
            (Self::Muon(metric), AnyMatrixState::Muon(state)) => metric.measured(state),
            _ => None,
        }
    }

    fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
    where
        T: Separable,
    {
        match (self, state) {
            (Self::Kronecker(metric), AnyMatrixState::Kronecker(state)) => {
                metric.select(state, selection).map(AnyMatrixState::Kronecker)
            }
            (Self::Muon(metric), AnyMatrixState::Muon(state)) => {
                metric.select(state, selection).map(AnyMatrixState::Muon)
            }
            (Self::Dense(metric), AnyMatrixState::Dense(state)) => {
                metric.select(state, selection).map(AnyMatrixState::Dense)
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

impl Part for AnyMatrixMetric {
    const KINDS: &'static [Kind] = &[Kind::BaseMetric];

    fn make(name: &str, constants: &[f64], given: &mut Given<'_>) -> Result<Option<Self>, TextError> {
        Ok(Some(match (name, constants) {
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

textual!(AnyMatrixMetric);
