//! A surface in three dimensions: a grid of heights, the eye that sees it, and lines that it hides or does not.

use std::fmt::Write as _;

use super::ticks::extent;

/// How many cells the grid has along each side.
pub const CELLS: usize = 96;
/// The part of the picture that the surface may take.
const PLOT: [[f64; 2]; 2] = [[92.0, 778.0], [76.0, 740.0]];
/// How far lines lie above the surface, so that they are not taken for hidden.
pub const LIFT: f64 = 0.006;

/// An orthographic eye on a box whose floor is [−1, 1]².
#[derive(Clone, Copy, Debug)]
pub struct Eye {
    turn: (f64, f64),
    tilt: (f64, f64),
    scale: f64,
    shift: [f64; 2],
}

impl Eye {
    /// The eye that sees the whole box as large as the picture allows.
    #[must_use]
    pub fn new([turn, tilt]: [f64; 2], tall: f64) -> Self {
        let at = |degrees: f64| degrees.to_radians().sin_cos();
        let bare = Self { turn: at(turn), tilt: at(tilt), scale: 1.0, shift: [0.0; 2] };
        let mut seen = [[f64::INFINITY, f64::NEG_INFINITY]; 2];
        for corner in 0..8 {
            let side = |bit: i32| if corner & bit == 0 { -1.0 } else { 1.0 };
            let point = bare.project([side(1), side(2), if corner & 4 == 0 { 0.0 } else { tall }]);
            for (range, coordinate) in seen.iter_mut().zip(point) {
                *range = [range[0].min(coordinate), range[1].max(coordinate)];
            }
        }
        let [[left, right], [top, bottom]] = seen;
        let [across, down] = PLOT.map(|[low, high]| high - low);
        let scale = (across / (right - left)).min(down / (bottom - top));
        let middle = PLOT.map(|[low, high]| f64::midpoint(low, high));
        let shift = [middle[0] - scale * f64::midpoint(left, right), middle[1] - scale * f64::midpoint(top, bottom)];
        Self { scale, shift, ..bare }
    }

    /// Where a point of the box is in the picture.
    #[must_use]
    pub fn project(&self, [x, y, z]: [f64; 3]) -> [f64; 2] {
        let (sin, cos) = self.turn;
        let (sin_tilt, cos_tilt) = self.tilt;
        let up = z * cos_tilt + self.depth([x, y]) * sin_tilt;
        [self.shift[0] + self.scale * (x * cos - y * sin), self.shift[1] - self.scale * up]
    }

    /// How far a point of the floor is from the eye.
    #[must_use]
    pub fn depth(&self, [x, y]: [f64; 2]) -> f64 {
        x * self.turn.0 + y * self.turn.1
    }

    /// The direction towards the eye.
    #[must_use]
    pub fn towards(&self) -> [f64; 3] {
        let (sin_tilt, cos_tilt) = self.tilt;
        [-self.turn.0 * cos_tilt, -self.turn.1 * cos_tilt, sin_tilt]
    }

    /// The sides of the floor, −1 or 1 along x and y, that lie away from the eye.
    #[must_use]
    pub fn far(&self) -> [f64; 2] {
        [if self.turn.0 >= 0.0 { 1.0 } else { -1.0 }, if self.turn.1 >= 0.0 { 1.0 } else { -1.0 }]
    }
}

/// The surface as a grid of heights in the box.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Lowest and highest x, lowest and highest y.
    pub frame: [[f64; 2]; 2],
    /// What stands at the floor of the box.
    pub low: f64,
    /// What stands at its top.
    pub high: f64,
    /// The height of the box.
    pub tall: f64,
    /// Heights in the box, row by row from the lowest y.
    heights: Vec<f64>,
    /// The cells in which there is no surface, row by row from the lowest y; none where this is empty.
    holes: Vec<bool>,
}

impl Grid {
    /// A surface of these heights at the corners, row by row from the lowest y, in a box of this height.
    #[must_use]
    pub fn new(frame: [[f64; 2]; 2], heights: Vec<f64>, tall: f64) -> Self {
        let (low, high) = extent(&heights);
        let mut heights = heights;
        for height in &mut heights {
            let share = (*height - low) / (high - low);
            *height = tall * if share.is_finite() { share } else { 0.0 };
        }
        Self { frame, low, high, tall, heights, holes: Vec::new() }
    }

    /// The surface without these cells, row by row from the lowest y.
    #[must_use]
    pub fn without(self, holes: Vec<bool>) -> Self {
        Self { holes, ..self }
    }

    /// The share of the cells that is left out.
    #[must_use]
    pub fn blank(&self) -> f64 {
        self.holes.iter().filter(|hole| **hole).count() as f64 / CELLS.pow(2) as f64
    }

    /// Whether a cell is left out.
    #[must_use]
    pub fn is_hole(&self, column: usize, row: usize) -> bool {
        self.holes.get(row * CELLS + column).copied().unwrap_or(false)
    }

    /// Whether there is a surface over a point of the floor.
    fn is_there(&self, [x, y]: [f64; 2]) -> bool {
        let (column, _) = cell(x);
        let (row, _) = cell(y);
        !self.is_hole(column, row)
    }

    /// The centres of the cells over a frame, row by row from the lowest y.
    pub fn centres(frame: [[f64; 2]; 2]) -> impl Iterator<Item = [f64; 2]> {
        let along = |index: usize, [low, high]: [f64; 2]| low + (high - low) * (index as f64 + 0.5) / CELLS as f64;
        let places = (0..CELLS).flat_map(|row| (0..CELLS).map(move |column| (column, row)));
        places.map(move |(column, row)| [along(column, frame[0]), along(row, frame[1])])
    }

    /// The corners of the grid over a frame, row by row from the lowest y.
    pub fn corners(frame: [[f64; 2]; 2]) -> impl Iterator<Item = [f64; 2]> {
        let along = |index: usize, [low, high]: [f64; 2]| low + (high - low) * index as f64 / CELLS as f64;
        let places = (0..=CELLS).flat_map(|row| (0..=CELLS).map(move |column| (column, row)));
        places.map(move |(column, row)| [along(column, frame[0]), along(row, frame[1])])
    }

    /// The height at a corner of the grid.
    #[must_use]
    pub fn corner(&self, column: usize, row: usize) -> f64 {
        self.heights.get(row * (CELLS + 1) + column).copied().unwrap_or(0.0)
    }

    /// A corner as a point of the box.
    #[must_use]
    pub fn point(&self, column: usize, row: usize) -> [f64; 3] {
        let along = |index: usize| 2.0 * index as f64 / CELLS as f64 - 1.0;
        [along(column), along(row), self.corner(column, row)]
    }

    /// The height over a point of the floor, between the corners of its cell.
    #[must_use]
    pub fn height(&self, [x, y]: [f64; 2]) -> f64 {
        let ((column, right), (row, up)) = (cell(x), cell(y));
        let along = |row: usize| (1.0 - right) * self.corner(column, row) + right * self.corner(column + 1, row);
        (1.0 - up) * along(row) + up * along(row + 1)
    }

    /// A point of the parameters as a point of the floor.
    #[must_use]
    pub fn floor(&self, point: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|axis: usize| {
            let [low, high] = self.frame[axis];
            2.0 * (point[axis] - low) / (high - low) - 1.0
        })
    }

    /// A point of the parameters as a point just above the surface.
    #[must_use]
    pub fn lifted(&self, point: [f64; 2]) -> [f64; 3] {
        let [x, y] = self.floor(point);
        [x, y, self.height([x, y]) + LIFT]
    }

    /// Whether a point on the surface is seen: there is a surface, and nothing of it stands between the point and the eye.
    #[must_use]
    pub fn is_seen(&self, eye: &Eye, point: [f64; 3]) -> bool {
        let [x, y, _] = point;
        self.is_there([x, y]) && !self.is_covered(eye, point)
    }

    /// Whether something of the surface stands between a point and the eye.
    #[must_use]
    pub fn is_covered(&self, eye: &Eye, [x, y, z]: [f64; 3]) -> bool {
        let [dx, dy, dz] = eye.towards();
        let step = 1.0 / CELLS as f64;
        let mut way = step;
        loop {
            let (x, y, z) = (x + dx * way, y + dy * way, z + dz * way);
            let in_the_box = x.abs() <= 1.0 && y.abs() <= 1.0 && z <= self.tall;
            if !in_the_box {
                return false;
            }
            if self.height([x, y]) > z + LIFT / 2.0 && self.is_there([x, y]) {
                return true;
            }
            way += step;
        }
    }
}

/// The cell along one axis that holds a place from −1 to 1, and how far it lies in the cell.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is clamped to the grid")]
fn cell(x: f64) -> (usize, f64) {
    let at = (f64::midpoint(x, 1.0) * CELLS as f64).clamp(0.0, CELLS as f64);
    let cell = (at as usize).min(CELLS - 1);
    (cell, at - cell as f64)
}

/// A stretch of a line that is seen, or hidden, as a whole.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Whether it is seen.
    pub seen: bool,
    /// Where it runs in the picture.
    pub points: Vec<[f64; 2]>,
}

/// Cuts a line where the surface begins or ceases to hide it.
#[must_use]
pub fn pieces(grid: &Grid, eye: &Eye, line: impl IntoIterator<Item = [f64; 3]>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for point in line {
        let (seen, place) = (grid.is_seen(eye, point), eye.project(point));
        match pieces.last_mut() {
            Some(piece) if piece.seen == seen => {
                let near = piece.points.last().is_some_and(|[x, y]| (x - place[0]).hypot(y - place[1]) < 0.7);
                if !near {
                    piece.points.push(place);
                }
            }
            Some(piece) => {
                piece.points.push(place);
                pieces.push(Piece { seen, points: vec![place] });
            }
            None => pieces.push(Piece { seen, points: vec![place] }),
        }
    }
    pieces
}

/// A path through points of the picture in whole tenths, each counted from the last: short, for where there are many.
pub fn compact(points: impl IntoIterator<Item = [f64; 2]>) -> String {
    let mut path = String::new();
    let mut last = [0_i64; 2];
    for (index, point) in points.into_iter().enumerate() {
        #[allow(clippy::cast_possible_truncation, reason = "a place in the picture is a small number")]
        let here = point.map(|coordinate| (10.0 * coordinate).round() as i64);
        let [x, y] = [here[0] - last[0], here[1] - last[1]];
        let command = match index {
            0 => "M",
            1 => "l",
            _ if x < 0 => "",
            _ => " ",
        };
        let between = if y < 0 { "" } else { " " };
        let _ = write!(path, "{command}{x}{between}{y}");
        last = here;
    }
    path
}

/// A path through points of the picture, to a tenth.
pub fn outline(points: impl IntoIterator<Item = [f64; 2]>) -> String {
    let mut path = String::new();
    for (index, [x, y]) in points.into_iter().enumerate() {
        let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { "M" } else { "L" });
    }
    path
}

/// Words at a place of the picture.
pub fn text(svg: &mut String, [x, y]: [f64; 2], size: f64, anchor: &str, text: &str) {
    let _ =
        writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\">{text}</text>");
}
