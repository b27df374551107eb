//! The command `ambient lowdim --extended`: the comparison, its picture and its page.

use super::page;
use super::study::{Extended, Request, run};
use crate::reference::Paper;
use ambient_studies::error::Error;
use ambient_studies::files::folder;

/// The page's name in the output folder.
pub const PAGE: &str = "extended.html";

/// Runs every variant on its grid and from random starts, and writes picture and page.
///
/// # Errors
///
/// [`Error::Write`] before the first run if the folder cannot be written, and those of the runs and the picture.
pub fn perform(paper: &Paper, request: &Request) -> Result<Extended, Error> {
    let _lock = folder::prepare(&request.out, PAGE)?;
    let extended = run(paper, request)?;
    let picture = page::picture(&extended, &request.variants, &request.functions)?;
    folder::save(&request.out, "extended.svg", &picture)?;
    folder::save(&request.out, PAGE, &page::render(&extended, &request.functions, &picture))?;
    Ok(extended)
}
