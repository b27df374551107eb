//! The command `ambient surface`: the surface, its pictures and its page.

use super::geometry::Geometry;
use super::request::{self, Request, XI, check};
use super::runs::{Trace, best, free_colour};
use super::scene::{Landscape, Scene, told};
use super::{charts, page, relief};
use ambient_lowdim::reference::Paper;
use ambient_studies::error::Error;
use ambient_studies::files::folder::{prepare, save};

/// The page's name in the output folder.
pub const PAGE: &str = "index.html";

/// Runs the optimisers and writes pictures and page.
///
/// # Errors
///
/// [`Error::Option`] for options out of range, [`Error::Write`] before the first run if the folder cannot be written, and those of the
/// runs and pictures.
pub fn perform(paper: &Paper, request: &Request) -> Result<Landscape, Error> {
    let function = request.function;
    let facts = paper.facts(function)?;
    let xi = request.xi.unwrap_or(XI);
    let frame = request.frame.unwrap_or_else(|| request::frame(function));
    let start = request.start.unwrap_or_else(|| request::start(function));
    check(request, frame, start)?;
    let at_start = Geometry::at(function, request.embedding, xi, request.ambient, start)?;
    let _lock = prepare(&request.out, PAGE)?;

    let mut traces: Vec<Trace> = Vec::new();
    for optimiser in &request.optimisers {
        let (config, way) = best(request, facts, frame, start, optimiser)?;
        let colour = free_colour(optimiser, &traces);
        traces.push(Trace { optimiser: optimiser.clone(), config, colour, way });
    }

    let runs = traces.iter().map(|trace| told(trace, request, xi)).collect();
    let scene = Scene { request, facts, xi, frame, start, traces: &traces };
    let relief = relief::draw(&scene);
    let landscape = Landscape {
        function,
        embedding: request.embedding.to_string(),
        xi,
        ambient: request.ambient.to_string(),
        blank: relief.blank,
        start,
        tolerance: facts.tolerance,
        at_start,
        runs,
    };
    let pictures = page::Pictures {
        surface: relief.svg,
        profile: charts::profile(&scene)?,
        rates: charts::rates(&scene)?,
        values: charts::values(&scene)?,
    };
    for (name, picture) in pictures.named() {
        save(&request.out, &format!("{}-{name}.svg", function.name()), picture)?;
    }
    save(&request.out, PAGE, &page::render(&scene, &landscape, &pictures))?;
    Ok(landscape)
}
