//! Colours that stand for numbers: maps of even lightness, and the scales that choose from them.

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

/// The least and the greatest of the finite numbers; 0 and 1 where there is none.
#[must_use]
pub fn extent(values: &[f64]) -> (f64, f64) {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// Multiples of 1, 2 or 5 times a power of ten between two numbers, at most so many.
#[must_use]
pub fn round_numbers(low: f64, high: f64, most: usize) -> Vec<f64> {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) || most == 0 {
        return vec![low];
    }
    let decade = 10.0_f64.powf((span / most as f64).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0, 20.0].map(|factor| factor * decade);
    let step = step.into_iter().find(|step| span / step <= most as f64).unwrap_or(span);
    let mut ticks = Vec::new();
    let mut count = (low / step - 1e-9).ceil();
    while count * step <= high + 1e-9 * step && ticks.len() <= most {
        ticks.push(count * step);
        count += 1.0;
    }
    ticks
}

/// Powers of ten between two numbers above zero, at most so many; where fewer than three would do, 2 and 5 times them as well.
#[must_use]
pub fn decades(low: f64, high: f64, most: usize) -> Vec<f64> {
    if !(low > 0.0 && high >= low && high.is_finite()) {
        return Vec::new();
    }
    let (first, last) = (low.log10().floor(), high.log10().ceil());
    let every = ((last - first) / most.max(1) as f64).ceil().max(1.0);
    let inside = |tick: &f64| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(tick);
    let mut tens = Vec::new();
    let mut exponent = (first / every).ceil() * every;
    while exponent <= last {
        tens.push(10.0_f64.powf(exponent));
        exponent += every;
    }
    if tens.iter().filter(|tick| inside(tick)).count() >= 3 {
        tens.retain(inside);
        return tens;
    }
    let mut ticks = Vec::new();
    let mut exponent = first;
    while exponent <= last {
        ticks.extend([1.0, 2.0, 5.0].map(|part| part * 10.0_f64.powf(exponent)));
        exponent += 1.0;
    }
    ticks.retain(inside);
    ticks.truncate(3 * most.max(1));
    ticks
}

/// A number as it stands beside an axis: short, with a power of ten where zeros would be many.
#[must_use]
pub fn label(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    let minus = if value < 0.0 { "−" } else { "" };
    if (1e-3..1e5).contains(&size) {
        // Rounding of a sum of steps is no part of a label.
        let text = format!("{size:.6}");
        return format!("{minus}{}", text.trim_end_matches('0').trim_end_matches('.'));
    }
    let exponent = size.log10().floor();
    let factor = size / 10.0_f64.powf(exponent);
    let power = format!("10{}", superscript(exponent));
    if (factor - 1.0).abs() < 1e-6 {
        format!("{minus}{power}")
    } else {
        let text = format!("{factor:.2}");
        format!("{minus}{}·{power}", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A number to three digits, written as beside an axis.
#[must_use]
pub fn short(value: f64) -> String {
    let unit = 10.0_f64.powf(value.abs().log10().floor() - 2.0);
    label(if unit.is_normal() { (value / unit).round() * unit } else { value })
}

fn superscript(exponent: f64) -> String {
    let raise = |digit: char| match digit {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        _ => '⁰',
    };
    format!("{exponent:.0}").chars().map(raise).collect()
}
