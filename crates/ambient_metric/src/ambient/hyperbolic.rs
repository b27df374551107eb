//! Hyperbolic space, as Poincaré's half-space.

use crate::ambient::ambient_metric::{AmbientMetric, Position};
use crate::number::scalar::{Real, finite};

/// Poincaré's half-space h > 0 with (γ ⊕ dh²) / h²: for a flat γ hyperbolic space, of curvature −1.
///
/// A height that is not above zero, and so ξ = 0, is outside of it: [`Error::OutsideSpace`](crate::Error::OutsideSpace).
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

    fn accepts<S: Real>(&self, at: Position<S>) -> S::Mask {
        S::zero().less(at.heights[0]) & finite(at.heights[0].integer_power(-2))
    }
}

named_unit!(Hyperbolic);
