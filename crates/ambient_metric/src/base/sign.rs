//! The dual of the largest-component norm: sign descent, Lion.

use crate::base::base_metric::DiagonalMetric;
use crate::number::scalar::Real;

/// l♯ = sign(l): the steepest descent of unit length where length is the largest component. The dual of a norm, and no metric.
///
/// # Mathematics
///
/// l♯ᵢ = sign(lᵢ) and s = ⟨l, l♯⟩ = ‖l‖₁, as Muon's s is the nuclear norm. The pull-back damps by s as by that of a metric: the step is r sign(m̂) with
/// r = f′ / (1 + ξf′²‖l‖₁). There is no γ, so [`lower`](crate::BaseMetric::lower) and determinants are refused, as are rules that need the inverse of one:
/// the exact placement, couplings, several losses.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, Descent, Flat};
/// use ambient_metric::base::Sign;
/// use ambient_metric::space::LionMomentum;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let lion = Descent::new(Sign, Flat, LionMomentum::default());
/// let mut theta = Parameters::from(array![3.0_f64, -4.0, 0.0]);
/// let gradient = Covector(theta.clone());
/// Configuration::new(lion, 0.5).build(&theta)?.step(&mut theta, &gradient, 1.0)?;
/// assert_eq!(theta.as_slice(), [2.5, -3.5, 0.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # References
///
/// J. Bernstein and others, *signSGD: Compressed Optimisation for Non-Convex Problems*, arXiv 1802.04434; X. Chen and others, arXiv 2302.06675.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sign;

impl DiagonalMetric for Sign {
    type State<S: Real> = ();

    #[inline(always)]
    fn observe<S: Real>(&self, (): (), _gradient: S) {}

    #[inline(always)]
    fn inverse<S: Real>(&self, (): ()) -> S {
        S::one()
    }

    #[inline(always)]
    fn sharp<S: Real>(&self, _inverse: S, covector: S) -> S {
        covector.sign()
    }

    fn is_metric(&self) -> bool {
        false
    }
}

named_unit!(Sign);
