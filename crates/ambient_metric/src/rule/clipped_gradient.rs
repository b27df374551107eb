//! Gradients that are clipped before a rule sees them.

use crate::error::{Error, require_positive};
use crate::number::scalar::Real;
use crate::rule::clipping::{Clip, Hard};
use crate::rule::transformed::{Forgotten, GradientTransform};

/// Every component of the gradient kept within ±c.
///
/// # Mathematics
///
/// l′ᵢ = max(−c, min(c, lᵢ)).
///
/// # Example
///
/// ```
/// use ambient_metric::rule::{ClipValue, GradientTransform};
/// let clip = ClipValue { limit: 0.5 };
/// assert_eq!([-3.0, 0.25].map(|l| clip.transform(0.0, l)), [-0.5, 0.25]);
/// ```
///
/// # Errors
///
/// [`validate`](GradientTransform::validate) answers with [`Error::Hyperparameter`] unless c is above zero.
///
/// # References
///
/// T. Mikolov, *Statistical Language Models Based on Neural Networks*, PhD thesis, Brno 2012.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ClipValue {
    /// The largest component c.
    pub limit: f64,
}

known_keys! { ClipValue { limit } }

impl GradientTransform for ClipValue {
    type Past = Forgotten;

    #[inline(always)]
    fn transform<S: Real>(&self, _past: S, gradient: S) -> S {
        gradient.maximum(S::constant(-self.limit)).minimum(S::constant(self.limit))
    }

    fn validate(&self) -> Result<(), Error> {
        require_positive("limit", self.limit)
    }
}

/// A gradient that is longer than c, over all parameters that share their sums, shortened to it.
///
/// # Mathematics
///
/// l′ = min(1, c/‖l‖) l, with the Euclidean length. [`Clipped`](crate::rule::Clipped) with [`Hard`] shortens the step in place of the gradient, by the
/// length in γ: its momentum and metric see all of l.
///
/// # Example
///
/// ```
/// use ambient_metric::rule::{ClipNorm, GradientTransform};
/// assert_eq!(ClipNorm { length: 1.0 }.factor(25.0), 0.2);
/// ```
///
/// # Errors
///
/// [`validate`](GradientTransform::validate) answers with [`Error::Hyperparameter`] unless c is above zero.
///
/// # References
///
/// R. Pascanu, T. Mikolov and Y. Bengio, *On the difficulty of training recurrent neural networks*, ICML 2013.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ClipNorm {
    /// The length c above which a gradient is shortened.
    pub length: f64,
}

known_keys! { ClipNorm { length } }

impl GradientTransform for ClipNorm {
    type Past = Forgotten;
    const SURVEYS: bool = true;

    #[inline(always)]
    fn transform<S: Real>(&self, _past: S, gradient: S) -> S {
        gradient
    }

    fn factor<S: Real>(&self, squared_length: S) -> S {
        Hard { length: self.length }.factor(squared_length)
    }

    fn validate(&self) -> Result<(), Error> {
        require_positive("length", self.length)
    }
}
