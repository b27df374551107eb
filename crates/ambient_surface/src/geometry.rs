//! The geometry of a loss surface at a point, and what the colour tells of it.

use ambient_metric::ambient::Height;
use ambient_metric::any::{AnyAmbient, AnyEmbedding};
use ambient_metric::geometry::DenseHessian;
use ambient_metric::{BaseMetric as _, Covector, Euclidean, Metric as _, PullBack};
use ambient_metric_ndarray::Parameters;
use ndarray::arr1;
use serde::Serialize;

use ambient_studies::error::Error;
use ambient_studies::functions::Function;

/// The geometry of the surface at a point.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Geometry {
    /// L.
    pub loss: f64,
    /// ‖l‖.
    pub gradient_norm: f64,
    /// √det g.
    pub volume: f64,
    /// r.
    pub damping: f64,
    /// The Gaussian curvature.
    pub curvature: f64,
}

impl Geometry {
    /// The geometry of the surface h = √ξ f(L) in a space at a point, with γ = 1.
    ///
    /// # Errors
    ///
    /// [`Error::Library`] where the embedding has no height, the space not that height, or a number leaves its range.
    pub fn at(
        function: Function,
        embedding: AnyEmbedding,
        xi: f64,
        ambient: AnyAmbient,
        point: [f64; 2],
    ) -> Result<Self, Error> {
        let (loss, slopes) = function.value_and_gradient(point);
        let gradient = Covector(Parameters::from(arr1(&slopes)));
        let hessian = DenseHessian::new(&gradient.0, function.hessian(point).as_flattened())?;
        let state = Euclidean.begin(&gradient.0)?;
        let gradient_norm = Euclidean.at(&state).norm_covector(&gradient)?;
        let (height, parameters) = (Height { embedding, xi }, Parameters::from(arr1(&point)));
        let surface = PullBack::within(Euclidean.at(&state), &height, &ambient, &parameters, [gradient], [loss], &[])?;
        let curvature = surface.curvature(|v| hessian.product(v))?.gaussian_curvature()?;
        Ok(Self { loss, gradient_norm, volume: surface.volume()?, damping: surface.damping(), curvature })
    }
}

/// What the colour of a surface tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shown {
    /// √det g, how much larger a patch of the surface is than its shadow.
    Volume,
    /// r, by how much a step is damped.
    Damping,
    /// The loss itself.
    Loss,
    /// The Gaussian curvature.
    Curvature,
}

impl Shown {
    /// The name in sentences.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume √det g",
            Self::Damping => "damping r",
            Self::Loss => "loss L",
            Self::Curvature => "Gaussian curvature",
        }
    }

    pub(super) fn of(self, geometry: &Geometry) -> f64 {
        match self {
            Self::Volume => geometry.volume,
            Self::Damping => geometry.damping,
            Self::Loss => geometry.loss,
            Self::Curvature => geometry.curvature,
        }
    }
}

/// How far a step of gradient descent on a surface goes for η = 1, from the loss and the size of its gradient.
///
/// # Errors
///
/// [`Error::Library`], as [`Geometry::at`].
pub(super) fn update(
    embedding: AnyEmbedding,
    xi: f64,
    ambient: AnyAmbient,
    loss: f64,
    gradient: f64,
) -> Result<f64, Error> {
    let one = Parameters::from(arr1(&[gradient]));
    let (state, height) = (Euclidean.begin(&one)?, Height { embedding, xi });
    let gamma = Euclidean.at(&state);
    let step = PullBack::within(gamma, &height, &ambient, &one, [Covector(one.clone())], [loss], &[])?.step()?;
    Ok(Euclidean.at(&state).norm(&step)?)
}
