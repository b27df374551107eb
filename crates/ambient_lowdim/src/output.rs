//! The command `ambient lowdim`: the whole study, its pictures and its page.

use super::grid;
use super::page;
use super::pictures::{self, Line};
use super::reference::Paper;
use super::study::{Request, Study, run};
use ambient_studies::error::Error;
use ambient_studies::files::folder::{prepare, save};

/// The page's name in the output folder.
pub const PAGE: &str = "index.html";

/// Runs the study and writes pictures and page.
///
/// # Errors
///
/// [`Error::Write`] before the first run if the folder cannot be written, and those of the runs and pictures.
pub fn perform(paper: &Paper, request: &Request) -> Result<Study, Error> {
    let _lock = prepare(&request.out, PAGE)?;
    let study = run(paper, request)?;
    write(paper, request, &study)?;
    Ok(study)
}

fn write(paper: &Paper, request: &Request, study: &Study) -> Result<(), Error> {
    let mut drawn = Vec::new();
    for &function in &request.selection.functions {
        let facts = paper.facts(function)?;
        let mut lines = Vec::new();
        for cell in study.cells.iter().filter(|cell| cell.function == function) {
            let (outcome, track) = grid::run(paper, function, cell.optimiser, cell.config)?.track()?;
            lines.push(Line { optimiser: cell.optimiser, outcome, track });
        }
        let values = pictures::values(function, facts, &lines)?;
        let trajectories = pictures::trajectories(function, facts, &lines)?;
        save(&request.out, &format!("{}-values.svg", function.name()), &values)?;
        save(&request.out, &format!("{}-trajectories.svg", function.name()), &trajectories)?;
        drawn.push(page::Drawn { function, values, trajectories });
    }
    save(&request.out, PAGE, &page::render(paper, study, &drawn)?)
}
