//! Gradients that vanish, return, have not full rank, are tiny or huge: no refusal that never ends, no step beyond its bound, no state that stays
//! subnormal.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test says no")]

use ambient_metric::base::{LearnedDiagonal, LearnedScalar, Orthogonaliser, Polar, Width};
use ambient_metric::number::Element;
use ambient_metric::space::{HeavyBall, NewtonSchulz, StateStorage};
use ambient_metric::{
    Adagrad, BaseMetric, Configuration, Covector, Descent, Ema, Error, Field, Flat, Identity, Induced, Kronecker,
    Log1p, Momentum, Muon, Nesterov, NoMomentum, RmsProp, Rule, rules,
};
use ambient_metric_ndarray::{HostMatrix, MatrixElement, Parameters};
use ndarray::{Array1, Array2, array};
use proptest::prelude::*;

const STEPS: usize = 20_000;

/// A number in ±1 that repeats for its index.
fn number(index: usize) -> f64 {
    let mixed = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// How large a gradient is at a step: once, then nothing for 16,000 steps, then again, then down to the least number, up to a large one, and nothing.
fn size<E: Element>(step: usize) -> f64 {
    let exponents = |from: f64, to: f64, at: usize, of: usize| (from + (to - from) * at as f64 / of as f64).exp2();
    // The square of the largest must be a number, or the step is refused by right.
    let (least, largest) = (E::LEAST_NORMAL.log2() + E::ROUNDOFF.log2(), -E::LEAST_NORMAL.log2() / 2.0 - 8.0);
    match step {
        0 | 16_000..17_000 => 1e-3,
        17_000..18_000 => exponents(-10.0, least, step - 17_000, 1000),
        18_000..19_000 => exponents(-10.0, largest, step - 18_000, 1000),
        _ => 0.0,
    }
}

/// Every second number of a state is that of a part whose gradient is never zero.
fn space<E: MatrixElement>(of_vanishing: impl Fn(usize) -> f64, of_steady: f64) -> Parameters<E> {
    let vanishing = Array2::from_shape_fn((3, 2), |(row, column)| E::constant(of_vanishing(2 * row + column)));
    Parameters::new([
        ("vanishing", vanishing.into_dyn()),
        ("steady", Array2::from_elem((1, 2), E::constant(of_steady)).into_dyn()),
    ])
    .unwrap()
}

/// The length of a step at every coordinate, in units of η, of the rules below: Cauchy–Schwarz gives |m̂| ≤ Σ (1−μ) μᵏ |l| and ρ ≥ (1−β) βᵏ l², so that at μ² < β
/// every step is at most (1−μ) / √((1−β)(1−μ²/β)) times the corrections, which are largest in the first steps.
const LONGEST: f64 = 10.0;

/// Steps of one pointwise rule over all of [`size`], with what must hold after every one of them.
fn stands_everything<R: Rule, E: MatrixElement>(what: &str, rule: R, storage: StateStorage, bound: Option<f64>) {
    let mut theta = space::<E>(|_| 0.5, 0.5);
    let learning_rate = 1e-7;
    let mut optimiser = Configuration::new(rule, learning_rate).state_storage(storage).build(&theta).unwrap();
    let mut before: Vec<f64> = theta.iter().map(|x| x.to_f64()).collect();
    for step in 0..STEPS {
        let size = size::<E>(step);
        let gradient = Covector(space::<E>(|index| size * number(index), 1e-3));
        let refused = |error: Error| panic!("{what}: step {step} is refused: {error}");
        optimiser.step(&mut theta, &gradient, E::Wide::constant(1.0)).map_err(refused).unwrap();
        for (slot, tensor) in optimiser.state().iter().enumerate() {
            for (index, x) in tensor.iter().enumerate() {
                let x = x.to_f64().abs();
                assert!(x == 0.0 || x >= E::LEAST_NORMAL, "{what}: slot {slot} of {index} is {x:e} after step {step}");
            }
        }
        for (before, after) in before.iter_mut().zip(theta.iter()) {
            let after = after.to_f64();
            assert!(after.is_finite(), "{what}: step {step} is not finite");
            if let Some(bound) = bound {
                // The parameter is rounded, by at most u of itself.
                let allowed = bound * learning_rate + E::ROUNDOFF * (after.abs() + before.abs());
                assert!((after - *before).abs() <= allowed, "{what}: step {step} from {before} to {after}");
            }
            *before = after;
        }
    }
}

/// The same in two precisions, and with the state in 16 bits.
fn in_every_precision<R: Rule + Clone>(what: &str, rule: &R, bound: Option<f64>, storages: &[StateStorage]) {
    stands_everything::<R, f64>(&format!("{what}, f64"), rule.clone(), StateStorage::Full, bound);
    for &storage in storages {
        stands_everything::<R, f32>(&format!("{what}, f32, state {}", storage.name()), rule.clone(), storage, bound);
    }
}

const WIDE: [StateStorage; 2] = [StateStorage::Full, StateStorage::Bf16 { seed: 5 }];
const ALL: [StateStorage; 3] = [StateStorage::Full, StateStorage::Bf16 { seed: 5 }, StateStorage::F16];

#[test]
fn momenta_stand_gradients_that_vanish() {
    in_every_precision("sgd", &rules::sgd(0.9), None, &ALL);
    in_every_precision("sgd_ema", &rules::sgd_ema(0.9), None, &ALL);
    in_every_precision("euclidean", &rules::euclidean(0.1), None, &ALL);
}

/// P7: without averages no step is longer than η / (2√ξ), in γ and, as γ = 1, at every coordinate.
#[test]
fn steps_without_averages_keep_the_bound_of_the_surface() {
    in_every_precision("euclidean", &rules::euclidean(0.25).momentum(0.0).beta(0.0), Some(1.0), &ALL);
    in_every_precision("euclidean_log", &rules::euclidean_log(0.25).momentum(0.0).beta(0.0), Some(1.0), &ALL);
}

#[test]
fn adaptive_metrics_stand_gradients_that_vanish() {
    let rmsprop = RmsProp { beta: 0.99, epsilon: 1e-8 };
    in_every_precision("adam", &rules::adam().metric(RmsProp { beta: 0.99, epsilon: 1e-8 }), Some(LONGEST), &WIDE);
    in_every_precision("nadam", &rules::nadam().metric(RmsProp { beta: 0.99, epsilon: 1e-8 }), Some(LONGEST), &WIDE);
    in_every_precision("rmsprop", &rules::rmsprop(0.1).metric(rmsprop), Some(LONGEST), &WIDE);
    let exact = Descent::new(rmsprop, Induced::new(Log1p, 0.1).exact(), Ema(0.9));
    in_every_precision("rmsprop, exact", &exact, None, &WIDE);
    let heavy = Descent::new(rmsprop, Induced::new(Identity, 0.1).beta(0.8), HeavyBall(0.9));
    in_every_precision("rmsprop, heavy ball", &heavy, Some(10.0 * LONGEST), &WIDE);
    in_every_precision("adagrad", &Descent::new(Adagrad::default(), Flat, Ema(0.9)), Some(LONGEST), &WIDE);
    let learned = LearnedDiagonal { kappa: 0.1, ..LearnedDiagonal::default() };
    in_every_precision("learned diagonal", &Descent::new(learned, Induced::new(Identity, 0.1), Ema(0.9)), None, &WIDE);
    let learned = LearnedScalar { kappa: 0.1, ..LearnedScalar::default() };
    in_every_precision("learned scalar", &Descent::new(learned, Induced::new(Identity, 0.1), Ema(0.9)), None, &WIDE);
}

/// A half cannot hold the squares of small gradients, nor of large ones: a step without them is 25 times too long, and more when the gradient vanishes.
#[test]
fn halves_are_refused_where_a_second_moment_would_be_lost() {
    let theta = space::<f32>(|_| 0.5, 0.5);
    let build = |epsilon, storage| {
        Configuration::new(rules::adam().metric(RmsProp { beta: 0.999, epsilon }), 1e-4)
            .state_storage(storage)
            .build(&theta)
            .map(|_| ())
    };
    let refused = build(1e-8, StateStorage::F16);
    assert!(
        matches!(&refused, Err(Error::StateRange { storage: "f16", gradient, .. }) if *gradient < 1e-3),
        "{refused:?}"
    );
    // With a large ε small squares count for nothing, but large ones do.
    let refused = build(1e-3, StateStorage::F16);
    assert!(matches!(&refused, Err(Error::StateRange { gradient, .. }) if *gradient > 256.0), "{refused:?}");
    assert!(build(1e-8, StateStorage::Bf16 { seed: 0 }).is_ok());
    let adagrad = Descent::new(Adagrad::default(), Flat, NoMomentum);
    let refused = Configuration::new(adagrad, 0.1).state_storage(StateStorage::F16).build(&theta).map(|_| ());
    assert!(matches!(refused, Err(Error::StateRange { .. })), "{refused:?}");
}

/// So is an ε that vanishes beside what the squares of small gradients lose in `f32`.
#[test]
fn an_epsilon_beneath_the_range_of_the_parameters_is_refused() {
    let theta = space::<f32>(|_| 0.5, 0.5);
    let refused = Configuration::new(rules::adam().metric(RmsProp { beta: 0.999, epsilon: 1e-24 }), 1e-4)
        .build(&theta)
        .map(|_| ());
    assert!(matches!(refused, Err(Error::StateRange { storage: "full", .. })), "{refused:?}");
    assert!(
        Configuration::new(rules::adam().metric(RmsProp { beta: 0.999, epsilon: 1e-24 }), 1e-4)
            .build(&space::<f64>(|_| 0.5, 0.5))
            .is_ok()
    );
}

/// Steps of one rule of whole tensors over all of [`size`].
fn matrices_stand_everything<M, Q, E>(what: &str, metric: M, momentum: Q, bound: Option<f64>)
where
    E: MatrixElement,
    Q: Momentum,
    M: BaseMetric<Parameters<E>, State: Clone>,
{
    let mut theta = space::<E>(|_| 0.5, 0.5);
    let learning_rate = 1e-5;
    let rule = Descent::new(metric, Induced::new(Identity, 1e-3), momentum);
    let mut optimiser = Configuration::new(rule, learning_rate).build_whole(&theta).unwrap();
    let mut before = Array2::from_elem((3, 2), 0.5);
    for step in 0..STEPS {
        let size = size::<E>(step);
        // Of rank one in every other thousand steps.
        let rank_one = |index: usize| size * number(index / 2) * (1.0 + (index % 2) as f64);
        let any = |index: usize| size * number(index);
        let gradient = if (step / 1000) % 2 == 0 { space::<E>(rank_one, 1e-3) } else { space::<E>(any, 1e-3) };
        let refused = |error: Error| panic!("{what}: step {step} is refused: {error}");
        optimiser.step(&mut theta, &Covector(gradient), 1.0).map_err(refused).unwrap();
        let view = theta.view("vanishing").unwrap();
        let after = Array2::from_shape_fn((3, 2), |(row, column)| view[[row, column]].to_f64());
        assert!(after.iter().all(|x| x.is_finite()), "{what}: step {step} is not finite");
        if let Some(bound) = bound {
            let moved = spectral_norm(&(&after - &before));
            // Six parameters near 1/2 are rounded.
            let allowed = bound * learning_rate + 6.0 * E::ROUNDOFF;
            assert!(moved <= allowed, "{what}: step {step} has the norm {moved:e} of at most {allowed:e}");
        }
        before = after;
    }
}

/// The largest singular value of a matrix with two columns: the root of the larger eigenvalue of AᵀA.
fn spectral_norm(matrix: &Array2<f64>) -> f64 {
    let column = |index| matrix.column(index).to_owned();
    let (a, b, c) = (column(0).dot(&column(0)), column(0).dot(&column(1)), column(1).dot(&column(1)));
    (f64::midpoint(a, c) + (((a - c) / 2.0).powi(2) + b * b).sqrt()).sqrt()
}

/// Newton–Schulz takes singular values to 1.21 at most, and the exact factor is off by what [`POLAR`] says.
#[test]
fn matrices_stand_gradients_that_vanish() {
    fn muons<E: MatrixElement>(precision: &str) {
        fn muon<Q: Momentum, O: Orthogonaliser<HostMatrix<E>>, E: MatrixElement>(
            what: &str,
            momentum: Q,
            how: O,
            bound: f64,
        ) {
            let metric = Muon { momentum, orthogonaliser: how, width: Width::Unscaled, heads: false };
            matrices_stand_everything::<_, _, E>(what, metric, NoMomentum, Some(bound));
        }
        muon::<_, _, E>(&format!("muon, {precision}"), Nesterov(0.95), NewtonSchulz::default(), 1.3);
        muon::<_, _, E>(&format!("muon, average, {precision}"), Ema(0.9), NewtonSchulz::default(), 1.3);
        muon::<_, _, E>(&format!("muon, heavy ball, {precision}"), HeavyBall(0.9), NewtonSchulz::default(), 1.3);
        muon::<_, _, E>(&format!("polar, {precision}"), Nesterov(0.95), Polar, 1.0 + POLAR);
        muon::<_, _, E>(&format!("polar, none, {precision}"), NoMomentum, Polar, 1.0 + POLAR);
        matrices_stand_everything::<_, _, E>(&format!("kronecker, {precision}"), Kronecker::default(), Ema(0.9), None);
        let average = Kronecker { beta: Some(0.9), ..Kronecker::default() };
        matrices_stand_everything::<_, _, E>(&format!("kronecker, average, {precision}"), average, Ema(0.9), None);
        let rmsprop = RmsProp { beta: 0.99, epsilon: 1e-8 };
        matrices_stand_everything::<_, _, E>(&format!("rmsprop, {precision}"), rmsprop, Ema(0.9), None);
    }
    muons::<f32>("f32");
    muons::<f64>("f64");
}

/// How far the spectral norm of an exact polar factor may be above one: its six elements are rounded.
const POLAR: f64 = 1e-6;

/// A gradient so small that it has no direction is as good as none, and a little larger it has one.
#[test]
fn a_matrix_too_small_to_have_a_direction_is_zero() {
    let step = |size: f32| {
        let mut theta = Parameters::from(Array2::<f32>::zeros((2, 2)));
        let rule = Descent::new(Muon::default(), Induced::new(Identity, 0.0), NoMomentum);
        let mut optimiser = Configuration::new(rule, 1.0).build_whole(&theta).unwrap();
        let gradient = Covector(Parameters::from(Array2::from_diag_elem(2, size)));
        optimiser.step(&mut theta, &gradient, 1.0).unwrap();
        theta.as_slice().to_vec()
    };
    assert_eq!(step(5e-39), [0.0; 4]);
    assert!(step(1e-30)[0] < -0.6);
}

#[test]
fn the_polar_factor_of_rank_one_is_that_of_its_range() {
    // u vᵀ / (‖u‖‖v‖), of length one.
    let (u, v) = ([0.1_f32, 0.3], [0.7_f32, 0.9]);
    let product = Array2::from_shape_fn((2, 2), |(row, column)| u[row] * v[column]);
    let length = f64::from(u[0]).hypot(f64::from(u[1])) * f64::from(v[0]).hypot(f64::from(v[1]));
    let polar = polar_step(&product);
    for ((row, column), found) in polar.indexed_iter() {
        let expected = f64::from(u[row]) * f64::from(v[column]) / length;
        // The factor of 2 u σ₁ that is left out, and three products in f32.
        assert!((f64::from(*found) - expected).abs() < 16.0 * f32::ROUNDOFF, "{found} in place of {expected}");
    }
}

/// A matrix whose smaller singular value is just above what counts as zero, 1.4·10⁻⁷ of the larger: the factor has two of length one all the same, where a
/// product with (MMᵀ)^(−1/2) would be off by a third.
#[test]
fn the_polar_factor_is_as_good_where_a_singular_value_hardly_counts() {
    let matrix = array![[-0.642_684_4_f32, 0.120_965_354], [0.743_466_9, -0.139_934_32]];
    let polar = polar_step(&matrix).mapv(f64::from);
    let gram = polar.t().dot(&polar);
    for ((row, column), found) in gram.indexed_iter() {
        let expected = f64::from(u8::from(row == column));
        assert!((found - expected).abs() < 8.0 * f32::ROUNDOFF, "{gram:?}");
    }
}

/// γ⁻¹M of Muon with the exact polar factor.
fn polar_step(matrix: &Array2<f32>) -> Array2<f32> {
    let metric = Muon { momentum: NoMomentum, orthogonaliser: Polar, width: Width::Unscaled, heads: false };
    let gradient = Covector(Parameters::from(matrix.clone()));
    let mut state = metric.begin(&gradient.0).unwrap();
    metric.update(&mut state, &gradient).unwrap();
    let raised = metric.raise(&state, &gradient).unwrap();
    Array2::from_shape_vec(matrix.raw_dim(), raised.0.as_slice().to_vec()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A linear layer with a batch of one: the factor of u vᵀ is u vᵀ / (‖u‖‖v‖), whose Frobenius norm is one. What rounding of the elements adds
    /// has a norm of at most u σ₁, below the threshold of max(m, n) u σ₁, and is cut off; the factor itself is rounded in three products.
    #[test]
    fn gradients_of_rank_one_have_a_polar_factor(
        rows in 2..65_usize,
        columns in 2..65_usize,
        seed in 0..1_000_000_usize,
        exponent in -60..60_i32,
    ) {
        let (u, v): (Vec<f32>, Vec<f32>) = (
            (0..rows).map(|row| f32::narrow(number(row + seed))).collect(),
            (0..columns).map(|column| f32::narrow(number(column + 3 * seed + 77))).collect(),
        );
        let scale = 2.0_f32.powi(exponent);
        let product = Array2::from_shape_fn((rows, columns), |(row, column)| scale * u[row] * v[column]);
        let polar = polar_step(&product);
        let norm = polar.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        prop_assert!((norm - 1.0).abs() < 64.0 * f32::ROUNDOFF, "the norm is {}", norm);
    }
}

/// A metric whose state decays and which learns from the steps taken on it: what it learns from is corrected for the start at zero, whatever rule it is in.
#[derive(Clone, Copy, Debug, PartialEq)]
struct DecaysAndLearns;

impl ambient_metric::base::PointwiseMetric for DecaysAndLearns {
    type State<S: ambient_metric::Real> = S;
    type Memory<S: ambient_metric::Real> = S;
    type Shared<S: ambient_metric::Real> = S;
    type Lesson<S: ambient_metric::Real> = S;
    type Correction<S: ambient_metric::Real> = ();

    fn decay(&self) -> f64 {
        0.5
    }
    fn begin<S: ambient_metric::Real>(&self) -> S {
        S::zero()
    }
    fn share<S: ambient_metric::Real>(&self, memory: S) -> S {
        memory
    }
    #[inline(always)]
    fn observe<S: ambient_metric::Real>(&self, seen: S, gradient: S) -> S {
        S::constant(0.5) * seen + S::constant(0.5) * gradient * gradient
    }
    #[inline(always)]
    fn inverse<S: ambient_metric::Real>(&self, learned: S, seen: S) -> S {
        S::one() / (S::one() + seen + learned)
    }
    #[inline(always)]
    fn lesson<S: ambient_metric::Real>(&self, _learned: S, seen: S, _gradient: S, _momentum: S) -> S {
        seen
    }
    fn learn<S: ambient_metric::Real>(&self, learned: S, _xi: S, _squared_length: S, lesson: S) -> S {
        S::constant(0.5) * learned + lesson
    }
    fn correction<S: ambient_metric::Real>(&self, _xi: S, _lessons: ambient_metric::space::Totals<S>) {}
    #[inline(always)]
    fn settle<S: ambient_metric::Real>(&self, (): (), seen: S, _gradient: S) -> S {
        seen
    }
}

/// Five steps of a rule, and where they end.
fn five<R: Rule>(rule: R) -> Vec<f64> {
    let mut theta = Parameters::from(Array1::from(vec![1.0_f64, -2.0, 0.5]));
    let mut optimiser = Configuration::new(rule, 0.1).build(&theta).unwrap();
    for step in 0..5 {
        let gradient = Covector(Parameters::from(Array1::from_shape_fn(3, |index| number(7 * step + index))));
        optimiser.step_losses(&mut theta, &[&gradient], &[1.0]).unwrap();
    }
    theta.as_slice().to_vec()
}

#[test]
fn a_metric_that_decays_and_learns_does_so_alike_in_every_rule() {
    use ambient_metric::Height;
    use ambient_metric::ambient::AlongGradient;
    use ambient_metric::rule::{Clipped, Induction};
    let expected = five(Descent::new(DecaysAndLearns, Induced::new(Identity, 0.25), NoMomentum));
    let close = |what: &str, found: &[f64]| {
        for (found, expected) in found.iter().zip(&expected) {
            // The same formulas, five times, in another order of some forty roundings.
            assert!((found - expected).abs() < 400.0 * f64::EPSILON, "{what}: {found} in place of {expected}");
        }
    };
    let heights = [Height { embedding: Identity, xi: 0.25 }];
    close("an array of heights", &five(Descent::new(DecaysAndLearns, Induced::of(heights), NoMomentum)));
    close("clipped", &five(Descent::new(DecaysAndLearns, Clipped::new(Induction { xi: 0.25 }), NoMomentum)));
    let coupled = Induced::new(Identity, 0.25).coupled(AlongGradient(0.0));
    close("coupled", &five(Descent::new(DecaysAndLearns, coupled, NoMomentum)));
    close("exact", &five(Descent::new(DecaysAndLearns, Induced::new(Identity, 0.25).exact(), NoMomentum)));

    let mut theta = Parameters::from(Array1::from(vec![1.0_f64, -2.0, 0.5]));
    let rule = Descent::new(DecaysAndLearns, Induced::new(Identity, 0.25), NoMomentum);
    let mut optimiser = Configuration::new(rule, 0.1).build_whole(&theta).unwrap();
    for step in 0..5 {
        let gradient = Covector(Parameters::from(Array1::from_shape_fn(3, |index| number(7 * step + index))));
        optimiser.step(&mut theta, &gradient, 1.0).unwrap();
    }
    close("whole tensors", theta.as_slice());
    // The lesson of the first step is that of the corrected state, l², and not half of it.
    let l = [0, 1, 2].map(number);
    let mut theta = Parameters::from(Array1::from(vec![1.0_f64, -2.0, 0.5]));
    let rule = Descent::new(DecaysAndLearns, Induced::of(heights), NoMomentum);
    let mut optimiser = Configuration::new(rule, 0.1).build(&theta).unwrap();
    let gradient = Covector(Parameters::from(Array1::from(l.to_vec())));
    optimiser.step_losses(&mut theta, &[&gradient], &[1.0]).unwrap();
    let saved = optimiser.checkpoint().unwrap();
    let learned: Vec<f64> = saved.memory.iter().filter_map(|memory| memory.get("metric").copied()).collect();
    let squares = l.iter().map(|x| x * x).sum::<f64>();
    assert!((learned[0] - squares).abs() < 8.0 * f64::EPSILON, "{learned:?} in place of {squares}");
}
