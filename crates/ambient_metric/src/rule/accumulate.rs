//! Steps along the mean of several gradients.

use crate::error::{Error, require};
use crate::number::scalar::{Element, Field, Real};
use crate::rule::preprocess::Preprocess;
use crate::space::kernel::{Kernel, Uniforms};
use crate::space::tensor::{Covector, Operands, Tensor, Wide, add_scaled};

/// One step for every k gradients, along their mean: what a batch k times as large would give.
///
/// # Mathematics
///
/// Σ ← Σ + l; at every k-th gradient the optimiser sees Σ/k, with the mean of the losses, and Σ begins at zero again.
///
/// # Requirements
///
/// k ≥ 1. One number more per parameter, beside the copy of the gradient that [`Preprocessed`](crate::any::Preprocessed) has.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, rules};
/// use ambient_metric::any::{AnyOptimiser, Preprocessed};
/// use ambient_metric::rule::Accumulate;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mut theta = Parameters::from(array![0.0_f64]);
/// let optimiser = Configuration::new(rules::sgd(0.0), 1.0).build(&theta)?;
/// let mut optimiser = Preprocessed::new(Accumulate { every: 2 }, optimiser, &theta)?;
/// optimiser.step(&mut theta, &Covector(Parameters::from(array![1.0])), 1.0)?;
/// assert_eq!((theta.as_slice()[0], optimiser.steps()?), (0.0, 0));
/// optimiser.step(&mut theta, &Covector(Parameters::from(array![3.0])), 1.0)?;
/// assert_eq!((theta.as_slice()[0], optimiser.steps()?), (-2.0, 1));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`validate`](Preprocess::validate) answers with [`Error::Hyperparameter`] for k = 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Accumulate {
    /// How many gradients make a step.
    pub every: u32,
}

known_keys! { Accumulate { every } }

impl Accumulate {
    /// How many gradients make a step, at least one.
    fn count(self) -> u64 {
        u64::from(self.every.max(1))
    }

    pub(crate) fn check(self) -> Result<(), Error> {
        require(self.every > 0, "every", f64::from(self.every), "it must be at least 1")
    }
}

/// (l + Σ)/k.
#[derive(Clone)]
struct Mean;

impl Kernel for Mean {
    type Uniform<S: Real> = S;
    type Input<S: Real> = [S; 2];
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, count: S, [gradient, sum]: [S; 2]) -> S {
        (gradient + sum) / count
    }
}

/// 0 · (Σ + l): zero where that is finite.
#[derive(Clone)]
struct Probe;

impl Kernel for Probe {
    type Uniform<S: Real> = ();
    type Input<S: Real> = [S; 2];
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (): (), [sum, gradient]: [S; 2]) -> S {
        S::zero() * (sum + gradient)
    }
}

/// Zero.
#[derive(Clone)]
struct Clear;

impl Kernel for Clear {
    type Uniform<S: Real> = ();
    type Input<S: Real> = S;
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (): (), _sum: S) -> S {
        S::zero()
    }
}

impl<T: Tensor> Preprocess<T> for Accumulate {
    fn slots(&self) -> Vec<String> {
        vec!["sum".to_owned()]
    }

    fn due(&self, gradient: u64) -> Option<u64> {
        (gradient % self.count() == self.count() - 1).then_some(gradient / self.count())
    }

    fn process(&self, _gradient_number: u64, kept: &[T], gradient: &mut Covector<T>) -> Result<(), Error> {
        let count = <Wide<T> as Field>::constant(f64::from(self.every.max(1)));
        kept.iter().try_for_each(|sum| T::update(&Mean, Uniforms::same(&count), &mut gradient.0, &mut [], &[sum]))
    }

    fn keep(&self, gradient_number: u64, kept: &mut [T], gradient: &Covector<T>) -> Result<(), Error> {
        if Preprocess::<T>::due(self, gradient_number).is_some() {
            return self.discard(kept);
        }
        let zero = <Wide<T> as Field>::zero();
        for sum in kept.iter_mut() {
            let mut probe = [zero];
            let operands = Operands { target: &*sum, companions: &[], reads: &[&gradient.0] };
            T::sum(&Probe, Uniforms::same(&()), operands, &mut probe)?;
            if !probe.iter().all(|probe| Element::is_finite(*probe)) {
                return Err(Error::Overflow { quantity: "the sum of the accumulated gradients".to_owned() });
            }
            add_scaled(sum, Field::one(), &gradient.0)?;
        }
        Ok(())
    }

    fn discard(&self, kept: &mut [T]) -> Result<(), Error> {
        kept.iter_mut().try_for_each(|sum| T::update(&Clear, Uniforms::same(&()), sum, &mut [], &[]))
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()
    }
}
