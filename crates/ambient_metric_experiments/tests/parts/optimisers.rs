//! Optimisers by name.

use ambient_experiments::error::Error;
use ambient_experiments::optimisers::{Constants, Named, WithRule};
use ambient_experiments::stepping::Whole;
use ambient_experiments::surface::Surface;
use ambient_experiments::variant::Variant;
use ambient_metric::Rule;
use ambient_metric_ndarray::Parameters;

struct Name;

impl WithRule for Name {
    type Output = String;

    fn with<R: Rule + Clone + 'static>(self, rule: R) -> Result<String, Error> {
        rule.validate()?;
        Ok(rule.name())
    }

    fn whole<M>(self, rule: Whole<M>) -> Result<String, Error>
    where
        M: ambient_metric::BaseMetric<Parameters<f64>, State: Clone>,
    {
        rule.validate()?;
        Ok(rule.name())
    }

    fn hessian(&self) -> Option<[[f64; 2]; 2]> {
        Some([[1.0, 0.0], [0.0, 2.0]])
    }
}

#[test]
fn every_name_is_read_back_and_makes_a_rule() {
    let surfaces = Surface::all().into_iter().map(Named::Induced);
    let variants = Variant::all().into_iter().map(Named::Variant);
    for named in Named::ALL.into_iter().chain(surfaces).chain(variants) {
        assert_eq!(named.to_string().parse::<Named>().unwrap(), named);
        assert_eq!(named.to_string().to_uppercase().parse::<Named>().unwrap(), named);
        let kind = match named {
            Named::Variant(Variant::Joint(..)) => "Joint(",
            Named::Variant(Variant::Whole(..)) => "MetricDescent(",
            _ => "Descent(",
        };
        assert!(named.rule(&named.with(&Constants::default()), Name).unwrap().starts_with(kind));
    }
}

#[test]
fn a_composition_is_the_rule_of_that_name() {
    let composed: Named = "induced:rmsprop:sqrt:exact".parse().unwrap();
    let name = composed.rule(&composed.with(&Constants::default()), Name).unwrap();
    assert_eq!(name, "Descent(Induced(RmsProp, Sqrt, exact), Ema)");
    let named = |text: &str| {
        let named: Named = text.parse().unwrap();
        named.rule(&named.with(&Constants::default()), Name).unwrap()
    };
    assert_eq!(named("coupled:rmsprop:log:momentum"), "Descent(Coupled(RmsProp, Log, AlongMomentum), Ema)");
    assert_eq!(named("clipped:euclidean:soft"), "Descent(Clipped(Euclidean, Soft), Ema)");
    assert_eq!(named("joint:euclidean:log:3"), "Joint(Euclidean, [Log, Log, Log], Ema)");
    assert_eq!(named("whole:muon:identity"), "MetricDescent(Muon, [Identity], Ema, damped, Uncoupled)");
}

#[test]
fn a_constant_that_a_rule_does_not_have_is_refused() {
    let constants = Constants { xi: Some(0.5), ..Constants::default() };
    let said = Named::Adam.rule(&Named::Adam.with(&constants), Name).unwrap_err().to_string();
    assert!(said.contains("adam") && said.contains("`xi`"), "{said}");
    assert_eq!(Named::Euclidean.with(&constants).xi, Some(0.5));
}
