//! Lines of equal height of a function on a grid, by marching squares.

use std::collections::BTreeMap;

/// The values of a function at the corners of a grid of square cells.
#[derive(Clone, Debug)]
pub struct Field {
    /// Lowest and highest x, lowest and highest y.
    frame: [[f64; 2]; 2],
    /// How many cells there are along each axis.
    cells: usize,
    /// Row by row from the lowest y.
    values: Vec<f64>,
}

/// An edge of the grid: the corner where it begins, and whether it goes up from there instead of right.
type Edge = (usize, usize, bool);

impl Field {
    /// Samples a function.
    pub fn sample(frame: [[f64; 2]; 2], cells: usize, function: impl Fn(f64, f64) -> f64) -> Self {
        let mut field = Self { frame, cells, values: Vec::new() };
        for row in 0..=cells {
            for column in 0..=cells {
                let [x, y] = field.position(column as f64, row as f64);
                field.values.push(function(x, y));
            }
        }
        field
    }

    /// The point at a place counted in cells.
    #[must_use]
    pub fn position(&self, column: f64, row: f64) -> [f64; 2] {
        let [[left, right], [bottom, top]] = self.frame;
        let along = |low: f64, high: f64, at: f64| low + (high - low) * at / self.cells as f64;
        [along(left, right, column), along(bottom, top, row)]
    }

    fn value(&self, column: usize, row: usize) -> f64 {
        self.values.get(row * (self.cells + 1) + column).copied().unwrap_or(f64::NAN)
    }

    /// Levels that divide the grid into `bands` parts of equal area.
    #[must_use]
    pub fn levels(&self, bands: usize) -> Vec<f64> {
        let mut sorted = self.values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        (1..bands).filter_map(|band| sorted.get(band * sorted.len() / bands).copied()).collect()
    }

    /// The cells in stretches of one band along each row: the band, the lower left and the upper right corner.
    #[must_use]
    pub fn stretches(&self, levels: &[f64]) -> Vec<(usize, [f64; 2], [f64; 2])> {
        let band = |column: usize, row: usize| {
            let corners = [(0, 0), (1, 0), (0, 1), (1, 1)];
            let mean = corners.iter().map(|(right, up)| self.value(column + right, row + up)).sum::<f64>() / 4.0;
            levels.iter().filter(|&&level| mean > level).count()
        };
        let mut stretches = Vec::new();
        for row in 0..self.cells {
            let mut first = 0;
            while first < self.cells {
                let here = band(first, row);
                let next = (first..self.cells).find(|&column| band(column, row) != here).unwrap_or(self.cells);
                let lower = self.position(first as f64, row as f64);
                stretches.push((here, lower, self.position(next as f64, row as f64 + 1.0)));
                first = next;
            }
        }
        stretches
    }

    /// The lines on which the function has the value `level`.
    #[must_use]
    pub fn lines(&self, level: f64) -> Vec<Vec<[f64; 2]>> {
        let mut neighbours: BTreeMap<Edge, Vec<Edge>> = BTreeMap::new();
        for row in 0..self.cells {
            for column in 0..self.cells {
                for [a, b] in self.segments(column, row, level) {
                    neighbours.entry(a).or_default().push(b);
                    neighbours.entry(b).or_default().push(a);
                }
            }
        }
        let mut lines = Vec::new();
        // Open lines from their ends first; what is left is closed.
        let ends: Vec<Edge> = neighbours.iter().filter(|(_, next)| next.len() == 1).map(|(&edge, _)| edge).collect();
        for end in ends {
            lines.extend(self.follow(&mut neighbours, end, level));
        }
        while let Some(&edge) = neighbours.keys().next() {
            lines.extend(self.follow(&mut neighbours, edge, level));
        }
        lines
    }

    /// Takes the line that begins at an edge out of the neighbourhood.
    fn follow(&self, neighbours: &mut BTreeMap<Edge, Vec<Edge>>, from: Edge, level: f64) -> Option<Vec<[f64; 2]>> {
        let mut line = vec![self.crossing(from, level)];
        let mut edge = from;
        while let Some(next) = neighbours.get_mut(&edge).and_then(Vec::pop) {
            if neighbours.get(&edge).is_some_and(Vec::is_empty) {
                neighbours.remove(&edge);
            }
            if let Some(back) = neighbours.get_mut(&next) {
                if let Some(index) = back.iter().position(|other| *other == edge) {
                    back.swap_remove(index);
                }
                if back.is_empty() {
                    neighbours.remove(&next);
                }
            }
            line.push(self.crossing(next, level));
            edge = next;
        }
        neighbours.remove(&from);
        (line.len() > 1).then_some(line)
    }

    /// The pieces of the line inside one cell, each from edge to edge.
    fn segments(&self, column: usize, row: usize, level: f64) -> Vec<[Edge; 2]> {
        let [bottom, right, top, left] =
            [(column, row, false), (column + 1, row, true), (column, row + 1, false), (column, row, true)];
        let crossed = |edge: Edge| {
            let (a, b) = self.ends(edge);
            (a > level) != (b > level)
        };
        let crossed: Vec<Edge> = [bottom, right, top, left].into_iter().filter(|&edge| crossed(edge)).collect();
        match *crossed.as_slice() {
            [a, b] => vec![[a, b]],
            // A saddle: the middle decides which corners hang together.
            [bottom, right, top, left] => {
                let (a, b) = self.ends(bottom);
                let (c, d) = self.ends(top);
                if (a > level) == ((a + b + c + d) / 4.0 > level) {
                    vec![[bottom, right], [top, left]]
                } else {
                    vec![[bottom, left], [top, right]]
                }
            }
            _ => Vec::new(),
        }
    }

    fn ends(&self, (column, row, up): Edge) -> (f64, f64) {
        let end = if up { self.value(column, row + 1) } else { self.value(column + 1, row) };
        (self.value(column, row), end)
    }

    fn crossing(&self, edge: Edge, level: f64) -> [f64; 2] {
        let (column, row, up) = edge;
        let (a, b) = self.ends(edge);
        let share = ((level - a) / (b - a)).clamp(0.0, 1.0);
        let (right, up) = if up { (0.0, share) } else { (share, 0.0) };
        self.position(column as f64 + right, row as f64 + up)
    }
}
