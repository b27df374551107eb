//! KL-SOAP: a diagonal metric in the eigenbases of KL-Shampoo.

use crate::base::diagonal::RmsProp;
use crate::base::eigenbases::Turning;
use crate::base::turned::turned;
use crate::error::Error;

/// A diagonal metric in the eigenbases of the factors of [`KlShampoo`](crate::base::KlShampoo); over [`RmsProp`], KL-SOAP.
///
/// # Mathematics
///
/// Of every m×n matrix with the gradient l are kept the factors A and B of the covariance A ⊗ B that is nearest by the Kullback–Leibler divergence,
///
/// A ← βA + (1−β) l (B + ε)⁻¹ lᵀ / n and B ← βB + (1−β) lᵀ (A + ε)⁻¹ l / m, at once, from A = B = s, the [`start`](Self::start),
///
/// and matrices P and Q with their eigenvectors in the columns, that of the largest eigenvalue first. With D the diagonal metric, which sees PᵀlQ in place of l,
///
/// γ⁻¹x = P D⁻¹(PᵀxQ) Qᵀ, γv = P D(PᵀvQ) Qᵀ, ln det γ = ln det D.
///
/// P, Q and the inverses are taken from the gradients before, ahead of the gradients 2, 2 + k, 2 + 2k, … of the matrix, k being
/// [`every`](Self::every), as those of [`Soap`](crate::base::Soap); with k = 1 the factors are those of KL-Shampoo. Where SOAP's moments weigh every direction of the
/// other side by its size, these weigh them equally, so that a few large directions of columns do not decide the bases of rows. (The authors' code turns its bases by a
/// decomposition into QR, and follows the eigenvalues in them.)
///
/// # Requirements
///
/// Every part has two axes ([route](crate::Routed) the others elsewhere). β in [0, 1), s > 0, ε > 0, `every` at least one, and what the diagonal metric asks.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, RmsProp};
/// use ambient_metric::base::KlSoap;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let metric = KlSoap { metric: RmsProp { beta: 0.0, epsilon: 1e-6 }, ..KlSoap::default() };
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
/// [`Error::NotAMatrix`] names a part that is none; [`Error::Overflow`] where the factors leave the range.
///
/// # References
///
/// W. Lin, S. C. Lowe and others, *Understanding and Improving Shampoo and SOAP via Kullback–Leibler Minimization*, arXiv 2509.03378.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct KlSoap<M = RmsProp> {
    /// The metric in the eigenbases.
    pub metric: M,
    /// The decay β of both factors.
    pub beta: f64,
    /// ε, added to the eigenvalues of the factors.
    pub factor_epsilon: f64,
    /// s, of which multiple of the unit matrix both factors begin.
    pub start: f64,
    /// After how many of its gradients the eigenbases of a matrix are taken again.
    pub every: u64,
}

known_keys! {
    KlSoap<M> {
        metric,
        beta = KlSoap::default().beta,
        factor_epsilon = KlSoap::default().factor_epsilon,
        start = KlSoap::default().start,
        every = KlSoap::default().every,
    }
}

impl Default for KlSoap {
    /// β = β₂ = 0.95 and ε = 10⁻⁸ for both, s = 0.1, eigenbases after every tenth gradient.
    fn default() -> Self {
        let metric = RmsProp { beta: 0.95, epsilon: 1e-8 };
        Self { metric, beta: 0.95, factor_epsilon: 1e-8, start: 0.1, every: 10 }
    }
}

impl<M> KlSoap<M> {
    fn turning(&self) -> Turning {
        let whitening = Some([self.start, self.factor_epsilon]);
        Turning { beta: self.beta, whitening, every: self.every }
    }
}

turned!(KlSoap);
