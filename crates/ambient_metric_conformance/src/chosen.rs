//! Subjects brought to where they can be proved: as they are where their numbers are fractions, else frozen at a point.

use ambient_metric::base::{At, PointwiseMetric};
use ambient_metric::space::Wide;
use ambient_metric::{BaseMetric, Covector, Embedding, Error, Metric, Real, Tensor, Vector};

use crate::exact::Exact;
use crate::observing::see;
use crate::reference::Reference;
use crate::strategies::Fraction;

/// An embedding, or the straight line with its slope at a loss where that slope is no fraction.
#[derive(Clone, Debug)]
pub(crate) enum ChosenEmbedding<'e, E> {
    Itself(&'e E),
    Line(f64),
}

impl<E: Embedding> Embedding for ChosenEmbedding<'_, E> {
    fn height<S: Real>(&self, loss: S) -> S {
        match self {
            Self::Itself(embedding) => embedding.height(loss),
            Self::Line(slope) => S::constant(*slope) * loss,
        }
    }

    fn slope<S: Real>(&self, loss: S) -> S {
        match self {
            Self::Itself(embedding) => embedding.slope(loss),
            Self::Line(slope) => S::constant(*slope),
        }
    }

    fn accepts<S: Real>(&self, loss: S) -> S::Mask {
        match self {
            Self::Itself(embedding) => embedding.accepts(loss),
            Self::Line(_) => S::zero().equal(S::zero()),
        }
    }

    fn check(&self, loss: f64) -> Result<(), Error> {
        match self {
            Self::Itself(embedding) => embedding.check(loss),
            Self::Line(_) => Ok(()),
        }
    }
}

/// A loss in the domain of an embedding, made from t: of t, t², (t² − 1)/2t and −t, from the `turn`th on, the first at which the slope
/// is a fraction; else the first in the domain, with the slope there rounded to a double. `None` where no candidate is in the domain.
pub(crate) fn choose_loss<E: Embedding>(
    embedding: &E,
    t: Fraction,
    turn: usize,
) -> Option<(Fraction, ChosenEmbedding<'_, E>)> {
    let (n, d) = (t.numerator, t.denominator);
    let hyperbolic = Fraction { numerator: n * n - d * d, denominator: 2 * n * d };
    let candidates = [t, t.squared(), hyperbolic, Fraction { numerator: -n, denominator: d }];
    let turned = candidates.iter().cycle().skip(turn).take(candidates.len());
    let allowed: Vec<Fraction> = turned.copied().filter(|loss| embedding.check(loss.to_f64()).is_ok()).collect();
    let is_exact = |loss: &&Fraction| Exact::scope(|| embedding.slope(loss.exact()).is_defined());
    if let Some(loss) = allowed.iter().find(is_exact) {
        return Some((*loss, ChosenEmbedding::Itself(embedding)));
    }
    let loss = *allowed.first()?;
    Some((loss, ChosenEmbedding::Line(embedding.slope(loss.to_f64()))))
}

/// γ⁻¹ after one gradient, coordinate by coordinate, in `f64`.
pub(crate) fn inverse_in_f64<M: PointwiseMetric>(metric: &M, seen: &[Fraction]) -> Result<Vec<f64>, Error> {
    let seen = Covector(Reference::vector(seen.iter().map(|x| x.to_f64())));
    let mut state = BaseMetric::begin(metric, &seen.0)?;
    see(metric, &mut state, &seen)?;
    let ones = Covector(Reference::vector(seen.0.elements().map(|_| 1.0)));
    Ok(BaseMetric::raise(metric, &state, &ones)?.0.elements().collect())
}

/// Whether γ⁻¹ is a fraction at every coordinate after this gradient.
pub(crate) fn is_exact_after<M: PointwiseMetric>(metric: &M, seen: &[Fraction]) -> bool {
    Exact::scope(|| {
        seen.iter().all(|&l| {
            let seen = Covector(Reference::vector([l.exact()]));
            let raised = BaseMetric::begin(metric, &seen.0).and_then(|mut state| {
                see(metric, &mut state, &seen)?;
                BaseMetric::raise(metric, &state, &Covector(Reference::vector([Exact::ratio(1, 1)])))
            });
            raised.is_ok_and(|raised| raised.0.elements().all(Exact::is_defined))
        })
    })
}

/// A metric, or the diagonal that it has at a point, read as exact numbers.
#[derive(Debug)]
pub(crate) enum ChosenMetric<'m, M> {
    Itself(&'m M),
    /// γ⁻¹.
    Diagonal(Vec<f64>),
}

impl<'m, M: PointwiseMetric> ChosenMetric<'m, M> {
    pub(crate) fn new(metric: &'m M, seen: &[Fraction]) -> Result<Self, Error> {
        if is_exact_after(metric, seen) {
            return Ok(Self::Itself(metric));
        }
        Ok(Self::Diagonal(inverse_in_f64(metric, seen)?))
    }
}

type Space = Reference<Exact>;

impl<M: PointwiseMetric> BaseMetric<Space> for ChosenMetric<'_, M> {
    type State = Option<<M as BaseMetric<Space>>::State>;

    fn begin(&self, parameters: &Space) -> Result<Self::State, Error> {
        match self {
            Self::Itself(metric) => BaseMetric::begin(*metric, parameters).map(Some),
            Self::Diagonal(_) => Ok(None),
        }
    }

    fn update(&self, state: &mut Self::State, gradient: &Covector<Space>) -> Result<(), Error> {
        match (self, state) {
            (Self::Itself(metric), Some(state)) => metric.update(state, gradient),
            _ => Ok(()),
        }
    }

    fn observes(&self) -> bool {
        matches!(self, Self::Itself(metric) if BaseMetric::<Space>::observes(*metric))
    }

    fn take_observation(&self, state: &mut Self::State, examples: &[&Covector<Space>]) -> Result<(), Error> {
        match (self, state) {
            (Self::Itself(metric), Some(state)) => metric.take_observation(state, examples),
            _ => Ok(()),
        }
    }

    fn raise(&self, state: &Self::State, covector: &Covector<Space>) -> Result<Vector<Space>, Error> {
        match (self, state) {
            (Self::Itself(metric), Some(state)) => BaseMetric::raise(*metric, state, covector),
            (Self::Itself(_), None) => Ok(Vector(covector.0.clone())),
            (Self::Diagonal(inverse), _) => {
                let raised = covector.0.elements().zip(inverse).map(|(x, &inverse)| x * Exact::ratio_of(inverse));
                Ok(Vector(Reference::vector(raised)))
            }
        }
    }

    fn lower(&self, state: &Self::State, vector: &Vector<Space>) -> Result<Covector<Space>, Error> {
        match (self, state) {
            (Self::Itself(metric), Some(state)) => BaseMetric::lower(*metric, state, vector),
            (Self::Itself(_), None) => Ok(Covector(vector.0.clone())),
            (Self::Diagonal(inverse), _) => {
                let lowered = vector.0.elements().zip(inverse).map(|(x, &inverse)| x / Exact::ratio_of(inverse));
                Ok(Covector(Reference::vector(lowered)))
            }
        }
    }

    fn log_determinant(&self, _state: &Self::State) -> Result<Exact, Error> {
        // The logarithm of a fraction is none; determinants are taken of the matrices.
        Ok(Exact::ratio(1, 0))
    }
}

/// A metric in one of its states, in which it stays: a step over it is one from there.
#[derive(Debug)]
pub(crate) struct Frozen<'m, M, St>(pub(crate) At<'m, M, St>);

impl<T: Tensor, M: BaseMetric<T>> BaseMetric<T> for Frozen<'_, M, M::State> {
    type State = ();

    fn begin(&self, _parameters: &T) -> Result<(), Error> {
        Ok(())
    }

    fn update(&self, (): &mut (), _gradient: &Covector<T>) -> Result<(), Error> {
        Ok(())
    }

    fn raise(&self, (): &(), covector: &Covector<T>) -> Result<Vector<T>, Error> {
        self.0.raise(covector)
    }

    fn lower(&self, (): &(), vector: &Vector<T>) -> Result<Covector<T>, Error> {
        self.0.lower(vector)
    }

    fn log_determinant(&self, (): &()) -> Result<Wide<T>, Error> {
        self.0.log_determinant()
    }
}
