//! Metrics that have observations of their own: where nothing else is there to observe, the suites hand them the gradient.

use ambient_metric::optimiser::Engine;
use ambient_metric::{BaseMetric, Covector, Error, Optimiser, Rule, Tensor};

/// Shows a metric a gradient, and before that the same as an observation where it has such.
pub(crate) fn see<T: Tensor, M: BaseMetric<T>>(
    metric: &M,
    state: &mut M::State,
    gradient: &Covector<T>,
) -> Result<(), Error> {
    if BaseMetric::<T>::observes(metric) {
        metric.take_observation(state, &[gradient])?;
    }
    metric.update(state, gradient)
}

/// Hands gradients to an optimiser as an observation, where its metric has such.
pub(crate) fn observe<R: Rule, T: Tensor, E: Engine<R, T>>(
    optimiser: &mut Optimiser<R, T, E>,
    gradients: &[&Covector<T>],
) -> Result<(), Error> {
    if optimiser.configuration().rule.observes() { optimiser.observe(gradients) } else { Ok(()) }
}
