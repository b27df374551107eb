//! How long a step takes for one matrix in `f32`, of every rule over metrics of whole tensors: those with a step that decomposes matrices and those between.
//!
//! ```sh
//! cargo bench -p ambient_rules --bench matrices                # 4096 × 1024, medians of 5 steps, and of one that decomposes
//! cargo bench -p ambient_rules --bench matrices -- 512 256 9   # rows, columns, steps
//! cargo bench -p ambient_rules --bench matrices -- muon psgd   # of these rules alone
//! ```

#![allow(clippy::expect_used, reason = "a benchmark has nobody to return an error to")]

use std::hint::black_box;
use std::time::Instant;

use ambient_metric::{AnyRule, Configuration, Covector};
use ambient_metric_ndarray::Parameters;
use ambient_rules::Compiled as _;
use ndarray::Array2;

/// The rules, each with the kind of its steps.
const RULES: &[(&str, &str, &str)] = &[
    ("adamw", "", "adamw"),
    ("muon", "", "muon"),
    ("normuon", "", "normuon"),
    ("muon_max", "", "muon_max"),
    ("adafactor", "", "adafactor"),
    ("col_norm", "", "flat(col_norm) + ema"),
    ("psgd", "with its factors", "flat(psgd(every=1)) + ema"),
    ("psgd", "between", "flat(psgd(every=1000000)) + ema"),
    ("shampoo", "with the roots", "flat(kronecker(every=1)) + ema"),
    ("shampoo", "between", "flat(kronecker(every=1000000)) + ema"),
    ("kl_shampoo", "with the roots", "flat(kl_shampoo(every=1)) + ema"),
    ("kl_shampoo", "between", "flat(kl_shampoo(every=1000000)) + ema"),
    ("soap", "with the bases", "flat(soap(every=1)) + ema"),
    ("soap", "between", "flat(soap(every=1000000)) + ema"),
    ("kl_soap", "with the bases", "flat(kl_soap(every=1)) + ema"),
    ("kl_soap", "between", "flat(kl_soap(every=1000000)) + ema"),
];

fn main() {
    // Numbers are sizes, and words the rules that are wanted; `cargo bench` adds an option.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let numbers: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let wanted: Vec<&String> = arguments.iter().filter(|argument| argument.parse::<usize>().is_err()).collect();
    let (rows, columns, steps) = match numbers[..] {
        [rows, columns, steps] => (rows, columns, steps),
        [rows, columns] => (rows, columns, 5),
        _ => (4096, 1024, 5),
    };
    let matrix = |shift: usize| {
        let number =
            |(i, j): (usize, usize)| ((i * 7 + j * 3 + shift) as f32 * 0.37).sin() + ((i * j) as f32 * 0.11).cos();
        Parameters::from(Array2::from_shape_fn((rows, columns), number))
    };
    println!("{rows} × {columns}, f32, medians of {steps} steps in milliseconds, of a fifth as many that decompose\n");
    println!("| rule | step | median | shortest | longest |\n|---|---|---|---|---|");
    for (name, kind, text) in RULES {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| *wanted == name) {
            continue;
        }
        let rule: AnyRule = text.parse().expect("the text is a rule");
        let mut theta = matrix(0);
        let mut optimiser = f32::build(Configuration::new(rule, 1e-6), &theta).expect("the constants are in range");
        // Two that begin with what others have already, and are not counted. What decomposes matrices at every step takes long, and is counted less often.
        let mut times = Vec::new();
        let steps = if matches!(*kind, "with the roots" | "with the bases") { steps.div_ceil(5) } else { steps };
        for step in 0..steps + 2 {
            let gradient = Covector(matrix(1 + step));
            let start = Instant::now();
            optimiser.step(&mut theta, black_box(&gradient), 1.0).expect("gradients are finite");
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let counted = &mut times[2..];
        counted.sort_by(f64::total_cmp);
        let [median, shortest, longest] = [counted.len() / 2, 0, counted.len() - 1].map(|place| counted[place]);
        println!("| {name} | {kind} | {median:.1} | {shortest:.1} | {longest:.1} |");
    }
}
