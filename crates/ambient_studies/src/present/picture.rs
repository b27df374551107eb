//! Plane pictures: the ground that they are drawn on, and what their lines have in common.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::error::Error;

/// A picture's width.
const WIDTH: u32 = 1120;
/// The part of the width that the plot takes; the legend has the rest.
pub const PLOT: u32 = 820;

/// What is drawn on.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Why something could not be drawn.
pub type Problem = Box<dyn std::error::Error>;

/// Draws on a ground that a page can hide, in an ink that a page can choose.
///
/// # Errors
///
/// [`Error::Picture`], with its name.
pub fn draw(name: &str, height: u32, paint: impl FnOnce(&Area<'_>) -> Result<(), Problem>) -> Result<String, Error> {
    let failed = |problem: &dyn Display| Error::Picture { picture: name.to_owned(), problem: problem.to_string() };
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        paint(&area).map_err(|problem| failed(&problem))?;
        area.present().map_err(|problem| failed(&problem))?;
    }
    let text = gather_rectangles(&text);
    let text = text.replace("\"#000000\"", "\"currentColor\"").replace("sans-serif", "system-ui, sans-serif");
    let ground = r##"<rect class="ground" width="100%" height="100%" fill="#FFFFFF"/>"##;
    match text.split_once(">\n") {
        Some((opening, rest)) => Ok(format!("{opening}>\n{ground}\n{rest}")),
        None => Err(failed(&"the backend wrote no SVG")),
    }
}

/// Rewrites each run of filled rectangles as one path per colour, a fifth of the size and without seams between them.
fn gather_rectangles(svg: &str) -> String {
    let mut text = String::new();
    let mut paths: BTreeMap<&str, String> = BTreeMap::new();
    for line in svg.lines() {
        if let Some((fill, outline)) = rectangle(line) {
            paths.entry(fill).or_default().push_str(&outline);
            continue;
        }
        for (fill, path) in std::mem::take(&mut paths) {
            let _ = writeln!(text, r#"<path shape-rendering="crispEdges" fill="{fill}" d="{path}"/>"#);
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// The colour and outline of a filled rectangle, if a line of SVG is one.
fn rectangle(line: &str) -> Option<(&str, String)> {
    let attributes = line.strip_prefix("<rect ")?;
    let attribute = |name: &str| {
        let (_, rest) = attributes.split_once(name)?.1.split_once('"')?;
        rest.split('"').next()
    };
    if !attributes.contains(r#"stroke="none""#) {
        return None;
    }
    let (x, y) = (attribute("x=")?, attribute("y=")?);
    let (width, height) = (attribute("width=")?, attribute("height=")?);
    Some((attribute("fill=")?, format!("M{x} {y}h{width}v{height}h-{width}z")))
}

/// A line through points; a dot where there is but one.
#[must_use]
pub fn line(points: Vec<(f64, f64)>, style: ShapeStyle) -> LineSeries<SVGBackend<'static>, (f64, f64)> {
    let size = if points.len() == 1 { 4 } else { 0 };
    LineSeries::new(points, style).point_size(size)
}

/// The part of a straight line that lies in the frame (after Liang and Barsky).
#[must_use]
pub fn clip(from: [f64; 2], to: [f64; 2], frame: [[f64; 2]; 2]) -> Option<[[f64; 2]; 2]> {
    let mut enter = 0.0_f64;
    let mut leave = 1.0_f64;
    for ((from, to), [low, high]) in from.into_iter().zip(to).zip(frame) {
        let step = to - from;
        if step == 0.0 {
            if from < low || from > high {
                return None;
            }
            continue;
        }
        let (first, second) = ((low - from) / step, (high - from) / step);
        enter = enter.max(first.min(second));
        leave = leave.min(first.max(second));
    }
    let at = |share: f64| [0, 1].map(|axis: usize| from[axis] + share * (to[axis] - from[axis]));
    let begin = if enter == 0.0 { from } else { at(enter) };
    (enter <= leave).then(|| [begin, if leave >= 1.0 { to } else { at(leave) }])
}
