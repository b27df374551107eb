//! Conformally flat spaces: the ambient metric φ(h)(γ ⊕ dh²).

use crate::ambient::ambient_metric::{AmbientMetric, Position};
use crate::ambient::profile::Profile;
use crate::error::Error;
use crate::number::scalar::Real;

/// φ(h) (γ ⊕ dh²): lengths in all directions are √φ(h) times those of the product, and angles the same.
///
/// The step is that of the paper divided by φ.
///
/// ```
/// use ambient_metric::{AmbientMetric, Conformal};
/// use ambient_metric::ambient::{Position, Reciprocal};
/// let at = Position { losses: [1.0], heights: [3.0] };
/// assert_eq!(Conformal(Reciprocal(1.0)).scale((), at), Some(0.25));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Conformal<F>(
    /// φ.
    pub F,
);

impl<F: Profile> AmbientMetric for Conformal<F> {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();

    fn scale<S: Real>(&self, (): (), at: Position<S>) -> Option<S> {
        Some(self.0.value(at.heights[0]))
    }

    fn validate(&self) -> Result<(), Error> {
        self.0.validate()
    }

    fn name(&self) -> String {
        format!("Conformal({})", self.0.name())
    }
}
