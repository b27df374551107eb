//! The page: tables and pictures of the study in one file of HTML.

use std::fmt::Write as _;

use super::reference::Paper;
use super::study::Study;
use ambient_studies::error::Error;
use ambient_studies::functions::Function;
use ambient_studies::present::page::{escape, head, inline};
use ambient_studies::present::palette;
use ambient_studies::present::table::value;
use ambient_studies::rules::named::Studied;

/// The pictures of a function, as SVG.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The function.
    pub function: Function,
    /// Values against updates.
    pub values: String,
    /// Trajectories.
    pub trajectories: String,
}

/// The page.
///
/// # Errors
///
/// [`Error::Record`] where the paper says nothing of a function.
pub fn render(paper: &Paper, study: &Study, drawn: &[Drawn]) -> Result<String, Error> {
    let (matched, comparable) = study.tally();
    let mut html = String::new();
    let _ = write!(
        html,
        r#"{head}<h1>Low dimensions</h1>
<p class="lead">{runs} runs of at most {max} updates each, in double precision: every point of the grid of {source},
with one learning rule for all. <strong>{matched} of {comparable}</strong> comparable cells match what the paper printed.</p>
<ul class="notes">
<li><em>Best of the grid</em> is the run selected here; <em>paper</em> what was published; <em>replayed</em> the paper's
configuration run here. β = 0, ε = 1e-8 and no weight decay throughout.</li>
<li><em>match</em>: same verdict, same count of updates, same three digits. <em>sensitive</em>: the count moves when the start
moves by 1e-15. <em>chaotic</em>: rounding decides the outcome, so the cell is shown and never compared.</li>
<li><code>nadam</code> is what the paper calls MUON here: on a vector of two numbers nothing is orthogonalised.</li>
<li>Each best is selected on the very run that it reports. The last table asks the same configurations about other
starts.</li>
</ul>
"#,
        head = head("Low dimensions: the paper's study, run again", ""),
        runs = study.runs,
        max = paper.max_iterations,
        source = escape(&paper.source),
    );
    html.push_str("<nav>");
    for Drawn { function, .. } in drawn {
        let _ = write!(html, "<a href=\"#{0}\">{0}</a> ", function.name());
    }
    if study.starts.count > 0 {
        html.push_str("<a href=\"#starts\">random starts</a>");
    }
    html.push_str("</nav>\n");
    for drawn in drawn {
        section(&mut html, paper, study, drawn)?;
    }
    if study.starts.count > 0 {
        starts(&mut html, paper, study);
    }
    html.push_str("</main>\n</body>\n</html>\n");
    Ok(html)
}

fn section(html: &mut String, paper: &Paper, study: &Study, drawn: &Drawn) -> Result<(), Error> {
    let name = drawn.function.name();
    let facts = paper.facts(drawn.function)?;
    let [x, y] = facts.start;
    let _ = write!(
        html,
        "<section id=\"{name}\">\n<h2>{name}</h2>\n<p><code>{}</code>, from ({x}, {y}) until the value is at most {:e}.</p>\n",
        escape(&facts.formula),
        facts.tolerance
    );
    if let Some(remark) = drawn.function.remark() {
        let _ = writeln!(html, "<p class=\"remark\">{remark}</p>");
    }
    html.push_str(
        "<div class=\"wide\"><table>\n<thead><tr><th rowspan=\"2\">optimiser</th><th colspan=\"3\">best of the grid</th>\
         <th colspan=\"3\">paper</th><th colspan=\"2\">replayed</th><th rowspan=\"2\">verdict</th></tr>\n\
         <tr><th>configuration</th><th>updates</th><th>value</th><th>configuration</th><th>updates</th><th>value</th>\
         <th>updates</th><th>value</th></tr></thead>\n<tbody>\n",
    );
    for cell in study.cells.iter().filter(|cell| cell.function == drawn.function) {
        let same = cell.config == cell.paper.config;
        let verdict = cell.verdict();
        let class = verdict.split(' ').next().unwrap_or_default();
        let _ = writeln!(
            html,
            "<tr><th>{}</th><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td><span class=\"{class}\">{verdict}</span></td></tr>",
            label(cell.optimiser),
            cell.config.brief(),
            cell.best.updates(),
            value(cell.best.final_value),
            if same { "the same".to_owned() } else { cell.paper.config.brief() },
            cell.paper.outcome.updates(),
            value(cell.paper.outcome.final_value),
            cell.replayed.updates(),
            value(cell.replayed.final_value),
        );
    }
    html.push_str("</tbody>\n</table></div>\n<div class=\"pair\">\n");
    let captions = [
        (&drawn.values, "Value after every update, both axes logarithmic; values outside the frame lie on its edge."),
        (&drawn.trajectories, "Trajectories of the same runs; darker is higher, each band covers the same area."),
    ];
    for (svg, caption) in captions {
        let _ = write!(html, "<figure>\n{}\n<figcaption>{caption}</figcaption>\n</figure>\n", inline(svg, name));
    }
    html.push_str("</div>\n</section>\n");
    Ok(())
}

fn starts(html: &mut String, paper: &Paper, study: &Study) {
    let starts = &study.starts;
    let _ = write!(
        html,
        "<section id=\"starts\">\n<h2>Random starts</h2>\n<p>The best configuration of each cell from {} starts, the same for \
         every optimiser, drawn uniformly from the box with seed {}. A start succeeds if the value falls to the tolerance \
         within {} updates; the median is over the successes.</p>\n<div class=\"wide\"><table>\n<thead><tr><th>function</th>\
         <th>starts in</th><th>optimiser</th><th>configuration</th><th>success</th><th>median updates</th></tr></thead>\n<tbody>\n",
        starts.count, starts.seed, paper.max_iterations
    );
    let mut last = None;
    for row in &starts.rows {
        let first = last != Some(row.function);
        last = Some(row.function);
        html.push_str(if first { "<tr class=\"first\">" } else { "<tr>" });
        if first {
            let rows = starts.rows.iter().filter(|other| other.function == row.function).count();
            let [low, high] = row.bounds;
            let name = row.function.name();
            let _ = write!(html, "<th rowspan=\"{rows}\">{name}</th><td rowspan=\"{rows}\">[{low}, {high}]²</td>");
        }
        let percent = row.success_rate * 100.0;
        let _ = writeln!(
            html,
            "<th>{}</th><td>{}</td><td class=\"n\"><span class=\"bar\" style=\"--share:{percent:.0}%\"></span>{percent:.0} %</td>\
             <td class=\"n\">{}</td></tr>",
            label(row.optimiser),
            row.config.brief(),
            row.median_iterations.map_or("–".to_owned(), |median| median.to_string()),
        );
    }
    html.push_str("</tbody>\n</table></div>\n</section>\n");
}

/// The name of an optimiser with the colour that it has in the pictures.
fn label(optimiser: Studied) -> String {
    let colour = palette::colour(optimiser.name());
    let (red, green, blue) = (colour.0, colour.1, colour.2);
    format!("<i style=\"background:rgb({red} {green} {blue})\"></i>{}", optimiser.name())
}
