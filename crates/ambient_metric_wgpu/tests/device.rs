//! What the device backend promises: the CPU's numbers, nothing coming back, nothing half-written, errors with a type.
//!
//! Without an adapter every test says so and passes; with `AMBIENT_REQUIRE_GPU=1` it fails.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test may stop at what should not happen")]

use ambient_metric::ambient::{
    AlongGradient, AlongMomentum, AlongParameters, OfLosses, Power, Product, Reciprocal, Sqrt,
};
use ambient_metric::any::{AnyOptimiser, AnyPreprocess, Preprocessed};
use ambient_metric::base::{LearnedDiagonal, LearnedScalar};
use ambient_metric::rule::{Bilinear, Clipped, Hard, Soft};
use ambient_metric::space::HeavyBall;
use ambient_metric::{
    Adagrad, AnyRule, BaseMetric, Bundle, Configuration, Conformal, Correlated, Covector, Descent, Ema, Embedding,
    Error, Euclidean, Flat, Group, Height, Hyperbolic, Identity, Induced, Log, Log1p, Metric, Nesterov, NoMomentum,
    PullBack, Real, RmsProp, Rule, Tensor, Warped, Weighted, rules,
};
use ambient_metric_ndarray::Parameters;
use ambient_metric_wgpu::{BufferPart, Context, DeviceElement, DeviceError, DeviceOptimiser, DeviceTensor, Loss, Skip};
use ndarray::Array1;

/// The context that all tests share.
fn context() -> Option<Context> {
    static CONTEXT: std::sync::OnceLock<Option<Context>> = std::sync::OnceLock::new();
    let found = CONTEXT.get_or_init(|| match Context::new(None) {
        Ok(context) => Some(context),
        Err(error) => {
            let required = std::env::var("AMBIENT_REQUIRE_GPU").is_ok_and(|value| value == "1");
            assert!(!required, "AMBIENT_REQUIRE_GPU=1 and there is no device: {error}");
            None
        }
    });
    if found.is_none() {
        eprintln!("skipped: there is no graphics adapter on this machine");
    }
    found.clone()
}

/// A context that can compute in this type.
fn context_for<E: DeviceElement>() -> Option<Context> {
    let context = context()?;
    if E::DOUBLE && !context.double_precision() {
        eprintln!("skipped: {} has no double precision", context.adapter_name());
        return None;
    }
    Some(context)
}

/// Numbers that repeat for a seed, in ±1, never zero.
fn numbers<E: DeviceElement>(seed: u64, count: usize) -> Vec<E> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            #[allow(clippy::cast_precision_loss, reason = "53 bits are kept")]
            let unit = (state >> 11) as f64 / (1_u64 << 53) as f64;
            E::constant(2.0 * unit - 1.0 + 1e-3)
        })
        .collect()
}

type Named<E> = Vec<(String, Vec<usize>, Vec<E>)>;

fn parts<E: DeviceElement>(seed: u64, lengths: &[usize]) -> Named<E> {
    let part = |(index, length): (usize, &usize)| {
        (format!("p{index:03}"), vec![*length], numbers(seed + index as u64, *length))
    };
    lengths.iter().enumerate().map(part).collect()
}

fn on_host<E: DeviceElement>(parts: &Named<E>) -> Parameters<E> {
    let arrays = parts.iter().map(|(name, _, elements)| (name.clone(), Array1::from(elements.clone()).into_dyn()));
    Parameters::new(arrays).unwrap()
}

fn on_device<E: DeviceElement>(context: &Context, parts: &Named<E>) -> DeviceTensor<E> {
    DeviceTensor::new(context, parts.clone()).unwrap()
}

fn bits<E: DeviceElement>(tensor: &DeviceTensor<E>) -> Vec<u64> {
    let parts = 0..tensor.layout().parts().len();
    parts.flat_map(|part| tensor.read(part).unwrap()).map(|element| element.to_f64().to_bits()).collect()
}

/// The largest |a − b| / (1 + max|b|) over all elements.
fn distance<E: DeviceElement>(device: &DeviceTensor<E>, host: &Parameters<E>) -> f64 {
    let mut host_numbers = host.iter().map(|element| element.to_f64());
    let scale = 1.0 + host.iter().map(|element| element.to_f64().abs()).fold(0.0, f64::max);
    let parts = 0..device.layout().parts().len();
    let device_numbers = parts.flat_map(|part| device.read(part).unwrap());
    let largest = device_numbers
        .map(|element| (element.to_f64() - host_numbers.next().unwrap()).abs())
        .fold(0.0, |largest: f64, next| if next.is_nan() { f64::NAN } else { largest.max(next) });
    largest / scale
}

/// Five steps on both sides of a rule stay together.
///
/// One step computes about 30 operations per element, of which the device may round quotients and roots by 3 units in the
/// last place, and sums of N numbers of one sign in blocks by less than 300. Multiplied by a learning rate of at most 0.1 and by
/// a normalised gradient of size about one, five steps move θ apart by at most 5 · 0.1 · 400 units: 200 ε. The fourth
/// power of the slope of the wildest embedding here adds a factor of 4.
fn agrees<E: DeviceElement, R: Rule + Clone>(context: &Context, rule: &R, lengths: &[usize]) {
    let tolerance = 800.0 * if E::DOUBLE { f64::EPSILON } else { f64::from(f32::EPSILON) };
    let start = parts::<E>(7, lengths);
    let mut configuration = Configuration::new(rule.clone(), 0.1).weight_decay(0.01);
    if lengths.len() > 1 {
        configuration = configuration.group(Group::new("slow", ["p001"]).learning_rate(0.05).weight_decay(0.0));
    }
    if lengths.len() > 2 {
        configuration = configuration.group(Group::new("apart", ["p002"]).own_metric());
    }
    let (mut host, mut device) = (on_host(&start), on_device(context, &start));
    let mut on_cpu = configuration.clone().build(&host).unwrap();
    let mut on_gpu = DeviceOptimiser::new(configuration, &device).unwrap();
    for step in 0..5 {
        let losses = rule.losses() as u64;
        let gradients: Vec<_> = (0..losses).map(|loss| parts::<E>(100 + step + 1000 * loss, lengths)).collect();
        let values: Vec<f64> = (0..losses).map(|loss| 1.5 + step as f64 + loss as f64).collect();
        let of_host: Vec<_> = gradients.iter().map(|gradient| Covector(on_host(gradient))).collect();
        let of_device: Vec<_> = gradients.iter().map(|gradient| Covector(on_device(context, gradient))).collect();
        on_cpu.step_losses(&mut host, &of_host.iter().collect::<Vec<_>>(), &values).unwrap();
        let values: Vec<Loss<'_>> = values.into_iter().map(Loss::Host).collect();
        on_gpu.step_losses(&mut device, &of_device.iter().collect::<Vec<_>>(), &values).unwrap();
    }
    let distance = distance(&device, &host);
    assert!(distance <= tolerance, "{} on {lengths:?}: {distance:e} > {tolerance:e}", rule.name());

    assert_eq!(so_far(&on_gpu), (5, 0, None));
    let (of_device, of_host) = (on_gpu.reports().unwrap(), on_cpu.reports().unwrap());
    assert_eq!(of_device.len(), of_host.len());
    for ((name, device), (expected_name, host)) in of_device.iter().zip(&of_host) {
        assert_eq!(name, expected_name);
        // s and ‖l‖ are sums of positive numbers: relative errors of blocks, quotients and roots, as above.
        let close = |a: f64, b: f64| (a - b).abs() <= tolerance * (1.0 + b.abs());
        let all_close = |a: R::PerLoss<f64>, b: R::PerLoss<f64>| a.scalars().zip(b.scalars()).all(|(a, b)| close(a, b));
        assert!(all_close(device.squared_length, host.squared_length), "{device:?} {host:?}");
        assert!(all_close(device.averaged, host.averaged), "{device:?} {host:?}");
        assert!(all_close(device.slope, host.slope), "{device:?} {host:?}");
        assert!(all_close(device.damping, host.damping), "{device:?} {host:?}");
        assert!(all_close(device.effective_learning_rate, host.effective_learning_rate), "{device:?} {host:?}");
        assert!(close(device.gradient_norm, host.gradient_norm), "{device:?} {host:?}");
        assert!(close(device.determinant_ratio, host.determinant_ratio), "{device:?} {host:?}");
        assert!(close(device.coupling, host.coupling), "{device:?} {host:?}");
        assert!(close(device.coupling_scale, host.coupling_scale), "{device:?} {host:?}");
    }
}

/// Steps taken, steps skipped, and why the last one was.
fn so_far<R: Rule, E: DeviceElement>(optimiser: &DeviceOptimiser<R, E>) -> (u64, u64, Option<Skip>) {
    let skips = optimiser.engine().skips().unwrap();
    (optimiser.steps().unwrap(), skips.skipped, skips.last)
}

/// Several losses, couplings, learned metrics and clipping. The losses' gradients are independent, so their system is as well conditioned as
/// one; a learned metric adds an exponential, which a device rounds by 3 + 2|z| < 6 units in the last place.
fn agrees_for_every_variant<E: DeviceElement>(context: &Context, lengths: &[usize]) {
    let one = Height { embedding: Log, xi: 0.3 };
    let other = Height { embedding: Sqrt, xi: 0.2 };
    agrees::<E, _>(context, &Descent::new(Euclidean, Induced::of([one]).beta(0.8), Ema(0.9)), lengths);
    agrees::<E, _>(context, &Descent::new(RmsProp::default(), Induced::of((one, other)).beta(0.8), Ema(0.9)), lengths);
    agrees::<E, _>(context, &Descent::new(Euclidean, Induced::of([one, one, one]), NoMomentum), lengths);
    let coupled = |scale: f64| Induced::new(Log, 0.3).coupled(AlongMomentum(scale)).beta(0.8);
    agrees::<E, _>(context, &Descent::new(Euclidean, coupled(1e-3), Ema(0.9)), lengths);
    agrees::<E, _>(context, &Descent::new(Euclidean, coupled(0.5).scale_back(0.25), Ema(0.9)), lengths);
    let form = Bilinear::new(Identity, 0.3, AlongGradient(1e-3), AlongParameters(1e-3));
    agrees::<E, _>(context, &Descent::new(Euclidean, form, Ema(0.9)), lengths);
    agrees::<E, _>(context, &Descent::new(RmsProp::default(), Clipped::new(Hard { length: 2.0 }), Ema(0.9)), lengths);
    agrees::<E, _>(context, &Descent::new(Euclidean, Clipped::new(Soft { rate: 0.5 }).floor(0.1), Ema(0.9)), lengths);
    if E::DOUBLE {
        // Drivers compute exponentials of double precision wrongly, so such a rule is refused.
        let theta = on_device(context, &parts::<E>(7, lengths));
        let rule = Descent::new(LearnedScalar::default(), Induced::new(Identity, 0.3), Ema(0.9));
        assert!(DeviceOptimiser::new(Configuration::new(rule, 0.1), &theta).is_err());
        return;
    }
    let scalar = LearnedScalar { kappa: 1e-3, ..LearnedScalar::default() };
    let diagonal = LearnedDiagonal { kappa: 1e-2, ..LearnedDiagonal::default() };
    agrees::<E, _>(context, &Descent::new(scalar, Induced::new(Identity, 0.3).beta(0.8), Ema(0.9)), lengths);
    agrees::<E, _>(context, &Descent::new(diagonal, Induced::new(Log, 0.3).beta(0.8), Ema(0.9)), lengths);
}

/// Heights without a logarithm, which drivers have not in double precision. A space adds a handful of operations to act 2, and the coupling of two
/// losses a small elimination with a condition near one.
fn agrees_in_every_space<E: DeviceElement>(context: &Context, lengths: &[usize]) {
    let plain = Induced::new(Sqrt, 0.3).beta(0.8);
    agrees::<E, _>(context, &Descent::new(Euclidean, plain.ambient(Weighted(Reciprocal(0.5))), Ema(0.9)), lengths);
    agrees::<E, _>(
        context,
        &Descent::new(Euclidean, plain.ambient(Warped(Reciprocal(0.5))).exact(), Ema(0.9)),
        lengths,
    );
    agrees::<E, _>(context, &Descent::new(Euclidean, plain.ambient(Conformal(Reciprocal(0.5))), Ema(0.9)), lengths);
    agrees::<E, _>(context, &Descent::new(RmsProp::default(), plain.ambient(Hyperbolic), Ema(0.9)), lengths);
    agrees::<E, _>(context, &Descent::new(Euclidean, plain.ambient(OfLosses(Product)), Ema(0.9)), lengths);
    let two = Induced::of((Height { embedding: Identity, xi: 0.3 }, Height { embedding: Sqrt, xi: 0.2 })).beta(0.8);
    agrees::<E, _>(context, &Descent::new(RmsProp::default(), two.exact(), Ema(0.9)), lengths);
    agrees::<E, _>(context, &Descent::new(Euclidean, two.ambient(Correlated { rho: 0.5 }), Ema(0.9)), lengths);
    agrees::<E, _>(context, &Descent::new(Euclidean, two.coupled(AlongMomentum(1e-3)), Ema(0.9)), lengths);
    agrees::<E, _>(context, &Descent::new(Euclidean, two.coupled(AlongParameters(1e-3)).exact(), Ema(0.9)), lengths);
}

#[test]
fn every_variant_agrees_with_the_cpu() {
    if let Some(context) = context_for::<f32>() {
        for lengths in [&[1][..], &[257], &[5000, 3, 1, 77]] {
            agrees_for_every_variant::<f32>(&context, lengths);
            agrees_in_every_space::<f32>(&context, lengths);
        }
    }
    if let Some(context) = context_for::<f64>() {
        agrees_for_every_variant::<f64>(&context, &[5000, 3, 1, 77]);
        agrees_in_every_space::<f64>(&context, &[5000, 3, 1, 77]);
    }
}

/// Why the first step of a rule was skipped; no bit has changed.
fn skipped<R: Rule>(context: &Context, rule: R) -> Option<Skip> {
    let start = parts::<f32>(3, &[300]);
    let mut theta = on_device(context, &start);
    let gradient = Covector(on_device(context, &parts(4, &[300])));
    let mut optimiser = DeviceOptimiser::new(Configuration::new(rule, 0.1), &theta).unwrap();
    let before = (bits(&theta), optimiser.state().iter().map(bits).collect::<Vec<_>>());
    optimiser.step(&mut theta, &gradient, 1.0.into()).unwrap();
    assert_eq!(before, (bits(&theta), optimiser.state().iter().map(bits).collect::<Vec<_>>()));
    let (steps, skipped, last_skip) = so_far(&optimiser);
    assert_eq!((steps, skipped), (0, 1));
    last_skip
}

#[test]
fn a_form_that_is_no_metric_changes_no_bit_and_is_counted() {
    let Some(context) = context() else { return };
    let coupled = Induced::new(Identity, 1.0).coupled(AlongGradient(1.0));
    assert_eq!(skipped(&context, Descent::new(Euclidean, coupled, Ema(0.9))), Some(Skip::Coupling));
    // a = l and b = −2 l: D = (1 + s)(1 − 2s) + s (1 + 2s) = 1 − s + … has s far above one here, and is below zero.
    let form = Bilinear::new(Identity, 0.25, AlongGradient(1.0), AlongGradient(-2.0));
    assert_eq!(skipped(&context, Descent::new(Euclidean, form, Ema(0.9))), Some(Skip::NotPositiveDefinite));
}

/// ξ⟨l, l⟩ is no number in `f32` though ⟨l, l⟩ is one.
#[test]
fn a_squared_length_that_overflows_with_xi_is_skipped_by_every_surface() {
    let Some(context) = context() else { return };
    let xi = 1e38;
    let induced = Induced::new(Identity, xi);
    assert_eq!(skipped(&context, Descent::new(Euclidean, induced, Ema(0.9))), Some(Skip::Overflow));
    let coupled = induced.coupled(AlongParameters(1e-3));
    assert_eq!(skipped(&context, Descent::new(Euclidean, coupled, Ema(0.9))), Some(Skip::Overflow));
    let of_array = Induced::of([Height { embedding: Identity, xi }]);
    assert_eq!(skipped(&context, Descent::new(Euclidean, of_array, Ema(0.9))), Some(Skip::Overflow));
}

#[test]
fn losses_on_the_device_and_on_the_host_do_not_mix_and_every_one_is_needed() {
    let Some(context) = context() else { return };
    let start = parts::<f32>(3, &[4]);
    let mut theta = on_device(&context, &start);
    let gradient = Covector(on_device(&context, &parts(4, &[4])));
    let rule = Descent::new(Euclidean, Induced::of([Height { embedding: Log, xi: 0.1 }; 2]), Ema(0.9));
    let mut optimiser = DeviceOptimiser::new(Configuration::new(rule, 0.1), &theta).unwrap();
    let refused = optimiser.step(&mut theta, &gradient, 1.0.into());
    assert!(matches!(refused, Err(Error::Losses { expected: 2, found: 1 })), "{refused:?}");
    let buffer = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 8,
        usage: wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let both = [&gradient, &gradient];
    let mixed = [Loss::Host(1.0), Loss::Device { buffer: &buffer, offset: 4 }];
    assert!(matches!(optimiser.step_losses(&mut theta, &both, &mixed), Err(Error::Backend(_))));
    // The buffer holds zeros, where the logarithm has no slope.
    let loss = Loss::Device { buffer: &buffer, offset: 4 };
    optimiser.step_losses(&mut theta, &both, &[loss, loss]).unwrap();
    assert_eq!(optimiser.engine().skips().unwrap().last, Some(Skip::LossOutsideDomain));
    optimiser.set_xi_of(1, 0.2).unwrap();
    assert!(optimiser.set_xi_of(2, 0.2).is_err());
    optimiser.step_losses(&mut theta, &both, &[Loss::Host(1.0), Loss::Host(2.0)]).unwrap();
    assert_eq!(optimiser.steps().unwrap(), 1);
}

fn agrees_for_every_rule<E: DeviceElement>(context: &Context, lengths: &[usize]) {
    fn with<E: DeviceElement>(context: &Context, lengths: &[usize], embedding: impl Embedding) {
        agrees::<E, _>(
            context,
            &Descent::new(Euclidean, Induced::new(embedding.clone(), 0.3).beta(0.8), Ema(0.9)),
            lengths,
        );
        agrees::<E, _>(context, &Descent::new(RmsProp::default(), Induced::new(embedding, 0.3), Ema(0.9)), lengths);
    }
    agrees::<E, _>(context, &rules::sgd(0.9), lengths);
    agrees::<E, _>(context, &rules::adam(), lengths);
    agrees::<E, _>(context, &rules::nadam(), lengths);
    agrees::<E, _>(context, &Descent::new(Adagrad::default(), Flat, NoMomentum), lengths);
    agrees::<E, _>(context, &Descent::new(Adagrad::default(), Induced::new(Log, 0.3), Nesterov(0.9)), lengths);
    agrees::<E, _>(context, &Descent::new(RmsProp::default(), Induced::new(Log, 0.3).exact(), Ema(0.9)), lengths);
    agrees::<E, _>(context, &Descent::new(Euclidean, Induced::new(Log, 0.3).exact(), HeavyBall(0.5)), lengths);
    let texts = [
        "amsgrad",
        "adabelief",
        "adamax",
        "yogi",
        "lion",
        "induced(sign, log, xi=0.3) + ema",
        "induced(max_norm, log, xi=0.3) + ema",
        "momo_adam",
        "prodigy(d0=0.01)",
    ];
    for text in texts {
        agrees::<E, _>(context, &text.parse::<AnyRule>().unwrap().fused().unwrap(), lengths);
    }
    with::<E>(context, lengths, Identity);
    with::<E>(context, lengths, Log);
    with::<E>(context, lengths, Sqrt);
    with::<E>(context, lengths, Log1p);
}

#[test]
fn every_rule_agrees_with_the_cpu_in_single_precision() {
    let Some(context) = context_for::<f32>() else { return };
    for lengths in [&[1][..], &[255], &[256], &[257], &[5000, 3, 1, 77]] {
        agrees_for_every_rule::<f32>(&context, lengths);
    }
    // What raises to a power: devices have no such function of `f64`.
    agrees::<f32, _>(&context, &Descent::new(Euclidean, Induced::new(Power(1.5), 0.3), Ema(0.9)), &[257]);
    for text in ["adan", "induced(rmsprop, log, xi=0.3) + adan + cautious"] {
        agrees::<f32, _>(&context, &text.parse::<AnyRule>().unwrap().fused().unwrap(), &[5000, 3, 1, 77]);
    }
}

/// What is evaluated is computed on the device, from the memory that is there.
#[test]
fn evaluation_points_agree_with_the_cpu() {
    let Some(context) = context() else { return };
    for text in ["adamw + averaged(0.75)", "sgd + lookahead(2)", "induced(rmsprop, log) + schedule_free", "sgd"] {
        let rule = text.parse::<AnyRule>().unwrap().fused().unwrap();
        let start = parts::<f32>(3, &[300, 5]);
        let (mut theta, mut reference) = (on_device(&context, &start), on_host(&start));
        let mut optimiser = DeviceOptimiser::new(Configuration::new(rule, 0.1), &theta).unwrap();
        let mut expected = Configuration::new(rule, 0.1).build(&reference).unwrap();
        assert_eq!(bits(&optimiser.evaluation_point(&theta).unwrap()), bits(&theta), "{text}");
        for step in 0..5 {
            let gradient = parts::<f32>(10 + step, &[300, 5]);
            optimiser.step(&mut theta, &Covector(on_device(&context, &gradient)), 1.0.into()).unwrap();
            expected.step(&mut reference, &Covector(on_host(&gradient)), 1.0).unwrap();
        }
        let (found, expected) =
            (optimiser.evaluation_point(&theta).unwrap(), expected.evaluation_point(&reference).unwrap());
        for part in 0..2 {
            for (x, y) in found.read(part).unwrap().iter().zip(expected.read(part).unwrap()) {
                // Five steps by a tenth, of numbers around one, in a type with 24 bits.
                assert!((x - y).abs() <= 1e-5 * (1.0 + y.abs()), "{text}: {x} {y}");
            }
        }
    }
}

/// A clip of single components is part of the kernels. A length before the first act has no place there, and says so; over the same tensors `build` waits
/// for it, and what comes before an optimiser comes before an enqueued one.
#[test]
fn what_is_done_to_gradients_agrees_with_the_cpu() {
    let Some(context) = context() else { return };
    let chosen = |text: &str| text.parse::<AnyRule>().unwrap().fused().unwrap();
    let start = parts::<f32>(3, &[300, 5]);
    let run = |theta: &mut DeviceTensor<f32>, optimiser: &mut dyn AnyOptimiser<DeviceTensor<f32>>| {
        for step in 0..5 {
            let gradient = Covector(on_device(&context, &parts::<f32>(10 + step, &[300, 5])));
            optimiser.step(theta, &gradient, 1.0).unwrap();
        }
    };
    for text in ["adamw + clip_value(0.5)", "induced(rmsprop, log) + ema + clip_norm(2)", "sgd + mars"] {
        let (mut theta, mut reference) = (on_device(&context, &start), on_host(&start));
        let enqueued = DeviceOptimiser::new(Configuration::new(chosen(text), 0.1), &theta);
        if text.contains("clip_value") {
            run(&mut theta, &mut enqueued.unwrap());
        } else {
            let refused = enqueued.map(|_| ()).unwrap_err().to_string();
            assert!(refused.contains("asks for a length before its first act"), "{text}: {refused}");
            let mut waiting = Configuration::new(chosen(text), 0.1).build(&theta).unwrap();
            run(&mut theta, &mut waiting);
            let (plain, transform) = text.rsplit_once(" + ").unwrap();
            let before: AnyPreprocess = transform.parse().unwrap();
            let mut other = on_device(&context, &start);
            let enqueued = DeviceOptimiser::new(Configuration::new(chosen(plain), 0.1), &other).unwrap();
            run(&mut other, &mut Preprocessed::new(before, enqueued, &theta).unwrap());
            for part in 0..2 {
                let (x, y) = (theta.read(part).unwrap(), other.read(part).unwrap());
                assert!(x.iter().zip(y).all(|(x, y)| (x - y).abs() <= 1e-5 * (1.0 + y.abs())), "{text}");
            }
        }
        let mut expected = Configuration::new(chosen(text), 0.1).build(&reference).unwrap();
        for step in 0..5 {
            expected.step(&mut reference, &Covector(on_host(&parts::<f32>(10 + step, &[300, 5]))), 1.0).unwrap();
        }
        for part in 0..2 {
            for (x, y) in theta.read(part).unwrap().iter().zip(reference.read(part).unwrap()) {
                // Five steps by a tenth, of numbers around one, in a type with 24 bits.
                assert!((x - y).abs() <= 1e-5 * (1.0 + y.abs()), "{text}: {x} {y}");
            }
        }
    }
}

/// What is observed is taken in on the device, between steps that are enqueued; before that a step is refused, and after a checkpoint it goes on.
#[test]
fn observations_agree_with_the_cpu() {
    let Some(context) = context() else { return };
    for text in ["ada_hessian(epsilon=0.1)", "induced(fisher(damping=0.5), log) + ema + averaged(0.75)"] {
        let rule = text.parse::<AnyRule>().unwrap().fused().unwrap();
        let start = parts::<f32>(3, &[300, 5]);
        let (mut theta, mut reference) = (on_device(&context, &start), on_host(&start));
        let mut optimiser = DeviceOptimiser::new(Configuration::new(rule, 0.1), &theta).unwrap();
        let mut expected = Configuration::new(rule, 0.1).build(&reference).unwrap();
        for step in 0..6 {
            let gradient = parts::<f32>(10 + step, &[300, 5]);
            let of_device = Covector(on_device(&context, &gradient));
            if step % 3 == 0 {
                if step == 0 {
                    let early = optimiser.step(&mut theta, &of_device, 1.0.into());
                    assert!(matches!(early, Err(Error::NotObserved { .. })), "{text}: {early:?}");
                }
                let [one, other] = [20, 30].map(|seed| parts::<f32>(seed + step, &[300, 5]));
                let examples = [&one, &other].map(|example| Covector(on_device(&context, example)));
                optimiser.observe(&examples.each_ref()).unwrap();
                let examples = [&one, &other].map(|example| Covector(on_host(example)));
                expected.observe(&examples.each_ref()).unwrap();
                optimiser = DeviceOptimiser::restore(&optimiser.checkpoint().unwrap(), &theta).unwrap();
            }
            optimiser.step(&mut theta, &of_device, 1.0.into()).unwrap();
            expected.step(&mut reference, &Covector(on_host(&gradient)), 1.0).unwrap();
        }
        assert_eq!(optimiser.steps().unwrap(), 6);
        for part in 0..2 {
            for (x, y) in theta.read(part).unwrap().iter().zip(reference.read(part).unwrap()) {
                // Six steps by a tenth, of numbers up to ten, in a type with 24 bits.
                assert!((x - y).abs() <= 1e-4 * (1.0 + y.abs()), "{text}: {x} {y}");
            }
        }
    }
}

#[test]
fn every_rule_agrees_with_the_cpu_in_double_precision() {
    let Some(context) = context_for::<f64>() else { return };
    for lengths in [&[1][..], &[257], &[5000, 3, 1, 77]] {
        agrees_for_every_rule::<f64>(&context, lengths);
    }
}

#[test]
fn a_hundred_steps_read_nothing_back_and_wait_for_nothing() {
    // A context of its own, since readbacks are counted per context.
    if context().is_none() {
        return;
    }
    let context = Context::new(None).unwrap();
    let lengths: Vec<usize> = (0..200).map(|index| 1 + 7 * index).collect();
    let start = parts::<f32>(1, &lengths);
    let mut theta = on_device(&context, &start);
    let gradient = Covector(on_device(&context, &parts(2, &lengths)));
    let rule = rules::rmsprop(0.1);
    let configuration = Configuration::new(rule, 0.01).group(Group::new("even", ["p??0", "p??2"]).weight_decay(0.1));
    let mut optimiser = DeviceOptimiser::new(configuration, &theta).unwrap();
    let (readbacks, waits, dispatches) = (context.readbacks(), context.waits(), context.dispatches());
    for _ in 0..100 {
        optimiser.step(&mut theta, &gradient, 1.0.into()).unwrap();
    }
    assert_eq!((context.readbacks(), context.waits()), (readbacks, waits));
    // 200 tensors: one dispatch to measure, one to add, one to damp, one to advance.
    assert_eq!(context.dispatches() - dispatches, 400);
    assert_eq!(optimiser.steps().unwrap(), 100);
    assert_eq!(context.readbacks(), readbacks + 1);
    assert_eq!(optimiser.reports().unwrap().len(), 2);
    assert_eq!(context.readbacks(), readbacks + 2);
}

#[test]
fn a_gradient_that_is_not_finite_changes_no_bit_and_is_counted() {
    let Some(context) = context() else { return };
    let lengths = [300, 5];
    for (place, poison) in [(0, f32::NAN), (299, f32::INFINITY), (304, f32::NEG_INFINITY), (303, f32::NAN)] {
        let mut theta = on_device(&context, &parts::<f32>(1, &lengths));
        let good = Covector(on_device(&context, &parts(2, &lengths)));
        let mut bad = parts::<f32>(3, &lengths);
        let (part, index) = if place < 300 { (0, place) } else { (1, place - 300) };
        bad[part].2[index] = poison;
        let bad = Covector(on_device(&context, &bad));

        let rule = rules::rmsprop(0.1);
        let mut optimiser = DeviceOptimiser::new(Configuration::new(rule, 0.01).weight_decay(0.1), &theta).unwrap();
        optimiser.step(&mut theta, &good, 1.0.into()).unwrap();
        let before: Vec<Vec<u64>> = core::iter::once(&theta).chain(optimiser.state()).map(bits).collect();
        let memory = optimiser.checkpoint().unwrap().memory;

        optimiser.step(&mut theta, &bad, 1.0.into()).unwrap();
        let after: Vec<Vec<u64>> = core::iter::once(&theta).chain(optimiser.state()).map(bits).collect();
        assert_eq!(before, after);
        assert_eq!(memory, optimiser.checkpoint().unwrap().memory);
        assert_eq!(so_far(&optimiser), (1, 1, Some(Skip::NonFiniteGradient)));

        optimiser.step(&mut theta, &good, 1.0.into()).unwrap();
        assert_eq!(so_far(&optimiser), (2, 1, None));
        assert_ne!(before[0], bits(&theta));
    }
}

fn is_skipped<R: Rule>(rule: R, theta: &mut DeviceTensor<f32>, huge: &Covector<DeviceTensor<f32>>) {
    let mut optimiser = DeviceOptimiser::new(Configuration::new(rule, 0.01), theta).unwrap();
    let before = bits(theta);
    optimiser.step(theta, huge, 1.0.into()).unwrap();
    assert_eq!(before, bits(theta));
    assert!(optimiser.state().iter().all(|state| bits(state).iter().all(|bits| *bits == 0)));
    assert_eq!(optimiser.engine().skips().unwrap().last, Some(Skip::Overflow));
}

#[test]
fn a_sum_that_overflows_changes_no_bit_and_is_counted() {
    let Some(context) = context() else { return };
    let mut theta = on_device(&context, &parts::<f32>(1, &[8]));
    let huge = Covector(on_device(&context, &vec![("p000".to_owned(), vec![8], vec![1e30_f32; 8])]));
    is_skipped(rules::euclidean(0.1), &mut theta, &huge);
    // Its second moments would be infinite, and the parameters would never move again.
    is_skipped(rules::adam(), &mut theta, &huge);
}

#[test]
fn a_loss_on_the_device_is_used_and_its_domain_respected() {
    let Some(context) = context() else { return };
    let start = parts::<f32>(1, &[10]);
    let gradient = parts::<f32>(2, &[10]);
    let losses = on_device(&context, &vec![("loss".to_owned(), vec![4], vec![2.0_f32, 0.0, -1.0, f32::NAN])]);
    // The buffer of a tensor of our own is not handed out, so the losses travel through a buffer of the test's.
    let buffer = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 16,
        usage: wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let bytes: Vec<u8> = losses.to_host("loss").unwrap().iter().flat_map(|loss| loss.to_le_bytes()).collect();
    context.queue().write_buffer(&buffer, 0, &bytes);

    let configuration = Configuration::new(rules::euclidean_log(0.1), 0.01);
    let step = |loss: Loss<'_>| {
        let mut theta = on_device(&context, &start);
        let mut optimiser = DeviceOptimiser::new(configuration.clone(), &theta).unwrap();
        let outcome = optimiser.step(&mut theta, &Covector(on_device(&context, &gradient)), loss);
        (outcome, bits(&theta), optimiser.engine().skips().unwrap().last)
    };
    let (_, from_host, _) = step(Loss::Host(2.0));
    let (_, from_device, skip) = step(Loss::Device { buffer: &buffer, offset: 0 });
    assert_eq!((from_host, None), (from_device, skip));
    let untouched = bits(&on_device(&context, &start));
    for offset in [4, 8, 12] {
        let (_, after, skip) = step(Loss::Device { buffer: &buffer, offset });
        assert_eq!((&after, skip), (&untouched, Some(Skip::LossOutsideDomain)), "offset {offset}");
    }
    for loss in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let (outcome, after, _) = step(Loss::Host(loss));
        assert!(matches!(outcome, Err(Error::LossOutsideDomain { .. })), "{outcome:?}");
        assert_eq!(after, untouched);
    }
    // A place outside the buffer is refused by the device, and nothing is enqueued.
    let (outcome, after, _) = step(Loss::Device { buffer: &buffer, offset: 16 });
    assert!(matches!(outcome, Err(Error::Backend(_))), "{outcome:?}");
    assert_eq!(after, untouched);
}

#[test]
fn the_same_steps_give_the_same_bits() {
    let Some(context) = context() else { return };
    let run = || {
        let mut theta = on_device(&context, &parts::<f32>(1, &[70_001, 13]));
        let gradient = Covector(on_device(&context, &parts(2, &[70_001, 13])));
        let rule = rules::rmsprop(0.1);
        let mut optimiser = DeviceOptimiser::new(Configuration::new(rule, 0.01), &theta).unwrap();
        for _ in 0..3 {
            optimiser.step(&mut theta, &gradient, 1.0.into()).unwrap();
        }
        bits(&theta)
    };
    assert_eq!(run(), run());
}

#[test]
fn more_workgroups_than_one_axis_holds_agree_with_the_cpu() {
    let Some(context) = context() else { return };
    let lengths = [64 * 65_535 + 130];
    let start = parts::<f32>(1, &lengths);
    let gradient = parts::<f32>(2, &lengths);
    let configuration = Configuration::new(rules::euclidean(1e-6).momentum(0.9).beta(0.0), 0.1);
    let (mut host, mut device) = (on_host(&start), on_device(&context, &start));
    configuration.clone().build(&host).unwrap().step(&mut host, &Covector(on_host(&gradient)), 1.0).unwrap();
    let mut optimiser = DeviceOptimiser::new(configuration, &device).unwrap();
    optimiser.engine_mut().set_block(64).unwrap();
    optimiser.step(&mut device, &Covector(on_device(&context, &gradient)), 1.0.into()).unwrap();
    // One multiplication chain per element, and a sum of 4 million squares over blocks: well under 100 units.
    assert!(distance(&device, &host) <= 100.0 * f64::from(f32::EPSILON));
}

/// A device whose storage bindings hold 64 KiB.
fn narrow_context() -> Option<Context> {
    context()?;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let adapter = adapters.into_iter().next()?;
    let required_limits = wgpu::Limits { max_storage_buffer_binding_size: 65_536, ..adapter.limits() };
    let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
    Some(Context::from_device(device, queue))
}

#[test]
fn a_tensor_larger_than_a_binding_agrees_with_the_cpu() {
    let Some(context) = narrow_context() else { return };
    let lengths = [40_001, 6, 20_000];
    let theta = on_device(&context, &parts::<f32>(1, &lengths));
    assert!(theta.buffers() >= 4, "{theta:?}");
    agrees::<f32, _>(&context, &rules::rmsprop(0.1), &lengths);
    agrees::<f32, _>(&context, &Descent::new(Euclidean, Induced::new(Log, 0.3).exact(), Ema(0.9)), &lengths);
}

#[test]
fn buffers_of_the_user_are_stepped_in_place() {
    let Some(context) = context() else { return };
    let lengths = [37, 15, 64];
    let (start, gradient) = (parts::<f32>(1, &lengths), parts::<f32>(2, &lengths));
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let buffer = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("the user's"),
        size: 4096,
        usage,
        mapped_at_creation: false,
    });
    // Parameters and gradient share one buffer; parts lie at offsets that no binding could begin at.
    let place = |named: &Named<f32>, mut offset: u64| {
        let mut placed = Vec::new();
        for (name, shape, elements) in named {
            let bytes: Vec<u8> = elements.iter().flat_map(|element| element.to_le_bytes()).collect();
            context.queue().write_buffer(&buffer, offset, &bytes);
            placed.push(BufferPart { name: name.clone(), shape: shape.clone(), buffer: buffer.clone(), offset });
            offset += bytes.len() as u64;
        }
        DeviceTensor::<f32>::from_buffers(&context, placed).unwrap()
    };
    let mut theta = place(&start, 12);
    let l = Covector(place(&gradient, 2060));
    let rule = rules::rmsprop(0.1);
    let configuration = Configuration::new(rule, 0.01).weight_decay(0.1);
    let mut optimiser = DeviceOptimiser::new(configuration.clone(), &theta).unwrap();
    let mut host = on_host(&start);
    let mut on_cpu = configuration.build(&host).unwrap();
    for _ in 0..3 {
        optimiser.step(&mut theta, &l, 1.0.into()).unwrap();
        on_cpu.step(&mut host, &Covector(on_host(&gradient)), 1.0).unwrap();
    }
    assert!(distance(&theta, &host) <= 100.0 * f64::from(f32::EPSILON));
    // The gradient and the gaps are as they were.
    let expected: Vec<u64> = gradient.iter().flat_map(|part| &part.2).map(|x| f64::from(*x).to_bits()).collect();
    assert_eq!(bits(&l.0), expected);

    // A copy is independent of the original.
    let copy = theta.duplicate().unwrap();
    let before = bits(&copy);
    optimiser.step(&mut theta, &l, 1.0.into()).unwrap();
    assert_eq!(before, bits(&copy));
}

#[test]
fn many_parts_in_one_buffer_of_the_user_take_a_handful_of_dispatches() {
    // A context of its own, since dispatches are counted per context.
    if context().is_none() {
        return;
    }
    let context = Context::new(None).unwrap();
    let buffer = context.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 2 * 200 * 20,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let tensor = |from: u64| {
        let part = |index: u64| BufferPart {
            name: format!("{index:03}"),
            shape: vec![5],
            buffer: buffer.clone(),
            offset: from + 20 * index,
        };
        DeviceTensor::<f32>::from_buffers(&context, (0..200).map(part)).unwrap()
    };
    let (mut theta, gradient) = (tensor(0), Covector(tensor(4000)));
    assert_eq!(theta.buffers(), 1);
    let mut optimiser = DeviceOptimiser::new(Configuration::new(rules::sgd(0.9), 0.1), &theta).unwrap();
    let dispatches = context.dispatches();
    optimiser.step(&mut theta, &gradient, 1.0.into()).unwrap();
    assert!(context.dispatches() - dispatches <= 6, "{}", context.dispatches() - dispatches);
}

/// s ← 0.9 s + l³, which is negative where the gradient is, and γ⁻¹ = (1 + s²)⁻¹.
#[derive(Clone)]
struct Cubic;

impl ambient_metric::DiagonalMetric for Cubic {
    type State<S: Real> = S;
    fn observe<S: Real>(&self, seen: S, gradient: S) -> S {
        S::constant(0.9) * seen + gradient.power(3.0)
    }
    fn inverse<S: Real>(&self, seen: S) -> S {
        (S::one() + seen * seen).power(-1.0)
    }
}

#[test]
fn integer_powers_of_negative_numbers_agree_with_the_cpu() {
    let Some(context) = context() else { return };
    agrees::<f32, _>(&context, &Descent::new(Cubic, Flat, Ema(0.9)), &[300, 5]);
}

#[test]
fn functions_that_a_driver_has_not_in_double_precision_are_refused() {
    let Some(context) = context_for::<f64>() else { return };
    let theta = on_device(&context, &parts::<f64>(1, &[8]));
    let rule = |power| Descent::new(Euclidean, Induced::new(Power(power), 0.1), Ema(0.9));
    let error = device_error(DeviceOptimiser::new(Configuration::new(rule(1.7), 0.1), &theta).map(|_| ()));
    assert!(matches!(&error, DeviceError::Rule { problem, .. } if problem.contains("power")), "{error}");
    // Integer powers are products.
    assert!(DeviceOptimiser::new(Configuration::new(rule(3.0), 0.1), &theta).is_ok());
}

#[test]
fn layouts_that_no_machine_holds_are_refused_at_once() {
    let Some(context) = context() else { return };
    for shape in [vec![1 << 55], vec![1 << 61], vec![usize::MAX, 2]] {
        let layout = ambient_metric::Layout::single("theta", shape.clone());
        let error = device_error(DeviceTensor::<f32>::zeros(&context, layout));
        assert!(matches!(error, DeviceError::OutOfMemory { bytes, .. } if bytes > 1 << 50), "{error}");
        let refused = DeviceTensor::<f32>::new(&context, [("theta", shape, vec![])]);
        assert!(matches!(refused, Err(Error::Shape { .. })));
    }
}

#[test]
fn buffers_of_another_device_are_refused() {
    if context().is_none() {
        return;
    }
    let (context, other) = (Context::new(None).unwrap(), Context::new(None).unwrap());
    let foreign = other.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let mut theta = on_device(&context, &parts::<f32>(1, &[8]));
    let gradient = Covector(on_device(&context, &parts::<f32>(2, &[8])));
    let before = bits(&theta);
    let mut optimiser = DeviceOptimiser::new(Configuration::new(rules::sgd(0.9), 0.1), &theta).unwrap();
    let loss = Loss::Device { buffer: &foreign, offset: 0 };
    let error = device_error(optimiser.step(&mut theta, &gradient, loss));
    assert!(matches!(error, DeviceError::Validation { .. }), "{error}");
    assert_eq!(before, bits(&theta));

    let part = BufferPart { name: "p000".to_owned(), shape: vec![8], buffer: foreign, offset: 0 };
    let mut stranger = DeviceTensor::<f32>::from_buffers(&context, [part]).unwrap();
    let error = device_error(optimiser.step(&mut stranger, &gradient, 1.0.into()));
    assert!(matches!(error, DeviceError::Validation { .. }), "{error}");
}

#[test]
fn buffer_ranges_that_do_not_fit_are_refused() {
    let Some(context) = context() else { return };
    let make = |usage| {
        context.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 64,
            usage,
            mapped_at_creation: false,
        })
    };
    let good = make(wgpu::BufferUsages::STORAGE);
    let part = |name: &str, shape: &[usize], buffer: &wgpu::Buffer, offset| BufferPart {
        name: name.to_owned(),
        shape: shape.to_vec(),
        buffer: buffer.clone(),
        offset,
    };
    let refused = |parts: Vec<BufferPart>| {
        let error = DeviceTensor::<f32>::from_buffers(&context, parts).unwrap_err();
        let Error::Backend(error) = error else { panic!("{error}") };
        matches!(error.downcast_ref(), Some(DeviceError::BufferRange { parameter, .. }) if parameter == "w")
    };
    assert!(refused(vec![part("w", &[17], &good, 0)]));
    assert!(refused(vec![part("w", &[1], &good, 64)]));
    assert!(refused(vec![part("w", &[1], &good, 2)]));
    assert!(refused(vec![part("w", &[usize::MAX, 2], &good, 0)]));
    assert!(refused(vec![part("b", &[4], &good, 0), part("w", &[4], &good, 12)]));
    assert!(refused(vec![part("w", &[4], &make(wgpu::BufferUsages::VERTEX), 0)]));
}

/// The device's own error inside an error of the abstract tensor.
fn device_error<V: core::fmt::Debug>(result: Result<V, Error>) -> DeviceError {
    match result.unwrap_err() {
        Error::Backend(error) => error.downcast_ref::<DeviceError>().unwrap().clone(),
        other => panic!("{other}"),
    }
}

#[test]
fn tensors_of_two_devices_are_refused() {
    let (Some(context), Some(other)) = (context(), narrow_context()) else { return };
    let mut theta = on_device(&context, &parts::<f32>(1, &[8]));
    let foreign = on_device(&other, &parts::<f32>(1, &[8]));
    let before = bits(&theta);
    let mut optimiser = DeviceOptimiser::new(Configuration::new(rules::sgd(0.9), 0.1), &theta).unwrap();
    let refused = device_error(optimiser.step(&mut theta, &Covector(foreign), 1.0.into()));
    assert_eq!(refused, DeviceError::DifferentDevices);
    assert_eq!(before, bits(&theta));
}

#[test]
fn layouts_that_differ_are_refused() {
    let Some(context) = context() else { return };
    let mut theta = on_device(&context, &parts::<f32>(1, &[8, 3]));
    let mut optimiser = DeviceOptimiser::new(Configuration::new(rules::sgd(0.9), 0.1), &theta).unwrap();
    let before = bits(&theta);
    let mut refused = |lengths: &[usize]| {
        optimiser.step(&mut theta, &Covector(on_device(&context, &parts::<f32>(1, lengths))), 1.0.into()).unwrap_err()
    };
    assert!(matches!(refused(&[8]), Error::MissingParameter { name, .. } if name == "p001"));
    assert!(matches!(refused(&[8, 4]), Error::Shape { name, .. } if name == "p001"));
    assert!(matches!(refused(&[8, 3, 1]), Error::UnknownParameter { name, .. } if name == "p002"));
    assert_eq!(before, bits(&theta));
}

#[test]
fn a_lost_device_is_an_error() {
    if context().is_none() {
        return;
    }
    let context = Context::new(None).unwrap();
    let mut theta = on_device(&context, &parts::<f32>(1, &[8]));
    let gradient = Covector(on_device(&context, &parts::<f32>(2, &[8])));
    let mut optimiser = DeviceOptimiser::new(Configuration::new(rules::sgd(0.9), 0.1), &theta).unwrap();
    optimiser.step(&mut theta, &gradient, 1.0.into()).unwrap();
    context.device().destroy();
    // A device that is destroyed, not lost by itself, is reported lost by the next look at its queue.
    let _ = context.device().poll(wgpu::PollType::wait_indefinitely());
    let lost = |error: &DeviceError| matches!(error, DeviceError::Lost { .. });
    let error = device_error(optimiser.step(&mut theta, &gradient, 1.0.into()));
    assert!(lost(&error), "{error:?}");
    let error = device_error(optimiser.reports());
    assert!(lost(&error), "{error:?}");
    let error = device_error(theta.to_host("p000"));
    assert!(lost(&error), "{error:?}");
    let error = device_error(DeviceTensor::new(&context, parts::<f32>(1, &[8])));
    assert!(lost(&error), "{error:?}");
}

/// A metric whose constant no `f32` holds.
#[derive(Clone)]
struct Unprintable;

impl ambient_metric::DiagonalMetric for Unprintable {
    type State<S: Real> = ();
    fn observe<S: Real>(&self, (): (), _gradient: S) {}
    fn inverse<S: Real>(&self, (): ()) -> S {
        S::one() / S::constant(1e300)
    }
}

#[test]
fn a_kernel_that_does_not_validate_is_an_error() {
    let Some(context) = context() else { return };
    let mut theta = on_device(&context, &parts::<f32>(1, &[8]));
    let before = bits(&theta);
    let gradient = Covector(on_device(&context, &parts::<f32>(2, &[8])));
    let mut optimiser =
        DeviceOptimiser::new(Configuration::new(Descent::new(Unprintable, Flat, Ema(0.9)), 0.1), &theta).unwrap();
    let error = device_error(optimiser.step(&mut theta, &gradient, 1.0.into()));
    assert!(matches!(error, DeviceError::Validation { .. }), "{error:?}");
    assert_eq!(before, bits(&theta));
}

#[test]
fn an_unknown_adapter_is_an_error_that_names_the_known() {
    let Some(context) = context() else { return };
    match Context::new(Some("no such adapter")) {
        Err(DeviceError::UnknownAdapter { wanted, known }) => {
            assert_eq!(wanted, "no such adapter");
            assert!(known.iter().any(|name| name == context.adapter_name()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_checkpoint_goes_on_with_the_same_bits_and_on_the_cpu() {
    let Some(context) = context() else { return };
    let lengths = [300, 5];
    let rule = rules::rmsprop(0.1);
    let configuration = Configuration::new(rule, 0.01).group(Group::new("own", ["p001"]).own_metric());
    let mut theta = on_device(&context, &parts::<f32>(1, &lengths));
    let gradient = Covector(on_device(&context, &parts(2, &lengths)));
    let mut optimiser = DeviceOptimiser::new(configuration, &theta).unwrap();
    for _ in 0..3 {
        optimiser.step(&mut theta, &gradient, 1.0.into()).unwrap();
    }
    let checkpoint = optimiser.checkpoint().unwrap();
    assert_eq!(checkpoint.steps, 3);
    let mut copy = theta.duplicate().unwrap();
    let mut restored = DeviceOptimiser::restore(&checkpoint, &copy).unwrap();
    let mut host = on_host(&vec![
        ("p000".to_owned(), vec![300], theta.to_host("p000").unwrap()),
        ("p001".to_owned(), vec![5], theta.to_host("p001").unwrap()),
    ]);
    let mut on_cpu = checkpoint.restore(&host).unwrap();
    for _ in 0..2 {
        optimiser.step(&mut theta, &gradient, 1.0.into()).unwrap();
        restored.step(&mut copy, &gradient, 1.0.into()).unwrap();
        on_cpu.step(&mut host, &Covector(on_host(&parts(2, &lengths))), 1.0).unwrap();
    }
    assert_eq!(bits(&theta), bits(&copy));
    assert_eq!(restored.steps().unwrap(), 5);
    assert!(distance(&theta, &host) <= 100.0 * f64::from(f32::EPSILON));
}

#[test]
fn parameters_that_come_later_start_as_on_the_cpu_and_go_on_with_the_same_bits() {
    let Some(context) = context() else { return };
    let configuration = Configuration::new(rules::rmsprop(0.1), 0.01);
    let gradient = Covector(on_device(&context, &parts(2, &[300, 5])));
    let mut theta = on_device(&context, &parts::<f32>(1, &[300, 5]));
    let mut optimiser = DeviceOptimiser::new(configuration, &theta).unwrap();
    for _ in 0..3 {
        optimiser.step(&mut theta, &gradient, 1.0.into()).unwrap();
    }

    let (now, gradient) = (parts::<f32>(1, &[300, 5, 40]), parts::<f32>(2, &[300, 5, 40]));
    let (mut theta, mut host) = (on_device(&context, &now), on_host(&now));
    let checkpoint = optimiser.checkpoint().unwrap();
    let restored = DeviceOptimiser::restore_partial(&checkpoint, &theta).unwrap();
    assert_eq!(restored.fresh, ["p002"]);
    let mut optimiser = restored.optimiser;
    let mut on_cpu = checkpoint.restore_partial(&host).unwrap().optimiser;
    optimiser.set_weight_decay("default", 0.5).unwrap();
    on_cpu.set_weight_decay("default", 0.5).unwrap();
    let (of_device, of_host) = (Covector(on_device(&context, &gradient)), Covector(on_host(&gradient)));
    for _ in 0..2 {
        optimiser.step(&mut theta, &of_device, 1.0.into()).unwrap();
        on_cpu.step(&mut host, &of_host, 1.0).unwrap();
    }
    // As in `agrees`; a wrong correction would be a step of another length, 0.01 and not 1e-5.
    assert!(distance(&theta, &host) <= 100.0 * f64::from(f32::EPSILON));
    let mut copy = theta.duplicate().unwrap();
    let mut again = DeviceOptimiser::restore(&optimiser.checkpoint().unwrap(), &copy).unwrap();
    optimiser.step(&mut theta, &of_device, 1.0.into()).unwrap();
    again.step(&mut copy, &of_device, 1.0.into()).unwrap();
    assert_eq!(bits(&theta), bits(&copy));
}

#[test]
fn the_geometry_of_the_core_runs_on_the_device() {
    let Some(context) = context() else { return };
    let gradient = parts::<f32>(3, &[300, 7]);
    let on_cpu = Covector(on_host(&gradient));
    let on_gpu = Covector(on_device(&context, &gradient));

    let mut cpu_state = RmsProp::default().begin(&on_cpu.0).unwrap();
    RmsProp::default().update(&mut cpu_state, &on_cpu).unwrap();
    let mut gpu_state = RmsProp::default().begin(&on_gpu.0).unwrap();
    RmsProp::default().update(&mut gpu_state, &on_gpu).unwrap();

    let metric = RmsProp::default();
    let cpu = PullBack::new(metric.at(&cpu_state), on_cpu, 2.0, &Log, 0.1).unwrap();
    let gpu = PullBack::new(metric.at(&gpu_state), on_gpu, 2.0, &Log, 0.1).unwrap();
    // Every quantity is a sum of 307 numbers of one sign after a few roundings each.
    let close = |a: f64, b: f64| (a - b).abs() <= 200.0 * f64::from(f32::EPSILON) * b.abs();
    assert!(close(gpu.squared_length(), cpu.squared_length()));
    assert!(close(gpu.damping(), cpu.damping()));
    let (gpu_step, cpu_step) = (gpu.step().unwrap(), cpu.step().unwrap());
    let (gpu_norm, cpu_norm) = (gpu.norm(&gpu_step).unwrap(), cpu.norm(&cpu_step).unwrap());
    assert!(close(gpu_norm, cpu_norm), "{gpu_norm} {cpu_norm}");
    assert!(close(gpu.log_determinant().unwrap(), cpu.log_determinant().unwrap()));
}

/// A device takes a step in which some parts have no gradient as the host does, and goes on from it by itself.
#[test]
fn parts_without_a_gradient_stay_as_they_are_and_count_their_own_steps() {
    let Some(context) = context() else { return };
    let (lengths, rule) = ([5, 300, 64], rules::rmsprop(0.5));
    let configuration =
        Configuration::new(rule, 0.01).weight_decay(0.1).group(Group::new("slow", ["p001"]).learning_rate(0.003));
    let start = parts::<f32>(7, &lengths);
    let (mut host, mut device) = (on_host(&start), on_device(&context, &start));
    let mut on_cpu = configuration.clone().build(&host).unwrap();
    let mut on_gpu = DeviceOptimiser::new(configuration, &device).unwrap();
    for (turn, absent) in [vec![], vec![1], vec![0, 2], vec![], vec![1], vec![]].iter().enumerate() {
        let mut gradient = parts::<f32>(100 + turn as u64, &lengths);
        for &part in absent {
            gradient[part].2.fill(f32::NAN);
        }
        let before: Vec<Vec<f32>> = (0..3).map(|part| device.read(part).unwrap()).collect();
        on_cpu.step_without(&mut host, &Covector(on_host(&gradient)), 1.5, absent).unwrap();
        on_gpu.step_without(&mut device, &Covector(on_device(&context, &gradient)), 1.5.into(), absent).unwrap();
        for (part, before) in before.iter().enumerate() {
            assert_eq!(*before == device.read(part).unwrap(), absent.contains(&part), "part {part} in turn {turn}");
        }
        let distance = distance(&device, &host);
        // 160 ε a step, as above.
        assert!(distance <= 960.0 * f64::from(f32::EPSILON), "turn {turn}: {distance:e}");
    }
    assert_eq!(so_far(&on_gpu), (6, 0, None));
    // Two groups of the configuration, however many memories there are.
    let (of_device, of_host) = (on_gpu.reports().unwrap(), on_cpu.reports().unwrap());
    assert_eq!(of_device.len(), 2);
    for ((name, device), (expected, host)) in of_device.iter().zip(&of_host) {
        assert_eq!(name, expected);
        assert!(
            (device.first().damping - host.first().damping).abs() <= 960.0 * f64::from(f32::EPSILON),
            "{device:?} {host:?}"
        );
    }
    let before = bits(&device);
    let refused = on_gpu.step_without(&mut device, &Covector(on_device(&context, &start)), f64::NAN.into(), &[0]);
    assert!(matches!(&refused, Err(Error::LossOutsideDomain { .. })), "{refused:?}");
    assert_eq!((bits(&device), so_far(&on_gpu)), (before, (6, 0, None)));
}
