//! The surface in three dimensions: a grid drawn from back to front, and runs on it.

use std::fmt::Write as _;

use ambient_metric::{Embedding as _, Error as Refusal};

use super::geometry::{Geometry, Shown};
use super::request::Request;
use super::runs::{End, Trace};
use super::scene::Scene;
use super::space::{end, has, is_product, within};
use ambient_studies::error::Error;
use ambient_studies::functions::Function;
use ambient_studies::present::chart::fitting;
use ambient_studies::present::colour::{Rgb, Scale, hex};
use ambient_studies::present::contours::Field;
use ambient_studies::present::palette::css;
use ambient_studies::present::picture::clip;
use ambient_studies::present::relief::{CELLS, Eye, Grid, LIFT, compact, outline, pieces, text};
use ambient_studies::present::ticks::{decades, extent, label, round_numbers};

/// The picture.
const SIZE: [f64; 2] = [1120.0, 800.0];
/// How many lines of equal height there are.
const CONTOURS: u8 = 14;
/// Steps of the colour map; neighbours of one colour are drawn as one.
const SHADES: f64 = 56.0;

/// From where a function is seen best: turned about the vertical, and tilted.
fn view(function: Function) -> [f64; 2] {
    match function {
        Function::Beale => [28.0, 42.0],
        Function::Rosenbrock => [207.0, 40.0],
        Function::Himmelblau => [28.0, 44.0],
        Function::Ackley => [30.0, 48.0],
        Function::Rastrigin => [30.0, 52.0],
    }
}

/// The height of the box, where its floor is two by two: lower for a function with many summits, so that they hide less.
fn tall(function: Function) -> f64 {
    match function {
        Function::Beale | Function::Rosenbrock | Function::Himmelblau => 1.05,
        Function::Ackley => 0.8,
        Function::Rastrigin => 0.55,
    }
}

/// The surface of a scene as a grid of heights f(L), without the cells of which a corner or what the colour tells lies outside of the space.
fn surface(scene: &Scene<'_>, outside: &[bool]) -> Grid {
    let Request { function, embedding, ambient, .. } = scene.request;
    let height = |[x, y]: [f64; 2]| {
        let loss = function.at(x, y);
        let height = embedding.height(loss);
        // What the space has not is no part of the picture's range.
        if has(*ambient, loss, scene.xi.sqrt() * height) { height } else { f64::NAN }
    };
    let heights: Vec<f64> = Grid::corners(scene.frame).map(height).collect();
    let mut holes = outside.to_vec();
    if !is_product(*ambient) {
        for (index, hole) in holes.iter_mut().enumerate() {
            let corner = index / CELLS * (CELLS + 1) + index % CELLS;
            let corners = [corner, corner + 1, corner + CELLS + 1, corner + CELLS + 2];
            *hole |= corners.iter().any(|corner| heights.get(*corner).is_none_or(|height| height.is_nan()));
        }
    }
    Grid::new(scene.frame, heights, tall(*function)).without(holes)
}

/// The picture.
pub(super) struct Relief {
    /// As SVG.
    pub(super) svg: String,
    /// The share of it that is left blank, since the space ends there.
    pub(super) blank: f64,
}

/// Draws the surface and the runs on it.
pub(super) fn draw(scene: &Scene<'_>) -> Relief {
    let (values, outside) = told(scene);
    let grid = surface(scene, &outside);
    let blank = grid.blank();
    let is_curvature = scene.request.shown == Shown::Curvature;
    let scale = if is_curvature { Scale::signed(&values) } else { Scale::of(&values) };
    let eye = Eye::new(scene.request.view.unwrap_or_else(|| view(scene.request.function)), grid.tall);
    let [width, height] = SIZE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" fill=\"currentColor\">\n\
         <rect class=\"ground\" width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n"
    );
    let request = scene.request;
    let title = format!(
        "{}: the surface h = √ξ f(L), f = {}, ξ = {}{}",
        request.function.title(),
        request.embedding,
        label(scene.xi),
        within(request.ambient)
    );
    // As large as there is room for.
    let letters = title.chars().count() as f64;
    text(&mut svg, [36.0, 46.0], (27.0 * 62.0 / letters).min(27.0).round(), "start", &title);
    room(&mut svg, scene, &grid, &eye);
    cells(&mut svg, &grid, &eye, &values, &scale);
    contours(&mut svg, &grid, &eye);
    // Where runs lie on one line, those below stay visible beside those above.
    for (above, trace) in scene.traces.iter().rev().enumerate().rev() {
        run(&mut svg, &grid, &eye, trace, 2.4 + 1.1 * above as f64);
    }
    marks(&mut svg, scene, &grid, &eye);
    bar(&mut svg, request.shown, &scale);
    if let Some(heights) = end(request.ambient).filter(|_| blank > 0.0) {
        text(&mut svg, [834.0, 386.0], 15.0, "start", &format!("blank: no space for {heights}"));
    }
    legend(&mut svg, scene);
    svg.push_str("</svg>\n");
    Relief { svg, blank }
}

/// What the colour tells in every cell, and the cells for which the space has no height.
fn told(scene: &Scene<'_>) -> (Vec<f64>, Vec<bool>) {
    let Request { function, embedding, ambient, shown, .. } = scene.request;
    let geometry = |point| Geometry::at(*function, *embedding, scene.xi, *ambient, point);
    let value = |point| match geometry(point) {
        Ok(geometry) => (shown.of(&geometry), false),
        Err(Error::Library(Refusal::OutsideSpace { .. })) => (f64::NAN, true),
        Err(_) => (f64::NAN, false),
    };
    Grid::centres(scene.frame).map(value).unzip()
}

/// Floor and back walls with their grid, and the axes in front.
fn room(svg: &mut String, scene: &Scene<'_>, grid: &Grid, eye: &Eye) {
    let [far_x, far_y] = eye.far();
    let to = |points: &[[f64; 3]]| outline(points.iter().map(|point| eye.project(*point)));
    let walls = [
        [[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [-1.0, 1.0, 0.0]],
        [[far_x, -1.0, 0.0], [far_x, 1.0, 0.0], [far_x, 1.0, grid.tall], [far_x, -1.0, grid.tall]],
        [[-1.0, far_y, 0.0], [1.0, far_y, 0.0], [1.0, far_y, grid.tall], [-1.0, far_y, grid.tall]],
    ];
    for (wall, opacity) in walls.iter().zip([0.07, 0.045, 0.025]) {
        let _ = writeln!(svg, "<path d=\"{}z\" fill-opacity=\"{opacity}\"/>", to(wall));
    }

    let embedding = scene.request.embedding;
    let losses = loss_ticks(scene, grid);
    let heights: Vec<(f64, f64)> = losses
        .iter()
        .map(|&loss| (loss, grid.tall * ((embedding.height(loss) - grid.low) / (grid.high - grid.low)).max(0.0)))
        .collect();
    let ticks = grid.frame.map(|[low, high]| round_numbers(low, high, 5));
    let across = |tick: f64, axis: usize| {
        let [low, high] = grid.frame[axis];
        2.0 * (tick - low) / (high - low) - 1.0
    };
    let mut lines = String::new();
    for x in ticks[0].iter().map(|&tick| across(tick, 0)) {
        lines.push_str(&to(&[[x, -far_y, 0.0], [x, far_y, 0.0], [x, far_y, grid.tall]]));
    }
    for y in ticks[1].iter().map(|&tick| across(tick, 1)) {
        lines.push_str(&to(&[[-far_x, y, 0.0], [far_x, y, 0.0], [far_x, y, grid.tall]]));
    }
    for &(_, z) in &heights {
        lines.push_str(&to(&[[-far_x, far_y, z], [far_x, far_y, z], [far_x, -far_y, z]]));
    }
    let _ = writeln!(
        svg,
        "<path d=\"{lines}\" fill=\"none\" stroke=\"currentColor\" stroke-opacity=\".2\" stroke-width=\"1\"/>"
    );

    // x runs along the near edge of constant y, y along that of constant x.
    let edges = to(&[[far_x, -far_y, 0.0], [-far_x, -far_y, 0.0], [-far_x, far_y, 0.0]]);
    let _ = writeln!(
        svg,
        "<path d=\"{edges}\" fill=\"none\" stroke=\"currentColor\" stroke-opacity=\".65\" stroke-width=\"1.4\"/>"
    );
    let middle = eye.project([0.0, 0.0, 0.0]);
    let outward = |[x, y]: [f64; 2], far: f64| {
        // Labels stand off the edge, away from the middle of the floor.
        let [dx, dy] = [x - middle[0], y - middle[1]];
        let length = dx.hypot(dy).max(1.0);
        [x + far * dx / length, y + far * dy / length + 6.0]
    };
    let anchor = |[x, _]: [f64; 2], beside: f64| {
        if x < beside - 40.0 {
            "end"
        } else if x > beside + 40.0 {
            "start"
        } else {
            "middle"
        }
    };
    // Straight away from the axis, so that labels stand in a row.
    let mut beside = |place: [f64; 3], inner: [f64; 3], tick: f64| {
        let ([x, y], [ix, iy]) = (eye.project(place), eye.project(inner));
        let (dx, dy) = (x - ix, y - iy);
        let length = dx.hypot(dy).max(1.0);
        text(svg, [x + 22.0 * dx / length, y + 22.0 * dy / length + 7.0], 19.0, "middle", &label(tick));
    };
    for &tick in &ticks[0] {
        let x = across(tick, 0);
        beside([x, -far_y, 0.0], [x, 0.0, 0.0], tick);
    }
    for &tick in &ticks[1] {
        let y = across(tick, 1);
        beside([-far_x, y, 0.0], [0.0, y, 0.0], tick);
    }
    for (name, place) in [("x", [0.0, -far_y, 0.0]), ("y", [-far_x, 0.0, 0.0])] {
        let edge = eye.project(place);
        let spot = outward(edge, 52.0);
        text(svg, spot, 22.0, anchor(spot, middle[0]), name);
    }

    // Heights stand at the leftmost corner.
    let corners = [[far_x, -far_y], [-far_x, far_y]];
    let left = corners.into_iter().min_by(|a, b| {
        let x = |[x, y]: &[f64; 2]| eye.project([*x, *y, 0.0])[0];
        x(a).total_cmp(&x(b))
    });
    let [x, y] = left.unwrap_or([far_x, far_y]);
    let edge = to(&[[x, y, 0.0], [x, y, grid.tall]]);
    let _ = writeln!(
        svg,
        "<path d=\"{edge}\" fill=\"none\" stroke=\"currentColor\" stroke-opacity=\".65\" stroke-width=\"1.4\"/>"
    );
    for (loss, z) in heights {
        let [px, py] = eye.project([x, y, z]);
        text(svg, [px - 10.0, py + 6.5], 19.0, "end", &label(loss));
    }
    let [px, py] = eye.project([x, y, grid.tall]);
    text(svg, [px - 4.0, py - 18.0], 22.0, "end", "loss L");
}

/// Losses to be written at the height that the embedding gives them, none too near to another.
fn loss_ticks(scene: &Scene<'_>, grid: &Grid) -> Vec<f64> {
    let embedding = scene.request.embedding;
    let share = |loss: f64| (embedding.height(loss) - grid.low) / (grid.high - grid.low);
    let (_, highest) = extent(&scene_losses(scene));
    let even = round_numbers(0.0, highest, 5);
    let tens = decades(highest.max(1e-300) * 1e-12, highest, 12);
    let mut chosen: Vec<f64> = Vec::new();
    // Where the embedding is straight, even steps; else powers of ten, and what fits between them.
    let straight = share(highest / 2.0) > 0.45 && share(highest / 2.0) < 0.55;
    let between = tens.iter().flat_map(|ten| [2.0 * ten, 5.0 * ten]);
    let candidates: Vec<f64> =
        if straight { even } else { core::iter::once(0.0).chain(tens.iter().rev().copied()).chain(between).collect() };
    for loss in candidates {
        // The lowest corner of the grid is hardly ever the minimum itself.
        let place = share(loss);
        let place = if (-0.02..0.0).contains(&place) { 0.0 } else { place };
        let free = chosen.iter().all(|other| (share(*other) - place).abs() > 0.085);
        if (0.0..=1.0).contains(&place) && free {
            chosen.push(loss);
        }
    }
    chosen
}

/// The losses at the corners of the grid.
fn scene_losses(scene: &Scene<'_>) -> Vec<f64> {
    Grid::corners(scene.frame).map(|[x, y]| scene.request.function.at(x, y)).collect()
}

/// The cells from the farthest to the nearest, those of one colour beside each other as one.
fn cells(svg: &mut String, grid: &Grid, eye: &Eye, values: &[f64], scale: &Scale) {
    let [far_x, far_y] = eye.far();
    let order = |far: f64| -> Vec<usize> { if far > 0.0 { (0..CELLS).rev().collect() } else { (0..CELLS).collect() } };
    let columns = order(far_x);
    svg.push_str("<g transform=\"scale(.1)\" fill=\"currentColor\" stroke=\"currentColor\" stroke-width=\"8\" stroke-linejoin=\"round\">\n");
    for row in order(far_y) {
        let mut first = 0;
        while let Some(&begin) = columns.get(first) {
            let here = shade(grid, begin, row, values, scale);
            let count = columns[first..]
                .iter()
                .take_while(|&&column| shade(grid, column, row, values, scale) == here)
                .count()
                .max(1);
            let end = columns.get(first + count - 1).copied().unwrap_or(begin);
            let (left, right) = (begin.min(end), begin.max(end) + 1);
            let lower = (left..=right).map(|column| grid.point(column, row));
            let upper = (left..=right).rev().map(|column| grid.point(column, row + 1));
            let path = compact(lower.chain(upper).map(|point| eye.project(point)));
            if let Some(here) = here {
                let _ = writeln!(svg, "<path color=\"{}\" d=\"{path}z\"/>", hex(here));
            }
            first += count;
        }
    }
    svg.push_str("</g>\n");
}

/// The colour of a cell: what it tells, a little darker where it turns away from the light; none where there is no surface.
fn shade(grid: &Grid, column: usize, row: usize, values: &[f64], scale: &Scale) -> Option<Rgb> {
    if grid.is_hole(column, row) {
        return None;
    }
    let value = values.get(row * CELLS + column).copied().unwrap_or(f64::NAN);
    if value.is_nan() {
        return Some([150, 150, 150]);
    }
    let share = (scale.share(value) * SHADES).round() / SHADES;
    let [right, up] = [
        grid.corner(column + 1, row) - grid.corner(column, row),
        grid.corner(column, row + 1) - grid.corner(column, row),
    ]
    .map(|rise| rise * CELLS as f64 / 2.0);
    let steep = (1.0 + right * right + up * up).sqrt();
    let light = (0.9 - 0.3 * right + 0.3 * up) / steep / 0.9_f64.hypot(0.3_f64.hypot(0.3));
    let dim = 0.80 + 0.20 * (light.clamp(0.0, 1.0) * 7.0).round() / 7.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of 255 times at most one")]
    Some(scale.map(share).map(|part| (f64::from(part) * dim) as u8))
}

/// Lines of equal height on the surface, where it does not hide them.
fn contours(svg: &mut String, grid: &Grid, eye: &Eye) {
    let field = Field::sample([[-1.0, 1.0]; 2], CELLS, |x, y| grid.height([x, y]));
    let mut seen = String::new();
    for level in 1..CONTOURS {
        let level = grid.tall * f64::from(level) / f64::from(CONTOURS);
        for line in field.lines(level) {
            for piece in pieces(grid, eye, line.into_iter().map(|[x, y]| [x, y, level + LIFT / 2.0])) {
                if piece.seen {
                    seen.push_str(&compact(piece.points));
                }
            }
        }
    }
    let _ = writeln!(
        svg,
        "<path transform=\"scale(.1)\" d=\"{seen}\" fill=\"none\" stroke=\"#000\" stroke-opacity=\".3\" stroke-width=\"8\"/>"
    );
}

/// The way of a run: in full where it is seen, faint where the surface hides it, with a dot at every update that is far from the last.
fn run(svg: &mut String, grid: &Grid, eye: &Eye, trace: &Trace, width: f64) {
    let mut lines: Vec<Vec<[f64; 3]>> = Vec::new();
    let mut last: Option<[f64; 2]> = None;
    for (point, _) in &trace.way.track {
        let Some(from) = last.replace(*point) else { continue };
        let Some([a, b]) = clip(from, *point, grid.frame) else { continue };
        // From too far away no part of a line can be told.
        if !a.iter().chain(&b).all(|coordinate| coordinate.is_finite()) {
            continue;
        }
        let (start, end) = (grid.floor(a), grid.floor(b));
        let length = (end[0] - start[0]).hypot(end[1] - start[1]);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length in half cells of the box")]
        let parts = (length * CELLS as f64).ceil().max(1.0) as u32;
        let samples = (0..=parts).map(|part| {
            let share = f64::from(part) / f64::from(parts);
            let [x, y] = [0, 1].map(|axis: usize| start[axis] + share * (end[axis] - start[axis]));
            [x, y, grid.height([x, y]) + LIFT]
        });
        // What left the frame comes back as a line of its own.
        if (a[0] - from[0]).hypot(a[1] - from[1]) == 0.0 && !lines.is_empty() {
            if let Some(line) = lines.last_mut() {
                line.extend(samples.skip(1));
            }
        } else {
            lines.push(samples.collect());
        }
    }
    let (mut seen, mut hidden) = (String::new(), String::new());
    for piece in lines.into_iter().flat_map(|line| pieces(grid, eye, line)) {
        if piece.seen { &mut seen } else { &mut hidden }.push_str(&compact(piece.points));
    }
    let colour = css(trace.colour);
    let _ = writeln!(
        svg,
        "<g transform=\"scale(.1)\" fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"round\">\
         <path d=\"{hidden}\" stroke=\"{colour}\" stroke-width=\"20\" stroke-opacity=\".6\" stroke-dasharray=\"20 50\"/>\
         <path d=\"{seen}\" stroke=\"#fff\" stroke-width=\"{:.0}\" stroke-opacity=\".85\"/>\
         <path d=\"{seen}\" stroke=\"{colour}\" stroke-width=\"{:.0}\"/></g>",
        10.0 * width + 24.0,
        10.0 * width
    );
    let mut dots = String::new();
    let mut last = [f64::NEG_INFINITY; 2];
    for (point, _) in &trace.way.track {
        if clip(*point, *point, grid.frame).is_none() {
            continue;
        }
        let lifted = grid.lifted(*point);
        let [x, y] = eye.project(lifted);
        if (x - last[0]).hypot(y - last[1]) > 9.0 && grid.is_seen(eye, lifted) {
            let _ = write!(dots, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.2\"/>");
            last = [x, y];
        }
    }
    let _ = writeln!(svg, "<g fill=\"{colour}\" stroke=\"#fff\" stroke-width=\".9\">{dots}</g>");
}

/// Start, minima and ends.
fn marks(svg: &mut String, scene: &Scene<'_>, grid: &Grid, eye: &Eye) {
    let place = |point: [f64; 2]| {
        let lifted = grid.lifted(point);
        (eye.project(lifted), if grid.is_covered(eye, lifted) { 0.4 } else { 1.0 })
    };
    for &minimum in &scene.facts.global_minima {
        let ([x, y], opacity) = place(minimum);
        minimum_mark(svg, [x, y], opacity);
    }
    for trace in scene.traces {
        if let Some((point, _)) = trace.way.track.last()
            && clip(*point, *point, grid.frame).is_some()
        {
            let ([x, y], opacity) = place(*point);
            end_mark(svg, [x, y], &css(trace.colour), trace.way.end == End::Converged, opacity);
        }
    }
    let ([x, y], opacity) = place(scene.start);
    start_mark(svg, [x, y], opacity);
}

fn minimum_mark(svg: &mut String, [x, y]: [f64; 2], opacity: f64) {
    let cross = format!("M{:.1} {:.1}l16 16m0 -16l-16 16", x - 8.0, y - 8.0);
    let _ = writeln!(
        svg,
        "<g fill=\"none\" stroke-linecap=\"round\" opacity=\"{opacity}\"><path d=\"{cross}\" stroke=\"#fff\" stroke-width=\"7\"/>\
         <path d=\"{cross}\" stroke=\"#10141c\" stroke-width=\"3.4\"/></g>"
    );
}

fn end_mark(svg: &mut String, [x, y]: [f64; 2], colour: &str, converged: bool, opacity: f64) {
    let (fill, stroke) = if converged { (colour, "#fff") } else { ("#fff", colour) };
    let _ = writeln!(
        svg,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6.5\" fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"2.4\" opacity=\"{opacity}\"/>"
    );
}

fn start_mark(svg: &mut String, [x, y]: [f64; 2], opacity: f64) {
    let _ = writeln!(
        svg,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\" fill=\"#fff\" stroke=\"#10141c\" stroke-width=\"3.2\" opacity=\"{opacity}\"/>"
    );
}

/// The colours with their numbers.
fn bar(svg: &mut String, shown: Shown, scale: &Scale) {
    const STOPS: u8 = 24;
    let (left, top, width, height) = (834.0, 116.0, 26.0, 250.0);
    svg.push_str("<defs><linearGradient id=\"scale\" x1=\"0\" y1=\"1\" x2=\"0\" y2=\"0\">");
    for stop in 0..=STOPS {
        let share = f64::from(stop) / f64::from(STOPS);
        let _ = write!(svg, "<stop offset=\"{share:.4}\" stop-color=\"{}\"/>", hex(scale.map(share)));
    }
    svg.push_str("</linearGradient></defs>\n");
    text(svg, [left, top - 20.0], 22.0, "start", shown.name());
    let _ = writeln!(
        svg,
        "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" fill=\"url(#scale)\" stroke=\"currentColor\" stroke-opacity=\".5\"/>"
    );
    for tick in scale.ticks() {
        let y = top + height * (1.0 - scale.share(tick));
        let (from, to) = (left + width, left + width + 7.0);
        let _ = writeln!(svg, "<path d=\"M{from} {y:.1}H{to}\" stroke=\"currentColor\" stroke-width=\"1.4\"/>");
        text(svg, [to + 7.0, y + 6.5], 19.0, "start", &label(tick));
    }
}

/// The runs and marks by name.
fn legend(svg: &mut String, scene: &Scene<'_>) {
    let (left, mut y) = (834.0, 410.0);
    let room = 760.0 - y - 3.0 * 29.0;
    let row = (room / scene.traces.len().max(1) as f64).min(56.0);
    for trace in scene.traces {
        let colour = css(trace.colour);
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {y:.1}h34\" stroke=\"{colour}\" stroke-width=\"5\" stroke-linecap=\"round\"/>"
        );
        let name = trace.optimiser.to_string();
        let name = name.as_str();
        if row < 44.0 {
            text(svg, [left + 46.0, y], f64::from(fitting(name, 16)), "start", name);
            text(svg, [left + 46.0, y + 13.0], 12.0, "start", &trace.brief());
        } else {
            text(svg, [left + 46.0, y + 7.0], f64::from(fitting(name, 22)), "start", name);
            text(svg, [left + 46.0, y + 28.0], 17.0, "start", &trace.brief());
        }
        y += row;
    }
    y = 760.0 - 2.0 * 29.0;
    start_mark(svg, [left + 17.0, y], 1.0);
    text(svg, [left + 46.0, y + 6.5], 18.0, "start", "start");
    y += 29.0;
    minimum_mark(svg, [left + 17.0, y], 1.0);
    let many = scene.facts.global_minima.len() > 1;
    text(svg, [left + 46.0, y + 6.5], 18.0, "start", if many { "global minima" } else { "global minimum" });
    y += 29.0;
    end_mark(svg, [left + 8.0, y], "#667080", true, 1.0);
    end_mark(svg, [left + 27.0, y], "#667080", false, 1.0);
    text(svg, [left + 46.0, y + 6.5], 18.0, "start", "end: converged, or not");
}
