//! Engines: the optimisers of the core that step parameters on a Burn device.

use ambient_metric::{
    Bundle, Checkpoint, Configuration, Coupling, Covector, Error, Heights, MetricDescent, MetricOptimiser, Momentum,
    Optimiser, Placement, Recorded, Report, Rule,
};

use crate::parameters::{BurnElement, Parameters};

/// An optimiser of the core over [`Parameters`]: [`Optimiser`] for fused rules, [`MetricOptimiser`] for metrics that are not pointwise.
pub trait Engine: Sized {
    /// The numbers that it steps.
    type Element: BurnElement;
    /// What it was configured with.
    type Rule: Clone;

    /// One step; the parts in `without_gradient` have a gradient of zero in place of none.
    ///
    /// # Errors
    ///
    /// Those of the optimiser; parameters and state are then as they were.
    fn step(
        &mut self,
        parameters: &mut Parameters<Self::Element>,
        gradient: &Covector<Parameters<Self::Element>>,
        loss: f64,
        without_gradient: &[usize],
    ) -> Result<Report<f64>, Error>;

    /// Changes η of a group.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownGroup`], [`Error::Hyperparameter`].
    fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error>;

    /// Changes ξ.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for ξ < 0, [`Error::NoCoefficient`] for a rule without ξ.
    fn set_xi(&mut self, xi: f64) -> Result<(), Error>;

    /// What it was built from.
    fn configuration(&self) -> &Configuration<Self::Rule>;

    /// Everything that is needed to go on later.
    ///
    /// # Errors
    ///
    /// Where the device cannot be read.
    fn checkpoint(&self) -> Result<Checkpoint<Self::Rule>, Error>;

    /// An engine that goes on where a checkpoint was taken.
    ///
    /// # Errors
    ///
    /// A checkpoint of another rule or of other parameters.
    fn restore(checkpoint: &Checkpoint<Self::Rule>, parameters: &Parameters<Self::Element>) -> Result<Self, Error>;
}

/// The state of parts without a gradient is kept.
impl<R: Rule + Clone, E: BurnElement> Engine for Optimiser<R, Parameters<E>> {
    type Element = E;
    type Rule = R;

    fn step(
        &mut self,
        parameters: &mut Parameters<E>,
        gradient: &Covector<Parameters<E>>,
        loss: f64,
        without_gradient: &[usize],
    ) -> Result<Report<f64>, Error> {
        let before = if without_gradient.is_empty() { Vec::new() } else { self.state().to_vec() };
        let report = Optimiser::step(self, parameters, gradient, loss)?;
        let slots = <R::State<E> as Bundle<E>>::names();
        for (index, (slot, before)) in slots.iter().zip(&before).enumerate() {
            if let Some(after) = self.state().get(index) {
                let kept = after.with_parts_of(before, without_gradient)?;
                self.write_state(slot, &kept)?;
            }
        }
        Ok(report)
    }

    fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error> {
        Optimiser::set_learning_rate(self, group, learning_rate)
    }

    fn set_xi(&mut self, xi: f64) -> Result<(), Error> {
        Optimiser::set_xi(self, xi)
    }

    fn configuration(&self) -> &Configuration<R> {
        Optimiser::configuration(self)
    }

    fn checkpoint(&self) -> Result<Checkpoint<R>, Error> {
        Optimiser::checkpoint(self)
    }

    fn restore(checkpoint: &Checkpoint<R>, parameters: &Parameters<E>) -> Result<Self, Error> {
        Optimiser::restore(checkpoint, parameters)
    }
}

/// The state of parts without a gradient takes a gradient of zero into account, as a metric over several tensors cannot leave one out.
impl<M, H, Q, P, C, E> Engine for MetricOptimiser<M, H, Q, P, C, Parameters<E>>
where
    M: Recorded<Parameters<E>, State: Clone>,
    H: Heights<1>,
    Q: Momentum,
    P: Placement,
    C: Coupling,
    E: BurnElement,
    MetricDescent<M, H, Q, P, C>: Clone,
{
    type Element = E;
    type Rule = MetricDescent<M, H, Q, P, C>;

    fn step(
        &mut self,
        parameters: &mut Parameters<E>,
        gradient: &Covector<Parameters<E>>,
        loss: f64,
        _without_gradient: &[usize],
    ) -> Result<Report<f64>, Error> {
        let report = MetricOptimiser::step(self, parameters, gradient, loss)?;
        let [squared_length] = report.squared_length;
        let [averaged] = report.averaged;
        let [slope] = report.slope;
        let [damping] = report.damping;
        let [effective_learning_rate] = report.effective_learning_rate;
        let [gradient_norm] = report.gradient_norm;
        let (determinant_ratio, coupling, coupling_scale) =
            (report.determinant_ratio, report.coupling, report.coupling_scale);
        Ok(Report {
            squared_length,
            averaged,
            slope,
            damping,
            determinant_ratio,
            coupling,
            coupling_scale,
            effective_learning_rate,
            gradient_norm,
        })
    }

    fn set_learning_rate(&mut self, group: &str, learning_rate: f64) -> Result<(), Error> {
        MetricOptimiser::set_learning_rate(self, group, learning_rate)
    }

    fn set_xi(&mut self, xi: f64) -> Result<(), Error> {
        MetricOptimiser::set_xi(self, xi)
    }

    fn configuration(&self) -> &Configuration<Self::Rule> {
        MetricOptimiser::configuration(self)
    }

    fn checkpoint(&self) -> Result<Checkpoint<Self::Rule>, Error> {
        MetricOptimiser::checkpoint(self)
    }

    fn restore(checkpoint: &Checkpoint<Self::Rule>, parameters: &Parameters<E>) -> Result<Self, Error> {
        MetricOptimiser::restore(checkpoint, parameters)
    }
}
