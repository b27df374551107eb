//! Several losses, each with a dimension of its own: the closed form of the step on their common surface.

use crate::bundle;
use crate::bundle::Bundle;
use crate::descent::{Carried, Corrections, Memory, Multipliers, Powers};
use crate::embedding::Embedding;
use crate::error::{Error, require_decay, require_non_negative};
use crate::induced::{SurfaceFactors, SurfaceMemory};
use crate::momentum::Momentum;
use crate::pointwise::PointwiseMetric;
use crate::preconditioner::{Damping, Inputs, Outcome, Totals};
use crate::rule::{Advanced, Coordinate, Rule};
use crate::scalar::{Field, Real};

/// The inner products ⟨l_A, l_B⟩ of K covectors: symmetric, of which the lower triangle is a [`Bundle`].
///
/// # Example
///
/// ```
/// use ambient_metric::{Bundle, Gram};
///
/// // One coordinate's share of the inner products of two covectors, with γ⁻¹ = 1/2.
/// let gram = Gram::of([2.0, 3.0], [2.0, 3.0].map(|component| 0.5 * component));
/// assert_eq!((gram.entry(0, 0), gram.entry(0, 1), gram.entry(1, 1)), (2.0, 3.0, 4.5));
/// assert_eq!(<Gram<f64, 2> as Bundle<f64>>::names(), ["0.0", "1.0", "1.1"]);
/// assert_eq!(gram.scalars().collect::<Vec<_>>(), [2.0, 3.0, 4.5]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gram<S, const K: usize>([[S; K]; K]);

impl<S: Field, const K: usize> Gram<S, K> {
    /// What one coordinate adds: the products of the components of the covectors with those of the same covectors raised. The later covector
    /// meets the earlier one raised, on both sides of the diagonal, so that rounding cannot make the matrix unsymmetric.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "a matrix is filled by its indices")]
    pub fn of(covectors: [S; K], raised: [S; K]) -> Self {
        // Loops of constant length and no closure, so that the compiler unrolls them and makes vectors of them.
        let mut entries = [[S::zero(); K]; K];
        for row in 0..K {
            for column in 0..K {
                let (larger, smaller) = if row < column { (column, row) } else { (row, column) };
                entries[row][column] = covectors[larger] * raised[smaller];
            }
        }
        Self(entries)
    }

    /// The matrix with these entries on and below the diagonal.
    ///
    /// ```
    /// let gram = ambient_metric::Gram::<f64, 2>::from_entries(|row, column| if row == column { 1.0 } else { 0.5 });
    /// assert_eq!(gram.entry(0, 1), 0.5);
    /// ```
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "a matrix is filled by its indices")]
    pub fn from_entries(mut entry: impl FnMut(usize, usize) -> S) -> Self {
        let mut entries = [[S::zero(); K]; K];
        for row in 0..K {
            for column in 0..=row {
                let value = entry(row, column);
                entries[row][column] = value;
                entries[column][row] = value;
            }
        }
        Self(entries)
    }

    /// ⟨l_A, l_B⟩ of the covectors `row` and `column`; zero past the last.
    #[inline(always)]
    pub fn entry(&self, row: usize, column: usize) -> S {
        <[[S; K]]>::get(&self.0, row).and_then(|entries| <[S]>::get(entries, column)).copied().unwrap_or_else(S::zero)
    }
}

impl<S: Field, const K: usize> Bundle<S> for Gram<S, K> {
    const LEN: usize = K * (K + 1) / 2;

    #[inline(always)]
    fn build(next: &mut impl FnMut() -> S) -> Self {
        Self::from_entries(|_, _| next())
    }

    #[inline(always)]
    fn get(&self, slot: usize) -> Option<S> {
        let mut first = 0;
        for (row, entries) in self.0.iter().enumerate() {
            if slot <= first + row {
                return <[S]>::get(entries, slot - first).copied();
            }
            first += row + 1;
        }
        None
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        let mut sum = self;
        for (row, other) in sum.0.iter_mut().zip(&other.0) {
            for (entry, other) in row.iter_mut().zip(other) {
                *entry = *entry + *other;
            }
        }
        sum
    }

    #[inline(always)]
    fn times(self, factor: S) -> Self {
        let mut product = self;
        for entry in product.0.iter_mut().flatten() {
            *entry = *entry * factor;
        }
        product
    }

    #[inline(always)]
    fn flushed(self) -> Self {
        let mut flushed = self;
        for entry in flushed.0.iter_mut().flatten() {
            *entry = entry.flushed();
        }
        flushed
    }

    fn names() -> Vec<String> {
        (0..K).flat_map(|row| (0..=row).map(move |column| format!("{row}.{column}"))).collect()
    }
}

/// The step on the surface of K losses, as weights of their gradients.
///
/// # Example
///
/// ```
/// use ambient_metric::{joint_damping, Gram};
///
/// // One loss with ξ = 1, f′ = 1 and ⟨l, l⟩ = 3: the damping of the pull-back.
/// let joint = joint_damping([1.0], [1.0], &Gram::from_entries(|_, _| 3.0));
/// assert_eq!((joint.dampings, joint.determinant_ratio), ([0.25], 4.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JointDamping<S, const K: usize> {
    /// The weights a_A in g⁻¹ Σ f′_A l_A = Σ a_A l_A♯.
    pub dampings: [S; K],
    /// det g / det γ. It is above zero wherever γ is positive definite.
    pub determinant_ratio: S,
}

/// The weights a_A with g⁻¹ Σ_A f′_A l_A = γ⁻¹ Σ_A a_A l_A on the surface with a height √ξ_A f_A(L_A) for each of K losses.
///
/// # Mathematics
///
/// With J the K×N matrix of rows √ξ_A f′_A l_A, g = γ + JᵀJ and, by Woodbury, g⁻¹ = γ⁻¹ − γ⁻¹Jᵀ (1 + Jγ⁻¹Jᵀ)⁻¹ Jγ⁻¹. Applied to
/// Σ f′_A l_A that leaves one equation for every loss,
///
/// a_A / f′_A + ξ_A f′_A Σ_B ⟨l_A, l_B⟩ a_B = 1,
///
/// and det g / det γ is the determinant of that system times Π f′_A. Row A divided by ξ_A f′_A is a row of a symmetric positive definite
/// matrix, so elimination without exchanges is its Cholesky decomposition (in the form L D Lᵀ, which needs no root), and ξ_A = 0 is
/// allowed. For K = 1 the weight is [`damping`](crate::damping), by the same operations.
///
/// # Requirements
///
/// f′_A > 0, ξ_A ≥ 0, and the Gram matrix positive semi-definite.
///
/// # Example
///
/// ```
/// use ambient_metric::{joint_damping, Gram};
///
/// // A loss given twice is damped as one with ξ twice as large.
/// let gram = Gram::from_entries(|_, _| 3.0);
/// let joint = joint_damping([1.0; 2], [0.5; 2], &gram);
/// assert_eq!((joint.dampings, joint.determinant_ratio), ([0.25; 2], 4.0));
/// ```
///
/// # References
///
/// arXiv 2509.03594, eq. 7 and 8, for one loss.
#[inline]
pub fn joint_damping<S: Field, const K: usize>(slopes: [S; K], xi: [S; K], gram: &Gram<S, K>) -> JointDamping<S, K> {
    let mut rows = gram.0;
    for (row, entries) in rows.iter_mut().enumerate() {
        for (column, entry) in entries.iter_mut().enumerate() {
            // ξ_A ⟨l_A, l_B⟩ first, as for one loss.
            let coupled = slopes[row] * (xi[row] * *entry);
            *entry = if row == column { S::one() / slopes[row] + coupled } else { coupled };
        }
    }
    let mut weights = [S::one(); K];
    let mut determinant_ratio = S::one();
    for pivot in 0..K {
        let (above, below) = rows.split_at_mut(pivot + 1);
        let leading = &above[pivot];
        determinant_ratio = determinant_ratio * (slopes[pivot] * leading[pivot]);
        for (offset, row) in below.iter_mut().enumerate() {
            let factor = row[pivot] / leading[pivot];
            for column in pivot..K {
                row[column] = row[column] - factor * leading[column];
            }
            weights[pivot + 1 + offset] = weights[pivot + 1 + offset] - factor * weights[pivot];
        }
    }
    for row in (0..K).rev() {
        let known = (row + 1..K).fold(weights[row], |rest, column| rest - rows[row][column] * weights[column]);
        weights[row] = known / rows[row][row];
    }
    JointDamping { dampings: weights, determinant_ratio }
}

/// One dimension of the surface: an embedding f_A and its ξ_A.
///
/// # Example
///
/// ```
/// use ambient_metric::{Height, Heights, Log};
/// let two = [Height { embedding: Log, xi: 0.1 }; 2];
/// assert_eq!(two.slopes([2.0, 4.0]), [0.5, 0.25]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Height<E> {
    /// The embedding f.
    pub embedding: E,
    /// The metric coefficient ξ.
    pub xi: f64,
}

known_keys! { Height<E> { embedding, xi } }

impl<E: Embedding> Height<E> {
    fn validate(&self) -> Result<(), Error> {
        self.embedding.validate()?;
        require_non_negative("xi", self.xi)
    }
}

/// The heights h_A = √ξ_A f_A(L_A) of a surface over K losses: an array of [`Height`]s, or a tuple of up to four whose embeddings differ.
///
/// # Example
///
/// ```
/// use ambient_metric::{Height, Heights, Identity, Log};
///
/// let heights = (Height { embedding: Identity, xi: 1.0 }, Height { embedding: Log, xi: 0.1 });
/// assert_eq!(heights.slopes([3.0, 4.0]), [1.0, 0.25]);
/// assert_eq!(heights.xi(), [1.0, 0.1]);
/// assert!(heights.check([3.0, -4.0]).is_err());
/// ```
pub trait Heights<const K: usize>: Sync {
    /// f′_A(L_A) of every loss.
    fn slopes<S: Real>(&self, losses: [S; K]) -> [S; K];

    /// ξ_A of every loss.
    fn xi(&self) -> [f64; K];

    /// Accepts losses inside the domains of their embeddings.
    ///
    /// # Errors
    ///
    /// [`Error::LossOutsideDomain`].
    fn check(&self, losses: [f64; K]) -> Result<(), Error>;

    /// Accepts the constants.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    fn validate(&self) -> Result<(), Error>;

    /// The names of the embeddings.
    fn name(&self) -> String;
}

impl<E: Embedding, const K: usize> Heights<K> for [Height<E>; K] {
    fn slopes<S: Real>(&self, losses: [S; K]) -> [S; K] {
        core::array::from_fn(|loss| self[loss].embedding.slope(losses[loss]))
    }

    fn xi(&self) -> [f64; K] {
        core::array::from_fn(|loss| self[loss].xi)
    }

    fn check(&self, losses: [f64; K]) -> Result<(), Error> {
        self.iter().zip(losses).try_for_each(|(height, loss)| height.embedding.check(loss))
    }

    fn validate(&self) -> Result<(), Error> {
        self.iter().try_for_each(Height::validate)
    }

    fn name(&self) -> String {
        self.iter().map(|height| height.embedding.name()).collect::<Vec<_>>().join(", ")
    }
}

macro_rules! heights {
    ($count:literal: $($embedding:ident $place:tt),+) => {
        impl<$($embedding: Embedding),+> Heights<$count> for ($(Height<$embedding>,)+) {
            fn slopes<S: Real>(&self, losses: [S; $count]) -> [S; $count] {
                [$(self.$place.embedding.slope(losses[$place])),+]
            }

            fn xi(&self) -> [f64; $count] {
                [$(self.$place.xi),+]
            }

            fn check(&self, losses: [f64; $count]) -> Result<(), Error> {
                $(self.$place.embedding.check(losses[$place])?;)+
                Ok(())
            }

            fn validate(&self) -> Result<(), Error> {
                $(self.$place.validate()?;)+
                Ok(())
            }

            fn name(&self) -> String {
                [$(self.$place.embedding.name()),+].join(", ")
            }
        }
    };
}

heights!(1: A 0);
heights!(2: A 0, B 1);
heights!(3: A 0, B 1, C 2);
heights!(4: A 0, B 1, C 2, D 3);

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
