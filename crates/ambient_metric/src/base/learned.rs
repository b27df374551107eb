//! Base metrics that learn from the steps taken on them.

use crate::base::pointwise::PointwiseMetric;
use crate::bundle;
use crate::error::{Error, require, require_non_negative, require_positive};
use crate::number::scalar::Real;
use crate::space::acts::Totals;

/// What drives a learned metric.
///
/// # Example
///
/// ```
/// use ambient_metric::base::{Drive, LearnedDiagonal};
/// let stable = LearnedDiagonal { drive: Drive::Flat, ..LearnedDiagonal::default() };
/// assert_eq!(LearnedDiagonal::default().drive, Drive::Metric);
/// assert_ne!(stable, LearnedDiagonal::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Drive {
    /// The squared length in the metric itself, ξ l γ⁻¹l: what grows γ⁻¹ grows with it, so that only the decay and the bound stop it.
    #[default]
    Metric,
    /// The squared length in the flat metric, ξ l²: stable for every κ with κλ < 2, since what drives does not depend on what is driven.
    Flat,
}

/// γ⁻¹ = eᶻ with one learned z: the metric as a whole stretches where gradients are long and relaxes where they are not.
///
/// # Mathematics
///
/// After every step z ← z + κ(s − λz), kept within ±z_max, with s = ξ⟨l, l⟩ ([`Drive::Metric`]) or s = ξ Σ l² ([`Drive::Flat`]).
/// z begins at zero, where the metric is [`Euclidean`](crate::Euclidean); with κ = 0 it stays there.
///
/// # Requirements
///
/// κ ≥ 0, λ ≥ 0, κλ < 2 (else z oscillates between its bounds), and 0 < z_max ≤ 40, so that eᶻ stays in the range of `f32`.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, Descent, Ema, Identity, Induced};
/// use ambient_metric::base::LearnedScalar;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let metric = LearnedScalar { kappa: 0.1, ..LearnedScalar::default() };
/// let rule = Descent::new(metric, Induced::new(Identity, 0.04), Ema(0.0));
/// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
/// let mut optimiser = Configuration::new(rule, 0.5).build(&theta)?;
///
/// let gradient = Covector(theta.clone());
/// assert_eq!(optimiser.step(&mut theta, &gradient, 12.5)?.squared_length, 1.0);
/// // z = 0.1 · 1 after the first step, so the same gradient is longer by e^0.1 in the second.
/// assert_eq!(optimiser.step(&mut theta, &gradient, 12.5)?.squared_length, 0.04 * (0.1_f64.exp() * 9.0 + 0.1_f64.exp() * 16.0));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # References
///
/// The learnable extension in the public repository Noah-Everett/Induced-Metric-Optimiser, its documents.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LearnedScalar {
    /// The rate κ of learning.
    pub kappa: f64,
    /// The decay λ of z.
    pub decay: f64,
    /// z_max.
    pub bound: f64,
    /// What drives z.
    pub drive: Drive,
}

known_keys! { LearnedScalar { kappa, decay, bound, drive, .. } }

impl Default for LearnedScalar {
    /// κ = 10⁻³, λ = 1 and z_max = 5.
    fn default() -> Self {
        Self { kappa: 1e-3, decay: 1.0, bound: 5.0, drive: Drive::Metric }
    }
}

fn validate(kappa: f64, decay: f64, bound: f64) -> Result<(), Error> {
    require_non_negative("kappa", kappa)?;
    require_non_negative("decay", decay)?;
    require(
        kappa * decay < 2.0,
        "kappa",
        kappa,
        "κλ must be below 2, or what is learned oscillates between its bounds",
    )?;
    require_positive("bound", bound)?;
    require(bound <= 40.0, "bound", bound, "it must be at most 40, so that its exponential stays in the range of f32")
}

/// x within ±bound.
#[inline(always)]
fn clamp<S: Real>(x: S, bound: f64) -> S {
    x.minimum(S::constant(bound)).maximum(S::constant(-bound))
}

impl PointwiseMetric for LearnedScalar {
    type State<S: Real> = ();
    type Memory<S: Real> = S;
    type Shared<S: Real> = S;
    /// Σ l².
    type Lesson<S: Real> = S;
    type Correction<S: Real> = ();

    fn begin<S: Real>(&self) -> S {
        S::zero()
    }

    fn share<S: Real>(&self, memory: S) -> S {
        memory.exp()
    }

    #[inline(always)]
    fn observe<S: Real>(&self, (): (), _gradient: S) {}

    #[inline(always)]
    fn inverse<S: Real>(&self, shared: S, (): ()) -> S {
        shared
    }

    #[inline(always)]
    fn lesson<S: Real>(&self, _shared: S, (): (), gradient: S, _momentum: S) -> S {
        gradient * gradient
    }

    fn learn<S: Real>(&self, memory: S, xi: S, squared_length: S, lesson: S) -> S {
        let drive = match self.drive {
            Drive::Metric => squared_length,
            Drive::Flat => xi * lesson,
        };
        clamp(memory + S::constant(self.kappa) * (drive - S::constant(self.decay) * memory), self.bound)
    }

    fn correction<S: Real>(&self, _xi: S, _lessons: Totals<S>) {}

    #[inline(always)]
    fn settle<S: Real>(&self, (): (), (): (), _gradient: S) {}

    fn validate(&self) -> Result<(), Error> {
        validate(self.kappa, self.decay, self.bound)
    }
}

bundle! {
    /// What a [`LearnedDiagonal`] sums over a tensor.
    pub struct DiagonalLesson {
        /// Σ zᵢ.
        learned,
        /// Σ of the drive, without ξ.
        drive,
        /// How many elements there are.
        count,
    }
}

bundle! {
    /// What the elements of a [`LearnedDiagonal`] learn by.
    pub struct DiagonalCorrection {
        /// κξ.
        rate,
        /// The mean over the tensor of what was learned, which is taken away.
        mean,
    }
}

/// γ⁻¹ᵢᵢ = exp zᵢ with a learned zᵢ for every element: the metric stretches where gradients are long, at the expense of the rest of their tensor.
///
/// # Mathematics
///
/// After every step zᵢ ← zᵢ + κ(ξ e^{zᵢ} lᵢ² − λzᵢ) ([`Drive::Metric`]) or zᵢ + κ(ξ lᵢ² − λzᵢ) ([`Drive::Flat`]), minus the mean of that over the tensor,
/// and then kept within ±z_max. z begins at zero, where the metric is [`Euclidean`](crate::Euclidean); with κ = 0 it stays there. Before the bound, the mean of
/// zᵢ over a tensor is zero, so det γ of a tensor stays 1.
///
/// # Requirements
///
/// As [`LearnedScalar`].
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, Descent, Ema, Identity, Induced};
/// use ambient_metric::base::LearnedDiagonal;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let metric = LearnedDiagonal { kappa: 0.5, ..LearnedDiagonal::default() };
/// let rule = Descent::new(metric, Induced::new(Identity, 1.0), Ema(0.0));
/// let mut theta = Parameters::from(array![1.0_f64, 0.0]);
/// let mut optimiser = Configuration::new(rule, 0.1).build(&theta)?;
/// optimiser.step(&mut theta, &Covector(Parameters::from(array![1.0, 0.0])), 0.5)?;
/// // κξl² = (1/2, 0), minus the mean 1/4.
/// assert_eq!(optimiser.state()[1].iter().copied().collect::<Vec<_>>(), [0.25, -0.25]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # References
///
/// The learnable extension in the public repository Noah-Everett/Induced-Metric-Optimiser, its documents.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LearnedDiagonal {
    /// The rate κ of learning.
    pub kappa: f64,
    /// The decay λ of every zᵢ.
    pub decay: f64,
    /// z_max.
    pub bound: f64,
    /// What drives zᵢ.
    pub drive: Drive,
}

known_keys! { LearnedDiagonal { kappa, decay, bound, drive, .. } }

impl Default for LearnedDiagonal {
    /// κ = 10⁻³, λ = 1 and z_max = 5.
    fn default() -> Self {
        Self { kappa: 1e-3, decay: 1.0, bound: 5.0, drive: Drive::Metric }
    }
}

impl LearnedDiagonal {
    /// The drive at a coordinate, without ξ.
    #[inline(always)]
    fn drive<S: Real>(&self, learned: S, gradient: S) -> S {
        match self.drive {
            Drive::Metric => learned.exp() * gradient * gradient,
            Drive::Flat => gradient * gradient,
        }
    }
}

impl PointwiseMetric for LearnedDiagonal {
    type State<S: Real> = S;
    type Memory<S: Real> = ();
    type Shared<S: Real> = ();
    type Lesson<S: Real> = DiagonalLesson<S>;
    type Correction<S: Real> = DiagonalCorrection<S>;

    fn begin<S: Real>(&self) {}

    fn share<S: Real>(&self, (): ()) {}

    #[inline(always)]
    fn observe<S: Real>(&self, learned: S, _gradient: S) -> S {
        learned
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, (): (), learned: S) -> S {
        learned.exp()
    }

    #[inline(always)]
    fn lesson<S: Real>(&self, (): (), learned: S, gradient: S, _momentum: S) -> DiagonalLesson<S> {
        DiagonalLesson { learned, drive: self.drive(learned, gradient), count: S::one() }
    }

    fn learn<S: Real>(&self, (): (), _xi: S, _squared_length: S, _lesson: DiagonalLesson<S>) {}

    fn correction<S: Real>(&self, xi: S, lessons: Totals<DiagonalLesson<S>>) -> DiagonalCorrection<S> {
        let DiagonalLesson { learned, drive, count } = lessons.group;
        let rate = S::constant(self.kappa) * xi;
        let kept = S::constant(1.0 - self.kappa * self.decay);
        // A group without parameters has no mean.
        DiagonalCorrection { rate, mean: (kept * learned + rate * drive) / count.maximum(S::one()) }
    }

    #[inline(always)]
    fn settle<S: Real>(&self, correction: DiagonalCorrection<S>, learned: S, gradient: S) -> S {
        let kept = S::constant(1.0 - self.kappa * self.decay);
        clamp(kept * learned + correction.rate * self.drive(learned, gradient) - correction.mean, self.bound)
    }

    fn learns_per_tensor(&self) -> bool {
        true
    }

    fn validate(&self) -> Result<(), Error> {
        validate(self.kappa, self.decay, self.bound)
    }
}
