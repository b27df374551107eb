//! Colours that stand for numbers: maps of even lightness, and the scales that choose from them.

use super::ticks::{decades, extent, round_numbers};

/// How far apart neighbouring values of a scale may lie before it turns logarithmic.
const WIDE: f64 = 30.0;

/// How far apart the numbers beside a scale stand at least, as a share of it.
const APART: f64 = 0.075;

/// A colour as red, green and blue from 0 to 255.
pub type Rgb = [u8; 3];

/// How a colour is written in SVG.
#[must_use]
pub fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// A colour from lightness, chroma and hue in the space Oklab, where equal steps look equal; chroma yields where a screen cannot show it.
///
/// References: B. Ottosson, *A perceptual color space for image processing*, 2020.
#[must_use]
pub fn oklch(lightness: f64, chroma: f64, hue_degrees: f64) -> Rgb {
    let (sin, cos) = hue_degrees.to_radians().sin_cos();
    let mut chroma = chroma;
    loop {
        let linear = linear(lightness, chroma * cos, chroma * sin);
        let shown = linear.iter().all(|part| (-1e-4..=1.0001).contains(part));
        if shown || chroma < 1e-3 {
            return linear.map(encode);
        }
        chroma *= 0.97;
    }
}

/// Linear red, green and blue of a colour in Oklab.
fn linear(lightness: f64, a: f64, b: f64) -> [f64; 3] {
    let long = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let medium = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let short = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        4.076_741_662_1 * long - 3.307_711_591_3 * medium + 0.230_969_929_2 * short,
        -1.268_438_004_6 * long + 2.609_757_401_1 * medium - 0.341_319_396_5 * short,
        -0.004_196_086_3 * long - 0.703_418_614_7 * medium + 1.707_614_701_0 * short,
    ]
}

/// The curve of sRGB, to 255 steps.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is clamped to 0..=255")]
fn encode(linear: f64) -> u8 {
    let linear = linear.clamp(0.0, 1.0);
    let curved = if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
    (255.0 * curved).round() as u8
}

/// From dark violet over teal to light yellow, equally lighter at every step.
#[must_use]
pub fn sequential(share: f64) -> Rgb {
    let share = share.clamp(0.0, 1.0);
    // The chroma is largest in the middle, where a screen shows most of it.
    let chroma = 0.11 + 0.015 * (core::f64::consts::PI * share).sin();
    oklch(0.34 + 0.60 * share, chroma, 300.0 - 195.0 * share)
}

/// Blue below the middle, red above it, and nearly white at it; both sides darken alike.
#[must_use]
pub fn diverging(share: f64) -> Rgb {
    let side = 2.0 * share.clamp(0.0, 1.0) - 1.0;
    let hue = if side < 0.0 { 255.0 } else { 35.0 };
    oklch(0.96 - 0.52 * side.abs(), 0.20 * side.abs().powf(0.8), hue)
}

/// From a number to a share of the way along a colour map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Equal differences look equal.
    Linear {
        /// The number at the beginning.
        low: f64,
        /// The number at the end.
        high: f64,
    },
    /// Equal ratios look equal.
    Logarithmic {
        /// The number at the beginning.
        low: f64,
        /// The number at the end.
        high: f64,
    },
    /// Both signs: linear up to the knee and logarithmic beyond.
    Signed {
        /// Where it turns.
        knee: f64,
        /// The largest absolute value.
        high: f64,
    },
}

impl Scale {
    /// A scale for these numbers: logarithmic where all are above zero and they span a wide range. Numbers that are not finite are left out.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let (low, high) = extent(values);
        if low > 0.0 && high / low > WIDE {
            Self::Logarithmic { low, high }
        } else if high > low {
            Self::Linear { low, high }
        } else {
            Self::Linear { low: low - 0.5, high: low + 0.5 }
        }
    }

    /// A scale for numbers of both signs, with the knee at a low quantile of their sizes.
    #[must_use]
    pub fn signed(values: &[f64]) -> Self {
        let mut sizes: Vec<f64> = values.iter().map(|value| value.abs()).filter(|size| size.is_finite()).collect();
        sizes.sort_unstable_by(f64::total_cmp);
        let high = sizes.last().copied().filter(|high| *high > 0.0).unwrap_or(1.0);
        let knee = sizes.get(sizes.len() / 5).copied().unwrap_or(high);
        // A power of ten, so that the scale has a tick there.
        Self::Signed { knee: 10.0_f64.powf(knee.max(high * 1e-6).log10().floor()), high }
    }

    /// Where a number lies between 0 and 1.
    #[must_use]
    pub fn share(&self, value: f64) -> f64 {
        let share = match *self {
            Self::Linear { low, high } => (value - low) / (high - low),
            Self::Logarithmic { low, high } => (value / low).ln() / (high / low).ln(),
            Self::Signed { knee, high } => {
                let bend = |size: f64| (size / knee).ln_1p();
                0.5 + 0.5 * value.signum() * bend(value.abs()) / bend(high)
            }
        };
        share.clamp(0.0, 1.0)
    }

    /// The colour of a number.
    #[must_use]
    pub fn colour(&self, value: f64) -> Rgb {
        self.map(self.share(value))
    }

    /// The colour at a share of the scale.
    #[must_use]
    pub fn map(&self, share: f64) -> Rgb {
        match self {
            Self::Linear { .. } | Self::Logarithmic { .. } => sequential(share),
            Self::Signed { .. } => diverging(share),
        }
    }

    /// Numbers to be written beside the scale.
    #[must_use]
    pub fn ticks(&self) -> Vec<f64> {
        match *self {
            Self::Linear { low, high } => round_numbers(low, high, 6),
            Self::Logarithmic { low, high } => decades(low, high, 7),
            Self::Signed { knee, high } => {
                // From the largest down, as far as they stand apart.
                let mut sizes: Vec<f64> = Vec::new();
                for size in decades(knee, high, 12).into_iter().rev() {
                    let place = self.share(size);
                    if place > 0.5 + APART && sizes.last().is_none_or(|last| self.share(*last) - place > APART) {
                        sizes.push(size);
                    }
                }
                sizes.reverse();
                sizes.iter().rev().map(|size| -size).chain([0.0]).chain(sizes.iter().copied()).collect()
            }
        }
    }
}
