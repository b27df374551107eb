//! SOAP: a diagonal metric in the eigenbases of Shampoo.

use std::sync::Arc;

use crate::base::base_metric::{BaseMetric, DiagonalMetric, check_diagonal};
use crate::base::diagonal::RmsProp;
use crate::base::pointwise::PointwiseState;
use crate::base::sides::{moment, multiply, of_matrices, require_every, require_matrices};
use crate::error::{Error, require_decay};
use crate::named::short_name;
use crate::number::scalar::Field;
use crate::space::matrix::{MatrixPart, MatrixTensor, SpectralMatrix, Transpose, scaled_identity};
use crate::space::record::Entries;
use crate::space::selection::{Selection, Separable, place_each, select_each};
use crate::space::tensor::{Covector, Vector, Wide, find_non_finite};

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

/// What [`Soap`] remembers; clones share their matrices.
///
/// # Example
///
/// ```
/// use ambient_metric::BaseMetric;
/// use ambient_metric::base::Soap;
/// use ambient_metric::space::MatrixPart;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let state = Soap::default().begin(&Parameters::from(array![[1.0_f64, 2.0]]))?;
/// let [rows, columns] = state.bases(0).ok_or(ambient_metric::Error::Empty)?;
/// assert_eq!((rows.rows(), columns.rows()), (1, 2));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Debug)]
pub struct SoapState<T: MatrixTensor> {
    /// Of the metric in the eigenbases.
    inside: PointwiseState<T, ()>,
    parts: Vec<Option<Eigenbases<T::Matrix>>>,
}

/// What is remembered of one matrix, which counts its own gradients.
#[derive(Debug)]
struct Eigenbases<M> {
    moments: [Arc<M>; 2],
    bases: [Arc<M>; 2],
    seen: u64,
}

impl<M> Clone for Eigenbases<M> {
    fn clone(&self) -> Self {
        Self { moments: self.moments.clone(), bases: self.bases.clone(), seen: self.seen }
    }
}

impl<T: MatrixTensor> Clone for SoapState<T> {
    fn clone(&self) -> Self {
        Self { inside: self.inside.clone(), parts: self.parts.clone() }
    }
}

impl<T: MatrixTensor> SoapState<T> {
    /// P and Q of a part.
    #[must_use]
    pub fn bases(&self, part: usize) -> Option<[&T::Matrix; 2]> {
        Some(self.parts.get(part)?.as_ref()?.bases())
    }

    /// The state of the diagonal metric in the eigenbases.
    #[must_use]
    pub fn inside(&self) -> &PointwiseState<T, ()> {
        &self.inside
    }

    /// PᵀxQ.
    fn enter(&self, x: &T) -> Result<T, Error> {
        self.inside.layout().check(x.layout())?;
        multiply(x, &self.parts, [Transpose::Yes, Transpose::No], Eigenbases::bases)
    }

    /// PxQᵀ.
    fn leave(&self, x: &T) -> Result<T, Error> {
        multiply(x, &self.parts, [Transpose::No, Transpose::Yes], Eigenbases::bases)
    }
}

impl<M: MatrixPart> Eigenbases<M> {
    /// Moments of zero, and the unit matrix for both bases.
    fn begin(matrix: &M) -> Result<Self, Error> {
        let multiple = |side: usize, scale: f64| {
            matrix.like(side, side, &scaled_identity::<M::Element>(side, Field::constant(scale))).map(Arc::new)
        };
        let both = |scale: f64| Ok::<_, Error>([multiple(matrix.rows(), scale)?, multiple(matrix.columns(), scale)?]);
        Ok(Self { moments: both(0.0)?, bases: both(1.0)?, seen: 0 })
    }

    fn bases(&self) -> [&M; 2] {
        self.bases.each_ref().map(Arc::as_ref)
    }

    fn record(&mut self, parameter: &str, entries: &mut Entries<'_>) -> Result<(), Error> {
        for (name, pair) in [("moment", &mut self.moments), ("basis", &mut self.bases)] {
            for (side, matrix) in ["rows", "columns"].into_iter().zip(pair) {
                if let Some(read) = entries.within(side).exchange_matrix(parameter, name, &**matrix)? {
                    *matrix = Arc::new(read);
                }
            }
        }
        entries.within("seen").count(parameter, &mut self.seen)
    }
}

impl<M> Soap<M> {
    /// The bases for a gradient, and the moments with it.
    fn observe<X: SpectralMatrix>(&self, part: &mut Eigenbases<X>, gradient: &X) -> Result<(), Error> {
        // In its own eigenbases a gradient is diagonal, and beside that there is but what rounding leaves, which D would make as long as the rest.
        let is_due = part.seen.checked_sub(1).is_some_and(|seen| seen.is_multiple_of(self.every.max(1)));
        let sides = part.moments.iter_mut().zip(&mut part.bases).zip([Transpose::No, Transpose::Yes]);
        for ((known, basis), side) in sides {
            let with_gradient = moment(&**known, gradient, side, [self.beta, 1.0 - self.beta])?;
            if is_due {
                *basis = Arc::new(known.eigenvectors()?);
            }
            *known = Arc::new(with_gradient);
        }
        part.seen = part.seen.saturating_add(1);
        Ok(())
    }
}

impl<T: MatrixTensor<Matrix: SpectralMatrix>, M: DiagonalMetric> BaseMetric<T> for Soap<M> {
    type State = SoapState<T>;

    fn is_metric(&self) -> bool {
        DiagonalMetric::is_metric(&self.metric)
    }

    fn begin(&self, parameters: &T) -> Result<Self::State, Error> {
        self.validate()?;
        require_matrices("Soap", parameters.layout())?;
        let inside = BaseMetric::begin(&self.metric, parameters)?;
        Ok(SoapState { inside, parts: of_matrices(parameters, Eigenbases::begin)? })
    }

    fn update(&self, state: &mut Self::State, gradient: &Covector<T>) -> Result<(), Error> {
        state.inside.layout().check(gradient.0.layout())?;
        find_non_finite(&gradient.0)?;
        let mut next = state.clone();
        for (index, part) in next.parts.iter_mut().enumerate() {
            if let Some(part) = part {
                self.observe(part, &gradient.0.matrix(index)?)?;
            }
        }
        let turned = Covector(next.enter(&gradient.0)?);
        self.metric.update(&mut next.inside, &turned)?;
        *state = next;
        Ok(())
    }

    fn select(&self, state: &Self::State, selection: &Selection) -> Result<Self::State, Error>
    where
        T: Separable,
    {
        let parts = select_each(&state.parts, selection.whole_parts(short_name::<Self>)?)?;
        Ok(SoapState { inside: self.metric.select(&state.inside, selection)?, parts })
    }

    fn place(&self, state: &mut Self::State, selection: &Selection, selected: &Self::State) -> Result<(), Error>
    where
        T: Separable,
    {
        let parts = place_each(&state.parts, selection.parts(), &selected.parts)?;
        self.metric.place(&mut state.inside, selection, &selected.inside)?;
        state.parts = parts;
        Ok(())
    }

    fn raise(&self, state: &Self::State, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        let raised = BaseMetric::raise(&self.metric, &state.inside, &Covector(state.enter(&covector.0)?))?;
        state.leave(&raised.0).map(Vector)
    }

    fn lower(&self, state: &Self::State, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        let lowered = BaseMetric::lower(&self.metric, &state.inside, &Vector(state.enter(&vector.0)?))?;
        state.leave(&lowered.0).map(Covector)
    }

    fn log_determinant(&self, state: &Self::State) -> Result<Wide<T>, Error> {
        BaseMetric::log_determinant(&self.metric, &state.inside)
    }

    fn record(&self, state: &mut Self::State, entries: &mut Entries<'_>) -> Result<(), Error> {
        let layout = state.inside.layout().clone();
        for (part, bases) in layout.parts().iter().zip(&mut state.parts) {
            if let Some(bases) = bases {
                bases.record(&part.name, entries)?;
            }
        }
        BaseMetric::<T>::record(&self.metric, &mut state.inside, &mut entries.within("inside"))
    }
}

impl<M: DiagonalMetric> Soap<M> {
    /// Accepts its constants.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        check_diagonal(&self.metric)?;
        require_decay("beta", self.beta)?;
        require_every(self.every)
    }
}
