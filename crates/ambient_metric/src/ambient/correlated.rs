//! Heights at an angle: the ambient metric diag(γ, B) with equal elements beside the diagonal of B.

use crate::ambient::ambient_metric::{AmbientMetric, Position};
use crate::ambient::gram::Gram;
use crate::error::{Error, require};
use crate::number::scalar::Real;

/// Heights of which every two have the cosine ρ: B has ones on the diagonal and ρ beside it.
///
/// It is a metric for K heights where −1/(K − 1) < ρ < 1, and the product at ρ = 0.
///
/// ```
/// use ambient_metric::{Correlated, Descent, Euclidean, Height, Identity, Induced, NoMomentum, Rule};
/// let heights = [Height { embedding: Identity, xi: 1.0 }; 3];
/// let rule = |rho| Descent::new(Euclidean, Induced::of(heights).ambient(Correlated { rho }), NoMomentum);
/// assert!(rule(0.5).validate().is_ok() && rule(-0.5).validate().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Correlated {
    /// ρ.
    pub rho: f64,
}

known_keys! { Correlated { rho } }

impl<const K: usize> AmbientMetric<K> for Correlated {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();
    const DEPENDS_ON_POSITION: bool = false;

    fn block<S: Real>(&self, (): (), _at: Position<S, K>) -> Option<Gram<S, K>> {
        Some(Gram::from_entries(|row, column| if row == column { S::one() } else { S::constant(self.rho) }))
    }

    fn validate(&self) -> Result<(), Error> {
        let is_definite = self.rho < 1.0 && 1.0 + (K.saturating_sub(1) as f64) * self.rho > 0.0;
        require(is_definite, "rho", self.rho, "for K losses it must lie between -1/(K - 1) and 1")
    }
}
