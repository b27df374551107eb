//! Base metrics whose state can be kept in a checkpoint.

use crate::base::base_metric::BaseMetric;
use crate::error::Error;
use crate::space::record::Entries;
use crate::space::tensor::Tensor;

/// A base metric whose state can be kept in a [`Checkpoint`](crate::Checkpoint).
///
/// Every base metric of this crate is one. One function names all that the state consists of, in both directions.
///
/// # Example
///
/// The metric γ = 1 + Σ l² of [`BaseMetric`]'s example, whose state is γ and a layout, has one number to keep:
///
/// ```
/// # use ambient_metric::{BaseMetric, Covector, Entries, Error, Layout, Recorded, Tensor, Vector};
/// # use ambient_metric_ndarray::Parameters;
/// # struct Total;
/// # impl BaseMetric<Parameters<f64>> for Total {
/// #     type State = (f64, Layout);
/// #     fn begin(&self, parameters: &Parameters<f64>) -> Result<Self::State, Error> {
/// #         Ok((1.0, parameters.layout().clone()))
/// #     }
/// #     fn update(&self, (gamma, _): &mut Self::State, l: &Covector<Parameters<f64>>) -> Result<(), Error> {
/// #         *gamma += l.contract(&Vector(l.0.clone()))?;
/// #         Ok(())
/// #     }
/// #     fn raise(&self, _: &Self::State, x: &Covector<Parameters<f64>>) -> Result<Vector<Parameters<f64>>, Error> {
/// #         Ok(Vector(x.0.clone()))
/// #     }
/// #     fn lower(&self, _: &Self::State, v: &Vector<Parameters<f64>>) -> Result<Covector<Parameters<f64>>, Error> {
/// #         Ok(Covector(v.0.clone()))
/// #     }
/// #     fn log_determinant(&self, _: &Self::State) -> Result<f64, Error> {
/// #         Ok(0.0)
/// #     }
/// # }
/// impl Recorded<Parameters<f64>> for Total {
///     fn record(&self, (gamma, _): &mut (f64, Layout), entries: &mut Entries<'_>) -> Result<(), Error> {
///         entries.number("gamma", gamma)
///     }
/// }
/// ```
pub trait Recorded<T: Tensor>: BaseMetric<T> {
    /// Hands everything that the state consists of to `entries`, which writes it down or replaces it.
    ///
    /// To be replaced, the state is one that [`begin`](BaseMetric::begin) made. What follows from the rest may be left out, if it is made again here.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointEntry`] for what is missing or does not fit, and where the backend fails.
    fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error>;
}
