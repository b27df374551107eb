//! Medians of timings, the gate, and what is said of a run.

use ambient_bench::gate::{Gate, MOST, is_above};
use ambient_bench::limit::{Limit, Rate};
use ambient_bench::median::median;
use ambient_bench::step::{Cost, Measured};
use ambient_bench::table::table;
use proptest::prelude::*;

#[test]
fn the_median_is_in_the_middle() {
    assert_eq!(median(&mut [3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
    assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5_f64.to_bits());
    assert!(median(&mut []).is_nan());
}

/// A run of one rule that takes so many times as long as the limit.
fn measured(times: f64, gate: Gate) -> Measured {
    let rate = |seconds_per_byte, kind: &str| Rate { seconds_per_byte, kind: kind.to_owned() };
    let rule = Cost {
        name: "rmsprop".to_owned(),
        seconds: 2e-3,
        bytes_per_parameter: 36,
        measure_bytes: 8,
        advance_bytes: 28,
        dispatches: None,
        bandwidth_ratio: times.recip(),
        over_adamw: 1.5,
    };
    Measured {
        backend: "ndarray",
        adapter: None,
        parameters: 1000,
        threads: Some(2),
        precision: "f32",
        state: "full",
        limit: Limit { read: rate(8e-11, "sum in one stream"), write: rate(5e-11, "axpy in four streams") },
        copy: None,
        gate,
        enough_parameters: Some(4000),
        product_seconds: 1e-3,
        product_bytes_per_parameter: 8,
        product_bandwidth_ratio: 0.98,
        rules: vec![rule],
        beside: Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A part of the bandwidth is the reciprocal of a part of the time: two roundings at most, of 2⁻⁵³ each.
    #[test]
    fn the_gate_is_above_where_a_rule_takes_more_than_its_part(times in prop::collection::vec(0.3..3.0_f64, 0..6)) {
        let close = |time: &f64| (time / MOST - 1.0).abs() < 1e-15;
        prop_assume!(!times.iter().any(close));
        let slow = times.iter().any(|time| *time > MOST);
        let gate = Gate::of(times.iter().map(|time| time.recip()));
        prop_assert_eq!(gate, if slow { Gate::Above } else { Gate::Within });
        for time in times {
            prop_assert_eq!(is_above(time.recip()), time > MOST);
        }
    }
}

#[test]
fn what_could_not_be_measured_is_above() {
    assert!(is_above(f64::NAN) && is_above(0.0) && !is_above(1.0) && !is_above(f64::INFINITY));
    assert_eq!(Gate::of([1.0, f64::NAN]), Gate::Above);
}

#[test]
fn a_rule_above_the_limit_is_named_with_its_time() {
    let above = measured(1.25, Gate::Above);
    let complaint = above.complaint().unwrap();
    assert!(complaint.contains("1.1 of the time") && complaint.contains("rmsprop (1.25)"), "{complaint}");
    assert!(table(&above).contains(&complaint));
    for (gate, said) in [(Gate::Within, "Within the limit"), (Gate::InCaches, "--parameters 4000 or more")] {
        let other = measured(1.05, gate);
        assert_eq!(other.complaint(), None);
        assert!(table(&other).contains(said));
    }
    // In caches nothing is held against memory, whatever it took.
    assert_eq!(measured(1.25, Gate::InCaches).complaint(), None);
}

#[test]
fn the_limit_is_in_the_table_and_in_json() {
    let within = measured(1.25, Gate::Within);
    let text = table(&within);
    assert!(
        text.contains("20.00 GB/s (axpy in four streams)") && text.contains("12.50 GB/s (sum in one stream)"),
        "{text}"
    );
    let json = serde_json::to_value(within).unwrap();
    assert_eq!((&json["limit_seconds_per_byte"], &json["read_limit_seconds_per_byte"]), (&5e-11.into(), &8e-11.into()));
    assert_eq!(
        (&json["limit_kind"], &json["read_limit_kind"]),
        (&"axpy in four streams".into(), &"sum in one stream".into())
    );
    assert_eq!((&json["gate"], &json["product_bandwidth_ratio"]), (&"within".into(), &0.98.into()));
    let rule = &json["rules"][0];
    assert_eq!(
        (&rule["name"], &rule["seconds"], &rule["bandwidth_ratio"]),
        (&"rmsprop".into(), &2e-3.into(), &0.8.into())
    );
}
