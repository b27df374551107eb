//! A base metric of one's own: two functions, one for what it remembers and one for its inverse.

use ambient_metric::{
    BaseMetric, Configuration, Covector, Descent, DiagonalMetric, Ema, Error, Euclidean, Identity, Induced, Metric,
    Real,
};
use ambient_metric_ndarray::Parameters;
use ndarray::array;

/// γ = u with u ← max(βu, |l|): the largest gradient of late, as `AdaMax` has it.
#[derive(Clone)]
struct Largest {
    beta: f64,
}

impl DiagonalMetric for Largest {
    type State<S: Real> = S;

    #[inline(always)]
    fn observe<S: Real>(&self, largest: S, gradient: S) -> S {
        (S::constant(self.beta) * largest).maximum(gradient.abs())
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, largest: S) -> S {
        S::one() / (largest + S::constant(1e-8))
    }
}

const LIMIT: usize = 20_000;

/// How many steps lead to the bottom of L = (x² + 1000 y²)/2 over this base metric, or `None`.
fn steps_to_the_minimum(metric: impl DiagonalMetric, learning_rate: f64) -> Result<Option<usize>, Error> {
    let mut theta = Parameters::from(array![1.0_f64, 1.0]);
    let rule = Descent::new(metric, Induced::new(Identity, 1e-3).beta(0.8), Ema(0.9));
    let mut optimiser = Configuration::new(rule, learning_rate).build(&theta)?;
    for step in 0..LIMIT {
        let (x, y) = (theta.as_slice()[0], theta.as_slice()[1]);
        let loss = 0.5 * x * x + 500.0 * y * y;
        if loss < 1e-6 {
            return Ok(Some(step));
        }
        optimiser.step(&mut theta, &Covector(Parameters::from(array![x, 1000.0 * y])), loss)?;
    }
    Ok(None)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The same two functions are a geometry: here γ⁻¹ and ln det γ after one gradient.
    let metric = Largest { beta: 0.999 };
    let gradient = Covector(Parameters::from(array![2.0_f64, 8.0]));
    let mut state = metric.begin(&gradient.0)?;
    metric.update(&mut state, &gradient)?;
    let gamma = metric.at(&state);
    println!("|l| = {:.6}, ln det γ = {:.6}", gamma.norm_covector(&gradient)?, gamma.log_determinant()?);

    let runs =
        [("Euclidean", steps_to_the_minimum(Euclidean, 0.001)?), ("Largest", steps_to_the_minimum(metric, 0.05)?)];
    for (name, steps) in runs {
        let steps = steps.ok_or_else(|| format!("{name} did not converge in {LIMIT} steps"))?;
        println!("{name:>9}: {steps} steps to a loss below 10⁻⁶");
    }
    Ok(())
}
