//! How long a step of a chosen rule takes beside one of the typed rule: pairs of both, one right after the other, so that what else the machine does
//! falls on both alike.
//!
//! ```sh
//! cargo bench -p ambient_rules            # 2¹³ and 2²⁶ parameters
//! cargo bench -p ambient_rules -- 13      # 2¹³: the exponents of N
//! ```

#![allow(clippy::expect_used, reason = "a benchmark has nobody to return an error to")]

use std::hint::black_box;
use std::time::Instant;

use ambient_metric::ambient::AlongMomentum;
use ambient_metric::{
    AnyOptimiser, AnyRule, Configuration, Covector, Descent, Ema, Euclidean, Height, Identity, Induced, Log, RmsProp,
    Rule, rules,
};
use ambient_metric_ndarray::Parameters;
use ambient_rules::Compiled;
use ndarray::Array1;

const ETA: f64 = 1e-6;

fn main() {
    let exponents: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let exponents = if exponents.is_empty() { vec![13, 26] } else { exponents };
    println!("| rule | numbers | N | typed, ns per step | chosen / typed, median | quartiles | of the least |");
    println!("|---|---|---:|---:|---:|---:|---:|");
    for exponent in exponents {
        row(exponent, "sgd", rules::sgd(0.9));
        row(exponent, "euclidean(xi=0.1)", rules::euclidean(0.1));
        row(exponent, "adamw", rules::adam());
        row(exponent, "rmsprop(xi=0.1)", rules::rmsprop(0.1));
        let coupled = Induced::new(Identity, 0.1).beta(0.8).coupled(AlongMomentum(1e-3)).scale_back(0.01);
        row(
            exponent,
            "induced(rmsprop, identity, along_momentum(0.001), xi=0.1, beta=0.8) + ema",
            Descent::new(RmsProp::default(), coupled, Ema(0.9)),
        );
        let heights = (Height { embedding: Identity, xi: 0.1 }, Height { embedding: Log, xi: 0.1 });
        row(
            exponent,
            "induced(euclidean, identity, log, xi=0.1) + ema",
            Descent::<_, _, _, 2>::new(Euclidean, Induced::of(heights), Ema(0.9)),
        );
    }
}

/// The lines of a rule.
fn row<R: Rule + Clone + Send + 'static>(exponent: u32, text: &str, rule: R) {
    compare::<_, f32>(exponent, text, rule.clone());
    compare::<_, f64>(exponent, text, rule);
}

/// One line of the table.
fn compare<R: Rule + Clone + Send + 'static, E: Compiled>(exponent: u32, text: &str, rule: R) {
    let len = 1_usize << exponent;
    // So many steps are timed at once that the clock does not count, and so many pairs that the median stands still.
    let (steps, pairs) = match exponent {
        0..6 => (2000, 301),
        6..18 => (40, 501),
        18..24 => (2, 51),
        _ => (1, 15),
    };
    let tensor = |shift: f64| {
        Parameters::from(Array1::from_iter((0..len).map(|index| E::constant((index as f64 * 0.37 + shift).sin()))))
    };
    let mut thetas = [tensor(0.0), tensor(0.0)];
    let typed = Configuration::new(rule, ETA).build(&thetas[0]).expect("the constants are in range");
    let chosen: AnyRule = text.parse().expect("it is a rule");
    let losses = vec![1.0; chosen.losses()];
    let gradients: Vec<Covector<_>> = (0..losses.len()).map(|loss| Covector(tensor(1.0 + loss as f64))).collect();
    let gradients: Vec<&Covector<_>> = gradients.iter().collect();
    let chosen = E::build(Configuration::new(chosen, ETA), &thetas[1]).expect("the constants are in range");
    // Both behind one pointer, which is what a program with chosen rules holds.
    let mut both: [Box<dyn AnyOptimiser<Parameters<E>>>; 2] = [Box::new(typed), chosen];
    let (mut of_typed, mut ratios, mut least) = (Vec::new(), Vec::new(), [f64::INFINITY; 2]);
    for pair in 0..pairs + 2 {
        let mut times = [0.0; 2];
        for turn in 0..2 {
            let which = (turn + pair) % 2;
            let start = Instant::now();
            for _ in 0..steps {
                let stepped = both[which].step_losses(&mut thetas[which], black_box(&gradients), &losses);
                stepped.expect("gradients are finite");
            }
            times[which] = start.elapsed().as_secs_f64() * 1e9 / f64::from(steps);
        }
        // The first pairs warm up.
        if pair >= 2 {
            of_typed.push(times[0]);
            ratios.push(times[1] / times[0]);
            least = [least[0].min(times[0]), least[1].min(times[1])];
        }
    }
    assert!(thetas[0].iter().zip(thetas[1].iter()).all(|(a, b)| a == b), "the bits differ");
    let quantile = |numbers: &mut Vec<f64>, part: f64| {
        numbers.sort_by(f64::total_cmp);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a short list")]
        numbers[((numbers.len() - 1) as f64 * part) as usize]
    };
    println!(
        "| {text} | {} | 2^{exponent} | {:.1} | {:.3} | {:.3}–{:.3} | {:.3} |",
        core::any::type_name::<E>(),
        quantile(&mut of_typed, 0.5),
        quantile(&mut ratios, 0.5),
        quantile(&mut ratios, 0.25),
        quantile(&mut ratios, 0.75),
        least[1] / least[0],
    );
}
