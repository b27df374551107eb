//! How long a step of what the catalogue has takes beside one of a plain rule, with the bytes that both move per parameter in `f32`.
//!
//! ```sh
//! cargo bench -p ambient_rules --bench catalogue            # 2²⁶ parameters
//! cargo bench -p ambient_rules --bench catalogue -- 13      # 2¹³: the exponents of N
//! ```

#![allow(clippy::expect_used, reason = "a benchmark has nobody to return an error to")]

use std::hint::black_box;

use ambient_metric::ambient::AlongMomentum;
use ambient_metric::base::{AdaBelief, AdaMax, AmsGrad, MaxNorm, Sign, Yogi};
use ambient_metric::rule::{
    Averaged, Cautious, ClipNorm, ClipValue, DAdaptation, Evaluated, Lookahead, Mars, MoMo, Prodigy, ScheduleFree,
    Transformed,
};
use ambient_metric::space::{Adan, Belief, LionMomentum};
use ambient_metric::{
    Configuration, Coupled, Covector, Descent, Ema, Euclidean, Field, Flat, Identity, Induced, NoMomentum, Optimiser,
    RmsProp, Rule, rules,
};
use ambient_metric_ndarray::Parameters;
use ndarray::Array1;

use self::paired::Way;

#[path = "../../ambient_metric_cpu/benches/paired/mod.rs"]
mod paired;

/// A typed rule.
struct Typed<R: Rule> {
    optimiser: Optimiser<R, Parameters<f32>>,
    theta: Parameters<f32>,
    gradient: Covector<Parameters<f32>>,
}

impl<R: Rule> Way<f32> for Typed<R> {
    fn step(&mut self) {
        self.optimiser.step(&mut self.theta, black_box(&self.gradient), 1.0).expect("gradients are finite");
    }
}

fn way<R: Rule<PerLoss<f64> = [f64; 1]> + 'static>(exponent: u32, rule: &R) -> Box<dyn Way<f32>> {
    let tensor = |shift: f64| {
        let number = |index: usize| <f32 as Field>::constant((index as f64 * 0.37 + shift).sin());
        Parameters::from(Array1::from_iter((0..1_usize << exponent).map(number)))
    };
    let theta = tensor(0.0);
    let optimiser = Configuration::new(rule.clone(), 1e-6).build(&theta).expect("the constants are in range");
    Box::new(Typed { optimiser, theta, gradient: Covector(tensor(1.0)) })
}

fn main() {
    let exponents: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let exponents = if exponents.is_empty() { vec![26] } else { exponents };
    paired::head("the first");
    for exponent in exponents {
        macro_rules! beside {
            ($($name:literal: $rule:expr, $plain:expr;)+) => {$(
                let (rule, plain) = ($rule, $plain);
                paired::row::<f32>($name, exponent, || [way(exponent, &plain), way(exponent, &rule)]);
            )+};
        }
        let (adam, sgd) = (rules::adam(), rules::sgd(0.9));
        beside! {
            "lion beside sgd (20, 20 bytes)": Descent::new(Sign, Flat, LionMomentum::default()), sgd;
            "signum beside sgd (20, 20)": Descent::new(Sign, Flat, Ema(0.9)), sgd;
            "induced sign beside the induced euclidean (24, 24)": Descent::new(Sign, Induced::new(Identity, 0.1), Ema(0.9)), rules::euclidean(0.1).beta(0.0);
            "adabelief beside adam (28, 28)": Descent::new(AdaBelief::default(), Flat, Belief(0.9)), adam;
            "adamax beside adam (28, 28)": Descent::new(AdaMax::default(), Flat, Ema(0.9)), adam;
            "yogi beside adam (28, 28)": Descent::new(Yogi::default(), Flat, Ema(0.9)), adam;
            "amsgrad beside adam (36, 28)": Descent::new(AmsGrad::default(), Flat, Ema(0.9)), adam;
            "averaged sgd beside adam (28, 28)": Evaluated { rule: sgd, point: Averaged(0.999) }, adam;
            "lookahead sgd beside adam (28, 28)": Evaluated { rule: sgd, point: Lookahead::default() }, adam;
            "schedule-free sgd beside sgd (20, 20)": Evaluated { rule: Descent::new(Euclidean, Flat, NoMomentum), point: ScheduleFree(0.9) }, sgd;
            "schedule-free adam beside adam (28, 28)": Evaluated { rule: Descent::new(RmsProp::default(), Flat, NoMomentum), point: ScheduleFree(0.9) }, adam;
            "max_norm beside a coupled euclidean (28, 28)": Descent::new(MaxNorm, Flat, Ema(0.9)), Descent::new(Euclidean, Induced::new(Identity, 0.1).ambient(Coupled(AlongMomentum(1e-6))), Ema(0.9));
            "momo beside adam (32, 32)": Descent::new(Euclidean, MoMo::new(Flat, 0.9), Ema(0.9)), adam;
            "momo_adam beside adam (44, 32)": Descent::new(RmsProp::default(), MoMo::new(Flat, 0.9), Ema(0.9)), adam;
            "adan beside adam (48, 32)": Descent::new(RmsProp::default(), Flat, Adan::default()), adam;
            "prodigy beside adam (60, 32)": Prodigy::default(), adam;
            "d_adaptation beside adam (48, 32)": DAdaptation::default(), adam;
            "adam, clip_value beside adam (32, 32)": Transformed { transform: ClipValue { limit: 0.5 }, rule: adam }, adam;
            "adam, clip_norm beside the induced rmsprop (36, 36)": Transformed { transform: ClipNorm { length: 1.0 }, rule: adam }, rules::rmsprop(0.1);
            "adam, mars beside adan (48, 48)": Transformed { transform: Mars::default(), rule: adam }, Descent::new(RmsProp::default(), Flat, Adan::default());
            "cautious adam beside the induced rmsprop (36, 36)": Descent::new(RmsProp::default(), Cautious(Flat), Ema(0.9)), rules::rmsprop(0.1);
        }
    }
}
