//! How long a step of an executed recording takes beside one of the compiled rule.
//!
//! ```sh
//! cargo bench -p ambient_metric_cpu --bench executed            # N = 2, 2¹³ and 2²⁶
//! cargo bench -p ambient_metric_cpu --bench executed -- 1 13    # N = 2 and 2¹³: the exponents of N
//! ```

#![allow(clippy::expect_used, reason = "a benchmark has nobody to return an error to")]

use std::hint::black_box;
use std::rc::Rc;

use ambient_metric::ambient::AlongMomentum;
use ambient_metric::number::Element;
use ambient_metric::{
    Configuration, Covector, Descent, Ema, Euclidean, Height, Identity, Induced, Layout, Log, Optimiser, RmsProp, Rule,
    rules,
};
use ambient_metric_cpu::{Executed, Recorded, StepRates};
use ambient_metric_ndarray::Parameters;
use ndarray::Array1;

use self::paired::Way;

mod paired;

const ETA: f64 = 1e-6;

fn main() {
    let exponents: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let exponents = if exponents.is_empty() { vec![1, 13, 26] } else { exponents };
    paired::head("executed");
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

fn both<R: Rule<PerLoss<f64> = [f64; 1]> + 'static>(exponent: u32, name: &str, rule: impl Fn() -> R) {
    row::<_, f32, 1>(exponent, name, &rule());
    row::<_, f64, 1>(exponent, name, &rule());
}

/// One line of the table.
fn row<R: Rule<PerLoss<f64> = [f64; K]> + 'static, E: Element<Wide = f64>, const K: usize>(
    exponent: u32,
    name: &str,
    rule: &R,
) {
    let len = 1_usize << exponent;
    let numbers =
        |shift: f64| (0..len).map(|index| E::constant((index as f64 * 0.37 + shift).sin())).collect::<Vec<E>>();
    let recorded = Recorded::of(rule).expect("the constants are in range");
    paired::row::<E>(name, exponent, || {
        let gradients: Rc<[Covector<_>; K]> =
            Rc::new(core::array::from_fn(|loss| Covector(Parameters::from(Array1::from(numbers(1.0 + loss as f64))))));
        let theta = Parameters::from(Array1::from(numbers(0.0)));
        let optimiser = Configuration::new(rule.clone(), ETA).build(&theta).expect("the constants are in range");
        let typed = Typed { optimiser, theta, gradients: Rc::clone(&gradients) };
        let executed = Executed::new(&recorded, &Layout::single("theta", vec![len])).expect("the machine has places");
        let rates = StepRates::new(ETA, core::array::from_fn(|loss| recorded.xi().map_or(0.0, |xi| xi[loss])));
        [Box::new(typed), Box::new(Ran { executed, rates, theta: numbers(0.0), gradients })]
    });
}

/// The compiled rule.
struct Typed<R: Rule, E: Element<Wide = f64>, const K: usize> {
    optimiser: Optimiser<R, Parameters<E>>,
    theta: Parameters<E>,
    gradients: Rc<[Covector<Parameters<E>>; K]>,
}

impl<R: Rule, E: Element<Wide = f64>, const K: usize> Way<E> for Typed<R, E, K> {
    fn step(&mut self) {
        let gradients = black_box(&*self.gradients).each_ref();
        self.optimiser.step_losses(&mut self.theta, &gradients, &[1.0; K]).expect("gradients are finite");
    }

    fn parameters(&self) -> &[E] {
        self.theta.as_slice()
    }
}

/// Its recording.
struct Ran<E: Element<Wide = f64>, const K: usize> {
    executed: Executed<E, K>,
    rates: StepRates<K>,
    theta: Vec<E>,
    gradients: Rc<[Covector<Parameters<E>>; K]>,
}

impl<E: Element<Wide = f64>, const K: usize> Way<E> for Ran<E, K> {
    fn step(&mut self) {
        let parts: [[&[E]; 1]; K] = black_box(&*self.gradients).each_ref().map(|gradient| [gradient.0.as_slice()]);
        let gradients = parts.each_ref().map(|parts| &parts[..]);
        black_box(self.executed.step(&mut [&mut self.theta], gradients, [1.0; K], &self.rates))
            .expect("gradients are finite");
    }

    fn parameters(&self) -> &[E] {
        &self.theta
    }
}
