//! An embedding of one's own: one function for the height, from which the slope follows.

use ambient_metric::{
    Configuration, Covector, Descent, Ema, Embedding, Error, Euclidean, Identity, Induced, Log1p, Real,
};
use ambient_metric_ndarray::Parameters;
use ndarray::array;

/// f(L) = asinh L: linear for small losses, logarithmic for large ones of either sign.
#[derive(Clone)]
struct Asinh;

impl Embedding for Asinh {
    fn height<S: Real>(&self, loss: S) -> S {
        (loss + (loss * loss + S::one()).sqrt()).ln()
    }
}

const LIMIT: usize = 20_000;

/// How many steps the embedding takes to the bottom of the banana valley L = (1−x)² + 100 (y−x²)², or `None`.
fn steps_to_the_minimum(embedding: impl Embedding) -> Result<Option<usize>, Error> {
    let mut theta = Parameters::from(array![-1.2_f64, 1.0]);
    let rule = Descent::new(Euclidean, Induced::new(embedding, 0.1), Ema(0.9));
    let mut optimiser = Configuration::new(rule, 0.005).build(&theta)?;
    for step in 0..LIMIT {
        let (x, y) = (theta.as_slice()[0], theta.as_slice()[1]);
        let (a, b) = (1.0 - x, y - x * x);
        let loss = a * a + 100.0 * b * b;
        if loss < 1e-6 {
            return Ok(Some(step));
        }
        let gradient = Covector(Parameters::from(array![-2.0 * a - 400.0 * x * b, 200.0 * b]));
        optimiser.step(&mut theta, &gradient, loss)?;
    }
    Ok(None)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("slopes of asinh: {} at L = 0, {:.6} at L = 10", Asinh.slope(0.0), Asinh.slope(10.0));
    let runs = [
        ("Identity", steps_to_the_minimum(Identity)?),
        ("Log1p", steps_to_the_minimum(Log1p)?),
        ("Asinh", steps_to_the_minimum(Asinh)?),
    ];
    for (name, steps) in runs {
        let steps = steps.ok_or_else(|| format!("{name} did not converge in {LIMIT} steps"))?;
        println!("{name:>8}: {steps} steps to a loss below 10⁻⁶");
    }
    Ok(())
}
