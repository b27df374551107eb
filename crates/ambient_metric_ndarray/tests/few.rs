//! Steps over few numbers, whose acts an optimiser runs in place, have the bits of steps in passes.

#![allow(clippy::expect_used, reason = "a test has nobody to return an error to")]

use ambient_metric::number::Element;
use ambient_metric::space::{Operands, StateStorage, Uniforms, Wide};
use ambient_metric::{Configuration, Covector, Error, Kernel, Layout, Report, Rule, Tensor, rules};
use ambient_metric_ndarray::Parameters;
use ndarray::ArrayD;
use proptest::prelude::*;

/// Parameters that do not tell that they are few.
struct Many<E>(Parameters<E>);

impl<E: Element> Tensor for Many<E> {
    type Element = E;

    fn layout(&self) -> &Layout {
        self.0.layout()
    }
    fn zeros_like(&self) -> Result<Self, Error> {
        self.0.zeros_like().map(Self)
    }
    fn state_like(&self, storage: StateStorage, slot: usize, updates: u64) -> Result<Self, Error> {
        self.0.state_like(storage, slot, updates).map(Self)
    }
    fn duplicate(&self) -> Result<Self, Error> {
        self.0.duplicate().map(Self)
    }
    fn read(&self, part: usize) -> Result<Vec<E>, Error> {
        self.0.read(part)
    }
    fn write(&mut self, part: usize, elements: &[E]) -> Result<(), Error> {
        self.0.write(part, elements)
    }
    fn sum<K: Kernel>(
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<Self>>>,
        operands: Operands<'_, Self>,
        totals: &mut [K::Output<Wide<Self>>],
    ) -> Result<(), Error> {
        let companions: Vec<Parameters<E>> = operands.companions.iter().map(|companion| companion.0.clone()).collect();
        let reads: Vec<&Parameters<E>> = operands.reads.iter().map(|read| &read.0).collect();
        let operands = Operands { target: &operands.target.0, companions: &companions, reads: &reads };
        Parameters::sum(kernel, uniforms, operands, totals)
    }
    fn update<K: Kernel>(
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<Self>>>,
        target: &mut Self,
        companions: &mut [Self],
        reads: &[&Self],
    ) -> Result<(), Error> {
        let mut inner: Vec<Parameters<E>> = companions.iter().map(|companion| companion.0.clone()).collect();
        let reads: Vec<&Parameters<E>> = reads.iter().map(|read| &read.0).collect();
        Parameters::update(kernel, uniforms, &mut target.0, &mut inner, &reads)?;
        for (companion, inner) in companions.iter_mut().zip(inner) {
            companion.0 = inner;
        }
        Ok(())
    }
}

/// Parameters, state, reports and, where a step is refused, the error.
type Seen = (Vec<f64>, Vec<Vec<f64>>, Vec<Report<f64>>, Option<String>);

fn flat<T: Tensor>(tensor: &T) -> Vec<f64> {
    let parts = 0..tensor.layout().parts().len();
    parts.flat_map(|part| tensor.read(part).expect("there is such a part")).map(Element::to_f64).collect()
}

fn run<T: Tensor, R: Rule>(
    configuration: Configuration<R>,
    make: impl Fn(&[f64]) -> T,
    theta: &[f64],
    gradients: &[Vec<f64>],
) -> Seen {
    let mut point = make(theta);
    let mut optimiser = configuration.build(&point).expect("the constants are in range");
    let mut reports = Vec::new();
    for gradient in gradients {
        match optimiser.step(&mut point, &Covector(make(gradient)), ambient_metric::Field::constant(1.5)) {
            Ok(report) => reports.push(ambient_metric::number::convert(report, &mut |value: Wide<T>| value.to_f64())),
            Err(error) => {
                let state = optimiser.state().iter().map(flat).collect();
                return (flat(&point), state, reports, Some(error.to_string()));
            }
        }
    }
    (flat(&point), optimiser.state().iter().map(flat).collect(), reports, None)
}

/// Two parts, cut at `cut`.
fn parameters<E: Element>(numbers: &[f64], cut: usize) -> Parameters<E> {
    let part = |numbers: &[f64]| {
        let numbers: Vec<E> = numbers.iter().map(|&x| E::constant(x)).collect();
        ArrayD::from_shape_vec(vec![numbers.len()], numbers).expect("as many as there are")
    };
    let (first, second) = numbers.split_at(cut.min(numbers.len()));
    Parameters::new([("a", part(first)), ("b", part(second))]).expect("the names differ")
}

fn both<E: Element, R: Rule>(
    configuration: impl Fn() -> Configuration<R>,
    theta: &[f64],
    gradients: &[Vec<f64>],
    cut: usize,
) -> Result<(), TestCaseError> {
    let few = run(configuration(), |numbers| parameters::<E>(numbers, cut), theta, gradients);
    let many = run(configuration(), |numbers| Many(parameters::<E>(numbers, cut)), theta, gradients);
    prop_assert_eq!(format!("{few:?}"), format!("{many:?}"));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn steps_over_few_numbers_have_the_bits_of_passes(
        theta in prop::collection::vec(-4.0..4.0_f64, 1..20),
        gradients in prop::collection::vec(prop::collection::vec(-9.0..9.0_f64, 20), 1..4),
        cut in 0..20_usize,
        bad in prop::option::weighted(0.2, (0..20_usize, prop::sample::select(vec![f64::NAN, f64::INFINITY, 1e200]))),
    ) {
        let mut gradients: Vec<Vec<f64>> = gradients.iter().map(|gradient| gradient[..theta.len()].to_vec()).collect();
        if let (Some((place, number)), Some(last)) = (bad, gradients.last_mut())
            && let Some(slot) = last.get_mut(place)
        {
            *slot = number;
        }
        let euclidean = || Configuration::new(rules::euclidean_log(0.1), 0.1).weight_decay(0.01);
        let rmsprop = || Configuration::new(rules::rmsprop(0.1), 0.1);
        let narrow = || rmsprop().state_storage(StateStorage::Bf16 { seed: 7 });
        both::<f64, _>(euclidean, &theta, &gradients, cut)?;
        both::<f32, _>(euclidean, &theta, &gradients, cut)?;
        both::<f64, _>(rmsprop, &theta, &gradients, cut)?;
        both::<f32, _>(rmsprop, &theta, &gradients, cut)?;
        both::<f32, _>(narrow, &theta, &gradients, cut)?;
        both::<f64, _>(|| Configuration::new(rules::sgd(0.5), 0.1), &theta, &gradients, cut)?;
    }
}
