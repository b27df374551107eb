//! Base metrics and their pull-back against the same formulas as plain loops: lengths, inverses and determinants after several gradients.
#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]

use ambient_metric::ambient::{damping, determinant_ratio};
use ambient_metric::geometry::DenseHessian;
use ambient_metric::{
    Adagrad, BaseMetric, Covector, Dense, Embedding, Error, Euclidean, Identity, Log, Metric, PullBack, RmsProp,
    Tensor, Vector,
};
use ambient_metric_ndarray::Parameters;
use ndarray::{Array1, array};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

type Space = Parameters<f64>;

/// Every quantity here is a few dozen operations on numbers that are summed without cancellation, of up to six terms each.
const TOLERANCE: f64 = 100.0 * f64::EPSILON;

fn tensor(values: &[f64]) -> Space {
    Parameters::from(Array1::from(values.to_vec()))
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// `found` is `expected` up to rounding, where `size` is the sum of the absolute values of its terms.
fn near(found: f64, expected: f64, size: f64) -> TestCaseResult {
    prop_assert!((found - expected).abs() <= TOLERANCE * size, "{} beside {}", found, expected);
    Ok(())
}

fn all_near(found: &Space, expected: impl IntoIterator<Item = f64>, size: f64) -> TestCaseResult {
    let expected: Vec<f64> = expected.into_iter().collect();
    prop_assert_eq!(found.as_slice().len(), expected.len());
    found.as_slice().iter().zip(expected).try_for_each(|(&found, expected)| near(found, expected, size))
}

/// A gradient to see, l, x, v: as many numbers each, none of them small.
#[derive(Clone, Debug)]
struct Case {
    seen: Vec<Vec<f64>>,
    l: Vec<f64>,
    x: Vec<f64>,
    loss: f64,
    xi: f64,
}

fn cases() -> impl Strategy<Value = Case> {
    let number = || (0.5..3.0_f64, any::<bool>()).prop_map(|(x, up)| if up { x } else { -x });
    (1..6_usize).prop_flat_map(move |len| {
        let vector = move || prop::collection::vec(number(), len);
        (prop::collection::vec(vector(), 0..4), vector(), vector(), 0.5..3.0_f64, 0.1..3.0_f64)
            .prop_map(|(seen, l, x, loss, xi)| Case { seen, l, x, loss, xi })
    })
}

/// The metric is diag(gamma) after it has seen the gradients, and so is the pull-back what its formulas say.
fn is_diagonal<M: BaseMetric<Space>>(metric: &M, case: &Case, gamma: &[f64]) -> TestCaseResult {
    let mut state = metric.begin(&tensor(&case.l))?;
    for gradient in &case.seen {
        metric.update(&mut state, &Covector(tensor(gradient)))?;
    }
    let base = metric.at(&state);
    let (x, v) = (Covector(tensor(&case.x)), Vector(tensor(&case.x)));
    let times = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<_>>();
    let raise = |x: &[f64]| x.iter().zip(gamma).map(|(x, gamma)| x / gamma).collect::<Vec<_>>();
    let largest = 3.0 * gamma.iter().map(|gamma| gamma.max(1.0 / gamma)).fold(1.0, f64::max);
    all_near(&base.raise(&x)?.0, raise(&case.x), largest)?;
    all_near(&base.lower(&v)?.0, times(&case.x, gamma), largest)?;
    let volume: f64 = gamma.iter().map(|gamma| gamma.ln()).sum();
    // A logarithm turns a relative error of γ into an absolute one.
    near(base.log_determinant()?, volume, gamma.iter().map(|gamma| 1.0 + gamma.ln().abs()).sum())?;

    let squared = dot(&times(&case.x, &case.x), gamma);
    near(base.norm(&v)?, squared.sqrt(), squared.sqrt())?;
    let squared = dot(&case.x, &raise(&case.x));
    near(base.norm_covector(&x)?, squared.sqrt(), squared.sqrt())?;

    let l = Covector(tensor(&case.l));
    let surface = PullBack::new(base, l, case.loss, &Log, case.xi)?;
    let slope = 1.0 / case.loss;
    let length = dot(&case.l, &raise(&case.l));
    let stretch = 1.0 + case.xi * slope * slope * length;
    near(surface.slope(), slope, slope)?;
    near(surface.squared_length(), case.xi * length, case.xi * length)?;
    near(surface.determinant_ratio(), stretch, stretch)?;
    near(surface.volume_ratio(), stretch.sqrt(), stretch)?;
    near(surface.damping(), slope / stretch, slope)?;
    near(damping(slope, case.xi * length), slope / stretch, slope)?;
    near(determinant_ratio(slope, case.xi * length), stretch, stretch)?;
    let size = gamma.iter().map(|gamma| 1.0 + gamma.ln().abs()).sum::<f64>() + stretch;
    near(surface.log_determinant()?, volume + stretch.ln(), size)?;
    let raised = raise(&case.l);
    all_near(&surface.step()?.0, raised.iter().map(|l| slope / stretch * l), largest * slope)?;

    let weight = case.xi * slope * slope;
    let along = dot(&case.l, &case.x);
    let lowered = case.x.iter().zip(gamma).zip(&case.l).map(|((x, gamma), l)| gamma * x + weight * along * l);
    let terms = dot(&absolute(&case.l), &absolute(&case.x));
    all_near(&surface.lower(&v)?.0, lowered, largest + 3.0 * weight * terms)?;
    let along = dot(&case.x, &raised);
    let inverse = raise(&case.x).into_iter().zip(&raised).map(|(x, l)| x - l * weight * along / stretch);
    let terms = dot(&absolute(&case.x), &absolute(&raised)) / length;
    all_near(&surface.raise(&x)?.0, inverse, largest * (2.0 + terms))
}

fn absolute(x: &[f64]) -> Vec<f64> {
    x.iter().map(|x| x.abs()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_flat_metric_is_one(case in cases()) {
        is_diagonal(&Euclidean, &case, &vec![1.0; case.l.len()])?;
    }

    #[test]
    fn rmsprop_is_the_corrected_root_of_the_average_of_squares(case in cases(), beta in 0.1..0.9_f64, epsilon in 0.1..1.0_f64) {
        let correction = if case.seen.is_empty() { 1.0 } else { 1.0 - beta.powi(i32::try_from(case.seen.len())?) };
        let rho = |index: usize| case.seen.iter().fold(0.0, |rho, l| beta * rho + (1.0 - beta) * l[index] * l[index]);
        let gamma: Vec<f64> = (0..case.l.len()).map(|index| (rho(index) / correction).sqrt() + epsilon).collect();
        is_diagonal(&RmsProp { beta, epsilon }, &case, &gamma)?;
    }

    #[test]
    fn adagrad_is_the_root_of_the_sum_of_squares(case in cases(), epsilon in 0.1..1.0_f64) {
        let rho = |index: usize| case.seen.iter().map(|l| l[index] * l[index]).sum::<f64>();
        let gamma: Vec<f64> = (0..case.l.len()).map(|index| rho(index).sqrt() + epsilon).collect();
        is_diagonal(&Adagrad { epsilon }, &case, &gamma)?;
    }

    #[test]
    fn vectors_and_covectors_add_and_scale(x in prop::collection::vec(-9.0..9.0_f64, 1..6), scale in -3.0..3.0_f64) {
        let y: Vec<f64> = x.iter().map(|x| 1.0 - x).collect();
        let sum: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x + scale * y).collect();
        let mut vector = Vector(tensor(&x));
        vector.add_scaled(scale, &Vector(tensor(&y)))?;
        all_near(&vector.0, sum.clone(), 100.0)?;
        let mut covector = Covector(tensor(&x));
        covector.add_scaled(scale, &Covector(tensor(&y)))?;
        all_near(&covector.0, sum.clone(), 100.0)?;
        vector.scale(scale)?;
        all_near(&vector.0, sum.iter().map(|x| scale * x), 300.0)?;
        near(covector.contract(&vector)?, dot(covector.0.as_slice(), vector.0.as_slice()), 1e5)?;
    }
}

#[test]
fn a_point_without_a_metric_is_refused() {
    let l = || Covector(tensor(&[3.0, 4.0]));
    let state = Euclidean.begin(&l().0).unwrap();
    let at = |gradient, loss, xi| PullBack::new(Euclidean.at(&state), gradient, loss, &Log, xi).map(|_| ());
    assert!(matches!(at(l(), 1.0, -1.0), Err(Error::Hyperparameter { name: "xi", .. })));
    assert!(matches!(at(l(), -1.0, 1.0), Err(Error::LossOutsideDomain { .. })));
    assert!(matches!(at(Covector(tensor(&[3.0, f64::NAN])), 1.0, 1.0), Err(Error::NonFiniteGradient { .. })));
    // The length itself overflows, and only ξ times the length does.
    assert!(matches!(at(Covector(tensor(&[1e200, 0.0])), 1.0, 0.0), Err(Error::Overflow { .. })));
    assert!(matches!(at(Covector(tensor(&[1e100, 0.0])), 1.0, 1e200), Err(Error::Overflow { .. })));
    assert!(at(l(), 1.0, 0.0).is_ok());
}

#[test]
fn at_a_stationary_point_the_surface_is_flat() {
    let x = Covector(tensor(&[3.0, 4.0]));
    let zero = Covector(x.0.zeros_like().unwrap());
    let state = Euclidean.begin(&x.0).unwrap();
    let surface = PullBack::new(Euclidean.at(&state), zero, 1.0, &Identity, 1.0).unwrap();
    assert_eq!(surface.raise(&x).unwrap().0, x.0);
    assert_eq!(surface.step().unwrap().0.as_slice(), [0.0, 0.0]);
    assert_eq!(Identity.slope(1.0_f64).to_bits(), surface.slope().to_bits());
}

#[test]
fn christoffel_symbols_outside_are_none_and_a_curvature_says_what_it_is() {
    let state = Euclidean.begin(&tensor(&[1.0, 2.0])).unwrap();
    let g = PullBack::new(Euclidean.at(&state), Covector(tensor(&[1.0, 2.0])), 1.0, &Identity, 1.0).unwrap();
    let mut curvature = g.curvature(|v| Ok(Covector(v.0.clone()))).unwrap();
    assert_eq!(format!("{curvature:?}"), "Curvature { .. }");
    let symbols = curvature.christoffel_symbols().unwrap();
    assert!(symbols.get(1, 1, 1).is_some());
    // One past the end of a row would be the first of the next.
    assert_eq!((symbols.get(0, 0, 2), symbols.get(0, 2, 0), symbols.get(2, 0, 0)), (None, None, None));
}

#[test]
fn a_dense_metric_shows_its_matrix() {
    let rows = vec![vec![2.0, 1.0], vec![1.0, 3.0]];
    let dense = Dense::new(rows.clone()).unwrap();
    assert_eq!((dense.rows(), dense.determinant()), (&rows[..], 5.0));
}

#[test]
fn the_curvature_over_two_tensors_is_that_over_one() {
    let two = || Parameters::new([("a", array![1.0, 2.0].into_dyn()), ("b", array![-1.0].into_dyn())]).unwrap();
    let symbols = |l: Space| {
        let state = Euclidean.begin(&l).unwrap();
        let g = PullBack::new(Euclidean.at(&state), Covector(l), 1.0, &Identity, 1.0).unwrap();
        // H = 2.
        let twice = |v: &Vector<Space>| {
            let mut product = Covector(v.0.clone());
            product.add_scaled(1.0, &Covector(v.0.clone()))?;
            Ok(product)
        };
        let symbols = g.curvature(twice)?.christoffel_symbols()?;
        let all = (0..27).map(|index| symbols.get(index / 9, index / 3 % 3, index % 3)).collect::<Option<Vec<_>>>();
        Ok::<_, Error>(all.unwrap())
    };
    assert_eq!(symbols(two()).unwrap(), symbols(tensor(&[1.0, 2.0, -1.0])).unwrap());
}

/// The entry that is no number stands in a row; the row is that of one element, which lies in one tensor.
#[test]
fn a_hessian_that_is_not_finite_names_the_tensor() {
    let theta = Parameters::new([("a", array![1.0, 2.0].into_dyn()), ("b", array![-1.0].into_dyn())]).unwrap();
    for (row, name) in [(0, "a"), (1, "a"), (2, "b")] {
        let mut entries = [0.0; 9];
        entries[3 * row + 1] = f64::NAN;
        let refused = DenseHessian::new(&theta, &entries).map(|_| ());
        assert!(matches!(&refused, Err(Error::NonFiniteHessian { parameter }) if parameter == name), "{refused:?}");
    }
}

/// A plane is one by the angle between its vectors, however long they are.
#[test]
fn a_plane_is_one_whatever_the_lengths_of_its_vectors() {
    let state = Euclidean.begin(&tensor(&[1.0, 2.0])).unwrap();
    let g = PullBack::new(Euclidean.at(&state), Covector(tensor(&[1.0, 2.0])), 1.0, &Identity, 1.0).unwrap();
    let mut curvature = g.curvature(|v| Ok(Covector(v.0.clone()))).unwrap();
    let u = Vector(tensor(&[1.0, 0.0]));
    for length in [2.0_f64.powi(-30), 1.0, 2.0_f64.powi(30)] {
        // H = 1 and det g = 1 + 5: the Gaussian curvature is ξ det H / (det γ (1 + ξs)²) = 1/36.
        let found = curvature.sectional_curvature(&u, &Vector(tensor(&[length, length]))).unwrap();
        assert!((found - 1.0 / 36.0).abs() <= TOLERANCE, "{length}: {found}");
        let along = curvature.sectional_curvature(&u, &Vector(tensor(&[length, length * 2.0_f64.powi(-21)])));
        assert!(matches!(along, Err(Error::NoPlane)), "{length}: {along:?}");
    }
}
