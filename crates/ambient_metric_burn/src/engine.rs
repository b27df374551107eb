//! Engines: the optimisers of the core that step parameters on a Burn device.

use core::fmt;

use ambient_metric::{Covector, Error, Optimiser, Report};
use burn_pack::{Reader, Writer};

use crate::parameters::{BurnElement, Parameters};
use crate::record;

/// An [`Optimiser`] of the core over [`Parameters`], whatever its rule and its engine.
///
/// A program that chooses between many rules keeps its engine in a `Box<dyn Engine<Element = f32>>`, so that what it does with it is compiled once.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, RmsProp, rules};
/// use ambient_metric_burn::{Engine, ModuleOptimiser, Parameters};
/// use burn::nn::LinearConfig;
/// use burn::tensor::Device;
///
/// type Any = Box<dyn Engine<Element = f32>>;
///
/// let model = LinearConfig::new(4, 2).init(&Device::flex().autodiff());
/// for name in ["adam", "rmsprop"] {
///     let optimiser = ModuleOptimiser::of(&model, |parameters: &Parameters<f32>| {
///         let engine: Any = match name {
///             "adam" => Box::new(Configuration::new(rules::adam(), 0.01).build(parameters)?),
///             _ => Box::new(Configuration::new(rules::rmsprop(0.1), 0.01).build(parameters)?),
///         };
///         Ok(engine)
///     })?;
///     assert_eq!(optimiser.parameters(), 10);
/// }
/// # Ok::<(), ambient_metric::Error>(())
/// ```
pub trait Engine {
    /// The numbers that it steps.
    type Element: BurnElement;

    /// One step over the parts that have a gradient. Those in `without_gradient` have none: whatever stands in its place is not looked at, and their
    /// values and their state stay as they are.
    ///
    /// # Errors
    ///
    /// Those of the optimiser's `step_without`; parameters and state are then as they were.
    fn step(
        &mut self,
        parameters: &mut Parameters<Self::Element>,
        gradient: &Covector<Parameters<Self::Element>>,
        loss: f64,
        without_gradient: &[usize],
    ) -> Result<Report<f64>, Error>;

    /// η of every group as it was given, by name.
    fn learning_rates(&self) -> Vec<(String, f64)>;

    /// Changes η of a group.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`], [`Error::Hyperparameter`].
    fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error>;

    /// Changes what η of every group is multiplied by.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    fn set_learning_rate_factor(&mut self, factor: f64) -> Result<(), Error>;

    /// Changes λ of a group.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`], [`Error::Hyperparameter`].
    fn set_weight_decay(&mut self, group: &str, weight_decay: f64) -> Result<(), Error>;

    /// Changes ξ.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for ξ < 0, [`Error::NoCoefficient`] for a rule without ξ.
    fn set_xi(&mut self, xi: f64) -> Result<(), Error>;

    /// Everything that is needed to go on later, but for the configuration.
    ///
    /// # Errors
    ///
    /// Where the device cannot be read.
    fn record(&self) -> Result<Writer, Error>;

    /// Goes on where a record was taken, for parameters like these.
    ///
    /// # Errors
    ///
    /// A record that is damaged, of another rule or of other parameters. The engine is then as it was.
    fn resume(&mut self, record: Reader, parameters: &Parameters<Self::Element>) -> Result<(), Error>;
}

impl<O: Engine + ?Sized> Engine for Box<O> {
    type Element = O::Element;

    fn step(
        &mut self,
        parameters: &mut Parameters<O::Element>,
        gradient: &Covector<Parameters<O::Element>>,
        loss: f64,
        without_gradient: &[usize],
    ) -> Result<Report<f64>, Error> {
        (**self).step(parameters, gradient, loss, without_gradient)
    }

    fn learning_rates(&self) -> Vec<(String, f64)> {
        (**self).learning_rates()
    }

    fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error> {
        (**self).set_learning_rate(group, learning_rate)
    }

    fn set_learning_rate_factor(&mut self, factor: f64) -> Result<(), Error> {
        (**self).set_learning_rate_factor(factor)
    }

    fn set_weight_decay(&mut self, group: &str, weight_decay: f64) -> Result<(), Error> {
        (**self).set_weight_decay(group, weight_decay)
    }

    fn set_xi(&mut self, xi: f64) -> Result<(), Error> {
        (**self).set_xi(xi)
    }

    fn record(&self) -> Result<Writer, Error> {
        (**self).record()
    }

    fn resume(&mut self, record: Reader, parameters: &Parameters<O::Element>) -> Result<(), Error> {
        (**self).resume(record, parameters)
    }
}

impl<E> fmt::Debug for dyn Engine<Element = E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Engine")
    }
}

impl<R, El, E> Engine for Optimiser<R, Parameters<El>, E>
where
    R: Clone,
    El: BurnElement,
    E: for<'l> ambient_metric::optimiser::Engine<R, Parameters<El>, Loss<'l> = f64, First = Report<f64>>,
{
    type Element = El;

    fn step(
        &mut self,
        parameters: &mut Parameters<El>,
        gradient: &Covector<Parameters<El>>,
        loss: f64,
        without_gradient: &[usize],
    ) -> Result<Report<f64>, Error> {
        self.step_without(parameters, gradient, loss, without_gradient)
    }

    fn learning_rates(&self) -> Vec<(String, f64)> {
        self.rates().map(|rates| (rates.name.clone(), rates.learning_rate)).collect()
    }

    fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error> {
        Optimiser::set_learning_rate(self, group, learning_rate)
    }

    fn set_learning_rate_factor(&mut self, factor: f64) -> Result<(), Error> {
        Optimiser::set_learning_rate_factor(self, factor)
    }

    fn set_weight_decay(&mut self, group: &str, weight_decay: f64) -> Result<(), Error> {
        Optimiser::set_weight_decay(self, group, weight_decay)
    }

    fn set_xi(&mut self, xi: f64) -> Result<(), Error> {
        Optimiser::set_xi(self, xi)
    }

    fn record(&self) -> Result<Writer, Error> {
        Ok(record::write::<_, El>(self.checkpoint()?))
    }

    fn resume(&mut self, record: Reader, parameters: &Parameters<El>) -> Result<(), Error> {
        *self = Self::restore(&record::read(record, self.configuration())?, parameters)?;
        Ok(())
    }
}
