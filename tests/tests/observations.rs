//! Metrics that have observations of their own beside the gradient: by their definitions in plain numbers, on both engines, by text and as types, with parts that miss steps or come later, and
//! through checkpoints.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]
#![allow(clippy::float_cmp, reason = "what is exact is compared exactly")]
#![allow(clippy::items_after_statements, reason = "a helper stands where it is used")]

use core::fmt::Debug;

use ambient_metric::any::{AnyBaseMetric, AnyRule};
use ambient_metric::base::{AdaHessian, EmpiricalFisher, EveryMatrix, Kfac, Sophia};
use ambient_metric::optimiser::Engine;
use ambient_metric::rule::{Averaged, Evaluated};
use ambient_metric::space::{LionMomentum, StateStorage};
use ambient_metric::{
    BaseMetric, Checkpoint, Configuration, Covector, Descent, Ema, Error, Flat, Group, Induced, Log, NoMomentum,
    Optimiser, RmsProp, Routed, Rule, Vector, rules,
};
use ambient_metric_conformance::{Matrix, conformance_base_metric};
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::cases;
use ndarray::{Array2, array};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

conformance_base_metric!(kfac, Kfac { beta: 0.75, damping: 0.25 }, [("w", [3, 2]), ("x", [2, 2])]);
conformance_base_metric!(
    kfac_beside_fisher,
    Routed {
        route: EveryMatrix,
        taken: Kfac { beta: 0.75, damping: 0.25 },
        rest: EmpiricalFisher { beta: 0.5, damping: 0.5 }
    },
    [("w", [2, 3]), ("b", [2])]
);

type Theta = Parameters<f64>;

/// A 2×3 matrix and a vector of two.
fn theta(numbers: &[f64]) -> Theta {
    let matrix = Array2::from_shape_vec((2, 3), numbers[..6].to_vec()).unwrap().into_dyn();
    Parameters::new([("w", matrix), ("x", array![numbers[6], numbers[7]].into_dyn())]).unwrap()
}

fn bits(tensor: &Theta) -> Vec<u64> {
    tensor.as_slice().iter().map(|x| x.to_bits()).collect()
}

fn numbers() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-3.0..3.0_f64, 8)
}

/// A gradient, and the examples of the observation that goes before its step, if one does.
#[derive(Clone, Debug)]
struct Moment {
    gradient: Vec<f64>,
    examples: Vec<Vec<f64>>,
}

/// A run of which every third step or so has an observation, the first among them.
fn runs() -> impl Strategy<Value = Vec<Moment>> {
    let examples = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(numbers(), 1..4)];
    let later = (numbers(), examples).prop_map(|(gradient, examples)| Moment { gradient, examples });
    let first = (numbers(), prop::collection::vec(numbers(), 1..4));
    let first = first.prop_map(|(gradient, examples)| Moment { gradient, examples });
    (first, prop::collection::vec(later, 0..6)).prop_map(|(first, later)| [vec![first], later].concat())
}

fn observe<R, E: Engine<R, Theta>>(optimiser: &mut Optimiser<R, Theta, E>, examples: &[Vec<f64>]) -> Result<(), Error> {
    if examples.is_empty() {
        return Ok(());
    }
    let examples: Vec<Covector<Theta>> = examples.iter().map(|example| Covector(theta(example))).collect();
    optimiser.observe(&examples.iter().collect::<Vec<_>>())
}

/// The bits of the parameters after every step; the second part misses every fourth.
fn steps<R, E>(mut optimiser: Optimiser<R, Theta, E>, run: &[Moment]) -> Result<Vec<Vec<u64>>, Error>
where
    E: for<'l> Engine<R, Theta, Loss<'l> = f64>,
{
    let mut here = theta(&[1.0; 8]);
    let mut all = Vec::new();
    for (step, Moment { gradient, examples }) in run.iter().enumerate() {
        observe(&mut optimiser, examples)?;
        let gradient = Covector(theta(gradient));
        if step % 4 == 3 {
            optimiser.step_without(&mut here, &gradient, 2.0, &[1])?;
        } else {
            optimiser.step(&mut here, &gradient, 2.0)?;
        }
        all.push(bits(&here));
    }
    Ok(all)
}

/// The same bits in passes over memory, on whole tensors, and as the text says it.
fn engines_agree<M, Q>(metric: M, momentum: Q, text: &str, run: &[Moment]) -> TestCaseResult
where
    M: ambient_metric::DiagonalMetric,
    Q: ambient_metric::Momentum,
{
    let configuration = Configuration::new(Descent::new(metric, Flat, momentum), 0.1).weight_decay(0.25);
    let start = theta(&[1.0; 8]);
    let fused = steps(configuration.clone().build(&start)?, run)?;
    prop_assert_eq!(&steps(configuration.clone().build_whole(&start)?, run)?, &fused);
    let chosen = text.parse::<AnyRule>().unwrap().fused()?;
    prop_assert_eq!(&steps(configuration.with_rule(chosen).build(&start)?, run)?, &fused);
    Ok(())
}

/// A run that is stopped before any step, after its observation, and gone on with from its text is the run that was not, bit for bit.
fn a_run_resumes<R, E>(optimiser: Optimiser<R, Theta, E>, run: &[Moment]) -> TestCaseResult
where
    R: Clone + PartialEq + Debug + serde::Serialize + serde::de::DeserializeOwned,
    E: for<'l> Engine<R, Theta, Loss<'l> = f64>,
{
    let (mut optimiser, mut one) = (optimiser, theta(&[1.0; 8]));
    let mut other = one.clone();
    for Moment { gradient, examples } in run {
        observe(&mut optimiser, examples)?;
        let text = serde_json::to_string(&optimiser.checkpoint()?).unwrap();
        let mut resumed: Optimiser<R, Theta, E> =
            Optimiser::restore(&serde_json::from_str::<Checkpoint<R>>(&text).unwrap(), &other)?;
        let gradient = Covector(theta(gradient));
        optimiser.step(&mut one, &gradient, 2.0)?;
        resumed.step(&mut other, &gradient, 2.0)?;
        prop_assert_eq!(bits(&one), bits(&other));
        prop_assert_eq!(resumed.checkpoint()?, optimiser.checkpoint()?);
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn every_engine_and_text_takes_the_same_steps(run in runs()) {
        let sophia = Sophia { beta: 0.75, gamma: 0.5, epsilon: 0.125, clip: 1.5 };
        let text = "sophia(beta1=0.8, beta2=0.75, gamma=0.5, epsilon=0.125, clip=1.5)";
        engines_agree(sophia, LionMomentum { beta1: 0.8, beta2: 0.8 }, text, &run)?;
        let ada_hessian = AdaHessian { beta: 0.9, power: 0.5, epsilon: 0.25 };
        engines_agree(ada_hessian, Ema(0.8), "ada_hessian(beta1=0.8, beta2=0.9, power=0.5, epsilon=0.25)", &run)?;
        let fisher = EmpiricalFisher { beta: 0.5, damping: 0.5 };
        engines_agree(fisher, NoMomentum, "flat(fisher(beta=0.5, damping=0.5))", &run)?;
    }

    /// The point of a rule is kept apart from what the rule within observes.
    #[test]
    fn a_rule_with_an_evaluation_point_observes_as_the_one_within(run in runs()) {
        let rule = Descent::new(EmpiricalFisher { beta: 0.5, damping: 0.5 }, Induced::new(Log, 0.5), Ema(0.9));
        let start = theta(&[1.0; 8]);
        let plain = steps(Configuration::new(rule, 0.1).build(&start)?, &run)?;
        let pointed = Evaluated { rule, point: Averaged(0.5) };
        prop_assert_eq!(&steps(Configuration::new(pointed, 0.1).build(&start)?, &run)?, &plain);
        let text = "induced(fisher(beta=0.5, damping=0.5), log, xi=0.5) + ema(0.9) + averaged(0.5)";
        let chosen = text.parse::<AnyRule>().unwrap().fused()?;
        prop_assert_eq!(&steps(Configuration::new(chosen, 0.1).build(&start)?, &run)?, &plain);
    }

    #[test]
    fn a_run_resumes_between_observation_and_step(run in runs()) {
        let (fisher, start) = (EmpiricalFisher { beta: 0.5, damping: 0.5 }, theta(&[1.0; 8]));
        let induced = Induced::new(Log, 0.5).beta(0.5);
        let rule = Descent::new(fisher, induced, Ema(0.9));
        let groups = Configuration::new(rule, 0.1).group(Group::new("vectors", ["x"]).own_metric());
        a_run_resumes(groups.build(&start)?, &run)?;
        let narrow = |storage| Configuration::new(rule, 0.1).state_storage(storage).build(&start);
        a_run_resumes(narrow(StateStorage::Bf16 { seed: 7 })?, &run)?;
        // Squares of what it may observe leave the range of half precision.
        let refused = matches!(narrow(StateStorage::F16), Err(Error::StateRange { .. }));
        prop_assert!(refused);
        a_run_resumes(Configuration::new(rule, 0.1).build_whole(&start)?, &run)?;
        let metric = Routed { route: EveryMatrix, taken: Kfac { beta: 0.5, damping: 0.5 }, rest: fisher };
        let rest = Routed { route: EveryMatrix, taken: Kfac { beta: 0.5, damping: 0.5 }, rest: RmsProp::default() };
        a_run_resumes(Configuration::new(Descent::new(metric, Flat, Ema(0.9)), 0.1).build_whole(&start)?, &run)?;
        a_run_resumes(Configuration::new(Descent::new(rest, induced, Ema(0.9)), 0.1).build_whole(&start)?, &run)?;
    }

    /// By the definition: v ← βv + (1 − β) mean l², counted by observations, and θ − ηl/(v̂ + λ).
    #[test]
    fn the_empirical_fisher_is_the_mean_square_of_its_examples(run in runs()) {
        let (beta, damping, rate) = (0.75, 0.5, 0.25);
        let rule = Descent::new(EmpiricalFisher { beta, damping }, Flat, NoMomentum);
        let mut here = theta(&[1.0; 8]);
        let mut optimiser = Configuration::new(rule, rate).build(&here)?;
        let (mut expected, mut v, mut power) = ([1.0; 8], [0.0; 8], 1.0);
        for Moment { gradient, examples } in &run {
            observe(&mut optimiser, examples)?;
            optimiser.step(&mut here, &Covector(theta(gradient)), 1.0)?;
            if !examples.is_empty() {
                power *= beta;
            }
            for index in 0..8 {
                if !examples.is_empty() {
                    let squares: f64 = examples.iter().map(|example| example[index] * example[index]).sum();
                    v[index] = beta * v[index] + (1.0 - beta) * squares / examples.len() as f64;
                }
                expected[index] -= rate * gradient[index] / (v[index] / (1.0 - power) + damping);
                // Seven steps of numbers below 3/2, from a v that rounds a dozen times for each observation.
                let allowed = 7.0 * 100.0 * f64::EPSILON * 1.5;
                prop_assert!((here.as_slice()[index] - expected[index]).abs() <= allowed);
            }
        }
    }

    /// γ written out as the Kronecker product of the damped factors, over two observations, and its inverse by elimination.
    #[test]
    fn kfac_is_the_explicit_kronecker_product(first in prop::collection::vec(prop::collection::vec(-3.0..3.0_f64, 6), 1..4), second in prop::collection::vec(prop::collection::vec(-3.0..3.0_f64, 6), 1..4), x in prop::collection::vec(-3.0..3.0_f64, 6), damping in 0.01..2.0_f64) {
        let metric = Kfac { beta: 0.75, damping };
        let one = |numbers: &[f64]| Parameters::from(Array2::from_shape_vec((2, 3), numbers.to_vec()).unwrap());
        let mut state = metric.begin(&one(&x))?;
        let (mut rows, mut columns, mut length) = ([[0.0; 2]; 2], [[0.0; 3]; 3], 0.0);
        for observation in [&first, &second] {
            let examples: Vec<_> = observation.iter().map(|example| Covector(one(example))).collect();
            metric.take_observation(&mut state, &examples.iter().collect::<Vec<_>>())?;
            let mean = |of: &dyn Fn(&[f64]) -> f64| observation.iter().map(|l| of(l)).sum::<f64>() / observation.len() as f64;
            for i in 0..2 {
                for j in 0..2 {
                    rows[i][j] = 0.75 * rows[i][j] + 0.25 * mean(&|l| (0..3).map(|k| l[3 * i + k] * l[3 * j + k]).sum());
                }
            }
            for i in 0..3 {
                for j in 0..3 {
                    columns[i][j] = 0.75 * columns[i][j] + 0.25 * mean(&|l| l[i] * l[j] + l[3 + i] * l[3 + j]);
                }
            }
            length = 0.75 * length + 0.25 * mean(&|l| l.iter().map(|l| l * l).sum());
        }
        let (known, pi) = (1.0 - 0.75 * 0.75, 1.5_f64.sqrt());
        let scale = known * (length / known).sqrt();
        let unit = |i: usize, j: usize| f64::from(u8::from(i == j));
        let a = |i: usize, j: usize| rows[i][j] / scale + unit(i, j) * pi * damping.sqrt();
        let b = |i: usize, j: usize| columns[i][j] / scale + unit(i, j) * damping.sqrt() / pi;
        let gamma: Vec<Vec<f64>> = (0..6).map(|column| (0..6).map(|row| a(row / 3, column / 3) * b(row % 3, column % 3)).collect()).collect();
        let gamma = Matrix::from_columns(&gamma);
        let solved = gamma.solve(&x).unwrap();
        let raised = metric.raise(&state, &Covector(one(&x)))?;
        // The smallest eigenvalue of γ is λ at least, and products and decompositions of a side of six are right to 32·6² roundings of its norm.
        let allowed = 32.0 * 36.0 * f64::EPSILON * (gamma.norm() / damping).max(1.0) * 3.0 * 6.0 / damping;
        for (found, expected) in raised.0.as_slice().iter().zip(&solved) {
            prop_assert!((found - expected).abs() <= allowed, "{found} {expected} {allowed:e}");
        }
        let determinant = metric.log_determinant(&state)?;
        prop_assert!((determinant - gamma.determinant().ln()).abs() <= 6.0 * allowed * damping, "{determinant}");
    }

    /// Where derivatives and activations are independent, here every one of the first with every one of the second, γ is the Fisher matrix E[vec l vec lᵀ] but for its damping.
    #[test]
    fn kfac_is_the_fisher_matrix_of_a_layer_whose_derivatives_and_activations_are_independent(derivatives in prop::collection::vec(prop::collection::vec(0.5..3.0_f64, 2), 1..4), activations in prop::collection::vec(prop::collection::vec(0.5..3.0_f64, 3), 1..4), v in prop::collection::vec(-1.0..1.0_f64, 6)) {
        let damping = 1e-20;
        let metric = Kfac { beta: 0.5, damping };
        let one = |numbers: &[f64]| Parameters::from(Array2::from_shape_vec((2, 3), numbers.to_vec()).unwrap());
        let pairs = derivatives.iter().flat_map(|g| activations.iter().map(move |a| (g, a)));
        let examples: Vec<Vec<f64>> =
            pairs.map(|(g, a)| g.iter().flat_map(|g| a.iter().map(move |a| g * a)).collect()).collect();
        let observed: Vec<_> = examples.iter().map(|example| Covector(one(example))).collect();
        let mut state = metric.begin(&one(&v))?;
        metric.take_observation(&mut state, &observed.iter().collect::<Vec<_>>())?;
        let lowered = metric.lower(&state, &Vector(one(&v)))?;
        let along = |l: &[f64]| l.iter().zip(&v).map(|(l, v)| l * v).sum::<f64>();
        for (index, found) in lowered.0.as_slice().iter().enumerate() {
            let expected = examples.iter().map(|l| l[index] * along(l)).sum::<f64>() / examples.len() as f64;
            // A and B are below √T each, which is below √(6·81), and √λ and what rounding makes the least eigenvalue are added to them.
            let root = (6.0_f64 * 81.0).sqrt();
            let allowed = 6.0 * (3.0 * damping.sqrt() * root + 200.0 * f64::EPSILON * root * root);
            prop_assert!((found - expected).abs() <= allowed, "{found} {expected}");
        }
    }
}

#[test]
fn what_cannot_be_observed_is_refused_and_changes_nothing() {
    let start = theta(&[1.0; 8]);
    let example = |x: f64| Covector(theta(&[x; 8]));
    let adam = Configuration::new(rules::adam(), 0.1);
    let refused = adam.clone().build(&start).unwrap().observe(&[&example(1.0)]);
    assert!(matches!(refused, Err(Error::ObservesNothing { .. })));
    let refused = adam.build_whole(&start).unwrap().observe(&[&example(1.0)]);
    assert!(matches!(refused, Err(Error::ObservesNothing { .. })));
    let chosen = "prodigy".parse::<AnyRule>().unwrap().fused().unwrap();
    let refused = Configuration::new(chosen, 0.1).build(&start).unwrap().observe(&[&example(1.0)]);
    assert!(matches!(refused, Err(Error::ObservesNothing { .. })));

    fn check<R: Clone + PartialEq + Debug, E>(mut optimiser: Optimiser<R, Theta, E>)
    where
        E: for<'l> Engine<R, Theta, Loss<'l> = f64>,
    {
        let example = |x: f64| Covector(theta(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, x]));
        let mut here = theta(&[1.0; 8]);
        for _ in 0..2 {
            let before = optimiser.checkpoint().unwrap();
            let refusals = [
                optimiser.observe(&[]),
                optimiser.observe(&[&example(1.0), &example(f64::NAN)]),
                optimiser.observe(&[&example(1.0), &example(1e200)]),
                optimiser.observe(&[&Covector(Parameters::from(array![1.0]))]),
            ];
            assert!(
                matches!(
                    &refusals,
                    [
                        Err(Error::NoExamples),
                        Err(Error::NonFiniteObservation { parameter }),
                        Err(Error::Overflow { .. }),
                        Err(_)
                    ] if parameter == "x"
                ),
                "{refusals:?}"
            );
            assert_eq!(optimiser.checkpoint().unwrap(), before);
            let early = optimiser.step(&mut here, &example(1.0), 1.0).map(|_| ());
            if optimiser.steps().unwrap() == 0 {
                assert!(matches!(early, Err(Error::NotObserved { .. })), "{early:?}");
                let early = optimiser.step_without(&mut here, &example(1.0), 1.0, &[1]).map(|_| ());
                assert!(matches!(early, Err(Error::NotObserved { .. })), "{early:?}");
                assert_eq!((&here, &optimiser.checkpoint().unwrap()), (&theta(&[1.0; 8]), &before));
                optimiser.observe(&[&example(2.0)]).unwrap();
                optimiser.step(&mut here, &example(1.0), 1.0).unwrap();
            } else {
                early.unwrap();
            }
        }
    }
    let rule = Descent::new(EmpiricalFisher::default(), Induced::new(Log, 0.1), Ema(0.9));
    check(Configuration::new(rule, 0.1).build(&start).unwrap());
    check(Configuration::new(rule, 0.1).build_whole(&start).unwrap());
    let chosen = "induced(ada_hessian, log) + ema".parse::<AnyRule>().unwrap().fused().unwrap();
    check(Configuration::new(chosen, 0.1).build(&start).unwrap());
}

/// What came later waits for its own first observation, of which it has its own count; the others go on with theirs.
#[test]
fn parameters_that_came_later_are_observed_before_they_step() {
    let parts =
        |names: &[&str], x: f64| Parameters::new(names.iter().map(|&name| (name, array![x].into_dyn()))).unwrap();
    let (beta, damping) = (0.5, 1.0);
    let rule = Descent::new(EmpiricalFisher { beta, damping }, Flat, NoMomentum);
    let mut one = parts(&["a"], 0.0);
    let mut optimiser = Configuration::new(rule, 1.0).build(&one).unwrap();
    optimiser.observe(&[&Covector(parts(&["a"], 2.0))]).unwrap();
    optimiser.step(&mut one, &Covector(parts(&["a"], 1.0)), 1.0).unwrap();

    let mut both = parts(&["a", "b"], 0.0);
    let mut optimiser = optimiser.checkpoint().unwrap().restore_partial(&both).unwrap().optimiser;
    let gradient = Covector(parts(&["a", "b"], 1.0));
    assert!(matches!(optimiser.step(&mut both, &gradient, 1.0), Err(Error::NotObserved { .. })));
    // Without what came later it goes.
    optimiser.step_without(&mut both, &gradient, 1.0, &[1]).unwrap();
    assert_eq!(both.as_slice(), [-1.0 / 5.0, 0.0]);
    optimiser.observe(&[&Covector(parts(&["a", "b"], 4.0))]).unwrap();
    optimiser.step(&mut both, &gradient, 1.0).unwrap();
    // v̂ = (1/4 · 4 + 1/2 · 16)/(3/4) beside 16.
    assert_eq!(both.as_slice()[1], -1.0 / 17.0);
    assert!((both.as_slice()[0] + 1.0 / 5.0 + 1.0 / 13.0).abs() < 1e-15);
}

#[test]
fn chosen_metrics_of_matrices_observe_as_the_typed_ones() {
    let chosen: AnyBaseMetric = "kfac(beta=0.5, damping=0.25)".parse().unwrap();
    assert_eq!(chosen.to_string(), "kfac(beta=0.5, damping=0.25)");
    let (typed, start) = (Kfac { beta: 0.5, damping: 0.25 }, Parameters::from(array![[1.0, -2.0], [0.5, 3.0]]));
    let example = Covector(start.clone());
    let (mut one, mut other) = (typed.begin(&start).unwrap(), chosen.begin(&start).unwrap());
    assert!(BaseMetric::<Theta>::observes(&chosen));
    typed.take_observation(&mut one, &[&example, &example]).unwrap();
    chosen.take_observation(&mut other, &[&example, &example]).unwrap();
    let [one, other] = [typed.raise(&one, &example).unwrap(), chosen.raise(&other, &example).unwrap()];
    assert_eq!(bits(&one.0), bits(&other.0));

    let shampoo: AnyBaseMetric = "kronecker".parse().unwrap();
    let mut state = shampoo.begin(&start).unwrap();
    let refused = shampoo.take_observation(&mut state, &[&example]);
    assert!(!BaseMetric::<Theta>::observes(&shampoo) && matches!(refused, Err(Error::ObservesNothing { .. })));
}

#[test]
fn a_rule_says_whether_it_observes_and_whether_it_has() {
    let rule = Descent::new(Sophia::default(), Flat, Ema(0.9));
    assert!(rule.observes() && rule.awaits_observation(rule.begin()));
    assert!(!rule.awaits_observation(rule.observed(rule.begin())));
    assert!(!rules::adam().observes() && !rules::adam().awaits_observation(rules::adam().begin()));
    // Nothing is divided by zero before.
    assert_eq!(rule.correct::<f64>(rule.begin()).metric, 1.0);
}
