//! What is asked of the picture of a surface, and what can be drawn.

use core::ops::RangeInclusive;
use std::path::PathBuf;

use ambient_metric::any::{AnyAmbient, AnyEmbedding};

use super::geometry::Shown;
use ambient_studies::error::Error;
use ambient_studies::functions::Function;
use ambient_studies::rules::named::Named;

/// ξ that a picture shows, besides zero: beyond, its axes would span more than the numbers do.
const XI_RANGE: RangeInclusive<f64> = 1e-12..=1e12;

/// ξ of the surface where none is given.
pub(super) const XI: f64 = 0.1;

/// How many optimisers a picture holds at most.
pub const MOST: usize = 8;

/// The optimisers drawn where none is named.
pub const OPTIMISERS: [&str; 4] = ["sgd", "adam", "euclidean", "euclidean_log"];

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The function whose surface it is.
    pub function: Function,
    /// What the colour tells.
    pub shown: Shown,
    /// f of the surface; the optimisers have their own.
    pub embedding: AnyEmbedding,
    /// The ambient metric in which the surface stands, and those of the optimisers.
    pub ambient: AnyAmbient,
    /// ξ of the surface and of every optimiser that has one; where absent, 0.1 for the surface, and for each optimiser what does best.
    pub xi: Option<f64>,
    /// The optimisers.
    pub optimisers: Vec<Named>,
    /// η of all of them; where absent, for each what does best from the start.
    pub learning_rate: Option<f64>,
    /// After how many updates a run ends.
    pub steps: u32,
    /// Where runs start; a place that shows the function well where absent.
    pub start: Option<[f64; 2]>,
    /// Lowest and highest x and lowest and highest y of the picture; a part that shows the function well where absent.
    pub frame: Option<[[f64; 2]; 2]>,
    /// From where the surface is seen, in degrees: turned about the vertical, and tilted towards the eye.
    pub view: Option<[f64; 2]>,
    /// Where pictures and page go.
    pub out: PathBuf,
}

/// Accepts what can be drawn.
pub(super) fn check(request: &Request, frame: [[f64; 2]; 2], start: [f64; 2]) -> Result<(), Error> {
    /// Coordinates beyond this have no picture.
    const FAR: f64 = 1e6;
    let refuse = |option, problem: String| Err(Error::Option { option, problem });
    if let Some(rate) = request.learning_rate
        && !(rate.is_finite() && rate > 0.0)
    {
        return refuse("--learning-rate", format!("is {rate:?}: it must be finite and above zero"));
    }
    if let Some(xi) = request.xi
        && !(xi == 0.0 || XI_RANGE.contains(&xi))
    {
        let (least, most) = (XI_RANGE.start(), XI_RANGE.end());
        return refuse("--xi", format!("is {xi:?}: it must be zero, or lie between {least:e} and {most:e}"));
    }
    if let Some([turn, tilt]) = request.view
        && !(turn.is_finite() && (5.0..=90.0).contains(&tilt))
    {
        return refuse(
            "--view",
            format!("is {turn},{tilt}: the second number, the tilt, lies between 5 and 90 degrees"),
        );
    }
    let [[left, right], [bottom, top]] = frame;
    let wide = frame.iter().all(|[low, high]| low.abs() <= FAR && high.abs() <= FAR && high - low >= 1e-6);
    if !wide {
        let problem =
            "gives the lowest and highest x, then y: each pair at least 1e-6 apart, and none beyond 1e6".to_owned();
        return refuse("--frame", problem);
    }
    if request.optimisers.is_empty() || request.optimisers.len() > MOST {
        return refuse("--optimisers", format!("names {}: a picture holds 1 to {MOST}", request.optimisers.len()));
    }
    request.optimisers.iter().try_for_each(|optimiser| optimiser.within(request.ambient).map(|_| ()))?;
    let [x, y] = start;
    if (left..=right).contains(&x) && (bottom..=top).contains(&y) {
        return Ok(());
    }
    refuse(
        "--start",
        format!(
            "is {x:?},{y:?}: it must lie in the frame, {left} to {right} and {bottom} to {top}; --frame changes it"
        ),
    )
}

/// A start that shows how a function is.
pub(super) fn start(function: Function) -> [f64; 2] {
    match function {
        Function::Beale => [0.6, 1.2],
        Function::Rosenbrock => [-1.3, 0.6],
        Function::Himmelblau => [-0.4, -0.7],
        Function::Ackley => [1.8, 1.35],
        Function::Rastrigin => [1.35, 0.7],
    }
}

/// The part of the plane that shows how a function is.
pub(super) fn frame(function: Function) -> [[f64; 2]; 2] {
    match function {
        Function::Beale => [[-1.4, 4.2], [-1.4, 1.4]],
        Function::Rosenbrock => [[-1.6, 1.6], [-0.8, 2.4]],
        Function::Himmelblau => [[-5.0, 5.0]; 2],
        Function::Ackley => [[-3.0, 3.0]; 2],
        Function::Rastrigin => [[-2.2, 2.2]; 2],
    }
}
