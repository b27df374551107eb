//! P2, P3, P7 and P11 in floating point on the ndarray backend, against explicit matrices and with derived allowances.

#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]

use ambient_metric::base::At;
use ambient_metric::number::Element;
use ambient_metric::{
    BaseMetric, Configuration, Covector, Descent, DiagonalMetric, Ema, Embedding, Euclidean, Induced, Log, Metric,
    NoMomentum, PullBack, Tensor, Vector, rules,
};
use ambient_metric_conformance::{
    Fraction, Matrix, Reference, Surface, Trajectory, compensated_sum, gradients, positive_diagonals, runs,
    trajectories,
};
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::{cases, for_every_metric_and_embedding, parameters};
use ndarray::Array1;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

/// The unit roundoff of `f64`.
const U: f64 = f64::EPSILON / 2.0;

fn floats(fractions: &[Fraction]) -> Vec<f64> {
    fractions.iter().map(|fraction| fraction.to_f64()).collect()
}

fn space(values: &[f64]) -> Parameters<f64> {
    Parameters::from(Array1::from(values.to_vec()))
}

/// γ + ξf′² l lᵀ from what γ does to the unit vectors; and γ.
fn explicit(base: &impl Metric<Parameters<f64>>, gradient: &[f64], weight: f64) -> (Matrix<f64>, Matrix<f64>) {
    let unit = |axis: usize| (0..gradient.len()).map(|index| f64::from(u8::from(index == axis))).collect::<Vec<_>>();
    let columns: Vec<Vec<f64>> = (0..gradient.len())
        .map(|axis| base.lower(&Vector(space(&unit(axis)))).unwrap().0.as_slice().to_vec())
        .collect();
    let gamma = Matrix::from_columns(&columns);
    (gamma.clone().plus_outer(weight, gradient), gamma)
}

/// A bound on the backward error of elimination on the n×n matrix g, relative to ‖g‖ and in units of u.
///
/// LU with partial pivoting solves (g + E)x = b with |E| ≤ 3nu |L||U| (Higham, *Accuracy and Stability*, theorem 9.4);
/// |L| ≤ 1 and |U| ≤ 2ⁿ⁻¹ max|g| give ‖E‖ ≤ 3n² 2ⁿ⁻¹ u ‖g‖. Every entry of g itself is off by at most 10u of itself: γ by an ulp
/// or two, the weight by three, the products and the sum by four.
fn elimination_error(size: usize) -> f64 {
    3.0 * (size * size) as f64 * 2.0_f64.powi(size.try_into().unwrap()) / 2.0 + 10.0
}

/// The closed form loses a few roundings per component whatever g is: l♯ three, s those of n positive terms, r six: less than
/// (n + 40)u. The oracle is off by κ(g) times its backward error; a factor of two covers terms of second order.
fn p2_the_step_agrees_with_lu<M: DiagonalMetric + Clone, E: Embedding + Clone>(
    metric: &M,
    embedding: &E,
    case: &Surface,
) -> TestCaseResult {
    let (gradient, loss) = (floats(&case.gradient), case.loss.to_f64());
    let covector = Covector(space(&gradient));
    let mut state = BaseMetric::begin(metric, &covector.0)?;
    metric.update(&mut state, &covector)?;
    let slope = embedding.slope(loss);
    let (g, _) = explicit(&At { metric, state: &state }, &gradient, case.xi * slope * slope);
    let right: Vec<f64> = gradient.iter().map(|l| -0.125 * slope * l).collect();
    let expected = g.solve(&right).unwrap();

    // From the origin, so that the change is the step without a further rounding.
    let mut theta = covector.0.zeros_like()?;
    let rule = Descent::new(metric.clone(), Induced::new(embedding.clone(), case.xi), NoMomentum);
    Configuration::new(rule, 0.125).build(&theta)?.step(&mut theta, &covector, loss)?;

    let size = gradient.len();
    let condition = g.norm() * g.inverse().unwrap().norm();
    let relative = 2.0 * U * (condition * elimination_error(size) + size as f64 + 40.0);
    prop_assert!(relative < 0.01, "the case is too badly conditioned to say anything: {}", condition);
    let scale = expected.iter().fold(0.0_f64, |scale, x| scale.max(x.abs()));
    for (found, expected) in theta.iter().zip(&expected) {
        prop_assert!((found - expected).abs() <= relative * scale, "{} beside {}", found, expected);
    }
    Ok(())
}

for_every_metric_and_embedding!(p2_the_step_agrees_with_lu);

/// The determinant of g + E is that of g times 1 + δ with |δ| ≤ 2nκ‖E‖/‖g‖, and so is the logarithm off; the closed form sums n + 1
/// logarithms, each to one rounding of itself and with an argument off by four.
fn p3_the_log_determinant_agrees_with_lu<M: DiagonalMetric, E: Embedding>(
    metric: &M,
    embedding: &E,
    case: &Surface,
) -> TestCaseResult {
    let (gradient, seen) = (floats(&case.gradient), Covector(space(&floats(&case.seen))));
    let mut state = BaseMetric::begin(metric, &seen.0)?;
    metric.update(&mut state, &seen)?;
    let covector = Covector(space(&gradient));
    let surface = PullBack::new(At { metric, state: &state }, covector, case.loss.to_f64(), embedding, case.xi)?;
    let slope = surface.slope();
    let (g, gamma) = explicit(&At { metric, state: &state }, &gradient, case.xi * slope * slope);

    let size = gradient.len();
    let condition = g.norm() * g.inverse().unwrap().norm();
    let diagonal = gamma.times(&vec![1.0; size]);
    let logarithms = diagonal.iter().map(|x| x.ln().abs()).sum::<f64>() + surface.determinant_ratio().ln();
    let terms = (size + 1) as f64;
    let allowed =
        2.0 * U * (2.0 * size as f64 * condition * elimination_error(size) + (terms + 2.0) * logarithms + 5.0 * terms);
    prop_assert!(allowed < 0.01, "the case is too badly conditioned to say anything: {}", condition);
    let (found, expected) = (surface.log_determinant()?, g.determinant().ln());
    prop_assert!((found - expected).abs() <= allowed, "{} beside {}", found, expected);
    Ok(())
}

for_every_metric_and_embedding!(p3_the_log_determinant_agrees_with_lu);

/// Lengths of the first step in γ and in g, times 2√ξ/η and √ξ/η: P7 says that neither is above one.
fn step_lengths<T: Element<Wide = f64>, M: DiagonalMetric + Clone, E: Embedding + Clone>(
    metric: &M,
    embedding: &E,
    gradient: &[f64],
    loss: f64,
    xi: f64,
) -> Result<[f64; 2], TestCaseError> {
    let gradient: Vec<T> = gradient.iter().map(|&l| T::constant(l)).collect();
    let covector = Covector(Parameters::from(Array1::from(gradient.clone())));
    let mut theta = covector.0.zeros_like()?;
    let rule = Descent::new(metric.clone(), Induced::new(embedding.clone(), xi), NoMomentum);
    Configuration::new(rule, 0.125).build(&theta)?.step(&mut theta, &covector, loss)?;

    // Independently in f64: γ from the metric's own formulas, and every sum compensated.
    let reference = Covector(Reference::vector(gradient.iter().map(|l| l.to_f64())));
    let mut state = BaseMetric::begin(metric, &reference.0)?;
    metric.update(&mut state, &reference)?;
    let change = Vector(Reference::vector(theta.iter().map(|x| x.to_f64() / 0.125)));
    let lowered = BaseMetric::lower(metric, &state, &change)?;
    let in_gamma = compensated_sum(lowered.0.elements().zip(change.0.elements()).map(|(x, y)| x * y));
    let along = compensated_sum(reference.0.elements().zip(change.0.elements()).map(|(x, y)| x * y));
    let slope: f64 = embedding.slope(loss);
    let root = xi.sqrt();
    // √(‖δθ‖²_γ + (√ξ f′ l·δθ)²), the second root without squaring.
    Ok([2.0 * root * in_gamma.sqrt(), root * in_gamma.sqrt().hypot(root * slope * along)])
}

/// Every component of the step is off by at most (n + 40)u of itself, as at P2, and the length by the same; l·δθ is a sum of terms of one
/// sign. The check itself adds eight roundings in `f64`.
fn bounded<T: Element<Wide = f64>, M: DiagonalMetric + Clone, E: Embedding + Clone>(
    metric: &M,
    embedding: &E,
    gradient: &[f64],
    loss: f64,
    xi: f64,
) -> TestCaseResult {
    let unit = if T::constant(1.0 + U * 4.0).to_f64() > 1.0 { U } else { f64::from(f32::EPSILON) / 2.0 };
    let allowed = 1.0 + 2.0 * unit * (gradient.len() as f64 + 48.0);
    let [in_gamma, in_g] = step_lengths::<T, M, E>(metric, embedding, gradient, loss, xi)?;
    prop_assert!(in_gamma <= allowed, "in γ: {}", in_gamma);
    prop_assert!(in_g <= allowed, "in g: {}", in_g);
    Ok(())
}

macro_rules! p7_no_gradient_makes_a_step_longer_than_the_bound {
    ($($metric_name:ident: $metric:expr),+ $(,)?) => {
        mod p7_no_gradient_makes_a_step_longer_than_the_bound {
            use super::*;
            use ambient_metric::{Adagrad, Identity, Log1p, RmsProp};
            use ambient_metric::ambient::{Power, Sqrt};
            use ambient_metric_tests::{Asinh, Quadratic};

            proptest! {
                #![proptest_config(cases(64))]
                $(
                    #[test]
                    fn $metric_name(
                        gradient in gradients(1..40),
                        loss in 1e-3..1e3_f64,
                        xi in 1e-3..1e3_f64,
                    ) {
                        // In f32 the squares of smaller numbers underflow, and those of larger ones overflow.
                        let moderate: Vec<f64> =
                            gradient.iter().map(|&l| if l == 0.0 { 0.0 } else { l.signum() * l.abs().clamp(1e-15, 1e15) }).collect();
                        macro_rules! check {
                            ($embedding:expr) => {
                                bounded::<f64, _, _>(&$metric, &$embedding, &gradient, loss, xi)?;
                                bounded::<f32, _, _>(&$metric, &$embedding, &moderate, loss, xi)?;
                            };
                        }
                        check!(Identity);
                        check!(Log);
                        check!(Sqrt);
                        check!(Power(1.7));
                        check!(Log1p);
                        check!(Asinh);
                    }
                )+
            }
        }
    };
}

p7_no_gradient_makes_a_step_longer_than_the_bound!(
    euclidean: Euclidean,
    rmsprop: RmsProp::default(),
    adagrad: Adagrad::default(),
    quadratic_of_a_user: Quadratic,
);

#[test]
fn p7_the_bound_in_gamma_is_reached_where_the_height_rises_as_fast_as_it_is_damped() {
    // f′²ξ⟨l, l⟩ = 1: the damping is one half, and every number here is a power of two.
    let lengths = step_lengths::<f64, _, _>(&Euclidean, &Log, &[2.0], 2.0, 1.0).unwrap();
    assert_eq!(lengths.map(f64::to_bits)[0], 1.0_f64.to_bits());
}

fn euclidean_log(xi: f64, momentum: f64, beta: f64) -> Configuration<rules::EuclideanLogInduced> {
    Configuration::new(Descent::new(Euclidean, Induced::new(Log, xi).beta(beta), Ema(momentum)), 0.125)
        .weight_decay(0.25)
}

fn scaled(trajectory: &Trajectory, scale: f64) -> Trajectory {
    Trajectory {
        gradients: trajectory.gradients.iter().map(|l| l.iter().map(|l| l * scale).collect()).collect(),
        losses: trajectory.losses.iter().map(|loss| loss * scale).collect(),
        ..trajectory.clone()
    }
}

proptest! {
    #![proptest_config(cases(64))]

    /// A power of two only changes exponents: 1/L, s and r scale exactly.
    #[test]
    fn p11_scaling_by_a_power_of_two_leaves_every_bit_of_a_run_with_log(
        run in trajectories(60, 5, 0.1..10.0, -4..5),
        exponent in -8..9_i32,
        xi in 0.01..4.0_f64,
        momentum in 0.0..0.95_f64,
        beta in 0.0..0.95_f64,
    ) {
        let configuration = euclidean_log(xi, momentum, beta);
        let scale = 2.0_f64.powi(exponent);
        macro_rules! check {
            ($element:ty) => {
                let run = run.rounded::<$element>();
                prop_assert_eq!(
                    runs::run(&configuration, &run, &parameters::<$element>)?,
                    runs::run(&configuration, &scaled(&run, scale), &parameters::<$element>)?
                );
            };
        }
        check!(f64);
        check!(f32);
    }

    /// Both runs are within the rounding bound of the exact result, which is the same but for the rounding of cL and cl: two more units
    /// among the 140 and more of the bound, which is doubled in any case.
    #[test]
    fn p11_scaling_by_any_number_leaves_a_run_with_log_unchanged_up_to_rounding(
        run in trajectories(60, 5, 0.1..10.0, -4..5),
        scale in 0.001..1000.0_f64,
        xi in 0.01..4.0_f64,
        momentum in 0.0..0.95_f64,
        beta in 0.0..0.95_f64,
    ) {
        let configuration = euclidean_log(xi, momentum, beta);
        let flat = euclidean_log(0.0, momentum, beta);
        let bounds = runs::rounding_bounds::<_, f64>(&configuration, &flat, &run)?;
        let plain = runs::run(&configuration, &run, &parameters::<f64>)?;
        let rescaled = runs::run(&configuration, &scaled(&run, scale), &parameters::<f64>)?;
        for ((a, b), bound) in plain.iter().zip(&rescaled).zip(&bounds) {
            prop_assert!((a - b).abs() <= 2.0 * bound, "{} beside {}", a, b);
        }
    }

    /// A diagonal of any scale: raising and lowering are one division and one product, off by four roundings together.
    #[test]
    fn raising_undoes_lowering_for_any_positive_diagonal(diagonal in positive_diagonals(20)) {
        let seen = Covector(space(&diagonal));
        let mut state = BaseMetric::begin(&ambient_metric_tests::Quadratic, &seen.0)?;
        ambient_metric_tests::Quadratic.update(&mut state, &seen)?;
        let base = At { metric: &ambient_metric_tests::Quadratic, state: &state };
        let back = base.raise(&base.lower(&Vector(seen.0.clone()))?)?;
        for (found, expected) in back.0.iter().zip(&diagonal) {
            prop_assert!((found - expected).abs() <= 4.0 * U * expected, "{} beside {}", found, expected);
        }
    }
}
