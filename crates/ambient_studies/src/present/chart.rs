//! Charts: lines over two logarithmic axes, and the list of what they are called.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::picture::{Area, PLOT, Problem, draw};
use super::ticks::label;
use crate::error::Error;

const HEIGHT: u32 = 560;
/// The numbers that an axis reaches at most.
const SHOWN: [f64; 2] = [1e-18, 1e18];
const GREY: RGBColor = RGBColor(128, 128, 128);

/// A line of a chart, with what the legend says of it.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it is called.
    pub name: String,
    /// What stands below the name; nothing where it is empty.
    pub remark: String,
    /// Its colour.
    pub colour: RGBColor,
    /// Whether it is dashed.
    pub dashed: bool,
    /// Where it runs.
    pub points: Vec<(f64, f64)>,
}

/// What the axes are called, and what is drawn across.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// What stands above the chart.
    pub caption: String,
    /// What is told across.
    pub x: &'a str,
    /// What is told upwards.
    pub y: &'a str,
    /// A level of its own, with its name.
    pub level: Option<(f64, &'a str)>,
}

/// Lines over two logarithmic axes. What is not above zero has no place on them and is left out; what lies beyond 10^±18 lies on the edge.
///
/// # Errors
///
/// [`Error::Picture`].
pub fn chart(name: &str, frame: &Frame<'_>, series: &[Series]) -> Result<String, Error> {
    draw(name, HEIGHT, |area| paint(area, frame, series))
}

fn paint(area: &Area<'_>, frame: &Frame<'_>, series: &[Series]) -> Result<(), Problem> {
    let (plot, legend) = area.split_horizontally(PLOT);
    let shown = |&(x, y): &(f64, f64)| x > 0.0 && y > 0.0 && x.is_finite() && y.is_finite();
    let held = |(x, y): (f64, f64)| (x, y.clamp(SHOWN[0], SHOWN[1]));
    let points =
        || series.iter().flat_map(|series| series.points.iter().copied()).filter(|point| shown(point)).map(held);
    let span = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        if low <= high { (low, high) } else { (1.0, 10.0) }
    };
    let (left, right) = span(&mut points().map(|(x, _)| x));
    let level = frame.level.map(|(level, _)| level);
    let (low, high) = span(&mut points().map(|(_, y)| y).chain(level));
    // A line at one height has room above and below it.
    let (low, high) = if high / low < 4.0 { (low / 3.0, high * 3.0) } else { (low / 1.5, high * 1.5) };
    let right = right.max(left * 2.0);

    let mut chart = ChartBuilder::on(&plot)
        .caption(&frame.caption, ("sans-serif", 27))
        .margin(14)
        .x_label_area_size(62)
        .y_label_area_size(104)
        .build_cartesian_2d((left..right * 1.05).log_scale(), (low..high).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GREY.mix(0.25))
        .label_style(("sans-serif", 21))
        .axis_desc_style(("sans-serif", 23))
        .x_desc(frame.x)
        .y_desc(frame.y)
        .y_labels(8)
        .x_label_formatter(&|x| label(*x))
        .y_label_formatter(&|y| label(*y))
        .draw()?;
    if let Some(level) = level {
        let across = [(left, level), (right * 1.05, level)];
        chart.draw_series(DashedLineSeries::new(across, 3, 6, GREY.stroke_width(2)))?;
    }
    for line in series {
        for stretch in line.points.split(|point| !shown(point)) {
            let points = stretch.iter().copied().map(held);
            if line.dashed {
                chart.draw_series(DashedLineSeries::new(points, 10, 7, line.colour.stroke_width(3)))?;
            } else {
                chart.draw_series(LineSeries::new(points, line.colour.stroke_width(2)))?;
            }
        }
    }
    list(&legend, frame, series)
}

/// The size in which a name fits into a legend that is not wide: 22 letters of 22, more of less.
#[must_use]
pub fn fitting(name: &str, size: i32) -> i32 {
    let length = i32::try_from(name.chars().count()).unwrap_or(i32::MAX);
    (22 * 22 / length.max(1)).clamp(7, size)
}

/// What the lines are called.
fn list(area: &Area<'_>, frame: &Frame<'_>, series: &[Series]) -> Result<(), Problem> {
    let mut y = 64;
    let text = |x: i32, y: i32, size: i32, text: &str| {
        let style = ("sans-serif", size).into_text_style(area).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw_text(text, &style, (x, y))
    };
    let stroke = |y: i32, colour: RGBColor, dashed: bool, width: u32| -> Result<(), Problem> {
        let stretches = if dashed { vec![(8, 18), (26, 36), (44, 48)] } else { vec![(8, 48)] };
        for (from, to) in stretches {
            area.draw(&PathElement::new([(from, y), (to, y)], colour.stroke_width(width)))?;
        }
        Ok(())
    };
    for line in series {
        stroke(y, line.colour, line.dashed, 4)?;
        text(58, y, fitting(&line.name, 22), &line.name)?;
        if !line.remark.is_empty() {
            y += 24;
            text(58, y, 18, &line.remark)?;
        }
        y += 36;
    }
    if let Some((_, name)) = frame.level {
        for x in [8, 18, 28, 38] {
            area.draw(&PathElement::new([(x, y), (x + 4, y)], GREY.stroke_width(2)))?;
        }
        text(58, y, 19, name)?;
    }
    Ok(())
}
