//! The properties of any base metric, pointwise or not. [`conformance_base_metric!`](crate::conformance_base_metric) makes a test of each.
//!
//! A metric is looked at after up to three gradients; one that [learns](BaseMetric::learn_from) does so after each.
//!
//! A metric is taken apart by unit vectors: lowering them gives the columns of γ, raising them those of γ⁻¹. Both are asked to be right
//! up to 32 n² roundings of their largest row sum, in which products of n terms in both of two factors and the decomposition of a matrix of
//! side n have room; what is said of both together then holds up to that times the condition number ‖γ‖ ‖γ⁻¹‖.

use ambient_metric::ambient::{Given, Sqrt};
use ambient_metric::base::At;
use ambient_metric::space::Part;
use ambient_metric::{
    BaseMetric, Configuration, Covector, Descent, Embedding, Error, Height, Identity, Induced, Log, Metric, NoMomentum,
    Preconditioner, PullBack, Report, Tensor, Vector,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::chosen::{ChosenEmbedding, Frozen};
use crate::matrix::{Matrix, MatrixMetric};
use crate::observing::see;
use crate::proof::Proof;
use crate::reference::Reference;

/// How many cases of each property.
const CASES: u32 = 32;

type Space = Reference<f64>;

/// What a metric has seen, and where it is looked at.
#[derive(Clone, Debug)]
struct Case {
    seen: Vec<Vec<f64>>,
    gradient: Vec<f64>,
    x: Vec<f64>,
    y: Vec<f64>,
    loss: f64,
    xi: f64,
}

fn elements(parts: &[Part]) -> usize {
    parts.iter().map(Part::elements).sum()
}

fn cases(parts: &[Part]) -> impl Strategy<Value = Case> + use<> {
    let side = elements(parts);
    let numbers = move || prop::collection::vec(-3.0..3.0_f64, side);
    let seen = prop::collection::vec(numbers(), 1..4);
    (seen, [numbers(), numbers(), numbers()], 0.1..3.0_f64, 0.0..4.0_f64)
        .prop_map(|(seen, [gradient, x, y], loss, xi)| Case { seen, gradient, x, y, loss, xi })
}

/// A tensor of these parts with these elements, part after part.
fn space(parts: &[Part], elements: &[f64]) -> Result<Space, Error> {
    let mut rest = elements.iter().copied();
    Reference::new(parts.iter().map(|part| (part.clone(), rest.by_ref().take(part.elements()).collect::<Vec<_>>())))
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn largest(x: &[f64]) -> f64 {
    x.iter().map(|x| x.abs()).fold(0.0, f64::max)
}

/// A metric in a state, with γ and γ⁻¹ written out.
struct Probed<'a, M: BaseMetric<Space>> {
    at: At<'a, M, M::State>,
    parts: &'a [Part],
    gamma: Matrix<f64>,
    inverse: Matrix<f64>,
}

impl<'a, M: BaseMetric<Space>> Probed<'a, M> {
    fn new(metric: &'a M, state: &'a M::State, parts: &'a [Part]) -> Result<Self, Error> {
        let at = At { metric, state };
        let side = elements(parts);
        let unit = |axis: usize| (0..side).map(|index| f64::from(u8::from(index == axis))).collect::<Vec<_>>();
        let lowered = |axis| Ok(at.lower(&Vector(space(parts, &unit(axis))?))?.0.elements().collect());
        let raised = |axis| Ok(at.raise(&Covector(space(parts, &unit(axis))?))?.0.elements().collect());
        let gamma = Matrix::from_columns(&(0..side).map(lowered).collect::<Result<Vec<_>, Error>>()?);
        let inverse = Matrix::from_columns(&(0..side).map(raised).collect::<Result<Vec<_>, Error>>()?);
        Ok(Self { at, parts, gamma, inverse })
    }

    fn covector(&self, elements: &[f64]) -> Result<Covector<Space>, Error> {
        Ok(Covector(space(self.parts, elements)?))
    }

    fn vector(&self, elements: &[f64]) -> Result<Vector<Space>, Error> {
        Ok(Vector(space(self.parts, elements)?))
    }

    /// 32 n² u.
    fn rounding(&self) -> f64 {
        let side = elements(self.parts) as f64;
        32.0 * side * side * f64::EPSILON / 2.0
    }

    /// ‖γ‖ ‖γ⁻¹‖.
    fn condition(&self) -> f64 {
        self.gamma.norm() * self.inverse.norm()
    }
}

/// The error of a list of numbers in units of a bound.
fn ratio(found: &[f64], expected: &[f64], bound: f64) -> Result<f64, TestCaseError> {
    let distance = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    prop_assert!(
        distance <= bound,
        "found {:?}, expected {:?}: off by {:e}, where rounding allows {:e}",
        found,
        expected,
        distance,
        bound
    );
    Ok(if bound > 0.0 { distance / bound } else { 0.0 })
}

/// The metric after the gradients of a case, each of which it has learned from.
fn taught<M: BaseMetric<Space>>(metric: &M, parts: &[Part], case: &Case) -> Result<M::State, Error> {
    let mut state = metric.begin(&space(parts, &case.x)?)?;
    for seen in &case.seen {
        let gradient = Covector(space(parts, seen)?);
        see(metric, &mut state, &gradient)?;
        let length = metric.at(&state).inner_covectors(&gradient, &gradient)?;
        metric.learn_from(&mut state, &gradient, case.xi, case.xi * length)?;
    }
    Ok(state)
}

/// Tries a claim on the metric after several gradients.
fn probe<M: BaseMetric<Space>>(
    metric: &M,
    parts: &[Part],
    claim: impl Fn(&Probed<'_, M>, &Case) -> Result<f64, TestCaseError>,
) -> Proof {
    Proof::of(CASES, &cases(parts), |case| {
        let state = taught(metric, parts, &case)?;
        claim(&Probed::new(metric, &state, parts)?, &case)
    })
}

/// γ⁻¹γv = v and γγ⁻¹x = x (P1).
pub fn p1_raise_inverts_lower<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    probe(metric, parts, |probed, case| {
        let there = probed.at.raise(&probed.at.lower(&probed.vector(&case.x)?)?)?;
        let back = probed.at.lower(&probed.at.raise(&probed.covector(&case.x)?)?)?;
        let bound = probed.rounding() * probed.condition() * largest(&case.x);
        let found = [there.0, back.0].map(|tensor| tensor.elements().collect::<Vec<_>>());
        Ok(ratio(&found[0], &case.x, bound)?.max(ratio(&found[1], &case.x, bound)?))
    })
}

/// Raising and lowering are the matrices that unit vectors find: both are linear.
pub fn raising_and_lowering_are_linear<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    probe(metric, parts, |probed, case| {
        let raised: Vec<f64> = probed.at.raise(&probed.covector(&case.x)?)?.0.elements().collect();
        let lowered: Vec<f64> = probed.at.lower(&probed.vector(&case.x)?)?.0.elements().collect();
        let bound = probed.rounding() * largest(&case.x);
        let of_raised = ratio(&raised, &probed.inverse.times(&case.x), bound * probed.inverse.norm())?;
        Ok(of_raised.max(ratio(&lowered, &probed.gamma.times(&case.x), bound * probed.gamma.norm())?))
    })
}

/// ⟨x, y⟩ = ⟨y, x⟩, for covectors and for vectors.
pub fn inner_products_are_symmetric<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    probe(metric, parts, |probed, case| {
        let side = elements(parts) as f64;
        let bound = probed.rounding() * side * largest(&case.x) * largest(&case.y);
        let (x, y) = (probed.covector(&case.x)?, probed.covector(&case.y)?);
        let there = probed.at.inner_covectors(&x, &y)?;
        let back = probed.at.inner_covectors(&y, &x)?;
        let of_covectors = ratio(&[there], &[back], bound * probed.inverse.norm())?;
        let (u, v) = (Vector(x.0), Vector(y.0));
        let (there, back) = (probed.at.inner(&u, &v)?, probed.at.inner(&v, &u)?);
        Ok(of_covectors.max(ratio(&[there], &[back], bound * probed.gamma.norm())?))
    })
}

/// ⟨x, x⟩ > 0 for covectors and vectors that are not zero, those along one axis among them.
pub fn the_metric_is_positive<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    probe(metric, parts, |probed, case| {
        let side = elements(parts);
        let unit = |axis: usize| (0..side).map(|index| f64::from(u8::from(index == axis))).collect::<Vec<_>>();
        for x in (0..side).map(unit).chain([case.x.clone(), case.y.clone()]) {
            let length = probed.at.inner_covectors(&probed.covector(&x)?, &probed.covector(&x)?)?;
            prop_assert!(length > 0.0, "⟨x, x⟩ = {} for {:?}", length, x);
            let length = probed.at.inner(&probed.vector(&x)?, &probed.vector(&x)?)?;
            prop_assert!(length > 0.0, "vᵀγv = {} for {:?}", length, x);
        }
        Ok(0.0)
    })
}

/// ln det γ is the logarithm of the determinant of the explicit matrix, both of γ and of γ⁻¹. A matrix that is off by a fraction δ of its norm has
/// eigenvalues that are off by at most δ times the condition number of themselves, each.
pub fn the_determinant_is_that_of_the_explicit_matrix<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    probe(metric, parts, |probed, _| {
        let found = probed.at.log_determinant()?;
        let expected = [probed.gamma.determinant().ln(), -probed.inverse.determinant().ln()];
        let bound = elements(parts) as f64 * probed.rounding() * probed.condition();
        Ok(ratio(&[found], &expected[..1], bound)?.max(ratio(&[found], &expected[1..], bound)?))
    })
}

/// A gradient with NaN or an infinity is refused, and the metric stays as it is to the last bit.
pub fn a_gradient_that_is_not_finite_changes_nothing<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    Proof::of(CASES, &(cases(parts), any::<prop::sample::Index>(), any::<bool>()), |(case, place, is_nan)| {
        let mut state = taught(metric, parts, &case)?;
        let bits = |state: &M::State| -> Result<Vec<u64>, Error> {
            let raised = metric.raise(state, &Covector(space(parts, &case.y)?))?;
            Ok(raised.0.elements().map(f64::to_bits).collect())
        };
        let before = bits(&state)?;
        let mut gradient = case.gradient.clone();
        let place = place.index(gradient.len());
        gradient[place] = if is_nan { f64::NAN } else { f64::INFINITY };
        let refused = metric.update(&mut state, &Covector(space(parts, &gradient)?));
        let is_refused = matches!(refused, Err(Error::NonFiniteGradient { .. }));
        prop_assert!(is_refused, "update must answer NonFiniteGradient to a gradient that is not finite: {refused:?}");
        prop_assert_eq!(&bits(&state)?, &before);
        if BaseMetric::<Space>::observes(metric) {
            let (broken, whole) = (Covector(space(parts, &gradient)?), Covector(space(parts, &case.gradient)?));
            let refused = metric.take_observation(&mut state, &[&whole, &broken]);
            prop_assert!(matches!(refused, Err(Error::NonFiniteObservation { .. })), "{refused:?}");
            let empty = metric.take_observation(&mut state, &[]);
            prop_assert!(matches!(empty, Err(Error::NoExamples)), "{empty:?}");
            prop_assert_eq!(&bits(&state)?, &before);
            let mut new = metric.begin(&whole.0)?;
            let early = metric.update(&mut new, &whole);
            prop_assert!(matches!(early, Err(Error::NotObserved { .. })), "{early:?}");
        } else {
            let example = Covector(space(parts, &case.gradient)?);
            let refused = metric.take_observation(&mut state, &[&example]);
            prop_assert!(matches!(refused, Err(Error::ObservesNothing { .. })), "{refused:?}");
        }
        Ok(0.0)
    })
}

/// Whether the metric is another one after a step that it could learn from.
fn learns<M: BaseMetric<Space>>(metric: &M, parts: &[Part], case: &Case) -> Result<bool, Error> {
    let mut state = taught(metric, parts, case)?;
    let raised = |state: &M::State| metric.raise(state, &Covector(space(parts, &case.y)?));
    let before = raised(&state)?;
    metric.learn_from(&mut state, &Covector(space(parts, &case.gradient)?), 1.0, 1.0)?;
    Ok(raised(&state)? != before)
}

/// Tensors of another layout are refused by every method, with an error that names what differs.
pub fn another_layout_is_refused<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    let with = |name: &str| -> Vec<Part> {
        let mut other = parts.to_vec();
        if let Some(part) = other.first_mut() {
            part.name.push_str(name);
        }
        other
    };
    Proof::of(1, &cases(parts), |case| {
        let mut state = metric.begin(&space(parts, &case.x)?)?;
        let other = space(&with(" of another model"), &case.x)?;
        prop_assert!(metric.update(&mut state, &Covector(other.duplicate()?)).is_err());
        prop_assert!(metric.take_observation(&mut state, &[&Covector(other.duplicate()?)]).is_err());
        prop_assert!(metric.raise(&state, &Covector(other.duplicate()?)).is_err());
        let learned = metric.learn_from(&mut state, &Covector(other.duplicate()?), 1.0, 1.0);
        prop_assert!(learned.is_err() || !learns(metric, parts, &case)?);
        prop_assert!(metric.lower(&state, &Vector(other)).is_err());
        Ok(0.0)
    })
}

/// Tries a claim on the pull-back by each of three embeddings, given g = γ + ξf′² l lᵀ written out, and κ(g) in units of the promise.
fn pull_back<M: BaseMetric<Space>>(
    metric: &M,
    parts: &[Part],
    claim: impl Fn(
        &Probed<'_, M>,
        &Case,
        &PullBack<Space, At<'_, M, M::State>>,
        &Matrix<f64>,
        f64,
    ) -> Result<f64, TestCaseError>,
) -> Proof {
    fn surface<'a, M: BaseMetric<Space>>(
        probed: &Probed<'a, M>,
        case: &Case,
        embedding: &impl Embedding,
    ) -> Result<PullBack<Space, At<'a, M, M::State>>, Error> {
        PullBack::new(probed.at, probed.covector(&case.gradient)?, case.loss, embedding, case.xi)
    }
    probe(metric, parts, |probed, case| {
        let mut worst = 0.0_f64;
        for surface in [surface(probed, case, &Identity)?, surface(probed, case, &Log)?, surface(probed, case, &Sqrt)?]
        {
            let weight = case.xi * surface.slope() * surface.slope();
            let g = probed.gamma.clone().plus_outer(weight, &case.gradient);
            // ‖g⁻¹‖ ≤ ‖γ⁻¹‖ in the spectral norm, and the largest row sum is at most √n times that.
            let condition = g.norm() * probed.inverse.norm() * (elements(parts) as f64).sqrt();
            worst =
                worst.max(claim(probed, case, &surface, &g, probed.rounding() * condition.max(probed.condition()))?);
        }
        Ok(worst)
    })
}

/// Raising in the pull-back solves g x♯ = x with g written out (P1).
pub fn p1_the_pull_back_is_inverted<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    pull_back(metric, parts, |probed, case, surface, g, relative| {
        let raised: Vec<f64> = surface.raise(&probed.covector(&case.x)?)?.0.elements().collect();
        let solved = g.solve(&case.x).unwrap_or_default();
        prop_assert!(solved.len() == raised.len(), "g is singular");
        ratio(&raised, &solved, 2.0 * relative * probed.inverse.norm() * largest(&case.x))
    })
}

/// The step is the solution of g δ = f′l with g written out (P2).
pub fn p2_the_step_solves_the_explicit_system<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    pull_back(metric, parts, |probed, case, surface, g, relative| {
        let step: Vec<f64> = surface.step()?.0.elements().collect();
        let right: Vec<f64> = case.gradient.iter().map(|l| surface.slope() * l).collect();
        let solved = g.solve(&right).unwrap_or_default();
        prop_assert!(solved.len() == step.len(), "g is singular");
        ratio(&step, &solved, 2.0 * relative * probed.inverse.norm() * largest(&right))
    })
}

/// ln det g = ln det γ + ln(1 + ξf′²⟨l, l⟩), with both determinants of matrices written out (P3).
pub fn p3_the_determinant_lemma_holds<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    pull_back(metric, parts, |probed, _, surface, g, relative| {
        let difference = g.determinant().ln() - probed.gamma.determinant().ln();
        ratio(&[surface.determinant_ratio().ln()], &[difference], 2.0 * elements(parts) as f64 * relative)
    })
}

/// Vectors are at least as long in g as in γ, covectors at most as long (P4), up to the rounding of both.
pub fn p4_vectors_grow_and_covectors_shrink<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    pull_back(metric, parts, |probed, case, surface, _, relative| {
        let (v, y) = (probed.vector(&case.x)?, probed.covector(&case.y)?);
        let (in_g, in_gamma) = (surface.inner(&v, &v)?, probed.at.inner(&v, &v)?);
        let slack = probed.rounding() * probed.gamma.norm() * dot(&case.x, &case.x);
        prop_assert!(in_g >= in_gamma - slack, "{} < {}", in_g, in_gamma);
        let (in_g, in_gamma) = (surface.inner_covectors(&y, &y)?, probed.at.inner_covectors(&y, &y)?);
        let slack = relative * probed.inverse.norm() * dot(&case.y, &case.y);
        prop_assert!(in_g <= in_gamma + slack, "a covector of length {} in g and {} in γ", in_g, in_gamma);
        Ok(0.0)
    })
}

/// At ξ = 0 the step with the identity embedding is the raised gradient, bit for bit (P6).
pub fn p6_at_xi_zero_the_step_is_the_raised_gradient<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    probe(metric, parts, |probed, case| {
        let flat = PullBack::new(probed.at, probed.covector(&case.gradient)?, case.loss, &Identity, 0.0)?;
        prop_assert_eq!(flat.step()?, probed.at.raise(&probed.covector(&case.gradient)?)?);
        Ok(0.0)
    })
}

/// The step is at most 1/(2√ξ) long in γ and 1/√ξ in g (P7), and goes down (P9), up to the rounding of lengths.
pub fn p7_p9_the_step_is_bounded_and_descends<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    pull_back(metric, parts, |probed, case, surface, _, relative| {
        let step = surface.step()?;
        let root = case.xi.sqrt();
        let lengths = [2.0 * root * probed.at.norm(&step)?, root * surface.norm(&step)?];
        // A squared length is a sum of n² terms, each of which the condition may make larger than the sum.
        let bound = 1.0 + 4.0 * relative;
        let worst = lengths.into_iter().fold(0.0, f64::max);
        prop_assert!(worst <= bound, "the step has 2√ξ‖δ‖_γ and √ξ‖δ‖_g = {:?}, allowed is {}", lengths, bound);
        let along = surface.gradient().contract(&step)?;
        prop_assert!(along > 0.0 || case.gradient.iter().all(|&l| l == 0.0), "l·g⁻¹∂f = {}", along);
        Ok((worst - 1.0).max(0.0) / (bound - 1.0))
    })
}

/// The columns of an invertible matrix A over the case's space: diagonally dominant, with 1/2 ≤ ‖Ax‖/‖x‖ ≤ 5/2 in the largest component.
fn coordinates(case: &Case) -> Vec<Vec<f64>> {
    let side = case.x.len();
    let entry = |row: usize, column: usize| {
        let number = case.x[row] * case.y[column] / 9.0;
        if row == column { 1.5 + number / 2.0 } else { number / (2.0 * side as f64) }
    };
    (0..side).map(|column| (0..side).map(|row| entry(row, column)).collect()).collect()
}

/// In coordinates φ with θ = Aφ, over AᵀγA and from Aᵀl, the step is A⁻¹ times that in θ (P10). The condition of AᵀγA in row sums is at most
/// that of γ times (5/2 · 2)² for A and as much times n² for Aᵀ, of which row sums are column sums.
pub fn p10_any_linear_coordinates_take_the_same_step<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    pull_back(metric, parts, |probed, case, surface, _, relative| {
        let columns = coordinates(case);
        let transposed = |x: &[f64]| columns.iter().map(|column| dot(column, x)).collect::<Vec<_>>();
        let of_phi: Vec<Vec<f64>> = columns.iter().map(|column| transposed(&probed.gamma.times(column))).collect();
        let in_phi = MatrixMetric(Matrix::from_columns(&of_phi));
        // The straight line with the slope of the surface stands for its embedding.
        let weight = case.xi * surface.slope() * surface.slope();
        let l = Covector(Reference::vector(transposed(&case.gradient)));
        let mut moved = PullBack::new(in_phi, l, case.loss, &Identity, weight)?.step()?;
        moved.scale(surface.slope())?;
        let found = Matrix::from_columns(&columns).times(&moved.0.elements().collect::<Vec<_>>());
        let expected: Vec<f64> = surface.step()?.0.elements().collect();
        let side = elements(parts) as f64;
        let largest = surface.slope() * largest(&case.gradient);
        ratio(&found, &expected, 25.0 * side * side * relative * probed.inverse.norm() * largest)
    })
}

/// With f = ln, a loss and a gradient that are scaled together leave the step (P11): by a power of two, bit for bit where nothing leaves the range.
pub fn p11_scaling_the_loss_leaves_the_step_of_log_unchanged<M: BaseMetric<Space>>(
    metric: &M,
    parts: &[Part],
) -> Proof {
    probe(metric, parts, |probed, case| {
        let step = |scale: f64| {
            let l: Vec<f64> = case.gradient.iter().map(|l| scale * l).collect();
            PullBack::new(probed.at, probed.covector(&l)?, scale * case.loss, &Log, case.xi)?.step()
        };
        let (found, expected) = (step(8.0)?, step(1.0)?);
        prop_assert_eq!(found, expected);
        Ok(0.0)
    })
}

/// The flow's tangent −g⁻¹∂f, with its rise, is the projection of the descent −∂_h/√ξ onto the surface: for every direction u of the parameters, with its rise,
/// G(tangent, u) = −f′ l·u (P12). γ times γ⁻¹l is off by the condition of γ, and the rise by n roundings of it.
pub fn p12_the_flow_is_the_projection_of_descent<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    pull_back(metric, parts, |probed, case, surface, _, _| {
        let tangent: Vec<f64> = surface.step()?.0.elements().map(|x| -x).collect();
        let slope = case.xi.sqrt() * surface.slope();
        let rise = slope * dot(&case.gradient, &tangent);
        let along: Vec<f64> = probed.gamma.times(&tangent);
        let found: Vec<f64> = along.iter().zip(&case.gradient).map(|(along, l)| along + slope * l * rise).collect();
        let expected: Vec<f64> = case.gradient.iter().map(|l| -surface.slope() * l).collect();
        let side = elements(parts) as f64;
        ratio(&found, &expected, 2.0 * side * probed.rounding() * probed.condition() * largest(&expected))
    })
}

/// A metric behind a reference, so that one surface can be put on another any number of times.
struct Lent<'a>(&'a dyn Metric<Space>);

impl Metric<Space> for Lent<'_> {
    fn raise(&self, covector: &Covector<Space>) -> Result<Vector<Space>, Error> {
        self.0.raise(covector)
    }

    fn lower(&self, vector: &Vector<Space>) -> Result<Covector<Space>, Error> {
        self.0.lower(vector)
    }

    fn log_determinant(&self) -> Result<f64, Error> {
        self.0.log_determinant()
    }
}

/// The gradient of a loss, and √ξ times its slope squared: ξ over the identity embedding.
type Loss<'a> = (&'a [f64], f64);

/// g⁻¹x, and ln det g / det γ, by one surface on another: nested Sherman–Morrison updates in this order.
fn nested(
    base: &dyn Metric<Space>,
    parts: &[Part],
    losses: &[Loss<'_>],
    x: &Covector<Space>,
) -> Result<(Vector<Space>, f64), Error> {
    let Some((&(gradient, weight), rest)) = losses.split_first() else { return Ok((base.raise(x)?, 0.0)) };
    let surface = PullBack::new(Lent(base), Covector(space(parts, gradient)?), 1.0, &Identity, weight)?;
    let (raised, log_ratio) = nested(&surface, parts, rest, x)?;
    Ok((raised, log_ratio + surface.determinant_ratio().ln()))
}

/// The height that has this slope at every loss.
fn line(slope: f64, xi: f64) -> Height<ChosenEmbedding<'static, Identity>> {
    Height { embedding: ChosenEmbedding::Line(slope), xi }
}

/// A step vector, and what was reported of it.
type Stepped<const K: usize> = (Vec<f64>, Report<f64, [f64; K]>);

/// The step vector g⁻¹ Σ f′_A l_A that the optimiser takes over the metric as it is, and what it reports: from θ = 0 at η = 1, so that neither rounds.
/// A coupling covector is written to the slot `ambient`.
fn step<M: BaseMetric<Space>, P: Preconditioner<K>, const K: usize>(
    probed: &Probed<'_, M>,
    preconditioner: P,
    gradients: [&[f64]; K],
    coupling: Option<&[f64]>,
) -> Result<Stepped<K>, Error> {
    let mut theta = space(probed.parts, &vec![0.0; elements(probed.parts)])?;
    let rule = Descent::new(Frozen(probed.at), preconditioner, NoMomentum);
    let mut optimiser = Configuration::new(rule, 1.0).build_whole(&theta)?;
    if let Some(c) = coupling {
        optimiser.write_state("ambient", &space(probed.parts, c)?)?;
    }
    let gradients = gradients.iter().map(|l| probed.covector(l)).collect::<Result<Vec<_>, Error>>()?;
    let report = optimiser.step_losses(&mut theta, &gradients.iter().collect::<Vec<_>>(), &[1.0; K])?;
    Ok((theta.elements().map(|x| -x).collect(), report))
}

/// The step over K losses against K nested updates from the first to the last and back, and its determinant against theirs.
fn joint<const K: usize, M: BaseMetric<Space>>(probed: &Probed<'_, M>, case: &Case) -> Result<f64, TestCaseError> {
    let all = [&case.gradient, &case.x, &case.y, &case.seen[0]];
    let gradients: [&[f64]; K] = core::array::from_fn(|loss| all[loss].as_slice());
    let slopes: [f64; K] = core::array::from_fn(|loss| case.loss / (1.0 + loss as f64));
    let xi: [f64; K] = core::array::from_fn(|loss| case.xi / 2.0_f64.powi(i32::from(loss == 1)));
    let heights: [_; K] = core::array::from_fn(|loss| line(slopes[loss], xi[loss]));
    let (step, report) = step(probed, Induced::of(heights), gradients, None)?;
    let side = elements(probed.parts);
    let mut differential = Covector(space(probed.parts, &vec![0.0; side])?);
    let mut g = probed.gamma.clone();
    for loss in 0..K {
        differential.add_scaled(slopes[loss], &probed.covector(gradients[loss])?)?;
        g = g.plus_outer(xi[loss] * slopes[loss] * slopes[loss], gradients[loss]);
    }
    let size: f64 = (0..K).map(|loss| slopes[loss] * largest(gradients[loss])).sum();
    let condition = g.norm() * probed.inverse.norm() * (side as f64).sqrt();
    // Every update in a chain of K, and every row of the elimination, adds the rounding of one surface.
    let relative = 2.0 * (K * K) as f64 * probed.rounding() * condition.max(probed.condition());
    let mut losses: Vec<Loss<'_>> =
        (0..K).map(|loss| (gradients[loss], xi[loss] * slopes[loss] * slopes[loss])).collect();
    let mut worst = 0.0_f64;
    for _ in 0..2 {
        let (found, log_ratio) = nested(&probed.at, probed.parts, &losses, &differential)?;
        let found: Vec<f64> = found.0.elements().collect();
        worst = worst.max(ratio(&found, &step, relative * probed.inverse.norm() * size)?);
        worst = worst.max(ratio(&[log_ratio], &[report.determinant_ratio.ln()], side as f64 * relative)?);
        losses.reverse();
    }
    Ok(worst)
}

/// The step over one to four losses is that of nested Sherman–Morrison updates, in one order and its reverse (P13).
pub fn p13_the_joint_step_is_nested_sherman_morrison<M: BaseMetric<Space>>(metric: &M, parts: &[Part]) -> Proof {
    probe(metric, parts, |probed, case| {
        let (one, two) = (joint::<1, M>(probed, case)?, joint::<2, M>(probed, case)?);
        let (three, four) = (joint::<3, M>(probed, case)?, joint::<4, M>(probed, case)?);
        Ok(one.max(two).max(three).max(four))
    })
}

/// With a coupling covector of length 9/10 the step solves the completed square (γ − ccᵀ) + (c + wl)(c + wl)ᵀ, D is the ratio of its determinant to
/// that of γ and above zero; with c = 0 both are those of the pull-back; and det(γ − ccᵀ) = det γ (1 − ⟨c, c⟩) for a length of 11/10, too: there the
/// ambient form is not definite, and the step is refused (P14).
pub fn p14_coupling_is_the_completed_square_and_definite_below_one<M: BaseMetric<Space>>(
    metric: &M,
    parts: &[Part],
) -> Proof {
    pull_back(metric, parts, |probed, case, surface, g, relative| {
        let side = elements(parts) as f64;
        let norm = probed.at.norm_covector(&probed.covector(&case.y)?)?;
        if norm == 0.0 {
            return Ok(0.0);
        }
        let of_length = |length: f64| case.y.iter().map(|y| length / norm * y).collect::<Vec<_>>();
        let slope = surface.slope();
        let weight = case.xi.sqrt() * slope;
        let coupled = Induced::of(line(slope, case.xi)).coupled(Given);
        let right: Vec<f64> = case.gradient.iter().map(|l| slope * l).collect();
        // 1 − ⟨c, c⟩ = 0.19 bounds γ − ccᵀ from below: six times the condition; c + wl makes g at most twice as large, and γ.
        let allowed = 12.0 * 2.0 * (relative + probed.rounding() * probed.condition());
        let mut worst = 0.0_f64;
        for length in [0.0, 0.9] {
            let c = of_length(length);
            let (found, report) = step(probed, coupled.clone(), [&case.gradient], Some(&c))?;
            prop_assert!(report.determinant_ratio > 0.0, "D = {}", report.determinant_ratio);
            worst = worst.max(ratio(&[report.coupling], &[length * length], side * allowed)?);
            let sum: Vec<f64> = c.iter().zip(&case.gradient).map(|(c, l)| c + weight * l).collect();
            let square = probed.gamma.clone().plus_outer(-1.0, &c).plus_outer(1.0, &sum);
            let solved = square.solve(&right).unwrap_or_default();
            prop_assert!(solved.len() == found.len(), "g is singular");
            worst = worst.max(ratio(&found, &solved, 6.0 * allowed * probed.inverse.norm() * largest(&right))?);
            let expected = square.determinant().ln() - probed.gamma.determinant().ln();
            worst = worst.max(ratio(&[report.determinant_ratio.ln()], &[expected], side * allowed)?);
            if length == 0.0 {
                let plain: Vec<f64> = surface.step()?.0.elements().collect();
                worst = worst.max(ratio(&found, &plain, 4.0 * f64::EPSILON * largest(&plain))?);
                worst = worst.max(ratio(&[g.determinant().ln()], &[square.determinant().ln()], side * allowed)?);
            }
        }
        for length in [0.9, 1.1] {
            let c = of_length(length);
            let quotient = probed.gamma.clone().plus_outer(-1.0, &c).determinant() / probed.gamma.determinant();
            let expected = 1.0 - length * length;
            worst = worst.max(ratio(&[quotient], &[expected], side * allowed)?);
            prop_assert!((quotient > 0.0) == (length < 1.0), "det(γ − ccᵀ) / det γ = {}", quotient);
        }
        let beyond = step(probed, coupled, [&case.gradient], Some(&of_length(1.1)));
        prop_assert!(matches!(beyond, Err(Error::Coupling { .. })), "at ⟨c, c⟩ = 1.21 the step is {:?}", beyond);
        Ok(worst)
    })
}
