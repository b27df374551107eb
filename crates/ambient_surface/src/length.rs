//! How long a way on a surface is in the space that the surface stands in.

use ambient_metric::ambient::{AmbientMetric as _, Embedding as _, Position};
use ambient_metric::any::{AnyAmbient, AnyEmbedding};

use ambient_lowdim::outcome::Track;

/// Lengths at the two ends of a piece are alike where they differ by less than this share.
const ALIKE: f64 = 0.02;
/// How often a chord is halved at most.
const HALVINGS: u32 = 48;

/// A point of the space over the plane of two parameters.
#[derive(Clone, Copy, Debug)]
struct Point {
    parameters: [f64; 2],
    loss: f64,
    height: f64,
}

impl Point {
    fn middle(self, other: Self) -> Self {
        Self {
            parameters: [0, 1].map(|axis: usize| f64::midpoint(self.parameters[axis], other.parameters[axis])),
            loss: f64::midpoint(self.loss, other.loss),
            height: f64::midpoint(self.height, other.height),
        }
    }
}

/// The length of a way over the surface h = √ξ f(L), in chords that are straight in parameters and height; nothing where the space ends on the way.
pub(super) fn length(track: &Track, embedding: AnyEmbedding, xi: f64, space: AnyAmbient) -> Option<f64> {
    let lift =
        |(parameters, loss): ([f64; 2], f64)| Point { parameters, loss, height: xi.sqrt() * embedding.height(loss) };
    let chord = |pair: &[([f64; 2], f64)]| match *pair {
        [from, to] => chord(space, lift(from), lift(to), HALVINGS),
        _ => Some(0.0),
    };
    track.windows(2).map(chord).sum()
}

/// The length of a straight line, halved until the space is the same from end to end of a piece.
fn chord(space: AnyAmbient, from: Point, to: Point, halvings: u32) -> Option<f64> {
    let [y, x] = [1, 0].map(|axis: usize| to.parameters[axis] - from.parameters[axis]);
    let along = [x, y, to.height - from.height];
    let (first, last) = (speed(space, from, along)?, speed(space, to, along)?);
    let middle = from.middle(to);
    // What is no number is not divided.
    let unlike = (first - last).abs() > ALIKE * first.max(last);
    if halvings == 0 || !unlike {
        return speed(space, middle, along);
    }
    Some(chord(space, from, middle, halvings - 1)? + chord(space, middle, to, halvings - 1)?)
}

/// The length of a vector at a point, √(a (v² + B h²)) with a and B of the space; nothing outside of it.
fn speed(space: AnyAmbient, at: Point, [x, y, h]: [f64; 3]) -> Option<f64> {
    let at = Position { losses: [at.loss], heights: [at.height] };
    space.check(at).ok()?;
    let block = space.block((), at).map_or(1.0, |block| block.entry(0, 0));
    let scale = space.scale((), at).unwrap_or(1.0);
    Some((scale * (x.powi(2) + y.powi(2) + block * h.powi(2))).sqrt())
}
