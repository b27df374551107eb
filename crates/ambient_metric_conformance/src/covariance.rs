//! General covariance (P10): in coordinates φ with θ = Aφ the same steps are taken. Proofs in exact numbers.

use ambient_metric::{Configuration, DiagonalMetric, Embedding, Error, PullBack, Real, Rule};
use proptest::prop_assert_eq;
use proptest::test_runner::TestCaseResult;

use crate::exact::Exact;
use crate::geometry::{covector, exact};
use crate::matrix::{Matrix, MatrixMetric};
use crate::observing::observe;
use crate::reference::Reference;
use crate::strategies::{Fraction, Surface};

/// γ = Σ l²: the diagonal metric that transforms as a metric does when coordinates are scaled by a: it becomes a²γ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Squares;

impl DiagonalMetric for Squares {
    /// Σ l², and one as soon as there is such a sum; before, γ = 1.
    type State<S: Real> = [S; 2];

    fn observe<S: Real>(&self, [seen, _]: [S; 2], gradient: S) -> [S; 2] {
        [seen + gradient * gradient, S::one()]
    }

    fn inverse<S: Real>(&self, [seen, begun]: [S; 2]) -> S {
        S::one() / (seen + (S::one() - begun))
    }
}

/// θ after every gradient of a run has been followed.
fn end<R: Rule + Clone>(
    configuration: &Configuration<R>,
    theta: &[Exact],
    gradients: &[Vec<Exact>],
    loss: Exact,
) -> Result<Vec<Exact>, Error> {
    let mut theta = Reference::vector(theta.iter().copied());
    let mut optimiser = configuration.clone().build(&theta)?;
    for gradient in gradients {
        observe(&mut optimiser, &[&covector(gradient)])?;
        optimiser.step(&mut theta, &covector(gradient), loss)?;
    }
    Ok(theta.elements().collect())
}

fn times(x: &[Exact], y: &[Exact]) -> Vec<Exact> {
    x.iter().zip(y).map(|(&x, &y)| x * y).collect()
}

/// A run in φ with θ = Aφ for a diagonal A ends where the run in θ does (P10), through the optimiser.
///
/// # Requirements
///
/// The metric of the rule transforms as a metric, such as [`Squares`]; no entry of A, and with `Squares` no gradient, is zero.
///
/// # Errors
///
/// A failed case, and whatever the optimiser reports.
pub fn scaled_coordinates_take_the_same_steps<R: Rule + Clone>(
    configuration: &Configuration<R>,
    scales: &[Fraction],
    theta: &[Fraction],
    gradients: &[Vec<Fraction>],
    loss: Fraction,
) -> TestCaseResult {
    Exact::scope(|| {
        let (scales, theta) = (exact(scales), exact(theta));
        let phi: Vec<Exact> = theta.iter().zip(&scales).map(|(&theta, &scale)| theta / scale).collect();
        let in_theta: Vec<Vec<Exact>> = gradients.iter().map(|gradient| exact(gradient)).collect();
        let in_phi: Vec<Vec<Exact>> = in_theta.iter().map(|gradient| times(gradient, &scales)).collect();
        let expected = end(configuration, &theta, &in_theta, loss.exact())?;
        let found = end(configuration, &phi, &in_phi, loss.exact())?;
        prop_assert_eq!(times(&found, &scales), expected);
        Ok(())
    })
}

/// A run in permuted coordinates ends where the run does (P10), through the optimiser: for every diagonal metric.
///
/// # Requirements
///
/// `order` names every coordinate once, and γ⁻¹ is a fraction after every gradient.
///
/// # Errors
///
/// A failed case, and whatever the optimiser reports.
pub fn permuted_coordinates_take_the_same_steps<R: Rule + Clone>(
    configuration: &Configuration<R>,
    order: &[usize],
    theta: &[Fraction],
    gradients: &[Vec<Fraction>],
    loss: Fraction,
) -> TestCaseResult {
    Exact::scope(|| {
        let permuted =
            |values: &[Exact]| order.iter().filter_map(|&index| values.get(index).copied()).collect::<Vec<_>>();
        let theta = exact(theta);
        let gradients: Vec<Vec<Exact>> = gradients.iter().map(|gradient| exact(gradient)).collect();
        let expected = end(configuration, &theta, &gradients, loss.exact())?;
        let moved: Vec<Vec<Exact>> = gradients.iter().map(|gradient| permuted(gradient)).collect();
        prop_assert_eq!(end(configuration, &permuted(&theta), &moved, loss.exact())?, permuted(&expected));
        Ok(())
    })
}

/// The step in φ with θ = Aφ, over the metric Aᵀ γ A and from the gradient Aᵀ l, is A⁻¹ times the step in θ, for any invertible A and any γ (P10).
///
/// γ is 1 + `case.seen` `case.seen`ᵀ, and the columns of A are given; where A is singular there is no claim.
///
/// # Requirements
///
/// The embedding's slope is a fraction at `case.loss`.
///
/// # Errors
///
/// A failed case, and whatever the embedding reports.
pub fn any_linear_coordinates_take_the_same_step(
    embedding: &impl Embedding,
    columns: &[Vec<Fraction>],
    case: &Surface,
) -> TestCaseResult {
    Exact::scope(|| {
        let zero = Exact::ratio(0, 1);
        let dot = |x: &[Exact], y: &[Exact]| times(x, y).into_iter().fold(zero, |sum, term| sum + term);
        let columns: Vec<Vec<Exact>> = columns.iter().map(|column| exact(column)).collect();
        let a = Matrix::from_columns(&columns);
        if a.determinant() == zero {
            return Ok(());
        }
        let transposed = |x: &[Exact]| columns.iter().map(|column| dot(column, x)).collect::<Vec<_>>();
        let ones = vec![Exact::ratio(1, 1); columns.len()];
        let gamma = Matrix::diagonal(&ones).plus_outer(Exact::ratio(1, 1), &exact(&case.seen));
        let in_phi =
            Matrix::from_columns(&columns.iter().map(|column| transposed(&gamma.times(column))).collect::<Vec<_>>());

        let l = exact(&case.gradient);
        let step = |gamma: Matrix<Exact>, l: &[Exact]| {
            PullBack::new(MatrixMetric(gamma), covector(l), case.loss.exact(), embedding, case.xi)?.step()
        };
        let expected = step(gamma, &l)?;
        let found = step(in_phi, &transposed(&l))?;
        prop_assert_eq!(a.times(&found.0.elements().collect::<Vec<_>>()), expected.0.elements().collect::<Vec<_>>());
        Ok(())
    })
}
