//! What holds at one point of a loss surface, for any base metric and any embedding: proofs in exact numbers.
//!
//! Every function takes a subject and a case, and answers like a proptest case. Names in parentheses are those of the
//! properties in the library's mathematics.

use ambient_metric::base::At;
use ambient_metric::{BaseMetric, Covector, Embedding, Metric, PullBack, Vector};
use proptest::test_runner::TestCaseResult;
use proptest::{prop_assert, prop_assert_eq};

use crate::exact::Exact;
use crate::matrix::Matrix;
use crate::observing::see;
use crate::reference::Reference;
use crate::strategies::{Fraction, Surface};

type Space = Reference<Exact>;
type Base<'a, M> = At<'a, M, <M as BaseMetric<Space>>::State>;

/// A point on a surface with its metrics written out as matrices.
pub(crate) struct Explicit {
    /// l.
    pub(crate) gradient: Vec<Exact>,
    /// γ.
    pub(crate) gamma: Matrix<Exact>,
    /// γ + ξf′² l lᵀ.
    pub(crate) g: Matrix<Exact>,
    /// f′.
    pub(crate) slope: Exact,
}

impl Explicit {
    /// The matrices at a point whose γ lowers vectors by `base`.
    pub(crate) fn new(
        base: &impl Metric<Space>,
        embedding: &impl Embedding,
        case: &Surface,
    ) -> Result<Self, ambient_metric::Error> {
        let gradient = exact(&case.gradient);
        let columns = (0..gradient.len()).map(|axis| {
            let unit = (0..gradient.len()).map(|index| Exact::ratio(i64::from(index == axis), 1));
            Ok(base.lower(&Vector(Reference::vector(unit)))?.0.elements().collect())
        });
        let gamma = Matrix::from_columns(&columns.collect::<Result<Vec<_>, ambient_metric::Error>>()?);
        let slope = embedding.slope(case.loss.exact());
        let g = gamma.clone().plus_outer(Exact::ratio_of(case.xi) * slope * slope, &gradient);
        Ok(Self { gradient, gamma, g, slope })
    }
}

impl Exact {
    /// The very number that a finite `f64` stands for.
    pub(crate) fn ratio_of(value: f64) -> Self {
        <Self as ambient_metric::Field>::constant(value)
    }
}

pub(crate) fn exact(fractions: &[Fraction]) -> Vec<Exact> {
    fractions.iter().map(|fraction| fraction.exact()).collect()
}

pub(crate) fn vector(values: &[Exact]) -> Vector<Space> {
    Vector(Reference::vector(values.iter().copied()))
}

pub(crate) fn covector(values: &[Exact]) -> Covector<Space> {
    Covector(Reference::vector(values.iter().copied()))
}

/// Brings a base metric to a point, and hands it to a claim together with the pull-back and both as matrices.
fn at_point<M: BaseMetric<Space>>(
    metric: &M,
    embedding: &impl Embedding,
    case: &Surface,
    claim: impl FnOnce(&Explicit, &Base<'_, M>, &PullBack<Space, Base<'_, M>>) -> TestCaseResult,
) -> TestCaseResult {
    Exact::scope(|| {
        let seen = covector(&exact(&case.seen));
        let mut state = metric.begin(&seen.0)?;
        see(metric, &mut state, &seen)?;
        let base = At { metric, state: &state };
        let explicit = Explicit::new(&base, embedding, case)?;
        let gradient = covector(&explicit.gradient);
        let surface = PullBack::new(At { metric, state: &state }, gradient, case.loss.exact(), embedding, case.xi)?;
        claim(&explicit, &base, &surface)
    })
}

/// g g⁻¹ = 1 and g⁻¹ g = 1 (P1).
///
/// # Requirements
///
/// γ⁻¹ is a fraction after `case.seen`, and f′ is one at `case.loss`; anything else fails.
///
/// # Example
///
/// ```
/// use ambient_metric::{Euclidean, Log};
/// use ambient_metric_conformance::{geometry, positive_fractions, surfaces};
/// use proptest::test_runner::{Config, TestRunner};
///
/// let mut runner = TestRunner::new(Config { cases: 8, failure_persistence: None, ..Config::default() });
/// runner.run(&surfaces(positive_fractions()), |case| geometry::raise_inverts_lower(&Euclidean, &Log, &case))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// A failed case, and whatever the metric or embedding reports.
pub fn raise_inverts_lower<M: BaseMetric<Space>>(
    metric: &M,
    embedding: &impl Embedding,
    case: &Surface,
) -> TestCaseResult {
    at_point(metric, embedding, case, |_, _, surface| {
        let x = exact(&case.other);
        prop_assert_eq!(surface.lower(&surface.raise(&covector(&x))?)?, covector(&x));
        prop_assert_eq!(surface.raise(&surface.lower(&vector(&x))?)?, vector(&x));
        Ok(())
    })
}

/// Raising is the inverse of the matrix γ + ξf′² l lᵀ, and lowering is the matrix (P1).
///
/// # Requirements
///
/// As [`raise_inverts_lower`].
///
/// # Errors
///
/// A failed case, and whatever the metric or embedding reports.
pub fn raise_is_the_inverse_matrix<M: BaseMetric<Space>>(
    metric: &M,
    embedding: &impl Embedding,
    case: &Surface,
) -> TestCaseResult {
    at_point(metric, embedding, case, |explicit, _, surface| {
        let x = exact(&case.other);
        let inverse = explicit.g.inverse();
        prop_assert!(inverse.is_some(), "g is singular");
        if let Some(inverse) = inverse {
            prop_assert_eq!(surface.raise(&covector(&x))?, vector(&inverse.times(&x)));
        }
        prop_assert_eq!(surface.lower(&vector(&x))?, covector(&explicit.g.times(&x)));
        Ok(())
    })
}

/// det g = det γ · (1 + ξf′²⟨l, l⟩) (P3).
///
/// # Requirements
///
/// As [`raise_inverts_lower`].
///
/// # Errors
///
/// A failed case, and whatever the metric or embedding reports.
pub fn determinant_lemma<M: BaseMetric<Space>>(
    metric: &M,
    embedding: &impl Embedding,
    case: &Surface,
) -> TestCaseResult {
    at_point(metric, embedding, case, |explicit, _, surface| {
        prop_assert_eq!(explicit.g.determinant(), explicit.gamma.determinant() * surface.determinant_ratio());
        Ok(())
    })
}

/// Vectors are at least as long in g as in γ, covectors at most as long (P4).
///
/// # Requirements
///
/// As [`raise_inverts_lower`].
///
/// # Errors
///
/// A failed case, and whatever the metric or embedding reports.
pub fn vectors_grow_and_covectors_shrink<M: BaseMetric<Space>>(
    metric: &M,
    embedding: &impl Embedding,
    case: &Surface,
) -> TestCaseResult {
    at_point(metric, embedding, case, |_, base, surface| {
        let x = exact(&case.other);
        let (v, y) = (vector(&x), covector(&x));
        prop_assert!(at_least(surface.inner(&v, &v)?, base.inner(&v, &v)?));
        prop_assert!(at_least(base.inner_covectors(&y, &y)?, surface.inner_covectors(&y, &y)?));
        Ok(())
    })
}

/// a ≥ b, both being numbers.
pub(crate) fn at_least(a: Exact, b: Exact) -> bool {
    let difference = a - b;
    difference.is_defined() && !ambient_metric::number::Element::is_negative(difference)
}

/// Over a flat γ: g stretches the gradient by 1 + ξf′²⟨l, l⟩ and leaves what is perpendicular to it alone (P5).
///
/// # Requirements
///
/// γ = 1, and as [`raise_inverts_lower`].
///
/// # Errors
///
/// A failed case, and whatever the metric or embedding reports.
pub fn only_the_gradient_direction_is_stretched<M: BaseMetric<Space>>(
    metric: &M,
    embedding: &impl Embedding,
    case: &Surface,
) -> TestCaseResult {
    at_point(metric, embedding, case, |explicit, _, surface| {
        let l = &explicit.gradient;
        let stretched: Vec<Exact> = l.iter().map(|&l| surface.determinant_ratio() * l).collect();
        prop_assert_eq!(surface.lower(&vector(l))?, covector(&stretched));

        let mut perpendicular = vector(&exact(&case.other));
        let squared = covector(l).contract(&vector(l))?;
        if squared != Exact::ratio(0, 1) {
            let along = covector(l).contract(&perpendicular)? / squared;
            perpendicular.add_scaled(-along, &vector(l))?;
        }
        prop_assert_eq!(surface.lower(&perpendicular)?.0, perpendicular.0);
        Ok(())
    })
}

/// Scaling the loss and its gradient together leaves the step unchanged (P11).
///
/// # Requirements
///
/// The embedding is the logarithm up to a constant, the base metric stays as it is, and as [`raise_inverts_lower`].
///
/// # Errors
///
/// A failed case, and whatever the metric or embedding reports.
pub fn scaling_the_loss_changes_nothing<M: BaseMetric<Space>>(
    metric: &M,
    embedding: &impl Embedding,
    case: &Surface,
    scale: Fraction,
) -> TestCaseResult {
    let times = |value: Fraction| Fraction {
        numerator: value.numerator * scale.numerator,
        denominator: value.denominator * scale.denominator,
    };
    let scaled = Surface {
        gradient: case.gradient.iter().map(|&value| times(value)).collect(),
        loss: times(case.loss),
        ..case.clone()
    };
    at_point(metric, embedding, case, |_, _, surface| {
        let step = surface.step()?;
        at_point(metric, embedding, &scaled, |_, _, surface| {
            prop_assert_eq!(surface.step()?, step);
            Ok(())
        })
    })
}

/// The flow −g⁻¹∂f, lifted to the surface, is the orthogonal projection of −∂_h/√ξ onto it (P12).
///
/// # Mathematics
///
/// The surface h = √ξ f(L) stands in the parameters times a line, with the metric γ + dh². A vector v of the parameters lifts to
/// (v, √ξ f′ l·v). What is left of (0, −1/√ξ) after the lifted flow is taken away must be orthogonal to the lift of every unit vector.
///
/// # Requirements
///
/// As [`raise_inverts_lower`]. ξ is the square of `case.xi`, so that its root is a fraction; at ξ = 0 there is no surface and no claim.
///
/// # Errors
///
/// A failed case, and whatever the metric or embedding reports.
pub fn the_flow_is_the_projection_of_descent<M: BaseMetric<Space>>(
    metric: &M,
    embedding: &impl Embedding,
    case: &Surface,
) -> TestCaseResult {
    let square = Surface { xi: case.xi * case.xi, ..case.clone() };
    if case.xi == 0.0 {
        return Ok(());
    }
    at_point(metric, embedding, &square, |explicit, _, surface| {
        let root = Exact::ratio_of(case.xi);
        let rise = root * explicit.slope;
        let mut flow = surface.step()?;
        flow.scale(Exact::ratio(-1, 1))?;
        let climbed = rise * covector(&explicit.gradient).contract(&flow)?;
        let left = -(Exact::ratio(1, 1) / root) - climbed;
        let lowered: Vec<Exact> = explicit.gamma.times(&flow.0.elements().collect::<Vec<_>>());
        for (lowered, &l) in lowered.into_iter().zip(&explicit.gradient) {
            prop_assert_eq!(left * rise * l - lowered, Exact::ratio(0, 1));
        }
        Ok(())
    })
}
