//! What steps cost, as a table.

use super::gate::{Gate, MOST};
use super::limit::{Limit, Rate};
use super::step::Measured;
use ambient_studies::present::table::{align, new_table};

/// What steps cost.
#[must_use]
pub fn table(measured: &Measured) -> String {
    let mut table =
        new_table(&["", "bytes", "of them measure", "kernels", "time", "bandwidth", "of the limit", "over adamw"]);
    let speed = |bytes: usize, seconds: f64| gigabytes(bytes as f64 * measured.parameters as f64 / seconds);
    let none = String::new;
    let copy = measured.copy.map(|copy| (copy.name, copy.bytes_per_parameter, copy.seconds, 1.0));
    let Measured { product_bytes_per_parameter, product_seconds, product_bandwidth_ratio, .. } = *measured;
    let product = ("product", product_bytes_per_parameter, product_seconds, product_bandwidth_ratio);
    for (name, bytes, seconds, ratio) in copy.into_iter().chain([product]) {
        table.add_row([
            name.to_owned(),
            bytes.to_string(),
            none(),
            none(),
            duration(seconds),
            speed(bytes, seconds),
            format!("{ratio:.2}"),
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
    let said = [limit(measured), gate(measured)].concat();
    format!("One step of {parameters} parameters in {precision}{state} {place}\n{table}\n{said}")
}

/// What memory can do at best.
fn limit(measured: &Measured) -> String {
    let Limit { read, write } = &measured.limit;
    let told = |rate: &Rate| format!("{} ({})", gigabytes(rate.seconds_per_byte.recip()), rate.kind);
    if measured.copy.is_some() {
        return format!("The limit: {}.\n", told(write));
    }
    format!("The limit of passes that write: {}.\nThe limit of passes that only read: {}.\n", told(write), told(read))
}

/// What the gate says.
fn gate(measured: &Measured) -> String {
    match (measured.gate, measured.complaint(), measured.enough_parameters) {
        (Gate::Above, Some(complaint), _) => format!("Above the limit: {complaint}.\n"),
        (Gate::InCaches, _, Some(enough)) => format!(
            "Caches have a part in these times, so no rule is held against the limit: that needs --parameters {enough} or more.\n"
        ),
        (Gate::Above | Gate::Within, ..) => {
            format!(
                "Within the limit: no rule takes more than {MOST} of the time that memory needs at least for as many bytes.\n"
            )
        }
        (Gate::InCaches | Gate::OnDevice, ..) => String::new(),
    }
}

/// Bytes in a second.
fn gigabytes(speed: f64) -> String {
    format!("{:.2} GB/s", speed / 1e9)
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
