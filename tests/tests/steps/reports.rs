//! What optimisers say of their steps: the fused one and the one over whole tensors alike, and what can be asked of the latter in between.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]
#![allow(clippy::float_cmp, reason = "what is expected is exact")]

use ambient_metric::{
    AlongGradient, AlongParameters, BaseMetric, Configuration, Coupled, Covector, Dense, Descent, Ema, Error,
    Euclidean, Given, Height, Identity, Induced, Joint, LearnedScalar, Log, Metric, MetricDescent, Named, NoMomentum,
    Remembering, RmsProp, Routed,
};
use ambient_metric_ndarray::Parameters;
use ndarray::array;

/// Gradients whose squares and sums are exact.
const GRADIENTS: [[f64; 2]; 3] = [[0.5, 1.0], [2.0, -0.5], [0.25, 1.5]];

fn vector(values: [f64; 2]) -> Parameters<f64> {
    Parameters::from(array![values[0], values[1]])
}

#[test]
fn both_optimisers_report_the_same() {
    let (mut theta, mut other) = (vector([1.0, 2.0]), vector([1.0, 2.0]));
    let rule = Descent::new(Induced::new(Euclidean, Log, 0.25).beta(0.5), Ema(0.5));
    let mut fused = Configuration::new(rule, 0.125).build(&theta).unwrap();
    let rule = MetricDescent::new(Euclidean, Log, 0.25, Ema(0.5)).beta(0.5);
    let mut whole = Configuration::new(rule, 0.125).build(&other).unwrap();
    for (step, gradient) in GRADIENTS.into_iter().enumerate() {
        let gradient = Covector(vector(gradient));
        let a = fused.step(&mut theta, &gradient, 2.0).unwrap();
        let b = whole.step(&mut other, &gradient, 2.0).unwrap();
        // ξ is a power of two, so nothing is rounded otherwise.
        assert_eq!(
            [a.squared_length, a.slope, a.damping],
            [b.squared_length[0], b.slope[0], b.damping[0]],
            "step {step}"
        );
        assert_eq!([a.averaged, a.determinant_ratio], [b.averaged[0], b.determinant_ratio], "step {step}");
        assert_eq!(
            [a.effective_learning_rate, a.gradient_norm],
            [b.effective_learning_rate[0], b.gradient_norm[0]],
            "step {step}"
        );
        assert_eq!(a.effective_learning_rate, 0.125 * a.damping);
        assert_eq!(theta.as_slice(), other.as_slice());
    }
    // m̂ = Σ 2^(t−3) l_t / (2 − 2^(−2)), of the three gradients.
    let momentum = whole.momenta()[0].covector().0.as_slice().to_vec();
    let weighted = |axis: usize| 0.125 * GRADIENTS[0][axis] + 0.25 * GRADIENTS[1][axis] + 0.5 * GRADIENTS[2][axis];
    for (axis, found) in momentum.into_iter().enumerate() {
        let expected = weighted(axis) / 0.875;
        assert!((found - expected).abs() <= 4.0 * f64::EPSILON, "{found} beside {expected}");
    }
}

#[test]
fn the_coefficient_can_be_changed_between_steps() {
    let mut theta = vector([1.0, 2.0]);
    let mut whole =
        Configuration::new(MetricDescent::new(Euclidean, Identity, 0.25, NoMomentum), 0.125).build(&theta).unwrap();
    let gradient = Covector(vector([3.0, 4.0]));
    assert_eq!(whole.step(&mut theta, &gradient, 1.0).unwrap().squared_length, [6.25]);
    whole.set_xi(2.0).unwrap();
    let report = whole.step(&mut theta, &gradient, 1.0).unwrap();
    assert_eq!((report.squared_length, report.averaged), ([50.0], [50.0]));
    assert!(matches!(whole.set_xi(-1.0), Err(Error::Hyperparameter { name: "xi", .. })));
    assert!(matches!(whole.set_xi_of(1, 1.0), Err(Error::Losses { expected: 1, found: 2 })));
}

/// Over two tensors, as one group: a fused rule of several losses reports the mean of its dampings.
#[test]
fn several_losses_have_one_report_with_the_mean_damping() {
    let space = |values: [f64; 2]| {
        Parameters::new([("a", array![values[0]].into_dyn()), ("b", array![values[1]].into_dyn())]).unwrap()
    };
    let heights = [Height { embedding: Identity, xi: 1.0 }, Height { embedding: Identity, xi: 0.25 }];
    let mut theta = space([1.0, 1.0]);
    let mut joint = Configuration::new(Joint::new(Euclidean, heights, NoMomentum), 0.5).build(&theta).unwrap();
    // Orthogonal gradients do not see each other: r = 1/(1 + 1) and 1/(1 + 4/4).
    let (first, second) = (Covector(space([1.0, 0.0])), Covector(space([0.0, 2.0])));
    let report = joint.step_losses(&mut theta, &[&first, &second], &[1.0, 1.0]).unwrap();
    assert_eq!((report.damping, report.squared_length, report.effective_learning_rate), (0.5, 2.0, 0.25));
    let second = Covector(space([0.0, 4.0]));
    let report = joint.step_losses(&mut theta, &[&first, &second], &[1.0, 1.0]).unwrap();
    // 1/(1 + 1) and 1/(1 + 16/4).
    assert!((report.damping - 0.35).abs() <= 2.0 * f64::EPSILON, "{report:?}");
    assert_eq!(joint.reports().map(|(group, _)| group.to_owned()).collect::<Vec<_>>(), ["default"]);
}

/// A coupling is scaled back from ⟨c, c⟩ = 1 − ε on, and left alone below.
#[test]
fn a_short_coupling_is_not_scaled() {
    for (kappa, scale) in [(0.5, 1.0), (0.8, 1.0), (0.9, (0.75_f64 / 0.81).sqrt()), (1.0, 0.75_f64.sqrt())] {
        let mut theta = vector([1.0, 0.0]);
        let gradient = Covector(vector([0.0, 1.0]));
        let rule = MetricDescent::new(Euclidean, Identity, 1.0, NoMomentum).coupled(AlongParameters(kappa));
        let mut whole = Configuration::new(rule.scale_back(0.25), 0.5).build(&theta).unwrap();
        let report = whole.step(&mut theta, &gradient, 1.0).unwrap();
        assert!((report.coupling_scale - scale).abs() <= 2.0 * f64::EPSILON, "{kappa}: {report:?}");

        let mut theta = vector([1.0, 0.0]);
        let coupled = Coupled::new(Euclidean, Identity, AlongParameters(kappa), 1.0).scale_back(0.25);
        let mut fused = Configuration::new(Descent::new(coupled, NoMomentum), 0.5).build(&theta).unwrap();
        let report = fused.step(&mut theta, &gradient, 1.0).unwrap();
        assert!((report.coupling_scale - scale).abs() <= 2.0 * f64::EPSILON, "{kappa}: {report:?}");
    }
}

/// ⟨c, c⟩ overflows alone where l is short, and ⟨c, l⟩ alone where γ⁻¹ makes c short.
#[test]
fn products_of_the_coupling_that_overflow_are_refused() {
    let mut theta = vector([1e160, 0.0]);
    let rule =
        || MetricDescent::new(Euclidean, Identity, 1.0, NoMomentum).coupled(AlongParameters(1.0)).scale_back(0.25);
    let mut whole = Configuration::new(rule(), 0.5).build(&theta).unwrap();
    let refused = whole.step(&mut theta, &Covector(vector([1e-10, 0.0])), 1.0);
    assert!(matches!(refused, Err(Error::Overflow { .. })), "{refused:?}");
    assert_eq!((theta.as_slice(), whole.steps()), (&[1e160, 0.0][..], 0));
}

#[test]
fn names_say_what_an_optimiser_over_whole_tensors_is_made_of() {
    let plain = MetricDescent::new(RmsProp::default(), Log, 1.0, Ema(0.9));
    assert_eq!(plain.name(), "MetricDescent(RmsProp, [Log], Ema, damped, Uncoupled)");
    let exact = MetricDescent::new(Dense::diagonal(&[1.0]).unwrap(), Identity, 1.0, NoMomentum).exact();
    assert_eq!(exact.name(), "MetricDescent(Dense, [Identity], NoMomentum, exact, Uncoupled)");
    let coupled = MetricDescent::new(Euclidean, Identity, 1.0, NoMomentum);
    assert_eq!(
        coupled.coupled(AlongGradient(0.5)).name(),
        "MetricDescent(Euclidean, [Identity], NoMomentum, damped, AlongGradient)"
    );
    let given = MetricDescent::new(Euclidean, Identity, 1.0, NoMomentum).coupled(Given);
    assert_eq!(given.name(), "MetricDescent(Euclidean, [Identity], NoMomentum, damped, Given)");
}

#[test]
fn the_norm_is_that_of_all_gradients_together() {
    let mut theta = vector([1.0, 1.0]);
    let heights = [Height { embedding: Identity, xi: 0.25 }; 2];
    let mut joint = Configuration::new(Joint::new(Euclidean, heights, NoMomentum), 0.5).build(&theta).unwrap();
    let gradients = [Covector(vector([1.0, 2.0])), Covector(vector([2.0, 4.0]))];
    let report = joint.step_losses(&mut theta, &gradients.each_ref(), &[1.0, 1.0]).unwrap();
    assert_eq!(report.gradient_norm, 5.0);
}

/// A metric that stands in another one learns from the same steps.
#[test]
fn metrics_inside_of_others_learn() {
    fn taken<M: BaseMetric<Parameters<f64>, State: Clone>>(metric: M) -> Vec<f64> {
        let mut theta = vector([1.0, 2.0]);
        let rule = MetricDescent::new(metric, Identity, 0.5, NoMomentum);
        let mut optimiser = Configuration::new(rule, 0.125).build(&theta).unwrap();
        for gradient in GRADIENTS {
            optimiser.step(&mut theta, &Covector(vector(gradient)), 1.0).unwrap();
        }
        theta.as_slice().to_vec()
    }
    let learned = LearnedScalar { kappa: 0.5, ..LearnedScalar::default() };
    let alone = taken(learned);
    assert_ne!(alone, taken(Euclidean));
    assert_eq!(alone, taken(Remembering { momentum: NoMomentum, metric: learned }));
    assert_eq!(alone, taken(Routed { route: Named::new(["*"]), taken: learned, rest: Euclidean }));
}

#[test]
fn a_route_takes_the_parts_that_it_names() {
    let theta = Parameters::new([("a", array![3.0, 4.0].into_dyn()), ("b", array![5.0].into_dyn())]).unwrap();
    let doubled = Dense::diagonal(&[2.0, 2.0]).unwrap();
    let metric = Routed { route: Named::new(["a"]), taken: doubled, rest: Euclidean };
    let state = metric.begin(&theta).unwrap();
    assert!(state.taken().is_some() && state.rest().is_some());
    let raised = metric.at(&state).raise(&Covector(theta.clone())).unwrap();
    assert_eq!(raised.0.as_slice(), [1.5, 2.0, 5.0]);
    let mut half = Covector(theta);
    half.scale(0.5).unwrap();
    assert_eq!(half.0.as_slice(), [1.5, 2.0, 2.5]);
}

/// Numbers are asked one by one whether they are finite: their sum need not be.
#[test]
fn numbers_whose_sum_overflows_are_finite() {
    let theta = vector([1.0, 2.0]);
    let rule = Descent::new(Coupled::new(Euclidean, Identity, Given, 1.0), NoMomentum);
    let mut optimiser = Configuration::new(rule, 1.0).build(&theta).unwrap();
    optimiser.write_state("metric.coupling", &vector([1.7e308, 1.7e308])).unwrap();
    assert_eq!(optimiser.state()[0].as_slice(), [1.7e308, 1.7e308]);
}
