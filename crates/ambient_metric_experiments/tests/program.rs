//! The program as its users meet it: output, exit codes and messages.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::tempdir;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reference/golden_steps.json");

fn ambient(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ambient")).args(arguments).output().unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn stdout_json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs the program on input that it has to refuse, and returns the one line that it says.
fn refused(arguments: &[&str]) -> String {
    let output = ambient(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(output.stdout.is_empty());
    said
}

#[test]
fn lowdim_prints_the_promised_names() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("new/folder");
    let arguments = ["lowdim", "--functions", "himmelblau,beale", "--optimisers", "sgd,adam", "--format", "json"];
    let arguments = [&arguments[..], &["--starts", "10", "--seed", "3", "--out", path(&out)]].concat();
    let output = ambient(&arguments);
    let result = stdout_json(&output);
    assert_eq!(result["runs"], 2 * (64 + 320));
    assert!(result["seconds"].as_f64().unwrap() > 0.0);
    let cells = result["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 4);
    for cell in cells {
        for name in ["function", "optimiser"] {
            assert!(cell[name].is_string());
        }
        assert!(cell["config"]["learning_rate"].is_number() && cell["paper"]["config"]["learning_rate"].is_number());
        for outcome in [cell, &cell["paper"], &cell["replayed"]] {
            assert!(outcome["converged"].is_boolean());
            assert!(outcome["iterations"].is_u64());
            assert!(outcome["final_value"].is_number());
        }
        assert_eq!(cell["paper"]["reproducibility"], "robust");
        assert_eq!(cell["matches"], true);
    }
    assert_eq!(result["starts"]["rows"].as_array().unwrap().len(), 4);
    assert_eq!(result["starts"]["count"], 10);
    for file in ["index.html", "beale-values.svg", "beale-trajectories.svg", "himmelblau-values.svg"] {
        assert!(out.join(file).is_file(), "{file}");
        assert!(fs::metadata(out.join(file)).unwrap().len() > 1000);
    }
    assert!(String::from_utf8(output.stderr).unwrap().contains("index.html"));

    let mut again = stdout_json(&ambient(&arguments));
    let mut first = result;
    first["seconds"] = Value::Null;
    again["seconds"] = Value::Null;
    assert_eq!(first, again, "the same seed gives the same results");
}

#[test]
fn lowdim_says_in_a_table_what_symmetry_does() {
    let folder = tempdir().unwrap();
    let arguments = ["lowdim", "--functions", "rastrigin", "--optimisers", "sgd", "--starts", "0", "--out"];
    let output = ambient(&[&arguments[..], &[path(folder.path())]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(text.contains("x = y throughout") && text.contains("match"), "{text}");
    assert!(!text.contains("random starts"));
}

#[test]
fn replay_prints_the_promised_names() {
    for (precision, tolerance) in [("f64", 1e-12), ("f32", 1e-4)] {
        let result = stdout_json(&ambient(&["replay", GOLDEN, "--precision", precision, "--format", "json"]));
        assert_eq!(result["backend"], "ndarray");
        assert_eq!(result["precision"], precision);
        assert!(result["max_error"].as_f64().unwrap() <= tolerance);
        let cases = result["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 18);
        assert_eq!((&cases[0]["metric"], &cases[0]["embedding"]), (&"euclidean".into(), &"identity".into()));
        assert_eq!(cases[3]["rule"], "sgd");
        assert!(cases[3]["metric"].is_null() && cases[3]["embedding"].is_null());
        assert!(cases.iter().all(|case| case["max_error"].as_f64().unwrap() <= tolerance));
    }
}

#[test]
fn replay_prints_a_table_by_default() {
    let output = ambient(&["replay", GOLDEN, "--backend", "ndarray"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(text.contains("largest error") && text.contains("18 cases on ndarray in f64"), "{text}");
}

#[test]
fn unknown_names_are_refused_with_those_that_are_known() {
    let said = refused(&["lowdim", "--functions", "beale,booth"]);
    assert!(said.contains("`booth`") && said.contains("himmelblau") && said.contains("rastrigin"), "{said}");
    let said = refused(&["lowdim", "--optimisers", "muon"]);
    assert!(said.contains("`muon`") && said.contains("euclidean_log") && said.contains("nadam"), "{said}");
    assert!(refused(&["lowdim", "--functions", ""]).contains("unknown function"));
}

#[test]
fn wrong_options_are_refused_in_one_line() {
    assert!(refused(&["replay", GOLDEN, "--precision", "f16"]).contains("f64"));
    assert!(refused(&["replay", GOLDEN, "--backend", "abacus"]).contains("ndarray"));
    assert!(refused(&["lowdim", "--starts=-1"]).contains("--starts"));
    assert!(refused(&["lowdim", "--starts", "18446744073709551615"]).contains("--starts"));
    assert!(refused(&["dance"]).contains("dance"));
    assert!(refused(&["replay"]).contains("FILE"));
}

#[test]
fn a_missing_file_is_refused() {
    let folder = tempdir().unwrap();
    let missing = folder.path().join("nothing.json");
    assert!(refused(&["replay", path(&missing)]).contains("nothing.json"));
    assert!(refused(&["replay", path(folder.path())]).contains("cannot read"));
}

#[test]
fn a_truncated_or_malformed_file_is_refused_with_the_place() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("case.json");
    let golden = fs::read_to_string(GOLDEN).unwrap();
    for (text, place) in [
        (&golden[..golden.len() / 2], "line"),
        ("", "line 1 column 0"),
        ("[{\"rule\": 3}]", "line 1 column"),
        ("{}", "line 1"),
        ("[]", "no cases"),
        ("[1e999]", "line 1"),
        (&*golden.replacen("nadam", "na\\ndam", 1), "case 6"),
    ] {
        fs::write(&file, text).unwrap();
        let said = refused(&["replay", path(&file)]);
        assert!(said.contains("case.json") && said.contains(place), "{said}");
    }
    fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
    assert!(refused(&["replay", path(&file)]).contains("case.json"));
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_the_study() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    assert!(refused(&["lowdim", "--out", path(&file)]).contains("cannot write"));
    assert!(refused(&["lowdim", "--out", path(&file.join("below"))]).contains("cannot write"));
    let taken = folder.path().join("taken");
    fs::create_dir_all(taken.join("index.html")).unwrap();
    assert!(refused(&["lowdim", "--out", path(&taken)]).contains("index.html"));
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    for arguments in [&["replay", GOLDEN, "--format", "json"][..], &["lowdim", "--help"], &["--help"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ambient"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success());
    }
}

#[test]
fn help_has_an_example_and_the_columns() {
    for command in ["lowdim", "replay"] {
        let text = String::from_utf8(ambient(&[command, "--help"]).stdout).unwrap();
        assert!(text.contains("Example") && text.contains("Columns"), "{text}");
        assert!(text.contains(&format!("ambient {command}")));
    }
}
