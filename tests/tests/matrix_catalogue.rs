//! The metrics of matrices that other collections have, by the suite that any base metric has to pass, and by their definitions.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]
#![allow(clippy::float_cmp, reason = "what is exact is compared exactly")]
#![allow(clippy::items_after_statements, reason = "a helper stands where it is used")]

use core::cmp::Ordering;
use core::fmt::Debug;

use ambient_metric::any::{AnyMatrixMetric, AnyRule};
use ambient_metric::base::{
    Adafactor, ColNorm, EveryMatrix, KlShampoo, KlSoap, MuonMax, NorMuon, Polar, Psgd, RowNorm, Sign, Soap, Width,
};
use ambient_metric::space::{Absent, MatrixPart};
use ambient_metric::{
    BaseMetric, Checkpoint, Configuration, Covector, Descent, Ema, Error, Flat, Height, Induced, Log, Metric, Muon,
    Nesterov, NoMomentum, RmsProp, Routed, Vector,
};
use ambient_metric_conformance::conformance_base_metric;
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::cases;
use ambient_rules::Compiled;
use ndarray::{Array2, array};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde::Serialize;
use serde::de::DeserializeOwned;

const fn soap(every: u64) -> Soap {
    Soap { metric: RmsProp { beta: 0.75, epsilon: 0.5 }, beta: 0.5, every }
}

const fn kl_shampoo(every: u64) -> KlShampoo {
    KlShampoo { beta: 0.75, epsilon: 0.25, start: 1.0, every }
}

const fn psgd(every: u64) -> Psgd {
    Psgd { rate: 0.25, epsilon: 0.5, every }
}

const fn kl_soap(every: u64) -> KlSoap {
    KlSoap { metric: RmsProp { beta: 0.75, epsilon: 0.5 }, beta: 0.75, factor_epsilon: 0.25, start: 1.0, every }
}

const MUON: Muon<Ema, Polar> =
    Muon { momentum: Ema(0.5), orthogonaliser: Polar, width: Width::RowsAreOutputs, heads: false };

const MUON_MAX: MuonMax<Ema, Polar> = MuonMax { muon: MUON };

const COL_NORM: ColNorm = ColNorm { width: Width::RowsAreOutputs };

const ROW_NORM: RowNorm = RowNorm { width: Width::RowsAreOutputs };

const NORMUON: NorMuon<Ema, Polar> = NorMuon { muon: MUON, beta: 0.75, epsilon: 1e-10 };

const ADAFACTOR: Adafactor = Adafactor { epsilon: 0.25, exponent: 0.8 };

conformance_base_metric!(adafactor, ADAFACTOR, [("b", [3]), ("w", [3, 2])]);
conformance_base_metric!(soap_of_every_gradient, soap(1), [("w", [3, 2]), ("x", [2, 2])]);
conformance_base_metric!(soap_now_and_then, soap(2), [("w", [2, 4])]);
conformance_base_metric!(kl_shampoo_of_every_gradient, kl_shampoo(1), [("w", [3, 2]), ("x", [2, 2])]);
conformance_base_metric!(kl_shampoo_now_and_then, kl_shampoo(2), [("w", [2, 4])]);
conformance_base_metric!(psgd_of_every_gradient, psgd(1), [("w", [3, 2]), ("x", [2, 2])]);
conformance_base_metric!(psgd_now_and_then, psgd(2), [("w", [2, 4])]);
conformance_base_metric!(kl_soap_of_every_gradient, kl_soap(1), [("w", [3, 2]), ("x", [2, 2])]);
conformance_base_metric!(kl_soap_now_and_then, kl_soap(2), [("w", [2, 4])]);
conformance_base_metric!(muon_max_exact, MUON_MAX, [("w", [4, 2]), ("x", [2, 2])]);
conformance_base_metric!(
    muon_max_of_heads,
    MuonMax { muon: Muon { momentum: Nesterov(0.5), heads: true, width: Width::RowsAreOutputs, ..Muon::default() } },
    [("w", [2, 2, 3])]
);

// What every metric of matrices has to do.

type Theta = Parameters<f64>;

/// Two matrices, tall and wide, of these numbers.
fn theta(numbers: &[f64]) -> Theta {
    let array = |numbers: &[f64], shape| Array2::from_shape_vec(shape, numbers.to_vec()).unwrap().into_dyn();
    Parameters::new([("a", array(&numbers[..6], (3, 2))), ("b", array(&numbers[6..], (2, 4)))]).unwrap()
}

fn numbers() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-3.0..3.0_f64, 14)
}

fn bits(tensor: &Theta) -> Vec<u64> {
    tensor.as_slice().iter().map(|x| x.to_bits()).collect()
}

/// Everything that can be seen of a state: what numbers are raised and lowered to, and the determinant.
fn seen<M: BaseMetric<Theta>>(metric: &M, state: &M::State, x: &[f64]) -> Result<[Vec<u64>; 3], Error> {
    let raised = bits(&metric.raise(state, &Covector(theta(x)))?.0);
    if !metric.is_metric() {
        return Ok([raised, Vec::new(), Vec::new()]);
    }
    // Muon has no γ before its first gradient.
    let lowered = match metric.lower(state, &Vector(theta(x))) {
        Err(Error::SingularMetric { .. }) => return Ok([raised, Vec::new(), Vec::new()]),
        lowered => bits(&lowered?.0),
    };
    Ok([raised, lowered, vec![metric.log_determinant(state)?.to_bits()]])
}

/// A gradient whose squares are no numbers, and one that has no numbers, are refused, and what is seen then is what was seen before, also after the next.
fn refusals_change_nothing<M: BaseMetric<Theta, State: Clone>>(
    metric: &M,
    refused: &[f64],
    gradients: &[Vec<f64>],
    x: &[f64],
) -> Result<(), TestCaseError> {
    let mut state = metric.begin(&theta(x))?;
    for gradient in gradients {
        let kept = state.clone();
        let before = seen(metric, &state, x)?;
        // The first matrix could be taken, the second not.
        for bad in refused {
            let mut overflowing = gradient.clone();
            overflowing[13] = *bad;
            let refused = metric.update(&mut state, &Covector(theta(&overflowing)));
            prop_assert!(refused.is_err(), "{} was accepted", bad);
        }
        prop_assert_eq!(seen(metric, &state, x)?, before);
        let mut untouched = kept;
        metric.update(&mut state, &Covector(theta(gradient)))?;
        metric.update(&mut untouched, &Covector(theta(gradient)))?;
        prop_assert_eq!(seen(metric, &state, x)?, seen(metric, &untouched, x)?);
    }
    Ok(())
}

/// A run that is stopped, written as text, read and gone on with is the run that was not, bit for bit.
fn a_run_resumes<M>(metric: M, gradients: &[Vec<f64>]) -> Result<(), TestCaseError>
where
    M: BaseMetric<Theta, State: Clone> + Copy + PartialEq + Debug + Serialize + DeserializeOwned,
{
    let rule = Descent::new(metric, Induced::new(Log, 0.3).beta(0.5), Ema(0.5));
    let mut whole = theta(&[1.0; 14]);
    let mut optimiser = Configuration::new(rule, 0.1).build_whole(&whole)?;
    let mut halves = whole.clone();
    for gradient in gradients {
        let text = serde_json::to_string(&optimiser.checkpoint()?).unwrap();
        let checkpoint: Checkpoint<Descent<M, Induced<Height<Log>>, Ema>> = serde_json::from_str(&text).unwrap();
        let mut resumed = checkpoint.restore_whole(&halves)?;
        let gradient = Covector(theta(gradient));
        let report = optimiser.step(&mut whole, &gradient, 2.0)?;
        prop_assert_eq!(resumed.step(&mut halves, &gradient, 2.0)?, report);
        prop_assert_eq!(bits(&whole), bits(&halves));
        prop_assert_eq!(resumed.checkpoint()?, optimiser.checkpoint()?);
    }
    Ok(())
}

/// A matrix without a gradient stays as it is, and the other takes the step that it takes alone.
fn a_matrix_can_be_absent<M: BaseMetric<Theta, State: Clone> + Copy>(
    metric: M,
    gradients: &[Vec<f64>],
) -> Result<(), TestCaseError> {
    let rule = Descent::new(metric, Induced::new(Log, 0.3), Ema(0.5));
    let alone = |all: &Theta| Parameters::new([("b", all.view("b").unwrap().to_owned())]).unwrap();
    let mut both = theta(&[1.0; 14]);
    let mut one = alone(&both);
    let mut optimiser = Configuration::new(rule, 0.1).build_whole(&both)?;
    let mut of_one = Configuration::new(rule, 0.1).build_whole(&one)?;
    for gradient in gradients {
        let (before, gradient) = (bits(&both), theta(gradient));
        let report = optimiser.step_without(&mut both, &Covector(gradient.clone()), 2.0, Absent::parts([0]))?;
        prop_assert_eq!(of_one.step(&mut one, &Covector(alone(&gradient)), 2.0)?, report);
        prop_assert_eq!(&bits(&both)[..6], &before[..6]);
        prop_assert_eq!(bits(&both).split_off(6), bits(&one));
    }
    Ok(())
}

macro_rules! every_metric {
    ($($name:ident: $metric:expr, which refuses $refused:expr;)+) => {$(
        mod $name {
            use super::*;

            proptest! {
                #![proptest_config(cases(24))]

                #[test]
                fn a_refused_gradient_changes_nothing(gradients in prop::collection::vec(numbers(), 1..4), x in numbers()) {
                    refusals_change_nothing(&$metric, $refused, &gradients, &x)?;
                }

                #[test]
                fn a_run_resumes_bit_for_bit(gradients in prop::collection::vec(numbers(), 1..6)) {
                    a_run_resumes($metric, &gradients)?;
                }

                #[test]
                fn a_matrix_without_a_gradient_is_left_alone(gradients in prop::collection::vec(numbers(), 1..5)) {
                    a_matrix_can_be_absent($metric, &gradients)?;
                }
            }

            #[test]
            fn the_layout_of_another_model_is_refused() {
                let state = $metric.begin(&theta(&[1.0; 14])).unwrap();
                let other = Parameters::from(array![[1.0, 2.0]]);
                assert!($metric.raise(&state, &Covector(other)).is_err());
            }
        }
    )+};
}

every_metric! {
    of_soap: soap(2), which refuses &[1e200, f64::NAN, f64::INFINITY];
    of_kl_shampoo: kl_shampoo(2), which refuses &[1e200, f64::NAN, f64::INFINITY];
    of_adafactor: ADAFACTOR, which refuses &[1e200, f64::NAN, f64::INFINITY];
    // It takes a matrix of any finite numbers to its polar factor.
    of_normuon: NORMUON, which refuses &[f64::NAN, f64::INFINITY];
    of_psgd: psgd(1), which refuses &[1e200, f64::NAN, f64::INFINITY];
    // It looks at every other gradient.
    of_psgd_now_and_then: psgd(2), which refuses &[f64::NAN, f64::INFINITY];
    of_col_norm: COL_NORM, which refuses &[f64::NAN, f64::INFINITY];
    of_row_norm: ROW_NORM, which refuses &[f64::NAN, f64::INFINITY];
    of_muon_max: MUON_MAX, which refuses &[f64::NAN, f64::INFINITY];
    of_kl_soap: kl_soap(2), which refuses &[1e200, f64::NAN, f64::INFINITY];
}

// By their definitions.

fn matrix(tensor: &Theta) -> Array2<f64> {
    tensor.view("theta").unwrap().to_owned().into_dimensionality().unwrap()
}

fn host<M: MatrixPart<Element = f64>>(part: &M) -> Array2<f64> {
    Array2::from_shape_vec((part.rows(), part.columns()), part.to_host().unwrap()).unwrap()
}

fn distance(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Some gradients of one shape.
fn runs() -> impl Strategy<Value = Vec<Array2<f64>>> {
    (1..5_usize, 1..5_usize, 1..7_usize).prop_flat_map(|(rows, columns, steps)| {
        prop::collection::vec(prop::collection::vec(-2.0..2.0_f64, rows * columns), steps).prop_map(move |all| {
            all.into_iter().map(|numbers| Array2::from_shape_vec((rows, columns), numbers).unwrap()).collect()
        })
    })
}

/// (M + ε)⁻¹ of a symmetric matrix without negative eigenvalues, by elimination.
fn inverse(matrix: &Array2<f64>, epsilon: f64) -> Array2<f64> {
    let side = matrix.nrows();
    let (mut left, mut right) = (matrix + &(epsilon * Array2::<f64>::eye(side)), Array2::<f64>::eye(side));
    for pivot in 0..side {
        let value = left[(pivot, pivot)];
        for other in (0..side).filter(|&other| other != pivot) {
            let factor = left[(other, pivot)] / value;
            for column in 0..side {
                left[(other, column)] -= factor * left[(pivot, column)];
                right[(other, column)] -= factor * right[(pivot, column)];
            }
        }
    }
    Array2::from_shape_fn((side, side), |(row, column)| right[(row, column)] / left[(row, row)])
}

/// What rounding leaves of a few products of matrices of a side of at most four, of numbers below a hundred.
const ROUNDING: f64 = 1e4 * f64::EPSILON;

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn soap_is_rmsprop_in_the_eigenbases_of_the_gradients_before(gradients in runs(), every in 1..4_usize) {
        let metric = soap(every as u64);
        let mut state = BaseMetric::begin(&metric, &Parameters::from(gradients[0].clone()))?;
        let (rows, columns) = gradients[0].dim();
        let (mut moments, mut v) = ([Array2::<f64>::zeros((rows, rows)), Array2::zeros((columns, columns))], Array2::<f64>::zeros((rows, columns)));
        for (step, l) in gradients.iter().enumerate() {
            metric.update(&mut state, &Covector(Parameters::from(l.clone())))?;
            let with_l = [0.5 * &moments[0] + 0.5 * l.dot(&l.t()), 0.5 * &moments[1] + 0.5 * l.t().dot(l)];
            let bases = state.bases(0).unwrap().map(host);
            if step == 0 {
                prop_assert!(bases.iter().all(|basis| *basis == Array2::<f64>::eye(basis.nrows())));
            } else if (step - 1) % every == 0 {
                // Each basis is orthogonal, and its moment is diagonal in it, the largest first.
                for (basis, moment) in bases.iter().zip(&moments) {
                    let side = basis.nrows();
                    prop_assert!(distance(&basis.t().dot(basis), &Array2::eye(side)) <= ROUNDING);
                    let diagonal = basis.t().dot(moment).dot(basis);
                    for ((i, j), entry) in diagonal.indexed_iter() {
                        prop_assert!(i == j || entry.abs() <= ROUNDING, "{}", diagonal);
                        prop_assert!(i != j || j + 1 == side || diagonal[(j + 1, j + 1)] <= entry + ROUNDING, "{}", diagonal);
                    }
                }
            }
            moments = with_l;
            let turned = bases[0].t().dot(l).dot(&bases[1]);
            v = 0.75 * &v + 0.25 * &turned * &turned;
            let power = 0.75_f64.powi(i32::try_from(step).unwrap() + 1);
            let gamma = v.mapv(|v| (v / (1.0 - power)).sqrt() + 0.5);
            let expected = bases[0].dot(&(turned / &gamma)).dot(&bases[1].t());
            let raised = matrix(&metric.raise(&state, &Covector(Parameters::from(l.clone())))?.0);
            prop_assert!(distance(&raised, &expected) <= ROUNDING, "{} beside {}", raised, expected);
            let logarithm: f64 = gamma.iter().map(|x| x.ln()).sum();
            let found: f64 = metric.log_determinant(&state)?;
            prop_assert!((found - logarithm).abs() <= ROUNDING, "{} beside {}", found, logarithm);
        }
    }

    /// Each moment takes the gradient through the inverse of the other as it was. To raise twice is to divide by both factors as wholes, without a root.
    #[test]
    fn kl_shampoo_takes_each_gradient_through_the_factors_before_it(gradients in runs(), every in 1..4_usize) {
        let metric = kl_shampoo(every as u64);
        let mut state = metric.begin(&Parameters::from(gradients[0].clone()))?;
        let (rows, columns) = gradients[0].dim();
        let mut moments = [Array2::<f64>::eye(rows), Array2::eye(columns)];
        let mut inverses = [inverse(&moments[0], 0.25), inverse(&moments[1], 0.25)];
        for (step, l) in gradients.iter().enumerate() {
            metric.update(&mut state, &Covector(Parameters::from(l.clone())))?;
            moments = [
                0.75 * &moments[0] + 0.25 / columns as f64 * l.dot(&inverses[1]).dot(&l.t()),
                0.75 * &moments[1] + 0.25 / rows as f64 * l.t().dot(&inverses[0]).dot(l),
            ];
            for (found, expected) in state.moments(0).unwrap().map(host).iter().zip(&moments) {
                prop_assert!(distance(found, expected) <= ROUNDING, "{} beside {}", found, expected);
            }
            if step % every == 0 {
                inverses = [inverse(&moments[0], 0.25), inverse(&moments[1], 0.25)];
            }
            let once = metric.raise(&state, &Covector(Parameters::from(l.clone())))?;
            let twice = matrix(&metric.raise(&state, &Covector(once.0))?.0);
            let expected = inverses[0].dot(l).dot(&inverses[1]);
            prop_assert!(distance(&twice, &expected) <= ROUNDING, "{} beside {}", twice, expected);
        }
    }

    /// Of a matrix the outer product of means, of a vector every square.
    #[test]
    fn adafactor_divides_by_the_root_of_an_outer_product_of_means(gradients in runs()) {
        let space = |l: &Array2<f64>| Parameters::new([("b", l.row(0).to_owned().into_dyn()), ("w", l.clone().into_dyn())]).unwrap();
        let metric = ADAFACTOR;
        let mut state = metric.begin(&space(&gradients[0]))?;
        let (rows, columns) = gradients[0].dim();
        let (mut r, mut c, mut full) = (vec![0.0; rows], vec![0.0; columns], vec![0.0; columns]);
        for (step, l) in gradients.iter().enumerate() {
            metric.update(&mut state, &Covector(space(l)))?;
            let beta = 1.0 - (step as f64 + 1.0).powf(-0.8);
            let squares = l.mapv(|l| l * l + 0.25);
            let average = |past: &mut f64, present: f64| *past = beta * *past + (1.0 - beta) * present;
            r.iter_mut().zip(squares.rows()).for_each(|(r, row)| average(r, row.sum() / columns as f64));
            c.iter_mut().zip(squares.columns()).for_each(|(c, column)| average(c, column.sum() / rows as f64));
            full.iter_mut().zip(squares.row(0)).for_each(|(v, square)| average(v, *square));
            let mean = r.iter().sum::<f64>() / rows as f64;
            let gamma = Array2::from_shape_fn((rows, columns), |(i, j)| (r[i] * c[j] / mean).sqrt());
            let raised = metric.raise(&state, &Covector(space(l)))?.0;
            let of_matrix: Array2<f64> = raised.view("w").unwrap().to_owned().into_dimensionality().unwrap();
            prop_assert!(distance(&of_matrix, &(l / &gamma)) <= ROUNDING, "{} beside {}", of_matrix, l / &gamma);
            for ((found, l), v) in raised.view("b").unwrap().iter().zip(l.row(0)).zip(&full) {
                prop_assert!((found - l / v.sqrt()).abs() <= ROUNDING);
            }
            let logarithm = gamma.iter().map(|x| x.ln()).sum::<f64>() + full.iter().map(|v| v.ln() / 2.0).sum::<f64>();
            let found: f64 = metric.log_determinant(&state)?;
            prop_assert!((found - logarithm).abs() <= ROUNDING, "{} beside {}", found, logarithm);
        }
    }

    /// From Muon's steps: each row divided by the root of its second moment, and the whole as long as Muon's.
    #[test]
    fn normuon_gives_rows_one_length_in_the_mean_and_the_whole_that_of_muon(gradients in runs()) {
        let muon = NORMUON.muon;
        let begun = Parameters::from(gradients[0].clone());
        let (mut state, mut of_muon) = (NORMUON.begin(&begun)?, muon.begin(&begun)?);
        let (rows, columns) = gradients[0].dim();
        let width = Width::RowsAreOutputs.factor(rows, columns);
        let mut v = vec![0.0; rows];
        for l in &gradients {
            let gradient = Covector(Parameters::from(l.clone()));
            NORMUON.update(&mut state, &gradient)?;
            muon.update(&mut of_muon, &gradient)?;
            let step = matrix(&muon.raise(&of_muon, muon.measured(&of_muon).unwrap())?.0);
            let mut expected = step.clone();
            for (v, mut row) in v.iter_mut().zip(expected.rows_mut()) {
                *v = 0.75 * *v + 0.25 * row.iter().map(|x| (x / width).powi(2)).sum::<f64>() / columns as f64;
                row.mapv_inplace(|x| x / (v.sqrt() + 1e-10));
            }
            let norm = |x: &Array2<f64>| x.iter().map(|x| x * x).sum::<f64>().sqrt();
            expected *= norm(&step) / norm(&expected);
            let measured = NORMUON.measured(&state).unwrap();
            let raised = NORMUON.raise(&state, measured)?;
            prop_assert!(measured.contract(&raised)? > 0.0);
            let found = matrix(&raised.0);
            prop_assert!(distance(&found, &expected) <= ROUNDING * norm(&step), "{} beside {}", found, expected);
            prop_assert!((norm(&found) - norm(&step)).abs() <= ROUNDING * norm(&step));
        }
    }

    /// The bases belong to the factors of KL-Shampoo, and RMSprop is in them.
    #[test]
    fn kl_soap_is_rmsprop_in_the_eigenbases_of_the_factors_of_kl_shampoo(gradients in runs(), every in 1..4_usize) {
        let metric = kl_soap(every as u64);
        let (shampoo, begun) = (kl_shampoo(1), Parameters::from(gradients[0].clone()));
        let (mut state, mut factors) = (BaseMetric::begin(&metric, &begun)?, shampoo.begin(&begun)?);
        let (rows, columns) = gradients[0].dim();
        let mut moments = [Array2::<f64>::eye(rows), Array2::eye(columns)];
        let mut inverses = [inverse(&moments[0], 0.25), inverse(&moments[1], 0.25)];
        let mut v = Array2::<f64>::zeros((rows, columns));
        for (step, l) in gradients.iter().enumerate() {
            let gradient = Covector(Parameters::from(l.clone()));
            metric.update(&mut state, &gradient)?;
            shampoo.update(&mut factors, &gradient)?;
            let bases = state.bases(0).unwrap().map(host);
            if step > 0 && (step - 1) % every == 0 {
                inverses = [inverse(&moments[0], 0.25), inverse(&moments[1], 0.25)];
                for (basis, moment) in bases.iter().zip(&moments) {
                    prop_assert!(distance(&basis.t().dot(basis), &Array2::eye(basis.nrows())) <= ROUNDING);
                    for ((i, j), entry) in basis.t().dot(moment).dot(basis).indexed_iter() {
                        prop_assert!(i == j || entry.abs() <= ROUNDING);
                    }
                }
            }
            moments = [
                0.75 * &moments[0] + 0.25 / columns as f64 * l.dot(&inverses[1]).dot(&l.t()),
                0.75 * &moments[1] + 0.25 / rows as f64 * l.t().dot(&inverses[0]).dot(l),
            ];
            for (index, (found, expected)) in state.moments(0).unwrap().map(host).iter().zip(&moments).enumerate() {
                prop_assert!(distance(found, expected) <= ROUNDING, "{} beside {}", found, expected);
                // With bases of every gradient its factors are those of KL-Shampoo.
                let of_shampoo = host(factors.moments(0).unwrap()[index]);
                prop_assert!(every > 1 || distance(found, &of_shampoo) <= ROUNDING, "{} beside {}", found, of_shampoo);
            }
            let turned = bases[0].t().dot(l).dot(&bases[1]);
            v = 0.75 * &v + 0.25 * &turned * &turned;
            let power = 0.75_f64.powi(i32::try_from(step).unwrap() + 1);
            let gamma = v.mapv(|v| (v / (1.0 - power)).sqrt() + 0.5);
            let expected = bases[0].dot(&(turned / &gamma)).dot(&bases[1].t());
            let raised = matrix(&metric.raise(&state, &gradient)?.0);
            prop_assert!(distance(&raised, &expected) <= ROUNDING, "{} beside {}", raised, expected);
        }
    }

    /// From whole matrices and their inverses by elimination; the mean over the probe is summed over unit vectors, as that of vᵢvⱼ is one where i = j.
    #[test]
    fn psgd_steps_down_the_whitening_criterion_in_the_group_of_triangular_matrices(gradients in runs(), every in 1..4_usize) {
        let metric = psgd(every as u64);
        let mut state = metric.begin(&Parameters::from(gradients[0].clone()))?;
        let (rows, columns) = gradients[0].dim();
        let mut q = [Array2::<f64>::eye(rows), Array2::eye(columns)];
        let norm = |x: &Array2<f64>| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        let mut seen = 0;
        for l in &gradients {
            metric.update(&mut state, &Covector(Parameters::from(l.clone())))?;
            if seen > 0 || norm(l) > 0.0 {
                if seen == 0 {
                    let mean = norm(l).powi(2) / (rows * columns) as f64 + 0.25;
                    q = q.map(|q| q * mean.powf(-0.125));
                }
                if seen % every == 0 {
                    let a = q[0].dot(l).dot(&q[1].t());
                    let inverses = q.each_ref().map(|q| inverse(q, 0.0));
                    let units = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
                    let mut probes = [Array2::<f64>::zeros((rows, rows)), Array2::zeros((columns, columns))];
                    for (i, j) in units {
                        let mut v = Array2::<f64>::zeros((rows, columns));
                        v[(i, j)] = 1.0;
                        let b = inverses[0].t().dot(&v).dot(&inverses[1]);
                        probes = [&probes[0] + &b.dot(&b.t()), &probes[1] + &b.t().dot(&b)];
                    }
                    let squares = [a.dot(&a.t()), a.t().dot(&a)];
                    let mut next = q.clone();
                    for side in 0..2 {
                        let noise = 0.25 * norm(&q[1 - side]).powi(2) * q[side].dot(&q[side].t());
                        let (down, up) = (&squares[side] + &noise, &probes[side]);
                        let sum = &down + up;
                        let step = (down - up) * (0.25 / norm(&sum.dot(&sum)).sqrt());
                        let upper = Array2::from_shape_fn(step.dim(), |(i, j)| if i <= j { step[(i, j)] } else { 0.0 });
                        next[side] = &q[side] - &upper.dot(&q[side]);
                    }
                    q = next;
                }
                seen += 1;
            }
            for (found, expected) in state.factors(0).unwrap().map(host).iter().zip(&q) {
                prop_assert!(distance(found, expected) <= ROUNDING, "{} beside {}", found, expected);
                let is_upper = found.indexed_iter().all(|((i, j), entry)| match i.cmp(&j) {
                    Ordering::Less => true,
                    Ordering::Equal => *entry > 0.0,
                    Ordering::Greater => *entry == 0.0,
                });
                prop_assert!(is_upper, "{}", found);
            }
            let raised = matrix(&metric.raise(&state, &Covector(Parameters::from(l.clone())))?.0);
            let expected = q[0].t().dot(&q[0]).dot(l).dot(&q[1].t().dot(&q[1]));
            prop_assert!(distance(&raised, &expected) <= ROUNDING, "{} beside {}", raised, expected);
        }
    }

    /// In the scales of Scion: √outputs for a column of weights that are outputs × inputs, 1/√inputs for a row.
    #[test]
    fn columns_and_rows_are_divided_by_their_lengths(gradients in runs(), power in -20..20_i32) {
        let norm = |line: ndarray::ArrayView1<'_, f64>| line.iter().map(|x| x * x).sum::<f64>().sqrt();
        // Where the unit is does not matter.
        let unit = 1e6_f64.powi(power);
        for l in &gradients {
            let (rows, columns) = l.dim();
            let by_columns = Array2::from_shape_fn(l.dim(), |(i, j)| l[(i, j)] / norm(l.column(j)).max(1e-300));
            let by_rows = Array2::from_shape_fn(l.dim(), |(i, j)| l[(i, j)] / norm(l.row(i)).max(1e-300));
            let covector = Covector(Parameters::from(l * unit));
            let (outputs, inputs) = (Width::RowsAreOutputs, Width::ColumnsAreOutputs);
            let (m, n) = ((rows as f64).sqrt(), (columns as f64).sqrt());
            for (width, of_column, of_row) in [(Width::Unscaled, 1.0, 1.0), (outputs, m, 1.0 / n), (inputs, 1.0 / m, n)] {
                let column = ColNorm { width };
                let found = column.raise(&column.begin(&covector.0)?, &covector)?;
                prop_assert!(distance(&matrix(&found.0), &(&by_columns * of_column)) <= ROUNDING);
                let length: f64 = l.columns().into_iter().map(norm).sum::<f64>() * of_column;
                prop_assert!((covector.contract(&found)? / unit - length).abs() <= ROUNDING * (1.0 + length));
                let row = RowNorm { width };
                let found = row.raise(&row.begin(&covector.0)?, &covector)?;
                prop_assert!(distance(&matrix(&found.0), &(&by_rows * of_row)) <= ROUNDING);
            }
        }
    }

    /// Muon's steps times the sum of the nuclear norms, which is what Muon's momentum measures in all matrices together.
    #[test]
    fn muon_max_steps_as_long_as_the_sum_of_the_nuclear_norms(gradients in prop::collection::vec(numbers(), 1..4)) {
        let begun = theta(&gradients[0]);
        let (mut state, mut of_muon) = (MUON_MAX.begin(&begun)?, MUON.begin(&begun)?);
        for gradient in &gradients {
            let gradient = Covector(theta(gradient));
            MUON_MAX.update(&mut state, &gradient)?;
            MUON.update(&mut of_muon, &gradient)?;
            let momentum = MUON_MAX.measured(&state).unwrap();
            // ‖M‖_* of two rows or columns is √(‖M‖² + 2√det MMᵀ).
            let nuclear = |name: &str| {
                let m: Array2<f64> = momentum.0.view(name).unwrap().to_owned().into_dimensionality().unwrap();
                let gram = if m.nrows() == 2 { m.dot(&m.t()) } else { m.t().dot(&m) };
                let determinant = gram[(0, 0)] * gram[(1, 1)] - gram[(0, 1)] * gram[(1, 0)];
                (gram[(0, 0)] + gram[(1, 1)] + 2.0 * determinant.max(0.0).sqrt()).sqrt()
            };
            let length = Width::RowsAreOutputs.factor(3, 2) * nuclear("a") + nuclear("b");
            prop_assert!((state.length() - length).abs() <= 1e-6 * length, "{} beside {}", state.length(), length);
            let raised = MUON_MAX.raise(&state, momentum)?;
            let squared: f64 = momentum.contract(&raised)?;
            prop_assert!((squared - length * length).abs() <= 1e-6 * length * length);
            let step = MUON.raise(&of_muon, MUON.measured(&of_muon).unwrap())?;
            for (found, direction) in raised.0.iter().zip(step.0.iter()) {
                prop_assert!((found - length * direction).abs() <= 1e-6 * length);
            }
        }
    }

    /// Each head takes the step of a model in which it is a matrix by itself.
    #[test]
    fn heads_are_matrices_by_themselves(gradients in prop::collection::vec(prop::collection::vec(-2.0..2.0_f64, 18), 1..4)) {
        let together = |numbers: &[f64]| {
            let array = ndarray::ArrayD::from_shape_vec(vec![3, 2, 3], numbers.to_vec()).unwrap();
            Parameters::new([("q", array)]).unwrap()
        };
        let apart = |numbers: &[f64]| {
            let head = |index: usize| Array2::from_shape_vec((2, 3), numbers[index * 6..index * 6 + 6].to_vec()).unwrap();
            Parameters::new([("q0", head(0).into_dyn()), ("q1", head(1).into_dyn()), ("q2", head(2).into_dyn())]).unwrap()
        };
        fn same<M: BaseMetric<Theta>>(heads: &M, matrices: &M, [a, b]: [Vec<Theta>; 2]) -> Result<(), TestCaseError> {
            let (mut state, mut expected) = (heads.begin(&a[0])?, matrices.begin(&b[0])?);
            for (a, b) in a.into_iter().zip(b) {
                let (a, b) = (Covector(a), Covector(b));
                heads.update(&mut state, &a)?;
                matrices.update(&mut expected, &b)?;
                let measured = (heads.measured(&state).unwrap(), matrices.measured(&expected).unwrap());
                let raised = (heads.raise(&state, measured.0)?, matrices.raise(&expected, measured.1)?);
                prop_assert_eq!(bits(&raised.0.0), bits(&raised.1.0));
                if heads.is_metric() {
                    let lowered = (heads.lower(&state, &raised.0)?, matrices.lower(&expected, &raised.1)?);
                    prop_assert_eq!(bits(&lowered.0.0), bits(&lowered.1.0));
                    prop_assert_eq!(heads.log_determinant(&state)?, matrices.log_determinant(&expected)?);
                }
            }
            Ok(())
        }
        let runs = || [gradients.iter().map(|g| together(g)).collect(), gradients.iter().map(|g| apart(g)).collect()];
        let heads = Muon { heads: true, ..MUON };
        same(&heads, &MUON, runs())?;
        let iterated = Muon { momentum: Nesterov(0.5), width: Width::ColumnsAreOutputs, ..Muon::default() };
        same(&Muon { heads: true, ..iterated }, &iterated, runs())?;

        // The lengths of rows are those of the matrix of all neurons, and directions those of the heads.
        let metric = NorMuon { muon: heads, ..NORMUON };
        let mut state = metric.begin(&together(&gradients[0]))?;
        let mut of_muon = heads.begin(&together(&gradients[0]))?;
        let mut v = [0.0; 6];
        for gradient in &gradients {
            let gradient = Covector(together(gradient));
            metric.update(&mut state, &gradient)?;
            heads.update(&mut of_muon, &gradient)?;
            let step = heads.raise(&of_muon, heads.measured(&of_muon).unwrap())?.0;
            let step = Array2::from_shape_vec((6, 3), step.iter().copied().collect()).unwrap();
            let mut expected = step.clone();
            for (v, mut row) in v.iter_mut().zip(expected.rows_mut()) {
                *v = 0.75 * *v + 0.25 * row.iter().map(|x| x * x).sum::<f64>() / 3.0;
                row.mapv_inplace(|x| x / (v.sqrt() + 1e-10));
            }
            let norm = |x: &Array2<f64>| x.iter().map(|x| x * x).sum::<f64>().sqrt();
            expected *= norm(&step) / norm(&expected);
            let found = metric.raise(&state, metric.measured(&state).unwrap())?.0;
            let found = Array2::from_shape_vec((6, 3), found.iter().copied().collect()).unwrap();
            prop_assert!(distance(&found, &expected) <= ROUNDING * norm(&step), "{} beside {}", found, expected);
        }
    }

    /// The bases of one number are one.
    #[test]
    fn soap_of_one_number_is_rmsprop(gradients in prop::collection::vec(0.1..3.0_f64, 1..6)) {
        let (metric, diagonal) = (soap(1), soap(1).metric);
        let one = |x: f64| Covector(Parameters::from(array![[x]]));
        let mut state = BaseMetric::begin(&metric, &one(1.0).0)?;
        let mut plain = BaseMetric::begin(&diagonal, &one(1.0).0)?;
        for gradient in gradients {
            metric.update(&mut state, &one(gradient))?;
            diagonal.update(&mut plain, &one(gradient))?;
            let (raised, expected) = (metric.raise(&state, &one(1.0))?, BaseMetric::raise(&diagonal, &plain, &one(1.0))?);
            prop_assert_eq!(bits(&raised.0), bits(&expected.0));
        }
    }
}

#[test]
fn vectors_are_refused_by_name_and_constants_out_of_range_are_refused() {
    let vector = Parameters::new([("bias", array![1.0_f64, 2.0].into_dyn())]).unwrap();
    let refused = BaseMetric::begin(&soap(1), &vector).unwrap_err();
    assert!(matches!(&refused, Error::NotAMatrix { metric, parameter, .. } if metric == "Soap" && parameter == "bias"));
    let matrix = Parameters::from(array![[1.0_f64]]);
    for (metric, constant) in [
        (soap(0), "every"),
        (Soap { beta: 1.0, ..soap(1) }, "beta"),
        (Soap { metric: RmsProp { beta: 0.5, epsilon: 0.0 }, ..soap(1) }, "epsilon"),
    ] {
        let refused = BaseMetric::begin(&metric, &matrix).unwrap_err();
        assert!(matches!(refused, Error::Hyperparameter { name, .. } if name == constant), "{constant}");
    }
    let refused = kl_shampoo(1).begin(&vector).unwrap_err();
    assert!(matches!(&refused, Error::NotAMatrix { metric, .. } if metric == "KlShampoo"));
    for (metric, constant) in [
        (kl_shampoo(0), "every"),
        (KlShampoo { beta: 1.0, ..kl_shampoo(1) }, "beta"),
        (KlShampoo { start: 0.0, ..kl_shampoo(1) }, "start"),
        (KlShampoo { epsilon: -1.0, ..kl_shampoo(1) }, "epsilon"),
    ] {
        let refused = metric.begin(&matrix).unwrap_err();
        assert!(matches!(refused, Error::Hyperparameter { name, .. } if name == constant), "{constant}");
    }
    let refused = psgd(1).begin(&vector).unwrap_err();
    assert!(matches!(&refused, Error::NotAMatrix { metric, .. } if metric == "Psgd"));
    for (metric, constant) in [
        (psgd(0), "every"),
        (Psgd { rate: 1.0, ..psgd(1) }, "rate"),
        (Psgd { rate: 0.0, ..psgd(1) }, "rate"),
        (Psgd { epsilon: 0.0, ..psgd(1) }, "epsilon"),
    ] {
        let refused = metric.begin(&matrix).unwrap_err();
        assert!(matches!(refused, Error::Hyperparameter { name, .. } if name == constant), "{constant}");
    }
    let refused = BaseMetric::begin(&kl_soap(1), &vector).unwrap_err();
    assert!(matches!(&refused, Error::NotAMatrix { metric, .. } if metric == "KlSoap"));
    for (metric, constant) in [
        (kl_soap(0), "every"),
        (KlSoap { beta: 1.0, ..kl_soap(1) }, "beta"),
        (KlSoap { start: 0.0, ..kl_soap(1) }, "start"),
        (KlSoap { factor_epsilon: 0.0, ..kl_soap(1) }, "factor_epsilon"),
        (KlSoap { metric: RmsProp { beta: 0.5, epsilon: 0.0 }, ..kl_soap(1) }, "epsilon"),
    ] {
        let refused = BaseMetric::begin(&metric, &matrix).unwrap_err();
        assert!(matches!(refused, Error::Hyperparameter { name, .. } if name == constant), "{constant}");
    }
    for (metric, constant) in
        [(Adafactor { epsilon: 0.0, ..ADAFACTOR }, "epsilon"), (Adafactor { exponent: -0.5, ..ADAFACTOR }, "exponent")]
    {
        let refused = metric.begin(&matrix).unwrap_err();
        assert!(matches!(refused, Error::Hyperparameter { name, .. } if name == constant), "{constant}");
    }
}

/// Small steps over the same gradients again and again end where γ⁻¹ is the inverse root of their second moment with ε²: the last ones change γ⁻¹ by a few times
/// the rate. (Both gradients have the same bound there, so that their steps count alike.)
#[test]
fn psgd_whitens_the_gradients_that_it_has_seen() {
    let gradients = [[3.0, 1.0], [3.0, -1.0]];
    let metric = Psgd { rate: 1e-3, epsilon: 0.5, every: 1 };
    let mut state = metric.begin(&Parameters::from(array![gradients[0]])).unwrap();
    for step in 0..12_000 {
        metric.update(&mut state, &Covector(Parameters::from(array![gradients[step % 2]]))).unwrap();
    }
    let mut moment = 0.25 * Array2::<f64>::eye(2);
    for [x, y] in gradients {
        moment += &(array![[x * x, x * y], [x * y, y * y]] / 2.0);
    }
    let [left, right] = state.factors(0).unwrap().map(host);
    let inverse = left[(0, 0)].powi(2) * right.t().dot(&right);
    let white = inverse.dot(&moment).dot(&inverse);
    assert!(distance(&white, &Array2::eye(2)) < 0.02, "{white}");
}

/// Without a gradient there is no scale to begin with, and a first one after that sets it.
#[test]
fn psgd_waits_for_a_gradient() {
    let metric = Psgd::default();
    let one = |x: f32| Covector(Parameters::from(array![[x, 0.0], [0.0, x]]));
    let mut state = metric.begin(&one(0.0).0).unwrap();
    for _ in 0..1000 {
        metric.update(&mut state, &one(0.0)).unwrap();
    }
    assert_eq!(metric.raise(&state, &one(3.0)).unwrap().0, one(3.0).0);
    metric.update(&mut state, &one(1e-3)).unwrap();
    let raised = metric.raise(&state, &one(1e-3)).unwrap().0;
    assert!((0.5..2.0).contains(&raised.as_slice()[0]), "{raised:?}");
}

/// Rows and columns that never have a gradient keep ε alone, whose product would be no number of single precision.
#[test]
fn adafactor_divides_by_what_is_above_zero_where_there_is_no_gradient() {
    let metric = Adafactor::default();
    let gradient = Covector(Parameters::from(array![[0.0_f32, 0.0], [0.0, 1e3]]));
    let mut state = metric.begin(&gradient.0).unwrap();
    for _ in 0..20 {
        metric.update(&mut state, &gradient).unwrap();
    }
    let raised = metric.raise(&state, &gradient).unwrap().0;
    assert_eq!(&raised.as_slice()[..3], [0.0; 3]);
    assert!((raised.as_slice()[3] - 1.0).abs() < 1e-5);
    assert!(metric.log_determinant(&state).unwrap().is_finite());
}

#[test]
fn the_duals_of_columns_and_rows_are_no_metrics_and_refuse_vectors() {
    fn check<M: BaseMetric<Theta> + Copy>(metric: M, name: &str) {
        let zero = Covector(Parameters::from(array![[0.0_f64, 0.0], [0.0, 0.0]]));
        let state = metric.begin(&zero.0).unwrap();
        assert_eq!(metric.raise(&state, &zero).unwrap().0, zero.0);
        let is_refused =
            |refusal: Result<(), Error>| assert!(matches!(&refusal, Err(Error::NoMetric { metric }) if metric == name));
        is_refused(metric.lower(&state, &Vector(zero.0.clone())).map(drop));
        is_refused(metric.log_determinant(&state).map(drop));
        is_refused(metric.at(&state).raise(&zero).map(drop));
        let vector = Parameters::new([("bias", array![1.0_f64, 2.0].into_dyn())]).unwrap();
        assert!(matches!(metric.begin(&vector), Err(Error::NotAMatrix { metric, .. }) if metric == name));
    }
    check(COL_NORM, "ColNorm");
    check(ROW_NORM, "RowNorm");
}

#[test]
fn normuon_is_no_metric_by_itself_or_beside_others_and_zero_stays_zero() {
    let zero = Covector(Parameters::from(array![[0.0_f64, 0.0], [0.0, 0.0]]));
    let mut state = NORMUON.begin(&zero.0).unwrap();
    assert_eq!(NORMUON.raise(&state, &zero).unwrap().0, zero.0);
    NORMUON.update(&mut state, &zero).unwrap();
    assert_eq!(NORMUON.raise(&state, &zero).unwrap().0, zero.0);

    let is_refused = |refusal: Result<(), Error>, name: &str| {
        assert!(matches!(&refusal, Err(Error::NoMetric { metric }) if metric == name), "{refusal:?}");
    };
    is_refused(NORMUON.lower(&state, &Vector(zero.0.clone())).map(drop), "NorMuon");
    is_refused(NORMUON.log_determinant(&state).map(drop), "NorMuon");
    is_refused(NORMUON.at(&state).raise(&zero).map(drop), "NorMuon");
    let exact = Induced::new(Log, 0.1).exact();
    let build = Configuration::new(Descent::new(NORMUON, exact, NoMomentum), 0.1).build_whole(&zero.0);
    is_refused(build.map(drop), "NorMuon");
    for beside in [
        Configuration::new(
            Descent::new(Routed { route: EveryMatrix, taken: NORMUON, rest: RmsProp::default() }, exact, NoMomentum),
            0.1,
        )
        .build_whole(&zero.0)
        .map(drop),
        Configuration::new(
            Descent::new(Routed { route: EveryMatrix, taken: RmsProp::default(), rest: Sign }, exact, NoMomentum),
            0.1,
        )
        .build_whole(&zero.0)
        .map(drop),
    ] {
        is_refused(beside, "Routed");
    }
    assert!(Configuration::new(Descent::new(NORMUON, Flat, NoMomentum), 0.1).build_whole(&zero.0).is_ok());
    for (metric, constant) in
        [(NorMuon { beta: 1.0, ..NORMUON }, "beta"), (NorMuon { epsilon: 0.0, ..NORMUON }, "epsilon")]
    {
        let refused = metric.begin(&zero.0).unwrap_err();
        assert!(matches!(refused, Error::Hyperparameter { name, .. } if name == constant), "{constant}");
    }
}

proptest! {
    #![proptest_config(cases(16))]

    /// A metric that was chosen by its text is the typed one, bit for bit, and is written as what is read as the same.
    #[test]
    fn chosen_metrics_are_the_typed_ones(gradients in prop::collection::vec(numbers(), 1..5), x in numbers(), beta in 0.1..0.9_f64, epsilon in 1e-3..1.0_f64) {
        fn same<M: BaseMetric<Theta>>(metric: &M, text: &str, gradients: &[Vec<f64>], x: &[f64]) -> Result<(), TestCaseError> {
            let chosen: AnyMatrixMetric = text.parse().unwrap();
            prop_assert_eq!(&chosen.to_string().parse::<AnyMatrixMetric>().unwrap(), &chosen);
            prop_assert_eq!(chosen.name(), metric.metric_name());
            let (mut state, mut expected) = (chosen.begin(&theta(x))?, metric.begin(&theta(x))?);
            for gradient in gradients {
                chosen.update(&mut state, &Covector(theta(gradient)))?;
                metric.update(&mut expected, &Covector(theta(gradient)))?;
                prop_assert_eq!(seen(&chosen, &state, x)?, seen(metric, &expected, x)?);
            }
            Ok(())
        }
        let rmsprop = RmsProp { beta, epsilon };
        same(&Soap { metric: rmsprop, beta: 0.5, every: 3 }, &format!("soap(0.5, {beta:?}, {epsilon:?}, every=3)"), &gradients, &x)?;
        let kl_shampoo = KlShampoo { beta, epsilon, start: 0.5, every: 2 };
        same(&kl_shampoo, &format!("kl_shampoo({beta:?}, {epsilon:?}, 0.5, 2)"), &gradients, &x)?;
        same(&Adafactor { epsilon, exponent: beta }, &format!("adafactor({epsilon:?}, {beta:?})"), &gradients, &x)?;
        let text = format!("normuon(ema(0.5), polar, rows_are_outputs, beta={beta:?}, epsilon={epsilon:?})");
        same(&NorMuon { beta, epsilon, ..NORMUON }, &text, &gradients, &x)?;
        same(&Psgd { rate: beta, epsilon, every: 2 }, &format!("psgd({beta:?}, {epsilon:?}, every=2)"), &gradients, &x)?;
        same(&COL_NORM, "col_norm(rows_are_outputs)", &gradients, &x)?;
        same(&ROW_NORM, "row_norm(rows_are_outputs)", &gradients, &x)?;
        let heads = MuonMax { muon: Muon { heads: true, ..MUON } };
        same(&heads, "muon_max(ema(0.5), polar, rows_are_outputs, heads)", &gradients, &x)?;
        let kl_soap = KlSoap { metric: rmsprop, beta: 0.5, factor_epsilon: epsilon, start: 0.5, every: 2 };
        same(&kl_soap, &format!("kl_soap(0.5, {beta:?}, {epsilon:?}, {epsilon:?}, 0.5, 2)"), &gradients, &x)?;
    }
}

#[test]
fn short_names_are_the_rules_of_the_table_and_read_as_they_are_written() {
    for (short, long) in [
        ("soap", "flat(soap(beta=0.95, beta2=0.95, epsilon=1e-8, every=10.0)) + ema(decay=0.95)"),
        ("soap(0.9, 0.8, 0.5)", "flat(soap(beta=0.8, beta2=0.8, epsilon=0.5, every=10.0)) + ema(decay=0.9)"),
        ("kl_shampoo", "flat(kl_shampoo(beta=0.98, epsilon=1e-8, start=0.1, every=1.0)) + ema(decay=0.9)"),
        ("adafactor", "flat(adafactor(epsilon=1e-30, exponent=0.8))"),
        (
            "normuon(0.9)",
            "flat(normuon(nesterov(decay=0.9), a=3.4445, b=-4.775, c=2.0315, steps=5.0, beta=0.95, epsilon=1e-10))",
        ),
        ("psgd(0.8, 0.5)", "flat(psgd(rate=0.5, epsilon=1e-8, every=1.0)) + ema(decay=0.8)"),
        (
            "kl_soap(0.9, 0.8, 0.5)",
            "flat(kl_soap(beta=0.8, beta2=0.8, epsilon=0.5, factor_epsilon=1e-8, start=0.1, every=10.0)) + ema(decay=0.9)",
        ),
        ("muon_max(0.9)", "flat(muon_max(nesterov(decay=0.9), a=3.4445, b=-4.775, c=2.0315, steps=5.0))"),
        ("flat(normuon(polar))", "flat(normuon(nesterov(decay=0.95), polar, beta=0.95, epsilon=1e-10))"),
    ] {
        let rule: AnyRule = short.parse().unwrap();
        assert_eq!(rule.to_string(), long);
        assert_eq!(long.parse::<AnyRule>().unwrap(), rule);
        assert!(rule.validate().is_ok() && !rule.is_fused());
    }
    for (wrong, at) in [("flat(soap(every=1.5))", "every=1.5"), ("flat(adafactor(exponent=0))", "exponent=0")] {
        let error = wrong.parse::<AnyRule>().unwrap_err();
        assert_eq!(&wrong[error.at.clone()], at, "{error}");
    }
    // The direction of a step is damped, and has no inverse.
    assert!("induced(normuon, log)".parse::<AnyRule>().is_ok());
    assert!("induced(col_norm(rows_are_outputs), log) + ema(0.9)".parse::<AnyRule>().is_ok());
    let error = "induced(row_norm, log, exact)".parse::<AnyRule>().unwrap_err();
    assert!(error.problem.contains("RowNorm"), "{error}");
    let error = "induced(normuon, log, exact)".parse::<AnyRule>().unwrap_err();
    assert!(error.problem.contains("NorMuon"), "{error}");
}

/// A tensor with more than two axes is the matrix of its first by the others.
#[test]
fn a_kernel_of_a_convolution_steps_as_the_matrix_that_it_is() {
    let run = |shape: &[usize], rule: &str| {
        let tensor = |shift: f64| {
            let numbers = (0..24).map(|index| (f64::from(index) * 0.7 + shift).sin()).collect();
            Parameters::new([("kernel", ndarray::ArrayD::from_shape_vec(shape.to_vec(), numbers).unwrap())]).unwrap()
        };
        let mut theta = tensor(0.0);
        let mut optimiser = f64::build(Configuration::new(rule.parse::<AnyRule>().unwrap(), 0.1), &theta).unwrap();
        for step in 0..3 {
            optimiser.step(&mut theta, &Covector(tensor(f64::from(step))), 1.0).unwrap();
        }
        theta.iter().map(|number| number.to_bits()).collect::<Vec<_>>()
    };
    for rule in ["muon", "normuon", "induced(muon(polar), log)"] {
        assert_eq!(run(&[2, 3, 2, 2], rule), run(&[2, 12], rule), "{rule}");
    }
}
