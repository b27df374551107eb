//! How long a step of an executed recording takes beside one of the compiled rule: pairs of both, one right after the other, so that what else the
//! machine does falls on both alike.
//!
//! ```sh
//! cargo bench -p ambient_metric_cpu --bench executed            # N = 2, 2¹³ and 2²⁶
//! cargo bench -p ambient_metric_cpu --bench executed -- 1 13    # N = 2 and 2¹³: the exponents of N
//! ```

#![allow(clippy::expect_used, reason = "a benchmark has nobody to return an error to")]

use std::hint::black_box;
use std::time::Instant;

use ambient_metric::ambient::AlongMomentum;
use ambient_metric::number::Element;
use ambient_metric::{
    Configuration, Covector, Descent, Ema, Euclidean, Height, Identity, Induced, Layout, Log, RmsProp, Rule, rules,
};
use ambient_metric_cpu::{Executed, Recorded, StepRates};
use ambient_metric_ndarray::Parameters;
use ndarray::Array1;

const ETA: f64 = 1e-6;

fn main() {
    let exponents: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let exponents = if exponents.is_empty() { vec![1, 13, 26] } else { exponents };
    println!("| rule | numbers | N | typed, ns per step | executed / typed, median | quartiles | of the least |");
    println!("|---|---|---:|---:|---:|---:|---:|");
    for exponent in exponents {
        both(exponent, "sgd", || rules::sgd(0.9));
        both(exponent, "euclidean", || rules::euclidean(0.1));
        both(exponent, "adamw", rules::adam);
        both(exponent, "rmsprop", || rules::rmsprop(0.1));
        both(exponent, "coupled", || {
            let induced = Induced::new(Identity, 0.1).beta(0.8).coupled(AlongMomentum(1e-3)).scale_back(0.01);
            Descent::new(RmsProp::default(), induced, Ema(0.9))
        });
        let two = || {
            let heights = (Height { embedding: Identity, xi: 0.1 }, Height { embedding: Log, xi: 0.1 });
            Descent::<_, _, _, 2>::new(Euclidean, Induced::of(heights), Ema(0.9))
        };
        row::<_, f32, 2>(exponent, "two losses", &two());
        row::<_, f64, 2>(exponent, "two losses", &two());
    }
}

fn both<R: Rule<PerLoss<f64> = [f64; 1]> + Clone>(exponent: u32, name: &str, rule: impl Fn() -> R) {
    row::<_, f32, 1>(exponent, name, &rule());
    row::<_, f64, 1>(exponent, name, &rule());
}

/// One line of the table.
fn row<R: Rule + Clone, E: Element<Wide = f64>, const K: usize>(exponent: u32, name: &str, rule: &R) {
    let len = 1_usize << exponent;
    // So many steps are timed at once that the clock does not count, and so many pairs that the median stands still.
    let (steps, pairs) = match exponent {
        0..6 => (2000, 301),
        6..18 => (40, 301),
        18..24 => (2, 51),
        _ => (1, 15),
    };
    let numbers =
        |shift: f64| (0..len).map(|index| E::constant((index as f64 * 0.37 + shift).sin())).collect::<Vec<E>>();
    let mut theta = numbers(0.0);
    let gradients: [Vec<E>; K] = core::array::from_fn(|loss| numbers(1.0 + loss as f64));
    let mut typed_theta = Parameters::from(Array1::from(theta.clone()));
    let covectors: [Covector<_>; K] =
        core::array::from_fn(|loss| Covector(Parameters::from(Array1::from(gradients[loss].clone()))));
    let covectors: [&Covector<_>; K] = core::array::from_fn(|loss| &covectors[loss]);
    let mut typed = Configuration::new(rule.clone(), ETA).build(&typed_theta).expect("the constants are in range");
    let recorded = Recorded::of(rule).expect("the constants are in range");
    let mut executed =
        Executed::<E, K>::new(&recorded, &Layout::single("theta", vec![len])).expect("the machine has places");
    let rates = StepRates::new(ETA, core::array::from_fn(|loss| recorded.xi().map_or(0.0, |xi| xi[loss])));
    let losses = [1.0; K];
    let (mut of_typed, mut ratios, mut least) = (Vec::new(), Vec::new(), [f64::INFINITY; 2]);
    for pair in 0..pairs + 2 {
        let mut times = [0.0; 2];
        for turn in 0..2 {
            let which = (turn + pair) % 2;
            let start = Instant::now();
            for _ in 0..steps {
                if which == 0 {
                    typed.step_losses(&mut typed_theta, black_box(&covectors), &losses).expect("gradients are finite");
                } else {
                    let parts: [[&[E]; 1]; K] = core::array::from_fn(|loss| [black_box(gradients[loss].as_slice())]);
                    let gradients = core::array::from_fn(|loss| &parts[loss][..]);
                    black_box(executed.step(&mut [&mut theta], gradients, losses, &rates))
                        .expect("gradients are finite");
                }
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
    assert!(theta.iter().zip(typed_theta.iter()).all(|(a, b)| a == b), "the bits differ");
    let quantile = |numbers: &mut Vec<f64>, part: f64| {
        numbers.sort_by(f64::total_cmp);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a short list")]
        numbers[((numbers.len() - 1) as f64 * part) as usize]
    };
    println!(
        "| {name} | {} | 2^{exponent} | {:.1} | {:.2} | {:.2}–{:.2} | {:.2} |",
        core::any::type_name::<E>(),
        quantile(&mut of_typed, 0.5),
        quantile(&mut ratios, 0.5),
        quantile(&mut ratios, 0.25),
        quantile(&mut ratios, 0.75),
        least[1] / least[0],
    );
}
