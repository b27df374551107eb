//! The pictures: values against updates, and trajectories over lines of equal value.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::outcome::{Outcome, Track};
use super::reference::Facts;
use ambient_studies::error::Error;
use ambient_studies::functions::Function;
use ambient_studies::present::contours::Field;
use ambient_studies::present::palette::colour;
use ambient_studies::present::picture::{Area, PLOT, Problem, clip, draw};
use ambient_studies::rules::named::Studied;

/// One optimiser in a picture.
#[derive(Clone, Debug)]
pub struct Line {
    /// The optimiser.
    pub optimiser: Studied,
    /// What its best run came to.
    pub outcome: Outcome,
    /// Where that run went.
    pub track: Track,
}

/// Marks on the map have one colour in light and dark.
const INK: RGBColor = RGBColor(16, 20, 28);

/// Values against updates on two logarithmic axes, as SVG.
///
/// # Errors
///
/// [`Error::Picture`].
pub fn values(function: Function, facts: &Facts, lines: &[Line]) -> Result<String, Error> {
    let name = format!("{}-values.svg", function.name());
    let height = 620;
    draw(&name, height, |area| draw_values(function, facts, lines, area))
}

/// Trajectories over lines of equal value, as SVG.
///
/// # Errors
///
/// [`Error::Picture`].
pub fn trajectories(function: Function, facts: &Facts, lines: &[Line]) -> Result<String, Error> {
    let name = format!("{}-trajectories.svg", function.name());
    let height = 780;
    draw(&name, height, |area| draw_trajectories(function, facts, lines, area))
}

fn draw_values(function: Function, facts: &Facts, lines: &[Line], area: &Area<'_>) -> Result<(), Problem> {
    let (plot, legend) = area.split_horizontally(PLOT);
    let start = lines.iter().find_map(|line| line.track.first()).map_or(1.0, |(_, value)| *value);
    let values = || lines.iter().flat_map(|line| line.track.iter().skip(1).map(|(_, value)| *value));
    // A value of zero has no logarithm and sits on the lower edge; one that shot up sits on the upper edge.
    let lowest = values().filter(|value| *value > 0.0).fold(facts.tolerance, f64::min).max(facts.tolerance / 1e6) / 3.0;
    let highest = values().fold(start, f64::max).min(start * 1e3) * 2.0;
    let longest = lines.iter().map(|line| line.outcome.iterations).max().unwrap_or(1).max(2);

    let mut chart = ChartBuilder::on(&plot)
        .caption(format!("{}: value against updates", function.title()), ("sans-serif", 27))
        .margin(14)
        .x_label_area_size(62)
        .y_label_area_size(94)
        .build_cartesian_2d((1.0..f64::from(longest) * 1.05).log_scale(), (lowest..highest).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(128, 128, 128).mix(0.25))
        .label_style(("sans-serif", 22))
        .axis_desc_style(("sans-serif", 23))
        .x_desc("updates")
        .y_desc("value")
        .x_label_formatter(&|x| format!("{x}"))
        .y_label_formatter(&|y| format!("{y:.0e}"))
        .draw()?;
    let tolerance = [(1.0, facts.tolerance), (f64::from(longest) * 1.05, facts.tolerance)];
    chart.draw_series(DashedLineSeries::new(tolerance, 8, 6, RGBColor(128, 128, 128).stroke_width(2)))?;
    for line in lines {
        let colour = colour(line.optimiser.name());
        let points = line.track.iter().enumerate().skip(1);
        let points: Vec<_> = points.map(|(update, (_, value))| (update as f64, value.clamp(lowest, highest))).collect();
        let end = points.last().copied();
        chart.draw_series(LineSeries::new(points, colour.stroke_width(3)))?;
        if let Some(end) = end {
            chart.draw_series([Circle::new(end, 6, end_style(line, colour))])?;
        }
    }

    let mut legend = Legend::new(&legend, 60);
    legend.optimisers(lines)?;
    legend.dashed("tolerance")?;
    legend.end_marks()
}

fn draw_trajectories(function: Function, facts: &Facts, lines: &[Line], area: &Area<'_>) -> Result<(), Problem> {
    const BANDS: usize = 10;
    let (plot, legend) = area.split_horizontally(PLOT);
    let frame = frame(function, facts, lines);
    let [[left, right], [bottom, top]] = frame;
    let mut chart = ChartBuilder::on(&plot)
        .caption(format!("{}: trajectories", function.title()), ("sans-serif", 27))
        .margin(14)
        .x_label_area_size(62)
        .y_label_area_size(94)
        .build_cartesian_2d(left..right, bottom..top)?;

    let field = Field::sample(frame, 120, |x, y| function.at(x, y));
    let levels = field.levels(BANDS);
    for (band, [x0, y0], [x1, y1]) in field.stretches(&levels) {
        let colour = shade(band as f64 / (BANDS - 1) as f64, 0.0);
        chart.draw_series([Rectangle::new([(x0, y0), (x1, y1)], colour.filled())])?;
    }
    for (band, &level) in levels.iter().enumerate() {
        let colour = shade(band as f64 / (BANDS - 1) as f64, 26.0);
        for line in field.lines(level) {
            let points: Vec<_> = line.into_iter().map(|[x, y]| (x, y)).collect();
            chart.draw_series(LineSeries::new(points, colour.stroke_width(1)))?;
        }
    }
    chart
        .configure_mesh()
        .disable_mesh()
        .label_style(("sans-serif", 22))
        .axis_desc_style(("sans-serif", 23))
        .x_desc("x")
        .y_desc("y")
        .draw()?;

    // Where trajectories lie on one line, those below stay visible beside those above.
    let widening = if function.keeps_diagonal() { 2 } else { 1 };
    let mut width = 2 + widening * u32::try_from(lines.len().saturating_sub(1))?;
    for line in lines {
        for piece in pieces(&line.track, frame) {
            chart.draw_series(LineSeries::new(piece, colour(line.optimiser.name()).stroke_width(width)))?;
        }
        width = width.saturating_sub(widening);
    }
    for &[x, y] in &facts.global_minima {
        chart.draw_series([Cross::new((x, y), 9, INK.stroke_width(3))])?;
    }
    for line in lines {
        if let Some(([x, y], _)) = line.track.last()
            && clip([*x, *y], [*x, *y], frame).is_some()
        {
            let style = end_style(line, colour(line.optimiser.name()));
            chart.draw_series([Circle::new((*x, *y), 6, style)])?;
        }
    }
    let [x, y] = facts.start;
    chart.draw_series([Circle::new((x, y), 8, WHITE.filled()), Circle::new((x, y), 8, INK.stroke_width(3))])?;

    let mut legend = Legend::new(&legend, 60);
    legend.optimisers(lines)?;
    legend.start("start")?;
    legend.minimum(if facts.global_minima.len() > 1 { "global minima" } else { "global minimum" })?;
    legend.end_marks()
}

/// The colour of a height between 0 and 1, darkened by some steps of 255.
fn shade(height: f64, darker: f64) -> RGBColor {
    let mix = |low: f64, high: f64| low + (high - low) * height - darker;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a shade lies between 0 and 255")]
    let [red, green, blue] = [mix(252.0, 164.0), mix(252.0, 178.0), mix(246.0, 198.0)].map(|shade| shade as u8);
    RGBColor(red, green, blue)
}

/// An end is a full disc where the run converged, else a ring.
fn end_style(line: &Line, colour: RGBColor) -> ShapeStyle {
    if line.outcome.converged { colour.filled() } else { colour.stroke_width(3) }
}

/// The part of the plane that holds the start, the minima and what the box of the function shows of the trajectories.
fn frame(function: Function, facts: &Facts, lines: &[Line]) -> [[f64; 2]; 2] {
    let [low, high] = function.bounds();
    let marks = facts.global_minima.iter().chain([&facts.start]);
    let visited = lines.iter().flat_map(|line| line.track.iter().map(|(point, _)| point));
    let mut frame = [[f64::INFINITY, f64::NEG_INFINITY]; 2];
    for point in marks.chain(visited) {
        for (range, coordinate) in frame.iter_mut().zip(point) {
            let coordinate = coordinate.clamp(low, high);
            *range = [range[0].min(coordinate), range[1].max(coordinate)];
        }
    }
    frame.map(|[low, high]| {
        let margin = 0.08 * (high - low) + 0.1;
        [low - margin, high + margin]
    })
}

/// The parts of a track that lie in the frame, without points nearer than a pixel to the last.
fn pieces(track: &Track, frame: [[f64; 2]; 2]) -> Vec<Vec<(f64, f64)>> {
    let [[left, right], [bottom, top]] = frame;
    let pixel = [(right - left) / 700.0, (top - bottom) / 650.0];
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut last: Option<[f64; 2]> = None;
    for (point, _) in track {
        let Some(from) = last else {
            last = Some(*point);
            continue;
        };
        if (0..2).all(|axis| (point[axis] - from[axis]).abs() < pixel[axis]) {
            continue;
        }
        if let Some([a, b]) = clip(from, *point, frame) {
            match pieces.last_mut() {
                Some(piece) if piece.last() == Some(&(a[0], a[1])) => piece.push((b[0], b[1])),
                _ => pieces.push(vec![(a[0], a[1]), (b[0], b[1])]),
            }
        }
        last = Some(*point);
    }
    pieces
}

/// The list beside a plot.
struct Legend<'a, 'b> {
    area: &'b Area<'a>,
    y: i32,
}

impl<'a, 'b> Legend<'a, 'b> {
    fn new(area: &'b Area<'a>, y: i32) -> Self {
        Self { area, y }
    }

    fn text(&self, x: i32, text: &str, size: i32) -> Result<(), Problem> {
        let style = ("sans-serif", size).into_text_style(self.area).pos(Pos::new(HPos::Left, VPos::Center));
        self.area.draw_text(text, &style, (x, self.y))?;
        Ok(())
    }

    fn optimisers(&mut self, lines: &[Line]) -> Result<(), Problem> {
        for line in lines {
            let colour = colour(line.optimiser.name());
            self.area.draw(&PathElement::new([(8, self.y), (46, self.y)], colour.stroke_width(5)))?;
            self.text(58, line.optimiser.name(), 24)?;
            self.y += 25;
            let outcome = &line.outcome;
            let result = if outcome.converged {
                format!("{} updates", outcome.iterations)
            } else {
                format!("not converged: {:.2e}", outcome.final_value)
            };
            self.text(58, &result, 19)?;
            self.y += 35;
        }
        self.y += 8;
        Ok(())
    }

    fn entry(&mut self, text: &str) -> Result<(), Problem> {
        self.text(58, text, 20)?;
        self.y += 34;
        Ok(())
    }

    fn dashed(&mut self, text: &str) -> Result<(), Problem> {
        for x in [8, 23, 38] {
            let style = RGBColor(128, 128, 128).stroke_width(2);
            self.area.draw(&PathElement::new([(x, self.y), (x + 8, self.y)], style))?;
        }
        self.entry(text)
    }

    fn start(&mut self, text: &str) -> Result<(), Problem> {
        self.area.draw(&Circle::new((27, self.y), 8, WHITE.filled()))?;
        self.area.draw(&Circle::new((27, self.y), 8, BLACK.stroke_width(3)))?;
        self.entry(text)
    }

    fn minimum(&mut self, text: &str) -> Result<(), Problem> {
        self.area.draw(&Cross::new((27, self.y), 9, BLACK.stroke_width(3)))?;
        self.entry(text)
    }

    fn end_marks(&mut self) -> Result<(), Problem> {
        self.area.draw(&Circle::new((27, self.y), 6, BLACK.filled()))?;
        self.entry("end, converged")?;
        self.area.draw(&Circle::new((27, self.y), 6, BLACK.stroke_width(3)))?;
        self.entry("end, not converged")
    }
}
