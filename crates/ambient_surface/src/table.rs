//! The runs on a surface as a table.

use std::fmt::Write as _;

use super::scene::Landscape;
use ambient_studies::present::table::{align, new_table};
use ambient_studies::present::ticks::short;

/// The runs on a surface.
#[must_use]
pub fn table(landscape: &Landscape) -> String {
    let Landscape { function, embedding, xi, start: [x, y], tolerance, at_start, runs, .. } = landscape;
    let ambient = &landscape.ambient;
    let within = if ambient == "product" { String::new() } else { format!(", in {ambient}") };
    let mut text = format!(
        "{}  from ({x}, {y}) to {tolerance:e}, on the surface h = √ξ f(L) with f = {embedding} and ξ = {xi}{within}\n\
         at the start: loss {}, gradient {}, √det g {}, damping {}, Gaussian curvature {}\n",
        function.name(),
        short(at_start.loss),
        short(at_start.gradient_norm),
        short(at_start.volume),
        short(at_start.damping),
        short(at_start.curvature),
    );
    let header =
        ["optimiser", "configuration", "updates", "loss", "end", "effective learning rate", "way on the surface"];
    let mut table = new_table(&header);
    for run in runs {
        table.add_row([
            run.optimiser.clone(),
            run.config.brief(),
            run.updates.to_string(),
            short(run.final_value),
            run.end.words(),
            run.effective_learning_rate
                .map_or_else(|| "–".to_owned(), |[low, high]| format!("{} to {}", short(low), short(high))),
            run.length.map_or_else(|| "–".to_owned(), short),
        ]);
    }
    align(&mut table, &[2, 3, 5, 6]);
    let _ = writeln!(text, "{table}");
    if landscape.blank > 0.0 {
        let _ =
            writeln!(text, "The space ends in the picture: {} % of it is left blank.", short(100.0 * landscape.blank));
    }
    text
}
