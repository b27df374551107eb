//! The curves of a run: loss, score, damping and effective learning rate against updates.

use ambient_studies::error::Error;
use ambient_studies::present::picture::{self, Problem, line};
use ambient_studies::present::ticks::label;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::log::Line;
use crate::outcome::Outcome;

/// The file in the folder of a run.
pub const FILE: &str = "curves.svg";
/// More points than this are no more than a line can show.
const POINTS: usize = 1500;
const HEIGHT: u32 = 900;
const LOSS: RGBColor = RGBColor(0, 114, 178);
const SCORE: RGBColor = RGBColor(213, 94, 0);
const DAMPING: RGBColor = RGBColor(0, 148, 105);
const RATE: RGBColor = RGBColor(204, 60, 140);

/// The axes, whatever their kind.
macro_rules! mesh {
    ($chart:ident) => {
        $chart
            .configure_mesh()
            .x_desc("updates")
            .x_label_formatter(&|step| label(*step))
            .y_label_formatter(&|value| label(*value))
            .light_line_style(TRANSPARENT)
            .draw()?
    };
}

/// One of the four panels.
struct Panel<'a> {
    title: &'a str,
    points: Vec<(f64, f64)>,
    colour: RGBColor,
    logarithmic: bool,
}

/// The picture, as SVG.
///
/// # Errors
///
/// [`Error::Picture`].
pub fn draw(outcome: &Outcome, lines: &[Line], batches: usize) -> Result<String, Error> {
    let settings = &outcome.settings;
    let every = lines.len().div_ceil(POINTS).max(1);
    let series = |value: fn(&Line) -> f64| {
        // Means of short stretches, so that no point stands for its neighbours by chance.
        let mean = |lines: &[Line]| {
            let step = lines.first().map_or(0.0, |line| line.step);
            (step, lines.iter().map(value).sum::<f64>() / lines.len() as f64)
        };
        lines.chunks(every).map(mean).collect::<Vec<_>>()
    };
    let scores = outcome.scores.iter().map(|epoch| ((epoch.epoch * batches) as f64, epoch.test)).collect();
    let score = format!("{} on the test set", settings.task.score());
    let panels = [
        Panel { title: "loss of the mini-batch", points: series(|line| line.loss), colour: LOSS, logarithmic: true },
        Panel { title: &score, points: scores, colour: SCORE, logarithmic: settings.task.score() != "accuracy" },
        Panel { title: "damping r", points: series(|line| line.damping), colour: DAMPING, logarithmic: false },
        Panel {
            title: "effective learning rate ηr",
            points: series(|line| line.effective_learning_rate),
            colour: RATE,
            logarithmic: true,
        },
    ];
    let title = format!("{} on {}, seed {}", settings.optimiser, settings.task, settings.seed);
    picture::draw(FILE, HEIGHT, |area| {
        let area = area.titled(&title, ("sans-serif", 22))?;
        for (panel, area) in panels.iter().zip(area.split_evenly((2, 2))) {
            paint(panel, &area)?;
        }
        Ok(())
    })
}

fn paint(panel: &Panel<'_>, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Problem> {
    let is_shown = |&&(_, value): &&(f64, f64)| value.is_finite() && (!panel.logarithmic || value > 0.0);
    let points: Vec<(f64, f64)> = panel.points.iter().filter(is_shown).copied().collect();
    let end = points.iter().fold(1.0_f64, |end, (step, _)| end.max(*step));
    let (low, high) =
        points.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), (_, value)| (low.min(*value), high.max(*value)));
    let (low, high) = if low < high { (low, high) } else { (high * 0.9, high * 1.1 + f64::MIN_POSITIVE) };
    let mut builder = ChartBuilder::on(area);
    builder.margin(14).x_label_area_size(40).y_label_area_size(70).caption(panel.title, ("sans-serif", 17));
    // A narrow range has no whole powers to be labelled.
    if panel.logarithmic && high > 4.0 * low {
        let mut chart = builder.build_cartesian_2d(0.0..end, (low / 1.1..high * 1.1).log_scale())?;
        mesh!(chart);
        chart.draw_series(line(points, panel.colour.stroke_width(2)))?;
    } else {
        let room = (high - low) * 0.05;
        let mut chart = builder.build_cartesian_2d(0.0..end, low - room..high + room)?;
        mesh!(chart);
        chart.draw_series(line(points, panel.colour.stroke_width(2)))?;
    }
    Ok(())
}
