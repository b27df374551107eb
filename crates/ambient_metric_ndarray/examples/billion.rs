//! What a step of `rmsprop` costs from small to very large: 2ⁿ parameters in `f32`, for the n that are named on the command line.
//!
//! `cargo run --release -p ambient_metric_ndarray --example billion -- 24 26 28 30` needs 16 bytes per parameter: 16 GiB for 2³⁰.

use std::time::Instant;

use ambient_metric::{Configuration, Covector, Error, RmsProp, rules};
use ambient_metric_ndarray::Parameters;
use ndarray::Array1;
use rayon::prelude::*;

/// y ← y + ax on every thread, which moves 12 bytes for every parameter.
fn axpy(y: &mut [f32], a: f32, x: &[f32]) {
    const LEAF: usize = 1 << 16;
    y.par_chunks_mut(LEAF).zip(x.par_chunks(LEAF)).for_each(|(y, x)| {
        for (y, x) in y.iter_mut().zip(x) {
            *y += a * *x;
        }
    });
}

/// The one in the middle.
fn median(times: &mut [f64]) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> Result<(), Error> {
    let mut powers: Vec<u32> = std::env::args().skip(1).filter_map(|power| power.parse().ok()).collect();
    if powers.is_empty() {
        powers = vec![12, 16, 20];
    }
    println!("parameters   axpy ns   step ns   bytes a second over those of axpy");
    for power in powers {
        let len = 1_usize << power;
        let mut theta = Parameters::from(Array1::from_elem(len, 0.5_f32));
        let gradient = Covector(Parameters::from(Array1::from_elem(len, 0.01_f32)));
        let metric = RmsProp::default();
        let mut optimiser = Configuration::new(rules::rmsprop(0.1).metric(metric), 1e-6).build(&theta)?;

        // The memory of the state is handed out when it is first written.
        optimiser.step(&mut theta, &gradient, 1.0)?;
        let (mut plain, mut step) = (Vec::new(), Vec::new());
        for _ in 0..11 {
            let begin = Instant::now();
            axpy(theta.as_mut_slice(), 1e-9, gradient.0.as_slice());
            plain.push(begin.elapsed().as_secs_f64() * 1e9 / len as f64);
            let begin = Instant::now();
            optimiser.step(&mut theta, &gradient, 1.0)?;
            step.push(begin.elapsed().as_secs_f64() * 1e9 / len as f64);
        }
        let (plain, step) = (median(&mut plain), median(&mut step));
        println!("2^{power:<10} {plain:>7.3} {step:>9.3} {:>12.2}", (36.0 / step) / (12.0 / plain));
    }
    Ok(())
}
