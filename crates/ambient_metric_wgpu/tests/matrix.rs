//! Products and the Newton–Schulz iteration on a device agree with the host, whatever the shape.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use ambient_metric::base::{
    ColNorm, EveryMatrix, LearnedDiagonal, LearnedScalar, MuonMax, NorMuon, Psgd, Remembering, RowNorm, Width,
};
use ambient_metric::optimiser::WholeOptimiser;
use ambient_metric::space::{Absent, Part, Selection, Separable};
use ambient_metric::{
    BaseMetric, Configuration, Covector, Descent, Error, Euclidean, Field, Induced, Layout, Log, Muon, Nesterov,
    NoMomentum, RmsProp, Routed, Tensor,
};
use ambient_metric_ndarray::Parameters;
use ambient_metric_wgpu::{Context, DeviceElement, DeviceMatrix, DeviceTensor, NewtonSchulz, Transpose};
use ndarray::Array2;

fn context() -> Option<Context> {
    match Context::new(None) {
        Ok(context) => Some(context),
        Err(error) => {
            let required = std::env::var("AMBIENT_REQUIRE_GPU").is_ok_and(|value| value == "1");
            assert!(!required, "AMBIENT_REQUIRE_GPU=1 and there is no device: {error}");
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// Numbers in ±1 that repeat for a seed.
fn numbers(seed: u64, rows: usize, columns: usize) -> Array2<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Array2::from_shape_simple_fn((rows, columns), || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // A short fraction, exact in `f32` too.
        f64::from(u32::try_from(state >> 44).unwrap()) / f64::from(1 << 19) - 1.0
    })
}

fn on_device<E: DeviceElement>(context: &Context, matrix: &Array2<f64>) -> DeviceMatrix<E> {
    let elements: Vec<E> = matrix.iter().map(|element| E::constant(*element)).collect();
    DeviceMatrix::new(context, matrix.nrows(), matrix.ncols(), &elements).unwrap()
}

fn distance<E: DeviceElement>(device: &DeviceMatrix<E>, host: &Array2<f64>) -> f64 {
    assert_eq!([device.rows(), device.columns()], host.shape());
    let elements = device.to_host().unwrap();
    elements.iter().zip(host).map(|(a, b)| (a.to_f64() - b).abs()).fold(0.0, f64::max)
}

/// A sum of K products of numbers below one has an error of at most K (K + 1) ε / 2 in any order, and in practice far less.
fn products_agree<E: DeviceElement>(context: &Context, epsilon: f64) {
    for (rows, inner, columns) in [(1, 1, 1), (3, 5, 2), (64, 16, 64), (65, 17, 63), (130, 70, 1), (1, 300, 129)] {
        let bound = (inner * (inner + 1)) as f64 / 2.0 * epsilon;
        let (a, b) = (numbers(1, rows, inner), numbers(2, inner, columns));
        let expected = a.dot(&b);
        for (first, second) in [
            (Transpose::No, Transpose::No),
            (Transpose::No, Transpose::Yes),
            (Transpose::Yes, Transpose::No),
            (Transpose::Yes, Transpose::Yes),
        ] {
            let stored = |matrix: &Array2<f64>, transpose| match transpose {
                Transpose::No => matrix.clone(),
                Transpose::Yes => matrix.t().as_standard_layout().into_owned(),
            };
            let left = on_device::<E>(context, &stored(&a, first));
            let right = on_device::<E>(context, &stored(&b, second));
            let distance = distance(&left.product(first, &right, second).unwrap(), &expected);
            assert!(distance <= bound, "{rows}×{inner}×{columns} {first:?} {second:?}: {distance:e} > {bound:e}");
        }
    }
}

#[test]
fn products_of_every_shape_agree_with_the_host() {
    let Some(context) = context() else { return };
    products_agree::<f32>(&context, f64::from(f32::EPSILON));
    if context.double_precision() {
        products_agree::<f64>(&context, f64::EPSILON);
    } else {
        eprintln!("skipped: {} has no double precision", context.adapter_name());
    }
}

/// The iteration in `f64` on the host.
fn newton_schulz(matrix: &Array2<f64>) -> Array2<f64> {
    let mut x = matrix / matrix.iter().map(|element| element * element).sum::<f64>().sqrt();
    for _ in 0..5 {
        let gram = x.dot(&x.t());
        let polynomial = -4.7750 * &gram + 2.0315 * gram.dot(&gram);
        x = 3.4445 * &x + polynomial.dot(&x);
    }
    x
}

/// One step multiplies an error by at most the largest slope of the polynomial on [0, 1.2], which is below 4, and adds three
/// products of inner dimension at most 33 of matrices of norm about one.
#[test]
fn newton_schulz_agrees_with_the_host_for_wide_tall_and_square_matrices() {
    let Some(context) = context() else { return };
    let bound = 4.0_f64.powi(5) * 3.0 * 33.0 * f64::from(f32::EPSILON);
    for (rows, columns) in [(1, 1), (4, 33), (33, 4), (20, 20)] {
        let matrix = numbers(5, rows, columns);
        let device = on_device::<f32>(&context, &matrix);
        let readbacks = context.readbacks();
        let polar = device.newton_schulz(NewtonSchulz::default()).unwrap();
        assert_eq!(context.readbacks(), readbacks);
        let distance = distance(&polar, &newton_schulz(&matrix));
        assert!(distance <= bound, "{rows}×{columns}: {distance:e} > {bound:e}");
    }
}

#[test]
fn a_matrix_of_zeros_stays_one() {
    let Some(context) = context() else { return };
    let zeros = on_device::<f32>(&context, &Array2::zeros((3, 4)));
    assert!(zeros.newton_schulz(NewtonSchulz::default()).unwrap().to_host().unwrap().iter().all(|x| *x == 0.0));
}

#[test]
fn a_part_with_two_axes_is_a_matrix_and_others_are_not() {
    let Some(context) = context() else { return };
    let parts = [("a", vec![3], vec![9.0_f32; 3]), ("w", vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])];
    let tensor = DeviceTensor::new(&context, parts).unwrap();
    let matrix = DeviceMatrix::of_part(&tensor, "w").unwrap();
    assert_eq!(matrix.to_host().unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let gram = matrix.product(Transpose::No, &matrix, Transpose::Yes).unwrap();
    assert_eq!(gram.to_host().unwrap(), [14.0, 32.0, 32.0, 77.0]);
    assert!(matches!(DeviceMatrix::of_part(&tensor, "a"), Err(Error::Shape { .. })));
    assert!(matches!(DeviceMatrix::of_part(&tensor, "b"), Err(Error::UnknownParameter { .. })));
    assert!(matches!(matrix.product(Transpose::No, &matrix, Transpose::No), Err(Error::Shape { .. })));
    assert!(matches!(DeviceMatrix::<f32>::new(&context, 2, 2, &[1.0]), Err(Error::Shape { .. })));
    assert!(matches!(DeviceMatrix::<f32>::new(&context, 0, 2, &[]), Err(Error::Empty)));
}

/// Twenty steps over a metric on a device and on the host, the lengths of which may differ by a share of themselves: both ends.
fn twenty_steps<M>(context: &Context, metric: M, learning_rate: f64, share: f64) -> (DeviceTensor<f32>, Parameters<f32>)
where
    M: BaseMetric<DeviceTensor<f32>, State: Clone> + BaseMetric<Parameters<f32>, State: Clone> + Clone,
{
    let rule = Descent::new(metric, Induced::new(Log, 0.01).beta(0.5), NoMomentum);
    let configuration = Configuration::new(rule, learning_rate).weight_decay(0.1);
    let parts = |seed: u64| {
        let array = |seed, rows, columns| numbers(seed, rows, columns).mapv(f32::constant);
        [
            ("b", array(seed, 1, 4).into_shape_with_order(vec![4]).unwrap()),
            ("u", array(seed + 1, 5, 3).into_dyn()),
            ("v", array(seed + 2, 2, 6).into_dyn()),
        ]
    };
    let there = |seed: u64| {
        DeviceTensor::new(
            context,
            parts(seed).map(|(name, array)| (name, array.shape().to_vec(), array.iter().copied().collect::<Vec<_>>())),
        )
        .unwrap()
    };
    let here = |seed: u64| Parameters::new(parts(seed)).unwrap();
    let (mut on_device, mut on_host) = (there(1), here(1));
    let mut device = configuration.clone().build_whole(&on_device).unwrap();
    let mut host = configuration.build_whole(&on_host).unwrap();
    for step in 0..20_u32 {
        let seed = 10 + 3 * u64::from(step);
        let found = device.step(&mut on_device, &Covector(there(seed)), 1.5).unwrap();
        let expected = host.step(&mut on_host, &Covector(here(seed)), 1.5).unwrap();
        let [found, expected] = [found.squared_length, expected.squared_length];
        assert!((found - expected).abs() <= share * expected, "{found} beside {expected}");
    }
    (on_device, on_host)
}

fn differ_by_at_most(on_device: &DeviceTensor<f32>, on_host: &Parameters<f32>, bound: f64) {
    for name in ["b", "u", "v"] {
        for (found, expected) in on_device.to_host(name).unwrap().iter().zip(on_host.view(name).unwrap().iter()) {
            let difference = f64::from(found - expected).abs();
            assert!(difference <= bound, "{name}: {found} beside {expected}");
        }
    }
}

/// What is learned is bounded by 1, so γ⁻¹ by e, and moves by at most κξe per step and square; exponentials of a device are off by 16 roundings or
/// fewer. In every step γ⁻¹ is off by at most that and what was learned wrongly before, 64 roundings in all, and θ by η e of them.
#[test]
fn learned_metrics_by_routing_learn_on_the_device_as_on_the_host() {
    const ETA: f64 = 0.02;
    let Some(context) = context() else { return };
    let metric = Routed {
        route: EveryMatrix,
        taken: LearnedDiagonal { kappa: 0.5, bound: 1.0, ..LearnedDiagonal::default() },
        rest: LearnedScalar { kappa: 0.5, bound: 1.0, ..LearnedScalar::default() },
    };
    let share = 20.0 * 64.0 * f64::from(f32::EPSILON);
    let (on_device, on_host) = twenty_steps(&context, metric, ETA, share);
    differ_by_at_most(&on_device, &on_host, 20.0 * (ETA * 3.0 * 64.0 * 20.0 + 4.0) * f64::from(f32::EPSILON));
    // It has learned: the flat metric ends elsewhere.
    let (flat, _) = twenty_steps(&context, Euclidean, ETA, share);
    assert_ne!(flat.to_host("u").unwrap(), on_device.to_host("u").unwrap());
}

/// A checkpoint of a metric over whole tensors that was taken on the device goes on there bit for bit.
#[test]
fn a_metric_over_whole_tensors_resumes_on_the_device() {
    let Some(context) = context() else { return };
    let tensor = |seed: u64| {
        let array = numbers(seed, 2, 3).mapv(f32::constant);
        DeviceTensor::new(&context, [("w", vec![2, 3], array.iter().copied().collect::<Vec<_>>())]).unwrap()
    };
    let rule = Descent::new(Muon::default(), Induced::new(Log, 0.01).beta(0.5), NoMomentum);
    let mut theta = tensor(1);
    let mut optimiser = Configuration::new(rule, 0.02).build_whole(&theta).unwrap();
    optimiser.step(&mut theta, &Covector(tensor(2)), 1.5).unwrap();
    let mut resumed = WholeOptimiser::restore(&optimiser.checkpoint().unwrap(), &theta).unwrap();
    let mut other = theta.duplicate().unwrap();
    for seed in 3..6 {
        let gradient = Covector(tensor(seed));
        let report = optimiser.step(&mut theta, &gradient, 1.5).unwrap();
        assert_eq!(report, resumed.step(&mut other, &gradient, 1.5).unwrap());
    }
    assert_eq!(theta.to_host("w").unwrap(), other.to_host("w").unwrap());
}

/// Twenty steps of η = 0.02; the iteration may multiply the rounding of every momentum by 4⁵ and products of sides below six add 64 roundings, and
/// RMSprop's steps are quotients. Numbers stay below four.
#[test]
fn muon_and_rmsprop_by_routing_take_the_steps_of_the_host() {
    const ETA: f64 = 0.02;
    let Some(context) = context() else { return };
    let metric = Routed {
        route: EveryMatrix,
        taken: Muon { momentum: Nesterov(0.9), width: Width::RowsAreOutputs, ..Muon::default() },
        rest: Remembering { momentum: Nesterov(0.9), metric: RmsProp { beta: 0.99, epsilon: 1e-8 } },
    };
    let share = 4.0_f64.powi(5) * 64.0 * f64::from(f32::EPSILON);
    let (on_device, on_host) = twenty_steps(&context, metric, ETA, share);
    differ_by_at_most(&on_device, &on_host, 20.0 * (ETA * 4.0_f64.powi(5) * 64.0 + 4.0) * f64::from(f32::EPSILON));
    // γ exists for the iteration wherever the momentum is not zero.
    let metric = Muon::default();
    let weights = on_device.select(&Selection::new(on_device.layout(), &[1, 2]).unwrap()).unwrap();
    let mut state = metric.begin(&weights).unwrap();
    metric.update(&mut state, &Covector(weights.duplicate().unwrap())).unwrap();
    let back = metric.lower(&state, &metric.raise(&state, &Covector(weights.duplicate().unwrap())).unwrap()).unwrap();
    for part in 0..2 {
        for (found, expected) in back.0.read(part).unwrap().iter().zip(weights.read(part).unwrap()) {
            // The condition of the iteration's polynomial is at most 700, and there are two products and an inverse.
            assert!((found - expected).abs() <= 700.0 * 64.0 * f32::EPSILON, "{found} beside {expected}");
        }
    }
}

/// Twenty steps of η = 0.02 over what has products and norms alone. An error of Muon's is multiplied as above, and by c ≤ 20 in `MuonMax`. Lengths of columns and rows are
/// quotients of sums of six. Each of the fits of PSGD, by a tenth of a bound, multiplies an error of the factors by at most e^0.4, so all of them by e⁸ < 4⁶.
#[test]
fn metrics_of_the_catalogue_take_the_steps_of_the_host() {
    fn check<M>(context: &Context, taken: M, share: f64)
    where
        M: BaseMetric<DeviceTensor<f32>, State: Clone> + BaseMetric<Parameters<f32>, State: Clone> + Clone,
    {
        const ETA: f64 = 0.02;
        let rest = Remembering { momentum: Nesterov(0.9), metric: RmsProp { beta: 0.99, epsilon: 1e-8 } };
        let metric = Routed { route: EveryMatrix, taken, rest };
        let (on_device, on_host) = twenty_steps(context, metric, ETA, share * f64::from(f32::EPSILON));
        differ_by_at_most(&on_device, &on_host, 20.0 * (ETA * share + 4.0) * f64::from(f32::EPSILON));
    }
    let Some(context) = context() else { return };
    let width = Width::RowsAreOutputs;
    let momentum = Nesterov(0.9);
    check(&context, Psgd { every: 2, ..Psgd::default() }, 4.0_f64.powi(6) * 64.0);
    check(&context, Remembering { momentum, metric: ColNorm { width } }, 64.0 * 64.0);
    check(&context, Remembering { momentum, metric: RowNorm { width } }, 64.0 * 64.0);
    check(&context, MuonMax { muon: Muon { width, ..Muon::default() } }, 4.0_f64.powi(5) * 64.0 * 20.0);
    check(&context, NorMuon::default(), 4.0_f64.powi(5) * 64.0 * 4.0);
}

/// Heads on the device are those on the host, for one gradient.
#[test]
fn heads_are_matrices_on_the_device() {
    let Some(context) = context() else { return };
    let elements: Vec<f32> = numbers(7, 6, 3).mapv(f32::constant).into_raw_vec_and_offset().0;
    let there = Covector(DeviceTensor::new(&context, [("q", vec![3, 2, 3], elements.clone())]).unwrap());
    let array = ndarray::ArrayD::from_shape_vec(vec![3, 2, 3], elements).unwrap();
    let here = Covector(Parameters::new([("q", array)]).unwrap());
    let metric = Muon { heads: true, ..Muon::default() };
    let (mut on_device, mut on_host) = (metric.begin(&there.0).unwrap(), metric.begin(&here.0).unwrap());
    metric.update(&mut on_device, &there).unwrap();
    metric.update(&mut on_host, &here).unwrap();
    let (found, expected) = (metric.raise(&on_device, &there).unwrap(), metric.raise(&on_host, &here).unwrap());
    let bound = 4.0_f64.powi(5) * 64.0 * f64::from(f32::EPSILON);
    for (found, expected) in found.0.to_host("q").unwrap().iter().zip(expected.0.iter()) {
        assert!(f64::from(found - expected).abs() <= bound, "{found} beside {expected}");
    }
}

#[test]
fn parts_are_selected_and_placed_on_the_device() {
    let Some(context) = context() else { return };
    let parts = [
        ("a", vec![3], vec![9.0_f32; 3]),
        ("w", vec![3, 2], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        ("x", vec![1], vec![7.0]),
    ];
    let mut tensor = DeviceTensor::new(&context, parts).unwrap();
    let absent = Absent::parts([0]).rows(1, [1]);
    let selection = Selection::without(tensor.layout(), &absent).unwrap();
    let readbacks = context.readbacks();
    let selected = tensor.select(&selection).unwrap();
    let zeros = selected.zeros_like().unwrap();
    tensor.place(&selection, &zeros).unwrap();
    assert_eq!(context.readbacks(), readbacks);
    assert_eq!([selected.to_host("w").unwrap(), selected.to_host("x").unwrap()], [vec![1.0, 2.0, 5.0, 6.0], vec![7.0]]);
    assert_eq!(
        [tensor.to_host("a").unwrap(), tensor.to_host("w").unwrap(), tensor.to_host("x").unwrap()],
        [vec![9.0; 3], vec![0.0, 0.0, 3.0, 4.0, 0.0, 0.0], vec![0.0]]
    );
    let others =
        Layout::new(["a", "b", "c", "d"].map(|name| Part { name: name.into(), shape: vec![9] }).into()).unwrap();
    let missing = Selection::new(&others, &[3]).unwrap();
    assert!(matches!(tensor.select(&missing), Err(Error::NoSuchPart { part: 3, parts: 3 })));
    let longer = Selection::new(&others, &[0]).unwrap();
    assert!(matches!(tensor.select(&longer), Err(Error::Shape { .. })));
    let first = Selection::new(tensor.layout(), &[0]).unwrap();
    assert!(matches!(tensor.place(&first, &zeros), Err(Error::MissingParameter { .. })));
}
