//! The optimiser of modules: what it reads, what it writes, and what it leaves alone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

use ambient_metric::space::Part;
use ambient_metric::{
    AnyOptimiser, Configuration, Covector, Descent, Error, Group, Induced, Layout, Optimiser, RmsProp, Rule,
    Tensor as _, rules,
};
use ambient_metric_burn::{BurnError, ModuleOptimiser, Parameters as Burn, checksum};
use ambient_metric_ndarray::Parameters;
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Bytes, Device, Tensor, TensorData};
use ndarray::ArrayD;

/// Tensors of ranks 1, 2 and 4, and running means that are no parameters.
#[derive(Module, Debug)]
struct Model {
    stem: Conv2d,
    norm: BatchNorm,
    layers: Vec<Linear>,
}

impl Model {
    fn new() -> Self {
        let device = Device::flex().autodiff();
        device.seed(1);
        Self {
            stem: Conv2dConfig::new([1, 3], [2, 2]).init(&device),
            norm: BatchNormConfig::new(3).init(&device),
            layers: vec![LinearConfig::new(3, 4).init(&device), LinearConfig::new(4, 2).init(&device)],
        }
    }

    /// A loss that depends on every parameter, and differs between steps.
    fn loss(&self, step: usize) -> Tensor<1> {
        let values: Vec<f32> = (0..2 * 3 * 3).map(|index| ((index * 7 + step * 5) % 11) as f32 / 11.0 - 0.4).collect();
        let x = Tensor::<4>::from_data(TensorData::new(values, [2, 1, 3, 3]), &Device::flex().autodiff());
        let [batch, channels, ..] = [2, 3, 2, 2];
        let x = self.norm.forward(self.stem.forward(x)).reshape([batch, channels, 4]).mean_dim(2);
        let x = self.layers.iter().fold(x.reshape([batch, channels]), |x, layer| layer.forward(x).tanh());
        (x - 0.5).square().mean()
    }

    fn gradients(&self, step: usize) -> (GradientsParams, f64) {
        let loss = self.loss(step);
        let gradients = GradientsParams::from_grads(loss.backward(), self);
        (gradients, f64::from(loss.into_scalar::<f32>()))
    }
}

/// Every tensor of a module by name.
fn tensors<M: Module>(module: &M) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    struct Read(Vec<String>, Vec<(String, Vec<usize>, Vec<f32>)>);
    impl ModuleVisitor for Read {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            self.1.push((self.0.join("."), value.dims().to_vec(), value.inner().try_into_vec_as().unwrap()));
        }
    }
    let mut read = Read(Vec::new(), Vec::new());
    module.visit(&mut read);
    read.1
}

fn values<M: Module>(module: &M, name: &str) -> Vec<f32> {
    tensors(module).into_iter().find(|(found, ..)| found == name).unwrap().2
}

fn rmsprop() -> impl Rule + core::fmt::Debug {
    rules::rmsprop(0.5).metric(RmsProp { beta: 0.95, epsilon: 1e-8 })
}

fn configuration() -> Configuration<impl Rule + core::fmt::Debug> {
    let head = Group::new("head", ["layers.1.*"]).learning_rate(0.02).own_metric();
    let biases = Group::new("biases", ["*.bias"]).weight_decay(0.0);
    Configuration::new(rmsprop(), 0.01).weight_decay(0.1).group(head).group(biases)
}

/// Some steps, from `first` on.
fn train<O: AnyOptimiser<Burn<f32>>>(
    model: &mut Model,
    optimiser: &mut ModuleOptimiser<O>,
    steps: core::ops::Range<usize>,
) {
    for step in steps {
        let (gradients, loss) = model.gradients(step);
        optimiser.step(0.01, model, gradients, loss).unwrap();
    }
}

/// The parameters by name. Running means, which are no parameters, are settled only when a module is put to use.
fn trained(model: &Model) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    tensors(model).into_iter().filter(|(name, ..)| !name.contains("running")).collect()
}

/// The gradients as host arrays, for the parameters that have some.
fn on_host(model: &Model, gradients: &mut GradientsParams) -> Vec<(String, ArrayD<f32>)> {
    struct Take<'g>(Vec<String>, &'g mut GradientsParams, Vec<(String, ArrayD<f32>)>);
    impl ModuleVisitor for Take<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.1.get::<D>(param.id) {
                let (shape, values) = (gradient.dims().to_vec(), gradient.try_into_vec_as().unwrap());
                self.2.push((self.0.join("."), ArrayD::from_shape_vec(shape, values).unwrap()));
            }
        }
    }
    let mut take = Take(Vec::new(), gradients, Vec::new());
    model.visit(&mut take);
    take.2
}

/// What the CPU backend makes of the same gradients, with groups and tensors of every rank. Both compute in `f32`, about 10 operations per coordinate and
/// step, on parameters that stay below 2 and steps below 0.1: after ten steps they are 10 · (2 + 10 · 0.1) · 2⁻²⁴ ≈ 2e-6 apart at most.
#[test]
fn a_module_is_stepped_as_named_arrays_are() {
    let mut model = Model::new();
    let mut optimiser = ModuleOptimiser::new(configuration(), &model).unwrap();
    let array = |(name, shape, values)| (name, ArrayD::from_shape_vec(shape, values).unwrap());
    let mut theta = Parameters::new(trained(&model).into_iter().map(array)).unwrap();
    let mut other = configuration().build(&theta).unwrap();
    for step in 0..10 {
        let (mut gradients, loss) = model.gradients(step);
        let gradient = Covector(Parameters::new(on_host(&model, &mut gradients)).unwrap());
        let found = optimiser.step(0.01, &mut model, gradients, loss).unwrap();
        let expected = other.step(&mut theta, &gradient, loss).unwrap();
        assert!((found.damping - expected.damping).abs() <= 1e-5, "{found:?} beside {expected:?}");
    }
    for (index, part) in theta.layout().parts().iter().enumerate() {
        for (found, expected) in values(&model, &part.name).iter().zip(theta.read(index).unwrap()) {
            assert!((found - expected).abs() <= 2e-6, "{}: {found} beside {expected}", part.name);
        }
    }
}

#[test]
fn frozen_parameters_are_left_alone_and_out_of_the_sum() {
    let mut model = Model::new();
    model.layers[0] = model.layers[0].clone().no_grad();
    let mut optimiser = ModuleOptimiser::new(configuration(), &model).unwrap();
    let names = optimiser.engine().state()[0].layout().names();
    assert!(!names.iter().any(|name| name.starts_with("layers.0") || name.contains("running")), "{names:?}");
    let before = values(&model, "layers.0.weight");
    train(&mut model, &mut optimiser, 0..3);
    assert_eq!(values(&model, "layers.0.weight"), before);

    // Frozen later: as if there were no gradient.
    let stem = values(&model, "stem.weight");
    model.stem = model.stem.clone().no_grad();
    train(&mut model, &mut optimiser, 3..5);
    assert_eq!(values(&model, "stem.weight"), stem);
    assert_eq!(optimiser.engine().steps().unwrap(), 5);
}

#[test]
fn parameters_without_a_gradient_keep_value_and_state_and_add_nothing() {
    let mut model = Model::new();
    let mut optimiser = ModuleOptimiser::new(Configuration::new(rmsprop(), 0.01).weight_decay(0.1), &model).unwrap();
    train(&mut model, &mut optimiser, 0..2);
    let layout = optimiser.engine().state()[0].layout().clone();
    let part = layout.parts().iter().position(|part| part.name == "layers.0.weight").unwrap();
    let state = |optimiser: &ModuleOptimiser<Optimiser<_, Burn<f32>>>, part: usize| {
        let slots = optimiser.engine().state().iter();
        slots.map(|slot| slot.read(part).unwrap()).collect::<Vec<Vec<f32>>>()
    };
    let (kept, kept_state, others) = (values(&model, "layers.0.weight"), state(&optimiser, part), state(&optimiser, 0));

    let (mut gradients, loss) = model.gradients(2);
    gradients.remove::<2>(model.layers[0].weight.id).unwrap();
    let squares = on_host(&model, &mut gradients).into_iter().flat_map(|(_, gradient)| gradient);
    let norm = squares.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let report = optimiser.step(0.01, &mut model, gradients, loss).unwrap();
    // Squares are rounded in f32: two roundings each.
    assert!((report.gradient_norm / norm - 1.0).abs() < 1e-6, "{} beside {norm}", report.gradient_norm);
    assert_eq!(values(&model, "layers.0.weight"), kept);
    assert_eq!(state(&optimiser, part), kept_state);
    assert_ne!(state(&optimiser, 0), others);
}

/// All that an engine remembers, rates included, and what of it belongs to a parameter of this name.
trait Remembers: AnyOptimiser<Burn<f32>> {
    fn remembered(&self, parameter: &str) -> (String, String);
}

impl<O: AnyOptimiser<Burn<f32>>> Remembers for O {
    fn remembered(&self, parameter: &str) -> (String, String) {
        let checkpoint = self.checkpoint().unwrap();
        (format!("{checkpoint:?}"), format!("{:?}", checkpoint.parameters.get(parameter)))
    }
}

/// The gradients of a step without those of `layers.0`.
fn partial(model: &Model, step: usize) -> (GradientsParams, f64) {
    let (mut gradients, loss) = model.gradients(step);
    gradients.remove::<2>(model.layers[0].weight.id).unwrap();
    gradients.remove::<1>(model.layers[0].bias.as_ref().unwrap().id).unwrap();
    (gradients, loss)
}

const WITHOUT: [&str; 2] = ["layers.0.weight", "layers.0.bias"];

/// The promises of a step without some gradients, for one kind of engine.
fn check_without<O: Remembers>(build: impl Fn(&Burn<f32>) -> Result<O, Error>) {
    let made = |model: &Model| ModuleOptimiser::of(model, &build).unwrap();
    let state = |optimiser: &ModuleOptimiser<O>| WITHOUT.map(|name| optimiser.engine().remembered(name).1);

    // Beside a module in which they are frozen from the start.
    let mut model = Model::new();
    // Parameters that nobody has looked at yet share with their clones whether they are frozen.
    let begun = trained(&model);
    let mut frozen = model.clone();
    frozen.layers[0] = frozen.layers[0].clone().no_grad();
    let (mut optimiser, mut without) = (made(&model), made(&frozen));
    assert_eq!(trained(&frozen), begun);
    for step in 0..3 {
        let ((gradients, loss), (same, _)) = (partial(&model, step), partial(&model, step));
        let report = optimiser.step(0.01, &mut model, gradients, loss).unwrap();
        assert_eq!(without.step(0.01, &mut frozen, same, loss).unwrap(), report);
        assert_eq!(trained(&model), trained(&frozen));
        for name in ["stem.weight", "layers.1.bias"] {
            assert_eq!(optimiser.engine().remembered(name).1, without.engine().remembered(name).1);
        }
    }

    // After steps with all gradients, values and state stay, and those of others do not.
    train(&mut model, &mut optimiser, 3..5);
    let (kept, kept_state) = (WITHOUT.map(|name| values(&model, name)), state(&optimiser));
    let (stem, stem_state) = (values(&model, "stem.weight"), optimiser.engine().remembered("stem.weight").1);
    for step in 5..7 {
        let (gradients, loss) = partial(&model, step);
        optimiser.step(0.01, &mut model, gradients, loss).unwrap();
    }
    assert_eq!((WITHOUT.map(|name| values(&model, name)), state(&optimiser)), (kept.clone(), kept_state.clone()));
    assert_ne!(values(&model, "stem.weight"), stem);
    assert_ne!(optimiser.engine().remembered("stem.weight").1, stem_state);

    // What fails leaves all as it was, the learning rates too.
    let before = (trained(&model), optimiser.engine().remembered("").0, AnyOptimiser::rates(optimiser.engine()));
    let bias = model.layers[1].bias.as_ref().unwrap().id;
    let with = |factor: f32| {
        let (mut gradients, loss) = partial(&model, 7);
        let gradient = gradients.remove::<1>(bias).unwrap();
        gradients.register(bias, gradient.zeros_like().add_scalar(factor));
        (gradients, loss)
    };
    let ((nan, loss), (large, _), (fine, _)) = (with(f32::NAN), with(3e38), partial(&model, 7));
    let mut stepped = model.clone();
    let found = optimiser.step(0.5, &mut stepped, nan, loss);
    assert!(matches!(&found, Err(Error::NonFiniteGradient { parameter }) if parameter == "layers.1.bias"), "{found:?}");
    let found = optimiser.step(0.5, &mut stepped, large, loss);
    assert!(matches!(&found, Err(Error::Overflow { .. })), "{found:?}");
    let found = optimiser.step(0.5, &mut stepped, fine, f64::NAN);
    assert!(matches!(&found, Err(Error::LossOutsideDomain { .. })), "{found:?}");
    let found = optimiser.step(0.5, &mut stepped, GradientsParams::new(), loss);
    assert!(matches!(&found, Err(Error::NoGradient)), "{found:?}");
    let found = optimiser.step(-1.0, &mut stepped, partial(&model, 7).0, loss);
    assert!(matches!(&found, Err(Error::Hyperparameter { .. })), "{found:?}");
    let after = (trained(&stepped), optimiser.engine().remembered("").0, AnyOptimiser::rates(optimiser.engine()));
    assert_eq!(after, before);

    train(&mut model, &mut optimiser, 7..8);
    assert_ne!((WITHOUT.map(|name| values(&model, name)), state(&optimiser)), (kept, kept_state));
}

#[test]
fn pointwise_rules_leave_parameters_without_a_gradient_alone() {
    use ambient_metric::ambient::Given;
    use ambient_metric::base::LearnedDiagonal;
    use ambient_metric::{Ema, Euclidean, Identity, Log};
    check_without(|theta| Configuration::new(rmsprop(), 0.01).weight_decay(0.1).build(theta));
    let learned = LearnedDiagonal { kappa: 0.3, ..LearnedDiagonal::default() };
    let learned = Descent::new(learned, Induced::new(Log, 0.5), Ema(0.9));
    check_without(|theta| Configuration::new(learned, 0.01).build(theta));
    let coupled = Descent::new(Euclidean, Induced::new(Identity, 0.1).coupled(Given).beta(0.8), Ema(0.9));
    check_without(|theta| {
        let mut optimiser = Configuration::new(coupled, 0.01).build(theta)?;
        let c = theta.flat().full_like(1e-3);
        optimiser.write_state("ambient", &Burn::from_flat(theta.layout().clone(), c)?)?;
        Ok(optimiser)
    });
}

#[test]
fn whole_tensor_rules_leave_parameters_without_a_gradient_alone() {
    use ambient_metric::ambient::Given;
    use ambient_metric::base::{EveryMatrix, LearnedDiagonal, MuonMax, Psgd, Remembering};
    use ambient_metric::{Ema, Log, Muon, Nesterov, NoMomentum, Routed};
    let rest = Remembering { momentum: Nesterov(0.9), metric: RmsProp::default() };
    let muon = Routed { route: EveryMatrix, taken: Muon::default(), rest };
    let muon = Descent::new(muon, Induced::new(Log, 0.01).beta(0.8), NoMomentum);
    check_without(|theta| Configuration::new(muon, 0.01).weight_decay(0.1).build_whole(theta));
    let averaged = Descent::new(RmsProp::default(), Induced::new(Log, 0.1).beta(0.8), Ema(0.9));
    check_without(|theta| Configuration::new(averaged, 0.01).weight_decay(0.1).build_whole(theta));
    let psgd = Routed { route: EveryMatrix, taken: Psgd::default(), rest };
    let psgd = Descent::new(psgd, Induced::new(Log, 0.1).beta(0.8), Ema(0.9));
    check_without(|theta| Configuration::new(psgd, 0.01).weight_decay(0.1).build_whole(theta));
    let max = Routed { route: EveryMatrix, taken: MuonMax::default(), rest };
    let max = Descent::new(max, Induced::new(Log, 0.01).beta(0.8), NoMomentum);
    check_without(|theta| Configuration::new(max, 0.01).weight_decay(0.1).build_whole(theta));
    let learned = LearnedDiagonal { kappa: 0.3, ..LearnedDiagonal::default() };
    let learned = Descent::new(learned, Induced::new(Log, 0.1).coupled(Given), Ema(0.9));
    check_without(|theta| {
        let mut optimiser = Configuration::new(learned, 0.01).build_whole(theta)?;
        let c = theta.flat().full_like(1e-3);
        optimiser.write_state("ambient", &Burn::from_flat(theta.layout().clone(), c)?)?;
        Ok(optimiser)
    });
}

/// A group may follow the default rate and have been set to another since: a failed step gives it that back.
#[test]
fn a_failed_step_leaves_the_rates_of_groups_as_they_were() {
    let mut model = Model::new();
    let mut optimiser = ModuleOptimiser::new(configuration(), &model).unwrap();
    optimiser.set_learning_rate("biases", 0.3).unwrap();
    let (gradients, _) = model.gradients(0);
    let before = optimiser.engine().rates().cloned().collect::<Vec<_>>();
    assert_eq!(before.iter().map(|rates| rates.learning_rate).collect::<Vec<_>>(), [0.01, 0.02, 0.3]);
    assert!(optimiser.step(0.5, &mut model, gradients, f64::NAN).is_err());
    assert!(optimiser.engine().rates().eq(&before));
}

#[test]
fn a_metric_over_all_parameters_says_that_it_needs_every_gradient() {
    use ambient_metric::{Dense, Identity, NoMomentum};
    let mut model = Model::new();
    let count = ModuleOptimiser::new(configuration(), &model).unwrap().parameters();
    let rule = Descent::new(Dense::diagonal(&vec![2.0; count]).unwrap(), Induced::new(Identity, 0.1), NoMomentum);
    let mut optimiser =
        ModuleOptimiser::of(&model, |theta: &Burn<f32>| Configuration::new(rule, 0.01).build_whole(theta)).unwrap();
    let (gradients, loss) = partial(&model, 0);
    let before = trained(&model);
    let refused = optimiser.step(0.5, &mut model, gradients, loss);
    assert!(matches!(&refused, Err(Error::Inseparable { metric }) if metric == "Dense"), "{refused:?}");
    assert_eq!((trained(&model), optimiser.engine().steps().unwrap()), (before.clone(), 0));
    train(&mut model, &mut optimiser, 0..1);
    assert_ne!(trained(&model), before);
}

#[test]
fn parts_are_selected_and_placed_on_the_device() {
    use ambient_metric::space::{Selection, Separable};
    let part = |name: &str, shape: &[usize]| Part { name: name.to_owned(), shape: shape.to_vec() };
    let parts = [("a", vec![2]), ("b", vec![0]), ("c", vec![]), ("d", vec![1, 2])];
    let parts = parts.map(|(name, shape)| (part(name, &shape), shape.iter().product()));
    let mut next = 0.0_f32;
    let parts = parts.map(|(part, count): (Part, usize)| {
        let numbers = (0..count).map(|_| {
            next += 1.0;
            next
        });
        (part, numbers.collect())
    });
    let theta = Burn::new(&Device::flex(), parts).unwrap();
    let all = |theta: &Burn<f32>| theta.flat().try_to_vec_as::<f32>().unwrap();
    for (parts, expected) in [
        (vec![0, 1, 2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0]),
        (vec![0, 3], vec![1.0, 2.0, 4.0, 5.0]),
        (vec![1, 2], vec![3.0]),
        (vec![1], vec![]),
    ] {
        let selection = Selection::new(theta.layout(), &parts).unwrap();
        let selected = theta.select(&selection).unwrap();
        assert_eq!(all(&selected), expected);
        let mut placed = theta.zeros_like().unwrap();
        placed.place(&selection, &selected).unwrap();
        for part in 0..4 {
            let expected =
                if parts.contains(&part) { theta.read(part) } else { theta.zeros_like().unwrap().read(part) };
            assert_eq!(placed.read(part).unwrap(), expected.unwrap());
        }
    }
    let mut other = theta.clone();
    let first = Selection::new(theta.layout(), &[0]).unwrap();
    let selected = theta.select(&first).unwrap();
    let third = Selection::new(theta.layout(), &[2]).unwrap();
    assert!(matches!(other.place(&third, &selected), Err(Error::MissingParameter { name, .. }) if name == "c"));
    let names = ["a", "b", "c", "d", "e"];
    let others = Layout::new(names.map(|name| Part { name: name.to_owned(), shape: vec![9] }).into()).unwrap();
    let missing = Selection::new(&others, &[4]).unwrap();
    assert!(matches!(theta.select(&missing), Err(Error::NoSuchPart { part: 4, parts: 4 })));
    let longer = Selection::new(&others, &[0]).unwrap();
    assert!(matches!(theta.select(&longer), Err(Error::Shape { name, .. }) if name == "a"));
    assert_eq!(all(&other), all(&theta));
}

#[test]
fn a_record_resumes_bit_for_bit_in_a_module_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (mut model, path) = (Model::new(), folder.path().join("optimiser.bpk"));
    let mut optimiser = ModuleOptimiser::new(configuration(), &model).unwrap();
    train(&mut model, &mut optimiser, 0..4);
    optimiser.set_xi(0.75).unwrap();
    optimiser.set_weight_decay("default", 0.05).unwrap();
    optimiser.save(&path).unwrap();
    let bytes = optimiser.to_bytes().unwrap();
    let record = model.clone().into_record().into_bytes().unwrap();
    train(&mut model, &mut optimiser, 4..8);

    // Parameters have other identities there, and the same names.
    let fresh = Model::new().load_record(burn::store::ModuleRecord::from_bytes(record).unwrap());
    let made = || ModuleOptimiser::new(configuration(), &Model::new()).unwrap();
    let (mut of_file, mut of_bytes) = (made(), made());
    of_file.load(&path).unwrap();
    of_bytes.load_bytes(bytes).unwrap();
    for mut resumed in [of_file, of_bytes] {
        let mut again = fresh.clone();
        train(&mut again, &mut resumed, 4..8);
        assert_eq!(resumed.engine().steps().unwrap(), 8);
        assert_eq!(trained(&again), trained(&model));
    }
}

#[test]
fn a_record_keeps_what_corrects_parameters_that_came_later() {
    let (mut model, name) = (Model::new(), "layers.1.bias");
    let mut before = ModuleOptimiser::new(configuration(), &model).unwrap();
    train(&mut model, &mut before, 0..2);
    let mut checkpoint = before.engine().checkpoint().unwrap();
    checkpoint.parameters.remove(name).unwrap();
    let mut optimiser = ModuleOptimiser::of(&model, |theta: &Burn<f32>| {
        let restored = checkpoint.restore_partial(theta)?;
        assert_eq!(restored.fresh, [name]);
        Ok(restored.optimiser)
    })
    .unwrap();
    train(&mut model, &mut optimiser, 2..4);

    let mut resumed = ModuleOptimiser::new(configuration(), &model).unwrap();
    resumed.load_bytes(optimiser.to_bytes().unwrap()).unwrap();
    let [found, expected] = [&resumed, &optimiser].map(|optimiser| optimiser.engine().checkpoint().unwrap());
    assert_eq!((found.memory, found.parameters), (expected.memory, expected.parameters));
    let mut again = model.clone();
    train(&mut model, &mut optimiser, 4..6);
    train(&mut again, &mut resumed, 4..6);
    assert_eq!(trained(&again), trained(&model));
}

/// Ten steps in `f64` on a Burn device and on the host.
#[test]
fn metrics_of_matrices_take_the_steps_of_the_host() {
    use ambient_metric::base::{ColNorm, MuonMax, NorMuon, Psgd, RowNorm, Width};
    use ambient_metric::{BaseMetric, Ema, Log, Muon};
    fn check<M>(metric: M)
    where
        M: BaseMetric<Burn<f64>, State: Clone> + BaseMetric<Parameters<f64>, State: Clone> + Clone,
    {
        let shapes = [("q", vec![3, 2, 3]), ("w", vec![4, 3])];
        let numbers = |seed: usize, shape: &[usize]| -> Vec<f64> {
            (0..shape.iter().product()).map(|index| ((index * 7 + seed * 5) as f64 * 0.37).sin()).collect()
        };
        let here = |seed: usize| {
            Parameters::new(shapes.clone().map(|(name, shape)| {
                let elements = numbers(seed, &shape);
                (name, ArrayD::from_shape_vec(shape, elements).unwrap())
            }))
            .unwrap()
        };
        let there = |seed: usize| {
            let parts = shapes.clone().map(|(name, shape)| {
                let elements = numbers(seed, &shape);
                (Part { name: name.to_owned(), shape }, elements)
            });
            Burn::<f64>::new(&Device::flex(), parts).unwrap()
        };
        let rule = Descent::new(metric, Induced::new(Log, 0.01).beta(0.5), Ema(0.0));
        let (mut on_host, mut on_device) = (here(1), there(1));
        let mut host = Configuration::new(rule.clone(), 0.02).build_whole(&on_host).unwrap();
        let mut device = Configuration::new(rule, 0.02).build_whole(&on_device).unwrap();
        for step in 2..12 {
            host.step(&mut on_host, &Covector(here(step)), 1.5).unwrap();
            device.step(&mut on_device, &Covector(there(step)), 1.5).unwrap();
        }
        for (part, (name, _)) in shapes.iter().enumerate() {
            for (found, expected) in on_device.read(part).unwrap().iter().zip(on_host.view(name).unwrap().iter()) {
                // Rounding by products of sides below thirteen, which the iteration multiplies by 4⁵ in every step.
                assert!((found - expected).abs() <= 1e-9, "{name}: {found} beside {expected}");
            }
        }
    }
    let width = Width::RowsAreOutputs;
    check(ColNorm { width });
    check(RowNorm { width });
    let muon = Muon { heads: true, width, ..Muon::default() };
    check(muon);
    check(NorMuon { muon, ..NorMuon::default() });
    check(MuonMax { muon });
    let matrices = ambient_metric::Routed {
        route: ambient_metric::base::EveryMatrix,
        taken: Psgd::default(),
        rest: MuonMax { muon },
    };
    check(matrices);
}

#[test]
fn a_record_of_muon_resumes_bit_for_bit() {
    use ambient_metric::base::{EveryMatrix, Remembering};
    use ambient_metric::{Log, Muon, Nesterov, NoMomentum, Routed};
    let configured = || {
        let rest = Remembering { momentum: Nesterov(0.9), metric: RmsProp::default() };
        let metric = Routed { route: EveryMatrix, taken: Muon::default(), rest };
        Configuration::new(Descent::new(metric, Induced::new(Log, 0.01).beta(0.8), NoMomentum), 0.01)
    };
    let made = || ModuleOptimiser::of(&Model::new(), |theta: &Burn<f32>| configured().build_whole(theta)).unwrap();
    let (mut model, mut optimiser) = (Model::new(), made());
    train(&mut model, &mut optimiser, 0..3);
    let bytes = optimiser.to_bytes().unwrap();
    let (mut again, mut resumed) = (model.clone(), made());
    resumed.load_bytes(bytes).unwrap();
    train(&mut model, &mut optimiser, 3..6);
    train(&mut again, &mut resumed, 3..6);
    assert_eq!(trained(&again), trained(&model));
}

#[test]
fn a_failed_step_changes_nothing() {
    let mut model = Model::new();
    let rule = rules::euclidean_log(0.1);
    let mut optimiser = ModuleOptimiser::new(Configuration::new(rule, 0.1), &model).unwrap();
    train(&mut model, &mut optimiser, 0..2);
    let (before, checkpoint) = (trained(&model), optimiser.engine().checkpoint().unwrap());

    let (gradients, _) = model.gradients(2);
    let outside = optimiser.step(0.01, &mut model, gradients, -1.0);
    assert!(matches!(outside, Err(Error::LossOutsideDomain { .. })));

    let (mut gradients, loss) = model.gradients(2);
    let bad = gradients.get::<1>(model.layers[1].bias.as_ref().unwrap().id).unwrap();
    gradients.register(model.layers[1].bias.as_ref().unwrap().id, bad.mul_scalar(f32::NAN));
    let not_finite = optimiser.step(0.01, &mut model, gradients, loss);
    assert!(
        matches!(&not_finite, Err(Error::NonFiniteGradient { parameter }) if parameter == "layers.1.bias"),
        "{not_finite:?}"
    );

    assert_eq!(trained(&model), before);
    assert_eq!(optimiser.engine().checkpoint().unwrap(), checkpoint);
}

#[test]
fn what_does_not_fit_is_refused() {
    let model = Model::new();
    let plain = || Configuration::new(rmsprop(), 0.01);
    let unmatched = plain().group(Group::new("none", ["encoder.*"]));
    assert!(matches!(ModuleOptimiser::new(unmatched, &model), Err(Error::GroupMatchesNothing { .. })));
    let frozen = model.clone().no_grad();
    assert!(matches!(ModuleOptimiser::new(plain(), &frozen), Err(Error::Empty)));
    let double = ModuleOptimiser::of(&model, |theta: &Burn<f64>| plain().build(theta)).unwrap_err();
    assert!(double.to_string().contains("`stem.weight` holds f32"), "{double}");

    // Thawed after the optimiser was made.
    let mut partly = model.clone();
    partly.stem = partly.stem.no_grad();
    let mut optimiser = ModuleOptimiser::new(plain(), &partly).unwrap();
    let (gradients, loss) = model.gradients(0);
    let thawed = optimiser.step(0.01, &mut model.clone(), gradients, loss);
    assert!(matches!(&thawed, Err(Error::UnknownParameter { name, .. }) if name.starts_with("stem")), "{thawed:?}");
}

#[test]
fn a_record_that_does_not_fit_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("optimiser.bpk");
    let model = Model::new();
    let made = || ModuleOptimiser::new(configuration(), &model).unwrap();
    made().save(&path).unwrap();

    let Configuration { groups, .. } = configuration();
    let of_sgd = Configuration { groups, ..Configuration::new(rules::sgd(0.9), 0.1) };
    let mut other = ModuleOptimiser::new(of_sgd, &model).unwrap();
    assert!(matches!(other.load(&path), Err(Error::CheckpointRule { .. })));
    let mut ungrouped = ModuleOptimiser::new(Configuration::new(rmsprop(), 0.01), &model).unwrap();
    assert!(matches!(ungrouped.load(&path), Err(Error::Backend(_) | Error::CheckpointEntry { .. })));

    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 5, 40, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let said = made().load(&path).unwrap_err().to_string();
        assert!(said.contains("record"), "{length}: {said}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(made().load(&path).unwrap_err().to_string().contains("record"));
}

/// A checksum of 32 bits notices each of them, wherever it is: in the head, in names, in numbers, in what fills the gaps, and in itself.
#[test]
fn of_a_thousand_flipped_bits_in_a_record_none_is_accepted() {
    const FLIPS: usize = 1000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("optimiser.bpk");
    let model = Model::new();
    let mut optimiser = ModuleOptimiser::new(configuration(), &model).unwrap();
    let (gradients, loss) = model.gradients(0);
    optimiser.step(0.01, &mut model.clone(), gradients, loss).unwrap();
    optimiser.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(&*optimiser.to_bytes().unwrap(), whole);
    let bits = whole.len() * 8;
    let mut fresh = ModuleOptimiser::new(configuration(), &model).unwrap();
    let before = fresh.to_bytes().unwrap();
    for flip in 0..FLIPS {
        // One in each of so many stretches, at other places of each; at the end every bit of the last byte.
        let bit = match flip.checked_sub(FLIPS - 8) {
            Some(last) => bits - 8 + last,
            None => bits * flip / FLIPS + flip * 7919 % bits.div_ceil(FLIPS),
        };
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &damaged).unwrap();
        let said = fresh.load(&path).unwrap_err().to_string();
        assert!(said.contains("optimiser.bpk") && said.contains("checksum"), "bit {bit} of {bits}: {said}");
        assert!(fresh.load_bytes(Bytes::from_bytes_vec(damaged)).is_err(), "bit {bit} of {bits}");
    }
    assert_eq!(*fresh.to_bytes().unwrap(), *before, "what is refused changes nothing");
    fresh.load_bytes(Bytes::from_bytes_vec(whole.clone())).unwrap();
    assert_eq!(*fresh.to_bytes().unwrap(), *whole);

    // As earlier versions wrote it.
    std::fs::write(&path, &whole[..whole.len() - checksum::LENGTH]).unwrap();
    let said = fresh.load(&path).unwrap_err().to_string();
    assert!(said.contains("has no checksum") && said.contains("version"), "{said}");
    // Burn itself reads what is saved.
    assert!(burn_pack::Reader::from_bytes(Bytes::from_bytes_vec(whole)).is_ok());
}

/// A name without an ending gets that of Burn's records, as it has it from Burn itself; a record replaces another one as a whole.
#[test]
fn a_record_takes_its_name_when_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let model = Model::new();
    let mut optimiser = ModuleOptimiser::new(configuration(), &model).unwrap();
    for _ in 0..2 {
        optimiser.save(folder.path().join("state")).unwrap();
    }
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["state.bpk"]);
    optimiser.load(folder.path().join("state")).unwrap();
    let said = optimiser.save(folder.path().join("absent/state")).unwrap_err().to_string();
    assert!(said.contains("cannot be written"), "{said}");
}

#[test]
fn a_parameter_that_two_places_share_is_stepped_once() {
    #[derive(Module, Debug)]
    struct Tied {
        first: Linear,
        second: Linear,
    }
    let linear = LinearConfig::new(3, 3).init(&Device::flex().autodiff());
    let mut model = Tied { first: linear.clone(), second: linear };
    let mut optimiser = ModuleOptimiser::new(Configuration::new(rules::sgd(0.0), 0.1), &model).unwrap();
    let x = Tensor::<2>::ones([2, 3], &Device::flex().autodiff());
    let loss = model.second.forward(model.first.forward(x)).square().mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    assert_eq!(gradients.len(), 2);
    optimiser.step(0.1, &mut model, gradients, f64::from(loss.into_scalar::<f32>())).unwrap();
    assert_eq!(values(&model, "first.weight"), values(&model, "second.weight"));
}

#[test]
fn tensors_of_one_pass_are_of_one_precision() {
    let flat = Tensor::<1>::ones([2], &Device::flex());
    let layout = Layout::single("w", vec![2]);
    assert!(Burn::<f32>::from_flat(layout.clone(), flat.clone()).is_ok());
    let wrong = Burn::<f64>::from_flat(layout, flat).unwrap_err();
    let Error::Backend(source) = wrong else { panic!("{wrong}") };
    assert!(matches!(source.downcast_ref(), Some(BurnError::Precision { .. })));
}

#[test]
fn muon_runs_on_burn_tensors() {
    use ambient_metric::{Identity, Muon, NoMomentum};
    let part = || Part { name: "w".into(), shape: vec![3, 2] };
    let values = [0.3_f64, -1.0, 2.0, 0.5, 0.1, -0.7];
    let configured = || Configuration::new(Descent::new(Muon::default(), Induced::new(Identity, 0.1), NoMomentum), 0.1);
    let on_burn = |values: &[f64]| Burn::new(&Device::flex(), [(part(), values.to_vec())]);
    let on_host =
        |values: &[f64]| Parameters::new([("w", ArrayD::from_shape_vec(vec![3, 2], values.to_vec()).unwrap())]);
    let (mut burn, mut host) = (on_burn(&values).unwrap(), on_host(&values).unwrap());
    let (mut one, mut other) = (configured().build_whole(&burn).unwrap(), configured().build_whole(&host).unwrap());
    for step in 0..5 {
        let gradient: Vec<f64> = values.iter().map(|value| value * (1.0 + f64::from(step)).sin()).collect();
        one.step(&mut burn, &Covector(on_burn(&gradient).unwrap()), 1.0).unwrap();
        other.step(&mut host, &Covector(on_host(&gradient).unwrap()), 1.0).unwrap();
    }
    // Five steps of five iterations of three products of inner length 3 in f64, on values of order one.
    for (found, expected) in burn.read(0).unwrap().iter().zip(host.read(0).unwrap()) {
        assert!((found - expected).abs() < 1e-12, "{found} beside {expected}");
    }
}

#[test]
fn an_optimiser_of_the_core_is_restored_on_a_device() {
    let theta = Burn::new(&Device::flex(), [(Part { name: "w".into(), shape: vec![2] }, vec![1.0_f32, 2.0])]).unwrap();
    let optimiser = Configuration::new(rmsprop(), 0.1).build(&theta).unwrap();
    let restored = optimiser.checkpoint().unwrap().restore(&theta).unwrap();
    assert_eq!(restored.steps().unwrap(), 0);
}
