//! The page: the surface, the runs and how steps depend on the gradient, in one file of HTML.

use std::fmt::Write as _;

use super::geometry::Shown;
use super::scene::{Landscape, Scene};
use super::space::{end, is_product};
use ambient_studies::present::page::{escape, head, inline};
use ambient_studies::present::palette::css;
use ambient_studies::present::ticks::{label, short};

/// The pictures, as SVG.
pub(super) struct Pictures {
    pub(super) surface: String,
    pub(super) profile: String,
    pub(super) rates: String,
    pub(super) values: String,
}

impl Pictures {
    /// The pictures with the names of their files.
    pub(super) fn named(&self) -> [(&'static str, &str); 4] {
        [
            ("surface", &self.surface),
            ("profile", &self.profile),
            ("effective-learning-rate", &self.rates),
            ("values", &self.values),
        ]
    }
}

pub(super) fn render(scene: &Scene<'_>, landscape: &Landscape, pictures: &Pictures) -> String {
    let function = landscape.function.name();
    let ([x, y], ambient) = (landscape.start, scene.request.ambient);
    let tells = match scene.request.shown {
        Shown::Volume => {
            "The colour is √det g: how much larger a patch of the surface is than its shadow on the parameters. Where it is large, \
             an induced-metric step is short."
        }
        Shown::Damping if !is_product(ambient) => {
            "The colour is the damping r: what a step of gradient descent is multiplied by."
        }
        Shown::Damping => {
            "The colour is the damping r = f′/(1 + ξf′²‖l‖²): what a step of gradient descent is multiplied by."
        }
        Shown::Loss => "The colour is the loss itself.",
        Shown::Curvature => {
            "The colour is the Gaussian curvature: above zero where the surface is a bowl or a dome, below zero where it is a \
             saddle."
        }
    };
    let within = if is_product(ambient) { String::new() } else { format!(" in <code>{ambient}</code>") };
    let blank = match end(ambient) {
        Some(heights) if landscape.blank > 0.0 => {
            format!(" Where it is blank the space ends: it has no heights with {heights}.")
        }
        _ => String::new(),
    };
    let profile = if is_product(ambient) {
        "The size of an update against that of the gradient. An update on a surface rises like SGD, turns at ‖l‖ = 1/(√ξf′) and falls \
         again: it never exceeds the bound, whatever f."
    } else {
        "The size of an update against that of the gradient. In this space it depends on the height, and so on the loss, for every f."
    };
    let mut html = String::new();
    let _ = write!(
        html,
        r#"{head}<h1>{title}</h1>
<p class="lead"><code>{formula}</code> as the surface h = √ξ f(L) over its parameters, with f = {embedding} and ξ = {xi}{within}, and runs on it
from ({x}, {y}) until the loss is at most {tolerance:e}.</p>
<figure class="surface">
{surface}
<figcaption>{tells} Thin lines are at equal heights. A run is faint where the surface hides it; its dots are updates.{blank}</figcaption>
</figure>
"#,
        head =
            head(&format!("{}: the loss surface", landscape.function.title()), "\n.surface { max-width: 1120px; }\n"),
        title = landscape.function.title(),
        formula = escape(&scene.facts.formula),
        embedding = landscape.embedding,
        xi = label(landscape.xi),
        tolerance = landscape.tolerance,
        surface = inline(&pictures.surface, &format!("the surface of {function}")),
    );
    table(&mut html, scene, landscape);
    let figures = [
        (
            &pictures.rates,
            "The effective learning rate ηr: what the base optimiser would need for the same step. Without a pull-back it is η.",
        ),
        (&pictures.values, "The loss after every update."),
        (&pictures.profile, profile),
    ];
    html.push_str("<section>\n<h2>Steps</h2>\n<div class=\"pair\">\n");
    for (picture, caption) in figures {
        let _ =
            write!(html, "<figure>\n{}\n<figcaption>{caption}</figcaption>\n</figure>\n", inline(picture, function));
    }
    html.push_str("</div>\n</section>\n</main>\n</body>\n</html>\n");
    html
}

fn table(html: &mut String, scene: &Scene<'_>, landscape: &Landscape) {
    let start = &landscape.at_start;
    let _ = write!(
        html,
        "<section>\n<h2>Runs</h2>\n<p>At the start the loss is {}, its gradient has the length {}, √det g is {}, the damping r is {} and the Gaussian \
         curvature {}.</p>\n<div class=\"wide\"><table>\n<thead><tr><th>optimiser</th><th>configuration</th><th>updates</th><th>loss</th>\
         <th>end</th><th>effective learning rate</th><th>way on the surface</th></tr></thead>\n<tbody>\n",
        short(start.loss),
        short(start.gradient_norm),
        short(start.volume),
        short(start.damping),
        short(start.curvature),
    );
    for (told, trace) in landscape.runs.iter().zip(scene.traces) {
        let rates = told
            .effective_learning_rate
            .map_or_else(|| "–".to_owned(), |[low, high]| format!("{} to {}", short(low), short(high)));
        let _ = writeln!(
            html,
            "<tr><th><i style=\"background:{}\"></i>{}</th><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td>\
             <td class=\"n\">{rates}</td><td class=\"n\">{}</td></tr>",
            css(trace.colour),
            told.optimiser,
            told.config.brief(),
            told.updates,
            short(told.final_value),
            escape(&told.end.words()),
            told.length.map_or_else(|| "–".to_owned(), short),
        );
    }
    html.push_str("</tbody>\n</table></div>\n</section>\n");
}
