//! Numbers beside an axis: which ones, and how they are written.

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
