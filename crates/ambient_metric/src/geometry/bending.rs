//! How an ambient space bends: the derivatives of its metric along the heights, from dual numbers.

use crate::ambient::ambient_metric::{AmbientMetric, Position};
use crate::ambient::gram::Gram;
use crate::number::dual::Dual;
use crate::number::scalar::{Element, Field, Real};

/// Twice nested duals along one height.
type Second<S> = Dual<Dual<S>>;

/// The derivatives of a and of aB along the heights. A loss is a function of its height, and moves with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bending<S, const K: usize> {
    /// ∂a/∂h_A.
    pub scale: [S; K],
    /// ∂(aB)/∂h_A.
    pub block: [Gram<S, K>; K],
    /// a″ and (aB)″ along the first height: all there is for one loss.
    pub second: [S; 2],
    /// Whether the columns are the same at every point.
    pub has_constant_columns: bool,
}

impl<S: Element, const K: usize> Bending<S, K> {
    /// At a position, from w_A, f′_A and f″_A.
    pub(crate) fn of<A: AmbientMetric<K>>(
        ambient: &A,
        at: Position<S, K>,
        weights: [S; K],
        (slopes, second_slopes): ([S; K], [S; K]),
        root_xi: [S; K],
    ) -> Self {
        let along = |moved: usize| {
            let losses = core::array::from_fn(|loss| {
                // dL/dh = 1/w, and d²L/dh² = −f″/(√ξ f′²) · 1/w.
                let first = S::one() / weights[loss];
                let second = -(second_slopes[loss] / (root_xi[loss] * slopes[loss] * slopes[loss])) * first;
                jet(at.losses[loss], if loss == moved { [first, second] } else { [S::zero(); 2] })
            });
            let heights = core::array::from_fn(|loss| {
                jet(at.heights[loss], [if loss == moved { S::one() } else { S::zero() }, S::zero()])
            });
            let (memory, at) = (ambient.begin::<Second<S>>(), Position { losses, heights });
            let scale = ambient.scale(memory, at).unwrap_or_else(Field::one);
            let block = ambient.block(memory, at).unwrap_or_else(|| Gram::diagonal([Field::one(); K]));
            let scaled = Gram::from_entries(|row, column| scale * block.0[row][column]);
            (scale, scaled)
        };
        let of_heights: [(Second<S>, Gram<Second<S>, K>); K] = core::array::from_fn(along);
        let second = of_heights.first().map_or([S::zero(); 2], |(scale, block)| {
            let block = block.0.first().and_then(|row| row.first()).copied().unwrap_or_else(Field::zero);
            [scale.derivative.derivative, block.derivative.derivative]
        });
        Self {
            scale: of_heights.map(|(scale, _)| scale.value.derivative),
            block: of_heights.map(|(_, block)| Gram::from_entries(|row, column| block.0[row][column].value.derivative)),
            second,
            has_constant_columns: A::HAS_CONSTANT_COLUMNS,
        }
    }

    /// ∂_c(aB)_hd + ∂_d(aB)_hc − ∂_h(aB)_cd, twice the part of the first Christoffel symbols that the block has.
    pub(crate) fn turned(&self, height: usize, c: usize, d: usize) -> S {
        self.block[c].entry(height, d) + self.block[d].entry(height, c) - self.block[height].entry(c, d)
    }

    /// Whether the metric is the same at every height.
    pub(crate) fn is_none(&self) -> bool {
        let is_zero = |number: &S| *number == S::zero();
        self.scale.iter().all(is_zero) && self.block.iter().flat_map(|block| block.0.iter().flatten()).all(is_zero)
    }
}

/// A value with its first and second derivative.
fn jet<S: Real>(value: S, [first, second]: [S; 2]) -> Second<S> {
    Dual { value: Dual { value, derivative: first }, derivative: Dual { value: first, derivative: second } }
}
