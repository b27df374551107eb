//! Curvature: how the loss surface bends, from products of the Hessian with vectors.

use crate::ambient::solve::Factors;
use crate::error::Error;
use crate::geometry::hessian::{elements, require_finite, unit};
use crate::geometry::pull_back::PullBack;
use crate::number::scalar::{Element, Field, Real};
use crate::space::layout::Layout;
use crate::space::metric::Metric;
use crate::space::tensor::{Covector, Tensor, Vector, Wide, add_scaled, first_non_finite, weighed};

/// Vectors whose angle in γ has a sine below 2⁻²⁰ span no plane: in single precision it is all rounding.
const LEAST_SQUARED_SINE: f64 = 1.0 / (1_u64 << 40) as f64;

/// The bending of a loss surface at a point: Christoffel symbols, curvatures and geodesics.
///
/// Made by [`PullBack::curvature`] from products of the Hessian with vectors. Nothing here but what is named as such needs the whole
/// Hessian: one product does for Christoffel symbols along two vectors, two for the curvature of a plane.
///
/// # Mathematics
///
/// The surface h = √ξ f(𝓛(θ)) stands over flat parameters: γ is taken as constant near the point. H is the Hessian of the loss, K that of f∘𝓛, by
/// the chain rule, and in the paper's ambient space everything below is a multiple of it:
///
#[doc = include_str!("../../math/curvature.html")]
///
/// For the Christoffel symbols put ∂_i g_jm = ξ (K_ij f′l_m + f′l_j K_im) into their definition: two of the three pairs cancel, ξ K_ij f′l_m stays, and
/// g⁻¹ takes f′l to r l♯. II is the part of the second derivative (0, √ξ K) of the surface along its unit normal (−√ξ f′l♯, 1)/√W. The ambient
/// space is flat, so Gauss's equation gives all of the curvature. With f = identity, K is H, and Γ = ξ H l♯ / (1 + ξ⟨l, l⟩).
///
/// In any [`AmbientMetric`](crate::AmbientMetric) G that depends on the heights, and for K of them, Γ(u, v) = g⁻¹G(∇_u v, ·) with the ambient
/// connection ∇ of the tangent vectors, II_A(u, v) = n_A(∇_u v) for the normals n_A = dh_A − w_A l_A, Q = n G⁻¹ nᵀ, and
///
/// R(u, v, v, u) = R_G(u, v, v, u) + Σ_AB (Q⁻¹)_AB (II_A(u, u) II_B(v, v) − II_A(u, v) II_B(u, v)).
///
/// The derivatives of a and B come from dual numbers. Of one height the curvature R_G is that of a warped product; of several it is known where it is
/// zero: where a is constant and B too, or diagonal and each element of its own height. Columns of C must be constant, and a and B with them. Anything
/// else is [`Error::UnknownCurvature`].
///
/// # Requirements
///
/// γ does not depend on the parameters, and f is twice differentiable at the loss. Products are those of the Hessian of the loss itself, not of
/// f∘𝓛; the chain rule is applied here.
///
/// # Example
///
/// The paraboloid h = (x² + y²)/2, whose Gaussian curvature is 1/(1 + r²)²:
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Euclidean, Identity, PullBack, Vector};
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let gradient = Covector(Parameters::from(array![1.0_f64, 2.0]));
/// let state = Euclidean.begin(&gradient.0)?;
/// let g = PullBack::new(Euclidean.at(&state), gradient, 2.5, &Identity, 1.0)?;
///
/// // H = 1, so a product with it is the vector itself.
/// let mut curvature = g.curvature(|v: &Vector<_>| Ok(Covector(v.0.clone())))?;
/// assert!((curvature.gaussian_curvature()? - 1.0 / 36.0).abs() < 1e-16);
///
/// let v = Vector(Parameters::from(array![0.5, 0.0]));
/// let gamma = curvature.christoffel(&v, &v)?;
/// assert!((gamma.0.as_slice()[1] - 0.25 * 2.0 / 6.0).abs() < 1e-16);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// Every method passes on what the closure reports, refuses products that are not finite ([`Error::NonFiniteHessian`]), results that are not
/// ([`Error::Overflow`]) and tensors of another layout.
///
/// # References
///
/// M. P. do Carmo, *Riemannian Geometry*, 1992: chapter 2 (Christoffel symbols), 6 (second fundamental form, Gauss's equation).
/// arXiv 2509.03594, eq. 7: the metric whose derivatives these are.
pub struct Curvature<'a, T: Tensor, G, F, const K: usize = 1> {
    surface: &'a PullBack<T, G, K>,
    hessian: F,
}

impl<T: Tensor, G, F, const K: usize> core::fmt::Debug for Curvature<'_, T, G, F, K> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Curvature").finish_non_exhaustive()
    }
}

impl<T: Tensor, G: Metric<T>> PullBack<T, G> {
    /// The curvature at this point, from products v ↦ Hv with the Hessian of the loss.
    ///
    /// # Example
    ///
    /// From a matrix, as [`DenseHessian::product`](crate::geometry::DenseHessian::product):
    ///
    /// ```
    /// use ambient_metric::{BaseMetric, Covector, Euclidean, Log, PullBack};
    /// use ambient_metric::geometry::DenseHessian;
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// // L = x² + 2y² at (1, 1).
    /// let gradient = Covector(Parameters::from(array![2.0_f64, 4.0]));
    /// let hessian = DenseHessian::new(&gradient.0, &[2.0, 0.0, 0.0, 4.0])?;
    /// let state = Euclidean.begin(&gradient.0)?;
    /// let g = PullBack::new(Euclidean.at(&state), gradient, 3.0, &Log, 1.0)?;
    /// // The logarithm of a bowl is a funnel: it bends inwards across and outwards along, like a saddle.
    /// assert!(g.curvature(|v| hessian.product(v))?.gaussian_curvature()? < 0.0);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Overflow`] where f″ is not finite at the loss.
    #[allow(clippy::type_complexity, reason = "a closure has no name")]
    pub fn curvature<F>(
        &self,
        mut hessian: F,
    ) -> Result<Curvature<'_, T, G, impl FnMut(usize, &Vector<T>) -> Result<Covector<T>, Error>>, Error>
    where
        F: FnMut(&Vector<T>) -> Result<Covector<T>, Error>,
    {
        self.curvature_of(move |_, vector: &Vector<T>| hessian(vector))
    }
}

impl<T: Tensor, G: Metric<T>, const K: usize> PullBack<T, G, K> {
    /// The curvature at this point of the surface of K losses, from products v ↦ H_A v with the Hessian of the loss A, counted from zero.
    ///
    /// # Errors
    ///
    /// [`Error::Overflow`] where f″_A is not finite, and [`Error::UnknownCurvature`] for columns that are not constant, or that stand beside a or B
    /// which are not.
    pub fn curvature_of<F>(&self, hessians: F) -> Result<Curvature<'_, T, G, F, K>, Error>
    where
        F: FnMut(usize, &Vector<T>) -> Result<Covector<T>, Error>,
    {
        if !self.second_slopes().into_iter().all(Element::is_finite) {
            return Err(Error::Overflow { quantity: "the second derivative of the embedding".to_owned() });
        }
        let bending = self.bending();
        if self.columns().next().is_some() && !(bending.has_constant_columns && bending.is_none()) {
            return Err(Error::UnknownCurvature {
                what: "columns that are not constant, or beside a or B that are not",
            });
        }
        Ok(Curvature { surface: self, hessian: hessians })
    }
}

impl<T, G, F, const K: usize> Curvature<'_, T, G, F, K>
where
    T: Tensor,
    G: Metric<T>,
    F: FnMut(usize, &Vector<T>) -> Result<Covector<T>, Error>,
{
    /// f′_A H_A v + f″_A l_A (l_A·v), the Hessian of f_A∘𝓛_A applied to a vector.
    ///
    /// # Errors
    ///
    /// [`Error::Losses`] where there is no such loss; see [`Curvature`].
    pub fn embedded_hessian_of(&mut self, loss: usize, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        let gradient = self.surface.gradients().get(loss).ok_or(Error::Losses { expected: K, found: loss + 1 })?;
        let along = gradient.contract(vector)?;
        let mut product = (self.hessian)(loss, vector)?;
        gradient.0.layout().check(product.0.layout())?;
        require_finite(&product)?;
        product.scale(self.surface.surface().slopes[loss])?;
        product.add_scaled(self.surface.second_slopes()[loss] * along, gradient)?;
        Ok(product)
    }

    /// Γ(u, v)ᵏ = Γᵏ_ij uⁱvʲ, in the paper's ambient space ξ r K(u, v) (l♯)ᵏ.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn christoffel(&mut self, u: &Vector<T>, v: &Vector<T>) -> Result<Vector<T>, Error> {
        let surface = self.surface.surface();
        let (weights, block) = (surface.weights(), surface.block());
        let mut bends = [<Wide<T> as Field>::zero(); K];
        for (loss, bend) in bends.iter_mut().enumerate() {
            *bend = self.embedded_hessian_of(loss, v)?.contract(u)?;
        }
        let one = <Wide<T> as Field>::one();
        let scale = surface.scale.unwrap_or(one);
        // What g⁻¹ is applied to, along the gradients: a Σ w_B B_AB √ξ_A K_A(u, v), with √ξ_A√ξ_A = ξ_A where that is a factor.
        let mut along = [<Wide<T> as Field>::zero(); K];
        for (row, along) in along.iter_mut().enumerate() {
            for (column, &bend) in bends.iter().enumerate() {
                let roots = self.roots(row, column);
                if row == column || surface.block.is_some() {
                    *along = *along + scale * surface.slopes[row] * roots * block.entry(row, column) * bend;
                }
            }
        }
        let bending = self.surface.bending();
        if bending.is_none() {
            for along in &along {
                finite("the Christoffel symbols", *along)?;
            }
            let mut symbol = self.surface.raise_gradients(along)?;
            if self.surface.columns().next().is_some() {
                let weights = surface.root_xi.iter().zip(&bends).map(|(&root, &bend)| scale * root * bend);
                let columns = weighed(self.surface.columns().map(|column| &column.0).zip(weights))?;
                symbol.add_scaled(one, &self.surface.raise(&Covector(columns))?)?;
            }
            return Ok(symbol);
        }
        let (rise_u, rise_v) = (self.rise(u)?, self.rise(v)?);
        let flat = self.surface.base().inner(u, v)?;
        for (loss, along) in along.iter_mut().enumerate() {
            *along = *along + weights[loss] * self.turn(loss, &rise_u, &rise_v, flat);
        }
        along.iter().try_for_each(|&weight| finite("the Christoffel symbols", weight).map(|_| ()))?;
        let gradients = self.surface.gradients().iter().map(|gradient| &gradient.0);
        let mut lowered = Covector(weighed(gradients.zip(along))?);
        let half = Wide::<T>::constant(0.5);
        lowered.add_scaled(half * dot(&bending.scale, &rise_u), &self.surface.base().lower(v)?)?;
        lowered.add_scaled(half * dot(&bending.scale, &rise_v), &self.surface.base().lower(u)?)?;
        self.surface.raise(&lowered)
    }

    /// All Christoffel symbols, in a flat ambient space without columns from one product per parameter and loss.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn christoffel_symbols(&mut self) -> Result<Christoffel<Wide<T>>, Error> {
        let layout = self.layout();
        let size = layout.elements();
        let is_flat = self.surface.bending().is_none() && self.surface.columns().next().is_none();
        let mut terms = Vec::new();
        if is_flat && self.surface.surface().block.is_none() {
            for loss in 0..K {
                let mut form = Vec::with_capacity(size * size);
                for index in 0..size {
                    form.extend(elements(&self.embedded_hessian_of(loss, &self.unit(index)?)?.0)?);
                }
                let mut along = [<Wide<T> as Field>::zero(); K];
                let surface = self.surface.surface();
                along[loss] = surface.scale.unwrap_or_else(Field::one) * surface.slopes[loss] * surface.xi[loss];
                finite("the Christoffel symbols", along[loss])?;
                terms.push((elements(&self.surface.raise_gradients(along)?.0)?, form));
            }
            return Ok(Christoffel { layout, terms });
        }
        let mut forms = vec![vec![<Wide<T> as Field>::zero(); size * size]; size];
        for i in 0..size {
            for j in 0..=i {
                let symbol = elements(&self.christoffel(&self.unit(i)?, &self.unit(j)?)?.0)?;
                for (form, entry) in forms.iter_mut().zip(symbol) {
                    form[i * size + j] = entry;
                    form[j * size + i] = entry;
                }
            }
        }
        for (index, form) in forms.into_iter().enumerate() {
            terms.push((elements(&self.unit(index)?.0)?, form));
        }
        Ok(Christoffel { layout, terms })
    }

    /// The sectional curvature of the plane that two vectors span.
    ///
    /// With w = v minus its part along u in γ, the same plane has for one loss the area a²(‖u‖²‖w‖² + w²b(‖w‖²(l·u)² + ‖u‖²(l·w)²)) in g, lengths
    /// taken in γ: nothing cancels there.
    ///
    /// # Errors
    ///
    /// [`Error::NoDirection`] where a vector has length zero, [`Error::NoPlane`] where the sine of their angle in γ is below 2⁻²⁰; see
    /// [`Curvature`].
    pub fn sectional_curvature(&mut self, u: &Vector<T>, v: &Vector<T>) -> Result<Wide<T>, Error> {
        let zero = <Wide<T> as Field>::zero();
        let base = self.surface.base();
        let lowered = base.lower(u)?;
        let (uu, uv, vv) = (lowered.contract(u)?, lowered.contract(v)?, base.inner(v, v)?);
        if uu == zero || vv == zero {
            return Err(Error::NoDirection { quantity: "plane" });
        }
        let mut w = Vector(v.0.duplicate()?);
        w.add_scaled(-(uv / uu), u)?;
        let ww = base.inner(&w, &w)?;
        if !(Wide::<T>::constant(LEAST_SQUARED_SINE) * vv - ww).is_negative() {
            return Err(Error::NoPlane);
        }
        let surface = self.surface.surface();
        let area = if let ([gradient], None) = (self.surface.gradients().as_slice(), &surface.coupling) {
            let (climb_u, climb_w) = (gradient.contract(u)?, gradient.contract(&w)?);
            let weight = surface.xi[0] * surface.slopes[0] * surface.slopes[0] * surface.block().entry(0, 0);
            let area = uu * ww + weight * (ww * climb_u * climb_u + uu * climb_w * climb_w);
            surface.scale.map_or(area, |scale| scale * scale * area)
        } else {
            let (gu, gw, mixed) = (self.surface.inner(u, u)?, self.surface.inner(&w, &w)?, self.surface.inner(u, &w)?);
            gu * gw - mixed * mixed
        };
        let normals = self.normals();
        let mut forms = [[zero; 3]; K];
        for (loss, form) in forms.iter_mut().enumerate() {
            let (along_u, along_w) = (self.normal_part(loss, u)?, self.normal_part(loss, &w)?);
            *form = [along_u.contract(u)?, along_u.contract(&w)?, along_w.contract(&w)?];
        }
        let mut bend = self.ambient_curvature(u, &w, [uu, ww])?;
        for (row, a) in normals.iter().zip(&forms) {
            for (&weight, b) in row.iter().zip(&forms) {
                bend = bend + weight * (a[0] * b[2] - a[1] * b[1]);
            }
        }
        finite("the sectional curvature", bend / area)
    }

    /// The scalar curvature, in a flat ambient space twice the sum of the products of the principal ones in pairs, from one product per parameter
    /// and loss.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn scalar_curvature(&mut self) -> Result<Wide<T>, Error> {
        finite("the scalar curvature", self.scalar()?)
    }

    /// The Gaussian curvature of a surface over two parameters, in the paper's ambient space ξ det K / (det γ · W²).
    ///
    /// # Errors
    ///
    /// [`Error::Dimension`] where there are not two parameters; see [`Curvature`].
    pub fn gaussian_curvature(&mut self) -> Result<Wide<T>, Error> {
        let found = self.layout().elements();
        if found != 2 {
            return Err(Error::Dimension { quantity: "Gaussian curvature", needed: "two", found });
        }
        finite("the Gaussian curvature", Wide::<T>::constant(0.5) * self.scalar()?)
    }

    /// Where the geodesic with this initial velocity is after a unit of time, to second order: v − ½Γ(v, v), seen from the point.
    ///
    /// The error is of third order in v. The velocity there is v − Γ(v, v), also to second order.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn geodesic_displacement(&mut self, velocity: &Vector<T>) -> Result<Vector<T>, Error> {
        let bend = self.christoffel(velocity, velocity)?;
        let mut displacement = Vector(velocity.0.duplicate()?);
        displacement.add_scaled(-Wide::<T>::constant(0.5), &bend)?;
        Ok(displacement)
    }

    /// One step along the geodesic: θ ← θ + v − ½Γ(v, v).
    ///
    /// With v = −η g⁻¹∂f, [`PullBack::step`] times −η, it is a step of gradient descent that bends with the surface. It is accurate while
    /// Γ(v, v) is short beside v.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{BaseMetric, Covector, Euclidean, Identity, PullBack, Vector};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// // L = (x² + y²)/2, whose gradient is θ and whose Hessian is 1.
    /// let mut theta = Parameters::from(array![3.0_f64, 4.0]);
    /// let state = Euclidean.begin(&theta)?;
    /// for _ in 0..500 {
    ///     let loss = theta.iter().map(|x| x * x / 2.0).sum();
    ///     let g = PullBack::new(Euclidean.at(&state), Covector(theta.clone()), loss, &Identity, 0.1)?;
    ///     let mut velocity = g.step()?;
    ///     velocity.scale(-0.2)?;
    ///     g.curvature(|v: &Vector<_>| Ok(Covector(v.0.clone())))?.geodesic_step(&mut theta, &velocity)?;
    /// }
    /// assert!(theta.iter().all(|x| x.abs() < 1e-6));
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`Curvature`]. The parameters are then as they were.
    pub fn geodesic_step(&mut self, parameters: &mut T, velocity: &Vector<T>) -> Result<(), Error> {
        let displacement = self.geodesic_displacement(velocity)?;
        if first_non_finite(&displacement.0)?.is_some() {
            return Err(Error::Overflow { quantity: "the geodesic step".to_owned() });
        }
        add_scaled(parameters, <Wide<T> as Field>::one(), &displacement.0)
    }

    /// √ξ_A√ξ_B, which is ξ_A on the diagonal.
    fn roots(&self, row: usize, column: usize) -> Wide<T> {
        let surface = self.surface.surface();
        if row == column { surface.xi[row] } else { surface.root_xi[row] * surface.root_xi[column] }
    }

    /// w_A l_A·v, how fast the heights rise along a vector.
    fn rise(&self, vector: &Vector<T>) -> Result<[Wide<T>; K], Error> {
        let mut rise = self.surface.surface().weights();
        for (rise, gradient) in rise.iter_mut().zip(self.surface.gradients()) {
            *rise = *rise * gradient.contract(vector)?;
        }
        Ok(rise)
    }

    /// F_B(u, v): the first kind of the ambient Christoffel symbols along h_B, from the rises of two tangent vectors and γ(u, v).
    #[allow(clippy::needless_range_loop, reason = "a form is summed by its indices")]
    fn turn(&self, height: usize, u: &[Wide<T>; K], v: &[Wide<T>; K], flat: Wide<T>) -> Wide<T> {
        let bending = self.surface.bending();
        let mut sum = -bending.scale[height] * flat;
        for c in 0..K {
            for d in 0..K {
                sum = sum + bending.turned(height, c, d) * u[c] * v[d];
            }
        }
        Wide::<T>::constant(0.5) * sum
    }

    /// Whether √ξ can stay out of the second fundamental forms, so that it need not be a number of the type.
    fn is_plain(&self) -> bool {
        K == 1 && self.surface.bending().is_none()
    }

    /// II_A(·, v), or without its factor √ξ where the surface is [plain](Self::is_plain).
    fn normal_part(&mut self, loss: usize, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        let mut part = self.embedded_hessian_of(loss, vector)?;
        if self.is_plain() {
            return Ok(part);
        }
        let surface = self.surface.surface();
        part.scale(surface.root_xi[loss])?;
        let bending = self.surface.bending();
        if bending.is_none() {
            return Ok(part);
        }
        // (aB)⁻¹ F, whose first argument is open, and what the parameters turn.
        let (half, scale) = (Wide::<T>::constant(0.5), surface.scale.unwrap_or_else(Field::one));
        let rise = self.rise(vector)?;
        let factors = Factors::of(&surface.block());
        let mut unit = [<Wide<T> as Field>::zero(); K];
        unit[loss] = <Wide<T> as Field>::one();
        let inverse = factors.solve(unit).map(|entry| entry / scale);
        let weights = surface.weights();
        let climb = self.surface.gradients()[loss].contract(vector)?;
        let mut along = [<Wide<T> as Field>::zero(); K];
        let mut flat = <Wide<T> as Field>::zero();
        for (height, &inverse) in inverse.iter().enumerate() {
            for (c, along) in along.iter_mut().enumerate() {
                let mut turned = <Wide<T> as Field>::zero();
                for (d, &rise) in rise.iter().enumerate() {
                    turned = turned + bending.turned(height, c, d) * rise;
                }
                *along = *along + half * inverse * turned * weights[c];
            }
            flat = flat - half * inverse * bending.scale[height];
        }
        let drift = half * weights[loss] / scale;
        for (c, along) in along.iter_mut().enumerate() {
            *along = *along - drift * climb * bending.scale[c] * weights[c];
        }
        along[loss] = along[loss] - drift * dot(&bending.scale, &rise);
        for (weight, gradient) in along.iter().zip(self.surface.gradients()) {
            part.add_scaled(*weight, gradient)?;
        }
        part.add_scaled(flat, &self.surface.base().lower(vector)?)?;
        Ok(part)
    }

    /// (Q⁻¹)_AB, times ξ where the surface is [plain](Self::is_plain).
    fn normals(&self) -> [[Wide<T>; K]; K] {
        let surface = self.surface.surface();
        let factors = Factors::of(&surface.normals(self.surface.gram()));
        core::array::from_fn(|row| {
            let mut unit = [<Wide<T> as Field>::zero(); K];
            unit[row] = if self.is_plain() { surface.xi[row] } else { <Wide<T> as Field>::one() };
            factors.solve(unit)
        })
    }

    /// R_G(u, w, w, u) of the ambient space, for tangent vectors over u and w that are orthogonal in γ.
    fn ambient_curvature(&self, u: &Vector<T>, w: &Vector<T>, [uu, ww]: [Wide<T>; 2]) -> Result<Wide<T>, Error> {
        let Some([flat, mixed]) = self.warping()? else { return Ok(<Wide<T> as Field>::zero()) };
        let (rise_u, rise_w) = (self.rise(u)?[0], self.rise(w)?[0]);
        Ok(-(flat * uu * ww + mixed * (uu * rise_w * rise_w + ww * rise_u * rise_u)))
    }

    /// Minus the curvatures of the ambient space along two parameters, and along a parameter and the height; nothing where it is flat.
    fn warping(&self) -> Result<Option<[Wide<T>; 2]>, Error> {
        let (bending, surface) = (self.surface.bending(), self.surface.surface());
        if bending.is_none() {
            return Ok(None);
        }
        let zero = <Wide<T> as Field>::zero();
        if K > 1 {
            let is_straight = |c: usize| {
                let mut entries = (0..K).flat_map(|row| (0..K).map(move |column| (row, column)));
                bending.scale[c] == zero
                    && entries
                        .all(|(row, column)| row == c && column == c || bending.block[c].entry(row, column) == zero)
            };
            if (0..K).all(is_straight) {
                return Ok(None);
            }
            return Err(Error::UnknownCurvature { what: "several heights whose metric depends on others" });
        }
        let a = surface.scale.unwrap_or_else(Field::one);
        let (a1, a2) = (bending.scale[0], bending.second[0]);
        let (b, b1) = (a * surface.block().entry(0, 0), bending.block[0].entry(0, 0));
        let quarter = Wide::<T>::constant(0.25);
        let flat = quarter * a1 * a1 / b;
        let mixed = Wide::<T>::constant(0.5) * a2 - quarter * (a1 * a1 / a + a1 * b1 / b);
        Ok(Some([flat, mixed]))
    }

    /// The scalar curvature, whatever it is.
    fn scalar(&mut self) -> Result<Wide<T>, Error> {
        let normals = self.normals();
        let mut shapes = Vec::with_capacity(K);
        for loss in 0..K {
            shapes.push(self.shape(loss)?);
        }
        let mut pairs = <Wide<T> as Field>::zero();
        for (row, a) in normals.iter().zip(&shapes) {
            for (&weight, b) in row.iter().zip(&shapes) {
                pairs = pairs + weight * minors(a, b);
            }
        }
        let of_surface = Wide::<T>::constant(2.0) * pairs;
        let Some([flat, mixed]) = self.warping()? else { return Ok(of_surface) };
        let count = |number: usize| Wide::<T>::constant(number as f64);
        let (surface, size) = (self.surface.surface(), self.layout().elements());
        let (a, ratio) = (surface.scale.unwrap_or_else(Field::one), self.surface.determinant_ratio());
        let climb = surface.xi[0] * surface.slopes[0] * surface.slopes[0] * self.surface.gram().entry(0, 0);
        let two = Wide::<T>::constant(2.0);
        let planes = flat * (count(size) - two + two / ratio) + two * mixed * climb / ratio;
        Ok(of_surface - (count(size) - <Wide<T> as Field>::one()) * planes / (a * a))
    }

    fn layout(&self) -> Layout {
        self.surface
            .gradients()
            .first()
            .map_or_else(|| Layout::single("", vec![0]), |gradient| gradient.0.layout().clone())
    }

    /// The basis vector of an element.
    fn unit(&self, index: usize) -> Result<Vector<T>, Error> {
        let gradient = self.surface.gradients().first().ok_or(Error::Empty)?;
        Ok(Vector(unit(&gradient.0, index)?))
    }

    /// g⁻¹II_A, without the root of Q⁻¹, column by column.
    fn shape(&mut self, loss: usize) -> Result<Vec<Vec<Wide<T>>>, Error> {
        let size = self.layout().elements();
        let column = |index| {
            let bend = self.normal_part(loss, &self.unit(index)?)?;
            elements(&self.surface.raise(&bend)?.0)
        };
        (0..size).map(column).collect()
    }
}

impl<T, G, F> Curvature<'_, T, G, F>
where
    T: Tensor,
    G: Metric<T>,
    F: FnMut(usize, &Vector<T>) -> Result<Covector<T>, Error>,
{
    /// K v = f′Hv + f″ l (l·v), the Hessian of f∘𝓛 applied to a vector.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn embedded_hessian(&mut self, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        self.embedded_hessian_of(0, vector)
    }

    /// The second fundamental form along the unit normal, II(u, v): how fast the surface leaves its tangent plane. In the paper's ambient space
    /// √(ξ/W) K(u, v).
    ///
    /// It is positive where the height bends upwards, because the normal is the one that points up.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn second_fundamental_form(&mut self, u: &Vector<T>, v: &Vector<T>) -> Result<Wide<T>, Error> {
        let bend = self.normal_part(0, v)?.contract(u)?;
        finite("the second fundamental form", self.normal_root() * bend)
    }

    /// The shape operator S(v) = g⁻¹ II(v, ·): minus the derivative of the unit normal along v.
    ///
    /// Its eigenvalues are the principal curvatures.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn shape_operator(&mut self, vector: &Vector<T>) -> Result<Vector<T>, Error> {
        let mut bend = self.normal_part(0, vector)?;
        bend.scale(self.normal_root())?;
        self.surface.raise(&bend)
    }

    /// The normal curvature II(v, v) / ⟨v, v⟩: that of the curve in which a plane through v and the normal cuts the surface.
    ///
    /// # Errors
    ///
    /// [`Error::NoDirection`] for a vector of length zero; see [`Curvature`].
    pub fn normal_curvature(&mut self, vector: &Vector<T>) -> Result<Wide<T>, Error> {
        let squared_length = self.surface.inner(vector, vector)?;
        if squared_length == <Wide<T> as Field>::zero() {
            return Err(Error::NoDirection { quantity: "normal curvature" });
        }
        let bend = self.second_fundamental_form(vector, vector)?;
        finite("the normal curvature", bend / squared_length)
    }

    /// The mean curvature, the mean of the principal ones, from one product per parameter.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn mean_curvature(&mut self) -> Result<Wide<T>, Error> {
        let shape = self.shape(0)?;
        let mean = trace(&shape) / Wide::<T>::constant(shape.len() as f64);
        finite("the mean curvature", self.normal_root() * mean)
    }

    /// The Hessian of f∘𝓛 on the surface applied to a vector, ∇∇(f∘𝓛) v = K v − f′ l·Γ(v, ·), in the paper's ambient space K v / W.
    ///
    /// With f = identity it is Hv / (1 + ξ⟨l, l⟩) there, and has the signs of H: minima, maxima and saddles keep their kind, however steep the
    /// surface is around them.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownCurvature`] in other ambient spaces; see [`Curvature`].
    pub fn induced_hessian(&mut self, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        let surface = self.surface.surface();
        if !self.surface.bending().is_none() || surface.coupling.is_some() {
            return Err(Error::UnknownCurvature {
                what: "the Hessian of the loss in an ambient space that is not a product",
            });
        }
        let mut product = self.embedded_hessian(vector)?;
        product.scale(<Wide<T> as Field>::one() / self.surface.determinant_ratio())?;
        Ok(product)
    }

    /// 1/√Q, times √ξ where the surface is [plain](Self::is_plain).
    fn normal_root(&self) -> Wide<T> {
        let [[normal]] = self.normals();
        normal.sqrt()
    }
}

/// The sum of the mixed 2×2 minors along the diagonal.
fn minors<S: Field>(a: &[Vec<S>], b: &[Vec<S>]) -> S {
    let mut pairs = S::zero();
    let entry = |matrix: &[Vec<S>], i: usize, j: usize| {
        matrix.get(i).and_then(|row| row.get(j)).copied().unwrap_or_else(S::zero)
    };
    for i in 0..a.len() {
        for j in 0..i {
            pairs = pairs + (entry(a, i, i) * entry(b, j, j) - entry(a, i, j) * entry(b, j, i));
        }
    }
    pairs
}

fn dot<S: Field, const K: usize>(x: &[S; K], y: &[S; K]) -> S {
    x.iter().zip(y).fold(S::zero(), |sum, (&x, &y)| sum + x * y)
}

/// The sum along the diagonal.
fn trace<S: Field>(matrix: &[Vec<S>]) -> S {
    let diagonal = matrix.iter().enumerate().filter_map(|(index, row)| row.get(index));
    diagonal.fold(S::zero(), |sum, &entry| sum + entry)
}

/// Accepts a number that is finite.
fn finite<S: Element>(quantity: &str, value: S) -> Result<S, Error> {
    if value.is_finite() { Ok(value) } else { Err(Error::Overflow { quantity: quantity.to_owned() }) }
}

/// All Christoffel symbols at a point: N³ numbers, of which N² + N are kept where they are a product.
///
/// # Mathematics
///
/// In the paper's ambient space Γᵏ_ij = ξ r (l♯)ᵏ K_ij, see [`Curvature`], a sum of one such product for every loss; elsewhere all numbers are kept. Indices count the elements of all parts, one after another, each part in row-major order.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, Euclidean, Identity, PullBack};
/// use ambient_metric::geometry::DenseHessian;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let gradient = Covector(Parameters::from(array![1.0_f64, 0.0]));
/// let hessian = DenseHessian::new(&gradient.0, &[2.0, 4.0, 4.0, 6.0])?;
/// let state = Euclidean.begin(&gradient.0)?;
/// let g = PullBack::new(Euclidean.at(&state), gradient, 0.0, &Identity, 1.0)?;
/// let symbols = g.curvature(|v| hessian.product(v))?.christoffel_symbols()?;
/// assert_eq!(symbols.get(0, 0, 1), Some(2.0));
/// assert_eq!(symbols.get(1, 0, 1), Some(0.0));
/// assert_eq!(symbols.get(2, 0, 1), None);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Christoffel<S> {
    layout: Layout,
    /// Vectors, and the symmetric forms by which each is multiplied, row by row.
    terms: Vec<(Vec<S>, Vec<S>)>,
}

impl<S: Field> Christoffel<S> {
    /// Γᵏ_ij, with indices counted from zero; `None` outside.
    #[must_use]
    pub fn get(&self, k: usize, i: usize, j: usize) -> Option<S> {
        let size = self.size();
        if i >= size || j >= size || k >= size {
            return None;
        }
        let term = |(direction, form): &(Vec<S>, Vec<S>)| Some(*direction.get(k)? * *form.get(i * size + j)?);
        let (first, others) = self.terms.split_first()?;
        others.iter().try_fold(term(first)?, |sum, other| Some(sum + term(other)?))
    }

    /// How many parameters there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.layout.elements()
    }

    /// The layout whose elements the indices count.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
}
