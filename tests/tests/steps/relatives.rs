//! What the relatives of the induced step share with it: the metric below them learns, decays and is corrected alike, their reports say what
//! they did, and their names tell them apart.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use ambient_metric::{
    Adagrad, AlongGradient, AlongMomentum, AlongParameters, Bilinear, Clipped, Configuration, Coupled, Covector,
    Descent, Drive, Ema, Error, Euclidean, Given, Group, Hard, Height, Identity, Induced, Induction, Joint,
    LearnedDiagonal, LearnedScalar, Log, Nesterov, NoMomentum, OffDiagonal, PointwiseMetric, Preconditioner, Report,
    RmsProp, Root, Rule, Soft, Uncoupled,
};
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::{cases, two_tensors};
use ndarray::array;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

const ETA: f64 = 0.125;

/// Gradients between −1 and 1 of every step, in two tensors.
fn steps() -> impl Strategy<Value = Vec<[Vec<f64>; 2]>> {
    (1..4_usize, 1..4_usize).prop_flat_map(|(a, b)| {
        let tensor = |len| prop::collection::vec(-1.0..1.0_f64, len);
        prop::collection::vec((tensor(a), tensor(b)).prop_map(|(a, b)| [a, b]), 2..5)
    })
}

fn space(tensors: &[Vec<f64>; 2]) -> Parameters<f64> {
    two_tensors(tensors).unwrap()
}

/// θ and the reports of a run from θ = 1.
fn run<R: Rule<PerLoss<f64> = f64>>(rule: R, steps: &[[Vec<f64>; 2]]) -> (Vec<f64>, Vec<Report<f64>>) {
    let mut theta = space(&steps[0].clone().map(|tensor| vec![1.0; tensor.len()]));
    let mut optimiser = Configuration::new(rule, ETA).build(&theta).unwrap();
    let reports =
        steps.iter().map(|gradient| optimiser.step(&mut theta, &Covector(space(gradient)), 1.0).unwrap()).collect();
    (theta.iter().copied().collect(), reports)
}

/// What four steps may lose: each at most 40 roundings in at most six terms, multiplied by at most 1 + κs ≤ 1 + 6e/20 < 1.9 in every later
/// step, in numbers of size at most 1 + 6e < 18.
const ALIKE: f64 = 4.0 * 40.0 * 1.9 * 1.9 * 1.9 * 18.0 * f64::EPSILON;

fn near(found: f64, expected: f64) -> TestCaseResult {
    prop_assert!((found - expected).abs() <= ALIKE, "{} beside {}", found, expected);
    Ok(())
}

/// Clipping by induction, no coupling, and no coupling twice are the induced step over the same metric, in θ and in what is reported.
fn relatives_agree<M: PointwiseMetric + Copy>(metric: M, beta: f64, steps: &[[Vec<f64>; 2]]) -> TestCaseResult {
    let (theta, reports) = run(Descent::new(Induced::new(metric, Identity, 1.0).beta(beta), Ema(0.5)), steps);
    let clipped = Clipped::new(metric, Induction { xi: 1.0 }).beta(beta);
    let coupled = Coupled::new(metric, Identity, Uncoupled, 1.0).beta(beta);
    let bilinear = Coupled::new(metric, Identity, Bilinear { a: Uncoupled, b: Uncoupled }, 1.0).beta(beta);
    let relatives = [
        run(Descent::new(clipped, Ema(0.5)), steps),
        run(Descent::new(coupled, Ema(0.5)), steps),
        run(Descent::new(bilinear, Ema(0.5)), steps),
    ];
    for (found, reported) in &relatives {
        for (found, expected) in found.iter().zip(&theta) {
            near(*found, *expected)?;
        }
        for (found, expected) in reported.iter().zip(&reports) {
            near(found.squared_length, expected.squared_length)?;
            near(found.averaged, expected.averaged)?;
            near(found.damping, expected.damping)?;
        }
    }
    for (found, expected) in relatives.iter().skip(1).flat_map(|relative| relative.1.iter().zip(&reports)) {
        near(found.determinant_ratio, expected.determinant_ratio)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn the_metric_below_learns_decays_and_is_corrected_alike_under_every_relative(steps in steps(), beta in 0.0..0.9_f64) {
        relatives_agree(Euclidean, beta, &steps)?;
        relatives_agree(RmsProp { beta: 0.5, epsilon: 1.0 }, beta, &steps)?;
        relatives_agree(Adagrad { epsilon: 1.0 }, beta, &steps)?;
        for drive in [Drive::Metric, Drive::Flat] {
            relatives_agree(LearnedScalar { kappa: 0.05, decay: 1.0, bound: 1.0, drive }, beta, &steps)?;
            relatives_agree(LearnedDiagonal { kappa: 0.05, decay: 1.0, bound: 1.0, drive }, beta, &steps)?;
        }
    }

    /// A report speaks of ξ⟨l, l⟩ and of its average, whatever ξ and the embedding are.
    #[test]
    fn a_report_has_the_coefficient_in_both_lengths(steps in steps(), xi in 0.0..1.0_f64) {
        let (_, induced) = run(Descent::new(Induced::new(Euclidean, Log, xi).beta(0.5), NoMomentum), &steps);
        let (_, coupled) = run(Descent::new(Coupled::new(Euclidean, Log, Uncoupled, xi).beta(0.5), NoMomentum), &steps);
        for (found, expected) in coupled.iter().zip(&induced) {
            near(found.squared_length, expected.squared_length)?;
            near(found.averaged, expected.averaged)?;
        }
    }

    /// A coupling that is scaled back is the shorter coupling, in the step as in the report.
    #[test]
    fn a_coupling_that_is_scaled_back_is_the_shorter_one(steps in steps(), kappa in 2.0..4.0_f64) {
        let one = &steps[..1];
        let squared: f64 = one[0].iter().flatten().map(|l| l * l).sum();
        prop_assume!(squared > 0.5);
        // ⟨c, c⟩ = κ²⟨l, l⟩ is cut to 3/4.
        let shorter = (0.75 / squared).sqrt();
        let scaled = Coupled::new(Euclidean, Identity, AlongGradient(kappa), 1.0).scale_back(0.25);
        let plain = Coupled::new(Euclidean, Identity, AlongGradient(shorter), 1.0);
        let (found, of_found) = run(Descent::new(scaled, NoMomentum), one);
        let (expected, of_expected) = run(Descent::new(plain, NoMomentum), one);
        for (found, expected) in found.iter().zip(&expected) {
            near(*found, *expected)?;
        }
        near(of_found[0].coupling, of_expected[0].coupling)?;
        near(of_found[0].determinant_ratio, of_expected[0].determinant_ratio)?;
        near(of_found[0].coupling_scale * kappa, shorter)?;
    }
}

#[test]
fn a_bilinear_form_is_never_scaled_back() {
    let form = Bilinear { a: AlongGradient(3.0), b: AlongGradient(2.0) };
    let rule = Descent::new(Coupled::new(Euclidean, Identity, form, 1.0).scale_back(0.25), NoMomentum);
    let mut theta = Parameters::from(array![1.0_f64]);
    // D = (1 + 3)(1 + 2) + 1 − 6 = 7.
    let report = Configuration::new(rule, 1.0)
        .build(&theta)
        .unwrap()
        .step(&mut theta, &Covector(Parameters::from(array![1.0])), 1.0)
        .unwrap();
    assert_eq!((report.coupling, report.coupling_scale, report.determinant_ratio), (0.0, 1.0, 7.0));
}

#[test]
fn both_sides_of_a_bilinear_form_are_validated() {
    let theta = Parameters::from(array![1.0_f64]);
    for (a, b) in [(f64::NAN, 1.0), (1.0, f64::NAN)] {
        let form = Bilinear { a: AlongGradient(a), b: AlongGradient(b) };
        let rule = Descent::new(Coupled::new(Euclidean, Identity, form, 1.0), NoMomentum);
        let refused = Configuration::new(rule, 1.0).build(&theta).map(|_| ());
        assert!(matches!(refused, Err(Error::Hyperparameter { name: "kappa", .. })), "{refused:?}");
    }
}

/// And so are losses that the embedding does not take: nothing is written for them.
#[test]
fn losses_outside_the_domain_of_the_embedding_are_refused() {
    let rule = Descent::new(Coupled::new(Euclidean, Log, Uncoupled, 1.0), NoMomentum);
    let mut theta = Parameters::from(array![1.0_f64]);
    let mut optimiser = Configuration::new(rule, 1.0).build(&theta).unwrap();
    let refused = optimiser.step(&mut theta, &Covector(Parameters::from(array![1.0])), -1.0);
    assert!(matches!(refused, Err(Error::LossOutsideDomain { .. })), "{refused:?}");
    assert_eq!((theta.as_slice(), optimiser.steps()), (&[1.0][..], 0));
}

/// The name of a coupled step.
fn coupled_name<C: OffDiagonal>(coupling: C) -> String {
    Descent::new(Coupled::new(Euclidean, Log, coupling, 1.0), NoMomentum).name()
}

/// A name goes into every checkpoint, which another rule refuses.
#[test]
fn names_say_what_a_rule_is_made_of() {
    let clips = [
        Descent::new(Clipped::new(Euclidean, Hard { length: 1.0 }), NoMomentum).name(),
        Descent::new(Clipped::new(Euclidean, Soft { rate: 1.0 }), NoMomentum).name(),
        Descent::new(Clipped::new(RmsProp::default(), Root { xi: 1.0 }), Ema(0.9)).name(),
        Descent::new(Clipped::new(Adagrad { epsilon: 1.0 }, Induction { xi: 1.0 }), Nesterov(0.9)).name(),
    ];
    assert_eq!(
        clips,
        [
            "Descent(Clipped(Euclidean, Hard), NoMomentum)",
            "Descent(Clipped(Euclidean, Soft), NoMomentum)",
            "Descent(Clipped(RmsProp, Root), Ema)",
            "Descent(Clipped(Adagrad, Induction), Nesterov)",
        ]
    );
    assert_eq!(coupled_name(Uncoupled), "Descent(Coupled(Euclidean, Log, Uncoupled), NoMomentum)");
    assert_eq!(coupled_name(AlongParameters(1.0)), "Descent(Coupled(Euclidean, Log, AlongParameters), NoMomentum)");
    assert_eq!(
        coupled_name(Bilinear { a: AlongMomentum(1.0), b: Given }),
        "Descent(Coupled(Euclidean, Log, Bilinear(AlongMomentum, Given)), NoMomentum)"
    );
    let height = Height { embedding: Log, xi: 1.0 };
    let other = Height { embedding: Identity, xi: 1.0 };
    assert_eq!(Joint::new(Euclidean, [height; 2], Ema(0.5)).name(), "Joint(Euclidean, [Log, Log], Ema)");
    assert_eq!(
        Joint::new(LearnedScalar::default(), (height, other), NoMomentum).name(),
        "Joint(LearnedScalar, [Log, Identity], NoMomentum)"
    );
    let exact = Induced::new(LearnedDiagonal::default(), Identity, 1.0).exact();
    assert_eq!(
        Descent::new(exact, NoMomentum).name(),
        "Descent(Induced(LearnedDiagonal, Identity, exact), NoMomentum)"
    );
}

/// The groups that an error for an unknown one names.
fn known<R: Rule>(configuration: Configuration<R>, theta: &Parameters<f64>) -> Vec<String> {
    match configuration.build(theta).unwrap().set_learning_rate("nobody", 0.1) {
        Err(Error::UnknownGroup { known, .. }) => known,
        _ => Vec::new(),
    }
}

/// A rule that learns per tensor makes a group of each; an error names every group of the configuration once.
#[test]
fn groups_are_named_once() {
    let theta = space(&[vec![1.0], vec![1.0]]);
    let rule = || Descent::new(Induced::new(LearnedDiagonal::default(), Identity, 1.0), NoMomentum);
    assert_eq!(known(Configuration::new(rule(), 0.1), &theta), ["default"]);
    assert_eq!(known(Configuration::new(rule(), 0.1).group(Group::new("head", ["b"])), &theta), ["default", "head"]);
}

/// Tensors become groups of their own for a metric that learns per tensor, and for no other: sums over groups round otherwise than one sum.
#[test]
fn relatives_learn_per_tensor_where_their_metric_does() {
    fn all<M: PointwiseMetric + Copy>(metric: M) -> [bool; 4] {
        let heights = [Height { embedding: Identity, xi: 1.0 }; 2];
        [
            Induced::new(metric, Identity, 1.0).learns_per_tensor(),
            Clipped::new(metric, Induction { xi: 1.0 }).learns_per_tensor(),
            Coupled::new(metric, Identity, Uncoupled, 1.0).learns_per_tensor(),
            Joint::new(metric, heights, NoMomentum).learns_per_tensor(),
        ]
    }
    assert_eq!(all(RmsProp::default()), [false; 4]);
    assert_eq!(all(LearnedDiagonal::default()), [true; 4]);
}
