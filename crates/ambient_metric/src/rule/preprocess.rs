//! What is done to a gradient before an optimiser has it.

use crate::error::Error;
use crate::named::short_name;
use crate::number::bundle::Bundle;
use crate::number::scalar::{Field, Real};
use crate::rule::transformed::{GradientTransform, Past, transformed};
use crate::space::kernel::{Kernel, Uniforms};
use crate::space::tensor::{Covector, Operands, Tensor, Wide};

/// What is done to a gradient, as a whole tensor, before an optimiser has it: [`Centralised`](crate::rule::Centralised), [`Noise`](crate::rule::Noise),
/// [`Accumulate`](crate::rule::Accumulate), and every [`GradientTransform`]. [`Preprocessed`](crate::any::Preprocessed) puts it before any optimiser.
///
/// Where a transform of single components is all that is wanted, [`Transformed`](crate::rule::Transformed) has it in the passes of the rule, and needs no
/// copy of the gradient.
///
/// # Requirements
///
/// The functions are pure but for what is `kept`, which begins as [`begin`](Self::begin) says: as many tensors as [`slots`](Self::slots) has names. They
/// have been given a gradient that is finite.
///
/// # Example
///
/// Gradients that are twice as long:
///
/// ```
/// use ambient_metric::{Configuration, Covector, Error, Tensor, rules};
/// use ambient_metric::any::{AnyOptimiser, Preprocessed};
/// use ambient_metric::rule::Preprocess;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// #[derive(Clone)]
/// struct Twice;
///
/// impl<T: Tensor<Element = f64>> Preprocess<T> for Twice {
///     fn process(&self, _step: u64, _kept: &[T], gradient: &mut Covector<T>) -> Result<(), Error> {
///         gradient.scale(2.0)
///     }
/// }
///
/// let mut theta = Parameters::from(array![3.0, 4.0]);
/// let optimiser = Configuration::new(rules::sgd(0.0), 0.5).build(&theta)?;
/// let mut optimiser = Preprocessed::new(Twice, optimiser, &theta)?;
/// let gradient = Covector(theta.clone());
/// optimiser.step(&mut theta, &gradient, 12.5)?;
/// assert_eq!(theta.as_slice(), [0.0, 0.0]);
/// # Ok::<(), Error>(())
/// ```
pub trait Preprocess<T: Tensor>: Clone {
    /// The names of what is kept for the next gradient: a tensor for each.
    fn slots(&self) -> Vec<String> {
        Vec::new()
    }

    /// What is kept before the first gradient: zeros.
    ///
    /// # Errors
    ///
    /// Where there is no memory for it.
    fn begin(&self, parameters: &T) -> Result<Vec<T>, Error> {
        self.slots().iter().map(|_| parameters.zeros_like()).collect()
    }

    /// Which step the gradient of this number, counted from zero, is for; `None` if it is kept and no step follows.
    fn due(&self, gradient: u64) -> Option<u64> {
        Some(gradient)
    }

    /// Replaces the gradient of this number, which is due, by what the optimiser is to see.
    ///
    /// # Errors
    ///
    /// Where the backend fails, and what makes the result none.
    fn process(&self, gradient_number: u64, kept: &[T], gradient: &mut Covector<T>) -> Result<(), Error>;

    /// Replaces what is kept, when the step of this gradient has been taken, or where it is not due: the gradient is as it was before it was processed.
    ///
    /// # Errors
    ///
    /// Where the backend fails.
    fn keep(&self, gradient_number: u64, kept: &mut [T], gradient: &Covector<T>) -> Result<(), Error> {
        let _ = (gradient_number, kept, gradient);
        Ok(())
    }

    /// Forgets gradients that wait for a step.
    ///
    /// # Errors
    ///
    /// Where the backend fails.
    fn discard(&self, kept: &mut [T]) -> Result<(), Error> {
        let _ = kept;
        Ok(())
    }

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

    /// The name of a rule behind it.
    fn named(&self, rule: &str) -> String {
        format!("{}({rule})", self.name())
    }
}

/// A transform over whole tensors, with what [`Transformed`](crate::rule::Transformed) has as corrections: whether there is a gradient before, and the factor.
#[derive(Clone)]
struct Transform<G>(G);

impl<G: GradientTransform> Kernel for Transform<G> {
    type Uniform<S: Real> = [S; 2];
    type Input<S: Real> = (S, <G::Past as Past>::Of<S, S>);
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, [later, factor]: [S; 2], (gradient, past): Self::Input<S>) -> S {
        factor * transformed(&self.0, Some(later), G::Past::kept::<S, S>(past).unwrap_or(gradient), gradient)
    }
}

/// The square of that, to be summed.
#[derive(Clone)]
struct Squared<G>(Transform<G>);

impl<G: GradientTransform> Kernel for Squared<G> {
    type Uniform<S: Real> = [S; 2];
    type Input<S: Real> = (S, <G::Past as Past>::Of<S, S>);
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, uniform: [S; 2], input: Self::Input<S>) -> S {
        let transformed = self.0.evaluate(uniform, input);
        transformed * transformed
    }
}

/// The second of two.
#[derive(Clone)]
struct Copied;

impl Kernel for Copied {
    type Uniform<S: Real> = ();
    type Input<S: Real> = [S; 2];
    type Output<S: Real> = S;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (): (), [_target, source]: [S; 2]) -> S {
        source
    }
}

/// Writes one tensor over another of its layout.
pub(crate) fn copy<T: Tensor>(target: &mut T, source: &T) -> Result<(), Error> {
    T::update(&Copied, Uniforms::same(&()), target, &mut [], &[source])
}

impl<T: Tensor, G: GradientTransform> Preprocess<T> for G {
    fn slots(&self) -> Vec<String> {
        let kept = <<G::Past as Past>::Of<T::Element, T::Element> as Bundle<T::Element>>::LEN;
        (0..kept).map(|_| "past".to_owned()).collect()
    }

    fn process(&self, gradient_number: u64, kept: &[T], gradient: &mut Covector<T>) -> Result<(), Error> {
        let (zero, one) = (<Wide<T> as Field>::zero(), <Wide<T> as Field>::one());
        let later = if gradient_number > 0 { one } else { zero };
        let past: Vec<&T> = kept.iter().collect();
        let transform = Transform(self.clone());
        let mut factor = one;
        if self.surveys() {
            let mut squared = [zero];
            let operands = Operands { target: &gradient.0, companions: &[], reads: &past };
            T::sum(&Squared(transform.clone()), Uniforms::same(&[later, one]), operands, &mut squared)?;
            let [squared] = squared;
            if !crate::number::scalar::Element::is_finite(squared) {
                return Err(Error::Overflow { quantity: "the squared length of the gradient".to_owned() });
            }
            factor = self.factor(squared);
        }
        T::update(&transform, Uniforms::same(&[later, factor]), &mut gradient.0, &mut [], &past)
    }

    fn keep(&self, _gradient_number: u64, kept: &mut [T], gradient: &Covector<T>) -> Result<(), Error> {
        kept.iter_mut().try_for_each(|past| copy(past, &gradient.0))
    }

    fn validate(&self) -> Result<(), Error> {
        GradientTransform::validate(self)
    }

    fn name(&self) -> String {
        GradientTransform::name(self)
    }
}

/// One after the other, in the order of the list.
impl<T: Tensor, G: Preprocess<T>> Preprocess<T> for Vec<G> {
    fn slots(&self) -> Vec<String> {
        let of = |(place, part): (usize, &G)| part.slots().into_iter().map(move |slot| format!("{place}.{slot}"));
        self.iter().enumerate().flat_map(of).collect()
    }

    fn due(&self, gradient: u64) -> Option<u64> {
        self.iter().try_fold(gradient, |gradient, part| part.due(gradient))
    }

    fn process(&self, gradient_number: u64, kept: &[T], gradient: &mut Covector<T>) -> Result<(), Error> {
        let (mut number, mut kept) = (gradient_number, kept);
        for part in self {
            let (own, rest) = kept.split_at(part.slots().len().min(kept.len()));
            part.process(number, own, gradient)?;
            let Some(next) = part.due(number) else { return Ok(()) };
            (number, kept) = (next, rest);
        }
        Ok(())
    }

    fn keep(&self, gradient_number: u64, kept: &mut [T], gradient: &Covector<T>) -> Result<(), Error> {
        let (mut number, mut kept) = (gradient_number, kept);
        let mut seen: Option<Covector<T>> = None;
        for (place, part) in self.iter().enumerate() {
            let slots = part.slots().len().min(kept.len());
            let (own, rest) = core::mem::take(&mut kept).split_at_mut(slots);
            let next = part.due(number);
            let before = seen.take();
            let before = before.as_ref().unwrap_or(gradient);
            // What comes behind keeps what it was given, which has to be made again.
            if next.is_some() && self.iter().skip(place + 1).any(|later| !later.slots().is_empty()) {
                let mut processed = Covector(before.0.duplicate()?);
                part.process(number, own, &mut processed)?;
                seen = Some(processed);
            }
            part.keep(number, own, before)?;
            let Some(next) = next else { return Ok(()) };
            (number, kept) = (next, rest);
        }
        Ok(())
    }

    fn discard(&self, kept: &mut [T]) -> Result<(), Error> {
        let mut kept = kept;
        for part in self {
            let slots = part.slots().len().min(kept.len());
            let (own, rest) = core::mem::take(&mut kept).split_at_mut(slots);
            part.discard(own)?;
            kept = rest;
        }
        Ok(())
    }

    fn validate(&self) -> Result<(), Error> {
        self.iter().try_for_each(Preprocess::validate)
    }

    fn named(&self, rule: &str) -> String {
        self.iter().rev().fold(rule.to_owned(), |rule, part| part.named(&rule))
    }

    fn name(&self) -> String {
        let names: Vec<String> = self.iter().map(Preprocess::name).collect();
        names.join(", ")
    }
}
