//! States stored in 16 bits: a step is that of a full state, then rounded; averages stay unbiased; what fails changes nothing.

#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]

use ambient_metric::ambient::{AlongMomentum, Given};
use ambient_metric::space::StateStorage;
use ambient_metric::{
    Configuration, Covector, Descent, Ema, Error, Euclidean, Group, Induced, Log, RmsProp, Rule, Tensor, rules,
};
use ambient_metric_ndarray::Parameters;
use ndarray::Array1;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

const NARROW: [StateStorage; 2] = [StateStorage::Bf16 { seed: 11 }, StateStorage::F16];

/// Numbers in ±2 that repeat for a seed.
fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let scrambled = |index: u64| (index ^ seed.wrapping_mul(0x2545_f491)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (0..len as u64).map(|index| scrambled(index) as f32 / (1 << 22) as f32 - 2.0).collect()
}

/// Parts of these lengths; lengths above a leaf of 2¹⁸ elements are halved.
fn space(lengths: &[usize], seed: u64) -> Parameters<f32> {
    let part = |(part, &len): (usize, &usize)| {
        (format!("{part:02}"), Array1::from(numbers(len, seed + part as u64)).into_dyn())
    };
    Parameters::new(lengths.iter().enumerate().map(part)).unwrap()
}

fn bits(parameters: &Parameters<f32>) -> Vec<u32> {
    parameters.iter().map(|number| number.to_bits()).collect()
}

/// The distance of the two numbers of 16 bits around x: one place of 8 digits, or half a place of 11, and a whole one below the normal halves.
fn place(storage: StateStorage, x: f32) -> f32 {
    if storage == StateStorage::F16 {
        if x.abs() < 2.0_f32.powi(-14) { 2.0_f32.powi(-24) } else { x.abs() / 2048.0 }
    } else {
        x.abs() / 128.0
    }
}

/// Four steps with a narrow state, each beside the step of a full state that holds the same numbers.
fn steps_are_those_of_the_widened_state<R: Rule + Clone>(
    rule: R,
    storage: StateStorage,
    lengths: &[usize],
) -> TestCaseResult {
    let own = Group::new("first", ["00"]).learning_rate(0.3).own_metric();
    let configuration = Configuration::new(rule, 0.1).weight_decay(0.01).group(own).state_storage(storage);
    let mut theta = space(lengths, 1);
    let mut optimiser = configuration.build(&theta)?;
    for step in 0..4 {
        let gradient = Covector(space(lengths, 100 + step));
        let mut checkpoint = optimiser.checkpoint()?;
        checkpoint.configuration.state_storage = StateStorage::Full;
        let mut full_theta = theta.clone();
        let mut full = checkpoint.restore(&theta)?;

        let report = full.step(&mut full_theta, &gradient, 1.5)?;
        prop_assert_eq!(optimiser.step(&mut theta, &gradient, 1.5)?, report);
        prop_assert_eq!(bits(&theta), bits(&full_theta));
        for (narrow, full) in optimiser.state().iter().zip(full.state()) {
            for (index, (&narrow, &full)) in narrow.iter().zip(full.iter()).enumerate() {
                let error = (narrow - full).abs();
                prop_assert!(error <= place(storage, full), "element {}: {} was stored as {}", index, full, narrow);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_narrow_step_is_the_full_step_of_the_widened_state(
        lengths in prop::collection::vec(prop_oneof![4 => 1..70_usize, 1 => 4000..9000_usize], 1..4),
    ) {
        for storage in NARROW {
            steps_are_those_of_the_widened_state(rules::sgd(0.9), storage, &lengths)?;
            steps_are_those_of_the_widened_state(rules::euclidean_log(0.01), storage, &lengths)?;
            let coupled = Induced::new(Log, 0.01).coupled(AlongMomentum(0.1)).scale_back(0.1);
            steps_are_those_of_the_widened_state(Descent::new(Euclidean, coupled, Ema(0.9)), storage, &lengths)?;
        }
        // Halves have no room for second moments.
        let storage = NARROW[0];
        steps_are_those_of_the_widened_state(rules::rmsprop(0.01), storage, &lengths)?;
        steps_are_those_of_the_widened_state(rules::nadam(), storage, &lengths)?;
        let exact = Descent::new(RmsProp::default(), Induced::new(Log, 0.01).exact(), Ema(0.9));
        steps_are_those_of_the_widened_state(exact, storage, &lengths)?;
    }
}

#[test]
fn a_narrow_step_is_the_full_step_also_over_several_leaves() {
    let lengths = [3, (1 << 19) + 4096 + 37];
    let rmsprop = rules::rmsprop(0.001);
    steps_are_those_of_the_widened_state(rmsprop, NARROW[0], &lengths).unwrap();
    steps_are_those_of_the_widened_state(rules::euclidean(0.001), StateStorage::F16, &lengths).unwrap();
}

/// ρ after n steps with l = 1 is 1 − βⁿ. The error of a stored average obeys e ← βe + δ, where δ has mean zero and, below one, is within
/// one place d = 2⁻⁸: its deviation is at most d/2. So e has mean zero and a deviation of at most d / (2√(1 − β²)), and the mean over N
/// elements one that is √N times smaller; it is within six of them but in two of 10⁹ cases. Rounded to nearest, ρ would never pass 1/2:
/// from there a step adds less than 0.0005, a quarter of half a place.
#[test]
fn a_stored_average_follows_the_average() {
    const ELEMENTS: usize = 4096;
    let beta = 0.999_f64;
    let mut theta = Parameters::from(Array1::from_elem(ELEMENTS, 0.5_f32));
    let gradient = Covector(Parameters::from(Array1::from_elem(ELEMENTS, 1.0_f32)));
    let configuration = Configuration::new(rules::adam().metric(RmsProp { beta, epsilon: 1e-8 }), 1e-6)
        .state_storage(StateStorage::Bf16 { seed: 3 });
    let mut optimiser = configuration.build(&theta).unwrap();
    for _ in 0..1500 {
        optimiser.step(&mut theta, &gradient, 1.0).unwrap();
    }
    let mean = optimiser.state()[1].iter().map(|rho| f64::from(*rho)).sum::<f64>() / ELEMENTS as f64;
    let expected = 1.0 - beta.powi(1500);
    let allowed = 6.0 / (256.0 * 2.0 * ((1.0 - beta * beta) * ELEMENTS as f64).sqrt());
    assert!((mean - expected).abs() <= allowed, "{mean} in place of {expected}, allowed {allowed:e}");
    assert!(expected > 0.5 + 10.0 * allowed);
}

/// Halves are rounded to nearest, 2⁻¹¹ of a number, so after every step the average is at most u (1 + μ + μ² + …) = u / (1 − μ) from the
/// other one, in units of the largest of its values; and bf16 at most 2⁻⁷ / (1 − μ).
#[test]
fn the_error_of_an_average_is_bounded() {
    let (momentum, steps) = (0.9_f32, 300);
    for (storage, place) in NARROW.into_iter().zip([1.0 / 128.0, 1.0 / 2048.0]) {
        let run = |storage| {
            let mut theta = space(&[1000], 1);
            let configuration = Configuration::new(rules::sgd_ema(f64::from(momentum)), 1e-3).state_storage(storage);
            let mut optimiser = configuration.build(&theta).unwrap();
            for step in 0..steps {
                optimiser.step(&mut theta, &Covector(space(&[1000], 7 * step)), 1.0).unwrap();
            }
            optimiser.state()[0].as_slice().to_vec()
        };
        // |m| stays below 2, as |l| does.
        let allowed = 2.0 * place / (1.0 - momentum);
        for (narrow, full) in run(storage).iter().zip(run(StateStorage::Full)) {
            assert!((narrow - full).abs() <= allowed, "{narrow} in place of {full} as {}", storage.name());
        }
    }
}

#[test]
fn a_step_that_fails_draws_no_numbers() {
    let run = |fails: bool| {
        let mut theta = space(&[33, 5], 1);
        let configuration = Configuration::new(rules::adam(), 0.1).state_storage(NARROW[0]);
        let mut optimiser = configuration.build(&theta).unwrap();
        for step in 0..6 {
            if fails {
                let mut wrong = space(&[33, 5], step);
                wrong.view_mut("01").unwrap()[[2]] = f32::NAN;
                let refused = optimiser.step(&mut theta, &Covector(wrong), 1.0);
                assert!(matches!(refused, Err(Error::NonFiniteGradient { parameter }) if parameter == "01"));
            }
            optimiser.step(&mut theta, &Covector(space(&[33, 5], step)), 1.0).unwrap();
        }
        [bits(&theta), bits(&optimiser.state()[0]), bits(&optimiser.state()[1])]
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn seeds_and_slots_draw_their_own_numbers() {
    let run = |seed| {
        let mut theta = space(&[1000], 1);
        let configuration =
            Configuration::new(rules::adam().momentum(0.5).metric(RmsProp { beta: 0.5, epsilon: 1e-8 }), 0.1)
                .state_storage(StateStorage::Bf16 { seed });
        let mut optimiser = configuration.build(&theta).unwrap();
        // Both averages are 0.505 after this step, between two numbers of 16 bits.
        let gradient = Covector(Parameters::new([("00", Array1::from_elem(1000, 1.01_f32).into_dyn())]).unwrap());
        optimiser.step(&mut theta, &gradient, 1.0).unwrap();
        optimiser.state().iter().map(bits).collect::<Vec<_>>()
    };
    let (first, again, second) = (run(1), run(1), run(2));
    assert_eq!(first, again);
    assert_ne!(first[0], second[0]);
    let went_up = |bits: &[u32]| bits.iter().map(|number| *number == *bits.iter().max().unwrap()).collect::<Vec<_>>();
    assert_ne!(went_up(&first[0]), went_up(&first[1]));
}

/// So they do not depend on where a long tensor is halved: the elements that two tensors have in common have the same bits.
#[test]
fn the_numbers_drawn_depend_on_the_index_alone() {
    let run = |len: usize| {
        let mut theta = Parameters::from(Array1::from_elem(len, 1.0_f32));
        let gradient = Covector(Parameters::from(Array1::from_elem(len, 1.01_f32)));
        let configuration =
            Configuration::new(rules::adam().momentum(0.5).metric(RmsProp { beta: 0.5, epsilon: 1e-8 }), 0.1)
                .state_storage(NARROW[0]);
        let mut optimiser = configuration.build(&theta).unwrap();
        optimiser.step(&mut theta, &gradient, 1.0).unwrap();
        bits(&optimiser.state()[0])
    };
    let (leaf, halved, quartered) = (run(1 << 18), run((1 << 18) + 100), run((1 << 19) + 4096));
    assert_eq!(leaf, halved[..leaf.len()]);
    assert_eq!(halved, quartered[..halved.len()]);
    assert_ne!(quartered[..1 << 18], quartered[1 << 18..1 << 19]);
}

#[test]
fn a_half_beyond_the_range_is_the_last_one() {
    let mut theta = Parameters::from(Array1::from_elem(20, 1.0_f32));
    let gradient = Covector(Parameters::from(Array1::from_elem(20, -1e6_f32)));
    let mut optimiser =
        Configuration::new(rules::sgd(0.9), 1e-9).state_storage(StateStorage::F16).build(&theta).unwrap();
    optimiser.step(&mut theta, &gradient, 1.0).unwrap();
    assert!(optimiser.state()[0].iter().all(|momentum| momentum.to_bits() == (-65504.0_f32).to_bits()));
}

#[test]
fn a_state_that_is_written_is_rounded_to_nearest() {
    let theta = space(&[40], 1);
    let rule = Descent::new(Euclidean, Induced::new(Log, 0.1).coupled(Given), Ema(0.9));
    let mut optimiser = Configuration::new(rule, 0.1).state_storage(NARROW[0]).build(&theta).unwrap();
    optimiser.write_state("ambient", &theta).unwrap();
    let nearest = |number: &f32| half::bf16::from_f32(*number).to_f32().to_bits();
    let expected: Vec<u32> = theta.iter().map(nearest).collect();
    assert_eq!(bits(&optimiser.state()[1]), expected);
}

#[test]
fn a_narrow_tensor_is_looked_at_and_changed_in_full_width() {
    let mut narrow = space(&[40], 1).state_like(StateStorage::F16, 0, 0).unwrap();
    narrow.write(0, &numbers(40, 5)).unwrap();
    let halves: Vec<u32> =
        numbers(40, 5).iter().map(|number| half::f16::from_f32(*number).to_f32().to_bits()).collect();
    assert_eq!(bits(&narrow), halves);
    narrow.write(0, &[0.5; 40]).unwrap();
    assert_eq!(narrow, Parameters::new([("00", Array1::from_elem(40, 0.5_f32).into_dyn())]).unwrap());
    // 1/3 is no half.
    narrow.as_mut_slice()[3] = 1.0 / 3.0;
    assert_eq!(narrow.view("00").unwrap()[[3]].to_bits(), (1.0_f32 / 3.0).to_bits());
}

#[test]
fn who_knows_no_narrow_state_says_so() {
    let theta = space(&[3], 1);
    let refused = Configuration::new(Descent::new(Euclidean, Induced::new(Log, 0.1), Ema(0.9)), 0.1)
        .state_storage(StateStorage::F16)
        .build_whole(&theta);
    assert!(matches!(refused, Err(Error::StateStorage { storage: "f16" })));
}
