//! Optimisers by name.

use ambient_metric::{Configuration, Descent, Momentum as _, Preconditioner as _, Rule};
use ambient_metric_ndarray::Parameters;
use ambient_studies::error::Error;
use ambient_studies::rules::hyperparameters::Constants;
use ambient_studies::rules::optimisers::Named;
use ambient_studies::rules::surface::Surface;
use ambient_studies::rules::variant::Variant;
use ambient_studies::rules::with_rule::{Whole, WithRule};
use ndarray::array;

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
        let theta = Parameters::from(array![[1.0], [2.0]]);
        let made = Configuration::new(rule, 0.1).build_whole(&theta)?;
        let Descent { preconditioner, momentum, .. } = &made.configuration().rule;
        let metric = core::any::type_name::<M>().split('<').next().and_then(|path| path.rsplit("::").next());
        Ok(format!("Descent({}, {}, {})", metric.unwrap(), preconditioner.name(), momentum.name()))
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
        assert!(named.rule(&named.with(&Constants::default()), Name).unwrap().starts_with("Descent("));
    }
}

#[test]
fn a_composition_is_the_rule_of_that_name() {
    let composed: Named = "induced:rmsprop:sqrt:exact".parse().unwrap();
    let name = composed.rule(&composed.with(&Constants::default()), Name).unwrap();
    assert_eq!(name, "Descent(RmsProp, Induced(Sqrt, Product, exact), Ema)");
    let named = |text: &str| {
        let named: Named = text.parse().unwrap();
        named.rule(&named.with(&Constants::default()), Name).unwrap()
    };
    let coupled = "Descent(RmsProp, Induced(Log, Coupled(AlongMomentum), damped), Ema)";
    assert_eq!(named("coupled:rmsprop:log:momentum"), coupled);
    let bilinear = "Descent(Euclidean, Bilinear(Log, AlongGradient, AlongMomentum), Ema)";
    assert_eq!(named("coupled:euclidean:log:bilinear"), bilinear);
    assert_eq!(named("clipped:euclidean:soft"), "Descent(Euclidean, Clipped(Soft), Ema)");
    assert_eq!(named("joint:euclidean:log:3"), "Descent(Euclidean, Induced([Log, Log, Log], Product, damped), Ema)");
    assert_eq!(named("whole:muon:identity"), "Descent(Muon, Induced(Identity, Product, damped), Ema)");
}

#[test]
fn a_constant_that_a_rule_does_not_have_is_refused() {
    let constants = Constants { xi: Some(0.5), ..Constants::default() };
    let said = Named::Adam.rule(&Named::Adam.with(&constants), Name).unwrap_err().to_string();
    assert!(said.contains("adam") && said.contains("`xi`"), "{said}");
    assert_eq!(Named::Euclidean.with(&constants).xi, Some(0.5));
}
