//! Embeddings: how the height of the loss surface depends on the loss.

use crate::error::{Error, require_positive};
use crate::named::short_name;
use crate::number::dual::Dual;
use crate::number::scalar::{Real, finite};

/// The function f in the height h = √ξ f(L) of the loss surface.
///
/// A new embedding is one function, [`height`](Self::height). Its slope f′ comes from dual numbers.
///
/// # Mathematics
///
#[doc = include_str!("../../math/embedding.html")]
///
/// # Requirements
///
/// f is smooth and strictly increasing where it is defined; outside it returns "undefined" (NaN).
///
/// # Example
///
/// ```
/// use ambient_metric::{Embedding, Real};
///
/// #[derive(Clone)]
/// struct Asinh;
///
/// impl Embedding for Asinh {
///     fn height<S: Real>(&self, loss: S) -> S {
///         (loss + (loss * loss + S::one()).sqrt()).ln()
///     }
/// }
///
/// assert!((Asinh.slope(1.0_f64) - 0.5_f64.sqrt()).abs() < 1e-15);
/// assert!(Asinh.check(1.0).is_ok());
/// ```
///
/// # References
///
/// arXiv 2509.03594, eq. 6 and 7: f enters the metric and the gradient that flows on it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no embedding",
    note = "implement `Embedding` with one function, `fn height<S: Real>(&self, loss: S) -> S`; the slope comes from dual numbers"
)]
pub trait Embedding: Clone + Sync {
    /// f(L).
    fn height<S: Real>(&self, loss: S) -> S;

    /// f′(L), by dual numbers.
    fn slope<S: Real>(&self, loss: S) -> S {
        self.height(Dual::variable(loss)).derivative
    }

    /// f″(L), the derivative of the slope, by dual numbers once more. Curvature needs it; a step does not.
    fn second_slope<S: Real>(&self, loss: S) -> S {
        self.slope(Dual::variable(loss)).derivative
    }

    /// Where a loss is inside the domain: it, f and f′ finite, and f′ above zero. [`check`](Self::check) asks it, and recordings do.
    fn accepts<S: Real>(&self, loss: S) -> S::Mask {
        increases(self, loss)
    }

    /// Accepts a loss inside the domain, where [`accepts`](Self::accepts) holds.
    ///
    /// # Errors
    ///
    /// [`Error::LossOutsideDomain`].
    fn check(&self, loss: f64) -> Result<(), Error> {
        if self.accepts(loss) { Ok(()) } else { Err(Error::LossOutsideDomain { embedding: self.name(), loss }) }
    }

    /// Accepts the embedding's own constants.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The name under which reports and checkpoints know it.
    fn name(&self) -> String {
        short_name::<Self>()
    }
}

impl<E: Embedding> Embedding for &E {
    fn height<S: Real>(&self, loss: S) -> S {
        (**self).height(loss)
    }

    fn slope<S: Real>(&self, loss: S) -> S {
        (**self).slope(loss)
    }

    fn second_slope<S: Real>(&self, loss: S) -> S {
        (**self).second_slope(loss)
    }

    fn accepts<S: Real>(&self, loss: S) -> S::Mask {
        (**self).accepts(loss)
    }

    fn check(&self, loss: f64) -> Result<(), Error> {
        (**self).check(loss)
    }

    fn validate(&self) -> Result<(), Error> {
        (**self).validate()
    }

    fn name(&self) -> String {
        (**self).name()
    }
}

/// Where a loss, f and f′ are finite, and f′ is above zero.
fn increases<E: Embedding, S: Real>(embedding: &E, loss: S) -> S::Mask {
    let Dual { value, derivative } = embedding.height(Dual::variable(loss));
    finite(loss) & finite(value) & finite(derivative) & S::zero().less(derivative)
}

/// f(L) = L: the damping is a smooth form of gradient clipping.
///
/// # Mathematics
///
/// f′(L) = 1 and r = 1 / (1 + v̂), which tends to 1/v̂ where the gradient is long.
///
/// # Requirements
///
/// Any finite loss.
///
/// # Example
///
/// ```
/// use ambient_metric::{Embedding, Identity};
/// assert_eq!(Identity.slope(3.0), 1.0);
/// assert!(Identity.check(-3.0).is_ok());
/// ```
///
/// # Errors
///
/// [`check`](Embedding::check) answers with [`Error::LossOutsideDomain`] outside the domain.
///
/// # References
///
/// arXiv 2509.03594, eq. 7, 8 and 10 with this f, and Algorithms 1 and 2.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Identity;

impl Embedding for Identity {
    fn height<S: Real>(&self, loss: S) -> S {
        loss
    }
}

/// f(L) = ln L: over a fixed base metric the step does not change when loss and gradient are scaled together.
///
/// # Mathematics
///
/// f′(L) = 1/L and r = L / (L² + v̂). With L → cL and l → cl, f′l and f′²⟨l, l⟩ stay as they are, so the loss's normalisation cancels. As
/// L falls r changes, so the embedding acts as a schedule as well.
///
/// # Requirements
///
/// L > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::{Embedding, Log};
/// assert_eq!(Log.slope(4.0), 0.25);
/// assert!(Log.check(0.0).is_err());
/// ```
///
/// # Errors
///
/// [`check`](Embedding::check) answers with [`Error::LossOutsideDomain`] outside the domain.
///
/// # References
///
/// arXiv 2509.03594, eq. 10, 13 and 14 with this f, and Algorithms 1 and 2.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Log;

impl Embedding for Log {
    fn height<S: Real>(&self, loss: S) -> S {
        loss.ln()
    }
}

/// f(L) = √L: on a quadratic bowl the damping factor 1 / (1 + f′² s) does not depend on L.
///
/// # Mathematics
///
/// f′(L) = 1/(2√L). For L = κ‖θ‖²/2 and γ = 1, s = ξ⟨l, l⟩ = 2ξκL and f′² s = ξκ/2, whatever L.
///
/// # Requirements
///
/// L > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::Embedding;
/// use ambient_metric::ambient::Sqrt;
/// assert_eq!(Sqrt.slope(4.0), 0.25);
/// assert!(Sqrt.check(0.0).is_err());
/// ```
///
/// # Errors
///
/// [`check`](Embedding::check) answers with [`Error::LossOutsideDomain`] outside the domain.
///
/// # References
///
/// arXiv 2509.03594, eq. 6 and 7, with this f.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sqrt;

impl Embedding for Sqrt {
    fn height<S: Real>(&self, loss: S) -> S {
        loss.sqrt()
    }
}

/// f(L) = Lᵖ: between [`Sqrt`] and [`Identity`], and beyond.
///
/// # Mathematics
///
/// f′(L) = p Lᵖ⁻¹. p = 1/2 is [`Sqrt`], p = 1 is [`Identity`] on L > 0.
///
/// # Requirements
///
/// p > 0 and L > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::Embedding;
/// use ambient_metric::ambient::Power;
/// assert_eq!(Power(2.0).slope(3.0), 6.0);
/// assert!(Power(2.0).check(-3.0).is_err());
/// assert!(Power(0.0).validate().is_err());
/// ```
///
/// # Errors
///
/// [`check`](Embedding::check) answers with [`Error::LossOutsideDomain`] outside the domain.
///
/// # References
///
/// arXiv 2509.03594, eq. 6 and 7, with this f.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Power(
    /// The exponent p.
    pub f64,
);

impl Embedding for Power {
    fn height<S: Real>(&self, loss: S) -> S {
        loss.power(self.0)
    }

    fn accepts<S: Real>(&self, loss: S) -> S::Mask {
        // An integer power has a value below zero too, where it need not increase.
        S::zero().less(loss) & increases(self, loss)
    }

    fn validate(&self) -> Result<(), Error> {
        require_positive("power", self.0)
    }

    fn name(&self) -> String {
        format!("Power({})", self.0)
    }
}

/// f(L) = ln(1 + L): like [`Log`] for large losses, safe at L = 0.
///
/// # Mathematics
///
/// f′(L) = 1/(1 + L) and r = (1 + L) / ((1 + L)² + v̂).
///
/// # Requirements
///
/// L > −1.
///
/// # Example
///
/// ```
/// use ambient_metric::{Embedding, Log1p};
/// assert_eq!(Log1p.slope(0.0), 1.0);
/// assert!(Log1p.check(-1.0).is_err());
/// ```
///
/// # Errors
///
/// [`check`](Embedding::check) answers with [`Error::LossOutsideDomain`] outside the domain.
///
/// # References
///
/// arXiv 2509.03594, eq. 6 and 7, with this f.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Log1p;

impl Embedding for Log1p {
    fn height<S: Real>(&self, loss: S) -> S {
        loss.ln_1p()
    }
}

named_unit!(Identity, Log, Sqrt, Log1p);

#[cfg(test)]
mod tests {
    use super::*;

    /// f = max(L, 0): flat below zero.
    #[derive(Clone)]
    struct Folded;

    impl Embedding for Folded {
        fn height<S: Real>(&self, loss: S) -> S {
            loss.maximum(S::zero())
        }
    }

    fn accepts(embedding: &impl Embedding, losses: &[f64]) -> Vec<bool> {
        losses.iter().map(|&loss| embedding.check(loss).is_ok()).collect()
    }

    #[test]
    fn a_loss_is_accepted_where_height_and_slope_are_finite_and_the_slope_is_above_zero() {
        let losses = [f64::NEG_INFINITY, -2.0, -1.0, 0.0, f64::from_bits(1), 2.0, 1e300, f64::INFINITY, f64::NAN];
        let (no, yes) = (false, true);
        assert_eq!(accepts(&Identity, &losses), [no, yes, yes, yes, yes, yes, yes, no, no]);
        // 1/L overflows at the smallest losses.
        assert_eq!(accepts(&Log, &losses), [no, no, no, no, no, yes, yes, no, no]);
        assert_eq!(accepts(&Sqrt, &losses), [no, no, no, no, yes, yes, yes, no, no]);
        assert_eq!(accepts(&Log1p, &losses), [no, no, no, yes, yes, yes, yes, no, no]);
        // L² overflows at 10³⁰⁰, and its slope at the smallest loss is above zero; so is that of L³ above zero alone.
        assert_eq!(accepts(&Power(2.0), &losses), [no, no, no, no, yes, yes, no, no, no]);
        assert_eq!(accepts(&Power(3.0), &losses), [no, no, no, no, no, yes, no, no, no]);
        assert_eq!(accepts(&Power(1.0), &losses), [no, no, no, no, yes, yes, yes, no, no]);
        // The slope overflows at the smallest loss, the height does not.
        assert_eq!(accepts(&Power(0.01), &losses), [no, no, no, no, no, yes, yes, no, no]);
        // No slope below zero, where the height is flat.
        assert_eq!(accepts(&Folded, &[-2.0, 2.0]), [no, yes]);
    }

    #[test]
    fn names_tell_embeddings_apart() {
        assert_eq!(Power(1.5).name(), "Power(1.5)");
        assert_eq!(Log1p.name(), "Log1p");
    }
}
