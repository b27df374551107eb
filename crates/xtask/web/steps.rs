//! Steps over pointwise and over matrix metrics, whose numbers WebAssembly must find as the processor does.

use std::sync::OnceLock;

use ambient_metric::base::{Polar, Width};
use ambient_metric::{
    Configuration, Covector, Dense, Descent, Ema, Error, Identity, Induced, Kronecker, Log, Muon, Nesterov, NoMomentum,
    rules,
};
use ambient_metric_ndarray::Parameters;
use ambient_metric_ndarray::ndarray::Array2;

const STEPS: usize = 6;

/// Rows, some more than columns, of numbers that are no powers of two; as many as make more than one vector.
fn start() -> Parameters<f64> {
    Parameters::from(Array2::from_shape_fn((7, 5), |(row, column)| 0.3 + ((row * 5 + column) % 9) as f64 / 7.0))
}

/// The gradient and the value of Σ aθ²/2, where the curvature a is another one for every number.
fn descend(
    mut step: impl FnMut(&mut Parameters<f64>, &Covector<Parameters<f64>>, f64) -> Result<(), Error>,
) -> Result<Vec<f64>, Error> {
    let mut theta = start();
    for _ in 0..STEPS {
        let mut gradient = theta.clone();
        let mut loss = 0.0;
        for (index, (slope, theta)) in gradient.as_mut_slice().iter_mut().zip(theta.as_slice()).enumerate() {
            *slope = (1.0 + (index % 4) as f64 / 3.0) * theta;
            loss += *slope * theta / 2.0;
        }
        step(&mut theta, &Covector(gradient), loss)?;
    }
    Ok(theta.as_slice().to_vec())
}

macro_rules! descend {
    ($rule:expr, $build:ident) => {{
        let mut optimiser = Configuration::new($rule, 0.05).weight_decay(0.01).$build(&start())?;
        descend(|theta, gradient, loss| optimiser.step(theta, gradient, loss).map(|_| ()))?
    }};
}

/// What a subject comes to, and whether every bit of it is determined: of sums, products, quotients and roots it is.
fn subjects() -> Result<Vec<(&'static str, Vec<f64>)>, Error> {
    let muon = Muon { momentum: Nesterov(0.9), orthogonaliser: Polar, width: Width::RowsAreOutputs, heads: false };
    // Diagonally dominant, hence positive definite.
    let entry = |row: usize, column: usize| match row.abs_diff(column) {
        0 => 3.0 + row as f64 / 5.0,
        1 => -0.7,
        _ => 0.0,
    };
    let dense = Dense::new((0..35).map(|row| (0..35).map(|column| entry(row, column)).collect()).collect())?;
    Ok(vec![
        ("exact", descend!(rules::rmsprop(0.1), build)),
        ("exact", descend!(rules::euclidean_log(0.1), build)),
        ("rounded", descend!(Descent::new(Kronecker::default(), Induced::new(Log, 0.1), Ema(0.9)), build_whole)),
        ("rounded", descend!(Descent::new(muon, Induced::new(Identity, 0.1), NoMomentum), build_whole)),
        ("exact", descend!(Descent::new(dense, Induced::new(Log, 0.1), Ema(0.9)), build_whole)),
    ])
}

/// Every number in a line: its subject, how it is to agree, and its bits.
fn numbers() -> &'static [(usize, &'static str, f64)] {
    static NUMBERS: OnceLock<Vec<(usize, &'static str, f64)>> = OnceLock::new();
    NUMBERS.get_or_init(|| {
        let subjects = subjects().expect("the steps are sound").into_iter().enumerate();
        subjects
            .flat_map(|(subject, (how, found))| found.into_iter().map(move |number| (subject, how, number)))
            .collect()
    })
}

/// For a host: how many numbers there are.
#[unsafe(no_mangle)]
pub extern "C" fn count() -> usize {
    numbers().len()
}

/// For a host: the bits of a number.
#[unsafe(no_mangle)]
pub extern "C" fn bits(index: usize) -> u64 {
    numbers()[index].2.to_bits()
}

/// The numbers as text.
pub fn lines() -> String {
    numbers().iter().map(|(subject, how, number)| format!("{subject} {how} {:016x}\n", number.to_bits())).collect()
}
