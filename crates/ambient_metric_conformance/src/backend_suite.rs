//! The properties of a backend: what the [`Tensor`] trait asks, and P15 and P16. [`conformance_backend!`](crate::conformance_backend) makes a
//! test of each.
//!
//! A backend enters as a function that makes its tensors from named parts. Numbers are whole and small wherever the claim is an
//! equation, so that every order of adding them is exact in every type.

use ambient_metric::number::Element;
use ambient_metric::space::{Operands, Part, Uniforms, Wide};
use ambient_metric::{
    Bundle, Configuration, Covector, Error, Field, Kernel, Optimiser, Real, RmsProp, Rule, Tensor, rules,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::exact::Exact;
use crate::proof::Proof;
use crate::runs::{self, Make, Truth, elements};
use crate::strategies::{Trajectory, decays, trajectories};

/// How many cases of each property where nothing else is asked for.
const CASES: u32 = 24;

/// Sizes of parts: most of them small, some of several blocks and a rest.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![8 => 1..40_usize, 1 => 1..3000_usize];
    prop_oneof![7 => prop::collection::vec(size, 1..5), 1 => (9000..14_000_usize).prop_map(|size| vec![size, 3])]
}

/// Whole numbers from −4 to 4 that differ between seeds.
fn whole<E: Element>(sizes: &[usize], seed: usize) -> Vec<(Part, Vec<E>)> {
    let number = |part: usize, index: usize| {
        let mixed = (index + 31 * part + 7 * seed + 1).wrapping_mul(2_654_435_761) >> 7;
        E::constant((mixed % 9) as f64 - 4.0)
    };
    let part = |(part, &size): (usize, &usize)| {
        let layout = Part { name: format!("part{part:03}"), shape: vec![size] };
        (layout, (0..size).map(|index| number(part, index)).collect())
    };
    sizes.iter().enumerate().map(part).collect()
}

fn numbers<E: Element>(sizes: &[usize], seed: usize) -> Vec<E> {
    whole(sizes, seed).into_iter().flat_map(|(_, elements)| elements).collect()
}

fn equal<E: Element>(found: &[E], expected: &[E]) -> TestCaseResult {
    prop_assert!(found.len() == expected.len(), "{} elements in place of {}", found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        prop_assert!(found == expected, "element {}: {:?} in place of {:?}", index, found, expected);
    }
    Ok(())
}

/// Four operands with a weight each: target and companion are written.
#[derive(Clone)]
struct Weighted;

impl Kernel for Weighted {
    type Uniform<S: Real> = [S; 2];
    type Input<S: Real> = [S; 4];
    type Output<S: Real> = [S; 2];

    fn evaluate<S: Real>(&self, [a, b]: [S; 2], [x, y, z, w]: [S; 4]) -> [S; 2] {
        let [ten, hundred, thousand] = [10.0, 100.0, 1000.0].map(S::constant);
        [a * x + ten * y + hundred * z + thousand * w, b * y + ten * z + hundred * w + thousand * x]
    }
}

/// a x.
#[derive(Clone)]
struct Twice;

impl Kernel for Twice {
    type Uniform<S: Real> = S;
    type Input<S: Real> = S;
    type Output<S: Real> = S;

    fn evaluate<S: Real>(&self, a: S, x: S) -> S {
        a * x
    }
}

/// Tries a claim in a scope of its own, as the numbers may be exact ones.
fn prove<S: Strategy>(strategy: &S, claim: impl Fn(S::Value) -> TestCaseResult) -> Proof {
    Proof::of(CASES, strategy, |case| Exact::scope(|| claim(case)).map(|()| 0.0))
}

/// What was put in comes out, part by part and also after it was replaced; zeros are zero and copies are apart. Elements that are handed out
/// because they are few are the same ones.
pub fn what_is_written_is_read<T: Tensor>(make: &impl Make<T>) -> Proof {
    prove(&sizes(), |sizes| {
        let mut tensor = make(whole(&sizes, 1))?;
        prop_assert_eq!(tensor.layout().elements(), sizes.iter().sum::<usize>());
        let copy = tensor.duplicate()?;
        equal(&elements(&tensor)?, &numbers(&sizes, 1))?;
        equal(&elements(&tensor.zeros_like()?)?, &vec![Field::zero(); tensor.layout().elements()])?;
        for (part, (_, new)) in whole(&sizes, 2).into_iter().enumerate() {
            tensor.write(part, &new)?;
            equal(&tensor.read(part)?, &new)?;
        }
        equal(&elements(&tensor)?, &numbers(&sizes, 2))?;
        equal(&elements(&copy)?, &numbers(&sizes, 1))?;
        if let Some(few) = tensor.few() {
            equal(few, &numbers(&sizes, 2))?;
        }
        if let Some(few) = tensor.few_mut() {
            equal(few, &numbers(&sizes, 2))?;
            few.copy_from_slice(&numbers(&sizes, 3));
            equal(&elements(&tensor)?, &numbers(&sizes, 3))?;
        }
        Ok(())
    })
}

/// What does not fit is refused with the error that says so, and nothing is written.
pub fn what_does_not_fit_is_refused_and_nothing_is_written<T: Tensor>(make: &impl Make<T>) -> Proof {
    prove(&sizes(), |sizes| {
        let mut tensor = make(whole(&sizes, 1))?;
        let too_many = vec![Field::one(); sizes[0] + 1];
        prop_assert!(matches!(tensor.write(0, &too_many), Err(Error::Shape { .. })), "one element too many");
        prop_assert!(matches!(tensor.write(sizes.len(), &[]), Err(Error::NoSuchPart { .. })), "writing no part");
        prop_assert!(matches!(tensor.read(sizes.len()), Err(Error::NoSuchPart { .. })), "reading no part");

        let mut larger = sizes.clone();
        larger[0] += 1;
        let (other, mut companions) = (make(whole(&larger, 2))?, [make(whole(&sizes, 3))?]);
        let good = make(whole(&sizes, 4))?;
        let one = [<Wide<T> as Field>::one(); 2];
        let wrong = T::update(&Weighted, Uniforms::same(&one), &mut tensor, &mut companions, &[&good, &other]);
        prop_assert!(matches!(wrong, Err(Error::Shape { .. })), "another shape");
        let few = T::update(&Weighted, Uniforms::same(&one), &mut tensor, &mut companions, &[&good]);
        prop_assert!(matches!(few, Err(Error::Operands { expected: 4, found: 3 })), "an operand too few");
        let nowhere = Uniforms { groups: &one[..1], group_of_part: &[1] };
        let lost = T::update(&Twice, nowhere, &mut tensor, &mut [], &[]);
        prop_assert!(matches!(lost, Err(Error::Group { group: 1, groups: 1 })), "a part without uniforms");
        let unwritten = T::update(&Weighted, Uniforms::same(&one), &mut tensor, &mut [], &[&good, &good, &good]);
        prop_assert!(matches!(unwritten, Err(Error::Outputs { expected: 2, found: 1 })), "an output without a target");
        let mut totals = [<[Wide<T>; 2] as Bundle<Wide<T>>>::zero()];
        let operands = Operands { target: &tensor, companions: &companions, reads: &[&good, &other] };
        let summed = T::sum(&Weighted, Uniforms::same(&one), operands, &mut totals);
        prop_assert!(matches!(summed, Err(Error::Shape { .. })), "a sum over another shape");
        equal(&elements(&tensor)?, &numbers(&sizes, 1))?;
        equal(&elements(&companions[0])?, &numbers(&sizes, 3))
    })
}

/// A kernel sees target, companions and reads in this order, with the uniform of the part's group, and its outputs go to target and companions.
pub fn kernels_see_their_operands_in_order<T: Tensor>(make: &impl Make<T>) -> Proof {
    prove(&sizes(), |sizes| {
        let mut target = make(whole(&sizes, 1))?;
        let mut companions = [make(whole(&sizes, 2))?];
        let (z, w) = (make(whole(&sizes, 3))?, make(whole(&sizes, 4))?);
        let groups = [[1.0, 2.0], [3.0, 4.0]].map(|group| group.map(<Wide<T> as Field>::constant));
        let group_of_part: Vec<usize> = (0..sizes.len()).map(|part| part % 2).collect();
        let uniforms = Uniforms { groups: &groups, group_of_part: &group_of_part };
        T::update(&Weighted, uniforms, &mut target, &mut companions, &[&z, &w])?;
        let inputs = [1, 2, 3, 4].map(|seed| numbers::<T::Element>(&sizes, seed));
        let groups = sizes.iter().enumerate().flat_map(|(part, &size)| core::iter::repeat_n(part % 2, size));
        let outputs: Vec<[T::Element; 2]> = groups
            .enumerate()
            .map(|(index, group)| {
                let uniform = [[1.0, 2.0], [3.0, 4.0]][group].map(T::Element::constant);
                Weighted.evaluate(uniform, [0, 1, 2, 3].map(|operand: usize| inputs[operand][index]))
            })
            .collect();
        equal(&elements(&target)?, &outputs.iter().map(|output| output[0]).collect::<Vec<_>>())?;
        equal(&elements(&companions[0])?, &outputs.iter().map(|output| output[1]).collect::<Vec<_>>())?;
        equal(&elements(&z)?, &inputs[2])?;
        equal(&elements(&w)?, &inputs[3])
    })
}

/// x y and x, to be summed.
#[derive(Clone)]
struct Moments;

impl Kernel for Moments {
    type Uniform<S: Real> = S;
    type Input<S: Real> = [S; 2];
    type Output<S: Real> = [S; 2];

    fn evaluate<S: Real>(&self, scale: S, [x, y]: [S; 2]) -> [S; 2] {
        [scale * x * y, x]
    }
}

/// Every element is summed once, into the total of its group; what stood in the totals is gone.
pub fn sums_are_complete_and_per_group<T: Tensor>(make: &impl Make<T>) -> Proof {
    prove(&sizes(), |sizes| {
        let (x, y) = (make(whole(&sizes, 1))?, make(whole(&sizes, 2))?);
        let groups = [1.0, 3.0].map(<Wide<T> as Field>::constant);
        let group_of_part: Vec<usize> = (0..sizes.len()).map(|part| part % 2).collect();
        let operands = Operands { target: &x, companions: &[], reads: &[&y] };
        let mut totals = [[<Wide<T> as Field>::constant(5.0); 2]; 2];
        T::sum(&Moments, Uniforms { groups: &groups, group_of_part: &group_of_part }, operands, &mut totals)?;
        let mut expected = [[0.0_f64; 2]; 2];
        for (part, ((_, x), (_, y))) in whole::<f64>(&sizes, 1).iter().zip(&whole::<f64>(&sizes, 2)).enumerate() {
            for (x, y) in x.iter().zip(y) {
                expected[part % 2][0] += [1.0, 3.0][part % 2] * x * y;
                expected[part % 2][1] += x;
            }
        }
        for (total, expected) in totals.iter().zip(&expected) {
            equal(total, &expected.map(<Wide<T> as Field>::constant))?;
        }
        Ok(())
    })
}

/// The same sum of the same numbers has the same bits.
pub fn sums_repeat_bit_for_bit<T: Tensor>(make: &impl Make<T>) -> Proof {
    prove(&sizes(), |sizes| {
        let thirds = || {
            let parts = whole::<T::Element>(&sizes, 1).into_iter();
            let third = |elements: Vec<T::Element>| elements.into_iter().map(|x| x / Field::constant(3.0)).collect();
            make(parts.map(|(part, elements)| (part, third(elements))).collect())
        };
        let sum = |x: &T, y: &T| {
            let mut totals = [[<Wide<T> as Field>::zero(); 2]];
            let operands = Operands { target: x, companions: &[], reads: &[y] };
            T::sum(&Moments, Uniforms::same(&<Wide<T> as Field>::one()), operands, &mut totals).map(|()| totals[0])
        };
        let (first, second) = (sum(&thirds()?, &thirds()?)?, sum(&thirds()?, &thirds()?)?);
        equal(&first, &second)
    })
}

/// Rules at a gradient of zero, from a state of numbers that are nearly subnormal: no step is refused, no number of the state is ever subnormal, the last
/// of it is zero, and the parameters have moved by no more than γ⁻¹ allows.
///
/// Averages that decay by 0.9 or less are at most 16 · 0.9²⁰⁰ = 10⁻⁸ of the least normal number after 200 steps. A step is at most η times the momentum
/// over ε = 10⁻⁸; for the heavy ball, whose γ⁻¹ is 1, much less. Exact numbers have no smallest one, and nothing is claimed of them.
pub fn what_decays_ends_at_zero<T: Tensor>(make: &impl Make<T>) -> Proof {
    prove(&(prop::collection::vec(1..40_usize, 1..4), 0..4_i32), |(sizes, exponent)| {
        if T::Element::LEAST_NORMAL == 0.0 {
            return Ok(());
        }
        let rules = [
            Configuration::new(rules::rmsprop(0.1).metric(RmsProp { beta: 0.9, epsilon: 1e-8 }), 0.5),
            Configuration::new(
                rules::rmsprop(0.0).momentum(0.5).beta(0.0).metric(RmsProp { beta: 0.75, epsilon: 1e-8 }),
                0.5,
            ),
        ];
        for rule in rules {
            let (theta, zero) = (make(whole(&sizes, 1))?, make(whole(&sizes, 1))?.zeros_like()?);
            decays_to_zero(rule.build(&theta)?, theta, &Covector(zero), 2.0_f64.powi(exponent))?;
        }
        let (theta, zero) = (make(whole(&sizes, 1))?, make(whole(&sizes, 1))?.zeros_like()?);
        let heavy_ball = Configuration::new(rules::sgd(0.9), 0.5);
        decays_to_zero(heavy_ball.build(&theta)?, theta, &Covector(zero), 2.0_f64.powi(exponent))
    })
}

/// The claim of [`what_decays_ends_at_zero`] for one optimiser, whose state is written to `start` to twice `start` times the least normal number.
fn decays_to_zero<R: Rule, T: Tensor>(
    mut optimiser: Optimiser<R, T>,
    mut theta: T,
    zero: &Covector<T>,
    start: f64,
) -> TestCaseResult {
    const STEPS: usize = 200;
    let least = T::Element::LEAST_NORMAL;
    for name in <R::State<T::Element> as Bundle<T::Element>>::names() {
        let mut written = theta.zeros_like()?;
        for (index, part) in theta.layout().parts().iter().enumerate() {
            let size = |place: usize| T::Element::constant(least * start * (1.0 + (place % 8) as f64 / 8.0));
            written.write(index, &(0..part.elements()).map(size).collect::<Vec<_>>())?;
        }
        optimiser.write_state(&name, &written)?;
    }
    let before = elements(&theta)?;
    for step in 0..STEPS {
        optimiser.step(&mut theta, zero, <Wide<T> as Field>::one())?;
        let is_last = step + 1 == STEPS;
        for slot in optimiser.state() {
            for x in elements(slot)? {
                let size = x.to_f64().abs();
                prop_assert!(size == 0.0 || size >= least && !is_last, "{:?} after step {}", x, step + 1);
            }
        }
    }
    let allowed = 0.5 * STEPS as f64 * 2.0 * start * least / 1e-8;
    for (before, after) in before.iter().zip(elements(&theta)?) {
        let moved = (after.to_f64() - before.to_f64()).abs();
        prop_assert!(moved <= allowed, "{:?} became {:?}", before, after);
    }
    Ok(())
}

/// Runs of the induced rule with the logarithm, which has no roots, end where those of the reference in `f64` do, up to rounding.
pub fn p16_runs_agree_with_the_reference<T: Tensor>(make: &impl Make<T>) -> Proof {
    let cases = (trajectories(70, 4, 0.5..5.0, -3..4), 0.0..2.0_f64, decays(), decays());
    Proof::of(CASES, &cases, |(run, xi, momentum, beta)| {
        let configured =
            |xi| Configuration::new(rules::euclidean_log(xi).momentum(momentum).beta(beta), 0.1).weight_decay(0.01);
        Exact::scope(|| runs::agrees_with_the_reference(&configured(xi), &configured(0.0), &run, make, Truth::Double))
    })
}

/// One step of the induced rule over RMSprop with constants at which its root is a fraction agrees with the reference, up to rounding.
pub fn p16_a_step_over_rmsprop_agrees_with_the_reference<T: Tensor>(make: &impl Make<T>) -> Proof {
    Proof::of(CASES, &(trajectories(70, 1, 0.5..5.0, -3..4), 0.0..2.0_f64), |(run, xi)| {
        let metric = RmsProp { beta: 0.75, epsilon: 0.5 };
        let configured = |xi| Configuration::new(rules::rmsprop(xi).momentum(0.75).beta(0.5).metric(metric), 0.125);
        Exact::scope(|| runs::agrees_with_the_reference(&configured(xi), &configured(0.0), &run, make, Truth::Double))
    })
}

/// Cutting the parameters into parts changes a run by no more than twice the rounding of either.
pub fn p15_splitting_changes_nothing_but_rounding<T: Tensor>(make: &impl Make<T>) -> Proof {
    let cases = (trajectories(70, 3, 0.5..5.0, -3..4), 0.0..2.0_f64);
    Proof::of(CASES, &cases, |(run, xi)| {
        Exact::scope(|| {
            let configured =
                |xi| Configuration::new(rules::euclidean_log(xi).momentum(0.75).beta(0.5), 0.125).weight_decay(0.25);
            let run: Trajectory = run.rounded::<T::Element>();
            let bounds = runs::rounding_bounds::<_, T::Element>(&configured(xi), &configured(0.0), &run)?;
            let cut = runs::run(&configured(xi), &run, make)?;
            let whole = runs::run(&configured(xi), &run.whole(), make)?;
            let mut worst = 0.0_f64;
            for ((cut, whole), bound) in cut.iter().zip(&whole).zip(&bounds) {
                let difference = (*cut - *whole).to_f64().abs();
                prop_assert!(difference <= 2.0 * bound, "{:?} beside {:?}", cut, whole);
                worst = worst.max(if difference > 0.0 { difference / (2.0 * bound) } else { 0.0 });
            }
            Ok(worst)
        })
    })
}
