//! The dual of the largest-component norm, with its length: steepest descent.

use crate::base::pointwise::{PointwiseMetric, Stretch};
use crate::bundle;
use crate::number::scalar::Real;
use crate::space::acts::Totals;

/// l♯ = ‖l‖₁ sign(l): the steepest descent where length is the largest component. As [`Sign`](crate::base::Sign), but as long as the gradient says.
///
/// # Mathematics
///
/// l♯ is the maximiser of ⟨l, v⟩ − ‖v‖²/2 with ‖v‖ the largest component, so that s = ⟨l, l♯⟩ = ‖l‖₁², homogeneous of degree two as that of a metric
/// is. The step goes along m̂♯ = ‖m̂‖₁ sign(m̂). Norms are over all parameters that share their sums. There is no γ, and what needs one is refused, as for
/// [`Sign`](crate::base::Sign).
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, Descent, Flat, NoMomentum};
/// use ambient_metric::base::MaxNorm;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mut theta = Parameters::from(array![3.0_f64, -4.0, 0.0]);
/// let gradient = Covector(theta.clone());
/// Configuration::new(Descent::new(MaxNorm, Flat, NoMomentum), 0.5).build(&theta)?.step(&mut theta, &gradient, 1.0)?;
/// assert_eq!(theta.as_slice(), [-0.5, -0.5, 0.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// On whole tensors [`begin`](crate::BaseMetric::begin) answers with [`Error::NoEngine`](crate::Error::NoEngine): build it by
/// [`Configuration::build`](crate::Configuration::build).
///
/// # References
///
/// T. Pethick and others, *Training Deep Learning Models with Norm-Constrained LMOs*, arXiv 2502.07529; S. Boyd and L. Vandenberghe, *Convex
/// Optimization*, 2004, section 9.4.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MaxNorm;

bundle! {
    /// ‖l‖₁ and ‖m̂‖₁, or what one coordinate adds to them.
    pub struct Norms { gradient, momentum }
}

impl PointwiseMetric for MaxNorm {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Shared<S: Real> = ();
    type Lesson<S: Real> = Norms<S>;
    type Correction<S: Real> = ();

    fn begin<S: Real>(&self) {}

    fn share<S: Real>(&self, (): ()) {}

    #[inline(always)]
    fn observe<S: Real>(&self, (): (), _gradient: S) {}

    #[inline(always)]
    fn inverse<S: Real>(&self, (): (), (): ()) -> S {
        S::one()
    }

    #[inline(always)]
    fn sharp<S: Real>(&self, _inverse: S, covector: S) -> S {
        covector.sign()
    }

    fn is_metric(&self) -> bool {
        false
    }

    #[inline(always)]
    fn lesson<S: Real>(&self, (): (), (): (), gradient: S, momentum: S) -> Norms<S> {
        Norms { gradient: gradient.abs(), momentum: momentum.abs() }
    }

    fn learn<S: Real>(&self, (): (), _xi: S, _squared_length: S, _norms: Norms<S>) {}

    fn correction<S: Real>(&self, _xi: S, _norms: Totals<Norms<S>>) {}

    #[inline(always)]
    fn settle<S: Real>(&self, (): (), (): (), _gradient: S) {}

    #[inline(always)]
    fn stretch<S: Real>(&self, norms: Norms<S>) -> Option<Stretch<S>> {
        Some(Stretch { gradient: norms.gradient, momentum: norms.momentum })
    }
}

named_unit!(MaxNorm);
