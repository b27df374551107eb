//! Rules by name, and the constants that studies vary.

use ambient_lowdim::extended::study::{absolute, lines};
use ambient_metric::any::AnyAmbient;
use ambient_metric::{AnyRule, Configuration};
use ambient_metric_ndarray::Parameters;
use ambient_rules::Compiled as _;
use ambient_studies::rules::hyperparameters::Hyperparameters;
use ambient_studies::rules::named::{Named, Studied};
use ambient_studies::rules::table::{Constant, Line, lines as lines_of_the_table};
use ndarray::array;

/// The texts of every kind of rule: of all metrics, embeddings, ambient metrics and clips that go together.
pub(crate) fn every_fused_rule() -> Vec<Named> {
    let named = ["sgd", "sgd_ema", "adam", "adamw", "nadam", "euclidean", "euclidean_log", "rmsprop"];
    let mut texts: Vec<String> = named.map(str::to_owned).to_vec();
    for embedding in ["identity", "log", "sqrt", "log1p"] {
        for metric in ["euclidean", "rmsprop", "adagrad", "learned_scalar", "learned_diagonal"] {
            texts.extend(["", ", exact"].map(|placement| format!("induced({metric}, {embedding}{placement}) + ema")));
        }
        for metric in ["euclidean", "rmsprop"] {
            for ambient in
                ["along_gradient", "along_momentum", "along_parameters", "given", "hyperbolic", "warped(0.5)"]
            {
                texts.push(format!("induced({metric}, {embedding}, {ambient}) + ema"));
            }
            texts.push(format!("bilinear({metric}, {embedding}, along_gradient, along_momentum) + ema"));
            for losses in 2..=4 {
                let embeddings = vec![embedding; losses].join(", ");
                texts.push(format!("induced({metric}, {embeddings}) + ema"));
            }
        }
    }
    for clip in ["hard", "soft", "root", "induction"] {
        texts.extend(["euclidean", "rmsprop"].map(|metric| format!("clipped({metric}, {clip}) + ema")));
    }
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn every_rule_keeps_its_name_and_runs() {
    let theta = Parameters::from(array![1.0, 2.0]);
    for named in every_fused_rule() {
        assert_eq!(named.name().parse::<Named>().unwrap(), named);
        let configuration = Configuration::new(named.rule.clone(), 0.1);
        assert_eq!(f64::build(configuration, &theta).unwrap().losses(), named.rule.losses(), "{named}");
    }
}

#[test]
fn the_optimisers_of_the_paper_have_the_names_of_the_grammar() {
    for studied in Studied::ALL {
        let named = studied.named().unwrap();
        assert_eq!((named.name(), named.name().parse::<Studied>().unwrap()), (studied.name(), studied));
    }
    assert!("adagrad".parse::<Studied>().unwrap_err().to_string().contains("known are sgd, adam, nadam"));
}

#[test]
fn hyperparameters_are_the_constants_of_a_rule() {
    let names = |text: &str| Hyperparameters::names(&text.parse::<AnyRule>().unwrap());
    assert_eq!(names("sgd"), ["momentum"]);
    assert_eq!(names("adam"), ["b1", "b2", "eps"]);
    assert_eq!(names("rmsprop"), ["momentum", "xi", "beta", "beta_rms", "eps"]);
    assert_eq!(names("induced(adagrad, log) + ema"), ["momentum", "xi", "beta", "eps"]);
    assert_eq!(names("induced(euclidean, log, along_gradient) + ema"), ["momentum", "xi", "beta", "kappa"]);
    assert_eq!(names("induced(learned_scalar, log) + ema"), ["momentum", "xi", "beta", "kappa"]);
    assert_eq!(names("induced(muon(polar, ema), log)"), ["momentum", "xi", "beta"]);
    assert_eq!(names("shampoo"), ["momentum"]);
}

#[test]
fn what_is_set_is_what_is_read() {
    for named in every_fused_rule() {
        let mut given = Hyperparameters::default();
        for (place, name) in Hyperparameters::names(&named.rule).into_iter().enumerate() {
            // A power of two, so that roots and squares of it are exact.
            given.set(name, 0.25_f64.powi(1 + i32::try_from(place).unwrap()));
        }
        assert_eq!(Hyperparameters::of(&named.with(&given).unwrap()), given, "{named}");
    }
}

#[test]
fn a_constant_that_a_rule_does_not_have_is_refused() {
    let given = Hyperparameters { xi: Some(0.5), ..Hyperparameters::default() };
    let said = "adam".parse::<Named>().unwrap().with(&given).unwrap_err().to_string();
    assert_eq!(said, "adam has no hyperparameter `xi`: it has b1, b2, eps");
    let euclidean = "euclidean".parse::<Named>().unwrap().with(&given).unwrap();
    assert_eq!(euclidean.to_string(), "induced(euclidean, identity, xi=0.5, beta=0.8) + ema(decay=0.9)");
}

#[test]
fn a_surface_of_one_loss_stands_in_another_space_and_no_other_does() {
    let ambient: AnyAmbient = "warped(0.5)".parse().unwrap();
    let within = |text: &str| text.parse::<Named>().unwrap().within(ambient).map(|named| named.rule.to_string());
    let moved = "induced(euclidean, log, warped(kappa=0.5), xi=0.1, beta=0.8) + ema(decay=0.9)";
    assert_eq!(within("euclidean_log").unwrap(), moved);
    assert_eq!(within("sgd").unwrap(), "flat(euclidean) + heavy_ball(decay=0.9)");
    for text in ["induced(euclidean, log, hyperbolic) + ema", "induced(euclidean, log, log) + ema"] {
        assert!(within(text).unwrap_err().to_string().contains("has a space of its own"), "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_rule_is_said_on_one_line_with_its_place() {
    let said = "induced(rmsprop, lgo)".parse::<Named>().unwrap_err().to_string();
    assert!(said.starts_with("the rule `induced(rmsprop, lgo)`, at character 18: `lgo` is no embedding"), "{said}");
    assert_eq!(said.lines().count(), 1);
}

#[test]
fn every_line_of_the_extended_study_is_a_rule_with_a_grid() {
    use ambient_studies::functions::Function;
    for variant in lines() {
        let rule = variant.rule(Function::Beale, [1.0, 1.0]).unwrap();
        let points = variant.grid(&rule).len();
        assert!([26, 104, 208].contains(&points), "{}: {points}", variant.name);
    }
}

/// Eigenvalues 3 and −1 along (1, 1) and (1, −1) become 4 and 2.
#[test]
fn the_metric_of_a_hessian_has_the_absolute_values_of_its_eigenvalues() {
    let metric = absolute([[1.0, 2.0], [2.0, 1.0]]);
    let expected = [[3.0, 1.0], [1.0, 3.0]];
    for (row, expected) in metric.iter().zip(expected) {
        assert!(row.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-14), "{row:?}");
    }
    assert_eq!(absolute([[-2.0, 0.0], [0.0, -2.0]]), [[3.0, 0.0], [0.0, 3.0]]);
}

/// A line of the table as the book has it.
fn in_the_book(line: &Line) -> String {
    let inside: Vec<&str> =
        [line.parts].into_iter().filter(|parts| !parts.is_empty()).chain(line.options.iter().copied()).collect();
    let name = if inside.is_empty() { line.name.to_owned() } else { format!("{}({})", line.name, inside.join(", ")) };
    let constants: Vec<String> = line
        .constants
        .iter()
        .map(|Constant { name, default, range }| format!("`{name}` = {default:?} in {range}"))
        .collect();
    format!("| `{name}` | {} | {} | {} |", constants.join("; "), line.summary, line.source)
}

#[test]
fn every_name_of_the_table_is_in_the_book_as_the_table_has_it() {
    let book = include_str!("../../../../docs/rules.md");
    for line in lines_of_the_table() {
        let row = in_the_book(&line);
        assert!(book.lines().any(|found| found == row), "docs/rules.md lacks the line\n{row}");
    }
    let rows = book.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, lines_of_the_table().count(), "docs/rules.md has lines that the table has not");
}

#[test]
fn the_table_is_told_to_programs_under_the_promised_names() {
    let told = serde_json::to_value(lines_of_the_table().collect::<Vec<_>>()).unwrap();
    let kinds = ["embedding", "base metric", "ambient metric", "momentum", "wrapper", "rule"];
    for line in told.as_array().unwrap() {
        assert!(kinds.contains(&line["kind"].as_str().unwrap()), "{line}");
        assert!(["name", "summary", "source"].iter().all(|key| !line[*key].as_str().unwrap().is_empty()), "{line}");
        for constant in line["constants"].as_array().unwrap() {
            assert!(constant["name"].is_string() && constant["default"].is_number() && constant["range"].is_string());
        }
    }
}
