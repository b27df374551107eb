//! The relatives of the pull-back that clip: for comparison, and for those who want one of them.

use crate::ambient::ambient_metric::Covectors;
use crate::error::{Error, require, require_decay, require_non_negative, require_positive};
use crate::named::short_name;
use crate::number::scalar::Real;
use crate::rule::induced::Average;
use crate::rule::preconditioner::{Damping, Preconditioner, Raised};
use crate::space::acts::{Inputs, Outcome};

/// How much of a step is left, from the squared length of the gradient.
///
/// # Requirements
///
/// Between 0 and 1, and not increasing.
///
/// # Example
///
/// ```
/// use ambient_metric::rule::{Clip, Hard, Induction, Root, Soft};
///
/// // ⟨l, l⟩ = 4
/// assert_eq!(Hard { length: 1.0 }.factor(4.0), 0.5);
/// assert_eq!(Soft { rate: 0.5 }.factor(4.0), 0.5);
/// assert_eq!(Root { xi: 0.75 }.factor(4.0), 0.5);
/// assert_eq!(Induction { xi: 0.25 }.factor(4.0), 0.5);
/// ```
pub trait Clip: Clone + Sync {
    /// The factor from ⟨l, l⟩.
    fn factor<S: Real>(&self, squared_length: S) -> S;

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

/// min(1, c/‖l‖): gradients longer than c are shortened to it.
///
/// ```
/// use ambient_metric::rule::{Clip, Hard};
/// assert_eq!(Hard { length: 3.0 }.factor(4.0), 1.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Hard {
    /// The length c above which a gradient is shortened.
    pub length: f64,
}

known_keys! { Hard { length } }

impl Clip for Hard {
    fn factor<S: Real>(&self, squared_length: S) -> S {
        let tiny = S::constant(f64::from(f32::MIN_POSITIVE));
        (S::constant(self.length) / squared_length.sqrt().maximum(tiny)).minimum(S::one())
    }

    fn validate(&self) -> Result<(), Error> {
        require_positive("length", self.length)
    }
}

/// 1/(1 + c‖l‖).
///
/// ```
/// use ambient_metric::rule::{Clip, Soft};
/// assert_eq!(Soft { rate: 1.5 }.factor(4.0), 0.25);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Soft {
    /// The rate c.
    pub rate: f64,
}

known_keys! { Soft { rate } }

impl Clip for Soft {
    fn factor<S: Real>(&self, squared_length: S) -> S {
        S::one() / (S::one() + S::constant(self.rate) * squared_length.sqrt())
    }

    fn validate(&self) -> Result<(), Error> {
        require_non_negative("rate", self.rate)
    }
}

/// 1/√(1 + ξs): the step is a unit vector of the surface where the gradient is long.
///
/// ```
/// use ambient_metric::rule::{Clip, Root};
/// assert_eq!(Root { xi: 2.0 }.factor(4.0), 1.0 / 3.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Root {
    /// ξ.
    pub xi: f64,
}

known_keys! { Root { xi } }

impl Clip for Root {
    fn factor<S: Real>(&self, squared_length: S) -> S {
        S::one() / (S::one() + S::constant(self.xi) * squared_length).sqrt()
    }

    fn validate(&self) -> Result<(), Error> {
        require_non_negative("xi", self.xi)
    }
}

/// 1/(1 + ξs): the damping of the pull-back by the identity, here among its relatives; [`Induced`](crate::Induced) takes any embedding.
///
/// ```
/// use ambient_metric::rule::{Clip, Induction};
/// assert_eq!(Induction { xi: 0.5 }.factor(2.0), 0.5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Induction {
    /// ξ.
    pub xi: f64,
}

known_keys! { Induction { xi } }

impl Clip for Induction {
    fn factor<S: Real>(&self, squared_length: S) -> S {
        S::one() / (S::one() + S::constant(self.xi) * squared_length)
    }

    fn validate(&self) -> Result<(), Error> {
        require_non_negative("xi", self.xi)
    }
}

/// Steps that are clipped by the length of the gradient in γ.
///
/// # Mathematics
///
/// With s = ⟨l, l⟩ in γ⁻¹, v ← βv + (1−β)s and v̂ = v / (1−βᵗ), the step vector is r m̂♯ with r = max(δ, clip(v̂)).
///
/// # Requirements
///
/// β in [0, 1) and the floor δ in [0, 1]; β = 0 and δ = 0 unless they are asked for.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, Descent, Euclidean, NoMomentum};
/// use ambient_metric::rule::{Clipped, Hard};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let rule = Descent::new(Euclidean, Clipped::new(Hard { length: 1.0 }).floor(0.05), NoMomentum);
/// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
/// let gradient = Covector(theta.clone());
/// let report = Configuration::new(rule, 0.5).build(&theta)?.step(&mut theta, &gradient, 12.5)?;
/// assert_eq!(report.damping, 0.2);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # References
///
/// R. Pascanu, T. Mikolov and Y. Bengio, *On the difficulty of training recurrent neural networks*, ICML 2013 ([`Hard`]). arXiv 2509.03594,
/// eq. 10 ([`Induction`]).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Clipped<C> {
    /// How steps are clipped.
    pub clip: C,
    /// The decay β of the moving average of s.
    pub beta: f64,
    /// The floor δ of the factor.
    pub floor: f64,
}

known_keys! { Clipped<C> { clip, beta = 0.0, floor = 0.0 } }

impl<C> Clipped<C> {
    /// Steps clipped by `clip`, without averaging or floor.
    pub fn new(clip: C) -> Self {
        Self { clip, beta: 0.0, floor: 0.0 }
    }

    /// With the moving average of s decaying by β.
    #[must_use]
    pub fn beta(self, beta: f64) -> Self {
        Self { beta, ..self }
    }

    /// With a factor of at least δ.
    #[must_use]
    pub fn floor(self, floor: f64) -> Self {
        Self { floor, ..self }
    }
}

impl<C: Clip> Preconditioner for Clipped<C> {
    type State<S: Real> = ();
    type Memory<S: Real> = Average<S, S>;
    type Columns<S: Real> = ();
    /// ⟨l, l⟩.
    type Sums<S: Real> = S;
    /// r.
    type Factors<S: Real> = S;

    fn begin<S: Real>(&self) -> Average<S, S> {
        Average::begin()
    }

    #[inline(always)]
    fn measure<S: Real>(&self, at: Covectors<[S; 1], ()>, raised: Raised<[S; 1], ()>) -> S {
        at.gradient[0] * raised.gradient[0]
    }

    #[inline(always)]
    fn damp<S: Real>(
        &self,
        _inputs: Inputs<S, [S; 1]>,
        memory: Average<S, S>,
        squared_length: S,
    ) -> Outcome<S, Average<S, S>, Damping<S, [S; 1]>> {
        let memory = memory.with(self.beta, squared_length);
        let averaged = memory.corrected();
        let factor = self.clip.factor(averaged).maximum(S::constant(self.floor));
        let report = Damping::uncoupled([squared_length], [averaged], [S::one()], [factor], S::one());
        Outcome { factors: factor, memory, report }
    }

    #[inline(always)]
    fn follow<S: Real>(&self, factor: S, at: Covectors<[S; 1], ()>) -> S {
        factor * at.momentum[0]
    }

    fn needs_metric(&self) -> bool {
        false
    }

    /// One: a clip has no ξ of its own that a metric could learn with.
    fn drive<S: Real>(&self, _xi: [S; 1]) -> S {
        S::one()
    }

    fn validate(&self) -> Result<(), Error> {
        self.clip.validate()?;
        require_decay("beta", self.beta)?;
        require((0.0..=1.0).contains(&self.floor), "floor", self.floor, "it must lie in [0, 1]")
    }

    fn name(&self) -> String {
        format!("Clipped({})", self.clip.name())
    }
}
