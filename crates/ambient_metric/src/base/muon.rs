//! Muon as a base metric: the momentum orthogonalised.

use crate::base::base_metric::BaseMetric;
use crate::base::orthogonaliser::Orthogonaliser;
use crate::base::parted::Parted;
use crate::base::remembered::Remembered;
use crate::base::sides::require_axes;
use crate::error::Error;
use crate::named::short_name;
use crate::number::scalar::{Element, Field, Real};
use crate::space::layout::{Layout, Part};
use crate::space::matrix::{MatrixPart, MatrixTensor, NewtonSchulz, Transpose, WideOf, is_tall};
use crate::space::momentum::{Momentum, Nesterov};
use crate::space::record::Entries;
use crate::space::selection::{Selection, Separable};
use crate::space::tensor::{Covector, Vector, Wide, find_non_finite};

/// γ = (MMᵀ)^(1/2) with M the momentum of a matrix, so that the step is its polar factor: Muon.
///
/// # Mathematics
///
/// For every part, with M = m̂ its momentum covector and M = UΣVᵀ,
///
/// γ⁻¹x = w (MMᵀ)^(−1/2) x, γ⁻¹M = w UVᵀ, s = ⟨M, M⟩ = w Σ σᵢ, the nuclear norm, ln det γ = max(m, n) Σ ln σᵢ − mn ln w.
///
/// For a tall matrix, where MMᵀ is singular, x (MᵀM)^(−1/2) has the same γ⁻¹M. w is the [width](Self::width) scaling. The metric measures M and not the
/// gradient ([`BaseMetric::measured`]), so an optimiser over it needs no momentum of its own.
///
/// # Requirements
///
/// Every part has two axes ([route](crate::Routed) the others elsewhere) or more: a convolution's kernel is the [matrix](crate::space::Part::as_matrix) of its outputs by all else. With [`heads`](Self::heads) a tensor with three axes is a batch of matrices, each
/// with a γ of its own. M = 0, and an M too small to have a direction, is raised to zero. Where M has not full rank the exact polar
/// factor is that of its range, and γ itself does not exist; the polynomial of [`NewtonSchulz`] has an inverse wherever M is not zero.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Metric, Muon, NoMomentum};
/// use ambient_metric::base::{Polar, Width};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let metric = Muon { momentum: NoMomentum, orthogonaliser: Polar, width: Width::Unscaled, heads: false };
/// let gradient = Covector(Parameters::from(array![[3.0_f64, 0.0], [0.0, 4.0]]));
/// let mut state = metric.begin(&gradient.0)?;
/// metric.update(&mut state, &gradient)?;
///
/// let gamma = metric.at(&state);
/// assert!((gamma.inner_covectors(&gradient, &gradient)? - 7.0).abs() < 1e-14);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NotAMatrix`] names a part that is none; [`BaseMetric::lower`] and [`BaseMetric::log_determinant`] answer with
/// [`Error::SingularMetric`] where γ does not exist.
///
/// # References
///
/// K. Jordan and others, *Muon: An optimizer for hidden layers in neural networks*, 2024.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Muon<Q = Nesterov, O = NewtonSchulz> {
    /// How gradients are remembered.
    pub momentum: Q,
    /// How the inverse root is found: [`NewtonSchulz`] or [`Polar`](crate::base::Polar).
    pub orthogonaliser: O,
    /// The scaling by the shape.
    pub width: Width,
    /// Whether a tensor with three axes, heads × outputs × inputs, is a matrix for every head and not one of the first axis by the others.
    pub heads: bool,
}

known_keys! {
    Muon<Q, O> where O: Default {
        momentum,
        orthogonaliser = O::default(),
        width = Width::Unscaled,
        heads = false,
    }
}

impl Default for Muon {
    /// Nesterov momentum of 0.95, Newton–Schulz, no scaling by the shape, no heads.
    fn default() -> Self {
        Self { momentum: Nesterov(0.95), orthogonaliser: NewtonSchulz::default(), width: Width::Unscaled, heads: false }
    }
}

/// How a Muon step depends on the shape of its matrix: by w = √max(1, outputs / inputs), if at all.
///
/// # Example
///
/// ```
/// use ambient_metric::base::Width;
/// assert_eq!(Width::RowsAreOutputs.factor(4, 1), 2.0);
/// assert_eq!(Width::ColumnsAreOutputs.factor(4, 1), 1.0);
/// assert_eq!(Width::Unscaled.factor(4, 1), 1.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Width {
    /// w = 1.
    #[default]
    Unscaled,
    /// w = √max(1, rows / columns): weights are stored as outputs × inputs, as PyTorch does.
    RowsAreOutputs,
    /// w = √max(1, columns / rows): weights are stored as inputs × outputs, as Flax does.
    ColumnsAreOutputs,
}

impl Width {
    /// w for a matrix of this shape.
    #[must_use]
    pub fn factor(self, rows: usize, columns: usize) -> f64 {
        let (rows, columns) = (rows as f64, columns as f64);
        match self {
            Self::Unscaled => 1.0,
            Self::RowsAreOutputs => (rows / columns).max(1.0).sqrt(),
            Self::ColumnsAreOutputs => (columns / rows).max(1.0).sqrt(),
        }
    }
}

/// What [`Muon`] remembers: the momentum, and the inverse root of every part. Clones share both.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Muon, Tensor};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let state = Muon::default().begin(&Parameters::from(array![[1.0_f64, 2.0]]))?;
/// assert_eq!(state.momentum().covector().0.read(0)?, [0.0, 0.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Debug)]
pub struct MuonState<T: MatrixTensor> {
    momentum: Remembered<T>,
    /// Of every matrix of a part; there are none before the first gradient.
    inverses: Parted<T, Vec<Inverse<T::Matrix>>>,
}

type Inverses<T> = Parted<T, Vec<Inverse<<T as MatrixTensor>::Matrix>>>;

/// γ of a matrix without the width scaling, and the logarithm of its determinant.
type Root<T> = (<T as MatrixTensor>::Matrix, Wide<T>);

/// What γ⁻¹ of a matrix is made of.
#[derive(Debug)]
pub(crate) struct Inverse<M> {
    /// (MMᵀ)^(−1/2).
    root: M,
    /// (MMᵀ)^(−1/2) M, where it is known better than by the product.
    polar: Option<M>,
}

impl<T: MatrixTensor> Clone for MuonState<T> {
    fn clone(&self) -> Self {
        Self { momentum: self.momentum.clone(), inverses: self.inverses.clone() }
    }
}

impl<T: MatrixTensor> MuonState<T> {
    /// The momentum.
    #[must_use]
    pub fn momentum(&self) -> &Remembered<T> {
        &self.momentum
    }

    fn layout(&self) -> &Layout {
        self.momentum.covector().0.layout()
    }
}

impl<Q, O> Muon<Q, O> {
    /// w of a matrix.
    pub(crate) fn factor<M: MatrixPart>(&self, matrix: &M) -> f64 {
        self.width.factor(matrix.rows(), matrix.columns())
    }

    /// Whether a part is a matrix for every head.
    pub(crate) fn is_batch(&self, layout: &Layout, part: usize) -> bool {
        self.heads && layout.parts().get(part).is_some_and(|part| part.shape.len() == 3)
    }

    /// The matrices of a part.
    pub(crate) fn matrices<T: MatrixTensor>(&self, tensor: &T, part: usize) -> Result<Vec<T::Matrix>, Error> {
        if self.is_batch(tensor.layout(), part) { tensor.batch(part) } else { Ok(vec![tensor.matrix(part)?]) }
    }

    /// Replaces the matrices of a part.
    fn set_matrices<T: MatrixTensor>(
        &self,
        tensor: &mut T,
        part: usize,
        matrices: impl Iterator<Item = Result<T::Matrix, Error>>,
    ) -> Result<(), Error> {
        let matrices = matrices.collect::<Result<Vec<_>, Error>>()?;
        match matrices.as_slice() {
            [matrix] if !self.is_batch(tensor.layout(), part) => tensor.set_matrix(part, matrix),
            batch => tensor.set_batch(part, batch),
        }
    }

    /// γ of each matrix of a part without the width scaling, and the logarithm of its determinant.
    fn roots<T: MatrixTensor>(&self, state: &MuonState<T>, index: usize, part: &Part) -> Result<Vec<Root<T>>, Error>
    where
        O: Orthogonaliser<T::Matrix>,
    {
        let singular = || Error::SingularMetric { metric: "Muon".to_owned(), parameter: part.name.clone() };
        let inverses = state.inverses.get(index).filter(|inverses| !inverses.is_empty()).ok_or_else(singular)?;
        let momenta = self.matrices(&state.momentum.covector().0, index)?;
        let root = |(momentum, inverse): (&T::Matrix, &Inverse<T::Matrix>)| {
            self.orthogonaliser.root(momentum, &inverse.root)?.ok_or_else(singular)
        };
        momenta.iter().zip(inverses).map(root).collect()
    }

    /// The inverse roots of a momentum.
    fn inverses<T: MatrixTensor>(&self, momentum: &Remembered<T>) -> Result<Inverses<T>, Error>
    where
        O: Orthogonaliser<T::Matrix>,
    {
        let covector = &momentum.covector().0;
        let inverse = |matrix: &T::Matrix| {
            let (root, polar) = (self.orthogonaliser.inverse_root(matrix)?, self.orthogonaliser.polar(matrix)?);
            Ok(Inverse { root, polar })
        };
        Parted::begin(covector.layout(), |index, _| self.matrices(covector, index)?.iter().map(inverse).collect())
    }
}

/// α P X, or α X P for a tall X.
fn multiply<M: MatrixPart>(factor: &M, x: &M, alpha: f64) -> Result<M, Error> {
    let (left, right) = if is_tall(x) { (x, factor) } else { (factor, x) };
    left.combine(Transpose::No, right, Transpose::No, alpha, None)
}

/// The share of M in X, so that what is raised exactly is: X = M has the share one and no rest.
fn split<M: MatrixPart>(x: &M, momentum: &M) -> Result<(WideOf<M>, M), Error> {
    let norm = momentum.norm()?;
    let zero = <WideOf<M> as Field>::zero();
    let wide = |matrix: &M| Ok::<Vec<WideOf<M>>, Error>(matrix.to_host()?.into_iter().map(Element::widen).collect());
    let (x_elements, elements) = (wide(x)?, wide(momentum)?);
    if norm == zero {
        return Ok((zero, x.like(x.rows(), x.columns(), &x.to_host()?)?));
    }
    // In units of the norm, so that squares stay in range.
    let inner =
        |left: &[WideOf<M>]| left.iter().zip(&elements).fold(zero, |sum, (&x, &m)| sum + (x / norm) * (m / norm));
    let along = inner(&x_elements) / inner(&elements);
    let rest = x_elements.iter().zip(&elements).map(|(&x, &m)| M::Element::narrow(x - along * m));
    Ok((along, x.like(x.rows(), x.columns(), &rest.collect::<Vec<_>>())?))
}

/// A + αfP.
fn plus<M: MatrixPart>(a: &M, along: WideOf<M>, polar: &M, factor: f64) -> Result<M, Error> {
    let along = along * <WideOf<M> as Field>::constant(factor);
    let sum = a.to_host()?.into_iter().zip(polar.to_host()?);
    let sum = sum.map(|(a, p)| M::Element::narrow(a.widen() + along * p.widen()));
    a.like(a.rows(), a.columns(), &sum.collect::<Vec<_>>())
}

/// The parts of a layout that have elements.
fn filled(layout: &Layout) -> impl Iterator<Item = (usize, &Part)> {
    layout.parts().iter().enumerate().filter(|(_, part)| part.elements() > 0)
}

impl<T: MatrixTensor, Q: Momentum, O: Orthogonaliser<T::Matrix>> BaseMetric<T> for Muon<Q, O> {
    type State = MuonState<T>;

    fn begin(&self, parameters: &T) -> Result<MuonState<T>, Error> {
        require_axes("Muon", parameters.layout())?;
        self.orthogonaliser.validate()?;
        let momentum = Remembered::begin(&self.momentum, parameters)?;
        Ok(MuonState { momentum, inverses: Parted::begin(parameters.layout(), |_, _| Ok(Vec::new()))? })
    }

    fn update(&self, state: &mut MuonState<T>, gradient: &Covector<T>) -> Result<(), Error> {
        state.layout().check(gradient.0.layout())?;
        find_non_finite(&gradient.0)?;
        let mut momentum = state.momentum.clone();
        momentum.update(&self.momentum, gradient)?;
        let inverses = self.inverses(&momentum)?;
        *state = MuonState { momentum, inverses };
        Ok(())
    }

    fn measured<'a>(&self, state: &'a MuonState<T>) -> Option<&'a Covector<T>> {
        Some(state.momentum.covector())
    }

    fn select(&self, state: &MuonState<T>, selection: &Selection) -> Result<MuonState<T>, Error>
    where
        T: Separable,
    {
        let inverses = state.inverses.select(selection, short_name::<Self>)?;
        Ok(MuonState { momentum: state.momentum.select(selection)?, inverses })
    }

    fn place(&self, state: &mut MuonState<T>, selection: &Selection, selected: &MuonState<T>) -> Result<(), Error>
    where
        T: Separable,
    {
        let inverses = state.inverses.placed(selection, &selected.inverses)?;
        state.momentum.place(selection, &selected.momentum)?;
        state.inverses = inverses;
        Ok(())
    }

    fn raise(&self, state: &MuonState<T>, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        state.layout().check(covector.0.layout())?;
        let mut raised = covector.0.zeros_like()?;
        for (part, inverses) in state.inverses.iter().filter(|(_, inverses)| !inverses.is_empty()) {
            let is_exact = inverses.iter().any(|inverse| inverse.polar.is_some());
            let momentum = &state.momentum.covector().0;
            let mut momenta =
                if is_exact { self.matrices(momentum, part)?.into_iter() } else { Vec::new().into_iter() };
            let of_matrix = |(x, inverse): (T::Matrix, &Inverse<T::Matrix>)| {
                let factor = self.factor(&x);
                match (&inverse.polar, momenta.next()) {
                    (Some(polar), Some(momentum)) => {
                        let (along, rest) = split(&x, &momentum)?;
                        plus(&multiply(&inverse.root, &rest, factor)?, along, polar, factor)
                    }
                    _ => multiply(&inverse.root, &x, factor),
                }
            };
            let matrices = self.matrices(&covector.0, part)?.into_iter().zip(inverses).map(of_matrix);
            self.set_matrices(&mut raised, part, matrices)?;
        }
        Ok(Vector(raised))
    }

    fn lower(&self, state: &MuonState<T>, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        state.layout().check(vector.0.layout())?;
        let mut lowered = vector.0.duplicate()?;
        for (index, part) in filled(state.layout()) {
            let (roots, vectors) = (self.roots(state, index, part)?, self.matrices(&vector.0, index)?);
            let of_matrix = |(v, (root, _)): (&T::Matrix, &(T::Matrix, _))| multiply(root, v, 1.0 / self.factor(v));
            self.set_matrices(&mut lowered, index, vectors.iter().zip(&roots).map(of_matrix))?;
        }
        Ok(Covector(lowered))
    }

    fn log_determinant(&self, state: &MuonState<T>) -> Result<Wide<T>, Error> {
        let mut total = <Wide<T> as Field>::zero();
        let constant = <Wide<T> as Field>::constant;
        for (index, part) in filled(state.layout()) {
            let momenta = self.matrices(&state.momentum.covector().0, index)?;
            for ((_, log_determinant), momentum) in self.roots(state, index, part)?.into_iter().zip(&momenta) {
                let (rows, columns) = (momentum.rows(), momentum.columns());
                let scale = constant((rows * columns) as f64) * constant(self.factor(momentum)).ln();
                total = total + constant(rows.max(columns) as f64) * log_determinant - scale;
            }
        }
        Ok(total)
    }

    fn record(&self, state: &mut MuonState<T>, entries: &mut Entries<'_>) -> Result<(), Error> {
        let mut momentum = state.momentum.clone();
        momentum.record::<Q>(&mut entries.within("momentum"))?;
        if entries.is_read() {
            *state = MuonState { inverses: self.inverses(&momentum)?, momentum };
        }
        Ok(())
    }
}
