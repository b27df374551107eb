//! Heights that count for more or less: the ambient metric diag(γ, b(h)).

use crate::ambient::ambient_metric::{AmbientMetric, Position};
use crate::ambient::gram::Gram;
use crate::ambient::profile::{Profile, accepts_profile};
use crate::error::Error;
use crate::number::scalar::Real;

/// G = diag(γ, b(h_1), …, b(h_K)): every height is weighed by a function of it.
///
/// A surface of one loss in it is that of the paper with the embedding ∫√b dh in place of h.
///
/// ```
/// use ambient_metric::{Descent, Euclidean, Identity, Induced, NoMomentum, Rule, Weighted};
/// use ambient_metric::ambient::Reciprocal;
/// let rule = Descent::new(Euclidean, Induced::new(Identity, 1.0).ambient(Weighted(Reciprocal(1.0))), NoMomentum);
/// assert_eq!(rule.name(), "Descent(Euclidean, Induced(Identity, Weighted(Reciprocal), damped), NoMomentum)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Weighted<B>(
    /// b.
    pub B,
);

impl<B: Profile, const K: usize> AmbientMetric<K> for Weighted<B> {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();

    fn block<S: Real>(&self, (): (), at: Position<S, K>) -> Option<Gram<S, K>> {
        Some(Gram::diagonal(at.heights.map(|height| self.0.value(height))))
    }

    fn accepts<S: Real>(&self, at: Position<S, K>) -> S::Mask {
        accepts_profile(&self.0, at)
    }

    fn validate(&self) -> Result<(), Error> {
        self.0.validate()
    }

    fn name(&self) -> String {
        format!("Weighted({})", self.0.name())
    }
}
