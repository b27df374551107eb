//! Programs compute what walking the graph computes, number by number, for every operation and every order of places.

use ambient_metric::number::Element;
use ambient_metric::{Error, Kernel, Real};
use ambient_metric_cpu::{Executed, Program, Recorded, StepRates};
use ambient_metric_trace::Recording;
use proptest::prelude::*;

/// Every operation there is, with operands in every place: inputs, uniforms, results that are read again, and results that are not.
#[derive(Clone)]
struct Everything;

impl Kernel for Everything {
    type Uniform<S: Real> = [S; 2];
    type Input<S: Real> = [S; 5];
    type Output<S: Real> = [S; 4];

    fn evaluate<S: Real>(&self, [a, b]: [S; 2], [x, y, z, w, v]: [S; 5]) -> [S; 4] {
        let both = a * x + b * y;
        let apart = (x * y - z * a) * (z * b - x);
        let root = (both * both + S::one()).sqrt();
        let chosen = S::select(both.less(apart) | !x.equal(y), root, S::select(y.less(x) & x.less(z), apart, w));
        let smooth =
            v.tanh() + (x * b).sin() + (z.abs() + S::one()).ln() + (w * a).exp().minimum(y).maximum(x) + y.sign();
        let quotient = (chosen / root - b / root) / (S::constant(2.0) + chosen * chosen);
        let power = (root.power(1.5) - root).flushed() + root.power(3.0) - both.floor();
        // The second and the third output change places with inputs.
        [quotient + smooth * a - chosen, z, y, power - x]
    }
}

fn numbers<E: Element>(len: usize, shift: f64) -> Vec<E> {
    (0..len).map(|index| E::constant((index as f64 * 0.7 + shift).sin() * 2.0)).collect()
}

fn same<E: Element>(found: E, expected: E) -> bool {
    found.to_f64().to_bits() == expected.to_f64().to_bits() || found.to_f64().is_nan() && expected.to_f64().is_nan()
}

fn computes<E: Element<Wide = f64>>(len: usize, uniforms: [f64; 2]) -> Result<(), TestCaseError> {
    let recording = Recording::update(&Everything);
    let mut program = Program::<E>::update(&recording).expect("it has places");
    program.uniforms(&uniforms).expect("there are two");
    let before: Vec<Vec<E>> = (0..5).map(|slot| numbers(len, f64::from(slot))).collect();
    let mut after = before.clone();
    let (written, read) = after.split_at_mut(4);
    let mut targets: Vec<&mut [E]> = written.iter_mut().map(Vec::as_mut_slice).collect();
    program.store(&mut targets, &[&read[0]]).expect("the lengths are one");
    let narrow = uniforms.map(E::narrow);
    let mut totals = [0.0; 4];
    for index in 0..len {
        let inputs: Vec<E> = before.iter().map(|numbers| numbers[index]).collect();
        let expected = recording.evaluate(&narrow, &inputs);
        for (slot, expected) in expected.iter().enumerate() {
            let found = after[slot][index];
            prop_assert!(
                same(found, *expected),
                "output {} of element {} of {}: {:?} and {:?}",
                slot,
                index,
                len,
                found,
                expected
            );
            totals[slot] += expected.to_f64();
        }
    }
    let mut program = Program::<E>::sums(&Recording::kernel(&Everything)).expect("it has places");
    program.uniforms(&uniforms).expect("there are two");
    let inputs: Vec<&[E]> = before.iter().map(Vec::as_slice).collect();
    let mut found = [0.0; 4];
    program.sum(&inputs, &mut found).expect("the lengths are one");
    for (found, expected) in found.into_iter().zip(totals) {
        // At most 256 numbers are added in the type itself, each of size below 100.
        let epsilon = if size_of::<E>() == 4 { f64::from(f32::EPSILON) } else { f64::EPSILON };
        prop_assert!(
            (found - expected).abs() <= 256.0 * epsilon * 100.0 * (1.0 + len as f64)
                || found.is_nan() && expected.is_nan()
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 100 }))]

    #[test]
    fn programs_compute_what_the_graph_says(len in 0..(if cfg!(miri) { 70_usize } else { 600 }), a in -2.0..2.0_f64, b in -2.0..2.0_f64) {
        computes::<f32>(len, [a, b])?;
        computes::<f64>(len, [a, b])?;
    }
}

#[test]
fn slices_that_do_not_fit_are_refused() {
    let mut program = Program::<f32>::update(&Recording::update(&Everything)).expect("it has places");
    assert!(matches!(program.uniforms(&[1.0]), Err(Error::Operands { expected: 2, found: 1 })));
    let (mut a, mut b, mut c, mut d) = ([1.0], [1.0], [1.0], [1.0]);
    let short = program.store(&mut [&mut a, &mut b, &mut c, &mut d], &[&[]]);
    assert!(matches!(short, Err(Error::Shape { name, .. }) if name == "4"));
    assert!(matches!(program.store(&mut [&mut a], &[]), Err(Error::Outputs { expected: 4, found: 1 })));
    assert!(matches!(program.sum(&[&a], &mut []), Err(Error::Operands { .. })));
}

/// One kernel with more numbers that are needed at the same time than there are places.
#[derive(Clone)]
struct Wide;

impl Kernel for Wide {
    type Uniform<S: Real> = ();
    type Input<S: Real> = [S; 2];
    type Output<S: Real> = S;

    fn evaluate<S: Real>(&self, (): (), [x, y]: [S; 2]) -> S {
        let all: Vec<S> = (0..100).map(|k| (x + S::constant(f64::from(k) + 0.5)).sqrt()).collect();
        let product = all.iter().fold(S::one(), |product, number| product * (*number + y));
        all.iter().fold(product, |sum, number| sum * *number)
    }
}

#[test]
fn a_recording_that_needs_too_many_places_is_refused() {
    let found = Program::<f64>::sums(&Recording::kernel(&Wide));
    assert!(matches!(found, Err(Error::TooMany { .. })), "{found:?}");
}

/// After the first step of a recorded rule.
#[test]
fn a_step_allocates_nothing() {
    let rule = "induced(rmsprop, log1p, along_momentum, xi=0.1) + ema"
        .parse::<ambient_metric::any::AnyRule>()
        .expect("it is a rule");
    let recorded = Recorded::of(&rule.fused().expect("it is pointwise")).expect("the constants are in range");
    for len in [1, 2, 20, 1000, 10_000] {
        let layout = ambient_metric::Layout::single("theta", vec![len]);
        let mut executed = Executed::<f32, 1>::new(&recorded, &layout).expect("it has places");
        let (mut theta, gradient) = (numbers::<f32>(len, 0.0), numbers::<f32>(len, 1.0));
        let mut step = || {
            let gradients: [&[&[f32]]; 1] = [&[&gradient]];
            executed.step(&mut [&mut theta], gradients, [0.5], &StepRates::new(1e-3, [0.1])).expect("all is finite");
        };
        step();
        let counted = allocation_counter::measure(|| (0..100).for_each(|_| step()));
        assert_eq!(counted.count_total, 0, "{len} elements");
    }
}

#[test]
fn several_parts_are_stepped_like_one() {
    let recorded = Recorded::of(&ambient_metric::rules::euclidean(0.1)).expect("in range");
    let part = |name: &str, len| ambient_metric::space::Part { name: name.to_owned(), shape: vec![len] };
    let layout = ambient_metric::Layout::new(vec![part("a", 3), part("b", 40)]).expect("the names differ");
    let mut apart = Executed::<f64, 1>::new(&recorded, &layout).expect("it has places");
    let mut together =
        Executed::<f64, 1>::new(&recorded, &ambient_metric::Layout::single("all", vec![43])).expect("it has places");
    // Multiples of 2⁻¹⁰: their squares are added exactly in any order.
    let whole: Vec<f64> = (0..43).map(|index| f64::from(index % 7) / 1024.0).collect();
    let (mut theta, mut a, mut b) = (whole.clone(), whole[..3].to_vec(), whole[3..].to_vec());
    for _ in 0..3 {
        let rates = StepRates::new(0.1, [0.1]);
        let of_all = together.step(&mut [&mut theta], [&[&whole]], [1.0], &rates).expect("all is finite");
        let of_parts =
            apart.step(&mut [&mut a, &mut b], [&[&whole[..3], &whole[3..]]], [1.0], &rates).expect("all is finite");
        assert_eq!(of_all, of_parts);
        assert_eq!(theta, [a.as_slice(), b.as_slice()].concat());
    }
    assert_eq!(
        together.state("momentum", 0).expect("it is kept")[..3],
        *apart.state("momentum", 0).expect("it is kept")
    );
    assert!(matches!(apart.state("momentum", 2), Err(Error::NoSuchPart { part: 2, parts: 2 })));
}
