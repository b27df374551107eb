//! A straight line through points, fitted by RMSprop on the loss surface; the report says how the surface damps each step.

use ambient_metric::{Configuration, Covector, Error, Group, RmsProp, rules};
use ambient_metric_ndarray::Parameters;
use ndarray::{Array1, array};

/// The mean squared error of y ≈ w x + b, halved, and its gradient.
fn loss_and_gradient(
    theta: &Parameters<f64>,
    x: &Array1<f64>,
    y: &Array1<f64>,
) -> Result<(f64, Covector<Parameters<f64>>), Error> {
    let [bias, weight] = [theta.view("bias")?.sum(), theta.view("weight")?.sum()];
    let residual = x * weight + bias - y;
    let count = x.len() as f64;
    let gradient = Parameters::new([
        ("bias", array![residual.sum() / count].into_dyn()),
        ("weight", array![residual.dot(x) / count].into_dyn()),
    ])?;
    Ok((residual.dot(&residual) / (2.0 * count), Covector(gradient)))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let x = Array1::linspace(-1.0, 1.0, 32);
    let y = &x * 2.0 + 1.0;
    let mut theta = Parameters::new([("weight", array![0.0].into_dyn()), ("bias", array![0.0].into_dyn())])?;

    let rule = rules::rmsprop(0.1).metric(RmsProp { beta: 0.99, epsilon: 1e-8 });
    let mut optimiser = Configuration::new(rule, 0.05)
        .weight_decay(1e-6)
        .group(Group::new("no decay", ["bias"]).weight_decay(0.0))
        .build(&theta)?;

    println!("{:>5}  {:>10}  {:>10}  {:>8}  {:>8}", "step", "loss", "s", "damping", "η r");
    let mut loss = f64::INFINITY;
    for step in 0..=500 {
        let (current, gradient) = loss_and_gradient(&theta, &x, &y)?;
        loss = current;
        let report = optimiser.step(&mut theta, &gradient, loss)?;
        if step % 100 == 0 {
            let (s, r, rate) = (report.squared_length, report.damping, report.effective_learning_rate);
            println!("{step:>5}  {loss:>10.3e}  {s:>10.3e}  {r:>8.5}  {rate:>8.5}");
        }
    }
    println!("y ≈ {:.6} x + {:.6}", theta.view("weight")?.sum(), theta.view("bias")?.sum());
    if loss < 1e-8 { Ok(()) } else { Err(format!("no convergence: the loss is {loss}").into()) }
}
