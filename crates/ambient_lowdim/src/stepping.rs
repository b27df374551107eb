//! Steps of any rule on a function of two variables, one after another.

use ambient_metric::{AnyRule, Configuration, Covector, Error};
use ambient_metric_ndarray::Parameters;
use ambient_rules::{Compiled as _, CpuOptimiser};
use ndarray::{arr1, array};

use ambient_studies::functions::Function;
use ambient_studies::rules::hyperparameters::Hyperparameters;
use ambient_studies::rules::named::is_given;

/// A rule that steps on a function.
#[derive(Debug)]
pub struct Stepping {
    function: Function,
    theta: Parameters<f64>,
    optimiser: CpuOptimiser<f64>,
    /// Of every loss.
    gradients: Vec<Covector<Parameters<f64>>>,
    learning_rate: f64,
}

impl Stepping {
    /// At the start. A rule of several losses descends as many parts of the function; for a metric of whole tensors the two parameters are a matrix of
    /// one column; a coupling that is given is κ times the direction of the gradient at the start.
    ///
    /// # Errors
    ///
    /// What the library refuses: constants out of range, parts that do not go together.
    pub fn new(rule: &AnyRule, function: Function, start: [f64; 2], config: &Hyperparameters) -> Result<Self, Error> {
        let [x, y] = start;
        let theta = if rule.is_fused() { Parameters::from(arr1(&start)) } else { Parameters::from(array![[x], [y]]) };
        let (learning_rate, decay) = (config.learning_rate, config.weight_decay.unwrap_or(0.0));
        let configuration = Configuration::new(rule.clone(), learning_rate).weight_decay(decay);
        let mut optimiser = f64::build(configuration, &theta)?;
        if is_given(rule) {
            let (_, slopes) = function.value_and_gradient(start);
            let scale = config.kappa.unwrap_or(0.0) / slopes[0].hypot(slopes[1]);
            optimiser.write_state("ambient", &Parameters::from(arr1(&slopes.map(|slope| scale * slope))))?;
        }
        let gradients = vec![Covector(theta.clone()); rule.losses()];
        Ok(Self { function, theta, optimiser, gradients, learning_rate })
    }

    /// From a point, the value there and its gradient to the next point.
    ///
    /// # Errors
    ///
    /// As a step of the rule.
    pub fn step(&mut self, at: [f64; 2], value: f64, slopes: [f64; 2]) -> Result<[f64; 2], Error> {
        let Self { function, theta, optimiser, gradients, .. } = self;
        if let [gradient] = gradients.as_mut_slice() {
            gradient.0.as_mut_slice().copy_from_slice(&slopes);
            optimiser.step(theta, gradient, value)?;
        } else {
            let (values, slopes) = function.losses(at, gradients.len());
            for (gradient, slopes) in gradients.iter_mut().zip(&slopes) {
                gradient.0.as_mut_slice().copy_from_slice(slopes);
            }
            optimiser.step_losses(theta, &gradients.iter().collect::<Vec<_>>(), &values)?;
        }
        Ok(<[f64; 2]>::try_from(theta.as_slice()).unwrap_or([f64::NAN; 2]))
    }

    /// The effective learning rate of the last step; for several losses that of the mean of their dampings.
    ///
    /// # Errors
    ///
    /// As the reports of an optimiser.
    pub fn effective_learning_rate(&self) -> Result<f64, Error> {
        let reports = self.optimiser.reports()?;
        let (_, losses) = reports.first().ok_or(Error::Empty)?;
        if let [only] = losses.as_slice() {
            return Ok(only.effective_learning_rate);
        }
        let sum: f64 = losses.iter().map(|report| report.damping).sum();
        Ok(self.learning_rate * (sum / losses.len() as f64))
    }
}
