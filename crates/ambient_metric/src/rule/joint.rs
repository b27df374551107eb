//! Several losses, each with a dimension of its own: descent on their common surface.

use crate::ambient::gram::Gram;
use crate::ambient::heights::Heights;
use crate::ambient::solve::joint_damping;
use crate::base::pointwise::PointwiseMetric;
use crate::bundle;
use crate::error::{Error, require_decay};
use crate::number::bundle::Bundle;
use crate::number::scalar::Real;
use crate::rule::descent::{Carried, Corrections, Memory, Multipliers, Powers};
use crate::rule::induced::{SurfaceFactors, SurfaceMemory};
use crate::rule::preconditioner::Damping;
use crate::rule::rule::{Advanced, Coordinate, Rule};
use crate::space::acts::{Inputs, Outcome, Totals};
use crate::space::momentum::Momentum;

/// Descent on the common surface of K losses, each with a dimension of its own.
///
/// # Mathematics
///
/// With γ from the total gradient Σ_A l_A, step t takes the Gram matrix G_AB = ⟨l_A, l_B⟩, its corrected moving average
/// V ← βV + (1−β)G, V̂ = V / (1−βᵗ), the weights a of [`joint_damping`] for the slopes f′_A, the ξ_A and V̂, a momentum m̂_A for every loss, and
///
/// θ ← θ − η Σ_A a_A γ⁻¹m̂_A − ηλθ.
///
/// Without averages that is −η g⁻¹ Σ_A f′_A l_A. The averages are those of the bare inner products, so that V̂ is positive semi-definite, and
/// with it det g / det γ ≥ 1, whatever schedule the ξ_A follow. (Where Σ ξ_A f′_A²⟨l_A, l_A⟩ exceeds 10¹⁵ and gradients are parallel, rounding may take the
/// determinant to zero, and the step is refused; in `f32`, whose products are rounded to it, parallel gradients lose digits from 10⁵ on.) A metric that
/// learns is driven by the total gradient with Σ_A ξ_A. Its report has s = Σ_A ξ_A⟨l_A, l_A⟩ and for f′ the smallest of the f′_A, and for the damping the mean of the a_A.
///
/// # Requirements
///
/// ξ_A ≥ 0; μ and β in [0, 1); every loss in the domain of its embedding. [`Optimiser::step_losses`](crate::Optimiser::step_losses) takes
/// K gradients and K losses, K from 1 to 4 on the CPU backend.
///
/// # Example
///
/// ```
/// use ambient_metric::{Ema, Height, Identity, Joint, Log, RmsProp, Rule};
///
/// let heights = (Height { embedding: Identity, xi: 0.1 }, Height { embedding: Log, xi: 0.01 });
/// let rule = Joint::new(RmsProp::default(), heights, Ema(0.9)).beta(0.8);
/// assert!(rule.validate().is_ok());
/// assert_eq!(rule.name(), "Joint(RmsProp, [Identity, Log], Ema)");
/// ```
///
/// # References
///
/// arXiv 2509.03594 leaves several losses as an open question; for one, eq. 7 and 8 and Algorithms 1 and 2.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Joint<M, H, O, const K: usize> {
    /// The base metric γ.
    pub metric: M,
    /// The embedding and ξ of every loss.
    pub heights: H,
    /// How the gradients of every loss are remembered.
    pub momentum: O,
    /// The decay β of the moving average of the Gram matrix.
    pub beta: f64,
}

known_keys! { Joint<M, H, O; K> { metric, heights, momentum, beta = 0.0 } }

impl<M: PointwiseMetric, H: Heights<K>, O: Momentum, const K: usize> Joint<M, H, O, K> {
    /// Descent on the surface with these heights over `metric`, without averaging (β = 0).
    pub fn new(metric: M, heights: H, momentum: O) -> Self {
        Self { metric, heights, momentum, beta: 0.0 }
    }

    /// With the moving average of the Gram matrix decaying by β.
    #[must_use]
    pub fn beta(self, beta: f64) -> Self {
        Self { beta, ..self }
    }

    fn tick<S: Real>(&self, powers: Powers<S>) -> Powers<S> {
        Powers {
            momentum: powers.momentum * S::constant(self.momentum.decay()),
            metric: powers.metric * S::constant(self.metric.decay()),
        }
    }

    /// γ⁻¹ at a coordinate, from the state after the total gradient has been seen.
    #[inline(always)]
    fn inverse<S: Real>(&self, corrections: <Self as Rule>::Corrections<S>, seen: M::State<S>) -> S {
        self.metric.inverse(corrections.preconditioner, seen.times(corrections.metric))
    }
}

bundle! {
    /// The sums of several losses: the Gram matrix, and what the base metric learns from.
    pub nested struct JointSums<G, L> { gram: G, lesson: L }
}

bundle! {
    /// A moving average of a bundle, and βᵗ.
    pub nested struct JointAverage<G, S> { average: G, power: S }
}

/// The sum of the components. Without a closure, which would not be compiled for the vectors of the processor.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "an iterator is not always inlined")]
fn total<S: Real, const K: usize>(components: [S; K]) -> S {
    if K == 0 {
        return S::zero();
    }
    let mut sum = components[0];
    for loss in 1..K {
        sum = sum + components[loss];
    }
    sum
}

impl<M: PointwiseMetric, H: Heights<K>, O: Momentum, const K: usize> Rule for Joint<M, H, O, K> {
    type PerLoss<S: Real> = [S; K];
    type State<S: Real> = Carried<[O::State<S>; K], M::State<S>>;
    type Memory<S: Real> = Memory<Powers<S>, SurfaceMemory<JointAverage<Gram<S, K>, S>, M::Memory<S>>>;
    type Corrections<S: Real> = Corrections<O::Corrections<S>, S, M::Shared<S>>;
    type Sums<S: Real> = JointSums<Gram<S, K>, M::Lesson<S>>;
    type Multipliers<S: Real> = Multipliers<S, S, SurfaceFactors<[S; K], M::Correction<S>>>;

    fn begin<S: Real>(&self) -> Self::Memory<S> {
        let surface = JointAverage { average: Gram::from_entries(|_, _| S::zero()), power: S::one() };
        Memory {
            powers: Powers { momentum: S::one(), metric: S::one() },
            preconditioner: SurfaceMemory { surface, metric: self.metric.begin() },
        }
    }

    fn renewed<S: Real>(&self, memory: Self::Memory<S>) -> Option<Self::Memory<S>> {
        Some(Memory { powers: self.begin().powers, ..memory })
    }

    fn correct<S: Real>(&self, memory: Self::Memory<S>) -> Self::Corrections<S> {
        let powers = self.tick(memory.powers);
        Corrections {
            momentum: self.momentum.correct(powers.momentum),
            metric: S::one() / (S::one() - powers.metric),
            preconditioner: self.metric.share(memory.preconditioner.metric),
        }
    }

    #[inline(always)]
    fn measure<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        at: Coordinate<S, Self::State<S>, [S; K]>,
    ) -> Self::Sums<S> {
        let gradient = total(at.gradient);
        let seen = self.metric.observe(at.state.metric, gradient);
        let inverse = self.inverse(corrections, seen);
        let mut raised = at.gradient;
        for component in &mut raised {
            *component = inverse * *component;
        }
        JointSums {
            gram: Gram::of(at.gradient, raised),
            lesson: self.metric.lesson(corrections.preconditioner, seen.times(corrections.metric), gradient),
        }
    }

    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, [S; K]>,
        memory: Self::Memory<S>,
        sums: Totals<Self::Sums<S>>,
    ) -> Outcome<Self::Multipliers<S>, Self::Memory<S>, Damping<S>> {
        let past = memory.preconditioner.surface;
        let (kept, fresh) = (S::constant(self.beta), S::constant(1.0 - self.beta));
        let surface = JointAverage {
            average: past.average.map(|entry| kept * entry).plus(sums.pool.gram.map(|entry| fresh * entry)),
            power: past.power * kept,
        };
        let averaged: Gram<S, K> = surface.average.map(|entry| entry / (S::one() - surface.power));
        let slopes = self.heights.slopes(inputs.loss);
        let joint = joint_damping(slopes, inputs.xi, &averaged);

        let length =
            |gram: &Gram<S, K>| total(core::array::from_fn::<S, K, _>(|loss| inputs.xi[loss] * gram.entry(loss, loss)));
        let squared_length = length(&sums.pool.gram);
        let mean = |numbers: [S; K]| total(numbers) / S::constant(K as f64);
        let smallest = |numbers: [S; K]| numbers.into_iter().reduce(S::minimum).unwrap_or_else(S::one);
        let lessons = Totals { pool: sums.pool.lesson, group: sums.group.lesson };
        let xi = total(inputs.xi);
        Outcome {
            factors: Multipliers {
                learning_rate: inputs.learning_rate,
                decay: inputs.learning_rate * inputs.weight_decay,
                preconditioner: SurfaceFactors { step: joint.dampings, metric: self.metric.correction(xi, lessons) },
            },
            memory: Memory {
                powers: self.tick(memory.powers),
                preconditioner: SurfaceMemory {
                    surface,
                    metric: self.metric.learn(memory.preconditioner.metric, xi, squared_length, sums.pool.lesson),
                },
            },
            report: Damping::uncoupled(
                squared_length,
                length(&averaged),
                smallest(slopes),
                mean(joint.dampings),
                joint.determinant_ratio,
            ),
        }
    }

    #[inline(always)]
    fn advance<S: Real>(
        &self,
        corrections: Self::Corrections<S>,
        multipliers: Self::Multipliers<S>,
        at: Coordinate<S, Self::State<S>, [S; K]>,
    ) -> Advanced<S, Self::State<S>> {
        let gradient = total(at.gradient);
        let seen = self.metric.observe(at.state.metric, gradient);
        let inverse = self.inverse(corrections, seen);
        let SurfaceFactors { step: weights, metric: correction } = multipliers.preconditioner;
        let (mut momentum, mut followed) = (at.state.momentum, weights);
        for loss in 0..K {
            momentum[loss] = self.momentum.remember(momentum[loss], at.gradient[loss]);
            let covector = self.momentum.covector(corrections.momentum, momentum[loss], at.gradient[loss]);
            followed[loss] = weights[loss] * covector;
        }
        let step = inverse * total(followed);
        Advanced {
            parameter: at.parameter - multipliers.learning_rate * step - multipliers.decay * at.parameter,
            state: Carried { momentum, metric: self.metric.settle(correction, seen, gradient) },
        }
    }

    fn learns_per_tensor(&self) -> bool {
        self.metric.learns_per_tensor()
    }

    fn xi(&self) -> Option<[f64; K]> {
        Some(self.heights.xi())
    }

    fn check_loss(&self, losses: [f64; K]) -> Result<(), Error> {
        self.heights.check(losses)
    }

    fn validate(&self) -> Result<(), Error> {
        if K == 0 {
            return Err(Error::Losses { expected: 1, found: 0 });
        }
        self.metric.validate()?;
        self.heights.validate()?;
        self.momentum.validate()?;
        require_decay("beta", self.beta)
    }

    fn name(&self) -> String {
        format!("Joint({}, [{}], {})", self.metric.name(), self.heights.name(), self.momentum.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gram_matrix_is_symmetric_whatever_was_raised() {
        let gram = Gram::<f64, 2>::of([2.0, 3.0], [5.0, 7.0]);
        assert_eq!(gram, Gram::from_entries(|row, column| [[10.0, 0.0], [15.0, 21.0]][row][column]));
        assert_eq!(gram.entry(0, 1).total_cmp(&gram.entry(1, 0)), core::cmp::Ordering::Equal);
        assert_eq!(gram.entry(2, 0).total_cmp(&0.0), core::cmp::Ordering::Equal);
        assert_eq!(gram.times(2.0), gram.plus(gram));
    }
}
