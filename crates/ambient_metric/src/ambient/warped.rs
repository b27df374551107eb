//! Warped products: the ambient metric φ(h)²γ ⊕ dh².

use crate::ambient::ambient_metric::{AmbientMetric, Position, accepts_scale};
use crate::ambient::gram::Gram;
use crate::ambient::profile::{Profile, accepts_profile};
use crate::error::Error;
use crate::number::scalar::Real;

/// The warped product φ(h)²γ ⊕ dh²: the parameters are φ(h) times as far apart at the height h.
///
/// In the terms of [`AmbientMetric`] a = φ² and B = φ⁻².
///
/// ```
/// use ambient_metric::{Configuration, Covector, Descent, Euclidean, Identity, Induced, NoMomentum, Warped};
/// use ambient_metric::ambient::Exponential;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let rule = Descent::new(Euclidean, Induced::new(Identity, 1.0).ambient(Warped(Exponential(1.0))), NoMomentum);
/// let mut theta = Parameters::from(array![2.0_f64]);
/// let gradient = Covector(theta.clone());
/// let report = Configuration::new(rule, 0.1).build(&theta)?.step(&mut theta, &gradient, 0.5)?;
/// // φ² = e, and g = e + 4.
/// assert!((report.damping - 1.0 / (1.0_f64.exp() + 4.0)).abs() < 1e-15);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Warped<F>(
    /// φ.
    pub F,
);

impl<F: Profile> AmbientMetric for Warped<F> {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();

    fn scale<S: Real>(&self, (): (), at: Position<S>) -> Option<S> {
        Some(self.0.value(at.heights[0]).integer_power(2))
    }

    fn block<S: Real>(&self, (): (), at: Position<S>) -> Option<Gram<S>> {
        Some(Gram::diagonal([self.0.value(at.heights[0]).integer_power(-2)]))
    }

    fn accepts<S: Real>(&self, at: Position<S>) -> S::Mask {
        // The scale φ² does not show the sign of φ.
        accepts_profile(&self.0, at) & accepts_scale(self, at)
    }

    fn validate(&self) -> Result<(), Error> {
        self.0.validate()
    }

    fn name(&self) -> String {
        format!("Warped({})", self.0.name())
    }
}
