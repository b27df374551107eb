//! Groups of parameters, and the numbers that a step reports.
#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]

use ambient_metric::{Bundle as _, Configuration, Covector, Error, Group, Report, rules};
use ambient_metric_conformance::compensated_sum;
use ambient_metric_ndarray::Parameters;
use ambient_metric_tests::cases;
use ndarray::{Array1, ArrayD};
use proptest::prelude::*;

fn space(parts: &[(&str, &[f64])]) -> Parameters<f64> {
    Parameters::new(parts.iter().map(|(name, values)| (*name, Array1::from(values.to_vec()).into_dyn()))).unwrap()
}

fn part(space: &Parameters<f64>, name: &str) -> ArrayD<f64> {
    space.view(name).unwrap().to_owned()
}

fn bits(array: &ArrayD<f64>) -> Vec<u64> {
    array.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn rates_go_by_name_and_the_last_matching_group_wins() {
    let mut theta = space(&[("a.bias", &[1.0]), ("a.weight", &[1.0]), ("b.bias", &[1.0]), ("c", &[1.0])]);
    let configuration = Configuration::new(rules::sgd(0.0), 0.5)
        .weight_decay(0.25)
        .group(Group::new("biases", ["*.bias"]).weight_decay(0.0))
        .group(Group::new("a", ["a.*"]).learning_rate(0.125));
    let mut optimiser = configuration.build(&theta).unwrap();
    let gradient = Covector(theta.clone());
    optimiser.step(&mut theta, &gradient, 1.0).unwrap();
    // θ − ηl − ηλθ with l = θ = 1: powers of two, so exact.
    let expected = [
        ("a.bias", 1.0 - 0.125 - 0.125 * 0.25),
        ("a.weight", 1.0 - 0.125 - 0.125 * 0.25),
        ("b.bias", 0.5),
        ("c", 0.375),
    ];
    for (name, expected) in expected {
        assert_eq!(bits(&part(&theta, name)), [f64::to_bits(expected)], "{name}");
    }
    optimiser.set_learning_rate("biases", 0.25).unwrap();
    let before = part(&theta, "b.bias");
    optimiser.step(&mut theta, &gradient, 1.0).unwrap();
    assert_eq!(bits(&part(&theta, "b.bias")), [f64::to_bits(before.sum() - 0.25)]);
}

#[test]
fn the_decay_of_the_rest_is_that_of_every_group_without_its_own_also_after_a_restart() {
    let mut theta = space(&[("a", &[1.0]), ("b", &[1.0]), ("c", &[1.0])]);
    let mut optimiser = Configuration::new(rules::sgd(0.0), 0.5)
        .weight_decay(0.25)
        .group(Group::new("inheriting", ["b"]).learning_rate(0.25))
        .group(Group::new("own", ["c"]).weight_decay(0.125))
        .build(&theta)
        .unwrap();
    optimiser.set_weight_decay("default", 0.5).unwrap();
    optimiser = optimiser.checkpoint().unwrap().restore(&theta).unwrap();
    let still = Covector(space(&[("a", &[0.0]), ("b", &[0.0]), ("c", &[0.0])]));
    // θ − ηλθ of powers of two, so exact.
    optimiser.step(&mut theta, &still, 1.0).unwrap();
    let expected = [("a", 1.0 - 0.5 * 0.5), ("b", 1.0 - 0.25 * 0.5), ("c", 1.0 - 0.5 * 0.125)];
    for (name, expected) in expected {
        assert_eq!(bits(&part(&theta, name)), [f64::to_bits(expected)], "{name}");
    }
    optimiser.set_weight_decay("own", 0.0).unwrap();
    optimiser.step(&mut theta, &still, 1.0).unwrap();
    assert_eq!(bits(&part(&theta, "c")), [f64::to_bits(expected[2].1)]);
    assert!(
        matches!(optimiser.set_weight_decay("head", 0.1), Err(Error::UnknownGroup { group, .. }) if group == "head")
    );
    let refused = optimiser.set_weight_decay("own", -1.0);
    assert!(matches!(refused, Err(Error::Hyperparameter { name: "weight_decay", .. })));
}

/// The numbers of a report, in order.
fn bits_of(report: Report<f64, [f64; 1]>) -> Vec<u64> {
    report.scalars().map(f64::to_bits).collect()
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_group_with_its_own_metric_is_a_space_of_its_own_bit_for_bit(
        a in prop::collection::vec(-3.0..3.0_f64, 1..30),
        b in prop::collection::vec(-3.0..3.0_f64, 1..30),
        c in prop::collection::vec(-3.0..3.0_f64, 1..30),
        losses in prop::collection::vec(0.1..3.0_f64, 1..6),
    ) {
        let rule = rules::rmsprop(0.3);
        let plain = Configuration::new(rule, 0.1).weight_decay(0.01);
        let grouped = plain.clone().group(Group::new("own", ["b*"]).own_metric());
        let mut together = space(&[("a", &a), ("b1", &b), ("b2", &c)]);
        let mut alone = space(&[("b1", &b), ("b2", &c)]);
        let mut rest = space(&[("a", &a)]);
        let mut of_together = grouped.build(&together)?;
        let mut of_alone = plain.clone().build(&alone)?;
        let mut of_rest = plain.build(&rest)?;
        for loss in losses {
            // A bowl: the gradient is θ itself, so that a difference once made would stay.
            let gradients = [together.clone(), alone.clone(), rest.clone()].map(Covector);
            of_together.step(&mut together, &gradients[0], loss)?;
            of_alone.step(&mut alone, &gradients[1], loss)?;
            of_rest.step(&mut rest, &gradients[2], loss)?;
        }
        prop_assert_eq!(bits(&part(&together, "a")), bits(&part(&rest, "a")));
        for name in ["b1", "b2"] {
            prop_assert_eq!(bits(&part(&together, name)), bits(&part(&alone, name)));
        }
        let reports: Vec<_> = of_together.reports().unwrap().into_iter().map(|(name, report)| (name, bits_of(report))).collect();
        let own: Vec<_> = of_alone.reports().unwrap().into_iter().map(|(_, report)| bits_of(report)).collect();
        prop_assert_eq!(&reports[1], &("own".to_owned(), own[0].clone()));
    }

    /// s loses at most n + 4 roundings, its average and the correction 2t + 4 amplified by 1/(1 − β) ≤ 5, r and the norm six more.
    #[test]
    fn a_report_says_what_the_formulas_say(
        gradients in prop::collection::vec(prop::collection::vec(-3.0..3.0_f64, 17), 1..5),
        losses in prop::collection::vec(0.1..3.0_f64, 5),
        xi in 0.0..2.0_f64,
    ) {
        let beta = 0.8_f64;
        let mut theta = Parameters::from(Array1::<f64>::zeros(17));
        let mut optimiser = Configuration::new(rules::euclidean_log(xi).momentum(0.9).beta(beta), 0.1).build(&theta)?;
        let mut v = 0.0;
        for (step, (l, &loss)) in gradients.iter().zip(&losses).enumerate() {
            let report = optimiser.step(&mut theta, &Covector(Parameters::from(Array1::from(l.clone()))), loss)?;
            let squares = compensated_sum(l.iter().map(|l| l * l));
            let s = xi * squares;
            v = beta * v + (1.0 - beta) * s;
            let averaged = v / (1.0 - beta.powi(i32::try_from(step + 1).unwrap()));
            let slope = 1.0 / loss;
            let damping = loss / (loss * loss + averaged);
            let determinant_ratio = 1.0 + slope * slope * averaged;
            // Without coupling, ⟨c, c⟩ is zero and nothing is scaled back.
            let expected =
                [s, averaged, slope, damping, determinant_ratio, 0.0, 1.0, 0.1 * damping, squares.sqrt()];
            prop_assert_eq!(report.scalars().count(), expected.len());
            for (found, expected) in report.scalars().zip(expected) {
                let allowed = 2.0 * f64::EPSILON / 2.0 * (17.0 + 4.0 + 5.0 * 14.0 + 6.0) * expected.abs();
                prop_assert!((found - expected).abs() <= allowed, "{} beside {}", found, expected);
            }
        }
    }
}
