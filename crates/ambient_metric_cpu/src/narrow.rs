//! Numbers in 16 bits: how they are rounded, and the elements of a tensor that is stored so.

use std::ops::Range;
use std::sync::OnceLock;

use ambient_metric::number::{Element, mix};
use ambient_metric::space::StateStorage;
use ambient_metric::{Error, Field};
use pulp::{Arch, Simd, WithSimd};

use crate::allocation::{gather, zeros};
use crate::lanes::WIDTH;

/// A format of 16 bits, with what its rounding needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Format {
    /// The upper half of an `f32`, rounded up or down at random.
    Bf16 {
        /// From the seed and the slot.
        stream: u64,
        /// How many updates there have been.
        updates: u64,
    },
    /// IEEE half precision, rounded to nearest, ties to even, and not beyond ±65504; what an update computes is rounded towards zero below 2⁻¹⁴.
    F16,
}

impl Format {
    /// What a storage asks for, unless it is the full one.
    pub(crate) fn of(storage: StateStorage, slot: usize, updates: u64) -> Option<Self> {
        match storage {
            StateStorage::Bf16 { seed } => Some(Self::Bf16 { stream: mix(seed ^ mix(slot as u64)), updates }),
            StateStorage::F16 => Some(Self::F16),
            _ => None,
        }
    }

    fn widen(self, bits: u16) -> f32 {
        match self {
            Self::Bf16 { .. } => from_bf16(bits),
            Self::F16 => from_f16(bits),
        }
    }

    /// To nearest in both formats, for numbers that are handed over and not computed.
    fn nearest(self, number: f32) -> u16 {
        match self {
            Self::Bf16 { .. } => to_bf16(number, 0x7fff + ((number.to_bits() >> 16) & 1)),
            Self::F16 => to_f16(number, to_nearest),
        }
    }

    /// As an update stores what it computed for the element of this index.
    fn round(self, number: f32, index: usize) -> u16 {
        match self {
            Self::Bf16 { stream, updates } => to_bf16(number, Draws::new(stream, updates).at(counted(index))),
            Self::F16 => to_f16(number, towards_zero),
        }
    }
}

/// Random numbers of one update, each from its index alone, so that it does not count who draws them in what order.
///
/// Murmur3's mixing of 32 bits (A. Appleby) of index and key. Indices count modulo 2³².
#[derive(Clone, Copy)]
struct Draws {
    before: u32,
    after: u32,
}

impl Draws {
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "one half of the key is used before mixing, the other after")]
    fn new(stream: u64, updates: u64) -> Self {
        let key = mix(stream.wrapping_add(mix(updates)));
        Self { before: key as u32, after: (key >> 32) as u32 }
    }

    /// 16 random bits.
    #[inline(always)]
    fn at(self, index: u32) -> u32 {
        let mut mixed = index ^ self.before;
        mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x85eb_ca6b);
        mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
        (mixed ^ (mixed >> 16) ^ self.after) & 0xffff
    }
}

/// An index as random numbers are drawn for it.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "indices count modulo 2³²")]
pub(crate) fn counted(index: usize) -> u32 {
    index as u32
}

#[inline(always)]
fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The upper half, one more in its last place where the lower half and `added`, a number of 16 bits, carry: with a random one that is as
/// likely as the lower half is large. The last number is not rounded to infinity, and what is not finite stays what it is.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "a number shifted by 16 has 16 bits")]
fn to_bf16(number: f32, added: u32) -> u16 {
    const EXPONENT: u32 = 0x7f80;
    let bits = number.to_bits();
    let (kept, carried) = (bits >> 16, bits.wrapping_add(added) >> 16);
    let is_nan = bits & 0x7fff_ffff > EXPONENT << 16;
    let keeps = kept & EXPONENT == EXPONENT || carried & EXPONENT == EXPONENT;
    // A NaN stays one also if all its digits are in the lower half.
    (if keeps { kept | (u32::from(is_nan) << 6) } else { carried }) as u16
}

/// Without branches, so that it is compiled for lanes.
#[inline(always)]
fn from_f16(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7fff);
    // Exponents are biased by 15 here and by 127 there; below the normal numbers the digits count 2⁻²⁴.
    let normal = (magnitude << 13) + ((127 - 15) << 23);
    let small = (f32::from(bits & 0x3ff) * 2.0_f32.powi(-24)).to_bits();
    let special = (magnitude << 13) | 0x7f80_0000;
    let widened = if magnitude < 0x400 { small } else { normal };
    f32::from_bits(sign | if magnitude >= 0x7c00 { special } else { widened })
}

/// How many times 2⁻²⁴ a size below 2⁻¹⁴ is nearest to: the digits of 1/2 + x count that, as those of a small half do.
#[inline(always)]
fn to_nearest(small: f32) -> u32 {
    (small + 0.5).to_bits().wrapping_sub(0.5_f32.to_bits())
}

/// How many times 2⁻²⁴ a size below 2⁻¹⁴ is at least. To nearest, 0.9 times a few of them would be as many for ever.
#[inline(always)]
fn towards_zero(small: f32) -> u32 {
    // 1/2 + x is rounded up where the remainder is below zero.
    let nearest = small + 0.5;
    let is_above = u32::from(nearest - 0.5 > small);
    nearest.to_bits().wrapping_sub(0.5_f32.to_bits()).wrapping_sub(is_above)
}

/// Without branches, so that it is compiled for lanes.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "a half has 16 bits")]
fn to_f16(number: f32, round_small: impl Fn(f32) -> u32) -> u16 {
    const LARGEST: u32 = 0x7bff;
    let bits = number.to_bits();
    let sign = (bits >> 16) & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    // The lowest bit that stays decides ties.
    let rounded = magnitude.wrapping_add(0xfff + ((magnitude >> 13) & 1));
    let normal = (rounded.wrapping_sub((127 - 15) << 23) >> 13).min(LARGEST);
    let small = round_small(f32::from_bits(magnitude));
    let finite = if magnitude < (127 - 14) << 23 { small } else { normal };
    let special = if magnitude > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    (sign | if magnitude >= 0x7f80_0000 { special } else { finite }) as u16
}

/// A number in the precision that 16 bits are made from, and no subnormal of it.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "narrowing is the purpose")]
fn single<E: Element>(number: E) -> f32 {
    Field::flushed(number.to_f64() as f32)
}

#[inline(always)]
fn element<E: Element>(number: f32) -> E {
    E::constant(f64::from(number))
}

/// Widens chunks of lanes, compiled for the processor's vectors.
pub(crate) struct Widen<'a, E> {
    pub(crate) format: Format,
    pub(crate) from: &'a [[u16; WIDTH]],
    pub(crate) to: &'a mut [[E; WIDTH]],
}

impl<E: Element> Widen<'_, E> {
    #[inline(never)]
    pub(crate) fn run(self) {
        Arch::new().dispatch(self);
    }

    #[inline(always)]
    fn each(self, widen: impl Fn(u16) -> f32) {
        for (to, from) in self.to.as_flattened_mut().iter_mut().zip(self.from.as_flattened()) {
            *to = element(widen(*from));
        }
    }
}

impl<E: Element> WithSimd for Widen<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _vectors: V) {
        match self.format {
            Format::Bf16 { .. } => self.each(from_bf16),
            Format::F16 => self.each(from_f16),
        }
    }
}

/// Rounds chunks of lanes whose first element has this index, compiled for the processor's vectors.
pub(crate) struct Round<'a, E> {
    pub(crate) format: Format,
    pub(crate) from: &'a [[E; WIDTH]],
    pub(crate) to: &'a mut [[u16; WIDTH]],
    /// Counted modulo 2³².
    pub(crate) first: u32,
}

impl<E: Element> Round<'_, E> {
    #[inline(never)]
    pub(crate) fn run(self) {
        Arch::new().dispatch(self);
    }

    #[inline(always)]
    fn each(self, round: impl Fn(f32, u32) -> u16) {
        let mut index = self.first;
        for (to, from) in self.to.as_flattened_mut().iter_mut().zip(self.from.as_flattened()) {
            *to = round(single(*from), index);
            index = index.wrapping_add(1);
        }
    }
}

impl<E: Element> WithSimd for Round<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _vectors: V) {
        match self.format {
            Format::Bf16 { stream, updates } => {
                let draws = Draws::new(stream, updates);
                self.each(|number, index| to_bf16(number, draws.at(index)));
            }
            Format::F16 => self.each(|number, _| to_f16(number, towards_zero)),
        }
    }
}

/// The elements of a tensor in 16 bits each.
#[derive(Clone)]
pub(crate) struct Narrow<E> {
    bits: Vec<u16>,
    format: Format,
    /// The same in full width, from when somebody looked at them until they change.
    widened: OnceLock<Vec<E>>,
}

impl<E: Element> Narrow<E> {
    pub(crate) fn zeros(format: Format, elements: usize) -> Result<Self, Error> {
        Ok(Self { bits: zeros(0, elements)?, format, widened: OnceLock::new() })
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    pub(crate) fn bits(&self) -> &[u16] {
        &self.bits
    }

    /// To be changed by something else than an update.
    pub(crate) fn bits_mut(&mut self) -> &mut [u16] {
        self.widened.take();
        &mut self.bits
    }

    pub(crate) fn get(&self, index: usize) -> Option<E> {
        self.bits.get(index).map(|&bits| element(self.format.widen(bits)))
    }

    /// Stores what an update computed.
    pub(crate) fn store(&mut self, index: usize, number: E) {
        if let Some(bits) = self.bits.get_mut(index) {
            *bits = self.format.round(single(number), index);
        }
    }

    /// An update has been done: the next one draws other numbers.
    pub(crate) fn updated(&mut self) {
        self.widened.take();
        if let Format::Bf16 { updates, .. } = &mut self.format {
            *updates = updates.wrapping_add(1);
        }
    }

    /// All elements in full width.
    pub(crate) fn widened(&self) -> &Vec<E> {
        self.widened.get_or_init(|| self.bits.iter().map(|&bits| element(self.format.widen(bits))).collect())
    }

    /// Those in some ranges, one range after the other, which draw as many numbers next as these would.
    pub(crate) fn select(&self, ranges: impl Iterator<Item = Range<usize>> + Clone) -> Result<Self, Error> {
        Ok(Self { bits: gather(0, &self.bits, ranges)?, format: self.format, widened: OnceLock::new() })
    }

    /// Whether others have the same format, and draw from the same numbers where they draw any.
    pub(crate) fn is_stored_like(&self, other: &Self) -> bool {
        match (self.format, other.format) {
            (Format::Bf16 { stream, .. }, Format::Bf16 { stream: other, .. }) => stream == other,
            (own, other) => own == other,
        }
    }

    /// Replaces a range by one of a selection, which counted its updates.
    pub(crate) fn place(&mut self, to: Range<usize>, selection: &Self, from: Range<usize>) {
        let bits = self.bits_mut().get_mut(to).unwrap_or_default();
        bits.copy_from_slice(selection.bits.get(from).unwrap_or_default());
        self.format = selection.format;
    }

    /// Numbers rounded to nearest.
    pub(crate) fn copy(&mut self, first: usize, numbers: &[E]) {
        let format = self.format;
        for (bits, number) in self.bits_mut().iter_mut().skip(first).zip(numbers) {
            *bits = format.nearest(single(*number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};
    use proptest::prelude::*;

    const FORMATS: [Format; 2] = [Format::Bf16 { stream: 3, updates: 5 }, Format::F16];

    /// As `half` widens and rounds to nearest.
    fn widened(format: Format, bits: u16) -> f32 {
        if format == Format::F16 { f16::from_bits(bits).to_f32() } else { bf16::from_bits(bits).to_f32() }
    }

    fn nearest(format: Format, number: f32) -> u16 {
        if format == Format::F16 { f16::from_f32(number).to_bits() } else { bf16::from_f32(number).to_bits() }
    }

    /// Numbers of every exponent, those that are not finite included.
    fn any_number() -> impl Strategy<Value = f32> {
        any::<u32>().prop_map(f32::from_bits)
    }

    /// The first two outputs of `SplitMix64` from zero, and Murmur3's hashes of nothing with the seeds 1 and 2³² − 1, as they are published.
    #[test]
    fn numbers_are_mixed_as_their_authors_say() {
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
        let draws = Draws { before: 0, after: 0 };
        assert_eq!([1, 0xffff_ffff].map(|index| draws.at(index)), [0x514e_28b7 & 0xffff, 0x81f1_6f39 & 0xffff]);
        assert_eq!(Draws { before: 3, after: 0x1_0f0f }.at(2), 0x28b7 ^ 0x0f0f);
    }

    /// Seed, slot and updates all count, and none of them cancels another.
    #[test]
    fn streams_differ_by_seed_slot_and_update() {
        let mut keys = Vec::new();
        for seed in [0, 1, u64::MAX] {
            for slot in 0..3 {
                for updates in [0, 1, u64::MAX] {
                    let format = Format::of(StateStorage::Bf16 { seed }, slot, updates);
                    let key = |format| match format {
                        Format::Bf16 { stream, updates } => Some((stream, updates)),
                        Format::F16 => None,
                    };
                    let (stream, found) = format.and_then(key).unwrap_or_default();
                    assert_eq!(found, updates);
                    let Draws { before, after } = Draws::new(stream, updates);
                    assert_eq!(u64::from(after) << 32 | u64::from(before), mix(stream.wrapping_add(mix(updates))));
                    keys.extend([u64::from(before), u64::from(after)]);
                }
            }
        }
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 2 * 27);
    }

    #[test]
    fn every_number_of_16_bits_is_widened_and_comes_back() {
        for format in FORMATS {
            for bits in 0..=u16::MAX {
                let number = format.widen(bits);
                let expected = widened(format, bits);
                assert!(number.to_bits() == expected.to_bits() || number.is_nan() && expected.is_nan(), "{bits:#x}");
                for index in [0, 1, 77] {
                    let back = format.round(number, index);
                    assert!(
                        back == bits || format.widen(back).is_nan() && number.is_nan(),
                        "{bits:#x} became {back:#x}"
                    );
                }
            }
        }
    }

    /// Below the normal halves an update rounds towards zero, so that 0.9 times a few places is less of them, and one place ends at zero.
    #[test]
    fn a_small_half_that_decays_ends_at_zero() {
        for sign in [1.0, -1.0] {
            for places in 0..1024_u16 {
                let half = sign * f32::from(places) * 2.0_f32.powi(-24);
                let size = |number: f32| Format::F16.round(number, 0) & 0x7fff;
                assert_eq!(size(half), places);
                for kept in [0.1_f32, 0.5, 0.9, 0.999, 0.999_999] {
                    let decayed = half * kept;
                    // Exact: a size below 1024 with a fraction.
                    let whole = (f64::from(decayed).abs() * 2.0_f64.powi(24)).floor();
                    let found = size(decayed);
                    assert!(f64::from(found).to_bits() == whole.to_bits(), "{decayed:e} became {found} places");
                    assert!(found < places || places == 0, "{places} places times {kept} are {found}");
                }
            }
        }
    }

    /// Where a carry, a tie or the end of the range is decided, which random numbers seldom hit.
    #[test]
    fn ties_ends_and_what_is_not_finite_are_rounded() {
        let halves = [0x0000, 0x0001, 0x0100, 0x3f80, 0x3f81, 0x7f7e, 0x7f7f, 0x7f80, 0x7fff];
        let lower = [0x0000, 0x0001, 0x7fff, 0x8000, 0x8001, 0xffff];
        for bits in halves.into_iter().flat_map(|upper: u32| lower.map(|lower| upper << 16 | lower)) {
            for number in [bits, bits | 1 << 31].map(f32::from_bits) {
                let (found, expected) = (FORMATS[0].nearest(number), nearest(FORMATS[0], number));
                let kept = (number.to_bits() >> 16) as u16;
                if number.is_nan() {
                    assert!(from_bf16(found).is_nan(), "{bits:#x}");
                    // Whatever is drawn.
                    assert!([0, 0x8000, 0xffff].into_iter().all(|drawn| from_bf16(to_bf16(number, drawn)).is_nan()));
                } else {
                    let is_past_the_end = from_bf16(expected).is_infinite() && number.is_finite();
                    assert_eq!(found, if is_past_the_end { kept } else { expected }, "{bits:#x}");
                    assert_eq!(to_bf16(number, 0), kept);
                    let up = kept + u16::from(number.is_finite() && bits & 0xffff != 0 && kept & 0x7fff != 0x7f7f);
                    assert_eq!(to_bf16(number, 0xffff), up, "{bits:#x} with all digits drawn");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn nearest_is_nearest(number in any_number()) {
            for format in FORMATS {
                let (found, expected) = (format.nearest(number), nearest(format, number));
                let largest = if format == Format::F16 { f16::MAX.to_bits() } else { bf16::MAX.to_bits() };
                if number.is_nan() {
                    prop_assert!(format.widen(found).is_nan());
                } else if number.is_finite() && widened(format, expected).is_infinite() {
                    prop_assert_eq!(found & 0x7fff, largest);
                } else {
                    prop_assert_eq!(found, expected);
                }
            }
        }

        /// A number between two neighbours of 16 bits becomes one of them, and stays finite.
        #[test]
        fn random_rounding_ends_at_a_neighbour(number in any_number(), index in any::<usize>(), updates: u64, stream: u64) {
            prop_assume!(number.is_finite());
            let bits = Format::Bf16 { stream, updates }.round(number, index);
            let found = from_bf16(bits);
            let kept = number.to_bits() >> 16;
            prop_assert!([kept, kept + 1].contains(&u32::from(bits)), "{number:e} became {found:e}");
            prop_assert!(found.is_finite());
            // One place of eight digits: 2⁻⁷ of a normal number.
            prop_assert!(number.abs() < f32::MIN_POSITIVE || (found - number).abs() < number.abs() / 128.0);
        }

        #[test]
        fn runs_of_chunks_are_rounded_as_single_numbers(
            numbers in prop::collection::vec(prop::array::uniform16(any_number()), 1..5),
            first in any::<u32>(),
        ) {
            for format in FORMATS {
                let mut bits = vec![[0; WIDTH]; numbers.len()];
                Round { format, from: &numbers, to: &mut bits, first }.run();
                let expected = numbers.iter().flatten().enumerate().map(|(index, &number)| format.round(single(number), first as usize + index));
                prop_assert_eq!(bits.iter().flatten().copied().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
                let mut back = vec![[0.0_f32; WIDTH]; numbers.len()];
                Widen { format, from: &bits, to: &mut back }.run();
                for (bits, back) in bits.iter().flatten().zip(back.iter().flatten()) {
                    prop_assert_eq!(format.widen(*bits).to_bits(), back.to_bits());
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        /// The mean of n roundings of one number, over steps or over elements, is the number: each is off by a variable of mean zero within
        /// one place d, whose deviation is at most d/2, so the mean is within 6 · d / (2√n) but in two of 10⁹ cases.
        #[test]
        fn random_rounding_is_unbiased(number in 1.0..2.0_f32, negative: bool, stream: u64, at in any::<u32>()) {
            const COUNT: u16 = 1 << 14;
            let place = 1.0 / 128.0;
            let number = if negative { -number } else { number };
            let rounded = |index: usize, updates: u64| f64::from(from_bf16(Format::Bf16 { stream, updates }.round(number, index)));
            let over_steps = (0..COUNT).map(|step| rounded(at as usize, u64::from(step))).sum::<f64>() / f64::from(COUNT);
            let over_elements = (0..COUNT).map(|index| rounded(usize::from(index), u64::from(at))).sum::<f64>() / f64::from(COUNT);
            let allowed = 6.0 * place / (2.0 * f64::from(COUNT).sqrt());
            prop_assert!((over_steps - f64::from(number)).abs() <= allowed, "over steps {over_steps} of {number}");
            prop_assert!((over_elements - f64::from(number)).abs() <= allowed, "over elements {over_elements} of {number}");
        }
    }
}
