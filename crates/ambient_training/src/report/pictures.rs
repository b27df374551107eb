//! The pictures of a report: scores against epochs, and the best score of a run against its epoch.

use ambient_studies::error::Error;
use ambient_studies::present::palette;
use ambient_studies::present::picture::{self, Area, PLOT, Problem, line};
use ambient_studies::present::ticks::label;
use plotters::prelude::*;

use super::groups::Group;
use crate::optimisers::Trained;
use crate::outcome::Outcome;
use crate::task::Task;

const HEIGHT: u32 = 620;

/// The axes, whatever their kind.
macro_rules! mesh {
    ($chart:ident, $axis:ident, $task:ident) => {
        $chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(128, 128, 128).mix(0.25))
            .label_style(("sans-serif", 20))
            .axis_desc_style(("sans-serif", 22))
            .x_desc($axis)
            .y_desc($task.score())
            .x_label_formatter(&|epoch| label(*epoch))
            .y_label_formatter(&|score| label(*score))
            .draw()?
    };
}

/// The lines or points, whatever the kind of the axes.
macro_rules! marks {
    ($chart:ident, $series:ident, $lines:ident, $low:expr, $high:expr) => {
        for series in $series {
            let points: Vec<(f64, f64)> = series
                .points
                .iter()
                .filter(|point| point.1.is_finite())
                .map(|point| (point.0, point.1.clamp($low, $high)))
                .collect();
            if $lines {
                $chart.draw_series(line(points, series.colour.stroke_width(3)))?;
            } else {
                $chart.draw_series(
                    points.into_iter().map(|point| Circle::new(point, 5, series.colour.mix(0.75).filled())),
                )?;
            }
        }
    };
}

/// A line or a cloud of points under a name.
struct Series {
    name: String,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

fn colour(optimiser: &Trained) -> RGBColor {
    match optimiser {
        Trained::MuonRouted => RGBColor(160, 110, 0),
        other => palette::colour(other.name()),
    }
}

/// The name of the picture of scores against epochs.
#[must_use]
pub fn curves_name(task: Task) -> String {
    format!("{task}-curves.svg")
}

/// The name of the picture of best scores against their epochs.
#[must_use]
pub fn epochs_name(task: Task) -> String {
    format!("{task}-epochs.svg")
}

/// The best score so far against epochs: of a run of each optimiser, the best of its sweep, or the typical one of its repeated runs.
///
/// # Errors
///
/// [`Error::Picture`].
pub fn curves(task: Task, groups: &[&Group]) -> Result<String, Error> {
    let series = |group: &&Group| {
        let best = group.best(1);
        let outcome = best.first().map(|(run, _)| &run.outcome).or_else(|| group.typical())?;
        let mut best = f64::NAN;
        let points = outcome.scores.iter().map(|epoch| {
            if task.is_better(epoch.test, best) {
                best = epoch.test;
            }
            (epoch.epoch as f64, best)
        });
        Some(Series { name: group.optimiser.to_string(), colour: colour(&group.optimiser), points: points.collect() })
    };
    let series: Vec<Series> = groups.iter().filter_map(series).collect();
    let caption = format!("{task}: best test {} so far", task.score());
    draw(&curves_name(task), task, &caption, "epoch", &series, true)
}

/// The best score of the best runs against the epoch in which they had it.
///
/// # Errors
///
/// [`Error::Picture`].
pub fn epochs(task: Task, groups: &[&Group], count: usize) -> Result<String, Error> {
    let series = |group: &&Group| {
        let point = |outcome: &Outcome| (outcome.best_epoch as f64, outcome.best);
        let mut points: Vec<(f64, f64)> =
            group.best(count).into_iter().map(|(_, chosen)| (chosen.epoch as f64, chosen.test)).collect();
        if points.is_empty() {
            points = group.repeated.iter().map(point).collect();
        }
        Series { name: group.optimiser.to_string(), colour: colour(&group.optimiser), points }
    };
    let series: Vec<Series> = groups.iter().map(series).collect();
    let caption = format!("{task}: best test {} of a run, and its epoch", task.score());
    draw(&epochs_name(task), task, &caption, "epoch", &series, false)
}

fn draw(name: &str, task: Task, caption: &str, axis: &str, series: &[Series], lines: bool) -> Result<String, Error> {
    picture::draw(name, HEIGHT, |area| paint(task, caption, axis, series, lines, area))
}

fn paint(
    task: Task,
    caption: &str,
    axis: &str,
    series: &[Series],
    lines: bool,
    area: &Area<'_>,
) -> Result<(), Problem> {
    let (plot, legend) = area.split_horizontally(PLOT);
    let mut scores: Vec<f64> = series.iter().flat_map(|series| &series.points).map(|point| point.1).collect();
    scores.retain(|score| score.is_finite());
    scores.sort_by(f64::total_cmp);
    let at = |share: f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
        let index = (share * scores.len() as f64) as usize;
        scores.get(index.min(scores.len().saturating_sub(1))).copied()
    };
    let is_high = task.is_better(1.0, 0.0);
    // The first epochs of a curve would flatten the rest of it.
    let (Some(low), Some(high)) =
        (at(if is_high && lines { 0.05 } else { 0.0 }), at(if is_high || !lines { 1.0 } else { 0.95 }))
    else {
        return Ok(());
    };
    let room = (high - low).max(high.abs() * 1e-3) * 0.05;
    let end = series.iter().flat_map(|series| &series.points).fold(1.0_f64, |end, point| end.max(point.0));
    let mut builder = ChartBuilder::on(&plot);
    builder.caption(caption, ("sans-serif", 27)).margin(14).x_label_area_size(62).y_label_area_size(94);
    // A logarithmic axis has a number at every power of ten, and between two of them none.
    if is_high || high < 10.0 * low {
        let mut chart = builder.build_cartesian_2d(0.0..end * 1.02, low - room..high + room)?;
        mesh!(chart, axis, task);
        marks!(chart, series, lines, low - room, high + room);
    } else {
        let (low, high) = (low / 1.06, high * 1.06);
        let mut chart = builder.build_cartesian_2d(0.0..end * 1.02, (low..high).log_scale())?;
        mesh!(chart, axis, task);
        marks!(chart, series, lines, low, high);
    }
    let mut y = 70;
    for series in series {
        legend.draw(&Rectangle::new([(20, y), (52, y + 14)], series.colour.filled()))?;
        legend.draw(&Text::new(series.name.clone(), (64, y - 4), ("sans-serif", 22).into_font()))?;
        y += 36;
    }
    Ok(())
}
