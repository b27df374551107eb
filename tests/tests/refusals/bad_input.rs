//! Bad input is refused by a typed error that names what was wrong, and nothing changes: no bit of parameters or state.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test says no")]

use ambient_metric::ambient::{AlongParameters, Power, Sqrt};
use ambient_metric::rule::{Clipped, Root};
use ambient_metric::space::HeavyBall;
use ambient_metric::{
    Adagrad, Configuration, Covector, Descent, Ema, Embedding, Error, Euclidean, Flat, Group, Height, Identity,
    Induced, Log, Log1p, Nesterov, RmsProp, Rule, Tensor, rules,
};
use ambient_metric_conformance::runs;
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::{Asinh, Quadratic, cases};
use ndarray::{Array1, Array2, ArrayD, array};
use proptest::prelude::*;

fn theta() -> Parameters<f64> {
    Parameters::new([
        ("a.weight", Array2::from_elem((5, 7), 0.5).into_dyn()),
        ("b.bias", Array1::from_elem(3, -0.25).into_dyn()),
        ("c.weight", Array1::from_elem(20, 2.0).into_dyn()),
    ])
    .unwrap()
}

fn bits<T: Tensor>(tensor: &T) -> Vec<u64> {
    use ambient_metric::number::Element;
    runs::elements(tensor).unwrap().into_iter().map(|x| x.to_f64().to_bits()).collect()
}

/// Takes two good steps, then a bad one, and returns its error after checking that it changed nothing: neither parameters nor state, nor
/// what the next good step does.
fn refused<R: Rule + Clone>(rule: R, gradient: &Parameters<f64>, loss: f64) -> Error {
    let mut theta = theta();
    let good = Covector(theta.clone());
    let mut optimiser = Configuration::new(rule, 0.1).weight_decay(0.01).build(&theta).unwrap();
    optimiser.step(&mut theta, &good, 3.0).unwrap();
    optimiser.step(&mut theta, &good, 2.0).unwrap();

    let mut undisturbed_theta = theta.clone();
    let mut undisturbed = optimiser.clone();
    let before = optimiser.checkpoint().unwrap();
    let error = optimiser.step(&mut theta, &Covector(gradient.clone()), loss).unwrap_err();
    assert_eq!(bits(&theta), bits(&undisturbed_theta));
    assert_eq!(format!("{:?}", optimiser.checkpoint().unwrap().memory), format!("{:?}", before.memory));
    assert_eq!(optimiser.steps().unwrap(), 2);
    for (found, expected) in optimiser.state().iter().zip(undisturbed.state()) {
        assert_eq!(bits(found), bits(expected));
    }

    optimiser.step(&mut theta, &good, 1.0).unwrap();
    undisturbed.step(&mut undisturbed_theta, &good, 1.0).unwrap();
    assert_eq!(bits(&theta), bits(&undisturbed_theta));
    error
}

macro_rules! a_gradient_that_is_not_finite_is_refused_and_named_wherever_it_stands {
    ($($name:ident: $rule:expr),+ $(,)?) => {
        mod a_gradient_that_is_not_finite_is_refused_and_named_wherever_it_stands {
            use super::*;

            proptest! {
                #![proptest_config(cases(64))]
                $(
                    #[test]
                    fn $name(
                        position in 0..58_usize,
                        wrong in prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
                    ) {
                        let mut gradient = theta();
                        gradient.as_mut_slice()[position] = wrong;
                        let expected = if position < 35 { "a.weight" } else if position < 38 { "b.bias" } else { "c.weight" };
                        let error = refused($rule, &gradient, 1.0);
                        let Error::NonFiniteGradient { parameter } = error else { panic!("{error}") };
                        prop_assert_eq!(parameter, expected);
                    }
                )+
            }
        }
    };
}

a_gradient_that_is_not_finite_is_refused_and_named_wherever_it_stands!(
    sgd: rules::sgd(0.9),
    sgd_ema: rules::sgd_ema(0.9),
    adam: rules::adam(),
    nadam: rules::nadam(),
    euclidean: rules::euclidean(0.1),
    euclidean_log: rules::euclidean_log(0.1),
    rmsprop: rules::rmsprop(0.1),
    adagrad_with_the_full_inverse: Descent::new(Adagrad::default(), Induced::new(Sqrt, 0.1).exact(), Nesterov(0.9)),
    quadratic_of_a_user: Descent::new(Quadratic, Induced::new(Asinh, 0.1), HeavyBall(0.9)),
);

fn loss_is_refused<E: Embedding + Clone>(embedding: &E, name: &str, losses: &[f64]) {
    for &loss in losses {
        let rule = Descent::new(RmsProp::default(), Induced::new(embedding.clone(), 0.1).beta(0.5), Ema(0.9));
        let error = refused(rule, &theta(), loss);
        let Error::LossOutsideDomain { embedding, loss: found } = error else { panic!("{error}") };
        assert_eq!(embedding, name);
        assert_eq!(found.to_bits(), loss.to_bits());
    }
}

#[test]
fn a_loss_outside_the_domain_of_its_embedding_is_refused_and_named() {
    let infinite = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let not_positive = [0.0, -0.0, -1.0, -1e-300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    loss_is_refused(&Identity, "Identity", &infinite);
    loss_is_refused(&Asinh, "Asinh", &infinite);
    loss_is_refused(&Log, "Log", &not_positive);
    loss_is_refused(&Sqrt, "Sqrt", &not_positive);
    loss_is_refused(&Power(2.0), "Power(2)", &not_positive);
    loss_is_refused(&Power(0.3), "Power(0.3)", &not_positive);
    loss_is_refused(&Log1p, "Log1p", &[-1.0, -2.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
}

#[test]
fn a_loss_inside_the_domain_is_accepted() {
    for loss in [-5.0, 0.0, 7.0] {
        assert!(Identity.check(loss).is_ok());
        assert!(Asinh.check(loss).is_ok());
    }
    for loss in [1e-300, 1.0, 1e300] {
        assert!(Log.check(loss).is_ok());
        assert!(Sqrt.check(loss).is_ok());
        assert!(Power(0.5).check(loss).is_ok());
    }
    for loss in [-0.5, 0.0, 1e300] {
        assert!(Log1p.check(loss).is_ok());
    }
}

fn with(name: &str, array: ArrayD<f64>) -> Parameters<f64> {
    let parts = theta().names().map(str::to_owned).collect::<Vec<_>>();
    let all = parts.iter().map(|part| (part.clone(), theta().view(part).unwrap().to_owned()));
    Parameters::new(all.filter(|(part, _)| part != name).chain([(name.to_owned(), array)])).unwrap()
}

#[test]
fn a_gradient_of_another_shape_is_refused_and_both_shapes_are_named() {
    let error = refused(rules::euclidean(0.1), &with("a.weight", Array2::zeros((7, 5)).into_dyn()), 1.0);
    let Error::Shape { name, expected, found } = error else { panic!("{error}") };
    assert_eq!((name.as_str(), expected, found), ("a.weight", vec![5, 7], vec![7, 5]));
}

#[test]
fn a_gradient_with_a_part_too_many_or_too_few_is_refused_and_the_part_is_named() {
    let error = refused(rules::sgd(0.9), &with("d", array![1.0].into_dyn()), 1.0);
    let Error::UnknownParameter { name, known } = error else { panic!("{error}") };
    assert_eq!((name.as_str(), known), ("d", vec!["a.weight".to_owned(), "b.bias".to_owned(), "c.weight".to_owned()]));

    let parts = ["a.weight", "c.weight"].map(|part| (part, theta().view(part).unwrap().to_owned()));
    let error = refused(rules::sgd(0.9), &Parameters::new(parts).unwrap(), 1.0);
    let Error::MissingParameter { name, shape } = error else { panic!("{error}") };
    assert_eq!((name.as_str(), shape), ("b.bias", vec![3]));
}

#[test]
fn parameters_of_another_layout_are_refused() {
    let mut optimiser = Configuration::new(rules::sgd(0.9), 0.1).build(&theta()).unwrap();
    let mut other = Parameters::from(array![1.0, 2.0]);
    let error = optimiser.step(&mut other, &Covector(theta()), 1.0).unwrap_err();
    assert!(matches!(error, Error::MissingParameter { name, .. } if name == "a.weight"));
    assert_eq!(other, Parameters::from(array![1.0, 2.0]));
}

/// The name and value in the error that building reports.
fn hyperparameter<R: Rule>(configuration: Configuration<R>) -> (&'static str, u64) {
    match configuration.build(&theta()) {
        Err(Error::Hyperparameter { name, value, .. }) => (name, value.to_bits()),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn hyperparameters_outside_their_ranges_are_refused_and_named() {
    for wrong in [-1.0, -1e-300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let bits = wrong.to_bits();
        assert_eq!(
            hyperparameter(Configuration::new(rules::euclidean(wrong).momentum(0.9).beta(0.0), 0.1)),
            ("xi", bits)
        );
        assert_eq!(hyperparameter(Configuration::new(rules::sgd(0.9), wrong)), ("learning_rate", bits));
        assert_eq!(
            hyperparameter(Configuration::new(rules::sgd(0.9), 0.1).weight_decay(wrong)),
            ("weight_decay", bits)
        );
        let group = Group::new("g", ["*"]);
        let grouped = |group| Configuration::new(rules::sgd(0.9), 0.1).group(group);
        assert_eq!(hyperparameter(grouped(group.clone().learning_rate(wrong))), ("learning_rate", bits));
        assert_eq!(hyperparameter(grouped(group.weight_decay(wrong))), ("weight_decay", bits));
    }
    for wrong in [-0.1, 1.0, 1.5, f64::NAN, f64::INFINITY] {
        let bits = wrong.to_bits();
        assert_eq!(
            hyperparameter(Configuration::new(rules::euclidean(0.1).momentum(0.9).beta(wrong), 0.1)),
            ("beta", bits)
        );
        assert_eq!(
            hyperparameter(Configuration::new(rules::euclidean(0.1).momentum(wrong).beta(0.0), 0.1)),
            ("momentum", bits)
        );
        assert_eq!(hyperparameter(Configuration::new(rules::sgd(wrong), 0.1)), ("momentum", bits));
        assert_eq!(
            hyperparameter(Configuration::new(
                rules::nadam().momentum(wrong).metric(RmsProp { beta: 0.9, epsilon: 1e-8 }),
                0.1
            )),
            ("momentum", bits)
        );
        assert_eq!(
            hyperparameter(Configuration::new(rules::adam().metric(RmsProp { beta: wrong, epsilon: 1e-8 }), 0.1)),
            ("beta_rms", bits)
        );
    }
    for wrong in [0.0, -1e-8, f64::NAN, f64::INFINITY] {
        let bits = wrong.to_bits();
        assert_eq!(
            hyperparameter(Configuration::new(rules::adam().metric(RmsProp { beta: 0.9, epsilon: wrong }), 0.1)),
            ("epsilon", bits)
        );
        let adagrad = Descent::new(Adagrad { epsilon: wrong }, Flat, Ema(0.9));
        assert_eq!(hyperparameter(Configuration::new(adagrad, 0.1)), ("epsilon", bits));
        let power = Descent::new(Euclidean, Induced::new(Power(wrong), 0.1), Ema(0.9));
        assert_eq!(hyperparameter(Configuration::new(power, 0.1)), ("power", bits));
    }
}

#[test]
fn schedules_cannot_leave_the_ranges_either() {
    let mut optimiser = Configuration::new(rules::euclidean(0.1).momentum(0.9).beta(0.0), 0.1).build(&theta()).unwrap();
    for wrong in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(optimiser.set_xi(wrong), Err(Error::Hyperparameter { name: "xi", .. })));
        let error = optimiser.set_learning_rate("default", wrong);
        assert!(matches!(error, Err(Error::Hyperparameter { name: "learning_rate", .. })));
    }
    let error = optimiser.set_learning_rate("biases", 0.1).unwrap_err();
    assert!(matches!(error, Error::UnknownGroup { group, known } if group == "biases" && known == ["default"]));
}

#[test]
fn an_empty_space_is_refused() {
    let none = Parameters::<f64>::new(Vec::<(String, ArrayD<f64>)>::new()).unwrap();
    assert!(matches!(Configuration::new(rules::sgd(0.9), 0.1).build(&none), Err(Error::Empty)));
    let hollow = Parameters::from(Array1::<f32>::zeros(0));
    assert!(matches!(Configuration::new(rules::sgd(0.9), 0.1).build(&hollow), Err(Error::Empty)));
}

#[test]
fn a_group_that_matches_nothing_is_refused_and_its_pattern_is_named() {
    let group = Group::new("norms", ["*.bias", "norm.?"]);
    let error = Configuration::new(rules::sgd(0.9), 0.1).group(group).build(&theta()).unwrap_err();
    let Error::GroupMatchesNothing { group, pattern, known } = error else { panic!("{error}") };
    assert_eq!((group.as_str(), pattern.as_str(), known.len()), ("norms", "norm.?", 3));
}

#[test]
fn duplicate_names_are_refused_and_named() {
    let twice = Parameters::new([("w", array![1.0].into_dyn()), ("w", array![2.0].into_dyn())]);
    assert!(matches!(twice, Err(Error::DuplicateParameter { name }) if name == "w"));
    let group = || Group::new("g", ["*"]);
    let error = Configuration::new(rules::sgd(0.9), 0.1).group(group()).group(group()).build(&theta()).unwrap_err();
    assert!(matches!(error, Error::DuplicateGroup { group } if group == "g"));
}

#[test]
fn a_squared_length_that_overflows_is_refused_and_named() {
    let mut gradient = theta();
    gradient.as_mut_slice()[40] = 1e200;
    let error = refused(rules::euclidean(0.1), &gradient, 1.0);
    assert!(matches!(&error, Error::Overflow { quantity } if quantity.contains("squared length")), "{error}");
}

#[test]
fn a_multiplier_that_only_the_wide_type_can_hold_is_refused_and_no_parameter_becomes_nan() {
    // f′ = 1/L = 10⁴⁵ is a number in f64 and infinite in f32, where it would turn a zero gradient into NaN.
    let start = Parameters::from(array![1.0_f32, 2.0]);
    let mut theta = start.clone();
    let mut optimiser =
        Configuration::new(rules::euclidean_log(0.1).momentum(0.0).beta(0.0), 0.1).build(&theta).unwrap();
    let gradient = Covector(Parameters::from(array![0.0_f32, 0.0]));
    let error = optimiser.step(&mut theta, &gradient, 1e-45).unwrap_err();
    assert!(matches!(error, Error::Overflow { .. }), "{error}");
    assert_eq!(theta, start);
    assert_eq!(optimiser.steps().unwrap(), 0);
}

#[test]
fn a_state_that_would_overflow_is_refused_and_stays_finite() {
    // l² = 10⁶⁰ is infinite in f32: ρ would be infinite for ever, and its parameter would never move again.
    let start = Parameters::from(array![1.0_f32, 2.0]);
    let mut theta = start.clone();
    let mut optimiser = Configuration::new(rules::adam(), 0.1).build(&theta).unwrap();
    let gradient = Covector(Parameters::from(array![1.0_f32, 1e30]));
    let error = optimiser.step(&mut theta, &gradient, 1.0).unwrap_err();
    assert!(matches!(&error, Error::Overflow { quantity } if quantity.contains("state")), "{error}");
    assert_eq!(theta, start);
    assert!(optimiser.state().iter().all(|slot| slot.iter().all(|x| x.to_bits() == 0)));
}

#[test]
fn a_gradient_whose_square_overflows_is_no_obstacle_to_a_rule_that_does_not_square_it() {
    let mut theta = Parameters::from(array![1.0_f32, 2.0]);
    let mut optimiser = Configuration::new(rules::sgd(0.0), 2.0_f64.powi(-100)).build(&theta).unwrap();
    let gradient = Covector(Parameters::from(array![0.0_f32, 2.0_f32.powi(100)]));
    optimiser.step(&mut theta, &gradient, 1.0).unwrap();
    assert_eq!(theta, Parameters::from(array![1.0_f32, 1.0]));
}

/// A ξ that nothing would see is not taken.
#[test]
fn a_rule_without_a_surface_has_no_xi_to_set() {
    fn refused<R: Rule>(rule: R) {
        let mut optimiser = Configuration::new(rule, 0.1).build(&theta()).unwrap();
        assert!(matches!(optimiser.set_xi(0.5), Err(Error::NoCoefficient)));
        assert!(matches!(optimiser.set_xi_of(1, 0.5), Err(Error::NoCoefficient)));
        assert!(matches!(optimiser.set_xi(-0.5), Err(Error::Hyperparameter { name: "xi", .. })));
    }
    refused(rules::sgd(0.9));
    refused(rules::adam());
    refused(Descent::new(Euclidean, Clipped::new(Root { xi: 0.1 }), Ema(0.9)));
    let mut optimiser =
        Configuration::new(rules::euclidean_log(0.1).momentum(0.9).beta(0.0), 0.1).build(&theta()).unwrap();
    optimiser.set_xi(0.5).unwrap();
}

/// ξ⟨l, l⟩ or f′ξ⟨l, l⟩ is no number where ⟨l, l⟩ is one: a damping of zero would be a step of nothing that looks like one.
#[test]
fn a_squared_length_that_overflows_with_xi_is_refused_by_every_surface() {
    fn refused<R: Rule>(rule: R, losses: &[f64]) {
        let mut theta = Parameters::from(array![1.0, 2.0]);
        let mut optimiser = Configuration::new(rule, 0.1).weight_decay(0.5).build(&theta).unwrap();
        let long = Covector(Parameters::from(array![1e100, -1e100]));
        let error = optimiser.step_losses(&mut theta, &vec![&long; losses.len()], losses).unwrap_err();
        assert!(matches!(error, Error::Overflow { .. }), "{error}");
        assert_eq!((theta.as_slice(), optimiser.steps().unwrap()), (&[1.0, 2.0][..], 0));
        assert!(optimiser.state().iter().all(|slot| slot.as_slice() == [0.0, 0.0]));
    }
    refused(Descent::new(Euclidean, Induced::new(Identity, 1e150), Ema(0.9)), &[1.0]);
    refused(Descent::new(Euclidean, Induced::new(Log, 1.0).exact(), Ema(0.9)), &[1e-150]);
    refused(Descent::new(Euclidean, Induced::new(Identity, 1e150).coupled(AlongParameters(0.1)), Ema(0.9)), &[1.0]);
    refused(Descent::new(Euclidean, Induced::new(Log, 1.0).coupled(AlongParameters(0.1)), Ema(0.9)), &[1e-150]);
    let two = [Height { embedding: Identity, xi: 1e150 }, Height { embedding: Identity, xi: 1.0 }];
    refused(Descent::new(Euclidean, Induced::of(two), Ema(0.9)), &[1.0, 1.0]);
}
