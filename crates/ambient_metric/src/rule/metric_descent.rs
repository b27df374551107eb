//! Descent over any base metric: what the steps of a metric that is not pointwise are made of.

use crate::ambient::coupling::{Coupling, Guard, Uncoupled};
use crate::ambient::embedding::Embedding;
use crate::ambient::heights::{Height, Heights};
use crate::error::{Error, require, require_decay};
use crate::named::short_name;
use crate::rule::induced::{Damped, Exact, Placement};
use crate::space::momentum::Momentum;

/// Descent on the common surface of K losses over any [`BaseMetric`](crate::BaseMetric), pointwise or not.
///
/// The rules that [`Optimiser`](crate::Optimiser) runs are fused into one pass over memory, which only a pointwise metric allows. This one is
/// made of whole tensors, and runs with [`MetricOptimiser`](crate::MetricOptimiser); where both can run they take the same steps.
///
/// # Mathematics
///
/// γ sees the total gradient Σ_A l_A. With G_AB = ⟨l_A, l_B⟩, its corrected moving average V̂ (decay β), a momentum m̂_A for every loss and the
/// weights a of [`joint_damping`](crate::joint_damping),
///
/// θ ← θ − η Σ_A a_A γ⁻¹m̂_A − ηλθ.
///
/// For one loss a is the damping r; there momentum may go through the full inverse ([`Exact`]), and a covector c may couple the height to the
/// parameters: then the step is −η (x m̂♯ + y c♯) with x and y of [`coupled_step`](crate::coupled_step). A metric that [measures](crate::BaseMetric::measured)
/// a covector of its own has it in place of l.
///
/// # Requirements
///
/// ξ_A ≥ 0, β and μ in [0, 1); every loss in the domain of its embedding. Coupling, the full inverse, and a metric that measures a covector of its own
/// are for one loss.
///
/// # Example
///
/// ```
/// use ambient_metric::{Covector, Ema, EveryMatrix, Kronecker, Log, Configuration, MetricDescent, RmsProp, Routed};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// // Matrices take Shampoo's metric, the rest RMSprop's: one pull-back, and one s.
/// let metric = Routed { route: EveryMatrix, taken: Kronecker::default(), rest: RmsProp::default() };
/// let rule = MetricDescent::new(metric, Log, 0.1, Ema(0.9)).beta(0.8);
///
/// let mut theta = Parameters::new([("w", array![[3.0_f64, 1.0], [0.0, 2.0]].into_dyn()), ("b", array![1.0].into_dyn())])?;
/// let mut optimiser = Configuration::new(rule, 0.1).weight_decay(1e-4).build(&theta)?;
/// let gradient = Covector(theta.clone());
/// let report = optimiser.step(&mut theta, &gradient, 7.5)?;
/// assert_eq!(report.slope, [1.0 / 7.5]);
/// assert!(report.determinant_ratio > 1.0);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # References
///
/// arXiv 2509.03594, eq. 7, 8, 10, 13 and 14 for any γ, and Algorithms 1 and 2.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MetricDescent<M, H, Q, P = Damped, C = Uncoupled, const K: usize = 1> {
    /// The base metric γ.
    pub metric: M,
    /// The embedding and ξ of every loss.
    pub heights: H,
    /// How the gradients of every loss are remembered.
    pub momentum: Q,
    /// Where momentum enters.
    pub placement: P,
    /// Which covector couples the height to the parameters.
    pub coupling: C,
    /// What happens where ⟨c, c⟩ ≥ 1.
    pub guard: Guard,
    /// The decay β of the moving average of the Gram matrix.
    pub beta: f64,
}

known_keys! { MetricDescent<M, H, Q, P, C; K> where P: Default, C: Default { metric, heights, momentum, placement = P::default(), coupling = C::default(), guard = Guard::Refuse, beta = 0.0 } }

impl<M, E: Embedding, Q> MetricDescent<M, [Height<E>; 1], Q> {
    /// Descent on the surface of one loss, without averaging (β = 0) or coupling, momentum [`Damped`] as in the paper.
    pub fn new(metric: M, embedding: E, xi: f64, momentum: Q) -> Self {
        Self::of_heights(metric, [Height { embedding, xi }], momentum)
    }
}

impl<M, H: Heights<K>, Q, const K: usize> MetricDescent<M, H, Q, Damped, Uncoupled, K> {
    /// Descent on the common surface of several losses: one embedding and ξ for each.
    ///
    /// ```
    /// use ambient_metric::{Ema, Height, Kronecker, Log, MetricDescent};
    /// let heights = [Height { embedding: Log, xi: 0.1 }, Height { embedding: Log, xi: 0.01 }];
    /// let rule = MetricDescent::of_heights(Kronecker::default(), heights, Ema(0.9));
    /// assert_eq!(rule.name(), "MetricDescent(Kronecker, [Log, Log], Ema, damped, Uncoupled)");
    /// ```
    pub fn of_heights(metric: M, heights: H, momentum: Q) -> Self {
        let (placement, coupling, guard) = (Damped, Uncoupled, Guard::Refuse);
        Self { metric, heights, momentum, placement, coupling, guard, beta: 0.0 }
    }
}

impl<M, H, Q, P, C, const K: usize> MetricDescent<M, H, Q, P, C, K> {
    /// With the moving average of the Gram matrix decaying by β.
    #[must_use]
    pub fn beta(self, beta: f64) -> Self {
        Self { beta, ..self }
    }
}

impl<M, H, Q> MetricDescent<M, H, Q> {
    /// With the full inverse applied to the momentum covector.
    #[must_use]
    pub fn exact(self) -> MetricDescent<M, H, Q, Exact> {
        let Self { metric, heights, momentum, coupling, guard, beta, .. } = self;
        MetricDescent { metric, heights, momentum, placement: Exact, coupling, guard, beta }
    }

    /// With the height coupled to the parameters by a covector; a step at which ⟨c, c⟩ ≥ 1 is refused.
    #[must_use]
    pub fn coupled<C: Coupling>(self, coupling: C) -> MetricDescent<M, H, Q, Damped, C> {
        let Self { metric, heights, momentum, placement, guard, beta, .. } = self;
        MetricDescent { metric, heights, momentum, placement, coupling, guard, beta }
    }
}

impl<M, H, Q, C> MetricDescent<M, H, Q, Damped, C> {
    /// With the coupling covector scaled back to ⟨c, c⟩ = 1 − ε where that is exceeded.
    #[must_use]
    pub fn scale_back(self, margin: f64) -> Self {
        Self { guard: Guard::ScaleBack { margin }, ..self }
    }
}

impl<M, H: Heights<K>, Q: Momentum, P: Placement, C: Coupling, const K: usize> MetricDescent<M, H, Q, P, C, K> {
    /// Whether the coupling is any but the one that does nothing; types that may borrow have no other identity than their name.
    pub(crate) fn is_coupled() -> bool {
        core::any::type_name::<C>() != core::any::type_name::<Uncoupled>()
    }

    /// Accepts the constants of all parts but the metric, which are checked when it is begun.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`], and [`Error::Losses`] for what only one loss can have.
    pub fn validate(&self) -> Result<(), Error> {
        self.heights.validate()?;
        self.momentum.validate()?;
        self.coupling.validate()?;
        require_decay("beta", self.beta)?;
        if let Guard::ScaleBack { margin } = self.guard {
            require((1e-6..1.0).contains(&margin), "margin", margin, "it must lie in [10⁻⁶, 1)")?;
        }
        let is_plain = P::NAME == Damped::NAME && !Self::is_coupled();
        let is_either = P::NAME == Damped::NAME || !Self::is_coupled();
        if K == 0 || !(K == 1 && is_either || is_plain) {
            return Err(Error::Losses { expected: 1, found: K });
        }
        Ok(())
    }

    /// The name under which reports know it.
    #[must_use]
    pub fn name(&self) -> String {
        let (metric, heights, momentum) = (short_name::<M>(), self.heights.name(), self.momentum.name());
        format!("MetricDescent({metric}, [{heights}], {momentum}, {}, {})", P::NAME, self.coupling.name())
    }
}
