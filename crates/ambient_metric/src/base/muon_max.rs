//! Steepest descent in the largest spectral norm of all matrices.

use core::fmt;

use crate::base::base_metric::BaseMetric;
use crate::base::muon::{Muon, MuonState};
use crate::base::orthogonaliser::Orthogonaliser;
use crate::error::Error;
use crate::number::scalar::{Element, Field, Real};
use crate::space::matrix::{MatrixTensor, NewtonSchulz};
use crate::space::momentum::{Momentum, Nesterov};
use crate::space::record::Entries;
use crate::space::selection::{Selection, Separable};
use crate::space::tensor::{Covector, Vector, Wide};

/// γ = γ_M / c with γ_M that of [`Muon`] and c the sum of the nuclear norms of all matrices: the steepest descent, with its length, where the length of all matrices
/// together is the largest spectral norm of one.
///
/// # Mathematics
///
/// With Mₚ the momenta of the matrices and wₚ their [width](crate::base::Width) scalings, the norm maxₚ ‖Xₚ‖/wₚ over all has the dual norm c = Σₚ wₚ‖Mₚ‖_*, and
///
/// M♯ₚ = c wₚ UₚVₚᵀ for Mₚ = UₚΣₚVₚᵀ, s = ⟨M, M♯⟩ = c²,
///
/// which minimises ⟨M, X⟩ + ½ maxₚ ‖Xₚ‖²/wₚ² in −X. Directions are those of Muon; all steps have the one length c, which falls with the gradient as that of a metric does, where Muon's
/// steps stay as long as they are. c is measured with the polar factors that the steps have: with [`NewtonSchulz`] as ⟨M, γ_M⁻¹M⟩ of its iteration.
///
/// γ⁻¹x = c γ_M⁻¹x, γv = γ_M v / c, ln det γ = ln det γ_M − N ln c, with N numbers in all matrices.
///
/// What it is: that statement, for matrices, with the nuclear norms of the present momenta. What it is not: the paper's whole method of this name, whose norm also holds the
/// parameters that are no matrices, and which saves work on nuclear norms. Here a [route](crate::Routed) gives the rest a metric of its own.
///
/// # Requirements
///
/// Those of [`Muon`].
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Metric, Muon, NoMomentum};
/// use ambient_metric::base::{MuonMax, Polar, Width};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let muon = Muon { momentum: NoMomentum, orthogonaliser: Polar, width: Width::Unscaled, heads: false };
/// let metric = MuonMax { muon };
/// let gradient = Covector(Parameters::from(array![[3.0_f64, 0.0], [0.0, 4.0]]));
/// let mut state = metric.begin(&gradient.0)?;
/// metric.update(&mut state, &gradient)?;
/// // The nuclear norm is seven.
/// assert!((metric.at(&state).inner_covectors(&gradient, &gradient)? - 49.0).abs() < 1e-12);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`Muon`]; [`Error::Overflow`] where c is no number.
///
/// # References
///
/// M. Crawshaw, C. Modi, M. Liu and R. M. Gower, *An Exploration of Non-Euclidean Gradient Descent: Muon and its Many Variants*, arXiv 2510.09827.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MuonMax<Q = Nesterov, O = NewtonSchulz> {
    /// What gives the directions.
    pub muon: Muon<Q, O>,
}

known_keys! { MuonMax<Q, O> where O: Default { muon } }

impl Default for MuonMax {
    /// Over Muon as it is.
    fn default() -> Self {
        Self { muon: Muon::default() }
    }
}

/// What [`MuonMax`] remembers; clones share it.
///
/// # Example
///
/// ```
/// use ambient_metric::BaseMetric;
/// use ambient_metric::base::MuonMax;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let state = MuonMax::default().begin(&Parameters::from(array![[1.0_f64, 2.0]]))?;
/// assert_eq!(state.length(), 0.0);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
pub struct MuonMaxState<T: MatrixTensor> {
    muon: MuonState<T>,
    length: Wide<T>,
}

impl<T: MatrixTensor> fmt::Debug for MuonMaxState<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MuonMaxState").field("length", &self.length).finish_non_exhaustive()
    }
}

impl<T: MatrixTensor> Clone for MuonMaxState<T> {
    fn clone(&self) -> Self {
        Self { muon: self.muon.clone(), length: self.length }
    }
}

impl<T: MatrixTensor> MuonMaxState<T> {
    /// What Muon remembers.
    #[must_use]
    pub fn muon(&self) -> &MuonState<T> {
        &self.muon
    }

    /// c.
    #[must_use]
    pub fn length(&self) -> Wide<T> {
        self.length
    }
}

impl<Q: Momentum, O> MuonMax<Q, O> {
    /// The state that Muon's gives: c follows from it.
    fn around<T: MatrixTensor>(&self, muon: MuonState<T>) -> Result<MuonMaxState<T>, Error>
    where
        O: Orthogonaliser<T::Matrix>,
    {
        let momentum = muon.momentum().covector();
        let length = momentum.contract(&self.muon.raise(&muon, momentum)?)?;
        if length.is_finite() {
            Ok(MuonMaxState { muon, length })
        } else {
            Err(Error::Overflow { quantity: "the nuclear norm of the momentum".to_owned() })
        }
    }
}

impl<T: MatrixTensor, Q: Momentum, O: Orthogonaliser<T::Matrix>> BaseMetric<T> for MuonMax<Q, O> {
    type State = MuonMaxState<T>;

    fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
        let muon = self.muon.begin(parameters).map_err(|error| match error {
            Error::NotAMatrix { parameter, shape, .. } => {
                Error::NotAMatrix { metric: "MuonMax".to_owned(), parameter, shape }
            }
            other => other,
        })?;
        Ok(MuonMaxState { muon, length: Field::zero() })
    }

    fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
        let mut muon = state.muon.clone();
        self.muon.update(&mut muon, gradient)?;
        *state = self.around(muon)?;
        Ok(())
    }

    fn measured<'a>(&self, state: &'a Self::State) -> Option<&'a Covector<T>> {
        self.muon.measured(&state.muon)
    }

    /// That of the selected matrices alone: c sums their norms.
    fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
    where
        T: Separable,
    {
        self.around(self.muon.select(&state.muon, selection)?)
    }

    fn place(&self, state: &mut Self::State, selection: &Selection, selected: &Self::State) -> Result<(), Error>
    where
        T: Separable,
    {
        let mut muon = state.muon.clone();
        self.muon.place(&mut muon, selection, &selected.muon)?;
        *state = self.around(muon)?;
        Ok(())
    }

    fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        let mut raised = self.muon.raise(&state.muon, covector)?;
        raised.scale(state.length)?;
        Ok(raised)
    }

    fn lower(&self, state: &Self::State, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        let mut lowered = self.muon.lower(&state.muon, vector)?;
        lowered.scale(<Wide<T> as Field>::one() / state.length)?;
        Ok(lowered)
    }

    fn log_determinant(&self, state: &Self::State) -> Result<Wide<T>, Error> {
        let count = state.muon.momentum().covector().0.layout().elements();
        let scale = <Wide<T> as Field>::constant(count as f64) * state.length.ln();
        Ok(self.muon.log_determinant(&state.muon)? - scale)
    }

    fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
        let mut muon = state.muon.clone();
        self.muon.record(&mut muon, &mut entries.within("muon"))?;
        if entries.is_read() {
            *state = self.around(muon)?;
        }
        Ok(())
    }
}
