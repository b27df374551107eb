//! What is done to gradients before a rule sees them: by its definition, in passes and on whole tensors, kept from one gradient to the next and through
//! checkpoints.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]
#![allow(clippy::float_cmp, reason = "what is exact is compared exactly")]

use ambient_metric::any::{AnyOptimiser, AnyPreprocess, AnyRule, Preprocessed};
use ambient_metric::rule::{
    Accumulate, Centralised, ClipNorm, ClipValue, GradientTransform, Mars, Noise, Preprocess, Transformed,
};
use ambient_metric::{Checkpoint, Configuration, Covector, Error, Group, rules};
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::cases;
use ambient_rules::Compiled;
use ndarray::{Array1, array};
use proptest::prelude::*;

fn vector(numbers: &[f64]) -> Parameters<f64> {
    Parameters::from(Array1::from(numbers.to_vec()))
}

fn bits(theta: &Parameters<f64>) -> Vec<u64> {
    theta.iter().map(|x| x.to_bits()).collect()
}

/// What a plain step of rate one takes from zero, with a transform before it, is −l′.
fn seen<G: GradientTransform>(transform: G, gradients: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut theta = vector(&vec![0.0; gradients[0].len()]);
    let mut optimiser =
        Configuration::new(Transformed { transform, rule: rules::sgd(0.0) }, 1.0).build(&theta).unwrap();
    let mut step = |gradient: &Vec<f64>| {
        theta = vector(&vec![0.0; gradient.len()]);
        optimiser.step(&mut theta, &Covector(vector(gradient)), 1.0).unwrap();
        theta.iter().map(|x| -x).collect()
    };
    gradients.iter().map(&mut step).collect()
}

fn runs() -> impl Strategy<Value = Vec<Vec<f64>>> {
    (1..9_usize, 1..6_usize)
        .prop_flat_map(|(size, steps)| prop::collection::vec(prop::collection::vec(-4.0..4.0_f64, size), steps))
}

proptest! {
    #![proptest_config(cases(64))]

    /// By their definitions: a clip of a component is exact, one of a length rounds the sum of n squares, a root, a quotient and a product.
    #[test]
    fn transforms_are_what_they_are_defined_as(gradients in runs(), limit in 0.01..5.0_f64, gamma in 0.0..0.5_f64, beta in 0.0..0.97_f64) {
        let near = |x: f64, y: f64, size: usize| (x - y).abs() <= f64::EPSILON * (size as f64 + 8.0) * y.abs();
        let norm = |l: &[f64]| l.iter().map(|x| x * x).sum::<f64>().sqrt();
        for (found, l) in seen(ClipValue { limit }, &gradients).iter().zip(&gradients) {
            prop_assert!(found.iter().zip(l).all(|(found, l)| *found == l.clamp(-limit, limit)));
        }
        for (found, l) in seen(ClipNorm { length: limit }, &gradients).iter().zip(&gradients) {
            let factor = if norm(l) > limit { limit / norm(l) } else { 1.0 };
            prop_assert!(found.iter().zip(l).all(|(found, l)| near(*found, factor * l, gradients[0].len())));
        }
        let mut past = &gradients[0];
        for (found, l) in seen(Mars { gamma, beta }, &gradients).iter().zip(&gradients) {
            let weight = gamma * beta / (1.0 - beta);
            let c: Vec<f64> = l.iter().zip(past).map(|(l, past)| l + weight * (l - past)).collect();
            let factor = 1.0 / norm(&c).max(1.0);
            // A difference may vanish before the sum that it stands in: bounded by what is added.
            for ((found, c), (l, past)) in found.iter().zip(&c).zip(l.iter().zip(past)) {
                let size = l.abs() + weight * (l.abs() + past.abs());
                prop_assert!((found - factor * c).abs() <= f64::EPSILON * (gradients[0].len() as f64 + 12.0) * size);
            }
            past = l;
        }
    }

    /// In the passes of a rule, and before any optimiser: the same steps, bit for bit, and as a rule that is chosen.
    #[test]
    fn in_passes_and_on_whole_tensors_a_transform_is_the_same(gradients in runs(), limit in 0.01..5.0_f64, xi in 0.0..1.0_f64) {
        fn agree<G: GradientTransform + Send + 'static>(transform: G, text: &str, xi: f64, gradients: &[Vec<f64>]) {
            let start = vector(&vec![0.5; gradients[0].len()]);
            let rule = rules::rmsprop(xi);
            let within = Configuration::new(Transformed { transform: transform.clone(), rule }, 0.1).build(&start).unwrap();
            let before = Preprocessed::new(transform, Configuration::new(rule, 0.1).build(&start).unwrap(), &start).unwrap();
            let chosen = f64::build(Configuration::new(format!("rmsprop({xi:?}) + {text}").parse().unwrap(), 0.1), &start).unwrap();
            let mut ends = Vec::new();
            let optimisers: [Box<dyn AnyOptimiser<Parameters<f64>>>; 3] = [Box::new(within), Box::new(before), chosen];
            for mut optimiser in optimisers {
                let mut theta = start.clone();
                for l in gradients {
                    optimiser.step(&mut theta, &Covector(vector(l)), 2.0).unwrap();
                }
                ends.push(bits(&theta));
            }
            assert!(ends[1..].iter().all(|end| *end == ends[0]), "{text}");
        }
        agree(ClipValue { limit }, &format!("clip_value({limit:?})"), xi, &gradients);
        agree(ClipNorm { length: limit }, &format!("clip_norm({limit:?})"), xi, &gradients);
        agree(Mars { gamma: 0.1, beta: 0.75 }, "mars(0.1, 0.75)", xi, &gradients);
    }

    /// k gradients are one step along their mean, with the mean of their losses; killed anywhere and resumed, the bits are those of the run that was not.
    #[test]
    fn accumulated_gradients_are_one_step_along_their_mean(gradients in runs(), every in 1..4_u32, killed in 0..6_usize) {
        let start = vector(&vec![0.5; gradients[0].len()]);
        let text = format!("induced(rmsprop, log, xi=0.5) + ema + accumulate({every}) + clip_norm(1.0)");
        let rule: AnyRule = text.parse().unwrap();
        let plain: AnyRule = "induced(rmsprop, log, xi=0.5) + ema + clip_norm(1.0)".parse().unwrap();
        let loss = |step: usize| 1.0 + step as f64 / 4.0;
        let (mut theta, mut expected) = (start.clone(), start.clone());
        let mut optimiser = f64::build(Configuration::new(rule.clone(), 0.1), &start).unwrap();
        let mut reference = f64::build(Configuration::new(plain, 0.1), &start).unwrap();
        for (step, l) in gradients.iter().enumerate() {
            if step == killed {
                let checkpoint: Checkpoint<AnyRule> = optimiser.checkpoint().unwrap().with_rule(rule.clone());
                optimiser = f64::restore(checkpoint, &theta).unwrap();
            }
            optimiser.step(&mut theta, &Covector(vector(l)), loss(step)).unwrap();
            let count = every as usize;
            if (step + 1) % count == 0 {
                let group = step + 1 - count..step + 1;
                // In the order in which it is added: what was kept, then the last.
                let mean = |place: usize| {
                    let kept = group.clone().take(count - 1).fold(0.0, |sum, step| sum + gradients[step][place]);
                    (gradients[step][place] + kept) / f64::from(every)
                };
                let mean: Vec<f64> = (0..l.len()).map(mean).collect();
                let losses = group.clone().fold(0.0, |sum, step| sum + loss(step)) / f64::from(every);
                reference.step(&mut expected, &Covector(vector(&mean)), losses).unwrap();
            }
            prop_assert_eq!(bits(&theta), bits(&expected));
            prop_assert_eq!(optimiser.steps().unwrap(), ((step + 1) / count) as u64);
        }
    }

    /// What is refused leaves everything as it was: the steps after it are those that would have been without it.
    #[test]
    fn a_refused_gradient_is_forgotten(gradients in runs(), at in 0..6_usize, nan in any::<bool>(), place in any::<prop::sample::Index>()) {
        let texts = ["adamw + accumulate(2) + centralised", "sgd + mars", "induced(euclidean, log) + ema + mars + clip_norm(1)", "adamw + clip_value(1)", "sgd + noise(0.1, 0.55, 3) + accumulate(2)"];
        for text in texts {
            let start = vector(&vec![0.5; gradients[0].len()]);
            let mut ends = Vec::new();
            for is_disturbed in [false, true] {
                let mut theta = start.clone();
                let mut optimiser = f64::build(Configuration::new(text.parse().unwrap(), 0.1), &start).unwrap();
                for (step, l) in gradients.iter().enumerate() {
                    if is_disturbed && step == at {
                        let mut wrong = l.clone();
                        wrong[place.index(l.len())] = if nan { f64::NAN } else { f64::INFINITY };
                        let refused = optimiser.step(&mut theta, &Covector(vector(&wrong)), 1.0);
                        prop_assert!(matches!(refused, Err(Error::NonFiniteGradient { .. })), "{}: {:?}", text, refused);
                    }
                    optimiser.step(&mut theta, &Covector(vector(l)), 1.0).unwrap();
                }
                ends.push(bits(&theta));
            }
            prop_assert_eq!(&ends[0], &ends[1], "{}", text);
        }
    }
}

/// The order is that of the text: the mean of two gradients is clipped, or two clipped gradients have a mean.
#[test]
fn what_is_written_first_is_done_first() {
    let end = |text: &str| {
        let mut theta = vector(&[0.0]);
        let rule: AnyRule = text.parse().unwrap();
        assert_eq!(rule.to_string().parse::<AnyRule>().unwrap(), rule);
        let mut optimiser = f64::build(Configuration::new(rule, 1.0), &theta).unwrap();
        for l in [3.0, -1.0] {
            optimiser.step(&mut theta, &Covector(vector(&[l])), 1.0).unwrap();
        }
        theta.as_slice()[0]
    };
    assert_eq!(end("sgd(0) + accumulate(2) + clip_value(0.5)"), -0.5);
    assert_eq!(end("sgd(0) + clip_value(0.5) + accumulate(2)"), 0.0);
    // MARS behind another: what it keeps is what it was given. c = 3, shortened to 1; then −1/2 + 1·(−1/2 − 1/2), shortened to −1.
    assert_eq!(end("sgd(0) + clip_value(0.5) + mars(1, 0.5)"), -0.5 + 1.0);
    assert_eq!(end("sgd(0) + clip_value(0.5) + mars(1, 0.5) + centralised"), -0.5 + 1.0);
}

/// A metric of whole tensors has them before it, too, and its steps resume.
#[test]
fn metrics_of_whole_tensors_see_transformed_gradients() {
    let gradients = [array![[3.0, 1.0], [-2.0, 4.0]], array![[1.0, -1.0], [0.5, 2.0]], array![[-3.0, 0.0], [1.0, 1.0]]];
    let run = |text: &str, resumes: bool| {
        let rule: AnyRule = text.parse().unwrap();
        let mut theta = Parameters::from(array![[1.0, 2.0], [3.0, 4.0]]);
        let mut optimiser = f64::build(Configuration::new(rule.clone(), 0.1), &theta).unwrap();
        for gradient in &gradients {
            optimiser.step(&mut theta, &Covector(Parameters::from(gradient.clone())), 2.0).unwrap();
            if resumes {
                optimiser = f64::restore(optimiser.checkpoint().unwrap().with_rule(rule.clone()), &theta).unwrap();
            }
        }
        bits(&theta)
    };
    for text in ["muon + mars", "induced(kronecker, log) + ema + clip_norm(0.5)", "soap + centralised + accumulate(2)"]
    {
        assert_eq!(run(text, false), run(text, true), "{text}");
        assert_ne!(run(text, false), run(text.split(" + ").next().unwrap(), false), "{text}");
    }
    // A clip that never clips is none.
    assert_eq!(run("shampoo + clip_value(100)", false), run("shampoo", false));
}

/// Groups with a metric of their own have sums of their own, and so lengths.
#[test]
fn a_group_with_its_own_metric_has_its_own_length() {
    let parts = |a: f64, b: f64| Parameters::new([("a", array![a].into_dyn()), ("b", array![b].into_dyn())]).unwrap();
    let stepped = |configuration: Configuration<AnyRule>| {
        let mut theta = parts(0.0, 0.0);
        let mut optimiser = f64::build(configuration, &theta).unwrap();
        optimiser.step(&mut theta, &Covector(parts(3.0, 4.0)), 1.0).unwrap();
        [theta.view("a").unwrap()[0], theta.view("b").unwrap()[0]]
    };
    let together = Configuration::new("sgd(0) + clip_norm(1)".parse::<AnyRule>().unwrap(), 1.0);
    assert_eq!(stepped(together.clone()), [-0.2 * 3.0, -0.2 * 4.0]);
    assert_eq!(stepped(together.group(Group::new("own", ["b"]).own_metric())), [-1.0, -1.0]);
}

/// A finite gradient whose length overflows is refused where the length is asked for, and nothing is written.
#[test]
fn a_length_that_overflows_is_refused() {
    for text in ["sgd + clip_norm(1)", "sgd + mars", "muon + clip_norm(1)"] {
        let mut theta = Parameters::from(array![[1.0, 2.0]]);
        let mut optimiser = f64::build(Configuration::new(text.parse().unwrap(), 1.0), &theta).unwrap();
        let refused = optimiser.step(&mut theta, &Covector(Parameters::from(array![[1e200, 0.0]])), 1.0);
        assert!(matches!(refused, Err(Error::Overflow { .. })), "{text}: {refused:?}");
        assert_eq!(bits(&theta), [1.0_f64, 2.0].map(f64::to_bits), "{text}");
    }
    let mut theta = vector(&[1.0]);
    let mut optimiser = f64::build(Configuration::new("sgd + accumulate(2)".parse().unwrap(), 1.0), &theta).unwrap();
    let refused = optimiser.step(&mut theta, &Covector(vector(&[1.0])), f64::NAN);
    assert!(matches!(refused, Err(Error::NonFiniteLoss { .. })), "{refused:?}");
}

/// What waits does not poison what comes: a sum that overflows is refused when it is made, and what waits can be discarded.
#[test]
fn what_waits_can_be_discarded() {
    let mut theta = vector(&[1.0]);
    let mut optimiser = f64::build(Configuration::new("sgd(0) + accumulate(3)".parse().unwrap(), 1.0), &theta).unwrap();
    optimiser.step(&mut theta, &Covector(vector(&[1.5e308])), 1.0).unwrap();
    let refused = optimiser.step(&mut theta, &Covector(vector(&[1.5e308])), 1.0);
    assert!(matches!(refused, Err(Error::Overflow { .. })), "{refused:?}");
    optimiser.discard().unwrap();
    for l in [1.0, 2.0, 3.0] {
        assert_eq!(optimiser.is_due(), l > 2.5);
        optimiser.step(&mut theta, &Covector(vector(&[l])), 1.0).unwrap();
    }
    assert_eq!((theta.as_slice()[0], optimiser.steps().unwrap()), (-1.0, 1));

    // The mean of the losses lies outside: discarded, all goes on.
    let text = "induced(euclidean, log, xi=0) + ema(0) + mars(0, 0) + accumulate(2)";
    let mut optimiser = f64::build(Configuration::new(text.parse().unwrap(), 1.0), &theta).unwrap();
    optimiser.step(&mut theta, &Covector(vector(&[0.5])), -5.0).unwrap();
    let refused = optimiser.step(&mut theta, &Covector(vector(&[0.5])), 1.0);
    assert!(matches!(refused, Err(Error::LossOutsideDomain { loss, .. }) if loss == -2.0), "{refused:?}");
    optimiser.discard().unwrap();
    for _ in 0..2 {
        optimiser.step(&mut theta, &Covector(vector(&[0.5])), 1.0).unwrap();
    }
    assert_eq!((theta.as_slice()[0], optimiser.steps().unwrap()), (-1.5, 1));
}

/// Preprocesses within each other resume to the bit, and another count, or another preprocess, than what was saved is refused by name.
#[test]
fn what_was_saved_is_what_is_restored() {
    let start = vector(&[0.5, -1.0]);
    let nested = || {
        let inner = Configuration::new(rules::sgd(0.5), 0.1).build(&start).unwrap();
        let inner = Preprocessed::new(Mars { gamma: 0.5, beta: 0.5 }, inner, &start).unwrap();
        Preprocessed::new(
            Accumulate { every: 3 },
            Preprocessed::new(Accumulate { every: 2 }, inner, &start).unwrap(),
            &start,
        )
        .unwrap()
    };
    let gradient = |step: i32| Covector(vector(&[f64::from(step % 5) - 1.5, f64::from(step % 3) - 0.5]));
    let (mut optimiser, mut whole) = (nested(), nested());
    let (mut theta, mut expected) = (start.clone(), start.clone());
    for step in 0..20 {
        whole.step(&mut expected, &gradient(step), 1.0).unwrap();
        optimiser.step(&mut theta, &gradient(step), 1.0).unwrap();
        let mut resumed = nested();
        resumed.resume(optimiser.checkpoint().unwrap(), &theta).unwrap();
        optimiser = resumed;
        assert_eq!(bits(&theta), bits(&expected), "{step}");
    }
    assert_eq!(optimiser.steps().unwrap(), 3);

    let build = |text: &str| f64::build(Configuration::new(text.parse().unwrap(), 0.1), &start).unwrap();
    let mut saved = build("sgd + accumulate(3)");
    for step in 0..5 {
        saved.step(&mut theta, &gradient(step), 1.0).unwrap();
    }
    let checkpoint = saved.checkpoint().unwrap();
    for text in ["sgd + accumulate(4)", "sgd + accumulate(2)"] {
        let refused = build(text).resume(checkpoint.clone(), &theta);
        assert!(matches!(refused, Err(Error::CheckpointEntry { .. })), "{text}: {refused:?}");
    }
    for text in ["sgd", "sgd + noise", "sgd + centralised + accumulate(3)"] {
        let refused = build(text).resume(checkpoint.clone(), &theta);
        assert!(matches!(refused, Err(Error::CheckpointRule { .. })), "{text}: {refused:?}");
    }
    build("sgd + accumulate(3)").resume(checkpoint, &theta).unwrap();
}

/// Where parts have no gradient, what is done to the others is as if those were all; what keeps a gradient for the next says that it can't.
#[test]
fn parts_without_a_gradient_are_left_out() {
    let parts =
        |a: f64, b: f64| Parameters::new([("a", array![[a, 1.0]].into_dyn()), ("b", array![b].into_dyn())]).unwrap();
    let start = parts(0.5, 0.5);
    let build = |text: &str| f64::build(Configuration::new(text.parse().unwrap(), 1.0), &start).unwrap();
    let gradient = Covector(parts(3.0, f64::NAN));
    let mut theta = start.clone();
    let mut optimiser = build("sgd(0) + centralised + clip_norm(1)");
    optimiser.step_losses_without(&mut theta, &[&gradient], &[1.0], (&[1]).into()).unwrap();
    // (3, 1) without its mean is (1, −1), of length √2.
    let expected = 1.0 / 2.0_f64.sqrt();
    let found: Vec<f64> = theta.iter().copied().collect();
    assert!((found[0] - (0.5 - expected)).abs() < 1e-15 && (found[1] - (1.0 + expected)).abs() < 1e-15, "{found:?}");
    assert_eq!(found[2], 0.5);
    let refused = build("sgd + accumulate(2)").step_losses_without(&mut theta, &[&gradient], &[1.0], (&[1]).into());
    assert!(matches!(refused, Err(Error::NoEngine { .. })), "{refused:?}");
}

/// The same numbers in every run, others in every step, part and pair, with the moments of a normal distribution.
#[test]
fn noise_is_normal_and_repeats() {
    let noise = Noise { variance: 1.0, decay: 0.0, seed: 5 };
    let draw = |noise: Noise, number: u64| {
        let mut gradient = Covector(Parameters::from(Array1::<f64>::zeros(40_000)));
        noise.process(number, &[], &mut gradient).unwrap();
        gradient.0.as_slice().to_vec()
    };
    let (first, second, other) = (draw(noise, 0), draw(noise, 1), draw(Noise { seed: 6, ..noise }, 0));
    assert_eq!(first, draw(noise, 0));
    let mean = |x: &dyn Fn(usize) -> f64| (0..40_000).map(x).sum::<f64>() / 4e4;
    // The standard errors are 1/200 of the roots of the variances 1, 1, 2, 15 and 96.
    for (found, expected, deviation) in [
        (mean(&|i| first[i]), 0.0, 1.0),
        (mean(&|i| first[i] * second[i]), 0.0, 1.0),
        (mean(&|i| first[i] * other[i]), 0.0, 1.0),
        (mean(&|i| first[i] * first[(i + 1) % 40_000]), 0.0, 1.0),
        (mean(&|i| first[i].powi(2)), 1.0, 2.0_f64.sqrt()),
        (mean(&|i| first[i].powi(3)), 0.0, 15.0_f64.sqrt()),
        (mean(&|i| first[i].powi(4)), 3.0, 96.0_f64.sqrt()),
    ] {
        assert!((found - expected).abs() < 4.5 * deviation / 200.0, "{found} {expected}");
    }
    let faded = draw(Noise { decay: 1.0, ..noise }, 3);
    assert!(faded.iter().zip(draw(noise, 3)).all(|(faded, full)| (faded - full / 2.0).abs() < 1e-15));
    assert!(Preprocess::<Parameters<f64>>::validate(&Noise { variance: -1.0, ..noise }).is_err());
    assert!(Preprocess::<Parameters<f64>>::validate(&Accumulate { every: 0 }).is_err());
    let list = vec![AnyPreprocess::Centralised(Centralised), AnyPreprocess::Noise(noise)];
    assert_eq!(Preprocess::<Parameters<f64>>::name(&list), "Centralised, Noise");
}

/// In one rule one length can be asked for before the first act.
#[test]
fn a_second_length_is_refused() {
    use ambient_metric::Rule;
    let inner = Transformed { transform: ClipNorm { length: 1.0 }, rule: rules::sgd(0.9) };
    let twice = Transformed { transform: Mars::default(), rule: inner };
    assert!(matches!(twice.validate(), Err(Error::NoEngine { .. })));
    assert!(
        Transformed { transform: ClipValue { limit: 1.0 }, rule: rules::sgd(0.9) }.validate().is_ok()
            && inner.validate().is_ok()
    );
    assert!("sgd + clip_norm(0)".parse::<AnyRule>().is_err());
}
