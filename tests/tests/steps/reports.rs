//! What optimisers say of their steps: the fused one and the one over whole tensors alike, and what can be asked of the latter in between.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]
#![allow(clippy::float_cmp, reason = "what is expected is exact")]

use ambient_metric::ambient::{AlongGradient, AlongParameters, Given};
use ambient_metric::base::{LearnedScalar, Named, Remembering};
use ambient_metric::{
    BaseMetric, Configuration, Covector, Dense, Descent, Ema, Error, Euclidean, Flat, Height, Identity, Induced, Log,
    Metric, NoMomentum, Preconditioner, RmsProp, Routed, Rule,
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
    let rule = Descent::new(Euclidean, Induced::new(Log, 0.25).beta(0.5), Ema(0.5));
    let mut fused = Configuration::new(rule, 0.125).build(&theta).unwrap();
    let mut whole = Configuration::new(rule, 0.125).build_whole(&other).unwrap();
    for (step, gradient) in GRADIENTS.into_iter().enumerate() {
        let gradient = Covector(vector(gradient));
        let a = fused.step(&mut theta, &gradient, 2.0).unwrap();
        let b = whole.step(&mut other, &gradient, 2.0).unwrap();
        assert_eq!(a, b, "step {step}");
        assert_eq!(a.effective_learning_rate, 0.125 * a.damping);
        assert_eq!(theta.as_slice(), other.as_slice());
    }
    // m̂ = Σ 2^(t−3) l_t / (2 − 2^(−2)), of the three gradients.
    let momentum = whole.engine().momenta()[0].covector().0.as_slice().to_vec();
    let weighted = |axis: usize| 0.125 * GRADIENTS[0][axis] + 0.25 * GRADIENTS[1][axis] + 0.5 * GRADIENTS[2][axis];
    for (axis, found) in momentum.into_iter().enumerate() {
        let expected = weighted(axis) / 0.875;
        assert!((found - expected).abs() <= 4.0 * f64::EPSILON, "{found} beside {expected}");
    }
}

#[test]
fn the_coefficient_can_be_changed_between_steps() {
    let mut theta = vector([1.0, 2.0]);
    let mut whole = Configuration::new(Descent::new(Euclidean, Induced::new(Identity, 0.25), NoMomentum), 0.125)
        .build_whole(&theta)
        .unwrap();
    let gradient = Covector(vector([3.0, 4.0]));
    assert_eq!(whole.step(&mut theta, &gradient, 1.0).unwrap().squared_length, 6.25);
    whole.set_xi(2.0).unwrap();
    let report = whole.step(&mut theta, &gradient, 1.0).unwrap();
    assert_eq!((report.squared_length, report.averaged), (50.0, 50.0));
    assert!(matches!(whole.set_xi(-1.0), Err(Error::Hyperparameter { name: "xi", .. })));
    assert!(matches!(whole.set_xi_of(1, 1.0), Err(Error::Losses { expected: 1, found: 2 })));
}

/// Over two tensors, as one group: both optimisers report a number for every loss.
#[test]
fn several_losses_have_one_report_with_a_number_for_each() {
    let space = |values: [f64; 2]| {
        Parameters::new([("a", array![values[0]].into_dyn()), ("b", array![values[1]].into_dyn())]).unwrap()
    };
    let heights = [Height { embedding: Identity, xi: 1.0 }, Height { embedding: Identity, xi: 0.25 }];
    let (mut theta, mut other) = (space([1.0, 1.0]), space([1.0, 1.0]));
    let configuration = Configuration::new(Descent::new(Euclidean, Induced::of(heights), NoMomentum), 0.5);
    let mut joint = configuration.clone().build(&theta).unwrap();
    let mut whole = configuration.build_whole(&other).unwrap();
    // Orthogonal gradients do not see each other: r = 1/(1 + 1) and 1/(1 + 4/4).
    let (first, second) = (Covector(space([1.0, 0.0])), Covector(space([0.0, 2.0])));
    let report = joint.step_losses(&mut theta, &[&first, &second], &[1.0, 1.0]).unwrap();
    assert_eq!((report.damping, report.squared_length, report.slope), ([0.5; 2], [1.0; 2], [1.0; 2]));
    assert_eq!((report.effective_learning_rate, report.determinant_ratio), ([0.25; 2], 4.0));
    assert_eq!(whole.step_losses(&mut other, &[&first, &second], &[1.0, 1.0]).unwrap(), report);
    let second = Covector(space([0.0, 4.0]));
    let report = joint.step_losses(&mut theta, &[&first, &second], &[1.0, 1.0]).unwrap();
    // 1/(1 + 1) and 1/(1 + 16/4).
    assert_eq!(
        (report.damping, report.averaged, report.effective_learning_rate),
        ([0.5, 0.2], [1.0, 4.0], [0.25, 0.1])
    );
    assert_eq!(report.first().damping, 0.5);
    assert_eq!(whole.step_losses(&mut other, &[&first, &second], &[1.0, 1.0]).unwrap(), report);
    assert_eq!(joint.reports().unwrap(), [("default".to_owned(), report)]);
    assert_eq!(whole.reports().unwrap(), [("default".to_owned(), report)]);
}

/// A coupling is scaled back from ⟨c, c⟩ = 1 − ε on, and left alone below.
#[test]
fn a_short_coupling_is_not_scaled() {
    for (kappa, scale) in [(0.5, 1.0), (0.8, 1.0), (0.9, (0.75_f64 / 0.81).sqrt()), (1.0, 0.75_f64.sqrt())] {
        let mut theta = vector([1.0, 0.0]);
        let gradient = Covector(vector([0.0, 1.0]));
        let coupled = Induced::new(Identity, 1.0).coupled(AlongParameters(kappa)).scale_back(0.25);
        let rule = Descent::new(Euclidean, coupled, NoMomentum);
        let mut whole = Configuration::new(rule, 0.5).build_whole(&theta).unwrap();
        let report = whole.step(&mut theta, &gradient, 1.0).unwrap();
        assert!((report.coupling_scale - scale).abs() <= 2.0 * f64::EPSILON, "{kappa}: {report:?}");

        let mut theta = vector([1.0, 0.0]);
        let mut fused = Configuration::new(rule, 0.5).build(&theta).unwrap();
        let report = fused.step(&mut theta, &gradient, 1.0).unwrap();
        assert!((report.coupling_scale - scale).abs() <= 2.0 * f64::EPSILON, "{kappa}: {report:?}");
    }
}

/// ⟨c, c⟩ overflows alone where l is short, and ⟨c, l⟩ alone where γ⁻¹ makes c short.
#[test]
fn products_of_the_coupling_that_overflow_are_refused() {
    let mut theta = vector([1e160, 0.0]);
    let coupled = Induced::new(Identity, 1.0).coupled(AlongParameters(1.0)).scale_back(0.25);
    let mut whole = Configuration::new(Descent::new(Euclidean, coupled, NoMomentum), 0.5).build_whole(&theta).unwrap();
    let refused = whole.step(&mut theta, &Covector(vector([1e-10, 0.0])), 1.0);
    assert!(matches!(refused, Err(Error::Overflow { .. })), "{refused:?}");
    assert_eq!((theta.as_slice(), whole.steps().unwrap()), (&[1e160, 0.0][..], 0));
}

#[test]
fn names_say_what_an_optimiser_over_whole_tensors_is_made_of() {
    fn name<M: BaseMetric<Parameters<f64>, State: Clone>, P: Preconditioner + Clone>(
        metric: M,
        preconditioner: P,
    ) -> String
    where
        Descent<M, P, Ema>: Clone,
    {
        let rule = Descent::new(metric, preconditioner, Ema(0.9));
        Configuration::new(rule, 0.1).build_whole(&vector([1.0, 2.0])).unwrap().checkpoint().unwrap().rule_name
    }
    assert_eq!(
        name(RmsProp::default(), Induced::new(Log, 1.0)),
        "Descent(RmsProp, Induced(Log, Product, damped), Ema)"
    );
    // Over a pointwise metric it is the name of the rule that runs in passes.
    assert_eq!(name(RmsProp::default(), Flat), Descent::new(RmsProp::default(), Flat, Ema(0.9)).name());
    let dense = Dense::diagonal(&[1.0, 1.0]).unwrap();
    let exact = Induced::new(Identity, 1.0).exact();
    assert_eq!(name(dense, exact), "Descent(Dense, Induced(Identity, Product, exact), Ema)");
    let coupled = Induced::new(Identity, 1.0).coupled(AlongGradient(0.5));
    assert_eq!(name(Euclidean, coupled), "Descent(Euclidean, Induced(Identity, Coupled(AlongGradient), damped), Ema)");
    let given = Induced::new(Identity, 1.0).coupled(Given);
    assert_eq!(name(Euclidean, given), "Descent(Euclidean, Induced(Identity, Coupled(Given), damped), Ema)");
}

#[test]
fn the_norm_is_that_of_all_gradients_together() {
    let mut theta = vector([1.0, 1.0]);
    let heights = [Height { embedding: Identity, xi: 0.25 }; 2];
    let configuration = Configuration::new(Descent::new(Euclidean, Induced::of(heights), NoMomentum), 0.5);
    let mut joint = configuration.clone().build(&theta).unwrap();
    let gradients = [Covector(vector([1.0, 2.0])), Covector(vector([2.0, 4.0]))];
    let report = joint.step_losses(&mut theta, &gradients.each_ref(), &[1.0, 1.0]).unwrap();
    assert_eq!(report.gradient_norm, 5.0);
    let mut whole = configuration.build_whole(&theta).unwrap();
    let report = whole.step_losses(&mut theta, &gradients.each_ref(), &[1.0, 1.0]).unwrap();
    assert_eq!(report.gradient_norm, 5.0);
}

/// A metric that stands in another one learns from the same steps.
#[test]
fn metrics_inside_of_others_learn() {
    fn taken<M: BaseMetric<Parameters<f64>, State: Clone>>(metric: M) -> Vec<f64> {
        let mut theta = vector([1.0, 2.0]);
        let rule = Descent::new(metric, Induced::new(Identity, 0.5), NoMomentum);
        let mut optimiser = Configuration::new(rule, 0.125).build_whole(&theta).unwrap();
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
    let rule = Descent::new(Euclidean, Induced::new(Identity, 1.0).coupled(Given), NoMomentum);
    let mut optimiser = Configuration::new(rule, 1.0).build(&theta).unwrap();
    optimiser.write_state("ambient", &vector([1.7e308, 1.7e308])).unwrap();
    assert_eq!(optimiser.state()[0].as_slice(), [1.7e308, 1.7e308]);
}
