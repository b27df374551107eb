//! The program on devices. Where there is no adapter, what cannot be run is skipped and said; with `AMBIENT_REQUIRE_GPU=1` it fails.

use std::process::{Command, Output};

use ambient_studies::machines::choice::adapters;
use serde_json::Value;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ambient_replay/reference/golden_steps.json");

/// The program. Software drivers look for a display, and complain on stderr where they are not told where to look.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ambient"));
    command.env("XDG_RUNTIME_DIR", std::env::temp_dir());
    command
}

fn ambient(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

fn stdout_json(arguments: &[&str]) -> Value {
    let output = ambient(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs the program on input that it has to refuse, and returns the one line that it says.
fn refused(arguments: &[&str]) -> String {
    let output = ambient(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(output.stdout.is_empty());
    said
}

/// Whether there is a device, and a word on what is not tested where there is none.
fn is_there(what: &str) -> bool {
    let found = !adapters().unwrap().is_empty();
    let required = std::env::var("AMBIENT_REQUIRE_GPU").is_ok_and(|value| value == "1");
    assert!(found || !required, "AMBIENT_REQUIRE_GPU=1 and there is no graphics adapter");
    if !found {
        eprintln!("skipped: {what}: there is no graphics adapter on this machine");
    }
    found
}

/// The name of an adapter with double precision, or without it.
fn adapter_with(double_precision: bool) -> Option<String> {
    let found = adapters().unwrap().into_iter().find(|adapter| adapter.double_precision == double_precision);
    if found.is_none() {
        eprintln!(
            "skipped: there is no adapter {} double precision",
            if double_precision { "with" } else { "without" }
        );
    }
    found.map(|adapter| adapter.name)
}

#[test]
fn devices_are_listed_with_the_promised_names() {
    let listed = stdout_json(&["devices", "--format", "json"]);
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), adapters().unwrap().len());
    for adapter in listed {
        assert!(["name", "backend", "kind", "driver"].iter().all(|name| adapter[*name].is_string()), "{adapter}");
        assert!(adapter["double_precision"].is_boolean());
    }
    let table = ambient(&["devices"]);
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(table.status.success());
    if is_there("the table of devices") {
        assert!(text.contains("double precision") && text.contains(listed[0]["kind"].as_str().unwrap()), "{text}");
    }
}

fn replays(precision: &str, adapter: &str, tolerance: f64) {
    let arguments = ["replay", GOLDEN, "--backend", "wgpu", "--format", "json", "--precision", precision];
    let result = stdout_json(&[&arguments[..], &["--adapter", adapter]].concat());
    assert_eq!((&result["backend"], &result["precision"]), (&"wgpu".into(), &precision.into()));
    assert!(result["adapter"].is_string());
    let cases = result["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 18);
    for case in cases {
        assert!(case["max_error"].as_f64().unwrap() <= tolerance, "{case}");
    }
}

#[test]
fn recorded_steps_are_taken_again_in_single_precision() {
    if is_there("replay in f32") {
        replays("f32", "", 1e-4);
    }
}

#[test]
fn recorded_steps_are_taken_again_in_double_precision_or_it_is_refused() {
    if !is_there("replay in f64") {
        return;
    }
    if let Some(adapter) = adapter_with(true) {
        replays("f64", &adapter, 1e-12);
    }
    if let Some(adapter) = adapter_with(false) {
        let said = refused(&["replay", GOLDEN, "--backend", "wgpu", "--precision", "f64", "--adapter", &adapter]);
        assert!(said.contains("double precision") && said.contains("f32"), "{said}");
    }
}

#[test]
fn bench_prints_the_promised_names() {
    if !is_there("bench") {
        return;
    }
    let arguments = ["bench", "step", "--backend", "wgpu", "--parameters", "1000", "--rounds", "2", "--format", "json"];
    let result =
        stdout_json(&[&arguments[..], &["--rules", "euclidean_log, induced(rmsprop, log1p, exact) + ema"]].concat());
    assert_eq!((&result["backend"], &result["precision"]), (&"wgpu".into(), &"f32".into()));
    assert!(result["adapter"].is_string() && result["threads"].is_null());
    assert_eq!((&result["parameters"], &result["copy_bytes_per_parameter"]), (&1000.into(), &8.into()));
    assert!(["copy_seconds", "product_seconds"].iter().all(|name| result[*name].as_f64().unwrap() > 0.0));
    assert_eq!(result["product_bytes_per_parameter"], 8);
    assert_eq!((&result["limit_kind"], &result["gate"]), (&"copy".into(), &"on_device".into()));
    assert!(result["limit_seconds_per_byte"].as_f64().unwrap() > 0.0);
    let rules = result["rules"].as_array().unwrap();
    let names: Vec<&str> = rules.iter().map(|rule| rule["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["adamw", "euclidean_log", "induced(rmsprop, log1p, exact) + ema"]);
    // adamw is one kernel; a step measures, adds, damps and advances.
    for (rule, (bytes, dispatches)) in rules.iter().zip([([0, 28], 1), ([4, 20], 4), ([12, 28], 4)]) {
        let [measure, advance] = bytes;
        assert_eq!((&rule["measure_bytes"], &rule["advance_bytes"]), (&measure.into(), &advance.into()), "{rule}");
        assert_eq!(
            (&rule["bytes_per_parameter"], &rule["dispatches"]),
            (&(measure + advance).into(), &dispatches.into())
        );
        assert!(["seconds", "bandwidth_ratio", "over_adamw"].iter().all(|name| rule[*name].as_f64().unwrap() > 0.0));
    }
}

#[test]
fn an_unknown_adapter_is_refused_with_those_that_are_known() {
    for arguments in [&["replay", GOLDEN][..], &["bench", "step"]] {
        let said = refused(&[arguments, &["--backend", "wgpu", "--adapter", "abacus"]].concat());
        if let Some(adapter) = adapters().unwrap().first() {
            assert!(said.contains("`abacus`") && said.contains(&adapter.name), "{said}");
        } else {
            assert!(said.contains("no graphics adapter"), "{said}");
        }
    }
    is_there("the names of adapters in a refusal");
}

#[test]
fn the_adapter_of_the_environment_is_taken() {
    let arguments = ["replay", GOLDEN, "--backend", "wgpu"];
    let output = program().args(arguments).env("WGPU_ADAPTER_NAME", "abacus").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    if is_there("the adapter of the environment") {
        assert!(String::from_utf8(output.stderr).unwrap().contains("`abacus`"));
    }
}
