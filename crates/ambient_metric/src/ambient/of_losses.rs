//! Descent of the losses themselves, in place of their embeddings.

use crate::ambient::ambient_metric::{AmbientMetric, Position};
use crate::ambient::gram::Gram;
use crate::error::Error;
use crate::number::scalar::Real;
use crate::space::acts::Local;

/// An ambient metric with the plain losses descended, F = Σ L_A, in place of the heights, F = Σ f_A(L_A).
///
/// arXiv 2509.03594 descends f(L) and calls that a choice. For one loss this is its step divided by f′.
///
/// ```
/// use ambient_metric::AmbientMetric;
/// use ambient_metric::ambient::{OfLosses, Position, Product};
/// let at = Position { losses: [1.0, 2.0], heights: [0.0, 0.0] };
/// assert_eq!(OfLosses(Product).descended(at), Some([1.0, 1.0]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OfLosses<A>(
    /// The ambient metric.
    pub A,
);

impl<A: AmbientMetric<K>, const K: usize> AmbientMetric<K> for OfLosses<A> {
    type State<S: Real> = A::State<S>;
    type Memory<S: Real> = A::Memory<S>;
    type Columns<S: Real> = A::Columns<S>;
    const DEPENDS_ON_POSITION: bool = A::DEPENDS_ON_POSITION;
    const HAS_CONSTANT_COLUMNS: bool = A::HAS_CONSTANT_COLUMNS;

    #[inline(always)]
    fn columns<S: Real>(&self, state: A::State<S>, at: Local<S, [S; K]>) -> A::Columns<S> {
        self.0.columns(state, at)
    }

    #[inline(always)]
    fn observe<S: Real>(&self, state: A::State<S>, gradients: [S; K]) -> A::State<S> {
        self.0.observe(state, gradients)
    }

    fn begin<S: Real>(&self) -> A::Memory<S> {
        self.0.begin()
    }

    fn learn<S: Real>(&self, memory: A::Memory<S>, at: Position<S, K>) -> A::Memory<S> {
        self.0.learn(memory, at)
    }

    fn scale<S: Real>(&self, memory: A::Memory<S>, at: Position<S, K>) -> Option<S> {
        self.0.scale(memory, at)
    }

    fn block<S: Real>(&self, memory: A::Memory<S>, at: Position<S, K>) -> Option<Gram<S, K>> {
        self.0.block(memory, at)
    }

    fn descended<S: Real>(&self, _at: Position<S, K>) -> Option<[S; K]> {
        Some([S::one(); K])
    }

    fn accepts<S: Real>(&self, at: Position<S, K>) -> S::Mask {
        self.0.accepts(at)
    }

    fn check(&self, at: Position<f64, K>) -> Result<(), Error> {
        self.0.check(at)
    }

    fn validate(&self) -> Result<(), Error> {
        self.0.validate()
    }

    fn name(&self) -> String {
        format!("OfLosses({})", self.0.name())
    }
}
