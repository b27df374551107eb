//! How long a step of a chosen rule takes beside one of the typed rule.
//!
//! ```sh
//! cargo bench -p ambient_rules            # 2¹³ and 2²⁶ parameters
//! cargo bench -p ambient_rules -- 13      # 2¹³: the exponents of N
//! ```

#![allow(clippy::expect_used, reason = "a benchmark has nobody to return an error to")]

use std::hint::black_box;
use std::rc::Rc;

use ambient_metric::ambient::AlongMomentum;
use ambient_metric::{
    AnyOptimiser, AnyRule, Configuration, Covector, Descent, Ema, Euclidean, Height, Identity, Induced, Log, RmsProp,
    Rule, rules,
};
use ambient_metric_ndarray::Parameters;
use ambient_rules::Compiled;
use ndarray::Array1;

use self::paired::Way;

#[path = "../../ambient_metric_cpu/benches/paired/mod.rs"]
mod paired;

const ETA: f64 = 1e-6;

fn main() {
    let exponents: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let exponents = if exponents.is_empty() { vec![13, 26] } else { exponents };
    paired::head("chosen");
    for exponent in exponents {
        row(exponent, "sgd", &rules::sgd(0.9));
        row(exponent, "euclidean(xi=0.1)", &rules::euclidean(0.1));
        row(exponent, "adamw", &rules::adam());
        row(exponent, "rmsprop(xi=0.1)", &rules::rmsprop(0.1));
        let coupled = Induced::new(Identity, 0.1).beta(0.8).coupled(AlongMomentum(1e-3)).scale_back(0.01);
        row(
            exponent,
            "induced(rmsprop, identity, along_momentum(0.001), xi=0.1, beta=0.8) + ema",
            &Descent::new(RmsProp::default(), coupled, Ema(0.9)),
        );
        let heights = (Height { embedding: Identity, xi: 0.1 }, Height { embedding: Log, xi: 0.1 });
        row(
            exponent,
            "induced(euclidean, identity, log, xi=0.1) + ema",
            &Descent::<_, _, _, 2>::new(Euclidean, Induced::of(heights), Ema(0.9)),
        );
    }
}

/// The lines of a rule.
fn row<R: Rule + Send + 'static>(exponent: u32, text: &str, rule: &R) {
    compare::<_, f32>(exponent, text, rule);
    compare::<_, f64>(exponent, text, rule);
}

/// One line of the table.
fn compare<R: Rule + Send + 'static, E: Compiled>(exponent: u32, text: &str, rule: &R) {
    let tensor = |shift: f64| {
        let number = |index: usize| E::constant((index as f64 * 0.37 + shift).sin());
        Parameters::from(Array1::from_iter((0..1_usize << exponent).map(number)))
    };
    let chosen: AnyRule = text.parse().expect("it is a rule");
    let losses = vec![1.0; chosen.losses()];
    paired::row::<E>(text, exponent, || {
        let gradients: Rc<[Covector<_>]> = (0..losses.len()).map(|loss| Covector(tensor(1.0 + loss as f64))).collect();
        let way = |optimiser, theta| -> Box<dyn Way<E>> {
            Box::new(Stepped { optimiser, theta, gradients: Rc::clone(&gradients), losses: losses.clone() })
        };
        let (theta, other) = (tensor(0.0), tensor(0.0));
        let typed = Configuration::new(rule.clone(), ETA).build(&theta).expect("the constants are in range");
        let chosen = E::build(Configuration::new(chosen.clone(), ETA), &other).expect("the constants are in range");
        [way(Box::new(typed), theta), way(chosen, other)]
    });
}

/// Either behind one pointer, which is what a program with chosen rules holds.
struct Stepped<E: Compiled> {
    optimiser: Box<dyn AnyOptimiser<Parameters<E>>>,
    theta: Parameters<E>,
    gradients: Rc<[Covector<Parameters<E>>]>,
    losses: Vec<f64>,
}

impl<E: Compiled> Way<E> for Stepped<E> {
    fn step(&mut self) {
        let stepped = match black_box(&*self.gradients) {
            [gradient] => self.optimiser.step_losses(&mut self.theta, &[gradient], &self.losses),
            gradients => {
                self.optimiser.step_losses(&mut self.theta, &gradients.iter().collect::<Vec<_>>(), &self.losses)
            }
        };
        stepped.expect("gradients are finite");
    }

    fn parameters(&self) -> &[E] {
        self.theta.as_slice()
    }
}
