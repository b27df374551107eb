//! Recorded trajectories of other implementations, taken again by the optimiser of a module.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;

use ambient_metric::any::Preprocessed;
use ambient_metric::{AnyRule, Configuration, RmsProp, Rule, rules};
use ambient_metric_burn::{BurnElement, ModuleOptimiser, Parameters};
use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use serde::Deserialize;

/// The record stands in another crate, so it is read when the test runs.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ambient_replay/reference/golden_steps.json");

#[derive(Deserialize)]
struct Case {
    rule: String,
    metric: Option<String>,
    embedding: Option<String>,
    hyperparameters: BTreeMap<String, f64>,
    shapes: BTreeMap<String, Vec<usize>>,
    theta0: Point,
    losses: Vec<f64>,
    gradients: Vec<Point>,
    thetas: Vec<Point>,
}

#[derive(Clone, Deserialize)]
struct Point {
    w: Vec<f64>,
    b: Vec<f64>,
}

#[derive(Module, Debug)]
struct Model {
    w: Param<Tensor<2>>,
    b: Param<Tensor<1>>,
}

fn matrix<E: BurnElement>(values: &[f64], shape: &[usize], device: &Device) -> Tensor<2> {
    let values: Vec<E> = values.iter().map(|&value| ambient_metric::Field::constant(value)).collect();
    Tensor::from_data(TensorData::new(values, shape.to_vec()), (device, E::dtype()))
}

fn vector<E: BurnElement>(values: &[f64], device: &Device) -> Tensor<1> {
    matrix::<E>(values, &[1, values.len()], device).reshape([values.len()])
}

/// max |θ − ref| / (1 + max |ref|) over steps and parameters.
fn error<E: BurnElement, R: Rule + Clone + Send>(case: &Case, rule: R) -> f64 {
    let (device, trained) = (Device::flex(), Device::flex().autodiff());
    let mut model = Model {
        w: Param::from_tensor(matrix::<E>(&case.theta0.w, &case.shapes["w"], &trained)),
        b: Param::from_tensor(vector::<E>(&case.theta0.b, &trained)),
    };
    let rate = case.hyperparameters["learning_rate"];
    let decay = case.hyperparameters.get("weight_decay").copied().unwrap_or(0.0);
    let configuration = Configuration::new(rule, rate).weight_decay(decay);
    let mut optimiser = ModuleOptimiser::of(&model, |theta: &Parameters<E>| configuration.build(theta)).unwrap();
    let mut largest = 0.0_f64;
    for ((gradient, &loss), expected) in case.gradients.iter().zip(&case.losses).zip(&case.thetas) {
        let mut gradients = GradientsParams::new();
        gradients.register(model.w.id, matrix::<E>(&gradient.w, &case.shapes["w"], &device));
        gradients.register(model.b.id, vector::<E>(&gradient.b, &device));
        optimiser.step(rate, &mut model, gradients, loss).unwrap();
        let w: Vec<f64> = model.w.val().try_into_vec_as().unwrap();
        let b: Vec<f64> = model.b.val().try_into_vec_as().unwrap();
        for (found, expected) in [(w, &expected.w), (b, &expected.b)] {
            let scale = 1.0 + expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
            for (found, expected) in found.iter().zip(expected) {
                largest = largest.max((found - expected).abs() / scale);
            }
        }
    }
    largest
}

fn replay<E: BurnElement>(case: &Case) -> f64 {
    let [mu, xi, beta, beta_rms, b1, b2, eps] = ["momentum", "xi", "beta", "beta_rms", "b1", "b2", "eps"]
        .map(|name| case.hyperparameters.get(name).copied().unwrap_or(f64::NAN));
    match (case.rule.as_str(), case.metric.as_deref(), case.embedding.as_deref()) {
        ("sgd", None, None) => error::<E, _>(case, rules::sgd(mu)),
        ("adamw", None, None) => {
            error::<E, _>(case, rules::adam().momentum(b1).metric(RmsProp { beta: b2, epsilon: eps }))
        }
        ("nadam", None, None) => {
            error::<E, _>(case, rules::nadam().momentum(b1).metric(RmsProp { beta: b2, epsilon: eps }))
        }
        ("induced", Some("euclidean"), Some("identity")) => {
            error::<E, _>(case, rules::euclidean(xi).momentum(mu).beta(beta))
        }
        ("induced", Some("euclidean"), Some("log")) => {
            error::<E, _>(case, rules::euclidean_log(xi).momentum(mu).beta(beta))
        }
        ("induced", Some("rmsprop"), Some("identity")) => error::<E, _>(
            case,
            rules::rmsprop(xi).momentum(mu).beta(beta).metric(RmsProp { beta: beta_rms, epsilon: eps }),
        ),
        other => panic!("an unknown case: {other:?}"),
    }
}

#[test]
fn single_precision_agrees_to_1e_4_and_double_to_1e_12() {
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(GOLDEN).unwrap()).unwrap();
    assert_eq!(cases.len(), 18);
    let worst = |replay: fn(&Case) -> f64| cases.iter().map(replay).fold(0.0, f64::max);
    let (single, double) = (worst(replay::<f32>), worst(replay::<f64>));
    println!("largest error in f32 {single:e}, in f64 {double:e}");
    assert!(single <= 1e-4, "{single:e}");
    assert!(double <= 1e-12, "{double:e}");
    assert!(single > double, "single precision was not used");
}

/// The records of the catalogue, taken by the reference implementations.
const CATALOGUE: [&str; 3] = [
    concat!(env!("CARGO_MANIFEST_DIR"), "/../ambient_replay/reference/catalogue.json"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../ambient_replay/reference/catalogue_more.json"),
    concat!(env!("CARGO_MANIFEST_DIR"), "/../ambient_replay/reference/catalogue_gradients.json"),
];

#[derive(Deserialize)]
struct Catalogue {
    learning_rate: f64,
    start: Numbers,
    gradients: Vec<Numbers>,
    losses: Option<Vec<f64>>,
    curvatures: Option<Vec<Numbers>>,
    cases: Vec<Trajectory>,
}

#[derive(Deserialize)]
struct Trajectory {
    rule: String,
    weight_decay: f64,
    learning_rate: Option<f64>,
    parameters: Vec<Numbers>,
    evaluated: Option<Vec<Numbers>>,
    /// Of a case with tensors of its own.
    shapes: Option<BTreeMap<String, Vec<usize>>>,
}

impl Trajectory {
    /// Whether it is taken here: those of other tensors, and of sums with the learning rate in them, are not.
    fn is_taken(&self) -> bool {
        let has_rates = self.rule.starts_with("d_adapt_adam(") && self.learning_rate != Some(1.0);
        self.rule.parse::<AnyRule>().is_ok() && self.shapes.is_none() && !has_rates
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Numbers {
    a: Vec<f64>,
    b: Vec<f64>,
    c: Vec<f64>,
}

#[derive(Module, Debug)]
struct Three {
    a: Param<Tensor<1>>,
    b: Param<Tensor<1>>,
    c: Param<Tensor<2>>,
}

/// max |θ − ref| / |ref| over the steps of a case.
fn strays<E: BurnElement>(catalogue: &Catalogue, case: &Trajectory) -> f64 {
    let (device, trained) = (Device::flex(), Device::flex().autodiff());
    let mut model = Three {
        a: Param::from_tensor(vector::<E>(&catalogue.start.a, &trained)),
        b: Param::from_tensor(vector::<E>(&catalogue.start.b, &trained)),
        c: Param::from_tensor(matrix::<E>(&catalogue.start.c, &[3, 4], &trained)),
    };
    let (rule, beforehand) = case.rule.parse::<AnyRule>().unwrap().apart();
    let rule = rule.fused().unwrap();
    let rate = case.learning_rate.unwrap_or(catalogue.learning_rate);
    let configuration = Configuration::new(rule, rate).weight_decay(case.weight_decay);
    let build = |theta: &Parameters<E>| Preprocessed::new(beforehand, configuration.build(theta)?, theta);
    let mut optimiser = ModuleOptimiser::of(&model, build).unwrap();
    let mut largest = 0.0_f64;
    let mut compare = |model: &Three, expected: &Numbers| {
        let found: [Vec<f64>; 3] = [
            model.a.val().try_into_vec_as().unwrap(),
            model.b.val().try_into_vec_as().unwrap(),
            model.c.val().try_into_vec_as().unwrap(),
        ];
        let expected = [&expected.a, &expected.b, &expected.c].into_iter().flatten();
        largest = found.iter().flatten().zip(expected).map(|(x, y)| (x - y).abs() / y.abs()).fold(largest, f64::max);
    };
    for (step, gradient) in catalogue.gradients.iter().enumerate() {
        let of_model = |numbers: &Numbers| {
            let mut all = GradientsParams::new();
            all.register(model.a.id, vector::<E>(&numbers.a, &device));
            all.register(model.b.id, vector::<E>(&numbers.b, &device));
            all.register(model.c.id, matrix::<E>(&numbers.c, &[3, 4], &device));
            all
        };
        if let Some(curvatures) = &catalogue.curvatures
            && case.rule.starts_with("ada_hessian(")
        {
            optimiser.observe(&model, vec![of_model(&curvatures[step])]).unwrap();
        }
        let gradients = of_model(gradient);
        let loss = catalogue.losses.as_ref().map_or(1.0, |losses| losses[step]);
        optimiser.step(rate, &mut model, gradients, loss).unwrap();
        compare(&model, &case.parameters[step]);
        let evaluated = case.evaluated.as_ref().unwrap_or(&case.parameters);
        compare(&optimiser.evaluation_module(&model).unwrap(), &evaluated[step]);
    }
    largest
}

#[test]
fn the_catalogue_takes_the_steps_of_the_reference_implementations() {
    // Which recorded rules there are is said where they are taken on the CPU.
    let mut taken = 0;
    for path in CATALOGUE {
        let catalogue: Catalogue = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for case in catalogue.cases.iter().filter(|case| case.is_taken()) {
            let (single, double) = (strays::<f32>(&catalogue, case), strays::<f64>(&catalogue, case));
            assert!(double <= 1e-12 && single <= 1e-4, "{}: {double:e} in f64, {single:e} in f32", case.rule);
            taken += 1;
        }
    }
    assert!(taken >= 60, "{taken}");
}
