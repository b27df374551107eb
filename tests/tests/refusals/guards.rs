//! What is refused although each number looks right: metrics that are none, averages that never forget, sums that went wrong.

#![allow(clippy::unwrap_used, reason = "a test may stop at what should not happen")]
#![allow(clippy::float_cmp, reason = "what is exact is compared exactly")]

use ambient_metric::{
    BaseMetric, Configuration, Covector, Descent, DiagonalMetric, Ema, Error, Euclidean, Flat, Group, Identity,
    Induced, Log, Metric, NoMomentum, Optimiser, PullBack, Real, RmsProp, Rule, Tensor, rules,
};
use ambient_metric_ndarray::Parameters;
use ndarray::array;

fn point(x: f64, y: f64) -> Parameters<f64> {
    Parameters::from(array![x, y])
}

#[test]
fn a_gradient_that_is_not_finite_is_refused_by_the_geometry_too() {
    for bad in [f64::NAN, f64::INFINITY] {
        let gradient = Covector(point(bad, 1.0));
        let state = Euclidean.begin(&gradient.0).unwrap();
        let refused = PullBack::new(Euclidean.at(&state), gradient, 1.0, &Identity, 0.1).map(|_| ());
        assert!(matches!(refused, Err(Error::NonFiniteGradient { parameter }) if parameter == "theta"));

        let metric = RmsProp::default();
        let mut state = metric.begin(&point(0.0, 0.0)).unwrap();
        let refused = BaseMetric::update(&metric, &mut state, &Covector(point(bad, 1.0)));
        assert!(matches!(refused, Err(Error::NonFiniteGradient { .. })));
        assert_eq!(state.slots()[0].as_slice(), [0.0, 0.0]);
    }
}

#[test]
fn a_base_metric_out_of_range_has_no_state() {
    let begin =
        |metric: RmsProp| metric.begin(&point(0.0, 0.0)).map(|_: <RmsProp as BaseMetric<Parameters<f64>>>::State| ());
    assert!(matches!(begin(RmsProp { beta: 1.0, epsilon: 1e-8 }), Err(Error::Hyperparameter { name: "beta_rms", .. })));
    assert!(matches!(begin(RmsProp { beta: 0.9, epsilon: -1.0 }), Err(Error::Hyperparameter { name: "epsilon", .. })));
}

/// γ⁻¹ = −1, which is no metric.
#[derive(Clone)]
struct Negative;

impl DiagonalMetric for Negative {
    type State<S: Real> = ();
    fn observe<S: Real>(&self, (): (), _gradient: S) {}
    fn inverse<S: Real>(&self, (): ()) -> S {
        -S::one()
    }
}

#[test]
fn a_metric_that_is_not_positive_definite_is_refused() {
    let mut theta = point(1.0, 2.0);
    let gradient = Covector(point(3.0, 4.0));
    // s = −25ξ: with the small ξ the determinant 1 + s is positive nevertheless.
    for xi in [0.1, 0.01] {
        let rule = Descent::new(Negative, Induced::new(Identity, xi), Ema(0.9));
        let mut optimiser = Configuration::new(rule, 0.1).build(&theta).unwrap();
        let refused = optimiser.step(&mut theta, &gradient, 1.0);
        assert!(matches!(refused, Err(Error::NotPositiveDefinite { .. })), "{refused:?}");
        assert_eq!((theta.as_slice(), optimiser.steps().unwrap()), (&[1.0, 2.0][..], 0));
    }

    let state = Negative.begin(&theta).unwrap();
    let refused = PullBack::new(Negative.at(&state), gradient, 1.0, &Identity, 0.1).map(|_| ());
    assert!(matches!(refused, Err(Error::NotPositiveDefinite { .. })));
}

/// γ⁻¹ = 1/|l|: infinite after a gradient of zero.
#[derive(Clone)]
struct Bare;

impl DiagonalMetric for Bare {
    type State<S: Real> = S;
    fn observe<S: Real>(&self, _seen: S, gradient: S) -> S {
        gradient.abs()
    }
    fn inverse<S: Real>(&self, seen: S) -> S {
        S::one() / seen
    }
}

fn is_refused_untouched<R: Rule>(rule: R) {
    let mut theta = Parameters::from(array![1.0_f32, 2.0]);
    let mut optimiser = Configuration::new(rule, 0.1).build(&theta).unwrap();
    optimiser.step(&mut theta, &Covector(Parameters::from(array![3.0_f32, 4.0])), 1.0).unwrap();
    let (before, state) = (theta.clone(), optimiser.state().to_vec());
    let refused = optimiser.step(&mut theta, &Covector(Parameters::from(array![0.0_f32, 4.0])), 1.0);
    assert!(matches!(refused, Err(Error::Overflow { .. })), "{refused:?}");
    assert_eq!(before, theta);
    assert_eq!(state, optimiser.state());
}

#[test]
fn a_metric_whose_inverse_is_infinite_somewhere_never_writes_nan() {
    is_refused_untouched(Descent::new(Bare, Flat, NoMomentum));
    is_refused_untouched(Descent::new(Bare, Flat, Ema(0.5)));
}

#[test]
fn an_epsilon_that_single_precision_cannot_invert_is_refused_before_the_first_step() {
    let theta = Parameters::from(array![1.0_f32, 2.0]);
    let refused = Configuration::new(rules::adam().metric(RmsProp { beta: 0.999, epsilon: 1e-40 }), 0.1)
        .build(&theta)
        .map(|_| ());
    assert!(matches!(refused, Err(Error::StateRange { .. })), "{refused:?}");
}

/// A metric with any decay.
#[derive(Clone)]
struct Decaying(f64);

impl DiagonalMetric for Decaying {
    type State<S: Real> = S;
    fn observe<S: Real>(&self, seen: S, gradient: S) -> S {
        seen + gradient * gradient
    }
    fn inverse<S: Real>(&self, seen: S) -> S {
        S::one() / (S::one() + seen)
    }
    fn decay(&self) -> f64 {
        self.0
    }
}

#[test]
fn the_decay_of_a_users_metric_is_checked() {
    for decay in [1.0, 1.5, -0.5, f64::NAN] {
        let plain =
            Configuration::new(Descent::new(Decaying(decay), Flat, Ema(0.9)), 0.1).build(&point(1.0, 2.0)).map(|_| ());
        assert!(matches!(plain, Err(Error::Hyperparameter { name: "decay", .. })), "{plain:?}");
        let induced = Descent::new(Decaying(decay), Induced::new(Log, 0.1), Ema(0.9));
        let induced = Configuration::new(induced, 0.1).build(&point(1.0, 2.0)).map(|_| ());
        assert!(matches!(induced, Err(Error::Hyperparameter { name: "decay", .. })));
    }
}

#[test]
fn the_report_is_that_of_the_first_group_with_parameters() {
    let mut theta = point(1.0, 2.0);
    let configuration = Configuration::new(rules::euclidean(0.1).momentum(0.9).beta(0.0), 0.1)
        .group(Group::new("all", ["*"]).own_metric());
    let mut optimiser = configuration.build(&theta).unwrap();
    let report = optimiser.step(&mut theta, &Covector(point(3.0, 4.0)), 1.0).unwrap();
    assert_eq!((report.squared_length, report.gradient_norm), (2.5, 5.0));
}

#[test]
fn the_count_of_steps_does_not_run_over() {
    let mut theta = point(1.0, 2.0);
    let optimiser = Configuration::new(rules::sgd(0.9), 0.1).build(&theta).unwrap();
    let mut checkpoint = optimiser.checkpoint().unwrap();
    checkpoint.steps = u64::MAX;
    let mut optimiser = checkpoint.restore(&theta).unwrap();
    optimiser.step(&mut theta, &Covector(point(3.0, 4.0)), 1.0).unwrap();
    assert_eq!(optimiser.steps().unwrap(), u64::MAX);
}

#[test]
fn a_part_that_is_not_there_is_named() {
    let mut theta = point(1.0, 2.0);
    assert!(matches!(theta.read(7), Err(Error::NoSuchPart { part: 7, parts: 1 })));
    assert!(matches!(theta.write(1, &[]), Err(Error::NoSuchPart { part: 1, parts: 1 })));
}

#[test]
fn a_configuration_is_not_read_as_one_with_another_embedding() {
    let written = serde_json::to_string(&Configuration::new(rules::euclidean(0.1), 0.1)).unwrap();
    assert!(written.contains("\"Identity\"") && written.contains("\"Euclidean\"") && written.contains("\"Damped\""));
    assert!(written.contains("\"Product\""));
    assert!(serde_json::from_str::<Configuration<rules::EuclideanInduced>>(&written).is_ok());
    let other = serde_json::from_str::<Configuration<rules::EuclideanLogInduced>>(&written);
    assert!(other.unwrap_err().to_string().contains("Log"));
}

/// Raising what is parallel to the gradient loses no digits, however steep the surface.
#[test]
fn raising_along_the_gradient_does_not_cancel() {
    let gradient = Covector(point(6e8, 8e8));
    let state = Euclidean.begin(&gradient.0).unwrap();
    let g = PullBack::new(Euclidean.at(&state), Covector(point(6e8, 8e8)), 1.0, &Identity, 1.0).unwrap();
    let (raised, step) = (g.raise(&gradient).unwrap(), g.step().unwrap());
    for (raised, step) in raised.0.iter().zip(step.0.iter()) {
        // Both are l / (1 + 10¹⁸): c is a quotient of equal sums, so nothing is left of l − c l, and either takes four roundings.
        assert!((raised - step).abs() <= 8.0 * f64::EPSILON * step.abs(), "{raised:e} {step:e}");
    }
}

/// The powers of bias corrections stay as they are while processors compute with them at speed, and are zero after that.
#[test]
fn powers_of_bias_corrections_become_zero_before_they_become_subnormal() {
    let mut theta = point(1.0, 2.0);
    let mut optimiser = Configuration::new(rules::sgd_ema(0.5), 0.0).build(&theta).unwrap();
    let power = |optimiser: &Optimiser<rules::SgdEma, _>| optimiser.checkpoint().unwrap().memory[0]["powers.momentum"];
    for _ in 0..1022 {
        optimiser.step(&mut theta, &Covector(point(0.0, 0.0)), 1.0).unwrap();
    }
    assert_eq!(power(&optimiser), f64::MIN_POSITIVE);
    optimiser.step(&mut theta, &Covector(point(0.0, 0.0)), 1.0).unwrap();
    assert_eq!(power(&optimiser), 0.0);
}

/// A gradient whose square overflows is rehearsed, and a step that is finite in every parameter is taken, however large all of them together are.
#[test]
fn a_rehearsal_asks_for_every_number_and_not_for_their_sum() {
    let mut theta = point(1.7e308, 1.7e308);
    let mut optimiser = Configuration::new(rules::sgd(0.0), 1.0).build(&theta).unwrap();
    let report = optimiser.step(&mut theta, &Covector(point(1e200, 1e200)), 1.0).unwrap();
    assert_eq!(report.gradient_norm, f64::INFINITY);
    assert_eq!(theta.as_slice(), [1.7e308, 1.7e308]);
}

#[test]
fn a_covector_knows_whether_it_is_finite() {
    assert!(Covector(point(1.0, 2.0)).require_finite().is_ok());
    for bad in [f64::NAN, f64::INFINITY] {
        let refused = Covector(point(1.0, bad)).require_finite();
        assert!(matches!(refused, Err(Error::NonFiniteGradient { .. })), "{refused:?}");
    }
}
