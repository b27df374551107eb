//! Matrices on a backend: what a metric that is not pointwise asks of storage beyond [`Tensor`].

use crate::error::Error;
use crate::number::scalar::{Element, Field};
use crate::space::tensor::Tensor;

/// Whether a factor enters a product transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transpose {
    /// As it is.
    No,
    /// With rows and columns exchanged.
    Yes,
}

/// The type in which norms and eigenvalues of a matrix are kept.
pub type WideOf<M> = <<M as MatrixPart>::Element as Element>::Wide;

/// A matrix on a backend, as large as one part of a tensor.
///
/// Two operations carry the arithmetic: a product and a norm. [`SpectralMatrix`] adds functions of singular values.
///
/// # Requirements
///
/// Elements go to the host and come from it in row-major order.
///
/// # Example
///
/// ```
/// use ambient_metric::space::{MatrixPart, MatrixTensor, Transpose};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let theta = Parameters::from(array![[1.0_f64, 2.0, 3.0], [4.0, 5.0, 6.0]]);
/// let a = theta.matrix(0)?;
/// let gram = a.product(Transpose::No, &a, Transpose::Yes)?;
/// assert_eq!(gram.to_host()?, [14.0, 32.0, 32.0, 77.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Shape`] where sides do not fit, [`Error::Backend`] where the device fails.
pub trait MatrixPart: Sized {
    /// The numbers it stores.
    type Element: Element;

    /// How many rows.
    fn rows(&self) -> usize;

    /// How many columns.
    fn columns(&self) -> usize;

    /// A matrix in the same place as this one, from its elements in row-major order.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where their number is not rows × columns.
    fn like(&self, rows: usize, columns: usize, elements: &[Self::Element]) -> Result<Self, Error>;

    /// The elements in row-major order, copied to the host.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`].
    fn to_host(&self) -> Result<Vec<Self::Element>, Error>;

    /// α op(A) op(B) + β C, with `addend` = (β, C).
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the inner dimensions differ, or the addend has another shape than the product.
    fn combine(
        &self,
        transpose: Transpose,
        other: &Self,
        other_transpose: Transpose,
        alpha: f64,
        addend: Option<(f64, &Self)>,
    ) -> Result<Self, Error>;

    /// op(A) op(B).
    ///
    /// # Errors
    ///
    /// As [`combine`](Self::combine).
    fn product(&self, transpose: Transpose, other: &Self, other_transpose: Transpose) -> Result<Self, Error> {
        self.combine(transpose, other, other_transpose, 1.0, None)
    }

    /// The Frobenius norm ‖A‖ = √Σ a².
    ///
    /// # Errors
    ///
    /// [`Error::Backend`].
    fn norm(&self) -> Result<WideOf<Self>, Error>;

    /// A / ‖A‖; a matrix of zeros stays one.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`].
    fn normalised(&self) -> Result<Self, Error>;
}

/// A matrix whose singular values a backend can find.
///
/// # Example
///
/// ```
/// use ambient_metric::space::{MatrixPart, MatrixTensor, SpectralMatrix};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// // The square root of diag(4, 9).
/// let a = Parameters::from(array![[4.0_f64, 0.0], [0.0, 9.0]]).matrix(0)?;
/// let [root] = a.of_eigenvalues(|values| Ok([values.iter().map(|value| value.sqrt()).collect()]))?;
/// assert_eq!(root.to_host()?, [2.0, 0.0, 0.0, 3.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Overflow`] where a decomposition does not converge, and whatever the functions answer.
pub trait SpectralMatrix: MatrixPart {
    /// Σᵢ f_k(λ)ᵢ vᵢvᵢᵀ for every list f_k that `functions` makes of the eigenvalues λ, this matrix being symmetric and positive
    /// semi-definite. The eigenvalues come in no promised order, and rounding may bring those near zero below it.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] where the matrix is not square.
    fn of_eigenvalues<const N: usize>(
        &self,
        functions: impl FnOnce(&[WideOf<Self>]) -> Result<[Vec<WideOf<Self>>; N], Error>,
    ) -> Result<[Self; N], Error>;

    /// The eigenvectors in the columns of an orthogonal matrix, that of the largest eigenvalue first, this matrix being symmetric and positive
    /// semi-definite. They are always the same for the same matrix. Which ones, where eigenvalues are equal, and of what sign, is up to the backend.
    ///
    /// # Errors
    ///
    /// As [`of_eigenvalues`](Self::of_eigenvalues).
    ///
    /// ```
    /// use ambient_metric::space::{MatrixPart, MatrixTensor, SpectralMatrix};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let a = Parameters::from(array![[1.0_f64, 0.0], [0.0, 4.0]]).matrix(0)?;
    /// let vectors: Vec<f64> = a.eigenvectors()?.to_host()?.into_iter().map(f64::abs).collect();
    /// assert_eq!(vectors, [0.0, 1.0, 1.0, 0.0]);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    fn eigenvectors(&self) -> Result<Self, Error>;

    /// Σᵢ f_k(σ)ᵢ uᵢuᵢᵀ for every list f_k that `functions` makes of the singular values σ, with uᵢ the singular vectors of the shorter
    /// side: functions of √(AAᵀ) for a wide matrix, of √(AᵀA) for a tall one.
    ///
    /// # Errors
    ///
    /// Where the decomposition does not converge.
    fn of_singular_values<const N: usize>(
        &self,
        functions: impl FnOnce(&[WideOf<Self>]) -> Result<[Vec<WideOf<Self>>; N], Error>,
    ) -> Result<[Self; N], Error>;

    /// Σᵢ f(σ)ᵢ uᵢvᵢᵀ for the list f that `function` makes of the singular values σ: the matrix with its singular values replaced. With ones for all
    /// it is the polar factor.
    ///
    /// The default multiplies the matrix by Σᵢ (fᵢ/σᵢ) uᵢuᵢᵀ, which loses the digits by which the smallest σ differs from the largest; one that has both
    /// kinds of singular vectors should put them together.
    ///
    /// # Errors
    ///
    /// Where the decomposition does not converge, and what `function` answers.
    fn map_singular_values(
        &self,
        function: impl FnOnce(&[WideOf<Self>]) -> Result<Vec<WideOf<Self>>, Error>,
    ) -> Result<Self, Error> {
        let zero = <WideOf<Self> as Field>::zero();
        let [factor] = self.of_singular_values(|values| {
            let quotient = |(f, value): (WideOf<Self>, &WideOf<Self>)| if f == zero { zero } else { f / *value };
            Ok([function(values)?.into_iter().zip(values).map(quotient).collect()])
        })?;
        let (left, right) = if is_tall(self) { (self, &factor) } else { (&factor, self) };
        left.product(Transpose::No, right, Transpose::No)
    }
}

/// A tensor whose parts with two axes are matrices.
///
/// # Example
///
/// ```
/// use ambient_metric::space::{MatrixPart, MatrixTensor};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let mut theta = Parameters::from(array![[1.0_f64, 2.0]]);
/// let doubled = theta.matrix(0)?.like(1, 2, &[2.0, 4.0])?;
/// theta.set_matrix(0, &doubled)?;
/// assert_eq!(theta.as_slice(), [2.0, 4.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::NoSuchPart`], [`Error::Shape`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no matrices, which metrics of whole tensors and chosen rules compute with",
    note = "for `Parameters` of `ambient_metric_ndarray` turn on its feature `matrices`"
)]
pub trait MatrixTensor: Tensor {
    /// Its matrices.
    type Matrix: MatrixPart<Element = Self::Element>;

    /// The part [as a matrix](crate::space::Part::as_matrix), which may share its memory.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPart`], and [`Error::Shape`] where the part has fewer than two axes.
    fn matrix(&self, part: usize) -> Result<Self::Matrix, Error>;

    /// Replaces a part by a matrix.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPart`], [`Error::Shape`].
    fn set_matrix(&mut self, part: usize, matrix: &Self::Matrix) -> Result<(), Error>;

    /// A part with three axes as matrices: one for every index of the first. The default goes by way of the host.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPart`], and [`Error::Shape`] where the part has not three axes.
    ///
    /// ```
    /// use ambient_metric::space::{MatrixPart, MatrixTensor};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let mut theta = Parameters::new([("heads", array![[[1.0_f64, 2.0]], [[3.0, 4.0]]].into_dyn())])?;
    /// let [first, second] = &theta.batch(0)?[..] else { return Err(ambient_metric::Error::Empty) };
    /// assert_eq!((second.rows(), second.columns(), second.to_host()?), (1, 2, vec![3.0, 4.0]));
    /// theta.set_batch(0, &[second.like(1, 2, &[5.0, 6.0])?, first.like(1, 2, &[7.0, 8.0])?])?;
    /// assert_eq!(theta.as_slice(), [5.0, 6.0, 7.0, 8.0]);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    fn batch(&self, part: usize) -> Result<Vec<Self::Matrix>, Error> {
        let parts = self.layout().parts();
        let found = parts.get(part).ok_or(Error::NoSuchPart { part, parts: parts.len() })?;
        let &[heads, rows, columns] = found.shape.as_slice() else {
            return Err(Error::Shape { name: found.name.clone(), expected: vec![0; 3], found: found.shape.clone() });
        };
        if rows.saturating_mul(columns) == 0 {
            return Ok(Vec::new());
        }
        let (whole, elements) = (self.matrix(part)?, self.read(part)?);
        elements.chunks(rows * columns).take(heads).map(|of_one| whole.like(rows, columns, of_one)).collect()
    }

    /// Replaces a part by a [`batch`](Self::batch). The default goes by way of the host.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchPart`], [`Error::Shape`].
    fn set_batch(&mut self, part: usize, matrices: &[Self::Matrix]) -> Result<(), Error> {
        let hosts = matrices.iter().map(MatrixPart::to_host).collect::<Result<Vec<_>, Error>>()?;
        self.write(part, &hosts.concat())
    }
}

/// A polynomial a x + b x³ + c x⁵ that drives singular values towards one.
///
/// # Mathematics
///
/// X ← aX + b(XXᵀ)X + c(XXᵀ)²X from X = M/‖M‖ leaves the singular vectors and takes every singular value σ to the polynomial of it. After five
/// steps of Muon's coefficients those of X that were above about 2·10⁻³ lie between 0.68 and 1.21; smaller ones are multiplied by up to
/// a⁵ ≈ 485. The smaller of the two Gram matrices is used: XᵀX where the matrix is tall.
///
/// # Example
///
/// ```
/// use ambient_metric::space::{MatrixPart, MatrixTensor, NewtonSchulz};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let m = Parameters::from(array![[3.0_f64, 4.0]]).matrix(0)?;
/// let polar = NewtonSchulz::default().polar(&m)?;
/// assert!((0.68..1.21).contains(&polar.norm()?));
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # References
///
/// K. Jordan and others, *Muon: An optimizer for hidden layers in neural networks*, 2024.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NewtonSchulz {
    /// The coefficients a, b and c.
    pub coefficients: [f64; 3],
    /// How often it is applied.
    pub steps: usize,
}

known_keys! { NewtonSchulz { coefficients, steps, .. } }

impl Default for NewtonSchulz {
    /// Muon's: five steps of (3.4445, −4.7750, 2.0315).
    fn default() -> Self {
        Self { coefficients: [3.4445, -4.7750, 2.0315], steps: 5 }
    }
}

impl NewtonSchulz {
    /// Approximately the polar factor (MMᵀ)^(−1/2) M = M (MᵀM)^(−1/2).
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where the device fails.
    pub fn polar<M: MatrixPart>(&self, matrix: &M) -> Result<M, Error> {
        let mut x = matrix.normalised()?;
        for _ in 0..self.steps {
            x = self.advance(&x, &self.even(&x)?)?;
        }
        Ok(x)
    }

    /// Approximately (MMᵀ)^(−1/2) for a wide matrix and (MᵀM)^(−1/2) for a tall one: what [`polar`](Self::polar) has multiplied M by. It is
    /// symmetric and positive definite for every M but zero, for which it is zero. A matrix whose norm is below the least normal number over
    /// the unit roundoff (2·10⁻³¹ for `f32`) counts as zero: its smaller entries have left the range, and its direction with them.
    ///
    /// # Errors
    ///
    /// [`Error::Overflow`] where ‖M‖ is not finite or so large that its inverse is not a normal number, [`Error::Backend`] where the device fails.
    pub fn inverse_root<M: MatrixPart>(&self, matrix: &M) -> Result<M, Error> {
        let [a, ..] = self.coefficients;
        let side = matrix.rows().min(matrix.columns());
        let norm = matrix.norm()?;
        // The entries of the root are at least 1/‖M‖ over eight.
        let largest = if M::Element::LEAST_NORMAL > 0.0 { 0.125 / M::Element::LEAST_NORMAL } else { f64::INFINITY };
        if !norm.is_finite() || norm.to_f64() > largest {
            return Err(Error::Overflow { quantity: "the norm of a matrix".to_owned() });
        }
        let is_zero = has_no_direction::<M::Element>(norm);
        let scale = if is_zero { <WideOf<M> as Field>::zero() } else { <WideOf<M> as Field>::one() / norm };
        let mut root = matrix.like(side, side, &scaled_identity::<M::Element>(side, scale))?;
        if is_zero {
            return Ok(root);
        }
        let mut x = matrix.normalised()?;
        for step in 0..self.steps {
            let even = self.even(&x)?;
            root = even.combine(Transpose::No, &root, Transpose::No, 1.0, Some((a, &root)))?;
            if step + 1 < self.steps {
                x = self.advance(&x, &even)?;
            }
        }
        Ok(root)
    }

    /// bG + cG² of the smaller Gram matrix G.
    fn even<M: MatrixPart>(&self, x: &M) -> Result<M, Error> {
        let [_, b, c] = self.coefficients;
        let (left, right) = if is_tall(x) { (Transpose::Yes, Transpose::No) } else { (Transpose::No, Transpose::Yes) };
        let gram = x.product(left, x, right)?;
        gram.combine(Transpose::No, &gram, Transpose::No, c, Some((b, &gram)))
    }

    /// aX + QX, or aX + XQ where X is tall.
    fn advance<M: MatrixPart>(&self, x: &M, even: &M) -> Result<M, Error> {
        let addend = Some((self.coefficients[0], x));
        if is_tall(x) {
            x.combine(Transpose::No, even, Transpose::No, 1.0, addend)
        } else {
            even.combine(Transpose::No, x, Transpose::No, 1.0, addend)
        }
    }
}

/// Whether a matrix of this norm is zero, or so small that entries which count have left the range of their type: those below its least normal number.
pub(crate) fn has_no_direction<E: Element>(norm: E::Wide) -> bool {
    let least = if E::ROUNDOFF > 0.0 { E::LEAST_NORMAL / E::ROUNDOFF } else { 0.0 };
    norm == <E::Wide as Field>::zero() || (norm - <E::Wide as Field>::constant(least)).is_negative()
}

/// Whether the shorter side is that of the columns.
pub(crate) fn is_tall<M: MatrixPart>(matrix: &M) -> bool {
    matrix.rows() > matrix.columns()
}

/// The elements of a multiple of the unit matrix.
pub(crate) fn scaled_identity<E: Element>(side: usize, scale: E::Wide) -> Vec<E> {
    let mut elements = vec![E::zero(); side.saturating_mul(side)];
    for element in elements.iter_mut().step_by(side.saturating_add(1)) {
        *element = E::narrow(scale);
    }
    elements
}
