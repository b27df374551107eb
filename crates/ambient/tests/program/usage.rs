//! Every command but those of training: output, exit codes and messages.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use ambient_studies::files::lock::{Lock, Purpose};
use serde_json::Value;
use tempfile::tempdir;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ambient_replay/reference/golden_steps.json");

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
fn lowdim_extended_compares_every_variant_and_draws_it() {
    let folder = tempdir().unwrap();
    let out = path(folder.path());
    let arguments = ["lowdim", "--extended", "--functions", "rosenbrock", "--starts", "2", "--out", out];
    let result = stdout_json(&ambient(&[&arguments[..], &["--format", "json"]].concat()));
    let rows = result["rows"].as_array().unwrap();
    let of = |name: &str| rows.iter().find(|row| row["variant"] == name).unwrap();
    for name in [
        "adam",
        "euclidean_log",
        "induced(learned_diagonal, log) + ema",
        "induced(euclidean, identity, given) + ema",
        "bilinear(euclidean, identity, along_gradient, along_momentum) + ema",
        "clipped(euclidean, hard) + ema",
        "induced(euclidean, identity, identity) + ema",
        "induced(hessian, identity) + ema",
        "induced(muon(polar, ema), identity) + ema(0)",
    ] {
        let row = of(name);
        assert_eq!(row["function"], "rosenbrock");
        assert!(row["iterations"].as_u64().unwrap() > 0 && row["point"]["learning_rate"].is_number(), "{row}");
    }
    // One term is zero at the start, where the logarithm has no slope: the step is refused, and that is no convergence.
    let refused = of("induced(euclidean, log, log, log, log) + ema");
    assert_eq!((&refused["converged"], &refused["iterations"]), (&false.into(), &0.into()));
    let grid: u64 = rows
        .iter()
        .map(|row| {
            26 * if row["point"]["xi"].is_number() { 4 } else { 1 }
                * if row["point"]["kappa"].is_number() { 2 } else { 1 }
        })
        .sum();
    assert_eq!(result["runs"].as_u64().unwrap(), grid + 2 * rows.len() as u64);
    let svg = fs::read_to_string(folder.path().join("extended.svg")).unwrap();
    assert!(
        svg.starts_with("<svg ")
            && svg.contains("induced(muon(polar, ema), identity) + ema(0)")
            && svg.contains("\n1000\n")
    );
    let page = fs::read_to_string(folder.path().join("extended.html")).unwrap();
    assert!(page.contains("induced(euclidean, identity, given) + ema"));
    let table = String::from_utf8(ambient(&[&arguments[..5], &["1", "--out", out]].concat()).stdout).unwrap();
    assert!(table.contains("induced(euclidean, log, log, log) + ema") && table.contains("random starts"), "{table}");
}

#[test]
fn lowdim_extended_takes_any_rule_of_the_grammar() {
    let folder = tempdir().unwrap();
    let rules = "nadam, induced(rmsprop, log1p, warped(0.5)) + nesterov";
    let arguments = ["lowdim", "--extended", "--functions", "beale", "--starts", "2", "--optimisers", rules];
    let output = ambient(&[&arguments[..], &["--format", "json", "--out", path(folder.path())]].concat());
    let result = stdout_json(&output);
    let rows = result["rows"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["variant"].as_str().unwrap()).collect();
    assert_eq!(names.join(", "), rules);
    assert_eq!(result["runs"], 26 + 4 * 26 + 2 * 2);
    let said = refused(&["lowdim", "--optimisers", "adagrad", "--out", path(folder.path())]);
    assert!(said.contains("known are sgd, adam"), "{said}");
}

#[test]
fn surface_runs_the_variants_by_the_names_of_every_command() {
    let folder = tempdir().unwrap();
    let names = "induced(learned_scalar, log) + ema,induced(euclidean, identity, along_gradient(0.1)) + ema,\
                 induced(euclidean, identity, given) + ema,clipped(euclidean, soft) + ema,induced(euclidean, log, log) + ema,\
                 induced(rmsprop, identity, identity, identity, identity) + ema,induced(kronecker, log) + ema,\
                 induced(muon(polar, ema), identity)";
    let arguments = ["surface", "himmelblau", "--xi", "0.1", "--steps", "300", "--optimisers", names];
    let output = ambient(&[&arguments[..], &["--format", "json", "--out", path(folder.path())]].concat());
    let result = stdout_json(&output);
    let runs = result["runs"].as_array().unwrap();
    let told: Vec<&str> = runs.iter().map(|run| run["optimiser"].as_str().unwrap()).collect();
    assert_eq!(told.join(","), names);
    for run in runs {
        assert!(run["final_value"].as_f64().unwrap() < 1.0, "{run}");
    }
    // Every run has a colour of its own, and its name.
    let svg = fs::read_to_string(folder.path().join("himmelblau-values.svg")).unwrap();
    assert!(told.iter().all(|name| svg.contains(name)));
    let stroke = |line: &str| Some(line.split("stroke=\"").nth(1)?.split('"').next()?.to_owned());
    let strokes: std::collections::BTreeSet<String> = svg.lines().filter_map(stroke).collect();
    assert!(strokes.len() > told.len(), "{strokes:?}");
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
fn a_folder_that_another_command_writes_is_refused_before_the_study() {
    let folder = tempdir().unwrap();
    let lock = Lock::take(folder.path(), Purpose::Work).unwrap();
    for command in [&["lowdim"][..], &["lowdim", "--extended"], &["surface", "beale"]] {
        let said = refused(&[command, &["--out", path(folder.path())]].concat());
        assert!(said.contains(&format!("is in use by process {}", std::process::id())), "{said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    drop(lock);
    let surface = ["surface", "beale", "--optimisers", "sgd", "--steps", "5", "--learning-rate", "0.001"];
    assert!(ambient(&[&surface[..], &["--out", path(folder.path())]].concat()).status.success());
    // The lock is gone with the command.
    assert!(!folder.path().join("ambient.lock").exists());
}

#[test]
fn a_negative_number_is_refused_by_what_it_means() {
    for (rule, constant, range) in [
        ("rmsprop", "xi", "[0, ∞)"),
        ("rmsprop", "momentum", "[0, 1)"),
        ("rmsprop", "beta_rms", "[0, 1)"),
        ("rmsprop", "epsilon", "(0, ∞)"),
        ("adam", "beta1", "[0, 1)"),
    ] {
        for number in ["-1", "-.5", "-1e-3"] {
            let said = refused(&["explain", &format!("{rule}({constant}={number})")]);
            let named = format!("{constant} = {} is out of range", number.parse::<f64>().unwrap());
            assert!(said.contains(&named) && said.contains(range), "{rule} {constant} {number}: {said}");
        }
    }
    let whole = |option: &str, range: &str, arguments: &[&str]| {
        for number in ["-1", "-0.5", "-inf"] {
            let said = refused(&[arguments, &[option, number]].concat());
            let expected = format!("it must be a whole number {range}");
            assert!(said.contains(option) && said.contains(number) && said.contains(&expected), "{said}");
        }
    };
    let any = "from 0 to 18446744073709551615";
    whole("--seed", any, &["lowdim"]);
    whole("--starts", "from 0 to 100000", &["lowdim"]);
    whole("--steps", "from 1 to 20000", &["surface", "beale"]);
    whole("--parameters", "from 1 to 1099511627776", &["bench", "step"]);
    whole("--rounds", "from 1 to 10000", &["bench", "step"]);
    whole("--threads", "from 1 to 1024", &["bench", "step"]);
    #[cfg(feature = "train")]
    {
        whole("--seed", any, &["train", "regression", "--optimiser", "adam"]);
        whole("--epochs", "from 1 to 1000000", &["train", "regression", "--optimiser", "adam"]);
        whole("--batch", "from 1 to 1000000", &["train", "regression", "--optimiser", "adam"]);
        whole("--validation", "from 0 to 4294967295", &["train", "regression", "--optimiser", "adam"]);
        whole("--save-every", any, &["train", "regression", "--optimiser", "adam"]);
        whole("--seed", any, &["sweep", "regression"]);
        whole("--runs", "from 1 to 100000", &["sweep", "regression"]);
        whole("--threads", "from 1 to 4", &["sweep", "regression"]);
        whole("--best", "from 1 to 100000", &["report", "."]);
        let set = ["train", "regression", "--optimiser", "adam", "--set"];
        assert!(refused(&[&set[..], &["b1", "-1"]].concat()).contains("give a name and a number"));
        let said = refused(&[&set[..], &["b1=-1"]].concat());
        assert!(said.contains("--set gives b1 = -1.0: it ") && said.contains("[0, 1)"), "{said}");
    }
    for option in ["--xi", "--learning-rate"] {
        let said = refused(&["surface", "beale", option, "-inf"]);
        assert!(said.contains(option) && said.contains("must"), "{said}");
    }
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
fn surface_prints_the_promised_names_and_draws_every_picture() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("new/folder");
    let arguments = [
        "surface",
        "himmelblau",
        "--optimisers",
        "adam, induced(rmsprop, log) + ema",
        "--xi",
        "0.5",
        "--format",
        "json",
    ];
    let output = ambient(&[&arguments[..], &["--start=-0.5,1", "--steps", "400", "--out", path(&out)]].concat());
    let result = stdout_json(&output);
    assert_eq!((&result["function"], &result["embedding"]), (&"himmelblau".into(), &"identity".into()));
    assert_eq!((&result["xi"], &result["tolerance"]), (&0.5.into(), &1e-6.into()));
    assert_eq!(result["start"].as_array().unwrap(), &[Value::from(-0.5), Value::from(1.0)]);
    // (x² + y − 11)² + (x + y² − 7)² at (−½, 1): 9.75² + 6.5², with the gradient (6.5, −45.5).
    let there = &result["at_start"];
    let near = |name: &str, expected: f64| {
        let found = there[name].as_f64().unwrap();
        assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{name} {found} {expected}");
    };
    let squared = 6.5_f64.powi(2) + 45.5_f64.powi(2);
    near("loss", 9.75_f64.powi(2) + 6.5_f64.powi(2));
    near("gradient_norm", squared.sqrt());
    near("volume", (1.0 + 0.5 * squared).sqrt());
    near("damping", 1.0 / (1.0 + 0.5 * squared));
    // H = [[12x² + 4y − 42, 4(x + y)], [4(x + y), 12y² + 4x − 26]].
    near("curvature", 0.5 * ((3.0 + 4.0 - 42.0) * (12.0 - 2.0 - 26.0) - 4.0) / (1.0 + 0.5 * squared).powi(2));
    let runs = result["runs"].as_array().unwrap();
    let names: Vec<&str> = runs.iter().map(|run| run["optimiser"].as_str().unwrap()).collect();
    assert_eq!(names, ["adam", "induced(rmsprop, log) + ema"]);
    for run in runs {
        assert_eq!(run["end"], "converged");
        assert!(run["updates"].as_u64().unwrap() <= 400 && run["final_value"].as_f64().unwrap() <= 1e-6);
        assert!(run["length"].as_f64().unwrap() > 1.0 && run["config"]["learning_rate"].is_number());
        let rates = run["effective_learning_rate"].as_array().unwrap();
        assert!(rates[0].as_f64().unwrap() <= rates[1].as_f64().unwrap());
    }
    assert_eq!(runs[1]["config"]["xi"], 0.5);
    for picture in ["surface", "profile", "effective-learning-rate", "values"] {
        let svg = fs::read_to_string(out.join(format!("himmelblau-{picture}.svg"))).unwrap();
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>") && !svg.contains("NaN"), "{picture}");
        let page = fs::read_to_string(out.join("index.html")).unwrap();
        assert_eq!(page.matches("<svg ").count(), 4);
        assert!(!page.contains("http://") || page.matches("http").count() == page.matches("www.w3.org").count());
    }
    assert!(String::from_utf8(output.stderr).unwrap().contains("index.html"));
}

#[test]
fn surface_draws_every_function_with_every_colour_and_embedding() {
    let folder = tempdir().unwrap();
    let out = path(folder.path());
    for (function, colour, embedding) in [
        ("beale", "volume", "log"),
        ("rosenbrock", "damping", "sqrt"),
        ("himmelblau", "curvature", "log1p"),
        ("ackley", "loss", "identity"),
        ("rastrigin", "curvature", "sqrt"),
    ] {
        let arguments = ["surface", function, "--colour", colour, "--embedding", embedding, "--optimisers", "sgd"];
        let output = ambient(&[&arguments[..], &["--steps", "20", "--learning-rate", "0.001", "--out", out]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("Gaussian curvature") && text.contains(&format!("f = {embedding}")), "{text}");
        let svg = fs::read_to_string(folder.path().join(format!("{function}-surface.svg"))).unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{function}");
        // Every cell is drawn: in at least one path a row.
        assert!(svg.matches("<path color=").count() >= 96, "{function}");
    }
}

#[test]
fn surface_draws_runs_that_leave_the_picture_and_the_numbers() {
    let folder = tempdir().unwrap();
    for rate in ["100", "1e30", "1e100"] {
        let arguments = ["surface", "rastrigin", "--learning-rate", rate, "--steps", "200", "--format", "json"];
        let result = stdout_json(&ambient(&[&arguments[..], &["--out", path(folder.path())]].concat()));
        assert!(result["runs"].as_array().unwrap().iter().all(|run| run["end"] != "converged"), "{result}");
        let svg = fs::read_to_string(folder.path().join("rastrigin-surface.svg")).unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{rate}");
    }
}

#[test]
fn surface_refuses_what_cannot_be_drawn() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("none");
    let ackley = |arguments: &[&str]| refused(&[&["surface", "ackley"], arguments, &["--out", path(&out)]].concat());
    assert!(refused(&["surface", "booth"]).contains("himmelblau"));
    assert!(refused(&["surface"]).contains("FUNCTION"));
    assert!(ackley(&["--colour", "taste"]).contains("curvature"));
    assert!(ackley(&["--embedding", "cube"]).contains("log1p"));
    assert!(ackley(&["--optimisers", "leo"]).contains("euclidean_log"));
    assert!(ackley(&["--start", "1"]).contains("--start"));
    assert!(ackley(&["--start", "1,2,3"]).contains("2 numbers"));
    assert!(ackley(&["--start", "NaN,1"]).contains("--start"));
    assert!(ackley(&["--start", "4,4"]).contains("--frame"));
    assert!(ackley(&["--frame", "1,0,0,1"]).contains("--frame"));
    assert!(ackley(&["--frame=-inf,inf,0,1"]).contains("--frame"));
    assert!(ackley(&["--view", "20,0"]).contains("tilt"));
    assert!(ackley(&["--xi", "-1"]).contains("--xi"));
    assert!(ackley(&["--xi", "1e300"]).contains("--xi"));
    assert!(ackley(&["--learning-rate", "0"]).contains("--learning-rate"));
    assert!(ackley(&["--steps", "0"]).contains("--steps"));
    // At the minimum the logarithm has no height, and the tip of the funnel no gradient.
    let minimum = ["surface", "rosenbrock", "--embedding", "log", "--start", "1,1", "--out", path(&out)];
    assert!(refused(&minimum).contains("domain"));
    assert!(ackley(&["--start", "0,0"]).contains("NaN"));
    assert!(!out.exists(), "nothing is written where something is refused");
}

/// The surface of Himmelblau's function over (−½, 1) in every space, in numbers: L = 9.75² + 6.5² and ⟨l, l⟩ = 6.5² + 45.5², with h = √ξ L and ξ = 0.01.
#[test]
fn surface_stands_in_other_spaces() {
    let folder = tempdir().unwrap();
    let loss = 9.75_f64.powi(2) + 6.5_f64.powi(2);
    let (height, bend) = (0.1 * loss, 0.01 * (6.5_f64.powi(2) + 45.5_f64.powi(2)));
    let profile = 1.0 / (1.0 + 0.5 * height);
    let mut ways = Vec::new();
    // a and B of the space.
    for (name, constant, scale, block) in [
        ("product", "", 1.0, 1.0),
        ("weighted", "(kappa=0.5)", 1.0, profile),
        ("warped", "(kappa=0.5)", profile.powi(2), profile.powi(-2)),
        ("conformal", "(kappa=0.5)", profile, 1.0),
        ("hyperbolic", "", height.powi(-2), 1.0),
    ] {
        let ambient_metric = format!("{name}{constant}");
        let out = folder.path().join(name);
        let mut arguments =
            vec!["surface", "himmelblau", "--ambient", &ambient_metric, "--xi", "0.01", "--start=-0.5,1"];
        arguments.extend([
            "--optimisers",
            "sgd, induced(rmsprop, identity, exact) + ema",
            "--format",
            "json",
            "--out",
            path(&out),
        ]);
        let result = stdout_json(&ambient(&arguments));
        assert_eq!((&result["ambient"], &result["blank"]), (&ambient_metric.as_str().into(), &0.0.into()));
        let near = |found: &Value, expected: f64| {
            let found = found.as_f64().unwrap();
            assert!((found - expected).abs() <= 1e-12 * expected, "{name}: {found} {expected}");
        };
        near(&result["at_start"]["volume"], scale * (1.0 + block * bend).sqrt());
        near(&result["at_start"]["damping"], 1.0 / (scale * (1.0 + block * bend)));
        let runs = result["runs"].as_array().unwrap();
        // Hyperbolic space is without end towards h = 0: what descends in it may come near, and no nearer.
        assert!(runs.iter().all(|run| run["final_value"].as_f64().unwrap() < 1.0), "{result}");
        // Plain descent goes the same way in every space, and that way has another length in each.
        assert_eq!((&runs[0]["optimiser"], &runs[0]["end"]), (&"sgd".into(), &"converged".into()));
        ways.push(runs[0]["length"].as_f64().unwrap());
        let svg = fs::read_to_string(out.join("himmelblau-surface.svg")).unwrap();
        assert!(name == "product" || svg.contains(name), "{name}");
        assert!(!svg.contains("NaN") && !svg.contains("blank"), "{name}");
    }
    assert!(ways[1..4].iter().all(|way| *way < ways[0]), "{ways:?}");
}

#[test]
fn surface_is_blank_where_the_space_ends() {
    let folder = tempdir().unwrap();
    let out = path(folder.path());
    let arguments = ["surface", "rosenbrock", "--ambient", "hyperbolic", "--embedding", "log", "--out", out];
    let more = ["--optimisers", "sgd,euclidean_log", "--steps", "50"];
    let arguments = [&arguments[..], &more].concat();
    let result = stdout_json(&ambient(&[&arguments[..], &["--format", "json"]].concat()));
    // The height ln L is above zero where L > 1.
    let blank = result["blank"].as_f64().unwrap();
    assert!(blank > 0.0 && blank < 0.5, "{blank}");
    assert!(result["runs"][0]["length"].is_null(), "{result}");
    assert!(result["runs"][1]["end"]["outside_space"].as_str().unwrap().contains("Hyperbolic"), "{result}");
    let drawn = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(
        drawn("rosenbrock-surface.svg").contains("no space for h ≤ 0")
            && drawn("index.html").contains("the space ends")
    );
    let table = String::from_utf8(ambient(&arguments).stdout).unwrap();
    assert!(table.contains("in hyperbolic") && table.contains("left the space") && table.contains("blank"), "{table}");
}

#[test]
fn surface_refuses_spaces_that_cannot_be() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("none");
    let beale = |arguments: &[&str]| refused(&[&["surface", "beale"], arguments, &["--out", path(&out)]].concat());
    assert!(beale(&["--ambient", "spherical"]).contains("hyperbolic"));
    assert!(beale(&["--ambient", "hyperbolic", "--xi", "0"]).contains("outside of the ambient space"));
    assert!(beale(&["--ambient", "hyperbolic(2)"]).contains("has no constants"));
    assert!(beale(&["--ambient", "warped(1e999)"]).contains("finite"));
    assert!(beale(&["--ambient", "weighted(-1e9)"]).contains("outside of the ambient space"));
    for variant in ["induced(euclidean, log, given) + ema", "induced(euclidean, log, log) + ema"] {
        let said = beale(&["--ambient", "hyperbolic", "--optimisers", variant]);
        assert!(said.contains(variant) && said.contains("cannot stand in hyperbolic"), "{said}");
    }
    assert!(!out.exists(), "nothing is written where something is refused");
}

#[test]
fn help_has_an_example_and_the_columns() {
    for command in [&["lowdim"][..], &["surface"], &["replay"], &["bench", "step"], &["devices"]] {
        let text = String::from_utf8(ambient(&[command, &["--help"]].concat()).stdout).unwrap();
        assert!(text.contains("Example") && text.contains("Columns"), "{text}");
        assert!(text.contains(&format!("ambient {}", command.join(" "))));
    }
}

#[test]
fn explain_writes_a_rule_out_and_its_help_lists_the_rules() {
    for (form, update) in
        [("text", "parameter ← "), ("latex", r"\theta &\leftarrow "), ("wgsl", "elements_of_parameter[")]
    {
        let rule = "induced(RMSPROP, SQRT, exact, xi=0.5) + ema";
        let output = ambient(&["explain", rule, "--as", form, "--precision", "f64"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains(update) && text.contains("xi=0.5"), "{text}");
    }
    let help = String::from_utf8(ambient(&["explain", "--help"]).stdout).unwrap();
    for known in ["ambient rules", "adamw", "log1p", "Example"] {
        assert!(help.contains(known), "{help}");
    }
}

#[test]
fn unknown_rules_are_refused_with_those_that_are_known() {
    let said = refused(&["explain", "munon"]);
    assert!(
        said.contains("`munon`") && said.contains("nearest known one is `muon`") && said.contains("sgd_ema"),
        "{said}"
    );
    let said = refused(&["explain", "induced(riemann, log)"]);
    assert!(said.contains("`riemann`") && said.contains("adagrad"), "{said}");
    let said = refused(&["explain", "induced(rmsprop)"]);
    assert!(said.contains("embedding") && said.contains("log1p"), "{said}");
    assert!(refused(&["explain", "induced(rmsprop, log, full)"]).contains("`full`"));
    assert!(refused(&["explain", "sgd(xi=0.1)"]).contains("`xi`"));
    assert!(refused(&["explain", "sgd(1.5)"]).contains("momentum"));
    assert!(refused(&["explain", "sgd", "--as", "prose"]).contains("latex"));
    assert!(refused(&["bench", "step", "--rules", "leo"]).contains("euclidean_log"));
}

#[test]
fn bench_on_the_cpu_prints_the_promised_names() {
    let arguments = ["bench", "step", "--parameters", "1000", "--rounds", "2", "--format", "json"];
    for (precision, size) in [("f32", 4), ("f64", 8)] {
        let more = ["--rules", "adam, induced(euclidean, log, exact) + ema", "--precision", precision];
        let result = stdout_json(&ambient(&[&arguments[..], &more].concat()));
        assert_eq!((&result["backend"], &result["precision"]), (&"ndarray".into(), &precision.into()));
        assert_eq!((&result["parameters"], &result["threads"]), (&1000.into(), &1.into()));
        assert!(result["adapter"].is_null());
        for limit in ["limit", "read_limit"] {
            assert!(result[format!("{limit}_seconds_per_byte")].as_f64().unwrap() > 0.0);
            let kind = result[format!("{limit}_kind")].as_str().unwrap();
            assert!(
                kind.contains("stream") && kind.contains("pages") && kind.starts_with("sum") == (limit == "read_limit")
            );
        }
        // A thousand parameters lie in caches.
        assert_eq!(result["gate"], "in_caches");
        assert!(result["product_bandwidth_ratio"].as_f64().unwrap() > 0.0);
        assert!(result["product_seconds"].as_f64().unwrap() > 0.0);
        assert_eq!(result["product_bytes_per_parameter"], 2 * size);
        let rules = result["rules"].as_array().unwrap();
        let names: Vec<&str> = rules.iter().map(|rule| rule["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["adamw", "adam", "induced(euclidean, log, exact) + ema"]);
        // adamw moves θ, m, ρ twice and l once; adam looks at l once more before; the exact rule at l and m.
        for (rule, [measure, advance]) in rules.iter().zip([[0, 7], [1, 7], [2, 5]]) {
            assert_eq!(
                (&rule["measure_bytes"], &rule["advance_bytes"]),
                (&(measure * size).into(), &(advance * size).into())
            );
            assert_eq!(rule["bytes_per_parameter"], (measure + advance) * size);
            assert!(rule["dispatches"].is_null());
            assert!(
                ["seconds", "bandwidth_ratio", "over_adamw"].iter().all(|name| rule[*name].as_f64().unwrap() > 0.0)
            );
        }
        assert_eq!(rules[0]["over_adamw"].as_f64(), Some(1.0));
    }
}

#[test]
fn bench_times_variants_with_a_gradient_for_every_loss() {
    let names = "induced(rmsprop, log, along_momentum) + ema,clipped(euclidean, hard) + ema,induced(euclidean, log, log) + ema,\
                 induced(euclidean, log, log, log, log) + ema";
    let arguments = ["bench", "step", "--parameters", "64", "--rounds", "1", "--format", "json", "--rules", names];
    let result = stdout_json(&ambient(&arguments));
    let rules = result["rules"].as_array().unwrap();
    let told: Vec<&str> = rules.iter().skip(1).map(|rule| rule["name"].as_str().unwrap()).collect();
    assert_eq!(told.join(","), names);
    // θ and so many gradients and momenta are read to measure, and in `f32`.
    assert_eq!((&rules[3]["measure_bytes"], &rules[4]["measure_bytes"]), (&8.into(), &16.into()));
    assert!(refused(&["bench", "step", "--rules", "muon"]).contains("whole tensors"));
    let five = "induced(euclidean, log, log, log, log, log)";
    assert!(refused(&["bench", "step", "--rules", five]).contains("4 losses at most"));
    assert!(refused(&["explain", "clipped(euclidean, hard, twice)"]).contains("twice"));
}

#[test]
fn bench_counts_the_bytes_of_a_narrow_state() {
    // adamw: θ and l of 4 bytes, m and ρ of 2, and θ, m and ρ written; rmsprop looks at ρ and l before, euclidean at l.
    for (state, rule, expected) in [("bf16", "rmsprop", [20, 26]), ("f16", "euclidean", [20, 20])] {
        let arguments = ["bench", "step", "--parameters", "1000", "--rounds", "1", "--rules", rule, "--format", "json"];
        let result = stdout_json(&ambient(&[&arguments[..], &["--state", state]].concat()));
        assert_eq!(result["state"], state);
        let bytes: Vec<&Value> =
            result["rules"].as_array().unwrap().iter().map(|rule| &rule["bytes_per_parameter"]).collect();
        assert_eq!(bytes, expected);
    }
    assert!(refused(&["bench", "step", "--rules", "rmsprop", "--state", "f16"]).contains("bf16"));
    let output = ambient(&["bench", "step", "--parameters", "64", "--rounds", "1", "--rules", "sgd", "--state", "f16"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("in f32, the state in f16, on one thread"));
}

#[test]
fn bench_prints_a_table_by_default() {
    let output = ambient(&["bench", "step", "--parameters", "64", "--rounds", "1", "--rules", "sgd"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let promised = ["64 parameters in f32 on one thread of the CPU", "product", "adamw", "of the limit", "over adamw"];
    for said in promised.into_iter().chain(["The limit of passes that write", "only read", "no rule is held", "GB/s"]) {
        assert!(text.contains(said), "{text}");
    }
    assert!(refused(&["bench", "step", "--parameters", "0"]).contains("--parameters"));
    assert!(refused(&["bench", "step", "--rounds", "0"]).contains("--rounds"));
}

#[test]
fn adapters_go_with_devices_and_threads_with_the_cpu() {
    assert!(refused(&["bench", "step", "--backend", "wgpu", "--threads", "2"]).contains("--backend ndarray"));
    assert!(refused(&["bench", "step", "--threads", "0"]).contains("--threads"));
    let arguments = ["bench", "step", "--parameters", "9", "--rounds", "1", "--rules", "sgd", "--format", "json"];
    assert_eq!(stdout_json(&ambient(&[&arguments[..], &["--threads", "2"]].concat()))["threads"], 2);
    assert!(refused(&["replay", GOLDEN, "--adapter", "some"]).contains("--backend wgpu"));
    assert!(refused(&["bench", "step", "--adapter", "some"]).contains("--backend wgpu"));
}

#[cfg(not(feature = "wgpu"))]
#[test]
fn without_devices_every_request_for_one_says_how_to_build_them_in() {
    for arguments in [
        &["devices"][..],
        &["devices", "--format", "json"],
        &["replay", GOLDEN, "--backend", "wgpu"],
        &["bench", "step", "--backend", "wgpu"],
    ] {
        assert!(refused(arguments).contains("--features wgpu"));
    }
}

#[cfg(not(feature = "train"))]
#[test]
fn without_training_its_commands_say_how_to_build_it_in() {
    for arguments in
        [&["train"][..], &["train", "regression", "--optimiser", "adam"], &["sweep", "mnist"], &["report", "."]]
    {
        assert!(refused(arguments).contains("--features train"));
    }
    let help = String::from_utf8(ambient(&["train", "--help"]).stdout).unwrap();
    assert!(help.contains("this program was built without it"), "{help}");
}

#[test]
fn rules_lists_what_can_be_chosen() {
    let told = stdout_json(&ambient(&["rules", "--format", "json"]));
    let lines = told.as_array().unwrap();
    let rmsprop = lines.iter().find(|line| line["name"] == "rmsprop" && line["kind"] == "base metric").unwrap();
    let constants = rmsprop["constants"].as_array().unwrap();
    assert_eq!((&constants[0]["name"], &constants[0]["default"]), (&"beta".into(), &0.999.into()));
    assert_eq!(constants[0]["range"], "[0, 1)");
    assert!(["summary", "source"].iter().all(|key| rmsprop[*key].is_string()));
    let table = String::from_utf8(ambient(&["rules"]).stdout).unwrap();
    for name in ["induced", "adamw", "log1p", "hyperbolic", "nesterov", "hard"] {
        assert!(table.contains(name), "{table}");
    }
}

#[test]
fn shells_and_man_read_what_the_commands_are() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = String::from_utf8(ambient(&["completions", shell]).stdout).unwrap();
        assert!(script.contains("lowdim") && script.contains("ambient"), "{shell}");
    }
    let page = String::from_utf8(ambient(&["manual"]).stdout).unwrap();
    assert!(page.starts_with(".ie") && page.contains("lowdim"), "{page}");
    let page = String::from_utf8(ambient(&["manual", "surface"]).stdout).unwrap();
    assert!(page.contains("colour"), "{page}");
    assert!(refused(&["manual", "lowdm"]).contains("lowdim"));
}
