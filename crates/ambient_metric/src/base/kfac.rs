//! K-FAC from the gradients of single examples.

use std::sync::Arc;

use crate::base::factored::{Factored, Factoring, Factors, Side};
use crate::base::of_matrices::of_matrices;
use crate::base::pointwise::{Weights, check_examples};
use crate::base::sides::moment;
use crate::error::{Error, require_decay, require_positive};
use crate::number::scalar::{Element, Field, Real};
use crate::space::matrix::{MatrixPart, SpectralMatrix, Transpose, WideOf};
use crate::space::tensor::find_non_finite;

/// γ = A ⊗ B for every part that is a matrix, near its Fisher matrix, from the gradients of single examples: K-FAC.
///
/// # Mathematics
///
/// Of the gradients l₁, …, l_b of the examples of an observation, each an m×n matrix, R ← βR + (1−β) mean(l lᵀ) and C ← βC + (1−β) mean(lᵀ l), R̂ and Ĉ
/// corrected for their start at zero, and T̂ = tr R̂ = tr Ĉ, the average of ‖l‖². Undamped γ = (R̂ ⊗ Ĉ)/T̂. The damping λ is split between the factors
/// A = R̂/√T̂ and B = Ĉ/√T̂ in the ratio of their mean eigenvalues, which is n : m since their traces are equal, so that the split does not depend on where the scale is:
///
/// γ⁻¹x = (A + π√λ)⁻¹ x (B + √λ/π)⁻¹ with π = √((tr A/m)/(tr B/n)) = √(n/m), γv = (A + π√λ) v (B + √λ/π),
/// ln det γ = n ln det(A + π√λ) + m ln det(B + √λ/π).
///
/// The gradient of a linear layer for one example is l = g aᵀ, of the back-propagated derivative g and the activation a. Where ‖a‖² is independent of ggᵀ, ‖g‖² of
/// aaᵀ and ‖a‖² of ‖g‖² this is the metric of K-FAC: R = E(‖a‖² ggᵀ) = E‖a‖² E(ggᵀ), C = E‖g‖² E(aaᵀ) and T = E‖a‖² E‖g‖², so (R ⊗ C)/T = E(ggᵀ) ⊗ E(aaᵀ). Where g and a are
/// independent altogether that is E(ggᵀ ⊗ aaᵀ), the Fisher matrix. No layer has to be taken apart for it: what is observed are gradients.
///
/// # Requirements
///
/// It [observes](crate::Optimiser::observe), before the first step and then every so many. Every part has two axes ([route](crate::Routed) the others to
/// [`EmpiricalFisher`](crate::base::EmpiricalFisher), which observes the same). β in [0, 1) and λ > 0. An observation takes two decompositions into
/// eigenvalues for every part.
///
/// # Example
///
/// ```
/// use ambient_metric::base::Kfac;
/// use ambient_metric::{BaseMetric, Covector};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let metric = Kfac { beta: 0.5, damping: 4.0 };
/// let example = |x: f64, y: f64| Covector(Parameters::from(array![[x, 0.0], [0.0, y]]));
/// let mut state = metric.begin(&example(0.0, 0.0).0)?;
/// metric.take_observation(&mut state, &[&example(4.0, 0.0), &example(0.0, 4.0)])?;
/// // R = C = 8, T = 16, so A = B = 2, and √λ is 2 as well.
/// let raised = metric.raise(&state, &example(32.0, 16.0))?;
/// assert!((raised.0.as_slice()[0] - 2.0).abs() < 1e-12 && (raised.0.as_slice()[3] - 1.0).abs() < 1e-12);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NotAMatrix`] names a part that is none.
///
/// # References
///
/// J. Martens and R. Grosse, *Optimizing Neural Networks with Kronecker-factored Approximate Curvature*, arXiv 1503.05671, sections 3 and 6.3.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Kfac {
    /// The decay β of both moments.
    pub beta: f64,
    /// The damping λ.
    pub damping: f64,
}

known_keys! { Kfac { beta, damping, .. } }

impl Default for Kfac {
    /// β = 0.95 and λ = 10⁻³.
    fn default() -> Self {
        Self { beta: 0.95, damping: 1e-3 }
    }
}

impl Kfac {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        require_decay("beta", self.beta)?;
        require_positive("damping", self.damping)
    }

    /// The factors of a matrix with one more observation.
    fn noticed<M: SpectralMatrix>(&self, kept: &Factors<M>, examples: &[M]) -> Result<Factors<M>, Error> {
        let power = Field::flushed(kept.power * Field::constant(self.beta));
        let known = <WideOf<M> as Field>::one() - power;
        let side = |number: usize, transpose: Transpose| {
            let mut seen = Arc::clone(&kept.sides[number].moment);
            for (index, example) in examples.iter().enumerate() {
                let Weights { keep, share } = Weights::<f64>::of(self.beta, index, examples.len());
                seen = Arc::new(moment(&*seen, example, transpose, [keep, share])?);
            }
            // R̂/√T̂ is R/√((1 − βᵗ) tr R), and zero where nothing was seen.
            let (trace, zero) = (trace(&*seen)?, <WideOf<M> as Field>::zero());
            let scale = if trace == zero { zero } else { <WideOf<M> as Field>::one() / (known.sqrt() * trace.sqrt()) };
            let other = kept.sides[1 - number].moment.rows() as f64;
            let epsilon = (self.damping * other / seen.rows() as f64).sqrt();
            let roots = Arc::new(Factoring { epsilon, ..self.factoring() }.roots(&*seen, scale)?);
            Ok::<_, Error>(Side { moment: seen, roots })
        };
        let sides = [side(0, Transpose::No)?, side(1, Transpose::Yes)?];
        Ok(Factors { sides, power, seen: kept.seen.saturating_add(1) })
    }
}

impl Factored for Kfac {
    /// Before any observation γ = λ.
    fn factoring(&self) -> Factoring {
        Factoring {
            start: 0.0,
            weights: [self.beta, 1.0 - self.beta],
            correction: self.beta,
            whitens: false,
            epsilon: self.damping.sqrt(),
            exponent: 1.0,
            every: 1,
        }
    }
}

/// The sum of the elements on the diagonal.
fn trace<M: MatrixPart>(matrix: &M) -> Result<WideOf<M>, Error> {
    let elements = matrix.to_host()?;
    let diagonal = elements.iter().step_by(matrix.columns() + 1);
    Ok(diagonal.fold(<WideOf<M> as Field>::zero(), |sum, &element| sum + element.widen()))
}

of_matrices!(Kfac keeps Factors, where SpectralMatrix; {
    fn observes(&self) -> bool {
        true
    }

    fn take_observation(&self, state: &mut Self::State, examples: &[&Covector<T>]) -> Result<(), Error> {
        check_examples(state.layout(), examples)?;
        *state = state.renewed(|kept, index| {
            let examples = examples.iter().map(|example| example.0.matrix(index));
            self.noticed(kept, &examples.collect::<Result<Vec<_>, Error>>()?)
        })?;
        Ok(())
    }

    fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
        state.layout().check(gradient.0.layout())?;
        find_non_finite(&gradient.0)?;
        let is_new = state.iter().any(|(_, factors)| factors.seen == 0);
        if is_new { Err(Error::NotObserved { metric: "Kfac".to_owned() }) } else { Ok(()) }
    }
});
