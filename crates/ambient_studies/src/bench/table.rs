//! What steps cost, as a table.

use super::step::Measured;
use crate::present::table::{align, new_table};

/// What steps cost.
#[must_use]
pub fn table(measured: &Measured) -> String {
    let mut table =
        new_table(&["", "bytes", "of them measure", "kernels", "time", "bandwidth", "of the baseline", "over adamw"]);
    let speed_of = |bytes: usize, seconds: f64| bytes as f64 * measured.parameters as f64 / seconds / 1e9;
    let speed = |bytes: usize, seconds: f64| format!("{:.2} GB/s", speed_of(bytes, seconds));
    let (baseline, none) = (speed_of(measured.baseline_bytes_per_parameter, measured.baseline_seconds), String::new);
    let plain = [
        (measured.baseline, measured.baseline_bytes_per_parameter, measured.baseline_seconds),
        ("product", measured.product_bytes_per_parameter, measured.product_seconds),
    ];
    for (name, bytes, seconds) in plain {
        table.add_row([
            name.to_owned(),
            bytes.to_string(),
            none(),
            none(),
            duration(seconds),
            speed(bytes, seconds),
            format!("{:.2}", speed_of(bytes, seconds) / baseline),
            none(),
        ]);
    }
    for rule in &measured.rules {
        table.add_row([
            rule.name.clone(),
            rule.bytes_per_parameter.to_string(),
            rule.measure_bytes.to_string(),
            rule.dispatches.map_or_else(String::new, |count| count.to_string()),
            duration(rule.seconds),
            speed(rule.bytes_per_parameter, rule.seconds),
            format!("{:.2}", rule.bandwidth_ratio),
            format!("{:.2}", rule.over_adamw),
        ]);
    }
    for other in &measured.beside {
        let over = format!("{:.2}", other.over_adamw);
        table.add_row([other.name.to_owned(), none(), none(), none(), duration(other.seconds), none(), none(), over]);
    }
    align(&mut table, &[1, 2, 3, 4, 5, 6, 7]);
    let place = match (&measured.adapter, measured.threads) {
        (Some(adapter), _) => format!("on {adapter} ({})", measured.backend),
        (None, Some(1)) => format!("on one thread of the CPU ({})", measured.backend),
        (None, Some(threads)) => format!("on {threads} threads of the CPU ({})", measured.backend),
        (None, None) => format!("on {}", measured.backend),
    };
    let Measured { parameters, precision, state, .. } = measured;
    let state = if *state == "full" { String::new() } else { format!(", the state in {state},") };
    format!("One step of {parameters} parameters in {precision}{state} {place}\n{table}\n")
}

/// A time to three digits.
fn duration(seconds: f64) -> String {
    let digits = |value: f64, unit: &str| match value {
        value if value >= 100.0 => format!("{value:.0} {unit}"),
        value if value >= 10.0 => format!("{value:.1} {unit}"),
        value => format!("{value:.2} {unit}"),
    };
    match seconds {
        seconds if seconds >= 1.0 => digits(seconds, "s"),
        seconds if seconds >= 1e-3 => digits(seconds * 1e3, "ms"),
        seconds => digits(seconds * 1e6, "µs"),
    }
}
