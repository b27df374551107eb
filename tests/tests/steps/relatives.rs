//! What the relatives of the induced step share with it: the metric below them learns, decays and is corrected alike, their reports say what
//! they did, and their names tell them apart.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]

use ambient_metric::ambient::{
    AlongGradient, AlongMomentum, AlongParameters, Coupling, Exponential, Given, OfLosses, Reciprocal,
};
use ambient_metric::base::{Drive, LearnedDiagonal, LearnedScalar, PointwiseMetric};
use ambient_metric::rule::{Bilinear, Clipped, Hard, Induction, Root, Soft};
use ambient_metric::{
    Adagrad, Configuration, Conformal, Correlated, Covector, Descent, Ema, Error, Euclidean, Group, Height, Hyperbolic,
    Identity, Induced, Log, Nesterov, NoMomentum, Report, RmsProp, Rule, Warped, Weighted,
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
fn run<R: Rule>(rule: R, steps: &[[Vec<f64>; 2]]) -> (Vec<f64>, Vec<Report<f64>>) {
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

/// Clipping by induction, a coupling of zero, and such a bilinear form are the induced step over the same metric, in θ and in what is reported.
fn relatives_agree<M: PointwiseMetric + Copy>(metric: M, beta: f64, steps: &[[Vec<f64>; 2]]) -> TestCaseResult {
    let (theta, reports) = run(Descent::new(metric, Induced::new(Identity, 1.0).beta(beta), Ema(0.5)), steps);
    let clipped = Clipped::new(Induction { xi: 1.0 }).beta(beta);
    let none = AlongGradient(0.0);
    let coupled = Induced::new(Identity, 1.0).coupled(none).beta(beta);
    let bilinear = Bilinear::new(Identity, 1.0, none, none).beta(beta);
    let relatives = [
        run(Descent::new(metric, clipped, Ema(0.5)), steps),
        run(Descent::new(metric, coupled, Ema(0.5)), steps),
        run(Descent::new(metric, bilinear, Ema(0.5)), steps),
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
        let (_, induced) = run(Descent::new(Euclidean, Induced::new(Log, xi).beta(0.5), NoMomentum), &steps);
        let (_, coupled) = run(Descent::new(Euclidean, Induced::new(Log, xi).coupled(AlongGradient(0.0)).beta(0.5), NoMomentum), &steps);
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
        let scaled = Induced::new(Identity, 1.0).coupled(AlongGradient(kappa)).scale_back(0.25);
        let plain = Induced::new(Identity, 1.0).coupled(AlongGradient(shorter));
        let (found, of_found) = run(Descent::new(Euclidean, scaled, NoMomentum), one);
        let (expected, of_expected) = run(Descent::new(Euclidean, plain, NoMomentum), one);
        for (found, expected) in found.iter().zip(&expected) {
            near(*found, *expected)?;
        }
        near(of_found[0].coupling, of_expected[0].coupling)?;
        near(of_found[0].determinant_ratio, of_expected[0].determinant_ratio)?;
        near(of_found[0].coupling_scale * kappa, shorter)?;
    }

    /// And so it is for several losses, whose columns are shortened together by the trace of Cᵀγ⁻¹C.
    #[test]
    fn couplings_of_several_losses_are_scaled_back_together(steps in steps(), kappa in 2.0..4.0_f64) {
        let [first, second] = [&steps[0], &steps[1]].map(|gradient| Covector(space(gradient)));
        let squared: f64 = steps[..2].iter().flatten().flatten().map(|l| l * l).sum();
        prop_assume!(squared > 0.5);
        let shorter = (0.75 / squared).sqrt();
        let taken = |kappa: f64, margin: f64| {
            let heights = [Height { embedding: Log, xi: 1.0 }, Height { embedding: Log, xi: 0.5 }];
            let coupled = Induced::of(heights).coupled(AlongGradient(kappa)).scale_back(margin);
            let mut theta = space(&steps[0].clone().map(|tensor| vec![1.0; tensor.len()]));
            let mut optimiser = Configuration::new(Descent::new(Euclidean, coupled, NoMomentum), ETA).build(&theta).unwrap();
            let report = optimiser.step_losses(&mut theta, &[&first, &second], &[1.0, 2.0]).unwrap();
            (theta.iter().copied().collect::<Vec<_>>(), report)
        };
        let ((found, of_found), (expected, of_expected)) = (taken(kappa, 0.25), taken(shorter, 1e-6));
        near(of_expected.coupling_scale, 1.0)?;
        near(of_found.coupling_scale * kappa, shorter)?;
        near(of_found.coupling, of_expected.coupling)?;
        prop_assert!(of_found.coupling < 1.0, "{:?}", of_found);
        near(of_found.determinant_ratio, of_expected.determinant_ratio)?;
        for (found, expected) in found.iter().zip(&expected) {
            near(*found, *expected)?;
        }
    }
}

#[test]
fn a_bilinear_form_has_no_length_that_could_be_too_long() {
    let form = Bilinear::new(Identity, 1.0, AlongGradient(3.0), AlongGradient(2.0));
    let rule = Descent::new(Euclidean, form, NoMomentum);
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
        let form = Bilinear::new(Identity, 1.0, AlongGradient(a), AlongGradient(b));
        let rule = Descent::new(Euclidean, form, NoMomentum);
        let refused = Configuration::new(rule, 1.0).build(&theta).map(|_| ());
        assert!(matches!(refused, Err(Error::Hyperparameter { name: "kappa", .. })), "{refused:?}");
    }
}

/// And so are losses that the embedding does not take: nothing is written for them.
#[test]
fn losses_outside_the_domain_of_the_embedding_are_refused() {
    fn refuses<R: Rule>(rule: R) {
        let mut theta = Parameters::from(array![1.0_f64]);
        let mut optimiser = Configuration::new(rule, 1.0).build(&theta).unwrap();
        let refused = optimiser.step(&mut theta, &Covector(Parameters::from(array![1.0])), -1.0);
        assert!(matches!(refused, Err(Error::LossOutsideDomain { .. })), "{refused:?}");
        assert_eq!((theta.as_slice(), optimiser.steps().unwrap()), (&[1.0][..], 0));
    }
    refuses(Descent::new(Euclidean, Induced::new(Log, 1.0).coupled(AlongGradient(0.1)), NoMomentum));
    refuses(Descent::new(Euclidean, Bilinear::new(Log, 1.0, AlongGradient(0.1), AlongGradient(0.1)), NoMomentum));
}

/// The name of a coupled step.
fn coupled_name<C: Coupling>(coupling: C) -> String {
    Descent::new(Euclidean, Induced::new(Log, 1.0).coupled(coupling), NoMomentum).name()
}

/// A name goes into every checkpoint, which another rule refuses.
#[test]
fn names_say_what_a_rule_is_made_of() {
    let clips = [
        Descent::new(Euclidean, Clipped::new(Hard { length: 1.0 }), NoMomentum).name(),
        Descent::new(Euclidean, Clipped::new(Soft { rate: 1.0 }), NoMomentum).name(),
        Descent::new(RmsProp::default(), Clipped::new(Root { xi: 1.0 }), Ema(0.9)).name(),
        Descent::new(Adagrad { epsilon: 1.0 }, Clipped::new(Induction { xi: 1.0 }), Nesterov(0.9)).name(),
    ];
    assert_eq!(
        clips,
        [
            "Descent(Euclidean, Clipped(Hard), NoMomentum)",
            "Descent(Euclidean, Clipped(Soft), NoMomentum)",
            "Descent(RmsProp, Clipped(Root), Ema)",
            "Descent(Adagrad, Clipped(Induction), Nesterov)",
        ]
    );
    let leaning = |name: &str| format!("Descent(Euclidean, Induced(Log, Coupled({name}), damped), NoMomentum)");
    assert_eq!(coupled_name(AlongParameters(1.0)), leaning("AlongParameters"));
    assert_eq!(coupled_name(Given), leaning("Given"));
    let bilinear = Bilinear::new(Log, 1.0, AlongMomentum(1.0), Given);
    let bilinear = Descent::new(Euclidean, bilinear, NoMomentum).name();
    assert_eq!(bilinear, "Descent(Euclidean, Bilinear(Log, AlongMomentum, Given), NoMomentum)");
    let height = Height { embedding: Log, xi: 1.0 };
    let other = Height { embedding: Identity, xi: 1.0 };
    assert_eq!(
        Descent::new(Euclidean, Induced::of([height; 2]), Ema(0.5)).name(),
        "Descent(Euclidean, Induced([Log, Log], Product, damped), Ema)"
    );
    let correlated = Induced::of((height, other)).ambient(Correlated { rho: 0.5 });
    assert_eq!(
        Descent::new(LearnedScalar::default(), correlated, NoMomentum).name(),
        "Descent(LearnedScalar, Induced([Log, Identity], Correlated, damped), NoMomentum)"
    );
    let exact = Induced::new(Identity, 1.0).exact();
    assert_eq!(
        Descent::new(LearnedDiagonal::default(), exact, NoMomentum).name(),
        "Descent(LearnedDiagonal, Induced(Identity, Product, exact), NoMomentum)"
    );
    let plain = Induced::new(Log, 1.0);
    let spaces = [
        Descent::new(Euclidean, plain.ambient(Hyperbolic), NoMomentum).name(),
        Descent::new(Euclidean, plain.ambient(Weighted(Reciprocal(1.0))), NoMomentum).name(),
        Descent::new(Euclidean, plain.ambient(Warped(Exponential(1.0))), NoMomentum).name(),
        Descent::new(Euclidean, plain.ambient(OfLosses(Conformal(Reciprocal(1.0)))), NoMomentum).name(),
    ];
    let expected = ["Hyperbolic", "Weighted(Reciprocal)", "Warped(Exponential)", "OfLosses(Conformal(Reciprocal))"];
    assert_eq!(spaces, expected.map(|space| format!("Descent(Euclidean, Induced(Log, {space}, damped), NoMomentum)")));
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
    let rule = || Descent::new(LearnedDiagonal::default(), Induced::new(Identity, 1.0), NoMomentum);
    assert_eq!(known(Configuration::new(rule(), 0.1), &theta), ["default"]);
    assert_eq!(known(Configuration::new(rule(), 0.1).group(Group::new("head", ["b"])), &theta), ["default", "head"]);
}

/// Tensors become groups of their own for a metric that learns per tensor, and for no other: sums over groups round otherwise than one sum.
#[test]
fn relatives_learn_per_tensor_where_their_metric_does() {
    fn all<M: PointwiseMetric + Copy>(metric: M) -> [bool; 4] {
        let heights = [Height { embedding: Identity, xi: 1.0 }; 2];
        let induced = Induced::new(Identity, 1.0);
        [
            Descent::new(metric, induced, NoMomentum).learns_per_tensor(),
            Descent::new(metric, Clipped::new(Induction { xi: 1.0 }), NoMomentum).learns_per_tensor(),
            Descent::new(metric, induced.coupled(AlongGradient(0.1)), NoMomentum).learns_per_tensor(),
            Descent::new(metric, Induced::of(heights), NoMomentum).learns_per_tensor(),
        ]
    }
    assert_eq!(all(RmsProp::default()), [false; 4]);
    assert_eq!(all(LearnedDiagonal::default()), [true; 4]);
}
