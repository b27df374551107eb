//! What holds for the first step of an optimiser without momentum: proofs in exact numbers, for any metric, embedding and placement.

use ambient_metric::ambient::Product;
use ambient_metric::base::{At, PointwiseMetric};
use ambient_metric::rule::Placement;
use ambient_metric::{BaseMetric, Configuration, Descent, Embedding, Height, Induced, Metric, Momentum};
use proptest::test_runner::TestCaseResult;
use proptest::{prop_assert, prop_assert_eq};

use crate::exact::Exact;
use crate::geometry::{Explicit, at_least, covector, exact};
use crate::observing::{observe, see};
use crate::reference::Reference;
use crate::strategies::Surface;

/// η of every proof: a power of two, so that it is the same number in every type.
const LEARNING_RATE: f64 = 0.125;

/// The rule whose step is proved.
pub type Subject<M, E, P, Q> = Descent<M, Induced<Height<E>, Product, P>, Q>;

struct Step {
    explicit: Explicit,
    /// l♯.
    raised: Vec<Exact>,
    /// δθ.
    change: Vec<Exact>,
    eta: Exact,
    xi: Exact,
}

impl Step {
    /// l·δθ.
    fn slope_along(&self) -> Exact {
        product(&self.explicit.gradient, &self.change)
    }
}

fn product(x: &[Exact], y: &[Exact]) -> Exact {
    x.iter().zip(y).fold(Exact::ratio(0, 1), |sum, (&x, &y)| sum + x * y)
}

fn after_one_step<M, E, P, Q>(
    rule: &Subject<M, E, P, Q>,
    case: &Surface,
    claim: impl FnOnce(&Step) -> TestCaseResult,
) -> TestCaseResult
where
    M: PointwiseMetric + Clone,
    E: Embedding + Clone,
    P: Placement + Clone,
    Q: Momentum + Clone,
{
    Exact::scope(|| {
        let mut rule = rule.clone();
        rule.preconditioner.heights.xi = case.xi;
        let metric = rule.metric.clone();
        let embedding = rule.preconditioner.heights.embedding.clone();

        let before = exact(&case.other);
        let mut theta = Reference::vector(before.iter().copied());
        let gradient = covector(&exact(&case.gradient));
        let mut state = BaseMetric::begin(&metric, &theta)?;
        see(&metric, &mut state, &gradient)?;
        let base = At { metric: &metric, state: &state };
        let explicit = Explicit::new(&base, &embedding, case)?;
        let raised = base.raise(&gradient)?.0.elements().collect();

        let mut optimiser = Configuration::new(rule, LEARNING_RATE).build(&theta)?;
        observe(&mut optimiser, &[&gradient])?;
        optimiser.step(&mut theta, &gradient, case.loss.exact())?;
        let change = theta.elements().zip(before).map(|(after, before)| after - before).collect();
        let step = Step { explicit, raised, change, eta: Exact::ratio_of(LEARNING_RATE), xi: Exact::ratio_of(case.xi) };
        claim(&step)
    })
}

/// δθ = −η · solve(g, ∂f), with g written out and solved by elimination (P2).
///
/// # Requirements
///
/// β = 0 and μ = 0; γ⁻¹ is a fraction after one gradient, and f′ is one at `case.loss`; anything else fails.
///
/// # Example
///
/// ```
/// use ambient_metric::{Descent, Ema, Euclidean, Induced};
/// use ambient_metric::ambient::Sqrt;
/// use ambient_metric_conformance::{Fraction, Surface, first_step};
///
/// let fraction = |numerator| Fraction { numerator, denominator: 1 };
/// let case = Surface {
///     seen: vec![],
///     gradient: vec![fraction(3), fraction(4)],
///     other: vec![fraction(1), fraction(1)],
///     loss: fraction(4),
///     xi: 0.5,
/// };
/// let rule = Descent::new(Euclidean, Induced::new(Sqrt, 0.5), Ema(0.0));
/// assert!(first_step::solves_the_explicit_system(&rule, &case).is_ok());
/// ```
///
/// # Errors
///
/// A failed case, and whatever the optimiser reports.
pub fn solves_the_explicit_system<M, E, P, Q>(rule: &Subject<M, E, P, Q>, case: &Surface) -> TestCaseResult
where
    M: PointwiseMetric + Clone,
    E: Embedding + Clone,
    P: Placement + Clone,
    Q: Momentum + Clone,
{
    after_one_step(rule, case, |step| {
        let slope = step.explicit.slope;
        let right: Vec<Exact> = step.explicit.gradient.iter().map(|&l| -(step.eta * slope * l)).collect();
        let solution = step.explicit.g.solve(&right);
        prop_assert_eq!(Some(&step.change), solution.as_ref());
        Ok(())
    })
}

/// The step is no longer than η/(2√ξ) in γ and η/√ξ in g (P7): compared as squares, so without rounding.
///
/// # Requirements
///
/// As [`solves_the_explicit_system`].
///
/// # Errors
///
/// A failed case, and whatever the optimiser reports.
pub fn is_bounded<M, E, P, Q>(rule: &Subject<M, E, P, Q>, case: &Surface) -> TestCaseResult
where
    M: PointwiseMetric + Clone,
    E: Embedding + Clone,
    P: Placement + Clone,
    Q: Momentum + Clone,
{
    after_one_step(rule, case, |step| {
        let squared_rate = step.eta * step.eta;
        let in_gamma = product(&step.change, &step.explicit.gamma.times(&step.change));
        let in_g = product(&step.change, &step.explicit.g.times(&step.change));
        prop_assert!(at_least(squared_rate, Exact::ratio(4, 1) * step.xi * in_gamma));
        prop_assert!(at_least(squared_rate, step.xi * in_g));
        Ok(())
    })
}

/// δθ is parallel to l♯: every 2×2 minor of the pair vanishes (P8).
///
/// # Requirements
///
/// As [`solves_the_explicit_system`].
///
/// # Errors
///
/// A failed case, and whatever the optimiser reports.
pub fn is_parallel_to_the_raised_gradient<M, E, P, Q>(rule: &Subject<M, E, P, Q>, case: &Surface) -> TestCaseResult
where
    M: PointwiseMetric + Clone,
    E: Embedding + Clone,
    P: Placement + Clone,
    Q: Momentum + Clone,
{
    after_one_step(rule, case, |step| {
        for (&change, &raised) in step.change.iter().zip(&step.raised) {
            for (&other_change, &other_raised) in step.change.iter().zip(&step.raised) {
                prop_assert_eq!(change * other_raised, other_change * raised);
            }
        }
        Ok(())
    })
}

/// l·δθ < 0, and = 0 where l = 0 (P9).
///
/// # Requirements
///
/// As [`solves_the_explicit_system`].
///
/// # Errors
///
/// A failed case, and whatever the optimiser reports.
pub fn descends<M, E, P, Q>(rule: &Subject<M, E, P, Q>, case: &Surface) -> TestCaseResult
where
    M: PointwiseMetric + Clone,
    E: Embedding + Clone,
    P: Placement + Clone,
    Q: Momentum + Clone,
{
    after_one_step(rule, case, |step| {
        let along = step.slope_along();
        if case.gradient.iter().all(|l| l.numerator == 0) {
            prop_assert_eq!(along, Exact::ratio(0, 1));
        } else {
            prop_assert!(ambient_metric::number::Element::is_negative(along), "l·δθ = {:?}", along);
        }
        Ok(())
    })
}
