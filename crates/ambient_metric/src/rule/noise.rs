//! Gradients with noise.

use core::f64::consts::TAU;

use crate::error::{Error, require_non_negative};
use crate::number::mix::mix;
use crate::number::scalar::{Element, Field};
use crate::rule::preprocess::Preprocess;
use crate::space::tensor::{Covector, Tensor};

/// Normal noise on the gradient, which fades.
///
/// # Mathematics
///
/// l′ = l + σₜ z with z standard normal at every coordinate and σₜ² = η/(1 + t)^γ, t counting the gradients from zero.
///
/// # Requirements
///
/// η, γ ≥ 0. The numbers depend on the seed, on t, on the part and on the place in it, and on nothing else: the same on every backend, with any number of
/// threads, and after a resumption. They are the pairs that Box and Muller's method makes of a hash. Gradients go through the host's memory.
///
/// # Example
///
/// ```
/// use ambient_metric::Covector;
/// use ambient_metric::rule::{Noise, Preprocess};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::Array1;
///
/// let noise = Noise { variance: 4.0, decay: 0.0, seed: 1 };
/// let mut gradient = Covector(Parameters::from(Array1::<f64>::zeros(10_000)));
/// noise.process(0, &[], &mut gradient)?;
/// let mean_square = gradient.0.iter().map(|x| x * x).sum::<f64>() / 1e4;
/// assert!((mean_square - 4.0).abs() < 0.3);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`validate`](Preprocess::validate) answers with [`Error::Hyperparameter`] for constants out of their ranges.
///
/// # References
///
/// A. Neelakantan and others, *Adding Gradient Noise Improves Learning for Very Deep Networks*, arXiv 1511.06807.
/// G. E. P. Box and M. E. Muller, *A Note on the Generation of Random Normal Deviates*, 1958.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Noise {
    /// The variance η at the first step.
    pub variance: f64,
    /// The exponent γ by which it fades.
    pub decay: f64,
    /// Where the random numbers begin.
    pub seed: u64,
}

known_keys! { Noise { variance = 0.01, decay = 0.55, seed = 0 } }

impl Default for Noise {
    /// η = 0.01 and γ = 0.55, as the paper has them.
    fn default() -> Self {
        Self { variance: 0.01, decay: 0.55, seed: 0 }
    }
}

impl Noise {
    pub(crate) fn check(&self) -> Result<(), Error> {
        require_non_negative("variance", self.variance)?;
        require_non_negative("decay", self.decay)
    }
}

/// Two standard normal numbers, from two uniform ones that are made of a number.
fn pair(number: u64) -> [f64; 2] {
    // 53 bits each; the first is above zero.
    let [a, b] = [mix(number), mix(mix(number) ^ number)].map(|bits| (bits >> 11) as f64);
    let unit = 1.0 / (1_u64 << 53) as f64;
    let (radius, angle) = ((-2.0 * ((a + 1.0) * unit).ln()).sqrt(), TAU * b * unit);
    [radius * angle.cos(), radius * angle.sin()]
}

impl<T: Tensor> Preprocess<T> for Noise {
    fn process(&self, gradient_number: u64, _kept: &[T], gradient: &mut Covector<T>) -> Result<(), Error> {
        let deviation = (self.variance / (1.0 + gradient_number as f64).powf(self.decay)).sqrt();
        let of_step = mix(mix(self.seed).wrapping_add(gradient_number));
        for number in 0..gradient.0.layout().parts().len() {
            let of_part = mix(of_step.wrapping_add(number as u64));
            let mut elements = gradient.0.read(number)?;
            for (index, two) in elements.chunks_mut(2).enumerate() {
                for (element, normal) in two.iter_mut().zip(pair(of_part.wrapping_add(index as u64))) {
                    *element = T::Element::narrow(element.widen() + Field::constant(deviation * normal));
                }
            }
            gradient.0.write(number, &elements)?;
        }
        Ok(())
    }

    fn validate(&self) -> Result<(), Error> {
        self.check()
    }
}
