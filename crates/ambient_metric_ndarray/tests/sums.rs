//! Sums in a fixed order: the same bits whoever adds, and an error that does not grow with their number.

#![allow(clippy::expect_used, reason = "a test has nobody to return an error to")]

use ambient_metric::number::Element;
use ambient_metric::space::{Operands, StateStorage, Uniforms};
use ambient_metric::{Configuration, Covector, Kernel, Real, Rule, Tensor, rules};
use ambient_metric_conformance::compensated_sum;
use ambient_metric_ndarray::Parameters;
use ndarray::Array1;
use proptest::prelude::*;

/// Three leaves of 2¹⁸ elements, whole blocks, whole chunks and single elements.
const LEN: usize = 3 * (1 << 18) + 5 * 4096 + 3 * 16 + 7;

/// Numbers in (0, 1] without a pattern that blocks could hide.
fn numbers(len: usize) -> impl Iterator<Item = f32> {
    (0..len).map(|index| {
        let scrambled = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        (scrambled + 1) as f32 / (1 << 24) as f32
    })
}

/// The bits of θ, and then of the state, after 50 steps on `threads` threads, from the loss |θ|²/2.
fn run<R: Rule + Clone + Send>(rule: &R, storage: StateStorage, threads: usize) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("so few threads can be had");
    pool.install(|| {
        let mut theta = Parameters::from(Array1::from_iter(numbers(LEN)));
        let configuration = Configuration::new(rule.clone(), 0.01).state_storage(storage);
        let mut optimiser = configuration.build(&theta).expect("the constants are in range");
        for _ in 0..50 {
            let gradient = Covector(theta.clone());
            optimiser.step(&mut theta, &gradient, 1.5).expect("the gradient is finite");
        }
        core::iter::once(&theta).chain(optimiser.state()).flat_map(Parameters::iter).map(|x| x.to_bits()).collect()
    })
}

#[test]
fn runs_are_the_same_bits_on_any_number_of_threads() {
    fn same<R: Rule + Clone + Send>(rule: &R, storage: StateStorage) {
        let one = run(rule, storage, 1);
        for threads in [2, 3, 16] {
            assert!(one == run(rule, storage, threads), "{} in {} on {threads} threads", rule.name(), storage.name());
        }
    }
    for storage in [StateStorage::Full, StateStorage::F16] {
        same(&rules::euclidean_log(1e-5), storage);
    }
    for storage in [StateStorage::Full, StateStorage::Bf16 { seed: 1 }] {
        same(&rules::rmsprop(1e-5), storage);
    }
}

/// x, to be summed.
#[derive(Clone)]
struct Total;

impl Kernel for Total {
    type Uniform<S: Real> = ();
    type Input<S: Real> = S;
    type Output<S: Real> = S;

    fn evaluate<S: Real>(&self, (): (), x: S) -> S {
        x
    }
}

fn total<E: Element<Wide = f64>>(parameters: &Parameters<E>) -> f64 {
    let mut total = [0.0];
    let operands = Operands { target: parameters, companions: &[], reads: &[] };
    Parameters::sum(&Total, Uniforms::same(&()), operands, &mut total).expect("the operand fits the kernel");
    let [total] = total;
    total
}

/// The relative error of a sum of `f32` of one sign. A lane adds at most 256 of them, the first to zero, so by the standard bound
/// for n − 1 rounded additions it is off by at most 255u / (1 − 255u) of itself with u = 2⁻²⁴, and so is any sum of lanes. Lanes are
/// added in `f64`: 64 to a block, 64 blocks to a leaf, leaves by halves, so at most 200 additions deep, with 2⁻⁵³ each.
fn bound() -> f64 {
    let lane = 255.0 / f64::from(1 << 24);
    lane / (1.0 - lane) + 200.0 * f64::EPSILON
}

#[test]
fn a_long_sum_of_one_sign_is_within_its_bound() {
    for len in [1 << 20, 1 << 28] {
        let parameters = Parameters::from(Array1::from_iter(numbers(len)));
        let exact = compensated_sum(parameters.iter().map(|x| f64::from(*x)));
        let error = (total(&parameters) - exact).abs() / exact;
        assert!(error <= bound(), "{len} numbers: off by {error:e}, allowed {:e}", bound());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sums_of_any_length_are_within_their_bound(len in 1..40_000_usize) {
        let parameters = Parameters::from(Array1::from_iter(numbers(len)));
        let exact = compensated_sum(parameters.iter().map(|x| f64::from(*x)));
        prop_assert!((total(&parameters) - exact).abs() <= bound() * exact);
    }

    #[test]
    fn sums_do_not_depend_on_how_elements_are_split_into_tensors(cuts in prop::collection::vec(0..300_000_usize, 0..9)) {
        let elements: Vec<f32> = numbers(300_000).collect();
        let whole = total(&Parameters::from(Array1::from(elements.clone())));
        let mut cuts = cuts;
        cuts.extend([0, elements.len()]);
        cuts.sort_unstable();
        let parts = cuts.windows(2).enumerate().map(|(index, cut)| {
            (format!("{index:02}"), Array1::from(elements[cut[0]..cut[1]].to_vec()).into_dyn())
        });
        let split = Parameters::new(parts).expect("the names differ");
        prop_assert_eq!(whole.to_bits(), total(&split).to_bits());
    }
}
