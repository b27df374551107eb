//! Muon as a base metric: the momentum orthogonalised.

use std::sync::Arc;

use crate::base::base_metric::BaseMetric;
use crate::base::ldl::Ldl;
use crate::base::remembered::Remembered;
use crate::base::sides::require_axes;
use crate::error::{Error, require};
use crate::named::short_name;
use crate::number::scalar::{Element, Field, Real};
use crate::space::layout::{Layout, Part};
use crate::space::matrix::{
    MatrixPart, MatrixTensor, NewtonSchulz, SpectralMatrix, Transpose, WideOf, has_no_direction, is_tall,
};
use crate::space::momentum::{Momentum, Nesterov};
use crate::space::record::Entries;
use crate::space::selection::{Selection, Separable, place_each, select_each};
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
/// Every part has two axes ([route](crate::Routed) the others elsewhere) or more: a convolution's kernel is the [matrix](crate::space::Part::as_matrix) of its outputs by all else. M = 0, and an M too small to have a direction, is raised to zero. Where M has not full rank the exact polar
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
/// let metric = Muon { momentum: NoMomentum, orthogonaliser: Polar, width: Width::Unscaled };
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
    /// How the inverse root is found: [`NewtonSchulz`] or [`Polar`].
    pub orthogonaliser: O,
    /// The scaling by the shape.
    pub width: Width,
}

known_keys! { Muon<Q, O> where O: Default { momentum, orthogonaliser = O::default(), width = Width::Unscaled } }

impl Default for Muon {
    /// Nesterov momentum of 0.95, Newton–Schulz, no scaling by the shape.
    fn default() -> Self {
        Self { momentum: Nesterov(0.95), orthogonaliser: NewtonSchulz::default(), width: Width::Unscaled }
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

/// How (MMᵀ)^(−1/2) is found.
///
/// Implemented by [`NewtonSchulz`] on every backend with products, and by [`Polar`] where there are singular values.
///
/// # Requirements
///
/// The results are symmetric, of the shorter side of M: (MMᵀ)^(±1/2) for a wide matrix, (MᵀM)^(±1/2) for a tall one, in one approximation for
/// both signs.
///
/// # Example
///
/// ```
/// use ambient_metric::base::{Orthogonaliser, Polar};
/// use ambient_metric::space::{MatrixPart, MatrixTensor};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let m = Parameters::from(array![[2.0_f64, 0.0], [0.0, 4.0]]).matrix(0)?;
/// assert_eq!(Polar.inverse_root(&m)?.to_host()?, [0.5, 0.0, 0.0, 0.25]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
pub trait Orthogonaliser<M: MatrixPart> {
    /// (MMᵀ)^(−1/2), on the range of M where M has not full rank.
    ///
    /// # Errors
    ///
    /// [`Error::Overflow`], [`Error::Backend`].
    fn inverse_root(&self, matrix: &M) -> Result<M, Error>;

    /// (MMᵀ)^(1/2) and the logarithm of its determinant, given the [`inverse_root`](Self::inverse_root); `None` where that is singular.
    ///
    /// # Errors
    ///
    /// As [`inverse_root`](Self::inverse_root).
    fn root(&self, matrix: &M, inverse: &M) -> Result<Option<(M, WideOf<M>)>, Error>;

    /// The polar factor (MMᵀ)^(−1/2) M itself, where it is known better than by a product, whose rounding is as large as σ_max over the smallest
    /// singular value; the default has none.
    ///
    /// # Errors
    ///
    /// As [`inverse_root`](Self::inverse_root).
    fn polar(&self, _matrix: &M) -> Result<Option<M>, Error> {
        Ok(None)
    }

    /// Accepts its constants.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl<M: MatrixPart> Orthogonaliser<M> for NewtonSchulz {
    fn inverse_root(&self, matrix: &M) -> Result<M, Error> {
        NewtonSchulz::inverse_root(self, matrix)
    }

    /// The inverse of the inverse root, by elimination on the host.
    fn root(&self, _matrix: &M, inverse: &M) -> Result<Option<(M, WideOf<M>)>, Error> {
        let side = inverse.rows();
        let elements: Vec<WideOf<M>> = inverse.to_host()?.into_iter().map(Element::widen).collect();
        let entry = |row: usize, column: usize| {
            elements.get(row * side + column).copied().unwrap_or_else(<WideOf<M> as Field>::zero)
        };
        let Ok(factors) = Ldl::new(side, M::Element::ROUNDOFF, entry) else { return Ok(None) };
        let unit = |axis: usize| {
            (0..side).map(|index| <WideOf<M> as Field>::constant(f64::from(u8::from(index == axis)))).collect()
        };
        // The inverse is symmetric: its columns are its rows.
        let rows = (0..side).flat_map(|axis| factors.solve(unit(axis))).map(M::Element::narrow);
        let root = inverse.like(side, side, &rows.collect::<Vec<_>>())?;
        Ok(Some((root, -factors.log_determinant())))
    }

    fn validate(&self) -> Result<(), Error> {
        let [a, b, c] = self.coefficients;
        let is_finite = a.is_finite() && b.is_finite() && c.is_finite();
        require(is_finite, "coefficients", a, "the coefficients of the Newton–Schulz iteration must be finite")?;
        // a + bx + cx² on x ≥ 0 keeps every singular value where its least value is above zero.
        let least = if b >= 0.0 || c == 0.0 { a.min(a + b) } else { a - b * b / (4.0 * c) };
        let requirement = "a + bx + cx² must be above zero for x ≥ 0, or the iteration turns singular vectors round";
        require(c >= 0.0 && least > 0.0, "coefficients", least, requirement)
    }
}

/// The exact polar factor, by singular values.
///
/// # Mathematics
///
/// With M = UΣVᵀ, (MMᵀ)^(−1/2) = UΣ⁻¹Uᵀ, and M is raised to UVᵀ by its singular vectors themselves; singular values below max(m, n) u σ_max, which rounding cannot tell from zero, count as zero. u is the
/// unit roundoff of the numbers that M is stored in. So does M as a whole where σ_max is below the least normal number over u.
///
/// # Example
///
/// See [`Orthogonaliser`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polar;

impl Polar {
    /// The singular values of a matrix of `E`, with zeros for those that rounding cannot tell from it.
    fn cut<E: Element>(values: &[E::Wide], side: usize) -> Vec<E::Wide> {
        let zero = <E::Wide as Field>::zero();
        let largest = values.iter().fold(zero, |largest, &value| largest.maximum(value));
        if has_no_direction::<E>(largest) {
            return vec![zero; values.len()];
        }
        let threshold = largest * <E::Wide as Field>::constant(side as f64 * E::ROUNDOFF);
        let is_zero = |value: E::Wide| (value - threshold).is_negative() || value == zero;
        values.iter().map(|&value| if is_zero(value) { zero } else { value }).collect()
    }
}

impl<M: SpectralMatrix> Orthogonaliser<M> for Polar {
    fn inverse_root(&self, matrix: &M) -> Result<M, Error> {
        let side = matrix.rows().max(matrix.columns());
        let [inverse] = matrix.of_singular_values(|values| {
            let invert = |value: WideOf<M>| {
                if value == <WideOf<M> as Field>::zero() { value } else { <WideOf<M> as Field>::one() / value }
            };
            // At least max(m, n) times the least normal number: the inverse is finite.
            Ok([Self::cut::<M::Element>(values, side).into_iter().map(invert).collect()])
        })?;
        Ok(inverse)
    }

    fn polar(&self, matrix: &M) -> Result<Option<M>, Error> {
        let side = matrix.rows().max(matrix.columns());
        let (zero, one) = (<WideOf<M> as Field>::zero(), <WideOf<M> as Field>::one());
        let keep = |value: WideOf<M>| if value == zero { zero } else { one };
        let ones = |values: &[WideOf<M>]| Ok(Self::cut::<M::Element>(values, side).into_iter().map(keep).collect());
        matrix.map_singular_values(ones).map(Some)
    }

    fn root(&self, matrix: &M, _inverse: &M) -> Result<Option<(M, WideOf<M>)>, Error> {
        let side = matrix.rows().max(matrix.columns());
        let mut log_determinant = None;
        let [root] = matrix.of_singular_values(|values| {
            let cut = Self::cut::<M::Element>(values, side);
            if cut.iter().all(|&value| value != <WideOf<M> as Field>::zero()) {
                log_determinant = Some(cut.iter().fold(<WideOf<M> as Field>::zero(), |sum, value| sum + value.ln()));
            }
            Ok([cut])
        })?;
        Ok(log_determinant.map(|log_determinant| (root, log_determinant)))
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
    /// Per part; a part without elements has none, and none has one before the first gradient.
    inverses: Inverses<T::Matrix>,
}

/// Shared by clones, as a whole and one by one.
type Inverses<M> = Arc<Vec<Option<Arc<Inverse<M>>>>>;

/// What γ⁻¹ of a part is made of.
#[derive(Debug)]
struct Inverse<M> {
    /// (MMᵀ)^(−1/2).
    root: M,
    /// (MMᵀ)^(−1/2) M, where it is known better than by the product.
    polar: Option<M>,
}

impl<T: MatrixTensor> Clone for MuonState<T> {
    fn clone(&self) -> Self {
        Self { momentum: self.momentum.clone(), inverses: Arc::clone(&self.inverses) }
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

impl<Q: Momentum, O> Muon<Q, O> {
    pub(crate) fn factor<M: MatrixPart>(&self, matrix: &M) -> f64 {
        self.width.factor(matrix.rows(), matrix.columns())
    }

    /// γ of a part without the width scaling, and the logarithm of its determinant.
    fn root<T: MatrixTensor>(
        &self,
        state: &MuonState<T>,
        index: usize,
        part: &Part,
    ) -> Result<(T::Matrix, Wide<T>), Error>
    where
        O: Orthogonaliser<T::Matrix>,
    {
        let singular = || Error::SingularMetric { metric: "Muon".to_owned(), parameter: part.name.clone() };
        let inverse = state.inverses.get(index).and_then(Option::as_ref).ok_or_else(singular)?;
        let momentum = state.momentum.covector().0.matrix(index)?;
        self.orthogonaliser.root(&momentum, &inverse.root)?.ok_or_else(singular)
    }
}

impl<Q, O> Muon<Q, O> {
    /// The inverse roots of a momentum.
    fn inverses<T: MatrixTensor>(&self, momentum: &Remembered<T>) -> Result<Inverses<T::Matrix>, Error>
    where
        O: Orthogonaliser<T::Matrix>,
    {
        let covector = &momentum.covector().0;
        let inverse = |(index, part): (usize, &Part)| {
            if part.elements() == 0 {
                return Ok(None);
            }
            let matrix = covector.matrix(index)?;
            let (root, polar) = (self.orthogonaliser.inverse_root(&matrix)?, self.orthogonaliser.polar(&matrix)?);
            Ok(Some(Arc::new(Inverse { root, polar })))
        };
        Ok(Arc::new(covector.layout().parts().iter().enumerate().map(inverse).collect::<Result<_, Error>>()?))
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
        let inverses = parameters.layout().parts().iter().map(|_| None).collect();
        Ok(MuonState { momentum, inverses: Arc::new(inverses) })
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
        let inverses = Arc::new(select_each(&state.inverses, selection.whole_parts(short_name::<Self>)?)?);
        Ok(MuonState { momentum: state.momentum.select(selection)?, inverses })
    }

    fn place(&self, state: &mut MuonState<T>, selection: &Selection, selected: &MuonState<T>) -> Result<(), Error>
    where
        T: Separable,
    {
        let inverses = Arc::new(place_each(&state.inverses, selection.parts(), &selected.inverses)?);
        state.momentum.place(selection, &selected.momentum)?;
        state.inverses = inverses;
        Ok(())
    }

    fn raise(&self, state: &MuonState<T>, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        state.layout().check(covector.0.layout())?;
        let mut raised = covector.0.zeros_like()?;
        for (part, inverse) in state.inverses.iter().enumerate() {
            let Some(inverse) = inverse else { continue };
            let x = covector.0.matrix(part)?;
            let factor = self.factor(&x);
            let product = match &inverse.polar {
                None => multiply(&inverse.root, &x, factor)?,
                Some(polar) => {
                    let momentum = state.momentum.covector().0.matrix(part)?;
                    let (along, rest) = split(&x, &momentum)?;
                    plus(&multiply(&inverse.root, &rest, factor)?, along, polar, factor)?
                }
            };
            raised.set_matrix(part, &product)?;
        }
        Ok(Vector(raised))
    }

    fn lower(&self, state: &MuonState<T>, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        state.layout().check(vector.0.layout())?;
        let mut lowered = vector.0.duplicate()?;
        for (index, part) in filled(state.layout()) {
            let (root, _) = self.root(state, index, part)?;
            let v = vector.0.matrix(index)?;
            lowered.set_matrix(index, &multiply(&root, &v, 1.0 / self.factor(&v))?)?;
        }
        Ok(Covector(lowered))
    }

    fn log_determinant(&self, state: &MuonState<T>) -> Result<Wide<T>, Error> {
        let mut total = <Wide<T> as Field>::zero();
        let constant = <Wide<T> as Field>::constant;
        for (index, part) in filled(state.layout()) {
            let (_, log_determinant) = self.root(state, index, part)?;
            let momentum = state.momentum.covector().0.matrix(index)?;
            let longer = momentum.rows().max(momentum.columns());
            let scale = constant(part.elements() as f64) * constant(self.factor(&momentum)).ln();
            total = total + constant(longer as f64) * log_determinant - scale;
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

named_unit!(Polar);
