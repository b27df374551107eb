//! Hyperbolic space, as Poincaré's half-space.

use crate::ambient::ambient_metric::{AmbientMetric, Position};
use crate::error::Error;
use crate::number::scalar::Real;

/// Poincaré's half-space h > 0 with (γ ⊕ dh²) / h²: for a flat γ hyperbolic space, of curvature −1.
///
/// A height that is not above zero, and so ξ = 0, is outside of it: [`Error::OutsideSpace`].
///
/// ```
/// use ambient_metric::{AmbientMetric, Hyperbolic};
/// use ambient_metric::ambient::Position;
/// assert_eq!(Hyperbolic.scale((), Position { losses: [1.0], heights: [2.0] }), Some(0.25));
/// assert!(Hyperbolic.check(Position { losses: [1.0], heights: [-2.0] }).is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hyperbolic;

impl AmbientMetric for Hyperbolic {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();

    fn scale<S: Real>(&self, (): (), at: Position<S>) -> Option<S> {
        // Below zero there is no metric, which a device that does not ask `check` sees by the sign.
        Some(at.heights[0].sign() * at.heights[0].integer_power(-2))
    }

    fn check(&self, at: Position<f64>) -> Result<(), Error> {
        if at.heights[0] > 0.0 && at.heights[0].powi(-2).is_finite() {
            return Ok(());
        }
        Err(Error::OutsideSpace { ambient: AmbientMetric::name(self), heights: at.heights.to_vec() })
    }
}

named_unit!(Hyperbolic);
