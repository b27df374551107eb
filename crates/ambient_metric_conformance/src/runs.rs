//! What holds for runs of several steps, on any backend: a backend enters as a function that makes its tensors from named parts.

use ambient_metric::number::Element;
use ambient_metric::space::{Part, Wide};
use ambient_metric::{Configuration, Covector, Error, Rule, Tensor};
use proptest::prop_assert;
use proptest::test_runner::{TestCaseError, TestCaseResult};

use crate::exact::Exact;
use crate::observing::observe;
use crate::reference::Reference;
use crate::strategies::Trajectory;

/// How a backend makes a tensor from named parts on the host, for [`Reference`] it is [`Reference::new`].
pub trait Make<T: Tensor>: Fn(Vec<(Part, Vec<T::Element>)>) -> Result<T, Error> {}

impl<T: Tensor, F: Fn(Vec<(Part, Vec<T::Element>)>) -> Result<T, Error>> Make<T> for F {}

/// The parameters after a run, part after part.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, rules};
/// use ambient_metric_conformance::{Reference, Trajectory, runs};
///
/// let trajectory =
///     Trajectory { sizes: vec![1], theta: vec![3.0], gradients: vec![vec![1.0], vec![2.0]], losses: vec![1.0, 1.0] };
/// let after = runs::run(&Configuration::new(rules::sgd(0.0), 1.0), &trajectory, &Reference::<f64>::new)?;
/// assert_eq!(after, [0.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// Whatever the optimiser or the backend reports.
pub fn run<R: Rule + Clone, T: Tensor>(
    configuration: &Configuration<R>,
    trajectory: &Trajectory,
    make: &impl Make<T>,
) -> Result<Vec<T::Element>, Error> {
    let mut theta = make(trajectory.parts(&trajectory.theta))?;
    let mut optimiser = configuration.clone().build(&theta)?;
    for (gradient, &loss) in trajectory.gradients.iter().zip(&trajectory.losses) {
        let gradient = Covector(make(trajectory.parts(gradient))?);
        observe(&mut optimiser, &[&gradient])?;
        optimiser.step(&mut theta, &gradient, <Wide<T> as ambient_metric::Field>::constant(loss))?;
    }
    elements(&theta)
}

/// All elements of a tensor, part after part.
///
/// # Errors
///
/// Where the backend cannot be read.
pub fn elements<T: Tensor>(tensor: &T) -> Result<Vec<T::Element>, Error> {
    let parts = (0..tensor.layout().parts().len()).map(|part| tensor.read(part));
    Ok(parts.collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect())
}

/// Accepts two lists that are the same numbers, bit for bit where they are floats.
fn same<E: Element>(left: &[E], right: &[E]) -> TestCaseResult {
    prop_assert!(left.len() == right.len(), "{} elements beside {}", left.len(), right.len());
    for (index, (a, b)) in left.iter().zip(right).enumerate() {
        let identical = a == b && a.to_f64().to_bits() == b.to_f64().to_bits();
        prop_assert!(identical, "element {}: {:?} beside {:?}", index, a, b);
    }
    Ok(())
}

/// Two configurations take the same steps bit for bit (P6, with ξ = 0 in one and the base optimiser in the other).
///
/// # Errors
///
/// A failed case, and whatever the optimisers report.
pub fn two_rules_are_one<R: Rule + Clone, Q: Rule + Clone, T: Tensor>(
    one: &Configuration<R>,
    other: &Configuration<Q>,
    trajectory: &Trajectory,
    make: &impl Make<T>,
) -> TestCaseResult {
    same(&run(one, trajectory, make)?, &run(other, trajectory, make)?)
}

/// Cutting the parameters into named parts changes nothing, bit for bit (P15).
///
/// # Requirements
///
/// The backend promises that a sum does not depend on where parts end. In exact numbers every backend does.
///
/// # Errors
///
/// A failed case, and whatever the optimiser reports.
pub fn splitting_changes_nothing<R: Rule + Clone, T: Tensor>(
    configuration: &Configuration<R>,
    trajectory: &Trajectory,
    make: &impl Make<T>,
) -> TestCaseResult {
    Exact::scope(|| same(&run(configuration, trajectory, make)?, &run(configuration, &trajectory.whole(), make)?))
}

/// A backend does exactly what [`Reference`] does with the same numbers: for rules that sum nothing (P16).
///
/// # Errors
///
/// A failed case, and whatever the optimisers report.
pub fn agrees_bit_for_bit<R: Rule + Clone, T: Tensor>(
    configuration: &Configuration<R>,
    trajectory: &Trajectory,
    make: &impl Make<T>,
) -> TestCaseResult {
    same(&run(configuration, trajectory, make)?, &run(configuration, trajectory, &Reference::<T::Element>::new)?)
}

/// What a run is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// [`Reference`] in `f64`, for a run in `f32` or one whose sums are ordered otherwise.
    Double,
    /// [`Reference`] in exact numbers, for rules without roots.
    Exact,
}

/// A backend agrees with the reference to the rounding of its elements (P16). Returns the largest difference in units of its bound.
///
/// # Mathematics
///
/// With u the unit roundoff of the elements, n of them and T steps, first-order error analysis of section 3 of the mathematics
/// gives for every coordinate of step t, relative to the same expression with all terms made positive:
///
/// | quantity | relative error in u | because |
/// |---|---|---|
/// | m̂ | 4t + 4 | per step two constants, two products and a sum; correction rounded and applied |
/// | γ⁻¹ | 2t + 6 | ρ as m with a square, halved by the root; ε, sum and quotient |
/// | s, ⟨l, m̂⟩ | 6t + 12 + n | their terms, summed in any order |
/// | bias corrections, f′, r | 120 | computed in `f64`; at μ, β ≤ 0.95 a power near one is amplified by at most 1/(1−0.95), three times |
/// | the step | 10t + 140 + 2n | all of these together |
///
/// Adding steps and decay to θ costs four roundings of numbers not above |θ₀| + A, where A is the sum of the positive
/// expressions. A comes from the reference: the run from zero with |l| for l and no decay, subtracted from twice
/// the same run at ξ = 0: for the full inverse that is the sum of both of its terms, for the damped momentum it is more.
/// A factor of two covers the terms of second order:
///
/// |difference| ≤ 2u [(10T + 140 + 2n) A + 4T (|θ₀| + A)].
///
/// # Requirements
///
/// γ depends on l² alone; μ and β are at most 0.95; squares of gradients neither overflow nor underflow. `without_height` is the same
/// configuration at ξ = 0.
///
/// # Errors
///
/// A failed case, and whatever the optimisers report.
pub fn agrees_with_the_reference<R: Rule + Clone, T: Tensor>(
    configuration: &Configuration<R>,
    without_height: &Configuration<R>,
    trajectory: &Trajectory,
    make: &impl Make<T>,
    truth: Truth,
) -> Result<f64, TestCaseError> {
    let trajectory = trajectory.rounded::<T::Element>();
    let found = run(configuration, &trajectory, make)?;
    let expected: Vec<f64> = match truth {
        Truth::Double => run(configuration, &trajectory, &Reference::<f64>::new)?,
        Truth::Exact => Exact::scope(|| {
            let exact = run(configuration, &trajectory, &Reference::<Exact>::new)?;
            Ok::<_, Error>(exact.into_iter().map(Element::to_f64).collect())
        })?,
    };
    let bounds = rounding_bounds::<R, T::Element>(configuration, without_height, &trajectory)?;
    let mut worst = 0.0_f64;
    for (index, ((found, expected), bound)) in found.iter().zip(&expected).zip(bounds).enumerate() {
        let difference = (found.to_f64() - expected).abs();
        prop_assert!(difference <= bound, "element {}: {:?} beside {}, bound {}", index, found, expected, bound);
        worst = worst.max(if difference > 0.0 { difference / bound } else { 0.0 });
    }
    Ok(worst)
}

/// How far rounding in elements of type `E` can move every parameter of a run: the bound derived at [`agrees_with_the_reference`].
///
/// # Requirements
///
/// As there. `without_height` is the same configuration at ξ = 0.
///
/// # Errors
///
/// Whatever the optimiser reports.
pub fn rounding_bounds<R: Rule + Clone, E: Element>(
    configuration: &Configuration<R>,
    without_height: &Configuration<R>,
    trajectory: &Trajectory,
) -> Result<Vec<f64>, Error> {
    let magnitudes = trajectory.magnitudes();
    let undecayed = |configuration: &Configuration<R>| {
        run(&configuration.clone().weight_decay(0.0), &magnitudes, &Reference::<f64>::new)
    };
    let damped = undecayed(configuration)?;
    let flat = undecayed(without_height)?;
    let steps = trajectory.gradients.len() as f64;
    let factor = 10.0 * steps + 140.0 + 2.0 * trajectory.theta.len() as f64;
    // The reference itself rounds as doubles do.
    let roundoff = E::ROUNDOFF.max(f64::ROUNDOFF);
    let bound = |((damped, flat), theta): ((&f64, &f64), &f64)| {
        // Both runs go down from zero, so their ends are minus their sums.
        let moved = damped - 2.0 * flat;
        2.0 * roundoff * (factor * moved + 4.0 * steps * (theta.abs() + moved))
    };
    Ok(damped.iter().zip(&flat).zip(&trajectory.theta).map(bound).collect())
}
