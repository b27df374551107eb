//! Heights that lean on the parameters: the ambient metric [[γ, C], [Cᵀ, 1]].

use crate::ambient::ambient_metric::AmbientMetric;
use crate::ambient::coupling::Coupling;
use crate::error::Error;
use crate::number::scalar::Real;
use crate::space::acts::Local;

/// [[γ, C], [Cᵀ, 1]] with a column c_A for every loss, by one [`Coupling`] from gradient and momentum of that loss.
///
/// # Requirements
///
/// For one loss ⟨c, c⟩ < 1 in γ⁻¹, for several 1 − Cᵀγ⁻¹C positive definite; elsewhere the [`Guard`](crate::ambient::Guard) decides.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, Descent, Ema, Error, Identity, Induced, RmsProp};
/// use ambient_metric::ambient::AlongMomentum;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let strong = Induced::new(Identity, 0.1).coupled(AlongMomentum(3.0));
/// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
/// let gradient = Covector(theta.clone());
/// // With the RMSprop metric ⟨l, l⟩ = 3 + 4 in the first step, so ⟨c, c⟩ = 63.
/// let rule = Descent::new(RmsProp::default(), strong, Ema(0.9));
/// let mut refusing = Configuration::new(rule, 0.01).build(&theta)?;
/// assert!(matches!(refusing.step(&mut theta, &gradient, 12.5), Err(Error::Coupling { .. })));
///
/// let rule = Descent::new(RmsProp::default(), strong.scale_back(0.01), Ema(0.9));
/// let report = Configuration::new(rule, 0.01).build(&theta)?.step(&mut theta, &gradient, 12.5)?;
/// assert!((report.coupling - 0.99).abs() < 1e-12);
/// assert!((report.coupling_scale - (0.99_f64 / 63.0).sqrt()).abs() < 1e-8);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # References
///
/// The off-diagonal extension in the public repository Noah-Everett/Induced-Metric-Optimiser, its documents, whose a is c = √ξ a.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Coupled<C>(
    /// What the columns are.
    pub C,
);

impl<C: Coupling, const K: usize> AmbientMetric<K> for Coupled<C> {
    type State<S: Real> = [C::State<S>; K];
    type Memory<S: Real> = ();
    type Columns<S: Real> = [S; K];
    const DEPENDS_ON_POSITION: bool = false;
    const HAS_CONSTANT_COLUMNS: bool = C::IS_CONSTANT;

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "an iterator is not always inlined")]
    fn columns<S: Real>(&self, state: Self::State<S>, at: Local<S, [S; K]>) -> [S; K] {
        let mut columns = at.gradient;
        for loss in 0..K {
            let local = Local { parameter: at.parameter, gradient: at.gradient[loss], momentum: at.momentum[loss] };
            columns[loss] = self.0.covector(state[loss], local);
        }
        columns
    }

    fn validate(&self) -> Result<(), Error> {
        self.0.validate()
    }

    fn name(&self) -> String {
        format!("Coupled({})", self.0.name())
    }
}
