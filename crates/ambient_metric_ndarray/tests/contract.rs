//! Passes over memory of every length do what a plain loop does: with vectors and without, in one block, in many, and on several threads.
#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]
#![allow(clippy::float_cmp, reason = "whole numbers are exact")]

use ambient_metric::space::{MatrixPart, MatrixTensor, Operands, Transpose, Uniforms};
use ambient_metric::{Bundle, Error, Kernel, Real, Tensor};
use ambient_metric_ndarray::Parameters;
use ndarray::{Array1, Array2, ArrayD, Axis, Slice, array};
use proptest::prelude::*;

/// Lengths around which passes change: vectors of 16, batches of 128, blocks of 4096, and twice a leaf of 2¹⁸.
const LENGTHS: [usize; 16] =
    [1, 2, 15, 16, 17, 31, 127, 128, 129, 145, 4095, 4096, 4097, 8200, 262_144 + 4096 + 3, 600_001];

/// Eight operands, of which the first `WRITTEN` are written. Where all are zero the outputs are not, so that no element may be seen twice.
#[derive(Clone)]
struct Eight<const WRITTEN: usize>;

impl<const WRITTEN: usize> Kernel for Eight<WRITTEN> {
    type Uniform<S: Real> = S;
    type Input<S: Real> = [S; 8];
    type Output<S: Real> = [S; WRITTEN];

    fn evaluate<S: Real>(&self, uniform: S, input: [S; 8]) -> [S; WRITTEN] {
        let weighted = (1_u8..).zip(input).fold(S::one(), |sum, (weight, x)| sum + S::constant(f64::from(weight)) * x);
        let mut slot = 0.0;
        <[S; WRITTEN]>::build(&mut || {
            slot += 1.0;
            uniform * weighted + S::constant(slot)
        })
    }
}

/// Small whole numbers, so that every order of adding is exact in every type.
fn numbers(len: usize, seed: usize) -> Vec<f64> {
    (0..len).map(|index| ((index * 31 + seed * 7 + index / 5) % 5) as f64 - 2.0).collect()
}

/// A space of parts of these lengths.
fn space(lengths: &[usize], seed: usize) -> Parameters<f64> {
    let part = |(index, &len): (usize, &usize)| {
        (format!("part{index}"), Array1::from(numbers(len, seed + 3 * index)).into_dyn())
    };
    Parameters::new(lengths.iter().enumerate().map(part)).unwrap()
}

/// A plain loop: the outputs at every element, and the group that its part is in.
fn outputs<const WRITTEN: usize>(
    lengths: &[usize],
    tensors: &[Parameters<f64>],
    groups: &[f64],
) -> Vec<(usize, [f64; WRITTEN])> {
    let group = lengths.iter().enumerate().flat_map(|(part, &len)| core::iter::repeat_n(part % groups.len(), len));
    group
        .enumerate()
        .map(|(index, group)| {
            let input = core::array::from_fn(|operand| tensors[operand].as_slice()[index]);
            (group, Eight::<WRITTEN>.evaluate(groups[group], input))
        })
        .collect()
}

fn is_right<const WRITTEN: usize>(lengths: &[usize]) {
    let groups = [2.0, 3.0];
    let group_of_part: Vec<usize> = (0..lengths.len()).map(|part| part % 2).collect();
    let uniforms = Uniforms { groups: &groups, group_of_part: &group_of_part };
    let mut tensors: Vec<Parameters<f64>> = (0..8).map(|seed| space(lengths, seed)).collect();
    let expected = outputs::<WRITTEN>(lengths, &tensors, &groups);
    let unread: Vec<Parameters<f64>> = tensors[WRITTEN..].to_vec();
    let reads: Vec<&Parameters<f64>> = unread.iter().collect();
    let (target, companions) = tensors[..WRITTEN].split_first_mut().unwrap();

    // What stood in the totals is gone.
    let mut totals = [[7.0; WRITTEN]; 2];
    let operands = Operands { target: &*target, companions: &*companions, reads: &reads };
    Parameters::sum(&Eight::<WRITTEN>, uniforms, operands, &mut totals).unwrap();
    let mut sums = [[0.0; WRITTEN]; 2];
    for (group, output) in &expected {
        sums[*group] = sums[*group].plus(*output);
    }
    assert_eq!(totals, sums, "sums over {lengths:?}");

    Parameters::update(&Eight::<WRITTEN>, uniforms, target, companions, &reads).unwrap();
    for (slot, tensor) in core::iter::once(&*target).chain(&*companions).enumerate() {
        let wrong = tensor.iter().zip(&expected).position(|(found, (_, output))| *found != output[slot]);
        assert_eq!(wrong, None, "output {slot} over {lengths:?}");
    }
    assert!(unread.iter().zip(WRITTEN..).all(|(tensor, seed)| *tensor == space(lengths, seed)));
}

#[test]
fn passes_of_every_length_are_plain_loops() {
    for length in LENGTHS {
        is_right::<1>(&[length]);
        is_right::<3>(&[length]);
    }
    is_right::<8>(&[17, 130]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_and_groups_of_every_length_are_plain_loops(lengths in prop::collection::vec(1..300_usize, 1..6)) {
        is_right::<2>(&lengths);
    }

    /// Sums do not depend on the number of threads, bit for bit.
    #[test]
    fn sums_are_the_same_on_one_thread_and_on_three(len in 300_000..700_000_usize, seed in 0..100_usize) {
        let thirds: Array1<f32> = (0..len).map(|index| 1.0 / (3.0 + ((index * 31 + seed) % 97) as f32)).collect();
        let tensor = Parameters::from(thirds);
        let sum = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut totals = [[0.0_f64]];
            let reads = [&tensor; 7];
            let operands = Operands { target: &tensor, companions: &[], reads: &reads };
            pool.install(|| Parameters::sum(&Eight::<1>, Uniforms::same(&1.0), operands, &mut totals)).unwrap();
            totals[0][0].to_bits()
        };
        prop_assert_eq!(sum(1), sum(3));
    }

    /// Blocks are short enough: numbers of one sign are added in `f32` with a loss of 2⁻¹⁶, whatever their number.
    #[test]
    fn long_sums_in_single_precision_lose_little(len in 100_000..600_000_usize, x in 0.5..1.0_f32) {
        #[derive(Clone)]
        struct Itself;
        impl Kernel for Itself {
            type Uniform<S: Real> = ();
            type Input<S: Real> = S;
            type Output<S: Real> = S;
            fn evaluate<S: Real>(&self, (): (), x: S) -> S {
                x
            }
        }
        let tensor = Parameters::from(Array1::from_elem(len, x));
        let mut total = [0.0_f64];
        Parameters::sum(&Itself, Uniforms::same(&()), Operands { target: &tensor, companions: &[], reads: &[] }, &mut total)?;
        let expected = len as f64 * f64::from(x);
        prop_assert!((total[0] - expected).abs() <= expected / 65536.0);
    }
}

/// As many operands as there may be, and one more; sums as many as there are.
#[test]
fn what_is_too_much_for_a_pass_is_refused_and_counted() {
    #[derive(Clone)]
    struct Many<const INPUTS: usize, const SUMS: usize>;
    impl<const INPUTS: usize, const SUMS: usize> Kernel for Many<INPUTS, SUMS> {
        type Uniform<S: Real> = ();
        type Input<S: Real> = [S; INPUTS];
        type Output<S: Real> = [S; SUMS];
        fn evaluate<S: Real>(&self, (): (), _input: [S; INPUTS]) -> [S; SUMS] {
            [S::one(); SUMS]
        }
    }
    fn sum<const INPUTS: usize, const SUMS: usize>(companions: usize, reads: usize) -> Result<f64, Error> {
        let one = space(&[20], 0);
        let (companions, reads) = (vec![one.clone(); companions], vec![&one; reads]);
        let operands = Operands { target: &one, companions: &companions, reads: &reads };
        let mut totals = [[0.0; SUMS]];
        Parameters::sum(&Many::<INPUTS, SUMS>, Uniforms::same(&()), operands, &mut totals)?;
        Ok(totals[0][SUMS - 1])
    }
    fn update<const INPUTS: usize, const OUTPUTS: usize>(companions: usize, reads: usize) -> Result<f64, Error> {
        let one = space(&[20], 0);
        let (mut target, mut companions, reads) = (one.clone(), vec![one.clone(); companions], vec![&one; reads]);
        Parameters::update(&Many::<INPUTS, OUTPUTS>, Uniforms::same(&()), &mut target, &mut companions, &reads)?;
        Ok(target.as_slice()[19])
    }
    let twenty = Some(20.0_f64.to_bits());
    assert_eq!(sum::<16, 16>(7, 8).ok().map(f64::to_bits), twenty);
    assert_eq!(sum::<16, 40>(8, 7).ok().map(f64::to_bits), twenty);
    assert!(matches!(sum::<17, 1>(8, 8), Err(Error::TooMany { what: "tensors", found: 17, limit: 16 })));
    assert!(matches!(sum::<9, 1>(0, 4), Err(Error::Operands { expected: 9, found: 5 })));
    assert_eq!(update::<16, 8>(7, 8).ok().map(f64::to_bits), Some(1.0_f64.to_bits()));
    assert_eq!(update::<16, 16>(15, 0).ok().map(f64::to_bits), Some(1.0_f64.to_bits()));
    assert_eq!(update::<1, 1>(0, 0).ok().map(f64::to_bits), Some(1.0_f64.to_bits()));
    assert!(matches!(update::<17, 9>(8, 8), Err(Error::TooMany { what: "tensors", found: 17, limit: 16 })));
    assert!(matches!(update::<2, 5>(4, 4), Err(Error::Operands { expected: 2, found: 9 })));
    assert!(matches!(update::<9, 4>(4, 4), Err(Error::Outputs { expected: 4, found: 5 })));
    assert!(matches!(update::<9, 6>(4, 4), Err(Error::Outputs { expected: 6, found: 5 })));
}

#[test]
fn a_part_is_read_and_written_by_itself() {
    let mut tensor = space(&[2, 3, 1], 0);
    for (part, len) in [2, 3, 1].into_iter().enumerate() {
        assert_eq!(tensor.read(part).unwrap(), numbers(len, 3 * part));
    }
    tensor.write(1, &[7.0, 8.0, 9.0]).unwrap();
    assert_eq!(tensor.as_slice()[2..5], [7.0, 8.0, 9.0]);
    assert_eq!(tensor.read(0).unwrap(), numbers(2, 0));
    assert!(
        matches!(tensor.write(1, &[7.0]), Err(Error::Shape { expected, found, .. }) if expected == [3] && found == [1])
    );
    assert!(matches!(tensor.read(3), Err(Error::NoSuchPart { part: 3, parts: 3 })));
    assert!(matches!(tensor.write(3, &[]), Err(Error::NoSuchPart { part: 3, parts: 3 })));
}

#[test]
fn arrays_are_found_by_name() {
    let named = [("w", array![[1.0, 2.0]].into_dyn()), ("b", array![3.0].into_dyn())];
    let mut tensor = Parameters::new(named).unwrap();
    assert_eq!((tensor.len(), tensor.is_empty()), (3, false));
    assert_eq!(tensor.names().collect::<Vec<_>>(), ["b", "w"]);
    assert_eq!(tensor.iter().copied().collect::<Vec<_>>(), [3.0, 1.0, 2.0]);
    assert_eq!(tensor.view("w").unwrap(), array![[1.0, 2.0]].into_dyn());
    tensor.iter_mut().for_each(|x| *x *= 2.0);
    tensor.view_mut("b").unwrap()[[0]] = 9.0;
    tensor.assign("w", array![[4.0, 5.0]].view()).unwrap();
    assert_eq!(tensor.as_slice(), [9.0, 4.0, 5.0]);
    let wrong = tensor.assign("w", array![4.0].view());
    assert!(matches!(wrong, Err(Error::Shape { expected, found, .. }) if expected == [1, 2] && found == [1]));
    assert!(matches!(tensor.view("x"), Err(Error::UnknownParameter { known, .. }) if known == ["b", "w"]));
    assert_eq!(
        format!("{:?}", Parameters::from(array![1.5])),
        format!("{{\"theta\": {:?}}}", array![1.5].into_dyn().view())
    );
    let empty = Parameters::<f64>::new(Vec::<(String, ArrayD<f64>)>::new()).unwrap();
    assert_eq!((empty.len(), empty.is_empty()), (0, true));
    let twice = Parameters::new([("w", array![1.0].into_dyn()), ("w", array![1.0].into_dyn())]);
    assert!(matches!(twice, Err(Error::DuplicateParameter { name }) if name == "w"));
}

#[test]
fn an_array_cut_from_a_larger_one_gives_its_own_elements() {
    let cut = |start: isize, end: Option<isize>, step: isize| {
        let mut array = array![1.0, 2.0, 3.0, 4.0];
        array.slice_axis_inplace(Axis(0), Slice::new(start, end, step));
        Parameters::from(array).as_slice().to_vec()
    };
    assert_eq!(cut(0, Some(2), 1), [1.0, 2.0]);
    assert_eq!(cut(1, Some(3), 1), [2.0, 3.0]);
    assert_eq!(cut(2, None, 1), [3.0, 4.0]);
    assert_eq!(cut(0, None, -1), [4.0, 3.0, 2.0, 1.0]);
    assert_eq!(cut(0, None, 2), [1.0, 3.0]);
}

#[test]
fn zeros_and_copies_are_apart() {
    let tensor = space(&[3], 1);
    assert_eq!(tensor.zeros_like().unwrap().as_slice(), [0.0; 3]);
    let mut copy = tensor.duplicate().unwrap();
    copy.as_mut_slice()[0] = 99.0;
    assert_eq!(tensor, space(&[3], 1));
    assert_ne!(tensor, copy);
    // The same numbers, under another name.
    assert_ne!(tensor, Parameters::from(Array1::from(tensor.as_slice().to_vec())));
}

#[test]
fn products_of_matrices_that_do_not_fit_are_refused() {
    let matrix = |rows: usize, columns: usize| {
        Parameters::from(Array2::<f64>::from_elem((rows, columns), 1.0)).matrix(0).unwrap()
    };
    let product = |[rows, columns]: [usize; 2]| {
        let addend = matrix(rows, columns);
        matrix(2, 3).combine(Transpose::No, &matrix(3, 2), Transpose::No, 1.0, Some((1.0, &addend)))
    };
    assert_eq!(product([2, 2]).unwrap().to_host().unwrap(), [4.0; 4]);
    // As many elements as fit, and more.
    for addend in [[1, 4], [4, 1], [3, 2], [3, 3]] {
        assert!(matches!(product(addend).map(|_| ()), Err(Error::Shape { .. })));
    }
    let refused = matrix(2, 3).product(Transpose::No, &matrix(2, 3), Transpose::No);
    assert!(matches!(refused.map(|_| ()), Err(Error::Shape { .. })));
}

/// Large products are halved, where does not depend on the threads, and are what a loop over whole numbers says, whatever is added to them.
#[test]
fn large_products_are_the_same_on_any_number_of_threads() {
    let matrix = |rows: usize, columns: usize, shift: usize| {
        let number = |(i, j): (usize, usize)| ((i * 7 + j * 13 + shift) % 11) as f64 - 5.0;
        Parameters::from(Array2::from_shape_fn((rows, columns), number)).matrix(0).unwrap()
    };
    // Of more than 2²⁷ multiplications, wide and tall.
    for (rows, inner, columns) in [(301, 700, 1100), (1100, 700, 301)] {
        let (left, right, addend) = (matrix(rows, inner, 1), matrix(columns, inner, 2), matrix(rows, columns, 3));
        let product = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| left.combine(Transpose::No, &right, Transpose::Yes, 0.5, Some((2.0, &addend))))
                .unwrap()
                .to_host()
                .unwrap()
        };
        let found = product(1);
        assert!([2, 3].iter().all(|&threads| product(threads) == found));
        let (left, right, addend) = (left.to_host().unwrap(), right.to_host().unwrap(), addend.to_host().unwrap());
        for (index, found) in found.iter().enumerate() {
            let (i, j) = (index / columns, index % columns);
            let pairs = left[i * inner..][..inner].iter().zip(&right[j * inner..][..inner]);
            assert_eq!(*found, 0.5 * pairs.map(|(x, y)| x * y).sum::<f64>() + 2.0 * addend[index], "{i} {j}");
        }
    }
}
