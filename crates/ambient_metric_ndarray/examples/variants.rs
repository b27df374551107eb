//! What a step of every pointwise variant costs: nanoseconds per parameter, for 2ⁿ parameters in `f32` and the n that are named on the command line.
//!
//! `cargo run --release -p ambient_metric_ndarray --example variants -- 12 14 16 18 20 22 24` needs 700 MB for four losses.

use std::time::Instant;

use ambient_metric::ambient::{AlongGradient, AlongMomentum, AlongParameters, Given, Reciprocal};
use ambient_metric::base::{LearnedDiagonal, LearnedScalar};
use ambient_metric::rule::{Bilinear, Clipped, Hard, Root, Soft};
use ambient_metric::{
    Adagrad, Bundle, Configuration, Correlated, Covector, Descent, Ema, Error, Euclidean, Height, Hyperbolic, Identity,
    Induced, Log, RmsProp, Rule, Warped, rules,
};
use ambient_metric_ndarray::Parameters;
use ndarray::Array1;

/// Nanoseconds per parameter, the median of some rounds of about ten milliseconds each.
fn cost<R: Rule + Clone>(rule: &R, power: u32) -> Result<f64, Error> {
    let len = 1_usize << power;
    let losses = <R::PerLoss<f64> as Bundle<f64>>::LEN;
    let mut theta = Parameters::from(Array1::from_elem(len, 0.5_f32));
    let gradients: Vec<_> = (0..losses)
        .map(|loss| Covector(Parameters::from(Array1::from_elem(len, 1e-5 * (loss as f32 + 1.0)))))
        .collect();
    let (gradients, values): (Vec<_>, Vec<f64>) = gradients.iter().map(|gradient| (gradient, 1.0)).unzip();
    let mut optimiser = Configuration::new(rule.clone(), 1e-6).build(&theta)?;
    let mut times = Vec::new();
    let repeats = ((1 << 22) / len).clamp(1, 1 << 7);
    for round in 0..8 {
        let begin = Instant::now();
        for _ in 0..repeats {
            optimiser.step_losses(&mut theta, &gradients, &values)?;
        }
        // The first round brings the memory in.
        if round > 0 {
            times.push(begin.elapsed().as_secs_f64() * 1e9 / (repeats * len) as f64);
        }
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok(times.get(times.len() / 2).copied().unwrap_or(f64::NAN))
}

fn row<R: Rule + Clone>(powers: &[u32], name: &str, rule: &R) -> Result<(), Error> {
    print!("{name:30}");
    for &power in powers {
        print!(" {:>7.3}", cost(rule, power)?);
    }
    println!();
    Ok(())
}

fn main() -> Result<(), Error> {
    let mut powers: Vec<u32> = std::env::args().skip(1).filter_map(|power| power.parse().ok()).collect();
    if powers.is_empty() {
        powers = vec![10, 12];
    }
    print!("{:30}", "ns per parameter at");
    for power in &powers {
        print!("    2^{power}");
    }
    println!();
    let height = Height { embedding: Log, xi: 0.1 };
    let momentum = || Ema(0.9);
    row(&powers, "sgd", &rules::sgd(0.9))?;
    row(&powers, "adamw", &rules::adam())?;
    row(&powers, "euclidean", &rules::euclidean(0.1))?;
    row(&powers, "rmsprop", &rules::rmsprop(0.1))?;
    row(&powers, "adagrad", &Descent::new(Adagrad::default(), Induced::new(Log, 0.1), momentum()))?;
    row(
        &powers,
        "rmsprop, full inverse",
        &Descent::new(RmsProp::default(), Induced::new(Log, 0.1).exact(), momentum()),
    )?;
    row(&powers, "learned scalar", &Descent::new(LearnedScalar::default(), Induced::new(Log, 0.1), momentum()))?;
    row(&powers, "learned diagonal", &Descent::new(LearnedDiagonal::default(), Induced::new(Log, 0.1), momentum()))?;
    row(
        &powers,
        "coupled along the gradient",
        &Descent::new(Euclidean, Induced::new(Log, 0.1).coupled(AlongGradient(1e-3)), momentum()),
    )?;
    row(
        &powers,
        "coupled along the momentum",
        &Descent::new(Euclidean, Induced::new(Log, 0.1).coupled(AlongMomentum(1e-3)), momentum()),
    )?;
    row(
        &powers,
        "coupled along the parameters",
        &Descent::new(Euclidean, Induced::new(Log, 0.1).coupled(AlongParameters(1e-6)), momentum()),
    )?;
    row(
        &powers,
        "coupled as given",
        &Descent::new(RmsProp::default(), Induced::new(Log, 0.1).coupled(Given), momentum()),
    )?;
    let plain = Induced::new(Identity, 0.1);
    row(&powers, "warped space", &Descent::new(Euclidean, plain.ambient(Warped(Reciprocal(1.0))), momentum()))?;
    row(&powers, "hyperbolic space", &Descent::new(Euclidean, plain.ambient(Hyperbolic), momentum()))?;
    let form = Bilinear::new(Log, 0.1, AlongGradient(1e-3), AlongMomentum(1e-3));
    row(&powers, "bilinear", &Descent::new(Euclidean, form, momentum()))?;
    row(&powers, "hard clip", &Descent::new(Euclidean, Clipped::new(Hard { length: 1.0 }), momentum()))?;
    row(&powers, "soft clip", &Descent::new(Euclidean, Clipped::new(Soft { rate: 1.0 }), momentum()))?;
    row(&powers, "root clip", &Descent::new(RmsProp::default(), Clipped::new(Root { xi: 1.0 }), momentum()))?;
    row(
        &powers,
        "two heights, identity and log",
        &Descent::new(Euclidean, Induced::of((Height { embedding: Identity, xi: 0.1 }, height)), momentum()),
    )?;
    row(&powers, "one loss", &Descent::new(RmsProp::default(), Induced::of([height]), momentum()))?;
    let two = Induced::of([height; 2]);
    row(&powers, "two losses", &Descent::new(RmsProp::default(), two, momentum()))?;
    row(&powers, "two losses, full inverse", &Descent::new(RmsProp::default(), two.exact(), momentum()))?;
    row(
        &powers,
        "two losses, correlated",
        &Descent::new(RmsProp::default(), two.ambient(Correlated { rho: 0.5 }), momentum()),
    )?;
    row(
        &powers,
        "two losses, coupled",
        &Descent::new(RmsProp::default(), two.coupled(AlongGradient(1e-3)), momentum()),
    )?;
    row(&powers, "three losses", &Descent::new(RmsProp::default(), Induced::of([height; 3]), momentum()))?;
    row(&powers, "four losses", &Descent::new(RmsProp::default(), Induced::of([height; 4]), momentum()))
}
