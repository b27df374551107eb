//! Coupling: which covector makes the height lean on the parameters.

use crate::error::{Error, require};
use crate::named::short_name;
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;
use crate::space::acts::Local;

/// Which covector couples a height with the parameters: c in the ambient metric G = [[γ, c], [cᵀ, 1]] that [`Coupled`](crate::Coupled) makes of it.
///
/// # Requirements
///
/// The component depends on one coordinate.
///
/// # Example
///
/// ```
/// use ambient_metric::ambient::{AlongMomentum, Coupling};
/// use ambient_metric::space::Local;
/// let at = Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 };
/// assert_eq!(AlongMomentum(0.5).covector((), at), 1.5);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no coupling",
    note = "implement `Coupling` with one function, `covector`, or take `AlongGradient`, `AlongMomentum`, `AlongParameters` or `Given`"
)]
pub trait Coupling: Clone + Sync {
    /// What is kept per element.
    type State<S: Real>: Bundle<S>;

    /// Whether c is the same at every point.
    const IS_CONSTANT: bool = false;

    /// The component of c.
    fn covector<S: Real>(&self, state: Self::State<S>, at: Local<S>) -> S;

    /// Accepts the coupling's own constants.
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

named_unit!(Given);

macro_rules! proportional {
    ($(#[$doc:meta])* $name:ident, $source:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub struct $name(
            /// κ, of either sign.
            pub f64,
        );

        impl Coupling for $name {
            type State<S: Real> = ();

            #[inline(always)]
            fn covector<S: Real>(&self, (): (), at: Local<S>) -> S {
                S::constant(self.0) * at.$source
            }

            fn validate(&self) -> Result<(), Error> {
                require(self.0.is_finite(), "kappa", self.0, "it must be finite")
            }
        }
    };
}

proportional!(
    /// c = κ l, along the gradient.
    ///
    /// ```
    /// use ambient_metric::ambient::{AlongGradient, Coupling};
    /// use ambient_metric::space::Local;
    /// assert_eq!(AlongGradient(-0.5).covector((), Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 }), -1.0);
    /// ```
    AlongGradient,
    gradient
);
proportional!(
    /// c = κ m̂, along the momentum covector.
    ///
    /// ```
    /// use ambient_metric::ambient::{AlongMomentum, Coupling};
    /// use ambient_metric::space::Local;
    /// assert_eq!(AlongMomentum(0.5).covector((), Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 }), 1.5);
    /// ```
    AlongMomentum,
    momentum
);
proportional!(
    /// c = κ θ, along the parameters with their index lowered by the unit matrix.
    ///
    /// ```
    /// use ambient_metric::ambient::{AlongParameters, Coupling};
    /// use ambient_metric::space::Local;
    /// assert_eq!(AlongParameters(0.5).covector((), Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 }), 0.5);
    /// ```
    AlongParameters,
    parameter
);

/// c as the user gives it: the state slot `ambient` (`ambient.0` and so on for several losses), written by
/// [`Optimiser::write_state`](crate::Optimiser::write_state). It begins at zero and stays what it was written to.
///
/// ```
/// use ambient_metric::{Configuration, Covector, Descent, Euclidean, Identity, Induced, NoMomentum};
/// use ambient_metric::ambient::Given;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let rule = Descent::new(Euclidean, Induced::new(Identity, 1.0).coupled(Given), NoMomentum);
/// let mut theta = Parameters::from(array![1.0_f64, 0.0]);
/// let mut optimiser = Configuration::new(rule, 1.0).build(&theta)?;
/// optimiser.write_state("ambient", &Parameters::from(array![0.0, 0.5]))?;
/// let report = optimiser.step(&mut theta, &Covector(Parameters::from(array![1.0, 0.0])), 0.5)?;
/// // ⟨c, l⟩ = 0, so D = 1 + s (1 − ⟨c, c⟩), and the step leaves the direction of the gradient.
/// assert_eq!((report.coupling, report.determinant_ratio), (0.25, 1.75));
/// assert_eq!(theta.iter().copied().collect::<Vec<_>>(), [1.0 - 1.0 / 1.75, 0.5 / 1.75]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Given;

impl Coupling for Given {
    type State<S: Real> = S;
    const IS_CONSTANT: bool = true;

    #[inline(always)]
    fn covector<S: Real>(&self, given: S, _at: Local<S>) -> S {
        given
    }
}

/// What happens where B − Cᵀγ⁻¹C is not positive definite (for one loss ⟨c, c⟩ ≥ b) and the ambient form is no metric.
///
/// ```
/// use ambient_metric::{Identity, Induced};
/// use ambient_metric::ambient::{AlongGradient, Guard};
/// let coupled = Induced::new(Identity, 1.0).coupled(AlongGradient(0.1));
/// assert_eq!(coupled.guard, Guard::Refuse);
/// assert_eq!(coupled.scale_back(1e-3).guard, Guard::ScaleBack { margin: 1e-3 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub enum Guard {
    /// The step is refused with [`Error::Coupling`].
    #[default]
    Refuse,
    /// C is scaled back so far that B − Cᵀγ⁻¹C keeps the part ε of B (for one loss to ⟨c, c⟩ = (1 − ε)b) where it does not, and the report has the
    /// factor. For several losses the trace of B⁻¹Cᵀγ⁻¹C stands for its largest eigenvalue, which it is not below.
    ScaleBack {
        /// ε, in [10⁻⁶, 1).
        margin: f64,
    },
}

impl Guard {
    /// Accepts the margin.
    pub(crate) fn validate(self) -> Result<(), Error> {
        match self {
            Self::ScaleBack { margin } => {
                require((1e-6..1.0).contains(&margin), "margin", margin, "it must lie in [1e-6, 1)")
            }
            Self::Refuse => Ok(()),
        }
    }
}
