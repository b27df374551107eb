//! The comparison as a picture and a page: variants down, functions across.

use std::fmt::Write as _;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::study::{Extended, Row, Variant};
use ambient_studies::error::Error;
use ambient_studies::functions::Function;
use ambient_studies::present::colour::{Scale, hex};
use ambient_studies::present::page::{escape, head, inline};
use ambient_studies::present::picture;
use ambient_studies::present::table::value;

/// The width of the names at the left, and of a function's column.
const NAMES: i32 = 500;
const COLUMN: i32 = 150;
const LINE: i32 = 24;
const TOP: i32 = 74;
/// The height below the last line, and the width of the scale in it.
const FOOT: i32 = 60;
const SCALE: i32 = 300;

/// The updates from the paper's start as colour and number, and the share of random starts beside them.
pub(super) fn picture(extended: &Extended, variants: &[Variant], functions: &[Function]) -> Result<String, Error> {
    let count = i32::try_from(variants.len()).unwrap_or(0);
    let height = u32::try_from(TOP + LINE * count + FOOT).unwrap_or(0);
    // Fewer updates are lighter; the scale ends where a run does.
    let scale = Scale::Logarithmic { low: 1.0, high: f64::from(extended.max_iterations) };
    picture::draw("extended.svg", height, |area| {
        let label = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
        area.draw(&Text::new(
            "Updates from the paper's start, and the share of random starts that converge",
            (12, 14),
            label(20),
        ))?;
        for (index, function) in functions.iter().enumerate() {
            let centre = NAMES + COLUMN * i32::try_from(index).unwrap_or(0) + COLUMN / 2;
            let style = label(15).pos(Pos::new(HPos::Center, VPos::Bottom));
            area.draw(&Text::new(function.title(), (centre, TOP - 8), style))?;
        }
        let mut last = "";
        for (line, Variant { family, name }) in variants.iter().enumerate() {
            let top = TOP + LINE * i32::try_from(line).unwrap_or(0);
            let middle = top + LINE / 2;
            if *family != last {
                last = family;
                let style = ("sans-serif", 12).into_font().color(&RGBColor(110, 110, 120));
                let style = style.pos(Pos::new(HPos::Left, VPos::Center));
                area.draw(&Text::new(*family, (12, middle), style))?;
            }
            let style = label(14).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(name.as_str(), (NAMES - 10, middle), style))?;
            for (index, function) in functions.iter().enumerate() {
                let left = NAMES + COLUMN * i32::try_from(index).unwrap_or(0);
                let Some(row) = extended.row(name, *function) else { continue };
                let (ground, ink) = colours(&scale, row);
                let corners = [(left + 1, top + 1), (left + COLUMN - 1, top + LINE - 1)];
                area.draw(&Rectangle::new(corners, ground.filled()))?;
                let style = ("sans-serif", 13).into_font().color(&ink).pos(Pos::new(HPos::Center, VPos::Center));
                area.draw(&Text::new(brief(extended, row), (left + COLUMN / 2, middle), style))?;
            }
        }
        let top = TOP + LINE * count + 14;
        let grey = ("sans-serif", 13).into_font().color(&RGBColor(110, 110, 120));
        for step in 0..SCALE {
            let share = f64::from(step) / f64::from(SCALE);
            let [red, green, blue] = scale.map(1.0 - share);
            let left = NAMES + step;
            let corners = [(left, top), (left + 1, top + 12)];
            area.draw(&Rectangle::new(corners, RGBColor(red, green, blue).filled()))?;
        }
        let mut mark = 1.0;
        while mark <= f64::from(extended.max_iterations) {
            #[allow(clippy::cast_possible_truncation, reason = "a share is at most one")]
            let x = NAMES + (f64::from(SCALE) * scale.share(mark)).round() as i32;
            area.draw(&PathElement::new([(x, top + 12), (x, top + 16)], RGBColor(110, 110, 120)))?;
            let style = grey.clone().pos(Pos::new(HPos::Center, VPos::Top));
            area.draw(&Text::new(format!("{mark}"), (x, top + 18), style))?;
            mark *= 10.0;
        }
        let note = "updates; grey: not converged from the paper's start";
        area.draw(&Text::new(note, (NAMES + SCALE + 30, top), grey))?;
        Ok(())
    })
}

/// The colours of ground and number.
fn colours(scale: &Scale, row: &Row) -> (RGBColor, RGBColor) {
    if !row.best.converged {
        return (RGBColor(226, 226, 230), RGBColor(90, 90, 98));
    }
    let share = 1.0 - scale.share(f64::from(row.best.iterations.max(1)));
    let [red, green, blue] = scale.map(share);
    let ink = if share > 0.55 { RGBColor(16, 20, 28) } else { RGBColor(255, 255, 255) };
    (RGBColor(red, green, blue), ink)
}

/// Updates and share of starts in a few characters.
fn brief(extended: &Extended, row: &Row) -> String {
    let updates = if row.best.converged { row.best.iterations.to_string() } else { "–".to_owned() };
    if extended.starts == 0 { updates } else { format!("{updates}  ·  {:.0} %", row.success_rate * 100.0) }
}

/// The page.
pub(super) fn render(extended: &Extended, functions: &[Function], picture: &str) -> String {
    let mut html = String::new();
    let _ = write!(
        html,
        r#"{head}<h1>Low dimensions, every variant</h1>
<p class="lead">{runs} runs of at most {max} updates each, in double precision, in {seconds:.1} s.</p>
<ul class="notes">
<li>Every variant has the same grid: 13 learning rates from 1e-4 to 1, μ 0 and 0.9, ξ 1e-3, 1e-2, 0.1 and 1 where it has one, and two values of κ where it
couples or learns; β = 0 and no weight decay. What couples or learns thus has twice the tries.</li>
<li>The configuration is the best from the paper's start, and is then tried from {starts} random starts (seed {seed}).</li>
<li><em>Losses</em> descends the two terms that the function is the sum of; of three losses the last two are halves of the second term, of four all are halves.
A coupling that is <em>given</em> is κ times the direction of the gradient at the start. <em>Hessian</em> is |H| + 1 with H the Hessian at the start. <em>Matrix</em> takes the two parameters as a matrix of one column, of which the
polar factor is the column made a unit.</li>
<li>Ackley and Rastrigin from (2, 2) keep x = y for every variant that treats both parameters alike; the random starts do not.</li>
</ul>
<figure>
{picture}
</figure>
"#,
        head = head("Low dimensions: every variant", ""),
        runs = extended.runs,
        max = extended.max_iterations,
        seconds = extended.seconds,
        starts = extended.starts,
        seed = extended.seed,
        picture = inline(picture, "updates of every variant on every function"),
    );
    for function in functions {
        let _ = write!(
            html,
            "<section id=\"{0}\">\n<h2>{0}</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>variant</th><th>best of the grid</th><th class=\"n\">updates</th>\
             <th class=\"n\">value</th><th class=\"n\">success</th><th class=\"n\">median updates</th></tr></thead>\n<tbody>\n",
            function.name()
        );
        let scale = Scale::Logarithmic { low: 1.0, high: f64::from(extended.max_iterations) };
        for row in extended.rows.iter().filter(|row| row.function == *function) {
            let (RGBColor(red, green, blue), _) = colours(&scale, row);
            let _ = writeln!(
                html,
                "<tr><td><span style=\"color:{}\">■</span> {}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{:.0} %</td><td class=\"n\">{}</td></tr>",
                hex([red, green, blue]),
                escape(&row.variant),
                escape(&row.point.brief()),
                row.best.updates(),
                value(row.best.final_value),
                row.success_rate * 100.0,
                row.median_iterations.map_or_else(|| "–".to_owned(), |median| median.to_string()),
            );
        }
        html.push_str("</tbody></table></div>\n</section>\n");
    }
    html.push_str("</main>\n</body>\n</html>\n");
    html
}
