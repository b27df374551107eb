//! The properties of any base metric, pointwise or not. [`conformance_base_metric!`](crate::conformance_base_metric) makes a test of each.
//!
//! A metric is taken apart by unit vectors: lowering them gives the columns of γ, raising them those of γ⁻¹. Both are asked to be right
//! up to 32 n² roundings of their largest row sum, in which products of n terms in both of two factors and the decomposition of a matrix of
//! side n have room; what is said of both together then holds up to that times the condition number ‖γ‖ ‖γ⁻¹‖.

use ambient_metric::{
    At, BaseMetric, Covector, Embedding, Error, Identity, Log, Metric, Part, PullBack, Sqrt, Tensor, Vector,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::matrix::Matrix;
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
    prop_assert!(distance <= bound, "{:?} beside {:?}: {} > {}", found, expected, distance, bound);
    Ok(if bound > 0.0 { distance / bound } else { 0.0 })
}

/// Tries a claim on the metric after several gradients.
fn probe<M: BaseMetric<Space>>(
    metric: &M,
    parts: &[Part],
    claim: impl Fn(&Probed<'_, M>, &Case) -> Result<f64, TestCaseError>,
) -> Proof {
    Proof::of(CASES, &cases(parts), |case| {
        let mut state = metric.begin(&space(parts, &case.x)?)?;
        for seen in &case.seen {
            metric.update(&mut state, &Covector(space(parts, seen)?))?;
        }
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
        let mut state = metric.begin(&space(parts, &case.x)?)?;
        for seen in &case.seen {
            metric.update(&mut state, &Covector(space(parts, seen)?))?;
        }
        let bits = |state: &M::State| -> Result<Vec<u64>, Error> {
            let raised = metric.raise(state, &Covector(space(parts, &case.y)?))?;
            Ok(raised.0.elements().map(f64::to_bits).collect())
        };
        let before = bits(&state)?;
        let mut gradient = case.gradient.clone();
        let place = place.index(gradient.len());
        gradient[place] = if is_nan { f64::NAN } else { f64::INFINITY };
        let refused = metric.update(&mut state, &Covector(space(parts, &gradient)?));
        prop_assert!(matches!(refused, Err(Error::NonFiniteGradient { .. })), "{:?}", refused.err());
        prop_assert_eq!(bits(&state)?, before);
        Ok(0.0)
    })
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
        prop_assert!(metric.raise(&state, &Covector(other.duplicate()?)).is_err());
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
        prop_assert!(in_g <= in_gamma + slack, "{} > {}", in_g, in_gamma);
        Ok(0.0)
    })
}
