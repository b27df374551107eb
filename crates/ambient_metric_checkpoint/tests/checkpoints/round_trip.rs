//! What is saved is what is read, to the bit, and the same content makes the same bytes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test says no")]

use ambient_metric::any::AnyRule;
use ambient_metric::optimiser::{Cosine, Then, WarmUp};
use ambient_metric::space::{Numbers, StateStorage};
use ambient_metric::{Configuration, Schedule, rules};
use ambient_metric_checkpoint::{Dtype, Problem, SavedTensor, Snapshot};
use ambient_metric_ndarray::Parameters;
use ambient_metric_ndarray::ndarray::{Array1, array};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::snapshots::{DTYPES, RULES, parameters, small, snapshots, step, stepped, tensors, with_rule};

fn bits(theta: &Parameters<f32>) -> Vec<u32> {
    theta.iter().map(|x| x.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_snapshot_comes_back(snapshot in snapshots()) {
        let bytes = snapshot.to_bytes().unwrap();
        let back = Snapshot::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&back, &snapshot);
        prop_assert_eq!(back.to_bytes().unwrap(), bytes);
    }

    #[test]
    fn tensors_of_every_type_come_back_to_the_bit(tensor in tensors(), name in ".{0,9}") {
        let bytes = Snapshot::new().with_tensor(&name, tensor.clone()).unwrap().to_bytes().unwrap();
        let back = Snapshot::from_bytes(&bytes).unwrap();
        prop_assert_eq!(back.tensor(&name).unwrap(), &tensor);
    }

    #[test]
    fn parameters_come_back_to_the_bit(theta in parameters(), name in ".{0,9}", wide in prop::collection::vec(any::<u64>(), 1..9)) {
        let wide = Parameters::from(Array1::from_iter(wide.into_iter().map(f64::from_bits)));
        let snapshot = Snapshot::new().with_parameters(&name, &theta).unwrap();
        let bytes = snapshot.with_parameters("wide/set", &wide).map_err(|error| error.problem);
        // The one name that is taken.
        prop_assume!(name != "wide/set");
        let back = Snapshot::from_bytes(&bytes.unwrap().to_bytes().unwrap()).unwrap();
        let mut loaded = theta.clone();
        loaded.iter_mut().for_each(|x| *x = 0.0);
        back.load_parameters(&name, &mut loaded).unwrap();
        prop_assert_eq!(bits(&loaded), bits(&theta));
        let mut loaded = wide.clone();
        loaded.iter_mut().for_each(|x| *x = 0.0);
        back.load_parameters("wide/set", &mut loaded).unwrap();
        let bits = |theta: &Parameters<f64>| theta.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&loaded), bits(&wide));
    }

    /// Also where the state is stored in 16 bits; the file then has it in as many.
    #[test]
    fn an_optimiser_goes_on_to_the_same_bits(rule in prop::sample::select(RULES.to_vec()), before in 0..4_usize, after in 1..4_usize) {
        let is_whole = rule.contains("muon") || rule.contains("kronecker");
        let narrow = StateStorage::Bf16 { seed: 3 };
        for storage in [StateStorage::Full, narrow].into_iter().take(if is_whole { 1 } else { 2 }) {
            let bytes = with_rule(Snapshot::new(), "net", rule, storage, before).to_bytes().unwrap();
            let back = Snapshot::from_bytes(&bytes).unwrap();
            let (mut theta, _) = stepped(rule, storage, 0);
            back.load_parameters("net", &mut theta).unwrap();
            let mut resumed = back.optimiser::<AnyRule>("net").unwrap().restore_any(&theta).unwrap();
            step(&mut *resumed, &mut theta, after);
            prop_assert_eq!(bits(&theta), bits(&stepped(rule, storage, before + after).0), "{} {:?}", rule, storage);
            let expected = if storage == narrow { Dtype::BF16 } else { Dtype::F32 };
            for (name, state) in back.tensors().filter(|(name, _)| name.starts_with("optimiser/")) {
                prop_assert_eq!(state.dtype(), expected, "{}", name);
            }
        }
    }

    #[test]
    fn the_order_in_which_things_are_put_in_does_not_matter(
        values in prop::collection::btree_map(".{0,4}", any::<u32>(), 4),
        tensors in prop::collection::btree_map(".{0,4}", tensors(), 4),
        order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let put = |order: &[usize]| {
            let put_one = |snapshot: Snapshot, index: &usize| match index.checked_sub(4) {
                None => values.iter().nth(*index).map(|(name, value)| snapshot.with_value(name, value)).unwrap().unwrap(),
                Some(index) => {
                    let (name, tensor) = tensors.iter().nth(index).unwrap();
                    snapshot.with_tensor(name, tensor.clone()).unwrap()
                }
            };
            order.iter().fold(Snapshot::new(), put_one).to_bytes().unwrap()
        };
        prop_assert_eq!(put(&order), put(&[0, 1, 2, 3, 4, 5, 6, 7]));
    }

    #[test]
    fn schedules_and_random_generators_are_values(seed in any::<u64>(), drawn in 0..100_usize, rate in 0.0..2.0_f64) {
        let schedule = Cosine { from: rate, to: rate / 3.0, steps: 9 }.warm_up(3).then(12, Cosine { from: 0.1, to: 0.0, steps: 4 });
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..drawn {
            random.random::<u32>();
        }
        let snapshot = Snapshot::new().with_value("schedule", &schedule).unwrap().with_value("random", &random).unwrap();
        let back = Snapshot::from_bytes(&snapshot.to_bytes().unwrap()).unwrap();
        prop_assert_eq!(back.value::<Then<WarmUp<Cosine>, Cosine>>("schedule").unwrap(), schedule);
        prop_assert_eq!(back.value::<ChaCha8Rng>("random").unwrap().random::<u64>(), random.random::<u64>());
    }
}

/// The strategy above draws from all of them, which a run need not show.
#[test]
fn every_type_has_a_tensor() {
    for dtype in DTYPES {
        let tensor = SavedTensor::new(dtype, vec![8], (0..=u8::MAX).take(dtype.bitsize()).collect()).unwrap();
        let bytes = Snapshot::new().with_tensor("t", tensor.clone()).unwrap().to_bytes().unwrap();
        assert_eq!(Snapshot::from_bytes(&bytes).unwrap().tensor("t").unwrap(), &tensor);
        let is_number = matches!(dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64);
        assert_eq!(tensor.numbers().is_some(), is_number);
    }
}

#[test]
fn a_typed_rule_is_saved_like_a_chosen_one() {
    let theta = Parameters::from(array![1.0_f64, 2.0]);
    let checkpoint = Configuration::new(rules::adam(), 0.1).build(&theta).unwrap().checkpoint().unwrap();
    let snapshot = Snapshot::new().with_optimiser("adam", checkpoint.clone()).unwrap();
    let back = Snapshot::from_bytes(&snapshot.to_bytes().unwrap()).unwrap();
    assert_eq!(back.optimiser::<rules::AdamW>("adam").unwrap(), checkpoint);
    let other = back.optimiser::<rules::Sgd>("adam").map_err(|error| error.problem);
    assert!(matches!(other, Err(Problem::Text { name, .. }) if name == "adam"));
}

#[test]
fn a_network_and_its_adversary_have_an_optimiser_each() {
    let snapshot = with_rule(Snapshot::new(), "network", "adamw", StateStorage::Full, 3);
    let snapshot = with_rule(snapshot, "adversary/1", "sgd", StateStorage::Full, 2);
    // A name that begins with another's.
    let snapshot = with_rule(snapshot, "adversary", "rmsprop", StateStorage::Full, 1);
    let back = Snapshot::from_bytes(&snapshot.to_bytes().unwrap()).unwrap();
    let steps = |name| back.optimiser::<AnyRule>(name).map(|checkpoint| checkpoint.steps).unwrap();
    assert_eq!([steps("network"), steps("adversary/1"), steps("adversary")], [3, 2, 1]);
}

#[test]
fn what_is_taken_missing_or_of_another_kind_is_refused_by_name() {
    let small = small();
    let problem = |result: Result<(), ambient_metric_checkpoint::Error>| result.unwrap_err().problem;
    let mask = || small.tensor("mask").unwrap().clone();
    for taken in [
        small.clone().with_tensor("mask", mask()).map(drop),
        small.clone().with_value("text", &1).map(drop),
        small.clone().with_parameters("line", &Parameters::from(array![1.0_f32])).map(drop),
        small.clone().with_optimiser("line", small.optimiser::<AnyRule>("line").unwrap()).map(drop),
    ] {
        assert!(matches!(problem(taken), Problem::Taken { .. }));
    }
    for (missing, there) in [
        (small.tensor("musk").map(drop), "mask"),
        (small.value::<u32>("test").map(drop), "random"),
        (small.optimiser::<AnyRule>("lane").map(drop), "line"),
        (small.parameters("lane").map(drop), "line"),
    ] {
        let missing = missing.unwrap_err();
        assert!(missing.to_string().contains(&format!("there is `{there}")), "{missing}");
    }
    let mut theta = Parameters::from(array![7.0_f64, 8.0]);
    let width = problem(small.load_parameters("line", &mut theta));
    assert!(matches!(width, Problem::Elements { expected: "f64", found: Dtype::F32, .. }));
    assert_eq!(theta.as_slice(), [7.0, 8.0]);
    let mut theta = Parameters::from(array![7.0_f32, 8.0, 9.0]);
    let shape = problem(small.load_parameters("line", &mut theta));
    assert!(matches!(shape, Problem::Fit(ambient_metric::Error::Shape { .. })));
    assert_eq!(theta.as_slice(), [7.0, 8.0, 9.0]);
    let bytes = SavedTensor::of(&Numbers::F32(vec![1.0]), vec![2]).unwrap_err().problem;
    assert!(matches!(bytes, Problem::Bytes { dtype: Dtype::F32, bytes: 4, .. }));
    let overflow = SavedTensor::new(Dtype::F64, vec![1 << 62, 8], vec![]).unwrap_err().problem;
    assert!(matches!(overflow, Problem::Bytes { .. }));
}
