//! What a step costs beside Burn's own AdamW, for models of many and of few parameters.
//!
//! `cargo bench --package ambient_metric_burn`

#![allow(clippy::expect_used, reason = "a benchmark has nobody to return an error to")]

use ambient_metric::{Configuration, Rule, rules};
use ambient_metric_burn::ModuleOptimiser;
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor};
use divan::Bencher;

fn main() {
    divan::main();
}

/// Widths of the layers: 1,249, 55,050 and about 4 million parameters.
const MODELS: [&[usize]; 3] = [&[4, 32, 32, 1], &[784, 64, 64, 10], &[1024, 1024, 1024, 1024, 1024]];

#[derive(Module, Debug)]
struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    fn new(widths: &[usize]) -> Self {
        let device = Device::flex().autodiff();
        let layer = |pair: &[usize]| match pair {
            [from, to] => Some(LinearConfig::new(*from, *to).init(&device)),
            _ => None,
        };
        Self { layers: widths.windows(2).filter_map(layer).collect() }
    }

    fn gradients(&self) -> GradientsParams {
        let mut gradients = GradientsParams::new();
        for layer in &self.layers {
            register(&mut gradients, &layer.weight);
            layer.bias.iter().for_each(|bias| register(&mut gradients, bias));
        }
        gradients
    }
}

fn register<const D: usize>(gradients: &mut GradientsParams, parameter: &Param<Tensor<D>>) {
    let shape = parameter.val().dims();
    gradients.register(parameter.id, Tensor::<D>::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex()));
}

fn ours<R: Rule + Clone + Send>(bencher: Bencher<'_, '_>, rule: R, model: usize) {
    let module = Mlp::new(MODELS.get(model).copied().unwrap_or_default());
    let configuration = Configuration::new(rule, 1e-6).weight_decay(1e-4);
    let mut optimiser = ModuleOptimiser::new(configuration, &module).expect("the constants are in range");
    let gradients = module.gradients();
    bencher.with_inputs(|| copy(&module, &gradients)).bench_local_values(|(mut copied, gradients)| {
        optimiser.step(1e-6, &mut copied, gradients, 1.0).expect("the gradient is finite");
        copied
    });
}

/// The module and its gradients; a step uses them up.
fn copy(module: &Mlp, gradients: &GradientsParams) -> (Mlp, GradientsParams) {
    let mut copied = GradientsParams::new();
    for layer in &module.layers {
        if let Some(gradient) = gradients.get::<2>(layer.weight.id) {
            copied.register(layer.weight.id, gradient);
        }
        if let Some(bias) = &layer.bias
            && let Some(gradient) = gradients.get::<1>(bias.id)
        {
            copied.register(bias.id, gradient);
        }
    }
    (module.clone(), copied)
}

#[divan::bench(args = [0, 1, 2])]
fn burn_adamw(bencher: Bencher<'_, '_>, model: usize) {
    let module = Mlp::new(MODELS.get(model).copied().unwrap_or_default());
    let mut optimiser = AdamWConfig::new().with_weight_decay(1e-4).init();
    let gradients = module.gradients();
    bencher
        .with_inputs(|| copy(&module, &gradients))
        .bench_local_values(|(module, gradients)| optimiser.step(1e-6, module, gradients));
}

#[divan::bench(args = [0, 1, 2])]
fn adamw(bencher: Bencher<'_, '_>, model: usize) {
    ours(bencher, rules::adam(), model);
}

#[divan::bench(args = [0, 1, 2])]
fn euclidean_log(bencher: Bencher<'_, '_>, model: usize) {
    ours(bencher, rules::euclidean_log(0.1), model);
}

#[divan::bench(args = [0, 1, 2])]
fn rmsprop(bencher: Bencher<'_, '_>, model: usize) {
    ours(bencher, rules::rmsprop(0.1), model);
}
