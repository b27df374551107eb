//! The optimiser for Burn modules.

use ambient_metric::{AnyOptimiser, Configuration, Covector, Error, Layout, Optimiser, Report, Rule};
use burn::module::Module;
use burn::optim::GradientsParams;

use crate::module::{Found, find, gather, scatter};
use crate::parameters::{BurnElement, Parameters};

/// An optimiser of the core at work on the parameters of a Burn module.
///
/// Burn's own optimisers see one tensor at a time and never the loss; a pull-back needs the loss and one sum over all tensors. So this one
/// stands beside them: [`step`](Self::step) visits the module twice, first to measure, then to write.
///
/// # Requirements
///
/// All parameters on one device, in the precision of the engine. The layout is fixed when the optimiser is made: it holds the parameters that want
/// gradients then, under the paths of their fields (`layers.0.weight`), which is what the patterns of a [`Group`](ambient_metric::Group) match.
///
/// A parameter that is frozen, then or later, is left alone. One without a gradient in a step keeps its value and its state, bit for bit, and is left
/// out of all sums: the others step as those of an optimiser that was made without it. Each parameter counts its own steps for its bias corrections.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Group, RmsProp, rules};
/// use ambient_metric_burn::ModuleOptimiser;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Distribution, Tensor};
///
/// let device = Device::flex().autodiff();
/// let mut model: Linear = LinearConfig::new(4, 2).init(&device);
/// let rule = rules::rmsprop(0.1);
/// let configuration = Configuration::new(rule, 0.01).weight_decay(1e-4).group(Group::new("biases", ["bias"]).weight_decay(0.0));
/// let mut optimiser = ModuleOptimiser::new(configuration, &model)?;
///
/// let x = Tensor::<2>::random([8, 4], Distribution::Default, &device);
/// let mut first = None;
/// for _ in 0..20 {
///     let loss = model.forward(x.clone()).square().mean();
///     let gradients = GradientsParams::from_grads(loss.backward(), &model);
///     let loss: f32 = loss.into_scalar();
///     let report = optimiser.step(0.01, &mut model, gradients, loss.into())?;
///     assert!(report.damping <= 1.0);
///     assert!(loss <= *first.get_or_insert(loss));
/// }
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ModuleOptimiser<O, E: BurnElement = f32> {
    pub(crate) layout: Layout,
    pub(crate) engine: O,
    /// Zeros where the parameters are, from which an optimiser is made again.
    pub(crate) zeros: Parameters<E>,
}

impl<R: Rule + Clone + Send> ModuleOptimiser<Optimiser<R, Parameters<f32>>> {
    /// The optimiser for the parameters of this module that want gradients, before its first step.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of), and what [`Configuration::build`] finds.
    pub fn new<M: Module>(configuration: Configuration<R>, module: &M) -> Result<Self, Error> {
        Self::of(module, |parameters| configuration.build(parameters))
    }
}

impl<E: BurnElement, O: AnyOptimiser<Parameters<E>>> ModuleOptimiser<O, E> {
    /// The optimiser that `build` makes for the parameters of this module that want gradients: one of any precision and kind.
    ///
    /// # Errors
    ///
    /// What `build` finds; [`Error::Empty`] for a module without such parameters, as one is that was not made on
    /// `device.autodiff()`; [`BurnError`](crate::BurnError) for parameters on several devices, or of another precision.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Configuration, Descent, Flat, Muon, Nesterov, NoMomentum, RmsProp, Routed};
    /// use ambient_metric::base::{EveryMatrix, Remembering};
    /// use ambient_metric_burn::{ModuleOptimiser, Parameters};
    /// use burn::nn::LinearConfig;
    /// use burn::tensor::Device;
    ///
    /// let model = LinearConfig::new(4, 2).init(&Device::flex().autodiff());
    /// let rest = Remembering { momentum: Nesterov(0.9), metric: RmsProp::default() };
    /// let metric = Routed { route: EveryMatrix, taken: Muon::default(), rest };
    /// let configuration = Configuration::new(Descent::new(metric, Flat, NoMomentum), 0.01);
    /// let optimiser = ModuleOptimiser::of(&model, |parameters: &Parameters<f32>| configuration.build_whole(parameters))?;
    /// assert_eq!(optimiser.parameters(), 10);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn of<M: Module>(module: &M, build: impl FnOnce(&Parameters<E>) -> Result<O, Error>) -> Result<Self, Error> {
        let found = find(module, &mut GradientsParams::new());
        let trained = found.iter().filter(|found| found.is_trained).map(|found| found.part.clone());
        let layout = Layout::new(trained.collect())?;
        let gathered = gather(&layout, found)?;
        Ok(Self { engine: build(&gathered.parameters)?, layout, zeros: gathered.gradient })
    }

    /// One step: replaces the parameters of the module for which there are gradients, and returns what happened to the first group that
    /// has parameters.
    ///
    /// `learning_rate` is η of all groups that have none of their own; `loss` is the loss whose gradients are given.
    ///
    /// # Errors
    ///
    /// What [`Optimiser::step`] finds; [`Error::UnknownParameter`] for a gradient of a parameter that the optimiser was not made for;
    /// [`Error::NoGradient`] where there is none at all; [`Error::Inseparable`] where one is missing and the metric measures parameters together, as
    /// [`Dense`](ambient_metric::Dense) does; [`BurnError`](crate::BurnError) for parameters on several devices, or of another precision. Module,
    /// state and learning rates are then as they were.
    pub fn step<M: Module>(
        &mut self,
        learning_rate: f64,
        module: &mut M,
        mut gradients: GradientsParams,
        loss: f64,
    ) -> Result<Report<f64>, Error> {
        let mut gathered = gather(&self.layout, find(module, &mut gradients))?;
        let before = self.engine.rates();
        self.engine.set_learning_rate("default", learning_rate)?;
        let gradient = Covector(gathered.gradient);
        let absent = gathered.without_gradient.as_slice().into();
        let stepped = self.engine.step_losses_without(&mut gathered.parameters, &[&gradient], &[loss], absent);
        if stepped.is_err() {
            // The default first, because others may follow it.
            before.iter().try_for_each(|rates| self.engine.set_learning_rate(&rates.name, rates.learning_rate))?;
        }
        stepped?;
        *module = scatter(module.clone(), &gathered.parameters, &gathered.places);
        self.engine.report()
    }

    /// Hands over what was observed beside the gradients, for a rule whose metric has such observations; as [`Optimiser::observe`]. Each of the examples
    /// has a tensor for every parameter, as gradients have: `GradientsParams::from_grads` makes one of the backward pass of a single example, and
    /// `GradientsParams::register` puts an estimate of the Hessian's diagonal there. A parameter that an example lacks, since its loss does not depend on it, counts as zero.
    ///
    /// # Errors
    ///
    /// What [`Optimiser::observe`] finds; [`Error::NoGradient`] for an example with nothing in it, [`Error::UnknownParameter`] for a parameter that the
    /// optimiser was not made for, and [`BurnError`](crate::BurnError) as in [`step`](Self::step). The state is then as it was.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::base::EmpiricalFisher;
    /// use ambient_metric::{Configuration, Descent, Ema, Flat};
    /// use ambient_metric_burn::ModuleOptimiser;
    /// use burn::nn::LinearConfig;
    /// use burn::optim::GradientsParams;
    /// use burn::tensor::{Device, Tensor};
    ///
    /// let device = Device::flex().autodiff();
    /// let mut model = LinearConfig::new(4, 2).init(&device);
    /// let rule = Descent::new(EmpiricalFisher::default(), Flat, Ema(0.9));
    /// let mut optimiser = ModuleOptimiser::new(Configuration::new(rule, 0.01), &model)?;
    /// let gradients = |x: Tensor<2>| GradientsParams::from_grads(model.forward(x).square().mean().backward(), &model);
    /// let [a, b] = [0.5, 2.0].map(|size| Tensor::<2>::ones([1, 4], &device) * size);
    /// let (examples, mean) = (vec![gradients(a.clone()), gradients(b.clone())], gradients(Tensor::cat(vec![a, b], 0)));
    /// optimiser.observe(&model, examples)?;
    /// optimiser.step(0.01, &mut model, mean, 1.0)?;
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn observe<M: Module>(&mut self, module: &M, examples: Vec<GradientsParams>) -> Result<(), Error> {
        let mut observations = Vec::new();
        for mut example in examples {
            let gathered = gather(&self.layout, find(module, &mut example))?;
            if gathered.without_gradient.len() == self.layout.parts().len() {
                return Err(Error::NoGradient);
            }
            observations.push(Covector(gathered.gradient));
        }
        self.engine.observe(&observations.iter().collect::<Vec<_>>())
    }

    /// The module at the point at which its loss is to be evaluated: as it is, unless the rule's
    /// [evaluation point](ambient_metric::rule::Evaluated) is another than the parameters that are trained. Training goes on with the module itself.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step), gradients aside.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{AnyRule, Configuration};
    /// use ambient_metric_burn::ModuleOptimiser;
    /// use burn::nn::LinearConfig;
    /// use burn::tensor::Device;
    ///
    /// let model = LinearConfig::new(4, 2).init(&Device::flex().autodiff());
    /// let rule = "adamw + averaged(0.99)".parse::<AnyRule>()?.fused()?;
    /// let optimiser = ModuleOptimiser::new(Configuration::new(rule, 0.01), &model)?;
    /// // After training: what is to be tested and saved.
    /// let tested = optimiser.evaluation_module(&model)?;
    /// assert_eq!(tested.weight.val().into_data(), model.weight.val().into_data());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn evaluation_module<M: Module>(&self, module: &M) -> Result<M, Error> {
        let is_stepped = |found: &Found| self.layout.parts().iter().any(|part| part.name == found.part.name);
        let found = find(module, &mut GradientsParams::new());
        let found = found.into_iter().map(|found| if is_stepped(&found) { found.still() } else { found });
        let gathered = gather(&self.layout, found.collect())?;
        let point = self.engine.evaluation_point(&gathered.parameters)?;
        Ok(scatter(module.clone(), &point, &gathered.places))
    }

    /// How many numbers are stepped.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.layout.elements()
    }

    /// Changes η of a group from the next step on; that of `"default"` is given with every step.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`], [`Error::Hyperparameter`].
    pub fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error> {
        self.engine.set_learning_rate(group, learning_rate)
    }

    /// Changes what η of every group, that given with a step among them, is multiplied by from the next step on.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    pub fn set_learning_rate_factor(&mut self, factor: f64) -> Result<(), Error> {
        self.engine.set_learning_rate_factor(factor)
    }

    /// Changes λ of a group from the next step on; that of `"default"` for every group that was given none of its own.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`], [`Error::Hyperparameter`].
    pub fn set_weight_decay(&mut self, group: &str, weight_decay: f64) -> Result<(), Error> {
        self.engine.set_weight_decay(group, weight_decay)
    }

    /// Changes ξ from the next step on.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for ξ < 0, [`Error::NoCoefficient`] for a rule without ξ.
    pub fn set_xi(&mut self, xi: f64) -> Result<(), Error> {
        self.engine.set_xi_of(0, xi)
    }

    /// The optimiser of the core underneath: reports of every group, state, configuration, number of steps.
    #[must_use]
    pub fn engine(&self) -> &O {
        &self.engine
    }
}
