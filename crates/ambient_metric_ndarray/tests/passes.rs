//! Passes compute what a plain loop computes, at every length at which they go another way: single elements, chunks of lanes, blocks,
//! blocks side by side, halves on two threads. `cargo xtask miri` runs these under Miri, where blocks are shorter.

#![allow(clippy::expect_used, reason = "a test has nobody to return an error to")]

use ambient_metric::number::Element;
use ambient_metric::space::{Operands, StateStorage, Uniforms};
use ambient_metric::{Kernel, Real, Tensor};
use ambient_metric_ndarray::Parameters;
use ndarray::Array1;

/// An average and a step along its root, of three tensors: as many operations as a rule has.
#[derive(Clone)]
struct Walk;

impl Kernel for Walk {
    type Uniform<S: Real> = [S; 2];
    type Input<S: Real> = [S; 3];
    type Output<S: Real> = [S; 2];

    fn evaluate<S: Real>(&self, [eta, beta]: [S; 2], [x, rho, l]: [S; 3]) -> [S; 2] {
        let rho = beta * rho + l * l;
        [x - eta * l / (rho.sqrt() + S::one()), rho]
    }
}

/// What was in the target does not count.
#[derive(Clone)]
struct Replace;

impl Kernel for Replace {
    type Uniform<S: Real> = ();
    type Input<S: Real> = [S; 3];
    type Output<S: Real> = [S; 2];

    fn evaluate<S: Real>(&self, (): (), [_, rho, l]: [S; 3]) -> [S; 2] {
        [l + l, rho + l]
    }
}

/// x l, ρ l² and one, to be summed.
#[derive(Clone)]
struct Sums;

impl Kernel for Sums {
    type Uniform<S: Real> = ();
    type Input<S: Real> = [S; 3];
    type Output<S: Real> = [S; 3];

    fn evaluate<S: Real>(&self, (): (), [x, rho, l]: [S; 3]) -> [S; 3] {
        [x * l, rho * l * l, S::one()]
    }
}

/// Lengths around the ends of chunks, blocks, runs of blocks and leaves; as long in blocks under Miri as elsewhere in leaves.
fn lengths() -> Vec<usize> {
    let block = if cfg!(miri) { 32 } else { 4096 };
    let leaf = if cfg!(miri) { 10 } else { 64 } * block;
    vec![
        1,
        2,
        15,
        16,
        17,
        33,
        block - 1,
        block,
        block + 18,
        4 * block,
        5 * block + 5,
        leaf,
        leaf + 1,
        2 * leaf + block + 19,
    ]
}

fn number<E: Element>(index: usize, seed: usize) -> E {
    E::constant(((index * 7 + seed) % 31 + 1) as f64 / 16.0)
}

fn numbers<E: Element>(len: usize, seed: usize) -> Vec<E> {
    (0..len).map(|index| number(index, seed)).collect()
}

fn updates_are_the_bits_of_a_loop<E: Element + core::fmt::Debug>(eta: E::Wide, beta: E::Wide) {
    for len in lengths() {
        let (x, rho, l) = (numbers::<E>(len, 1), numbers::<E>(len, 2), numbers::<E>(len, 3));
        let parameters = |numbers: &Vec<E>| Parameters::from(Array1::from(numbers.clone()));
        let (mut target, mut companions, read) = (parameters(&x), [parameters(&rho)], parameters(&l));
        Parameters::update(&Walk, Uniforms::same(&[eta, beta]), &mut target, &mut companions, &[&read])
            .expect("the operands fit the kernel");
        for index in 0..len {
            let expected = Walk.evaluate([E::narrow(eta), E::narrow(beta)], [x[index], rho[index], l[index]]);
            let found = [target.as_slice()[index], companions[0].as_slice()[index]];
            assert_eq!(found, expected, "element {index} of {len}");
        }
    }
}

#[test]
fn updates_are_the_bits_of_a_loop_in_f32() {
    updates_are_the_bits_of_a_loop::<f32>(0.1, 0.9);
}

#[test]
fn updates_are_the_bits_of_a_loop_in_f64() {
    updates_are_the_bits_of_a_loop::<f64>(0.1, 0.9);
}

/// Every tensor once in 16 bits: the results are those of a loop over numbers that are rounded before and after.
#[test]
fn narrow_tensors_are_read_and_written_as_by_a_loop() {
    let round = |number: f32| half::f16::from_f32(number).to_f32();
    for len in lengths() {
        for narrow in 0..3 {
            let mut tensors = [1, 2, 3].map(|seed| Parameters::from(Array1::from(numbers::<f32>(len, seed))));
            let halves = tensors[narrow].as_slice().to_vec();
            tensors[narrow] = tensors[narrow].state_like(StateStorage::F16, 0, 0).expect("there is memory");
            tensors[narrow].write(0, &halves).expect("the part is there");
            let [mut target, companion, read] = tensors;
            let mut companions = [companion];

            let mut totals = [[0.0; 3]];
            let operands = Operands { target: &target, companions: &companions, reads: &[&read] };
            Parameters::sum(&Sums, Uniforms::same(&()), operands, &mut totals).expect("the operands fit the kernel");
            let uniforms = Uniforms::same(&[0.1, 0.9]);
            Parameters::update(&Walk, uniforms, &mut target, &mut companions, &[&read])
                .expect("the operands fit the kernel");

            let mut sums = [0.0; 3];
            let stored = |slot: usize, number: f32| if slot == narrow { round(number) } else { number };
            for index in 0..len {
                // Multiples of 1/16 below 2 are halves.
                let input = [1, 2, 3].map(|seed| number::<f32>(index, seed));
                for (sum, number) in sums.iter_mut().zip(Sums.evaluate((), input)) {
                    *sum += f64::from(number);
                }
                let [x, rho] = Walk.evaluate([0.1, 0.9], input);
                let found = [target.as_slice()[index], companions[0].as_slice()[index]].map(f32::to_bits);
                let expected = [stored(0, x), stored(1, rho)].map(f32::to_bits);
                assert_eq!(found, expected, "element {index} of {len}, tensor {narrow} narrow");
            }
            // Multiples of 2⁻¹² below 8: up to 256 of them are added exactly in `f32`, and all in `f64`.
            assert_eq!(totals, [sums], "{len} elements, tensor {narrow} narrow");

            let before = companions[0].as_slice().to_vec();
            Parameters::update(&Replace, Uniforms::same(&()), &mut target, &mut companions, &[&read])
                .expect("the operands fit the kernel");
            for (index, rho) in before.into_iter().enumerate() {
                let [x, rho] = Replace.evaluate((), [0.0, rho, number(index, 3)]);
                let found = [target.as_slice()[index], companions[0].as_slice()[index]].map(f32::to_bits);
                let expected = [stored(0, x), stored(1, rho)].map(f32::to_bits);
                assert_eq!(found, expected, "element {index} of {len} replaced");
            }
        }
    }
}

#[test]
fn sums_are_those_of_a_loop() {
    for len in lengths() {
        let [x, rho, l] = [1, 2, 3].map(|seed| Parameters::from(Array1::from(numbers::<f64>(len, seed))));
        let mut totals = [[0.0; 3]];
        let operands = Operands { target: &x, companions: &[], reads: &[&rho, &l] };
        Parameters::sum(&Sums, Uniforms::same(&()), operands, &mut totals).expect("the operands fit the kernel");
        let mut expected = [0.0, 0.0, len as f64];
        for ((x, rho), l) in x.iter().zip(rho.iter()).zip(l.iter()) {
            expected[0] += x * l;
            expected[1] += rho * l * l;
        }
        // Multiples of 2⁻¹² below 8 of each: so many of them are added without rounding, in any order.
        assert_eq!(totals, [expected], "{len} elements");
    }
}
