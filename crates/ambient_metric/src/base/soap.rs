//! SOAP: a diagonal metric in the eigenbases of Shampoo.

use crate::base::diagonal::RmsProp;
use crate::base::eigenbases::Turning;
use crate::base::turned::turned;
use crate::error::Error;

/// A diagonal metric in the eigenbases of the moments of rows and columns; over [`RmsProp`], SOAP.
///
/// # Mathematics
///
/// Of every matrix with the gradient l are kept the moments L ← βL + (1−β)llᵀ and R ← βR + (1−β)lᵀl, and matrices P and Q with their eigenvectors in
/// the columns, that of the largest eigenvalue first. With D the diagonal metric, which sees PᵀlQ in place of l,
///
/// γ⁻¹x = P D⁻¹(PᵀxQ) Qᵀ, γv = P D(PᵀvQ) Qᵀ, ln det γ = ln det D.
///
/// For [`RmsProp`] that is D = √v̂ + ε with v ← β₂v + (1−β₂)(PᵀlQ)² and v̂ = v / (1 − β₂ᵗ), element by element.
///
/// P and Q are those of the gradients before, and taken again before the gradients 2, 2 + k, 2 + 2k, … of the matrix, k being
/// [`every`](Self::every). Before its first there are none, so that step is that of D. When they change, v stays as it is: its entries belong to the first,
/// second, … eigenvector. L and R take the gradient last. (The authors' code takes no first step.)
///
/// # Requirements
///
/// Every part has two axes ([route](crate::Routed) the others elsewhere). β in [0, 1), `every` at least one, and what the diagonal metric asks.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, RmsProp};
/// use ambient_metric::base::Soap;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let metric = Soap { metric: RmsProp { beta: 0.0, epsilon: 1e-6 }, ..Soap::default() };
/// let gradient = Covector(Parameters::from(array![[3.0_f64, 0.0], [4.0, 0.0]]));
/// let mut state = metric.begin(&gradient.0)?;
/// metric.update(&mut state, &gradient)?;
/// metric.update(&mut state, &gradient)?;
/// // In its eigenbases the gradient is (5, 0; 0, 0), and √v̂ the same: it is raised to what has length one.
/// let raised = metric.raise(&state, &gradient)?.0;
/// assert!((raised.as_slice()[0] - 0.6).abs() < 1e-6 && (raised.as_slice()[2] - 0.8).abs() < 1e-6);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NotAMatrix`] names a part that is none.
///
/// # References
///
/// N. Vyas, D. Morwani and others, *SOAP: Improving and Stabilizing Shampoo using Adam*, arXiv 2409.11321, Algorithm 3, with whole decompositions in
/// place of steps of a power iteration.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Soap<M = RmsProp> {
    /// The metric in the eigenbases.
    pub metric: M,
    /// The decay β of the moments of rows and columns.
    pub beta: f64,
    /// After how many of its gradients the eigenbases of a matrix are taken again.
    pub every: u64,
}

known_keys! { Soap<M> { metric, beta = Soap::default().beta, every = Soap::default().every } }

impl Default for Soap {
    /// β = β₂ = 0.95 and ε = 10⁻⁸, eigenbases after every tenth gradient.
    fn default() -> Self {
        Self { metric: RmsProp { beta: 0.95, epsilon: 1e-8 }, beta: 0.95, every: 10 }
    }
}

impl<M> Soap<M> {
    fn turning(&self) -> Turning {
        Turning { beta: self.beta, whitening: None, every: self.every }
    }
}

turned!(Soap);
