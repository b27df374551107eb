//! Base metrics that are not pointwise, under the suite that any base metric has to pass.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use ambient_metric::base::{
    Drive, EveryMatrix, HiddenMatrices, LearnedDiagonal, LearnedScalar, Named, Polar, Remembering, Route, Width,
};
use ambient_metric::number::Element;
use ambient_metric::space::{MatrixPart, NewtonSchulz, Part};
use ambient_metric::{
    Adagrad, BaseMetric, Configuration, Covector, Dense, Descent, Ema, Error, Euclidean, Group, Identity, Induced,
    Kronecker, Log, Muon, Nesterov, NoMomentum, RmsProp, Routed, Tensor, Vector,
};
use ambient_metric_conformance::{Reference, conformance_base_metric};
use ambient_metric_ndarray::{HostMatrix, Parameters};
use ambient_metric_tests::cases;
use ndarray::{Array1, Array2, array};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

conformance_base_metric!(euclidean, Euclidean, [("w", [3, 2]), ("b", [2])]);
conformance_base_metric!(rmsprop, RmsProp { beta: 0.75, epsilon: 0.5 }, [("w", [3, 2]), ("b", [2])]);
conformance_base_metric!(adagrad, Adagrad { epsilon: 0.25 }, [("w", [3, 2]), ("b", [2])]);

/// So fast that every lesson counts, and bounded so that γ stays invertible in practice.
const SCALAR: LearnedScalar = LearnedScalar { kappa: 0.05, decay: 0.5, bound: 2.0, drive: Drive::Metric };
const DIAGONAL: LearnedDiagonal = LearnedDiagonal { kappa: 0.05, decay: 0.5, bound: 2.0, drive: Drive::Metric };

conformance_base_metric!(learned_scalar, SCALAR, [("w", [3, 2]), ("b", [2])]);
conformance_base_metric!(
    learned_scalar_stable,
    LearnedScalar { drive: Drive::Flat, ..SCALAR },
    [("w", [3, 2]), ("b", [2])]
);
conformance_base_metric!(learned_diagonal, DIAGONAL, [("w", [3, 2]), ("b", [2])]);
conformance_base_metric!(
    learned_diagonal_stable,
    LearnedDiagonal { drive: Drive::Flat, ..DIAGONAL },
    [("w", [3, 2]), ("b", [2])]
);
conformance_base_metric!(
    routed_between_learned_metrics,
    Routed { route: EveryMatrix, taken: DIAGONAL, rest: SCALAR },
    [("b", [3]), ("w", [2, 3])]
);

fn dense() -> Dense<f64> {
    Dense::new(vec![
        vec![4.0, 1.0, 0.5, -0.5],
        vec![1.0, 3.0, 0.0, 0.25],
        vec![0.5, 0.0, 2.0, 1.0],
        vec![-0.5, 0.25, 1.0, 1.5],
    ])
    .unwrap()
}

conformance_base_metric!(dense_over_two_parts, dense(), [("a", [3]), ("b", [1])]);

conformance_base_metric!(kronecker, Kronecker::default(), [("w", [3, 2]), ("x", [2, 2])]);
conformance_base_metric!(
    kronecker_of_averages_with_square_roots_now_and_then,
    Kronecker { beta: Some(0.75), epsilon: 0.01, exponent: 0.5, every: 2 },
    [("w", [2, 4])]
);

fn muon<O>(orthogonaliser: O, width: Width) -> Muon<Ema, O> {
    Muon { momentum: Ema(0.5), orthogonaliser, width, heads: false }
}

conformance_base_metric!(muon_wide, muon(NewtonSchulz::default(), Width::ColumnsAreOutputs), [("w", [2, 4])]);
conformance_base_metric!(muon_tall, muon(NewtonSchulz::default(), Width::RowsAreOutputs), [("w", [4, 2])]);
conformance_base_metric!(muon_exact_wide, muon(Polar, Width::ColumnsAreOutputs), [("w", [2, 4])]);
conformance_base_metric!(muon_exact_tall_and_square, muon(Polar, Width::Unscaled), [("w", [4, 2]), ("x", [2, 2])]);

conformance_base_metric!(
    routed,
    Routed { route: EveryMatrix, taken: Kronecker::default(), rest: RmsProp { beta: 0.75, epsilon: 0.5 } },
    [("b", [3]), ("w", [2, 3])]
);
conformance_base_metric!(
    routed_twice,
    Routed {
        route: HiddenMatrices::default(),
        taken: muon(Polar, Width::Unscaled),
        rest: Routed {
            route: EveryMatrix,
            taken: Kronecker::default(),
            rest: Remembering { momentum: NoMomentum, metric: Euclidean }
        },
    },
    [("b", [2]), ("head.weight", [2, 2]), ("w", [2, 3])]
);

// Muon.

/// The polynomial of the Newton–Schulz iteration, on one singular value.
fn polynomial(iteration: NewtonSchulz, mut x: f64) -> f64 {
    let [a, b, c] = iteration.coefficients;
    for _ in 0..iteration.steps {
        x = a * x + b * x.powi(3) + c * x.powi(5);
    }
    x
}

/// A matrix with these singular values, the shorter side being theirs: two reflections around a diagonal.
fn with_values(rows: usize, columns: usize, values: &[f64], seeds: [&[f64]; 2]) -> Array2<f64> {
    let reflection = |side: usize, seed: &[f64]| {
        let vector = Array1::from_iter(seed.iter().copied().cycle().take(side));
        let square = vector.dot(&vector);
        Array2::from_shape_fn((side, side), |(i, j)| f64::from(u8::from(i == j)) - 2.0 * vector[i] * vector[j] / square)
    };
    let middle = Array2::from_shape_fn((rows, columns), |(i, j)| if i == j { values[i] } else { 0.0 });
    reflection(rows, seeds[0]).dot(&middle).dot(&reflection(columns, seeds[1]))
}

/// A shape and as many singular values between 10⁻² and 1 as the shorter side, with seeds of singular vectors.
fn matrices() -> impl Strategy<Value = (Array2<f64>, Vec<f64>, Array2<f64>)> {
    (1..7_usize, 1..7_usize).prop_flat_map(|(rows, columns)| {
        let values = prop::collection::vec(0.01..1.0_f64, rows.min(columns));
        let seed = || prop::collection::vec(0.1..1.0_f64, 6);
        (values, seed(), seed()).prop_map(move |(values, left, right)| {
            let seeds = [left.as_slice(), right.as_slice()];
            let polar = with_values(rows, columns, &vec![1.0; values.len()], seeds);
            (with_values(rows, columns, &values, seeds), values, polar)
        })
    })
}

/// A metric that has seen one gradient, its measured covector, that raised, and s.
fn after<M: BaseMetric<Parameters<f64>>>(
    metric: &M,
    gradient: &Array2<f64>,
) -> Result<(Array2<f64>, f64, Vec<f64>), Error> {
    let gradient = Covector(Parameters::from(gradient.clone()));
    let mut state = metric.begin(&gradient.0)?;
    metric.update(&mut state, &gradient)?;
    let measured = metric.measured(&state).unwrap_or(&gradient);
    let raised = metric.raise(&state, measured)?;
    let length = measured.contract(&raised)?;
    let array = raised.0.view("theta").unwrap().to_owned().into_dimensionality().unwrap();
    Ok((array, length, measured.0.as_slice().to_vec()))
}

fn distance(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(cases(64))]

    /// The inverse root is off by u κ of itself and multiplies M: with κ ≤ 100 and sums over a side of at most six, 6² · 100 · 16 u has room for the
    /// roundings of making M, too.
    #[test]
    fn the_exact_polar_factor_is_that_of_the_singular_vectors_and_s_is_the_nuclear_norm((matrix, values, polar) in matrices()) {
        let bound = 36.0 * 100.0 * 16.0 * f64::EPSILON / 2.0;
        let (raised, s, measured) = after(&muon(Polar, Width::Unscaled), &matrix)?;
        prop_assert!(distance(&raised, &polar) <= bound, "{} beside {}", raised, polar);
        let nuclear: f64 = values.iter().sum();
        prop_assert!((s - nuclear).abs() <= bound * nuclear, "{} beside {}", s, nuclear);
        // After one gradient the corrected average is the gradient: half of it, doubled.
        prop_assert_eq!(measured, matrix.iter().copied().collect::<Vec<_>>());
    }

    /// Every singular value goes to the polynomial of it, and so into the known band: 0.6818 to 1.2024 for those above 1.6·10⁻³ ‖M‖. One step multiplies an
    /// error by less than four, and there are five, with products over a side of at most six in each.
    #[test]
    fn newton_schulz_takes_singular_values_into_its_band_and_leaves_the_vectors((matrix, values, _) in matrices()) {
        let bound = 4.0_f64.powi(5) * 64.0 * f64::EPSILON;
        let iteration = NewtonSchulz::default();
        let (raised, s, _) = after(&muon(iteration, Width::Unscaled), &matrix)?;
        let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        let images: Vec<f64> = values.iter().map(|value| polynomial(iteration, value / norm)).collect();
        for image in &images {
            prop_assert!((0.681..1.203).contains(image), "{}", image);
        }
        // ⟨M, p(M)⟩ = Σ σ p(σ/‖M‖), between 0.68 and 1.21 of the nuclear norm.
        let expected: f64 = values.iter().zip(&images).map(|(value, image)| value * image).sum();
        prop_assert!((s - expected).abs() <= bound * norm, "{} beside {}", s, expected);
        // The square of the norm is Σ p², and p(M) turned back by the vectors of M is diagonal: both together give every singular value.
        let exact = after(&muon(Polar, Width::Unscaled), &matrix)?.0;
        let turned = if matrix.nrows() <= matrix.ncols() { raised.dot(&exact.t()) } else { exact.t().dot(&raised) };
        let squares: f64 = raised.iter().map(|x| x * x).sum();
        let of_images: f64 = images.iter().map(|x| x * x).sum();
        prop_assert!((squares - of_images).abs() <= 4.0 * bound, "{} beside {}", squares, of_images);
        let trace: f64 = turned.diag().sum();
        prop_assert!((trace - images.iter().sum::<f64>()).abs() <= 100.0 * bound, "{} beside {:?}", trace, images);
        // polar() on the matrix itself is the same iteration.
        let part = HostMatrix::new(matrix.nrows(), matrix.ncols(), matrix.iter().copied().collect())?;
        let direct = Array2::from_shape_vec(matrix.dim(), iteration.polar(&part)?.to_host()?).unwrap();
        prop_assert!(distance(&direct, &raised) <= bound, "{} beside {}", direct, raised);
    }

    /// What rounding cannot tell from zero is left out, and what is raised is finite; γ itself is refused.
    #[test]
    fn a_momentum_that_is_zero_or_not_of_full_rank_is_raised_to_something_finite_and_has_no_gamma(
        x in prop::collection::vec(-2.0..2.0_f64, 3), y in prop::collection::vec(-2.0..2.0_f64, 4), is_zero in any::<bool>(), is_tall in any::<bool>(),
    ) {
        let scale = if is_zero { 0.0 } else { 1.0 };
        let outer = Array2::from_shape_fn((3, 4), |(i, j)| scale * x[i] * y[j]);
        let matrix = if is_tall { outer.t().to_owned() } else { outer };
        let gradient = Covector(Parameters::from(matrix.clone()));
        let (raised, s, _) = after(&muon(Polar, Width::Unscaled), &matrix)?;
        // One singular value, the Frobenius norm. The root of a product of two squares and sums of 12 terms.
        let norm = matrix.iter().map(|x| x * x).sum::<f64>().sqrt();
        prop_assert!(raised.iter().all(|x| x.is_finite()), "{}", raised);
        prop_assert!((s - norm).abs() <= 256.0 * f64::EPSILON * norm, "{} beside {}", s, norm);
        let (approximate, ..) = after(&muon(NewtonSchulz::default(), Width::Unscaled), &matrix)?;
        prop_assert!(approximate.iter().all(|x| x.is_finite()), "{}", approximate);

        let metric = muon(Polar, Width::Unscaled);
        let mut state = metric.begin(&gradient.0)?;
        let begun = metric.log_determinant(&state);
        prop_assert!(matches!(begun, Err(Error::SingularMetric { .. })), "{:?}", begun);
        metric.update(&mut state, &gradient)?;
        let lowered = metric.lower(&state, &Vector(gradient.0.clone()));
        prop_assert!(matches!(&lowered, Err(Error::SingularMetric { parameter, .. }) if parameter == "theta"), "{:?}", lowered);
        prop_assert!(metric.log_determinant(&state).is_err());
    }
}

/// Muon as it is usually written: for every matrix the momentum looked ahead, orthogonalised, scaled and subtracted with decoupled decay; NAdam, with the
/// same learning rate, for the rest.
#[test]
fn muon_with_nadam_for_vectors_takes_the_steps_of_the_textbook() {
    const ETA: f64 = 0.02;
    const DECAY: f64 = 0.1;
    const MU: f64 = 0.9;
    const B2: f64 = 0.99;
    const EPSILON: f64 = 1e-8;
    let gradient = |step: usize, index: usize| ((step * 7 + index * 3) as f64 * 0.37).sin();
    let (rows, columns, biases) = (3, 5, 4);

    let metric = Routed {
        route: EveryMatrix,
        taken: Muon { momentum: Nesterov(MU), width: Width::ColumnsAreOutputs, ..Muon::default() },
        rest: Remembering { momentum: Nesterov(MU), metric: RmsProp { beta: B2, epsilon: EPSILON } },
    };
    let rule = Descent::new(metric, Induced::new(Identity, 0.0), NoMomentum);
    let space = |w: Array2<f64>, b: Array1<f64>| Parameters::new([("w", w.into_dyn()), ("b", b.into_dyn())]).unwrap();
    let mut w = Array2::from_shape_fn((rows, columns), |(i, j)| (i as f64 - j as f64) * 0.3);
    let mut b = Array1::from_shape_fn(biases, |i| i as f64 * 0.1);
    let mut theta = space(w.clone(), b.clone());
    let configuration =
        Configuration::new(rule, ETA).weight_decay(DECAY).group(Group::new("b", ["b"]).weight_decay(0.0));
    let mut optimiser = configuration.build_whole(&theta).unwrap();

    let (mut m, mut of_b, mut squares) =
        (Array2::<f64>::zeros((rows, columns)), Array1::<f64>::zeros(biases), Array1::<f64>::zeros(biases));
    for step in 1..=20 {
        let l = Array2::from_shape_fn((rows, columns), |(i, j)| gradient(step, i * columns + j));
        let of_biases = Array1::from_shape_fn(biases, |i| gradient(step, 100 + i));
        optimiser.step(&mut theta, &Covector(space(l.clone(), of_biases.clone())), 1.0).unwrap();

        let power = |base: f64, exponent: usize| base.powi(i32::try_from(exponent).unwrap());
        let (now, next) = (1.0 - power(MU, step), 1.0 - power(MU, step + 1));
        m = MU * &m + (1.0 - MU) * &l;
        let ahead = MU / next * &m + (1.0 - MU) / now * &l;
        let mut x = &ahead / ahead.iter().map(|x| x * x).sum::<f64>().sqrt();
        for _ in 0..5 {
            let gram = x.dot(&x.t());
            x = 3.4445 * &x + (-4.7750 * &gram + 2.0315 * gram.dot(&gram)).dot(&x);
        }
        // Inputs × outputs: five outputs of three inputs.
        w = &w - &(ETA * (5.0_f64 / 3.0).sqrt() * &x) - &(ETA * DECAY * &w);
        of_b = MU * &of_b + (1.0 - MU) * &of_biases;
        squares = B2 * &squares + (1.0 - B2) * &of_biases * &of_biases;
        let root = (&squares / (1.0 - power(B2, step))).mapv(f64::sqrt) + EPSILON;
        b = &b - &(ETA * (MU / next * &of_b + (1.0 - MU) / now * &of_biases) / root);
    }
    // Twenty steps of η, each off by what five steps of the iteration make of the rounding of M, and as many additions to numbers below two.
    let bound = 20.0 * (ETA * 4.0_f64.powi(5) * 64.0 + 2.0) * f64::EPSILON;
    let found: Array2<f64> = theta.view("w").unwrap().to_owned().into_dimensionality().unwrap();
    assert!(distance(&found, &w) <= bound, "{found} beside {w}");
    for (found, expected) in theta.view("b").unwrap().iter().zip(&b) {
        assert!((found - expected).abs() <= bound, "{found} beside {expected}");
    }
}

// The simpler things that these are in the limit.

fn bits<E: Element>(tensor: &Parameters<E>) -> Vec<u64> {
    tensor.as_slice().iter().map(|x| x.to_f64().to_bits()).collect()
}

#[test]
fn kronecker_with_unit_factors_is_euclidean_bit_for_bit() {
    // Before any gradient the moments are zero, so A + ε = B + ε = 1.
    let metric = Kronecker { epsilon: 1.0, ..Kronecker::default() };
    let x = Parameters::from(array![[0.1_f64, -2.0, 3.5], [1e-3, 0.0, 7.25]]);
    let state = BaseMetric::begin(&metric, &x).unwrap();
    assert_eq!(bits(&metric.raise(&state, &Covector(x.clone())).unwrap().0), bits(&x));
    assert_eq!(bits(&metric.lower(&state, &Vector(x.clone())).unwrap().0), bits(&x));
    assert_eq!(metric.log_determinant(&state).unwrap().to_bits(), 0.0_f64.to_bits());
}

proptest! {
    #![proptest_config(cases(48))]

    /// A quotient and a product with the inverse: two roundings each, four with terms of second order.
    #[test]
    fn dense_with_a_diagonal_matrix_is_the_diagonal_metric(
        gradient in prop::collection::vec(0.1..10.0_f64, 4), x in prop::collection::vec(-5.0..5.0_f64, 4),
    ) {
        let metric = RmsProp { beta: 0.5, epsilon: 1e-8 };
        let tensor = |values: &[f64]| Parameters::from(Array1::from(values.to_vec()));
        let mut state = BaseMetric::begin(&metric, &tensor(&x))?;
        metric.update(&mut state, &Covector(tensor(&gradient)))?;
        let gamma = BaseMetric::lower(&metric, &state, &Vector(tensor(&[1.0; 4])))?;
        let dense = Dense::diagonal(gamma.0.as_slice())?;
        let of_dense = dense.begin(&tensor(&x))?;
        let close = |a: &Parameters<f64>, b: &Parameters<f64>| {
            a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| (a - b).abs() <= 2.0 * f64::EPSILON * b.abs())
        };
        let raised = [dense.raise(&of_dense, &Covector(tensor(&x)))?, BaseMetric::raise(&metric, &state, &Covector(tensor(&x)))?];
        prop_assert!(close(&raised[0].0, &raised[1].0), "{:?}", raised);
        let lowered = [dense.lower(&of_dense, &Vector(tensor(&x)))?, BaseMetric::lower(&metric, &state, &Vector(tensor(&x)))?];
        prop_assert!(close(&lowered[0].0, &lowered[1].0), "{:?}", lowered);
        let logarithms = [dense.log_determinant(&of_dense)?, BaseMetric::log_determinant(&metric, &state)?];
        // Each of four logarithms of numbers off by two roundings, below four in size, and three additions.
        prop_assert!((logarithms[0] - logarithms[1]).abs() <= 4.0 * 8.0 * f64::EPSILON, "{:?}", logarithms);
    }

    #[test]
    fn a_route_that_takes_everything_or_nothing_is_the_one_metric_bit_for_bit(
        gradients in prop::collection::vec(prop::collection::vec(-3.0..3.0_f64, 10), 1..4),
    ) {
        fn same<M: BaseMetric<Parameters<f64>, State: Clone> + Copy>(metric: M, gradients: &[Vec<f64>]) -> Result<(), TestCaseError> {
            let tensor = |values: &[f64]| {
                let shaped = |values: &[f64], columns| Array2::from_shape_vec((2, columns), values.to_vec()).unwrap().into_dyn();
                Parameters::new([("a", shaped(&values[..4], 2)), ("b", shaped(&values[4..], 3))])
            };
            let (all, nothing) = (|_: &Part| true, |_: &Part| false);
            let taken = Routed { route: all, taken: metric, rest: Euclidean };
            let rest = Routed { route: nothing, taken: Euclidean, rest: metric };
            let rule = |xi| Descent::new(metric, Induced::new(Log, xi).beta(0.5), Ema(0.5));
            let mut theta = tensor(&[1.0; 10])?;
            let (mut first, mut second) = (theta.clone(), theta.clone());
            let mut optimiser = Configuration::new(rule(0.3), 0.1).build_whole(&theta)?;
            let mut of_taken = Configuration::new(Descent::new(taken, Induced::new(Log, 0.3).beta(0.5), Ema(0.5)), 0.1).build_whole(&theta)?;
            let mut of_rest = Configuration::new(Descent::new(rest, Induced::new(Log, 0.3).beta(0.5), Ema(0.5)), 0.1).build_whole(&theta)?;
            for gradient in gradients {
                let gradient = Covector(tensor(gradient)?);
                let report = optimiser.step(&mut theta, &gradient, 2.0)?;
                prop_assert_eq!(of_taken.step(&mut first, &gradient, 2.0)?, report);
                prop_assert_eq!(of_rest.step(&mut second, &gradient, 2.0)?, report);
                prop_assert_eq!(bits(&theta), bits(&first));
                prop_assert_eq!(bits(&theta), bits(&second));
            }
            Ok(())
        }
        same(RmsProp::default(), &gradients)?;
        same(Kronecker::default(), &gradients)?;
        same(muon(Polar, Width::RowsAreOutputs), &gradients)?;
        same(Muon::default(), &gradients)?;
    }

    /// Faer's eigenvalues and products give what Jacobi's rotations and plain loops give, in `f64` and in `f32` (P16). Fourth roots of numbers between
    /// ε and about 10² have a condition of (10²/ε)^(1/4) < 32; n = 4 and the number of gradients is at most 4: 32² · 4² · 16 roundings.
    #[test]
    fn p16_kronecker_and_muon_on_the_cpu_agree_with_the_reference(
        gradients in prop::collection::vec(prop::collection::vec(-3.0..3.0_f64, 12), 1..5), x in prop::collection::vec(-3.0..3.0_f64, 12),
    ) {
        fn check<E, M>(metric: &M, gradients: &[Vec<f64>], x: &[f64], unit: f64) -> Result<(), TestCaseError>
        where
            E: ambient_metric_ndarray::MatrixElement,
            M: BaseMetric<Parameters<E>> + BaseMetric<Reference<f64>>,
        {
            let part = || Part { name: "theta".into(), shape: vec![3, 4] };
            let rounded = |values: &[f64]| values.iter().map(|&x| E::constant(x)).collect::<Vec<E>>();
            let here = |values: &[f64]| Parameters::from(Array2::from_shape_vec((3, 4), rounded(values)).unwrap());
            let there = |values: &[f64]| Reference::new([(part(), rounded(values).into_iter().map(Element::to_f64).collect::<Vec<_>>())]);
            let mut state = <M as BaseMetric<Parameters<E>>>::begin(metric, &here(x))?;
            let mut expected = <M as BaseMetric<Reference<f64>>>::begin(metric, &there(x)?)?;
            for gradient in gradients {
                metric.update(&mut state, &Covector(here(gradient)))?;
                metric.update(&mut expected, &Covector(there(gradient)?))?;
            }
            let raised = metric.raise(&state, &Covector(here(x)))?;
            let expected = metric.raise(&expected, &Covector(there(x)?))?;
            let largest = expected.0.elements().map(f64::abs).fold(0.0, f64::max);
            for (found, expected) in raised.0.as_slice().iter().zip(expected.0.elements()) {
                let difference = (found.to_f64() - expected).abs();
                prop_assert!(difference <= 32.0 * 32.0 * 16.0 * 16.0 * unit * largest, "{:?} beside {}", found, expected);
            }
            Ok(())
        }
        let kronecker = Kronecker { epsilon: 1e-2, ..Kronecker::default() };
        check::<f64, _>(&kronecker, &gradients, &x, f64::EPSILON / 2.0)?;
        check::<f32, _>(&kronecker, &gradients, &x, f64::from(f32::EPSILON) / 2.0)?;
        let iteration = muon(NewtonSchulz::default(), Width::Unscaled);
        check::<f64, _>(&iteration, &gradients, &x, f64::EPSILON / 2.0)?;
        check::<f32, _>(&iteration, &gradients, &x, f64::from(f32::EPSILON) / 2.0)?;
    }
}

#[test]
fn routes_find_their_parts_and_what_they_do_not_know_is_an_error() {
    let theta = Parameters::new([
        ("block.0.attention.weight", array![[1.0, 2.0], [3.0, 4.0]].into_dyn()),
        ("block.0.norm", array![1.0, 1.0].into_dyn()),
        ("lm_head.weight", array![[1.0, 2.0]].into_dyn()),
        ("token_embedding", array![[1.0, 2.0]].into_dyn()),
    ])
    .unwrap();
    let taken = |route: &dyn Fn(&Part) -> bool| -> Vec<String> {
        theta.layout().parts().iter().filter(|part| route(part)).map(|part| part.name.clone()).collect()
    };
    let every = taken(&|part| EveryMatrix.takes(part));
    assert_eq!(every, ["block.0.attention.weight", "lm_head.weight", "token_embedding"]);
    assert_eq!(taken(&|part| HiddenMatrices::default().takes(part)), ["block.0.attention.weight"]);
    let named =
        |pattern: &str| Routed { route: Named::new([pattern]), taken: Euclidean, rest: Euclidean }.begin(&theta);
    assert!(named("block.*").is_ok());
    assert!(matches!(named("blocks.*"), Err(Error::GroupMatchesNothing { pattern, .. }) if pattern == "blocks.*"));
    // A route that is wrong for its metric: the part is named.
    let wrong = Routed { route: Named::new(["block.*"]), taken: Muon::default(), rest: Euclidean }.begin(&theta);
    assert!(matches!(wrong, Err(Error::NotAMatrix { parameter, .. }) if parameter == "block.0.norm"));
}
