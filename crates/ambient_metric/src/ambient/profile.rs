//! Profiles: positive functions of the height, by which ambient metrics bend.

use crate::ambient::ambient_metric::Position;
use crate::error::{Error, require};
use crate::named::short_name;
use crate::number::scalar::{Real, finite, holds};

/// A positive function φ of a height: what [`Weighted`](crate::Weighted), [`Warped`](crate::Warped) and [`Conformal`](crate::Conformal) spaces
/// are made by.
///
/// ```
/// use ambient_metric::Real;
/// use ambient_metric::ambient::{Exponential, Profile, Reciprocal};
///
/// #[derive(Clone)]
/// struct Bell;
/// impl Profile for Bell {
///     fn value<S: Real>(&self, height: S) -> S {
///         (-height * height).exp()
///     }
/// }
///
/// assert_eq!(Bell.value(0.0), 1.0);
/// assert_eq!(Reciprocal(0.5).value(2.0), 0.5);
/// assert_eq!(Exponential(0.0).value(2.0), 1.0);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no profile",
    note = "implement `Profile` with one function, `fn value<S: Real>(&self, height: S) -> S`, or take `Reciprocal` or `Exponential`"
)]
pub trait Profile: Clone + Sync {
    /// φ(h).
    fn value<S: Real>(&self, height: S) -> S;

    /// Accepts the constants.
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

/// φ(h) = 1/(1 + κh), where κh > −1.
///
/// ```
/// use ambient_metric::ambient::{Profile, Reciprocal};
/// assert_eq!(Reciprocal(1.0).value(3.0), 0.25);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reciprocal(
    /// κ.
    pub f64,
);

impl Profile for Reciprocal {
    fn value<S: Real>(&self, height: S) -> S {
        S::one() / (S::one() + S::constant(self.0) * height)
    }

    fn validate(&self) -> Result<(), Error> {
        require(self.0.is_finite(), "kappa", self.0, "it must be finite")
    }
}

/// φ(h) = exp(κh).
///
/// ```
/// use ambient_metric::ambient::{Exponential, Profile};
/// assert_eq!(Exponential(1.0).value(0.0), 1.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Exponential(
    /// κ.
    pub f64,
);

impl Profile for Exponential {
    fn value<S: Real>(&self, height: S) -> S {
        (S::constant(self.0) * height).exp()
    }

    fn validate(&self) -> Result<(), Error> {
        require(self.0.is_finite(), "kappa", self.0, "it must be finite")
    }
}

/// Where the profile is finite and above zero at every height.
pub(crate) fn accepts_profile<F: Profile, S: Real, const K: usize>(profile: &F, at: Position<S, K>) -> S::Mask {
    at.heights.into_iter().fold(holds::<S>(), |all, height| {
        let value = profile.value(height);
        all & finite(value) & S::zero().less(value)
    })
}
