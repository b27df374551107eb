//! An executed rule has the bits of the rule that it was recorded from.

use ambient_metric::ambient::AlongMomentum;
use ambient_metric::any::{AnyRule, Kind, TABLE};
use ambient_metric::number::Element;
use ambient_metric::{
    Bundle, Configuration, Covector, Descent, Ema, Error, Euclidean, Height, Identity, Induced, Layout, Log, Report,
    RmsProp, Rule, Tensor, rules,
};
use ambient_metric_conformance::Reference;
use ambient_metric_cpu::{Executed, Recorded, StepRates};
use ambient_metric_ndarray::Parameters;
use ndarray::Array1;
use proptest::prelude::*;

/// A number between −1 and 1 without a pattern, from its place.
fn noise(seed: u64, index: usize) -> f64 {
    let mut bits = seed.wrapping_add((index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

const ETA: f64 = 1e-2;
const LAMBDA: f64 = 1e-2;

/// A typed rule at work: parameters, and what takes a step from the gradients of every loss and answers with the numbers of its report.
type Typed<'t, E> = &'t mut dyn FnMut(&[Vec<E>], &[f64]) -> (Vec<E>, Result<Vec<f64>, Error>);

/// Runs the typed rule beside the recorded one.
struct Beside<E> {
    text: String,
    theta: Vec<E>,
    seed: u64,
}

/// Runs a rule over a backend, beside the recorded one.
fn beside<R: Rule + Clone, E: Element<Wide = f64>, T: Tensor<Element = E>>(
    rule: R,
    run: Beside<E>,
    tensor: impl Fn(&[E]) -> T,
) -> Result<(), TestCaseError> {
    let Beside { text, theta, seed } = run;
    let recorded = Recorded::of(&rule).expect("the constants are in range");
    let mut parameters = tensor(&theta);
    let mut optimiser = Configuration::new(rule, ETA).weight_decay(LAMBDA).build(&parameters).expect("in range");
    let mut typed = |gradients: &[Vec<E>], losses: &[f64]| {
        let covectors: Vec<_> = gradients.iter().map(|gradient| Covector(tensor(gradient))).collect();
        let report = optimiser.step_losses(&mut parameters, &covectors.iter().collect::<Vec<_>>(), losses);
        let losses = 0..gradients.len();
        let numbers = |report: Report<f64, R::PerLoss<f64>>| {
            losses.flat_map(|loss| report.of_loss(loss).scalars().collect::<Vec<f64>>()).collect()
        };
        (parameters.read(0).expect("there is one part"), report.map(numbers))
    };
    match recorded.losses() {
        1 => agree::<E, 1>(&text, &recorded, theta, seed, &mut typed),
        2 => agree::<E, 2>(&text, &recorded, theta, seed, &mut typed),
        3 => agree::<E, 3>(&text, &recorded, theta, seed, &mut typed),
        _ => agree::<E, 4>(&text, &recorded, theta, seed, &mut typed),
    }
}

fn bits<E: Element>(numbers: &[E]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_f64().to_bits()).collect()
}

/// Some steps of both, which agree in every bit and in whether they fail.
fn agree<E: Element<Wide = f64>, const K: usize>(
    text: &str,
    recorded: &Recorded,
    mut theta: Vec<E>,
    seed: u64,
    typed: Typed<'_, E>,
) -> Result<(), TestCaseError> {
    let len = theta.len();
    let layout = Layout::single("theta", vec![len]);
    let mut executed = Executed::<E, K>::new(recorded, &layout).expect("the machine has places");
    let xi: [f64; K] = core::array::from_fn(|loss| recorded.xi().map_or(0.0, |xi| xi[loss]));
    let rates = StepRates { weight_decay: LAMBDA, ..StepRates::new(ETA, xi) };
    for step in 0..6 {
        let mut gradients: [Vec<E>; K] =
            core::array::from_fn(|loss| numbers(len, seed ^ ((step * 8 + loss as u64 + 1) << 32)));
        let mut losses: [f64; K] = core::array::from_fn(|loss| 0.3 + noise(seed + step, loss).abs());
        // Two steps fail, unless the rule has no surface.
        match step {
            3 => losses[K - 1] = f64::NAN,
            4 => gradients[0][len / 2] = E::constant(f64::INFINITY),
            _ => {}
        }
        let (typed_theta, expected) = typed(&gradients, &losses);
        let parts: [[&[E]; 1]; K] = core::array::from_fn(|loss| [gradients[loss].as_slice()]);
        let found = executed.step(&mut [&mut theta], core::array::from_fn(|loss| &parts[loss][..]), losses, &rates);
        prop_assert_eq!(
            expected.is_ok(),
            found.is_ok(),
            "step {} of {}: {:?} beside {:?}",
            step,
            text,
            expected,
            found
        );
        prop_assert_eq!(bits(&typed_theta), bits(&theta), "{} after step {}", text, step);
        if let (Ok(expected), Ok(found)) = (expected, found) {
            let found: Vec<f64> = (0..K).flat_map(|loss| found.of_loss(loss).scalars().collect::<Vec<f64>>()).collect();
            prop_assert_eq!(bits(&expected), bits(&found), "the report of {} after step {}", text, step);
        }
    }
    Ok(())
}

fn numbers<E: Element>(len: usize, seed: u64) -> Vec<E> {
    (0..len).map(|index| E::constant(noise(seed, index))).collect()
}

/// A rule in both types.
fn agree_in_both(rule: &AnyRule, len: usize, seed: u64) -> Result<(), TestCaseError> {
    let refused = |error: Error| TestCaseError::reject(error.to_string());
    let fused = rule.fused().map_err(refused)?;
    // Plain loops: what is summed is summed one after the other, as the last elements of a pass are.
    let run = Beside::<f32> { text: rule.to_string(), theta: numbers(len, seed), seed };
    beside(fused, run, |numbers| Reference::vector(numbers.iter().copied()))?;
    let run = Beside::<f64> { text: rule.to_string(), theta: numbers(len, seed), seed };
    beside(fused, run, |numbers| Reference::vector(numbers.iter().copied()))
}

/// A part of the table with constants from the seed, all of them where they may be.
fn part(kind: Kind, name: &str, seed: u64) -> String {
    let about = TABLE.iter().find(|about| about.kind == kind && about.name == name).expect("the table has it");
    let constants: Vec<String> = about
        .constants
        .iter()
        .enumerate()
        .map(|(index, constant)| {
            let shift = 1.0 + 0.3 * noise(seed, index);
            let moved = constant.default * shift;
            let value = if constant.range.contains(moved) { moved } else { constant.default };
            format!("{}={value}", constant.name)
        })
        .collect();
    format!("{name}({})", constants.join(", "))
}

const METRICS: [&str; 3] = ["euclidean", "rmsprop", "adagrad"];
const EMBEDDINGS: [&str; 5] = ["identity", "log", "sqrt", "log1p", "power"];
const AMBIENTS: [&str; 6] = ["product", "weighted", "warped", "conformal", "hyperbolic", "correlated"];
const COUPLINGS: [&str; 3] = ["along_gradient", "along_momentum", "along_parameters"];
const MOMENTA: [&str; 4] = ["no_momentum", "ema", "heavy_ball", "nesterov"];
const CLIPS: [&str; 4] = ["hard", "soft", "root", "induction"];

/// A pointwise rule of the grammar.
fn any_rule() -> impl Strategy<Value = String> {
    let indices = (0..12_usize, 0..3_usize, 0..5_usize, 0..5_usize, 0..6_usize, 0..3_usize, 0..4_usize, any::<u32>());
    (indices, any::<bool>()).prop_map(|((form, metric, embedding, other, ambient, coupling, momentum, seed), flag)| {
        let seed = u64::from(seed);
        let of = |kind, name: &str| part(kind, name, seed);
        let metric = of(Kind::BaseMetric, METRICS[metric]);
        let (embedding, other) = (of(Kind::Embedding, EMBEDDINGS[embedding]), of(Kind::Embedding, EMBEDDINGS[other]));
        let ambient = of(Kind::AmbientMetric, AMBIENTS[ambient]);
        let several = of(Kind::AmbientMetric, ["product", "weighted", "correlated"][coupling]);
        let clip = of(Kind::Clip, CLIPS[momentum]);
        // Without momentum there are a flat metric and the damped surface of one loss.
        let is_alone = form == 0 || !flag && (form == 1 || form == 2);
        let momentum = MOMENTA[if is_alone { momentum } else { 1 + momentum % 3 }];
        let momentum = of(Kind::Momentum, momentum);
        let coupling = of(Kind::AmbientMetric, COUPLINGS[coupling]);
        let exact = if flag { ", exact" } else { "" };
        match form {
            0 => format!("flat({metric}) + {momentum}"),
            1 => format!("induced({metric}, {embedding}, xi=0.3, beta=0.7{exact}) + {momentum}"),
            2 => format!("induced({metric}, {embedding}, {ambient}, xi=0.2{exact}) + {momentum}"),
            3 => format!("induced({metric}, {embedding}, {coupling}, xi=0.2, beta=0.5{exact}) + {momentum}"),
            4 => format!("induced({metric}, {embedding}, {other}, {several}, xi=[0.2, 0.5], beta=0.5) + {momentum}"),
            5 => format!("induced({metric}, {embedding}, {other}, {coupling}, xi=[0.2, 0.5]) + {momentum}"),
            6 => format!("induced({metric}, {embedding}, {other}, {embedding}, xi=0.2) + {momentum}"),
            7 => {
                format!("induced({metric}, {embedding}, {other}, {embedding}, {other}, xi=0.2, beta=0.9) + {momentum}")
            }
            8 => format!("bilinear({metric}, {embedding}, {coupling}, along_gradient, xi=0.2, beta=0.5) + {momentum}"),
            9 => format!("clipped({metric}, {clip}, beta=0.5, floor=0.1) + {momentum}"),
            10 => format!(
                "induced({}, {embedding}, {ambient}, xi=0.2{exact}) + {momentum}",
                of(Kind::BaseMetric, "learned_scalar")
            ),
            _ => format!(
                "induced({}, {embedding}, {ambient}, xi=0.2) + {momentum}",
                of(Kind::BaseMetric, "learned_diagonal")
            ),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn executed_rules_have_the_bits_of_typed_ones(text in any_rule(), len in 1..16_usize, seed in any::<u32>()) {
        let rule: AnyRule = text.parse().map_err(|error| TestCaseError::fail(format!("{error}")))?;
        agree_in_both(&rule, len, u64::from(seed))?;
    }
}

/// A rule in both types on the backend of the CPU, at lengths at which a pass goes another way: single elements, tiles, blocks, blocks side by side, and
/// halves on two threads.
fn agree_at_every_length<R: Rule + Clone>(rule: &R) -> Result<(), TestCaseError> {
    const LENGTHS: [usize; 24] = [
        1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 257, 4095, 4096, 4097, 16384, 16400, 20000, 270_000,
        600_001,
    ];
    for len in LENGTHS {
        let text = format!("{} on {len}", rule.name());
        let run = Beside::<f32> { text: text.clone(), theta: numbers(len, 7), seed: 7 };
        beside(rule.clone(), run, |numbers| Parameters::from(Array1::from(numbers.to_vec())))?;
        let run = Beside::<f64> { text, theta: numbers(len, 7), seed: 7 };
        beside(rule.clone(), run, |numbers| Parameters::from(Array1::from(numbers.to_vec())))?;
    }
    Ok(())
}

#[test]
fn executed_rules_have_the_bits_of_compiled_ones_at_every_length() -> Result<(), TestCaseError> {
    agree_at_every_length(&rules::sgd(0.9))?;
    agree_at_every_length(&rules::euclidean_log(0.1))?;
    agree_at_every_length(&rules::adam())?;
    agree_at_every_length(&rules::rmsprop(0.1))?;
    let coupled = Induced::new(Identity, 0.1).beta(0.8).coupled(AlongMomentum(0.5)).scale_back(0.01);
    agree_at_every_length(&Descent::new(RmsProp::default(), coupled, Ema(0.9)))?;
    let heights = (Height { embedding: Identity, xi: 0.1 }, Height { embedding: Log, xi: 0.1 });
    agree_at_every_length(&Descent::<_, _, _, 2>::new(Euclidean, Induced::of(heights), Ema(0.9)))
}
