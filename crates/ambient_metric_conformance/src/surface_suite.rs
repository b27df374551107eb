//! The properties of one pointwise metric and one embedding together: P1 to P4, P7 to P9 and P12.
//!
//! [`conformance_surface!`](crate::conformance_surface) makes a test of each. Every proof is exact where γ⁻¹ and f′ are fractions. Where f′ is
//! none, the embedding's slope at the loss, rounded to `f64`, stands for it; where γ⁻¹ is none after one gradient, the metric's γ⁻¹ in
//! `f64` stands for it: P1, P3 and P4 are then still exact for the numbers that the metric has, and the step of P2, P7, P8 and P9 is the
//! optimiser's in `f64`, compared with the exact solution for that γ.
//!
//! # Mathematics
//!
//! In `f64` a component of the step loses less than k = n + 40 roundings, relative to itself: γ⁻¹l one, s those of n positive terms,
//! r six, corrections and the product with η the rest. So it is off by at most 2ku with a factor of two for terms of second order. The full
//! inverse takes the difference of two terms that are each 1 + ξf′²⟨l, l⟩ times the result at most: so many times as much, twice.

use ambient_metric::ambient::Product;
use ambient_metric::base::PointwiseMetric;
use ambient_metric::rule::Placement;
use ambient_metric::space::HeavyBall;
use ambient_metric::{
    Configuration, Covector, Descent, Ema, Embedding, Height, Induced, Momentum, Nesterov, NoMomentum,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::chosen::{ChosenEmbedding, ChosenMetric, choose_loss, inverse_in_f64, is_exact_after};
use crate::exact::Exact;
use crate::first_step::{self, Subject};
use crate::geometry;
use crate::matrix::Matrix;
use crate::observing::observe;
use crate::proof::Proof;
use crate::reference::Reference;
use crate::strategies::{Surface, positive_fractions, surfaces};

/// How many cases of each property where nothing else is asked for.
const CASES: u32 = 32;

/// η of the step in `f64`.
const LEARNING_RATE: f64 = 0.125;

/// Tries a claim on points of surfaces with losses in the domain of the embedding.
fn at_points<E: Embedding>(
    embedding: &E,
    claim: impl Fn(&ChosenEmbedding<'_, E>, &Surface) -> Result<f64, TestCaseError>,
) -> Proof {
    Proof::of(CASES, &(surfaces(positive_fractions()), 0..4_usize), |(case, turn)| {
        let Some((loss, embedding)) = choose_loss(embedding, case.loss, turn) else {
            return Err(TestCaseError::reject("no loss in the domain"));
        };
        claim(&embedding, &Surface { loss, ..case })
    })
}

/// Declares a property of a metric and an embedding from one in exact numbers at a point.
macro_rules! at_a_point {
    ($(#[$doc:meta])* $name:ident, $property:path) => {
        $(#[$doc])*
        pub fn $name<M: PointwiseMetric, E: Embedding>(metric: &M, embedding: &E) -> Proof {
            at_points(embedding, |embedding, case| {
                $property(&ChosenMetric::new(metric, &case.seen)?, embedding, case)?;
                Ok(0.0)
            })
        }
    };
}

at_a_point!(
    /// g g⁻¹ = 1 and g⁻¹ g = 1.
    p1_raise_inverts_lower,
    geometry::raise_inverts_lower
);
at_a_point!(
    /// Raising is the inverse of the matrix γ + ξf′² l lᵀ.
    p1_raise_is_the_inverse_of_the_explicit_matrix,
    geometry::raise_is_the_inverse_matrix
);
at_a_point!(
    /// det g = det γ · (1 + ξf′²⟨l, l⟩).
    p3_the_determinant_lemma_holds,
    geometry::determinant_lemma
);
at_a_point!(
    /// Vectors grow and covectors shrink.
    p4_vectors_grow_and_covectors_shrink,
    geometry::vectors_grow_and_covectors_shrink
);
at_a_point!(
    /// The flow's tangent is the orthogonal projection of −∂_h/√ξ onto the surface.
    p12_the_flow_is_the_projection_of_descent,
    geometry::the_flow_is_the_projection_of_descent
);

/// A first step in `f64`, and what it should have been, as exact numbers.
struct Rounded {
    /// δθ as taken.
    found: Vec<Exact>,
    /// δθ as solved for.
    solved: Vec<Exact>,
    gradient: Vec<Exact>,
    raised: Vec<Exact>,
    gamma: Matrix<Exact>,
    g: Matrix<Exact>,
    eta: Exact,
    xi: Exact,
    /// What a component may be off by, relative to itself.
    allowed: Exact,
}

fn in_f64<M, E, P, Q>(
    rule: &Subject<M, ChosenEmbedding<'_, E>, P, Q>,
    case: &Surface,
    claim: impl FnOnce(&Rounded) -> Result<f64, TestCaseError>,
) -> Result<f64, TestCaseError>
where
    M: PointwiseMetric,
    E: Embedding,
    P: Placement + Clone,
    Q: Momentum + Clone,
{
    let gradient: Vec<f64> = case.gradient.iter().map(|l| l.to_f64()).collect();
    let inverse = inverse_in_f64(&rule.metric, &case.gradient)?;
    let loss = case.loss.to_f64();
    let slope: f64 = rule.preconditioner.heights.embedding.slope(loss);
    let mut theta = Reference::vector(vec![0.0; gradient.len()]);
    // The very slope, so that the rounding of f′ is no part of the claim.
    let heights = Height { embedding: ChosenEmbedding::<E>::Line(slope), xi: case.xi };
    let preconditioner = Induced { heights, beta: 0.0, ..rule.preconditioner.clone() };
    let rule = Descent::new(rule.metric.clone(), preconditioner, rule.momentum.clone());
    let covector = Covector(Reference::vector(gradient.iter().copied()));
    let mut optimiser = Configuration::new(rule, LEARNING_RATE).build(&theta)?;
    observe(&mut optimiser, &[&covector])?;
    optimiser.step(&mut theta, &covector, loss)?;
    Exact::scope(|| {
        let [gradient, inverse] =
            [gradient, inverse].map(|values| values.into_iter().map(Exact::ratio_of).collect::<Vec<_>>());
        let one = Exact::ratio(1, 1);
        let gamma = Matrix::diagonal(&inverse.iter().map(|&inverse| one / inverse).collect::<Vec<_>>());
        let (slope, xi, eta) = (Exact::ratio_of(slope), Exact::ratio_of(case.xi), Exact::ratio_of(LEARNING_RATE));
        let g = gamma.clone().plus_outer(xi * slope * slope, &gradient);
        let right: Vec<Exact> = gradient.iter().map(|&l| -(eta * slope * l)).collect();
        let Some(solved) = g.solve(&right) else { return Err(TestCaseError::fail("g is singular")) };
        let raised: Vec<Exact> = gradient.iter().zip(&inverse).map(|(&l, &inverse)| l * inverse).collect();
        let stretch = one + xi * slope * slope * product(&gradient, &raised);
        let cancels = if P::NAME == "exact" { Exact::ratio(2, 1) * stretch } else { one };
        let roundings = Exact::ratio_of(gradient.len() as f64 + 40.0) * cancels;
        claim(&Rounded {
            found: theta.elements().map(Exact::ratio_of).collect(),
            solved,
            gradient,
            raised,
            gamma,
            g,
            eta,
            xi,
            allowed: roundings * Exact::ratio_of(f64::EPSILON),
        })
    })
}

fn product(x: &[Exact], y: &[Exact]) -> Exact {
    x.iter().zip(y).fold(Exact::ratio(0, 1), |sum, (&x, &y)| sum + x * y)
}

/// |difference| in units of `bound`; zero where both are.
fn ratio(difference: Exact, bound: Exact) -> f64 {
    use ambient_metric::Real;
    use ambient_metric::number::Element;
    let zero = Exact::ratio(0, 1);
    if difference == zero {
        0.0
    } else if bound == zero {
        f64::INFINITY
    } else {
        (difference.abs() / bound).to_f64()
    }
}

/// Accepts a ratio not above one.
fn within(ratio: f64) -> Result<f64, TestCaseError> {
    prop_assert!(ratio <= 1.0, "{} times what is allowed", ratio);
    Ok(ratio)
}

impl Rounded {
    fn solves(&self) -> Result<f64, TestCaseError> {
        let ratios = self.found.iter().zip(&self.solved).map(|(&found, &solved)| {
            use ambient_metric::Real;
            ratio(found - solved, self.allowed * solved.abs())
        });
        within(ratios.fold(0.0, f64::max))
    }

    /// Both lengths are off by at most as much as their components; squared, twice.
    fn is_bounded(&self) -> Result<f64, TestCaseError> {
        let slack = Exact::ratio(1, 1) + Exact::ratio(3, 1) * self.allowed;
        let limit = self.eta * self.eta * slack;
        let in_gamma = product(&self.found, &self.gamma.times(&self.found)) * self.xi * Exact::ratio(4, 1);
        let in_g = product(&self.found, &self.g.times(&self.found)) * self.xi;
        within(ratio(in_gamma, limit).max(ratio(in_g, limit)))
    }

    /// A 2×2 minor is a difference of two products that are each off by at most 2ku of themselves.
    fn is_parallel(&self) -> Result<f64, TestCaseError> {
        use ambient_metric::Real;
        let mut worst = 0.0_f64;
        for (&a, &x) in self.found.iter().zip(&self.raised) {
            for (&b, &y) in self.found.iter().zip(&self.raised) {
                worst = worst.max(ratio(a * y - b * x, Exact::ratio(3, 1) * self.allowed * (a * y).abs()));
            }
        }
        within(worst)
    }

    fn descends(&self) -> Result<f64, TestCaseError> {
        let along = product(&self.gradient, &self.found);
        let flat = self.gradient.iter().all(|&l| l == Exact::ratio(0, 1));
        let holds =
            if flat { along == Exact::ratio(0, 1) } else { ambient_metric::number::Element::is_negative(along) };
        prop_assert!(holds, "l·δθ = {:?}", along);
        Ok(0.0)
    }
}

/// Declares a property of the first step: exact where it can be, else in `f64`.
///
/// It holds for every momentum that follows the gradient in its first step, in both placements. A bias-corrected average does so at every
/// decay: m̂ = (1−μ)l / (1−μ). With μ = 3/4 that is exact.
macro_rules! of_the_first_step {
    ($(#[$doc:meta])* $name:ident, $exact:path, $rounded:path) => {
        $(#[$doc])*
        pub fn $name<M: PointwiseMetric, E: Embedding>(metric: &M, embedding: &E) -> Proof {
            fn check<M, E, P, Q>(
                metric: &M,
                induced: &Induced<Height<ChosenEmbedding<'_, E>>, Product, P>,
                momentum: Q,
                case: &Surface,
            ) -> Result<f64, TestCaseError>
            where
                M: PointwiseMetric,
                E: Embedding,
                P: Placement + Clone,
                Q: Momentum + Clone,
            {
                let rule = Descent::new(metric.clone(), induced.clone(), momentum);
                if is_exact_after(metric, &case.gradient) {
                    $exact(&rule, case)?;
                    return Ok(0.0);
                }
                in_f64(&rule, case, $rounded)
            }
            at_points(embedding, |embedding, case| {
                let damped = Induced::new(embedding.clone(), case.xi);
                let full = damped.clone().exact();
                Ok(check(metric, &damped, NoMomentum, case)?
                    .max(check(metric, &damped, Ema(0.0), case)?)
                    .max(check(metric, &damped, Ema(0.75), case)?)
                    .max(check(metric, &full, Ema(0.75), case)?)
                    .max(check(metric, &full, HeavyBall(0.0), case)?)
                    .max(check(metric, &full, Nesterov(0.0), case)?))
            })
        }
    };
}

of_the_first_step!(
    /// δθ = −η · solve(g, ∂f).
    p2_the_step_solves_the_explicit_system,
    first_step::solves_the_explicit_system,
    Rounded::solves
);
of_the_first_step!(
    /// ‖δθ‖ ≤ η/(2√ξ) in γ and η/√ξ in g.
    p7_the_step_is_bounded,
    first_step::is_bounded,
    Rounded::is_bounded
);
of_the_first_step!(
    /// δθ is parallel to l♯.
    p8_the_step_is_parallel_to_the_raised_gradient,
    first_step::is_parallel_to_the_raised_gradient,
    Rounded::is_parallel
);
of_the_first_step!(
    /// l·δθ < 0, and = 0 where l = 0.
    p9_the_step_descends,
    first_step::descends,
    Rounded::descends
);
