//! Coupling: which covector makes the height lean on the parameters.

use crate::error::{Error, require};
use crate::named::short_name;
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;
use crate::space::acts::Local;

/// Which covector couples the height with the parameters: c in the ambient metric G = [[γ, c], [cᵀ, 1]].
///
/// # Requirements
///
/// The component depends on one coordinate.
///
/// # Example
///
/// ```
/// use ambient_metric::{AlongMomentum, Coupling, Local};
/// let at = Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 };
/// assert_eq!(AlongMomentum(0.5).covector((), at), 1.5);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no coupling",
    note = "implement `Coupling` with one function, `covector`, or take `AlongGradient`, `AlongMomentum`, `AlongParameters`, `Given` or `Uncoupled`"
)]
pub trait Coupling: Sync {
    /// What is kept per element.
    type State<S: Real>: Bundle<S>;

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

/// No coupling: c = 0, and the surface is that of [`Induced`](crate::Induced).
///
/// ```
/// use ambient_metric::{Coupling, Local, Uncoupled};
/// assert_eq!(Uncoupled.covector((), Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 }), 0.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Uncoupled;

impl Coupling for Uncoupled {
    type State<S: Real> = ();

    #[inline(always)]
    fn covector<S: Real>(&self, (): (), _at: Local<S>) -> S {
        S::zero()
    }
}

named_unit!(Uncoupled, Given);

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
    /// use ambient_metric::{AlongGradient, Coupling, Local};
    /// assert_eq!(AlongGradient(-0.5).covector((), Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 }), -1.0);
    /// ```
    AlongGradient,
    gradient
);
proportional!(
    /// c = κ m̂, along the momentum covector.
    ///
    /// ```
    /// use ambient_metric::{AlongMomentum, Coupling, Local};
    /// assert_eq!(AlongMomentum(0.5).covector((), Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 }), 1.5);
    /// ```
    AlongMomentum,
    momentum
);
proportional!(
    /// c = κ θ, along the parameters with their index lowered by the unit matrix.
    ///
    /// ```
    /// use ambient_metric::{AlongParameters, Coupling, Local};
    /// assert_eq!(AlongParameters(0.5).covector((), Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 }), 0.5);
    /// ```
    AlongParameters,
    parameter
);

/// c as the user gives it: the state slot `metric.coupling` (of a [`Bilinear`] form `metric.coupling.0` or `metric.coupling.1`), written by
/// [`Optimiser::write_state`](crate::Optimiser::write_state). It begins at zero and stays what it was written to.
///
/// ```
/// use ambient_metric::{Configuration, Coupled, Covector, Descent, Euclidean, Given, Identity, NoMomentum};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let rule = Descent::new(Coupled::new(Euclidean, Identity, Given, 1.0), NoMomentum);
/// let mut theta = Parameters::from(array![1.0_f64, 0.0]);
/// let mut optimiser = Configuration::new(rule, 1.0).build(&theta)?;
/// optimiser.write_state("metric.coupling", &Parameters::from(array![0.0, 0.5]))?;
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

    #[inline(always)]
    fn covector<S: Real>(&self, given: S, _at: Local<S>) -> S {
        given
    }
}

/// The off-diagonal elements of the ambient form [[γ, a], [bᵀ, 1]]: every [`Coupling`] c is one with a = b = c, [`Bilinear`] one with a ≠ b.
///
/// ```
/// use ambient_metric::{AlongGradient, Local, OffDiagonal};
/// let at = Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 };
/// assert_eq!(AlongGradient(0.5).covectors((), at), [1.0, 1.0]);
/// ```
pub trait OffDiagonal: Sync {
    /// Whether a = b, so that the form is a metric where ⟨c, c⟩ < 1.
    const IS_SYMMETRIC: bool;
    /// What is kept per element.
    type State<S: Real>: Bundle<S>;

    /// The components of a and b.
    fn covectors<S: Real>(&self, state: Self::State<S>, at: Local<S>) -> [S; 2];

    /// Accepts the constants.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    fn validate(&self) -> Result<(), Error>;

    /// The name under which reports and checkpoints know it.
    fn name(&self) -> String;
}

impl<C: Coupling> OffDiagonal for C {
    const IS_SYMMETRIC: bool = true;
    type State<S: Real> = C::State<S>;

    #[inline(always)]
    fn covectors<S: Real>(&self, state: C::State<S>, at: Local<S>) -> [S; 2] {
        let covector = self.covector(state, at);
        [covector, covector]
    }

    fn validate(&self) -> Result<(), Error> {
        Coupling::validate(self)
    }

    fn name(&self) -> String {
        Coupling::name(self)
    }
}

/// a ≠ b: a bilinear form and not a metric. Its step is solved for all the same, and refused where D ≤ 0.
///
/// ```
/// use ambient_metric::{AlongGradient, AlongMomentum, Bilinear, Local, OffDiagonal};
/// let at = Local { parameter: 1.0, gradient: 2.0, momentum: 3.0 };
/// assert_eq!(Bilinear { a: AlongGradient(0.5), b: AlongMomentum(1.0) }.covectors(((), ()), at), [1.0, 3.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Bilinear<A, B> {
    /// a, the column beside γ.
    pub a: A,
    /// b, the row below γ.
    pub b: B,
}

known_keys! { Bilinear<A, B> { a, b } }

impl<A: Coupling, B: Coupling> OffDiagonal for Bilinear<A, B> {
    const IS_SYMMETRIC: bool = false;
    type State<S: Real> = (A::State<S>, B::State<S>);

    #[inline(always)]
    fn covectors<S: Real>(&self, (a, b): Self::State<S>, at: Local<S>) -> [S; 2] {
        [self.a.covector(a, at), self.b.covector(b, at)]
    }

    fn validate(&self) -> Result<(), Error> {
        self.a.validate()?;
        self.b.validate()
    }

    fn name(&self) -> String {
        format!("Bilinear({}, {})", self.a.name(), self.b.name())
    }
}

/// What happens where ⟨c, c⟩ ≥ 1 and the ambient form is no metric.
///
/// ```
/// use ambient_metric::{AlongGradient, Coupled, Euclidean, Guard, Identity};
/// let coupled = Coupled::new(Euclidean, Identity, AlongGradient(0.1), 1.0);
/// assert_eq!(coupled.guard, Guard::Refuse);
/// assert_eq!(coupled.scale_back(1e-3).guard, Guard::ScaleBack { margin: 1e-3 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub enum Guard {
    /// The step is refused with [`Error::Coupling`].
    #[default]
    Refuse,
    /// c is scaled back to ⟨c, c⟩ = 1 − ε where that is exceeded, and the report has the factor.
    ScaleBack {
        /// ε, in [10⁻⁶, 1).
        margin: f64,
    },
}
