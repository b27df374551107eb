//! `ambient surface`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use ambient_lowdim::reference::Paper;
use ambient_studies::error::Error;
use ambient_studies::present::print::Format;
use ambient_surface::geometry::Shown;
use ambient_surface::output::{PAGE, perform};
use ambient_surface::request::{OPTIMISERS, Request};
use ambient_surface::table::table;
use clap::Args;

use super::choices::{FORMATS, choice, names};
use super::numbers::{numbers, whole};

/// What the colour of a surface tells.
const COLOURS: [(&str, &str, Shown); 4] = [
    ("volume", "√det g, how much larger a patch of the surface is than its shadow", Shown::Volume),
    ("damping", "r, by how much a step is damped", Shown::Damping),
    ("loss", "The loss itself", Shown::Loss),
    ("curvature", "The Gaussian curvature", Shown::Curvature),
];

/// A loss surface in three dimensions, with its geometry as colour and runs of optimisers on it.
///
/// Draws h = √ξ f(L) over the two parameters of a test function, coloured by the volume √det g, the damping r, the loss or the
/// Gaussian curvature, and beside it the size of an update against the size of the gradient, the effective learning rate along the
/// runs, and the loss. Pictures (SVG) and one page of HTML go to a folder.
#[derive(Args)]
#[command(after_long_help = "\
Functions:
  beale, rosenbrock, himmelblau, ackley, rastrigin

Columns:
  configuration            of 19 learning rates, three momenta (0, 0.5, 0.9) and, unless --xi is
                           given, four ξ (0.01 to 10), what stays in the frame without wandering
                           and converges from this start with the least updates × way
  updates, loss, end       how the run went
  effective learning rate  η r, from the least to the greatest
  way on the surface       its length in the space that the surface stands in

Where the space ends the picture is left blank. In a space that is not the product the
optimisers descend one loss and have no space of their own.

Examples:
  ambient surface rosenbrock
  ambient surface rosenbrock --ambient hyperbolic
  ambient surface himmelblau --ambient 'warped(0.1)' --colour curvature
  ambient surface ackley --colour damping --xi 1
  ambient surface himmelblau --colour curvature --optimisers 'sgd, induced(rmsprop, log) + ema'
  ambient surface rosenbrock --optimisers 'euclidean, induced(euclidean, identity, along_gradient(0.1)) + ema, shampoo'
  ambient surface beale --start 1,1 --frame=-2,4,-2,2 --learning-rate 0.01 --view 140,50")]
pub(super) struct Surface {
    /// The function; a longer --help lists them.
    function: String,
    /// What the colour tells.
    #[arg(long, value_parser = choice(&COLOURS), value_name = "WHAT", default_value = "volume")]
    colour: Shown,
    /// f of the surface: identity, log, sqrt, log1p or power(p). Optimisers have their own.
    #[arg(long, value_name = "NAME", default_value = "identity")]
    embedding: String,
    /// The ambient metric that the surface stands in, and those of the optimisers: product, hyperbolic, warped(κ), weighted(κ), conformal(κ), with φ = 1/(1 + κh).
    #[arg(long, value_name = "METRIC", default_value = "product")]
    ambient: String,
    /// ξ of the surface and of every optimiser that has one [default: 0.1 for the surface, for each optimiser what does best]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    xi: Option<f64>,
    #[arg(
        long,
        value_name = "RULES",
        help = "Optimisers, separated by commas, as `ambient rules` lists them; eight at most [default: sgd, adam, euclidean, euclidean_log]"
    )]
    optimisers: Option<String>,
    /// η of every optimiser [default: for each what does best]
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    learning_rate: Option<f64>,
    /// After how many updates a run ends.
    #[arg(long, value_name = "COUNT", default_value_t = 1000, allow_hyphen_values = true, value_parser = whole::<u32>(1..=20_000))]
    steps: u32,
    /// Where the runs start [default: a place that shows the function]
    #[arg(long, value_name = "X,Y", allow_hyphen_values = true)]
    start: Option<String>,
    /// The lowest and highest x and the lowest and highest y of the picture [default: a part that shows the function]
    #[arg(long, value_name = "X0,X1,Y0,Y1", allow_hyphen_values = true)]
    frame: Option<String>,
    /// From where the surface is seen, in degrees: turned about the vertical, and tilted towards the eye [default: that of the function]
    #[arg(long, value_name = "TURN,TILT", allow_hyphen_values = true)]
    view: Option<String>,
    /// The folder for pictures and page; it is made if it is not there.
    #[arg(long, value_name = "FOLDER", default_value = "surface-out")]
    out: PathBuf,
    /// How the results are printed.
    #[arg(long, value_parser = choice(&FORMATS), default_value = "table")]
    format: Format,
}

impl Surface {
    /// Runs it, and says what is printed.
    pub(super) fn run(self) -> Result<String, Error> {
        let request = Request {
            function: self.function.parse()?,
            shown: self.colour,
            embedding: self.embedding.parse()?,
            ambient: self.ambient.parse()?,
            xi: self.xi,
            optimisers: names(self.optimisers.as_deref(), &OPTIMISERS, str::parse)?,
            learning_rate: self.learning_rate,
            steps: self.steps,
            start: self.start.as_deref().map(|text| numbers("--start", text)).transpose()?,
            frame: self
                .frame
                .as_deref()
                .map(|text| numbers("--frame", text))
                .transpose()?
                .map(|[a, b, c, d]| [[a, b], [c, d]]),
            view: self.view.as_deref().map(|text| numbers("--view", text)).transpose()?,
            out: self.out,
        };
        let landscape = perform(&Paper::compiled_in()?, &request)?;
        let _ = writeln!(io::stderr(), "Pictures and page: {}", request.out.join(PAGE).display());
        self.format.of(&landscape, table)
    }
}
