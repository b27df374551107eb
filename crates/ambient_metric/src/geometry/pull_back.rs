//! The metric that the surface inherits from the ambient space.

use crate::ambient::ambient_metric::{AmbientMetric, Position, Product};
use crate::ambient::embedding::Embedding;
use crate::ambient::gram::Gram;
use crate::ambient::heights::{Height, Heights};
use crate::ambient::solve::{CouplingProducts, Lengths, Surface, Weights};
use crate::bundle;
use crate::error::{Error, require_non_negative};
use crate::geometry::bending::Bending;
use crate::number::bundle::Bundle;
use crate::number::scalar::{Element, Field, Real};
use crate::space::acts::Local;
use crate::space::kernel::{Kernel, Uniforms};
use crate::space::metric::Metric;
use crate::space::tensor::{Covector, Tensor, Vector, Wide, find_non_finite, weighed};

/// The metric that the surface of the heights h_A = √ξ_A f_A(L_A) inherits from the space it stands in.
///
/// Built over any [`Metric`] γ: by [`new`](Self::new) as the paper has it, from the gradient l, the slope f′ and ξ; by [`within`](Self::within) in any
/// [`AmbientMetric`], for one loss or K. Its inverse needs γ⁻¹ applied once and the inner products of few covectors, never a matrix.
///
/// # Mathematics
///
#[doc = include_str!("../../math/pull_back.html")]
///
/// # Requirements
///
/// ξ ≥ 0, and γ positive definite.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Euclidean, Identity, Metric, PullBack};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let gradient = Covector(Parameters::from(array![3.0_f64, 4.0]));
/// let state = Euclidean.begin(&gradient.0)?;
/// let gamma = Euclidean.at(&state);
/// let g = PullBack::new(gamma, gradient, 1.0, &Identity, 1.0)?;
///
/// assert_eq!(g.determinant_ratio(), 26.0);
/// assert_eq!(g.damping(), 1.0 / 26.0);
/// let step = g.step()?;
/// assert!((g.norm(&step)? - 5.0 / 26.0_f64.sqrt()).abs() < 1e-15);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # References
///
/// arXiv 2509.03594, eq. 7 (metric), 8 (inverse), 10, 13 and 14 (step).
#[derive(Debug)]
pub struct PullBack<T: Tensor, G, const K: usize = 1> {
    base: G,
    gradients: [Covector<T>; K],
    raised: [Vector<T>; K],
    /// The columns of C and these raised; none where C = 0.
    columns: Vec<(Covector<T>, Vector<T>)>,
    surface: Surface<Wide<T>, K>,
    second_slopes: [Wide<T>; K],
    /// ⟨l_A, l_B⟩.
    gram: Gram<Wide<T>, K>,
    bending: Bending<Wide<T>, K>,
}

impl<T: Tensor, G: Metric<T>> PullBack<T, G> {
    /// The pull-back of `base` at a point with this gradient and loss, in the paper's ambient space.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for ξ < 0, [`Error::LossOutsideDomain`], [`Error::NonFiniteGradient`],
    /// [`Error::NotPositiveDefinite`] where ⟨l, l⟩ < 0, [`Error::Overflow`] where ξ⟨l, l⟩ is not finite, and whatever `base`
    /// reports.
    pub fn new(
        base: G,
        gradient: Covector<T>,
        loss: Wide<T>,
        embedding: &impl Embedding,
        xi: f64,
    ) -> Result<Self, Error> {
        Self::of(base, &Height { embedding, xi }, &Product, None, [gradient], [loss], &[])
    }

    /// The gradient l.
    pub fn gradient(&self) -> &Covector<T> {
        let [gradient] = &self.gradients;
        gradient
    }

    /// l♯ = γ⁻¹l.
    pub fn raised_gradient(&self) -> &Vector<T> {
        let [raised] = &self.raised;
        raised
    }

    /// ξ.
    pub fn xi(&self) -> Wide<T> {
        self.surface.xi[0]
    }

    /// ξ⟨l, l⟩, with the length taken in γ.
    pub fn squared_length(&self) -> Wide<T> {
        self.xi() * self.gram.entry(0, 0)
    }

    /// The slope f′ of the embedding.
    pub fn slope(&self) -> Wide<T> {
        self.surface.slopes[0]
    }

    /// The derivative f″ of that slope.
    pub fn second_slope(&self) -> Wide<T> {
        self.second_slopes[0]
    }

    /// The damping r, the weight of l♯ in g⁻¹∂f: f′ / (1 + ξ f′²⟨l, l⟩) on the paper's surface.
    pub fn damping(&self) -> Wide<T> {
        let [damping] = self.weights().gradients;
        damping
    }

    /// The displacement of length ρ in g along which the loss rises most: the perturbation of Monge SAM.
    ///
    /// # Mathematics
    ///
    /// ρ g⁻¹l / √(lᵀg⁻¹l), on the paper's surface ρ l♯ / √(s (1 + ξf′²s)) with s = ⟨l, l⟩, which raises the loss by ρ √(s / (1 + ξf′²s)) to first order: never by
    /// more than ρ / (√ξ f′). Where the gradient is zero no direction is steepest, and the displacement is zero.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{BaseMetric, Covector, Euclidean, Identity, Metric, PullBack};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let gradient = Covector(Parameters::from(array![3.0_f64, 4.0]));
    /// let state = Euclidean.begin(&gradient.0)?;
    /// let g = PullBack::new(Euclidean.at(&state), gradient, 1.0, &Identity, 1.0)?;
    /// let perturbation = g.perturbation(0.05)?;
    /// assert!((g.norm(&perturbation)? - 0.05).abs() < 1e-16);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`] for ρ < 0, and where the backend fails.
    ///
    /// # References
    ///
    /// A. K. Jacobsen and G. Arvanitidis, *Monge SAM*, arXiv 2502.08448, where γ = 1, ξ = 1 and f is the identity.
    pub fn perturbation(&self, radius: f64) -> Result<Vector<T>, Error> {
        require_non_negative("radius", radius)?;
        let zero = <Wide<T> as Field>::zero();
        if !self.columns.is_empty() {
            let mut perturbation = self.raise(self.gradient())?;
            let along = self.gradient().contract(&perturbation)?;
            let scale = if along == zero { zero } else { Wide::<T>::constant(radius) / along.sqrt() };
            perturbation.scale(scale)?;
            return Ok(perturbation);
        }
        let length = self.gram.entry(0, 0);
        let mut perturbation = Vector(self.raised_gradient().0.duplicate()?);
        let scale = if length == zero {
            zero
        } else {
            // Roots apart, because the product of the radicands may leave the range of the type.
            let scale = Wide::<T>::constant(radius) / length.sqrt() / self.determinant_ratio().sqrt();
            self.surface.scale.map_or(scale, |a| scale / a.sqrt())
        };
        perturbation.scale(scale)?;
        Ok(perturbation)
    }
}

impl<T: Tensor, G: Metric<T>, const K: usize> PullBack<T, G, K> {
    /// The metric of the surface of K losses at a point of any ambient space. `parameters` and `state`, the state of the ambient metric by its slots
    /// (nothing for zero), are what its columns may depend on; their momentum is the gradient.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); [`Error::OutsideSpace`], [`Error::Coupling`] where the ambient form is no metric there, and [`Error::Operands`] for
    /// another number of tensors in `state`.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{BaseMetric, Covector, Euclidean, Height, Hyperbolic, Identity, Metric, PullBack};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// // At the height h = 2 of the half-space lengths are half of those of the flat space.
    /// let theta = Parameters::from(array![3.0_f64, 4.0]);
    /// let (state, height) = (Euclidean.begin(&theta)?, Height { embedding: Identity, xi: 1.0 });
    /// let gradient = Covector(theta.clone());
    /// let g = PullBack::within(Euclidean.at(&state), &height, &Hyperbolic, &theta, [gradient], [2.0], &[])?;
    /// let up = g.raise(g.gradient())?;
    /// assert!((g.norm(&up)? - 2.0 * 5.0 / 26.0_f64.sqrt()).abs() < 1e-14);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn within<H: Heights<K>, A: AmbientMetric<K>>(
        base: G,
        heights: &H,
        ambient: &A,
        parameters: &T,
        gradients: [Covector<T>; K],
        losses: [Wide<T>; K],
        state: &[T],
    ) -> Result<Self, Error> {
        Self::of(base, heights, ambient, Some(parameters), gradients, losses, state)
    }

    /// As [`within`](Self::within), without parameters where there are no columns that would read them.
    fn of<H: Heights<K>, A: AmbientMetric<K>>(
        base: G,
        heights: &H,
        ambient: &A,
        parameters: Option<&T>,
        gradients: [Covector<T>; K],
        losses: [Wide<T>; K],
        state: &[T],
    ) -> Result<Self, Error> {
        let slots = <A::State<T::Element> as Bundle<T::Element>>::LEN;
        if !state.is_empty() && state.len() != slots {
            return Err(Error::Operands { expected: slots, found: state.len() });
        }
        let xi = heights.xi();
        heights.validate()?;
        ambient.validate()?;
        heights.check(losses.map(Element::to_f64))?;
        gradients.iter().try_for_each(|gradient| find_non_finite(&gradient.0))?;

        let raised = try_map(&gradients, |gradient| base.raise(gradient))?;
        let columns = parameters.map(|parameters| columns::<T, A, K>(ambient, parameters, &gradients, state));
        let columns = columns
            .transpose()?
            .into_iter()
            .flatten()
            .map(|column| base.raise(&column).map(|raised| (column, raised)))
            .collect::<Result<Vec<_>, Error>>()?;
        let covectors: Vec<&Covector<T>> = gradients.iter().collect();
        let gram = inner::<T, K>(&covectors, |index| &raised[index])?;
        let coupling = if columns.is_empty() {
            None
        } else {
            let mut along = [[<Wide<T> as Field>::zero(); K]; K];
            for (row, raised) in along.iter_mut().zip(&raised) {
                for (entry, (column, _)) in row.iter_mut().zip(&columns) {
                    *entry = column.contract(raised)?;
                }
            }
            let covectors: Vec<&Covector<T>> = columns.iter().map(|(column, _)| column).collect();
            Some(CouplingProducts { along, between: inner::<T, K>(&covectors, |index| &columns[index].1)? })
        };
        let xi = xi.map(Wide::<T>::constant);
        let root_xi = xi.map(Real::sqrt);
        let values = heights.values(losses);
        let at = Position { losses, heights: core::array::from_fn(|loss| root_xi[loss] * values[loss]) };
        ambient.check(Position { losses: losses.map(Element::to_f64), heights: at.heights.map(Element::to_f64) })?;
        let memory = ambient.begin::<Wide<T>>();
        let (slopes, second_slopes) = (heights.slopes(losses), heights.second_slopes(losses));
        let surface = Surface {
            slopes,
            xi,
            root_xi,
            descended: ambient.descended(at),
            scale: ambient.scale(memory, at),
            block: ambient.block(memory, at),
            coupling,
        };
        let found = Self {
            bending: Bending::of(ambient, at, surface.weights(), (slopes, second_slopes), root_xi),
            base,
            gradients,
            raised,
            columns,
            surface,
            second_slopes,
            gram,
        };
        found.check()?;
        Ok(found)
    }

    fn check(&self) -> Result<(), Error> {
        for loss in 0..K {
            let length = self.gram.entry(loss, loss);
            if length.is_negative() {
                return Err(Error::NotPositiveDefinite { metric: "the base metric".to_owned() });
            }
            if !length.is_finite() || !(self.surface.xi[loss] * length).is_finite() {
                return Err(Error::Overflow { quantity: "the squared length of the gradient".to_owned() });
            }
        }
        let tilt = self.surface.tilt();
        if !tilt.is_finite() {
            return Err(Error::Overflow { quantity: "the squared length of the coupling covector".to_owned() });
        }
        if !(tilt - <Wide<T> as Field>::one()).is_negative() {
            return Err(Error::Coupling { squared_length: tilt.to_f64() });
        }
        Ok(())
    }

    /// The base metric γ.
    pub fn base(&self) -> &G {
        &self.base
    }

    /// The gradients l_A.
    pub fn gradients(&self) -> &[Covector<T>; K] {
        &self.gradients
    }

    /// l_A♯ = γ⁻¹l_A.
    pub fn raised_gradients(&self) -> &[Vector<T>; K] {
        &self.raised
    }

    /// det g / (aᴺ det γ): 1 + ξ f′²⟨l, l⟩ on the paper's surface.
    pub fn determinant_ratio(&self) -> Wide<T> {
        self.weights().determinant_ratio
    }

    /// √(det g / (aᴺ det γ)): on the paper's surface how much larger a patch of it is than its shadow on the parameters.
    pub fn volume_ratio(&self) -> Wide<T> {
        self.determinant_ratio().sqrt()
    }

    /// g⁻¹ Σ p_A l_A, for one loss r l♯: what a step of gradient descent on the surface multiplies by −η.
    ///
    /// # Errors
    ///
    /// Where the backend fails.
    pub fn step(&self) -> Result<Vector<T>, Error> {
        self.weighed(self.weights())
    }

    /// The inner products, of which none is averaged.
    fn lengths(&self) -> Lengths<Wide<T>, K> {
        let averaged = if K == 1 { self.gram.map(|length| self.surface.xi[0] * length) } else { self.gram };
        Lengths { present: self.gram, averaged }
    }

    fn weights(&self) -> Weights<Wide<T>, K> {
        self.surface.step(&self.lengths())
    }

    /// g⁻¹ Σ x_A l_A.
    pub(crate) fn raise_gradients(&self, weights: [Wide<T>; K]) -> Result<Vector<T>, Error> {
        let surface = Surface { descended: Some(weights), ..self.surface };
        self.weighed(surface.step(&self.lengths()))
    }

    /// Σ x_A l_A♯ + y_A c_A♯.
    fn weighed(&self, weights: Weights<Wide<T>, K>) -> Result<Vector<T>, Error> {
        let gradients = self.raised.iter().map(|raised| &raised.0).zip(weights.gradients);
        let columns = self.columns.iter().map(|(_, raised)| &raised.0).zip(weights.columns);
        weighed(gradients.chain(columns)).map(Vector)
    }

    pub(crate) fn surface(&self) -> &Surface<Wide<T>, K> {
        &self.surface
    }

    pub(crate) fn gram(&self) -> &Gram<Wide<T>, K> {
        &self.gram
    }

    pub(crate) fn bending(&self) -> &Bending<Wide<T>, K> {
        &self.bending
    }

    pub(crate) fn second_slopes(&self) -> [Wide<T>; K] {
        self.second_slopes
    }

    /// The columns of C; none where C = 0.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &Covector<T>> {
        self.columns.iter().map(|(column, _)| column)
    }
}

impl<T: Tensor, G: Metric<T>, const K: usize> Metric<T> for PullBack<T, G, K> {
    /// a⁻¹[x♯ − γ⁻¹U (1 + MΓ)⁻¹ M Uᵀx♯], on the paper's surface γ⁻¹x − l♯ ξf′²⟨l, x⟩ / (1 + ξf′²⟨l, l⟩).
    ///
    /// For one loss without coupling, with c = ⟨l, x⟩ / ⟨l, l⟩ and d = 1 / (1 + w²b⟨l, l⟩), it is computed as d x♯ + (1 − d)(x♯ − c l♯): nothing cancels
    /// where x is parallel to l.
    fn raise(&self, covector: &Covector<T>) -> Result<Vector<T>, Error> {
        let mut raised = self.base.raise(covector)?;
        let (zero, one) = (<Wide<T> as Field>::zero(), <Wide<T> as Field>::one());
        if let ([gradient], []) = (self.raised.as_slice(), self.columns.as_slice()) {
            let length = self.gram.entry(0, 0);
            if length != zero {
                let shrinking = one / self.determinant_ratio();
                let mut rest = Vector(raised.0.duplicate()?);
                rest.add_scaled(-(covector.contract(gradient)? / length), gradient)?;
                raised.scale(shrinking)?;
                raised.add_scaled(one - shrinking, &rest)?;
            }
        } else {
            let mut along = [[zero; K]; 2];
            for (product, gradient) in along[0].iter_mut().zip(&self.gradients) {
                *product = gradient.contract(&raised)?;
            }
            for (product, (column, _)) in along[1].iter_mut().zip(&self.columns) {
                *product = column.contract(&raised)?;
            }
            let (taken, _) = self.surface.taken(&self.lengths(), along);
            for (weight, vector) in taken[0].iter().zip(&self.raised) {
                raised.add_scaled(-*weight, vector)?;
            }
            for (weight, (_, vector)) in taken[1].iter().zip(&self.columns) {
                raised.add_scaled(-*weight, vector)?;
            }
        }
        if let Some(scale) = self.surface.scale {
            raised.scale(one / scale)?;
        }
        Ok(raised)
    }

    /// a (γv + U M Uᵀv), on the paper's surface γv + l ξf′² l·v.
    fn lower(&self, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        let mut lowered = self.base.lower(vector)?;
        let mut along = [[<Wide<T> as Field>::zero(); K]; 2];
        for (product, gradient) in along[0].iter_mut().zip(&self.gradients) {
            *product = gradient.contract(vector)?;
        }
        for (product, (column, _)) in along[1].iter_mut().zip(&self.columns) {
            *product = column.contract(vector)?;
        }
        let [gradients, columns] = self.surface.risen(along);
        for (weight, gradient) in gradients.iter().zip(&self.gradients) {
            lowered.add_scaled(*weight, gradient)?;
        }
        for (weight, (column, _)) in columns.iter().zip(&self.columns) {
            lowered.add_scaled(*weight, column)?;
        }
        if let Some(scale) = self.surface.scale {
            lowered.scale(scale)?;
        }
        Ok(lowered)
    }

    fn log_determinant(&self) -> Result<Wide<T>, Error> {
        let of_base = self.base.log_determinant()?;
        let (surface, gram) = (&self.surface, &self.gram);
        let ratio = if K == 1 && self.columns.is_empty() {
            // Accurate where the surface is nearly flat.
            let bent = surface.slopes[0] * surface.slopes[0] * (surface.xi[0] * gram.entry(0, 0));
            surface.block.map_or(bent, |block| block.entry(0, 0) * bent).ln_1p()
        } else {
            self.determinant_ratio().ln()
        };
        let Some(scale) = surface.scale else { return Ok(of_base + ratio) };
        let count = self.gradients.first().map_or(0, |gradient| gradient.0.layout().elements());
        Ok(of_base + ratio + Wide::<T>::constant(count as f64) * scale.ln())
    }
}

/// ⟨x_A, x_B⟩ of K covectors, of which the raised are given.
fn inner<'v, T: Tensor + 'v, const K: usize>(
    covectors: &[&Covector<T>],
    raised: impl Fn(usize) -> &'v Vector<T>,
) -> Result<Gram<Wide<T>, K>, Error> {
    let mut entries = [[<Wide<T> as Field>::zero(); K]; K];
    for (row, (covector, entries)) in covectors.iter().zip(&mut entries).enumerate() {
        for (column, entry) in entries.iter_mut().enumerate().take(row + 1) {
            *entry = covector.contract(raised(column))?;
        }
    }
    Ok(Gram::from_entries(|row, column| entries[row][column]))
}

/// What a function makes of every element of an array.
fn try_map<A, B, const K: usize>(of: &[A; K], f: impl Fn(&A) -> Result<B, Error>) -> Result<[B; K], Error> {
    let made = of.iter().map(f).collect::<Result<Vec<B>, Error>>()?;
    made.try_into().map_err(|_| Error::Empty)
}

bundle! {
    /// Where columns are written, beside what they depend on.
    nested struct Beside<C, L, P> { written: C, local: L, state: P }
}

/// The columns of an ambient metric.
#[derive(Clone)]
struct Written<'a, A, const K: usize>(&'a A);

impl<A: AmbientMetric<K>, const K: usize> Kernel for Written<'_, A, K> {
    type Uniform<S: Real> = ();
    type Input<S: Real> = Beside<A::Columns<S>, Local<S, [S; K]>, A::State<S>>;
    type Output<S: Real> = A::Columns<S>;

    #[inline(always)]
    fn evaluate<S: Real>(&self, (): (), input: Self::Input<S>) -> A::Columns<S> {
        self.0.columns(input.state, input.local)
    }
}

/// The columns of C as tensors.
fn columns<T: Tensor, A: AmbientMetric<K>, const K: usize>(
    ambient: &A,
    parameters: &T,
    gradients: &[Covector<T>; K],
    state: &[T],
) -> Result<Vec<Covector<T>>, Error> {
    let zeros = |count: usize| (0..count).map(|_| parameters.zeros_like()).collect::<Result<Vec<T>, Error>>();
    let mut columns = zeros(<A::Columns<T::Element> as Bundle<T::Element>>::LEN)?;
    if let Some((first, rest)) = columns.split_first_mut() {
        let none = zeros(if state.is_empty() { <A::State<T::Element> as Bundle<T::Element>>::LEN } else { 0 })?;
        let gradients = || gradients.iter().map(|gradient| &gradient.0);
        // The momentum is the gradient.
        let reads: Vec<&T> =
            core::iter::once(parameters).chain(gradients()).chain(gradients()).chain(state).chain(&none).collect();
        T::update(&Written::<A, K>(ambient), Uniforms::same(&()), first, rest, &reads)?;
    }
    Ok(columns.into_iter().map(Covector).collect())
}
