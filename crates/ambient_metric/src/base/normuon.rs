//! NorMuon: Muon with rows of one length.

use std::sync::Arc;

use crate::base::base_metric::BaseMetric;
use crate::base::muon::{Muon, MuonState};
use crate::base::orthogonaliser::Orthogonaliser;
use crate::base::parted::Parted;
use crate::base::pointwise::PointwiseState;
use crate::base::sides::{Given, means, squares};
use crate::error::{Error, require_decay, require_positive};
use crate::named::short_name;
use crate::number::scalar::{Element, Field, Real};
use crate::space::matrix::{MatrixPart, MatrixTensor, NewtonSchulz, Transpose, WideOf};
use crate::space::momentum::{Momentum, Nesterov};
use crate::space::record::Entries;
use crate::space::selection::{Selection, Separable};
use crate::space::tensor::{Covector, Vector, Wide};

/// l♯ = c D⁻¹P l with P = (MMᵀ)^(−1/2) that of [`Muon`] and D the root of the second moment of every row of PM: NorMuon. The direction of a step, and no
/// metric.
///
/// # Mathematics
///
/// With M the momentum of an m×n matrix, O = PM its polar factor and w the width scaling,
///
/// vᵢ ← βvᵢ + (1−β) Σⱼ Oᵢⱼ² / n, D = diag(√vᵢ + ε), c = ‖O‖ / ‖D⁻¹O‖ and x♯ = w c D⁻¹Px, so that M♯ is as long as Muon's and its rows have had one
/// length in the mean.
///
/// s = ⟨M, M♯⟩ = w c tr(D⁻¹(MMᵀ)^(1/2)) damps the step as that of a metric does, and is not below zero. But for a wide matrix D⁻¹P is symmetric only
/// where D and P commute: there is no γ, so [`lower`](BaseMetric::lower) and determinants are refused, as are rules that need the inverse of one. v is not corrected
/// for its start at zero, which c makes up for.
///
/// # Requirements
///
/// Those of [`Muon`], with a neuron in each row; of heads that are matrices by themselves, each row of each has a v, and c is one for the whole tensor. β in [0, 1), ε > 0.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Muon, NoMomentum};
/// use ambient_metric::base::{NorMuon, Polar, Width};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let muon = Muon { momentum: NoMomentum, orthogonaliser: Polar, width: Width::Unscaled, heads: false };
/// let metric = NorMuon { muon, beta: 0.5, epsilon: 1e-12 };
/// let gradient = Covector(Parameters::from(array![[3.0_f64], [4.0]]));
/// let mut state = metric.begin(&gradient.0)?;
/// metric.update(&mut state, &gradient)?;
/// // The polar factor is (0.6, 0.8); both rows become equally long, and the whole stays as long as it was.
/// let raised = metric.raise(&state, &gradient)?.0;
/// assert!(raised.as_slice().iter().all(|x| (x - 0.5_f64.sqrt()).abs() < 1e-10));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NotAMatrix`] names a part that is none; [`Error::NoMetric`] where a γ is needed.
///
/// # References
///
/// Z. Li and others, *NorMuon: Making Muon more efficient and scalable*, arXiv 2510.05491, in the scale of the authors' code: where the paper gives steps
/// one root mean square, it leaves them as long as Muon's.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NorMuon<Q = Nesterov, O = NewtonSchulz> {
    /// What it makes rows of one length of.
    pub muon: Muon<Q, O>,
    /// The decay β of the second moments of rows.
    pub beta: f64,
    /// ε, added to the roots.
    pub epsilon: f64,
}

known_keys! {
    NorMuon<Q, O> where O: Default { muon, beta = NorMuon::default().beta, epsilon = NorMuon::default().epsilon }
}

impl Default for NorMuon {
    /// Over Muon as it is, β = 0.95 and ε = 10⁻¹⁰.
    fn default() -> Self {
        Self { muon: Muon::default(), beta: 0.95, epsilon: 1e-10 }
    }
}

/// What [`NorMuon`] remembers; clones share it.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Tensor};
/// use ambient_metric::base::NorMuon;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let state = NorMuon::default().begin(&Parameters::from(array![[1.0_f64, 2.0]]))?;
/// assert_eq!(state.muon().momentum().covector().0.read(0)?, [0.0, 0.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Debug)]
pub struct NorMuonState<T: MatrixTensor> {
    muon: MuonState<T>,
    rows: Parted<T, Rows<T::Matrix>>,
}

/// What is remembered of the rows of one matrix, in columns.
#[derive(Debug)]
struct Rows<M> {
    /// v.
    squares: Arc<M>,
    /// The diagonal of D/c.
    lengths: Arc<M>,
}

impl<T: MatrixTensor> Clone for NorMuonState<T> {
    fn clone(&self) -> Self {
        Self { muon: self.muon.clone(), rows: self.rows.clone() }
    }
}

impl<T: MatrixTensor> NorMuonState<T> {
    /// What Muon remembers.
    #[must_use]
    pub fn muon(&self) -> &MuonState<T> {
        &self.muon
    }
}

impl<M: MatrixPart> Rows<M> {
    /// No squares, and lengths of one.
    fn begin(matrix: &M) -> Result<Self, Error> {
        let column = |element| matrix.like(matrix.rows(), 1, &vec![element; matrix.rows()]).map(Arc::new);
        Ok(Self { squares: column(M::Element::zero())?, lengths: column(M::Element::one())? })
    }

    /// With the squares of the elements of a polar factor, which are `scale` times too large.
    fn observe<Q, O>(&self, metric: &NorMuon<Q, O>, polar: &M, scale: f64) -> Result<Self, Error> {
        let column = Transpose::No;
        let present = means(polar, column, 1.0 / scale, None)?;
        let squares = means(polar, column, (1.0 - metric.beta) / scale, Some((metric.beta, &self.squares)))?;
        let epsilon = M::Element::constant(metric.epsilon).widen();
        let lengths: Vec<_> = squares.to_host()?.into_iter().map(|v| v.widen().sqrt() + epsilon).collect();
        let zero = <WideOf<M> as Field>::zero();
        // ‖O‖² and ‖D⁻¹O‖², each over the number of columns.
        let (mut before, mut after) = (zero, zero);
        for (mean, &length) in present.to_host()?.into_iter().zip(&lengths) {
            (before, after) = (before + mean.widen(), after + mean.widen() / (length * length));
        }
        let c = if after == zero { Field::one() } else { (before / after).sqrt() };
        let lengths: Vec<_> = lengths.into_iter().map(|length| M::Element::narrow(length / c)).collect();
        Ok(Self { lengths: Arc::new(squares.like(lengths.len(), 1, &lengths)?), squares: Arc::new(squares) })
    }
}

impl<Q, O> NorMuon<Q, O> {
    /// Accepts its own constants; those of Muon are checked where it is begun.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        require_decay("beta", self.beta)?;
        require_positive("epsilon", self.epsilon)
    }

    /// A part with a neuron in each row.
    fn neurons<T: MatrixTensor>(&self, tensor: &T, part: usize) -> Result<T::Matrix, Error> {
        let matrix = tensor.matrix(part)?;
        match (self.muon.is_batch(tensor.layout(), part), tensor.layout().parts().get(part).map(|part| &*part.shape)) {
            (true, Some(&[heads, rows, columns])) => matrix.like(heads * rows, columns, &matrix.to_host()?),
            _ => Ok(matrix),
        }
    }
}

impl<T: MatrixTensor, Q: Momentum, O: Orthogonaliser<T::Matrix>> BaseMetric<T> for NorMuon<Q, O> {
    type State = NorMuonState<T>;

    fn is_metric(&self) -> bool {
        false
    }

    fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
        self.validate()?;
        let muon = self.muon.begin(parameters)?;
        let rows = Parted::begin(parameters.layout(), |index, _| Rows::begin(&self.neurons(parameters, index)?))?;
        Ok(NorMuonState { muon, rows })
    }

    fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
        let mut muon = state.muon.clone();
        self.muon.update(&mut muon, gradient)?;
        let polar = squares(&self.muon.raise(&muon, muon.momentum().covector())?.0, 0.0)?;
        let rows = state.rows.observed(gradient, |rows, index| {
            let factor = self.muon.matrices(&polar, index)?.first().map_or(1.0, |matrix| self.muon.factor(matrix));
            rows.observe(self, &self.neurons(&polar, index)?, factor.powi(2))
        })?;
        *state = NorMuonState { muon, rows };
        Ok(())
    }

    fn measured<'a>(&self, state: &'a Self::State) -> Option<&'a Covector<T>> {
        self.muon.measured(&state.muon)
    }

    fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
    where
        T: Separable,
    {
        let rows = state.rows.select(selection, short_name::<Self>)?;
        Ok(NorMuonState { muon: self.muon.select(&state.muon, selection)?, rows })
    }

    fn place(&self, state: &mut Self::State, selection: &Selection, selected: &Self::State) -> Result<(), Error>
    where
        T: Separable,
    {
        let rows = state.rows.placed(selection, &selected.rows)?;
        self.muon.place(&mut state.muon, selection, &selected.muon)?;
        state.rows = rows;
        Ok(())
    }

    fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        let raised = Covector(self.muon.raise(&state.muon, covector)?.0);
        let mut gamma = raised.0.zeros_like()?;
        for (index, Rows { lengths, .. }) in state.rows.iter() {
            let columns = self.neurons(&raised.0, index)?.columns();
            let ones = lengths.like(1, columns, &vec![T::Element::one(); columns])?;
            let of_part = lengths.product(Transpose::No, &ones, Transpose::No)?;
            if self.muon.is_batch(gamma.layout(), index) {
                gamma.write(index, &of_part.to_host()?)?;
            } else {
                gamma.set_matrix(index, &of_part)?;
            }
        }
        BaseMetric::raise(&Given, &PointwiseState::of(gamma), &raised)
    }

    fn lower(&self, _state: &Self::State, _vector: &Vector<T>) -> Result<Covector<T>, Error> {
        Err(Error::NoMetric { metric: short_name::<Self>() })
    }

    fn log_determinant(&self, _state: &Self::State) -> Result<Wide<T>, Error> {
        Err(Error::NoMetric { metric: short_name::<Self>() })
    }

    fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
        state.rows.record(entries, |Rows { squares, lengths }, parameter, entries| {
            let squares = entries.shared_matrix(parameter, "squares", squares)?;
            Ok(Rows { squares, lengths: entries.shared_matrix(parameter, "lengths", lengths)? })
        })?;
        self.muon.record(&mut state.muon, &mut entries.within("muon"))
    }
}
