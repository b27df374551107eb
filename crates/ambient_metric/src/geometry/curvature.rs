//! Curvature: how the loss surface bends, from products of the Hessian with vectors.

use crate::error::Error;
use crate::geometry::hessian::{elements, require_finite, unit};
use crate::geometry::pull_back::PullBack;
use crate::number::scalar::{Element, Field, Real};
use crate::space::layout::Layout;
use crate::space::metric::Metric;
use crate::space::tensor::{Covector, Tensor, Vector, Wide, add_scaled, first_non_finite};

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
/// the chain rule, and everything below is a multiple of it:
///
#[doc = include_str!("../../math/curvature.html")]
///
/// For the Christoffel symbols put ∂_i g_jm = ξ (K_ij f′l_m + f′l_j K_im) into their definition: two of the three pairs cancel, ξ K_ij f′l_m stays, and
/// g⁻¹ takes f′l to r l♯. II is the part of the second derivative (0, √ξ K) of the surface along its unit normal (−√ξ f′l♯, 1)/√W. The ambient
/// space is flat, so Gauss's equation gives all of the curvature. With f = identity, K is H, and Γ = ξ H l♯ / (1 + ξ⟨l, l⟩).
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
pub struct Curvature<'a, T: Tensor, G, F> {
    surface: &'a PullBack<T, G>,
    hessian: F,
}

impl<T: Tensor, G, F> core::fmt::Debug for Curvature<'_, T, G, F> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("Curvature").finish_non_exhaustive()
    }
}

impl<T: Tensor, G: Metric<T>> PullBack<T, G> {
    /// The curvature at this point, from products v ↦ Hv with the Hessian of the loss.
    ///
    /// # Example
    ///
    /// From a matrix, as [`DenseHessian::product`](crate::DenseHessian::product):
    ///
    /// ```
    /// use ambient_metric::{BaseMetric, Covector, DenseHessian, Euclidean, Log, PullBack};
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
    pub fn curvature<F>(&self, hessian: F) -> Result<Curvature<'_, T, G, F>, Error>
    where
        F: FnMut(&Vector<T>) -> Result<Covector<T>, Error>,
    {
        if !self.second_slope().is_finite() {
            return Err(Error::Overflow { quantity: "the second derivative of the embedding".to_owned() });
        }
        Ok(Curvature { surface: self, hessian })
    }
}

impl<T, G, F> Curvature<'_, T, G, F>
where
    T: Tensor,
    G: Metric<T>,
    F: FnMut(&Vector<T>) -> Result<Covector<T>, Error>,
{
    /// K v = f′Hv + f″ l (l·v), the Hessian of f∘𝓛 applied to a vector.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn embedded_hessian(&mut self, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        let gradient = self.surface.gradient();
        let along = gradient.contract(vector)?;
        let mut product = (self.hessian)(vector)?;
        gradient.0.layout().check(product.0.layout())?;
        require_finite(&product)?;
        product.scale(self.surface.slope())?;
        product.add_scaled(self.surface.second_slope() * along, gradient)?;
        Ok(product)
    }

    /// Γ(u, v)ᵏ = Γᵏ_ij uⁱvʲ = ξ r K(u, v) (l♯)ᵏ.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn christoffel(&mut self, u: &Vector<T>, v: &Vector<T>) -> Result<Vector<T>, Error> {
        let bend = self.embedded_hessian(v)?.contract(u)?;
        let scale = self.surface.xi() * self.surface.damping() * bend;
        let mut symbol = Vector(self.surface.raised_gradient().0.duplicate()?);
        symbol.scale(finite("the Christoffel symbols", scale)?)?;
        Ok(symbol)
    }

    /// All Christoffel symbols, from one product per parameter.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn christoffel_symbols(&mut self) -> Result<Christoffel<Wide<T>>, Error> {
        let layout = self.surface.gradient().0.layout().clone();
        let mut hessian = Vec::new();
        for index in 0..layout.elements() {
            let column = self.embedded_hessian(&self.unit(index)?)?;
            hessian.extend(elements(&column.0)?);
        }
        let scale = finite("the Christoffel symbols", self.surface.xi() * self.surface.damping())?;
        let direction = elements(&self.surface.raised_gradient().0)?.into_iter().map(|l| scale * l).collect();
        Ok(Christoffel { layout, direction, hessian })
    }

    /// The second fundamental form II(u, v) = √(ξ/W) K(u, v): how fast the surface leaves its tangent plane.
    ///
    /// It is positive where the height bends upwards, because the normal is the one that points up.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn second_fundamental_form(&mut self, u: &Vector<T>, v: &Vector<T>) -> Result<Wide<T>, Error> {
        let bend = self.embedded_hessian(v)?.contract(u)?;
        finite("the second fundamental form", self.bending().sqrt() * bend)
    }

    /// The shape operator S(v) = g⁻¹ II(v, ·): minus the derivative of the unit normal along v.
    ///
    /// Its eigenvalues are the principal curvatures.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn shape_operator(&mut self, vector: &Vector<T>) -> Result<Vector<T>, Error> {
        let mut bend = self.embedded_hessian(vector)?;
        bend.scale(self.bending().sqrt())?;
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

    /// The sectional curvature of the plane that two vectors span.
    ///
    /// With w = v minus its part along u in γ, the same plane has the area ‖u‖²‖w‖² + ξf′²(‖w‖²(l·u)² + ‖u‖²(l·w)²) in g, lengths taken in γ:
    /// nothing cancels there.
    ///
    /// # Errors
    ///
    /// [`Error::NoDirection`] where a vector has length zero, [`Error::NoPlane`] where the sine of their angle in γ is below 2⁻²⁰; see
    /// [`Curvature`].
    pub fn sectional_curvature(&mut self, u: &Vector<T>, v: &Vector<T>) -> Result<Wide<T>, Error> {
        let zero = <Wide<T> as Field>::zero();
        let (base, gradient) = (self.surface.base(), self.surface.gradient());
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
        let (climb_u, climb_w) = (gradient.contract(u)?, gradient.contract(&w)?);
        let area = uu * ww + self.surface.weight() * (ww * climb_u * climb_u + uu * climb_w * climb_w);

        let (along_u, along_w) = (self.embedded_hessian(u)?, self.embedded_hessian(&w)?);
        let mixed = along_u.contract(&w)?;
        let bend = along_u.contract(u)? * along_w.contract(&w)? - mixed * mixed;
        finite("the sectional curvature", self.bending() * bend / area)
    }

    /// The Gaussian curvature of a surface over two parameters: ξ det K / (det γ · W²).
    ///
    /// # Errors
    ///
    /// [`Error::Dimension`] where there are not two parameters; see [`Curvature`].
    pub fn gaussian_curvature(&mut self) -> Result<Wide<T>, Error> {
        let rows = self.shape()?;
        let found = rows.len();
        let [[a, b], [c, d]] = rows.iter().map(Vec::as_slice).collect::<Vec<_>>()[..] else {
            return Err(Error::Dimension { quantity: "Gaussian curvature", needed: "two", found });
        };
        finite("the Gaussian curvature", self.bending() * (*a * *d - *b * *c))
    }

    /// The mean curvature, the mean of the principal ones, from one product per parameter.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn mean_curvature(&mut self) -> Result<Wide<T>, Error> {
        let shape = self.shape()?;
        let mean = trace(&shape) / Wide::<T>::constant(shape.len() as f64);
        finite("the mean curvature", self.bending().sqrt() * mean)
    }

    /// The scalar curvature, twice the sum of the products of the principal ones in pairs, from one product per parameter.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn scalar_curvature(&mut self) -> Result<Wide<T>, Error> {
        let shape = self.shape()?;
        let mut pairs = <Wide<T> as Field>::zero();
        for (i, row) in shape.iter().enumerate() {
            for (j, other) in shape.iter().enumerate().take(i) {
                let minor = row.get(i).zip(other.get(j)).zip(row.get(j).zip(other.get(i)));
                if let Some(((&a, &d), (&b, &c))) = minor {
                    pairs = pairs + (a * d - b * c);
                }
            }
        }
        finite("the scalar curvature", Wide::<T>::constant(2.0) * self.bending() * pairs)
    }

    /// The Hessian of f∘𝓛 on the surface applied to a vector, ∇∇(f∘𝓛) v = K v / W.
    ///
    /// With f = identity it is Hv / (1 + ξ⟨l, l⟩), and has the signs of H: minima, maxima and saddles keep their kind, however steep the
    /// surface is around them.
    ///
    /// # Errors
    ///
    /// See [`Curvature`].
    pub fn induced_hessian(&mut self, vector: &Vector<T>) -> Result<Covector<T>, Error> {
        let mut product = self.embedded_hessian(vector)?;
        product.scale(<Wide<T> as Field>::one() / self.surface.determinant_ratio())?;
        Ok(product)
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

    /// ξ/W, whose root makes II of K.
    fn bending(&self) -> Wide<T> {
        self.surface.xi() / self.surface.determinant_ratio()
    }

    /// The basis vector of an element.
    fn unit(&self, index: usize) -> Result<Vector<T>, Error> {
        Ok(Vector(unit(&self.surface.gradient().0, index)?))
    }

    /// g⁻¹K, the shape operator without its root, column by column.
    fn shape(&mut self) -> Result<Vec<Vec<Wide<T>>>, Error> {
        let size = self.surface.gradient().0.layout().elements();
        let column = |index| {
            let bend = self.embedded_hessian(&self.unit(index)?)?;
            elements(&self.surface.raise(&bend)?.0)
        };
        (0..size).map(column).collect()
    }
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

/// All Christoffel symbols at a point: N³ numbers, of which N² + N are kept because they are a product.
///
/// # Mathematics
///
/// Γᵏ_ij = ξ r (l♯)ᵏ K_ij, see [`Curvature`]. Indices count the elements of all parts, one after another, each part in row-major order.
///
/// # Example
///
/// ```
/// use ambient_metric::{BaseMetric, Covector, DenseHessian, Euclidean, Identity, PullBack};
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
    /// ξ r l♯.
    direction: Vec<S>,
    /// K, row by row.
    hessian: Vec<S>,
}

impl<S: Field> Christoffel<S> {
    /// Γᵏ_ij, with indices counted from zero; `None` outside.
    #[must_use]
    pub fn get(&self, k: usize, i: usize, j: usize) -> Option<S> {
        let size = self.size();
        let bend = if j < size { self.hessian.get(i.checked_mul(size)?.checked_add(j)?) } else { None };
        Some(*self.direction.get(k)? * *bend?)
    }

    /// How many parameters there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.direction.len()
    }

    /// The layout whose elements the indices count.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
}
