//! The pointwise base metrics of the literature: Euclidean, RMSprop and Adagrad.

use crate::base::base_metric::DiagonalMetric;
use crate::error::{Error, require_decay, require_positive};
use crate::number::scalar::Real;
use crate::space::momentum::average;

/// γ = 1: the flat metric of the parameters.
///
/// # Mathematics
///
/// γ⁻¹ = 1, without state: x♯ = x and ⟨l, l⟩ = Σ l².
///
/// # Example
///
/// ```
/// use ambient_metric::{DiagonalMetric, Euclidean};
/// assert_eq!(Euclidean.inverse::<f64>(()), 1.0);
/// ```
///
/// # References
///
/// arXiv 2509.03594, Algorithms 1 and 2.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Euclidean;

impl DiagonalMetric for Euclidean {
    type State<S: Real> = ();

    #[inline(always)]
    fn observe<S: Real>(&self, (): (), _gradient: S) {}

    #[inline(always)]
    fn inverse<S: Real>(&self, (): ()) -> S {
        S::one()
    }
}

/// γ = √ρ̂ + ε with ρ̂ the moving average of l²: the preconditioner inside Adam.
///
/// # Mathematics
///
/// ρ ← βρ + (1−β)l², ρ̂ = ρ / (1−βᵗ) and γ⁻¹ = 1 / (√ρ̂ + ε), at every coordinate by itself.
///
/// # Requirements
///
/// β in [0, 1) and ε > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::{DiagonalMetric, RmsProp};
///
/// let metric = RmsProp { beta: 0.9, ..RmsProp::default() };
/// assert!(metric.validate().is_ok());
/// assert!(RmsProp { epsilon: 0.0, ..metric }.validate().is_err());
/// ```
///
/// # Errors
///
/// [`validate`](DiagonalMetric::validate) answers with [`Error::Hyperparameter`].
///
/// # References
///
/// arXiv 2509.03594, the RMSprop variant of Algorithm 1.
/// D. P. Kingma and J. Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, Algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RmsProp {
    /// The decay β of the average of squares.
    pub beta: f64,
    /// ε, added to the root.
    pub epsilon: f64,
}

known_keys! { RmsProp { beta, epsilon, .. } }

impl Default for RmsProp {
    /// β = 0.999 and ε = 10⁻⁸.
    fn default() -> Self {
        Self { beta: 0.999, epsilon: 1e-8 }
    }
}

impl DiagonalMetric for RmsProp {
    type State<S: Real> = S;

    #[inline(always)]
    fn observe<S: Real>(&self, rho: S, gradient: S) -> S {
        average(self.beta, rho, gradient * gradient)
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, rho: S) -> S {
        S::one() / (rho.sqrt() + S::constant(self.epsilon))
    }

    fn decay(&self) -> f64 {
        self.beta
    }

    fn validate(&self) -> Result<(), Error> {
        require_decay("beta_rms", self.beta)?;
        require_positive("epsilon", self.epsilon)
    }
}

/// γ = √ρ + ε with ρ the sum of l²: coordinates that were steep once are taken slowly ever after.
///
/// # Mathematics
///
/// ρ ← ρ + l² and γ⁻¹ = 1 / (√ρ + ε), at every coordinate by itself.
///
/// # Requirements
///
/// ε > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::{Adagrad, DiagonalMetric};
/// assert_eq!(Adagrad { epsilon: 1.0 }.observe(5.0, 2.0), 9.0);
/// assert_eq!(Adagrad { epsilon: 1.0 }.inverse(9.0), 0.25);
/// ```
///
/// # Errors
///
/// [`validate`](DiagonalMetric::validate) answers with [`Error::Hyperparameter`].
///
/// # References
///
/// J. Duchi, E. Hazan and Y. Singer, *Adaptive Subgradient Methods for Online Learning and Stochastic Optimization*, JMLR 12, 2011.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Adagrad {
    /// ε, added to the root.
    pub epsilon: f64,
}

known_keys! { Adagrad { epsilon, .. } }

impl Default for Adagrad {
    /// ε = 10⁻⁸.
    fn default() -> Self {
        Self { epsilon: 1e-8 }
    }
}

impl DiagonalMetric for Adagrad {
    type State<S: Real> = S;

    #[inline(always)]
    fn observe<S: Real>(&self, rho: S, gradient: S) -> S {
        rho + gradient * gradient
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, rho: S) -> S {
        S::one() / (rho.sqrt() + S::constant(self.epsilon))
    }

    fn validate(&self) -> Result<(), Error> {
        require_positive("epsilon", self.epsilon)
    }
}

named_unit!(Euclidean);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// γ of RMSprop is the root of the average of squares, plus ε. A product and two sums round three times, the root halves that.
        #[test]
        fn rmsprop_divides_by_the_root_of_the_average_of_squares(
            squares in prop::collection::vec(0.01..10.0_f64, 1..6),
            beta in 0.0..0.95_f64,
            epsilon in 1e-3..1.0_f64,
        ) {
            let metric = RmsProp { beta, epsilon };
            let average = squares.iter().fold(0.0, |rho, x| beta * rho + (1.0 - beta) * x * x);
            let rho = squares.iter().fold(0.0, |rho, &x| metric.observe(rho, x));
            prop_assert!((rho - average).abs() <= 4.0 * f64::EPSILON * average * squares.len() as f64);
            let inverse: f64 = metric.inverse(rho);
            prop_assert!((1.0 / inverse - rho.sqrt() - epsilon).abs() <= 4.0 * f64::EPSILON / inverse);
            prop_assert_eq!(DiagonalMetric::decay(&metric).to_bits(), beta.to_bits());
        }
    }

    #[test]
    fn constants_out_of_range_are_refused_and_named() {
        let name = |result: Result<(), Error>| match result {
            Err(Error::Hyperparameter { name, .. }) => name,
            _ => "accepted",
        };
        assert_eq!(name(RmsProp { beta: 1.0, epsilon: 1.0 }.validate()), "beta_rms");
        assert_eq!(name(RmsProp { beta: 0.5, epsilon: 0.0 }.validate()), "epsilon");
        assert_eq!(name(Adagrad { epsilon: 0.0 }.validate()), "epsilon");
        assert_eq!(name(Adagrad { epsilon: f64::INFINITY }.validate()), "epsilon");
        assert_eq!(name(Adagrad { epsilon: 1e-8 }.validate()), "accepted");
    }
}
