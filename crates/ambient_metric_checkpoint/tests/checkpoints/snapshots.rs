//! Snapshots to test with.
#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]

use ambient_metric::any::{AnyOptimiser, AnyRule};
use ambient_metric::space::StateStorage;
use ambient_metric::{Configuration, Covector};
use ambient_metric_checkpoint::{Dtype, SavedTensor, Snapshot};
use ambient_metric_ndarray::Parameters;
use ambient_metric_ndarray::ndarray::{ArrayD, IxDyn, array};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Every type of elements that the format has.
pub const DTYPES: [Dtype; 22] = [
    Dtype::BOOL,
    Dtype::F4,
    Dtype::F6_E2M3,
    Dtype::F6_E3M2,
    Dtype::U8,
    Dtype::I8,
    Dtype::F8_E5M2,
    Dtype::F8_E4M3,
    Dtype::F8_E8M0,
    Dtype::F8_E4M3FNUZ,
    Dtype::F8_E5M2FNUZ,
    Dtype::I16,
    Dtype::U16,
    Dtype::F16,
    Dtype::BF16,
    Dtype::I32,
    Dtype::U32,
    Dtype::F32,
    Dtype::C64,
    Dtype::F64,
    Dtype::I64,
    Dtype::U64,
];

/// Rules of every kind: classical, on surfaces, of several state slots, clipped, over whole tensors.
pub const RULES: [&str; 8] = [
    "sgd",
    "adamw",
    "rmsprop(xi=0.1)",
    "induced(rmsprop(beta=0.99), log1p, xi=0.1, beta=0.8) + ema(0.9)",
    "induced(adagrad, log, hyperbolic) + nesterov",
    "induced(euclidean, identity, along_gradient(0.1), xi=0.2) + ema(0.5)",
    "muon",
    "induced(kronecker, log1p, xi=0.1) + ema(0.9)",
];

/// An optimiser of a rule after some steps, and its parameters.
pub fn stepped(
    rule: &str,
    storage: StateStorage,
    steps: usize,
) -> (Parameters<f32>, Box<dyn AnyOptimiser<Parameters<f32>>>) {
    let parts = [("b", array![[0.5_f32], [-1.0]].into_dyn()), ("w", array![[1.0, 2.0], [3.0, 4.5]].into_dyn())];
    let mut theta = Parameters::new(parts).unwrap();
    let configuration = Configuration::new(rule.parse::<AnyRule>().unwrap(), 0.01).state_storage(storage);
    let mut optimiser = configuration.build_any(&theta).unwrap();
    step(&mut *optimiser, &mut theta, steps);
    (theta, optimiser)
}

/// Steps on L = |θ|²/2.
pub fn step(optimiser: &mut dyn AnyOptimiser<Parameters<f32>>, theta: &mut Parameters<f32>, steps: usize) {
    for _ in 0..steps {
        let loss = theta.iter().map(|x| f64::from(x * x)).sum::<f64>() / 2.0;
        optimiser.step(theta, &Covector(theta.clone()), loss).unwrap();
    }
}

/// A snapshot of a rule after some steps.
pub fn with_rule(snapshot: Snapshot, name: &str, rule: &str, storage: StateStorage, steps: usize) -> Snapshot {
    let (theta, optimiser) = stepped(rule, storage, steps);
    let checkpoint = optimiser.checkpoint().unwrap().with_rule(rule.parse::<AnyRule>().unwrap());
    snapshot.with_parameters(name, &theta).unwrap().with_optimiser(name, checkpoint).unwrap()
}

/// One with something of everything, in few bytes: the text has a sign that JSON writes in digits of which some are letters.
pub fn small() -> Snapshot {
    let mut theta = Parameters::from(array![0.5_f32, -1.0]);
    let rule: AnyRule = "induced(rmsprop, log1p, xi=0.1, beta=0) + ema(0.9)".parse().unwrap();
    let mut optimiser = Configuration::new(rule.clone(), 0.01).build_any(&theta).unwrap();
    step(&mut *optimiser, &mut theta, 1);
    Snapshot::new()
        .with_parameters("line", &theta)
        .and_then(|snapshot| snapshot.with_optimiser("line", optimiser.checkpoint()?.with_rule(rule)))
        .and_then(|snapshot| snapshot.with_value("text", &"\u{1f}\u{c}".to_owned()))
        .and_then(|snapshot| snapshot.with_value("random", &ChaCha8Rng::seed_from_u64(7)))
        .and_then(|snapshot| snapshot.with_tensor("mask", SavedTensor::new(Dtype::U8, vec![3], b"   ".to_vec())?))
        .unwrap()
}

/// A tensor of any type, with any bytes: NaNs of every payload are among them.
pub fn tensors() -> impl Strategy<Value = SavedTensor> {
    let shape = prop::collection::vec(0..4_usize, 0..4);
    (prop::sample::select(DTYPES.to_vec()), shape, prop::collection::vec(any::<u8>(), 216)).prop_map(
        |(dtype, mut shape, mut bytes)| {
            // Elements that are narrower than a byte come in eights.
            if dtype.bitsize() % 8 != 0 {
                shape.push(8);
                bytes.extend_from_within(..);
            }
            bytes.truncate(shape.iter().product::<usize>() * dtype.bitsize() / 8);
            SavedTensor::new(dtype, shape, bytes).unwrap()
        },
    )
}

/// Parameters of any bits.
pub fn parameters() -> impl Strategy<Value = Parameters<f32>> {
    let part = (".{0,6}", prop::collection::vec(any::<u32>(), 1..5));
    prop::collection::btree_map(part.0, part.1, 1..4).prop_map(|parts| {
        let arrays = parts.into_iter().map(|(name, bits)| {
            let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
            (name, ArrayD::from_shape_vec(IxDyn(&[values.len()]), values).unwrap())
        });
        Parameters::new(arrays).unwrap()
    })
}

/// Any snapshot.
pub fn snapshots() -> impl Strategy<Value = Snapshot> {
    let texts = prop::collection::btree_map(".{0,6}", ".{0,9}", 0..4);
    let tensors = prop::collection::btree_map(".{0,6}", tensors(), 0..5);
    let sets = prop::collection::btree_map(".{0,6}", parameters(), 0..3);
    let rules = prop::collection::btree_map("[a-z/%]{1,3}", prop::sample::select(RULES.to_vec()), 0..2);
    (texts, tensors, sets, rules).prop_map(|(texts, tensors, sets, rules)| {
        let mut snapshot = Snapshot::new();
        for (name, text) in texts {
            snapshot = snapshot.with_value(&name, &text).unwrap();
        }
        for (name, tensor) in tensors {
            snapshot = snapshot.with_tensor(&name, tensor).unwrap();
        }
        for (name, parameters) in sets {
            snapshot = snapshot.with_parameters(&format!("set {name}"), &parameters).unwrap();
        }
        for (name, rule) in rules {
            snapshot = with_rule(snapshot, &name, rule, StateStorage::Full, 2);
        }
        snapshot
    })
}
