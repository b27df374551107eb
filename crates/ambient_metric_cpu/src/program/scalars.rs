//! What is computed once for all elements: a graph walked number by number.

use ambient_metric::number::Element;
use ambient_metric_trace::{Binary, Id, Node, Recording, Unary};

/// One operation: where its operands are among the values, and where its result goes.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Unary(Unary, u32),
    Binary(Binary, [u32; 2]),
    Select([u32; 3]),
    Power(u32, f64),
}

/// Numbers computed from uniforms and constants, in order.
#[derive(Clone, Debug)]
pub(crate) struct Scalars<E> {
    /// Uniforms first, then constants, then results.
    values: Vec<E>,
    uniforms: usize,
    /// Where the first result goes; the others follow.
    first: usize,
    operations: Vec<Operation>,
}

impl<E: Element> Scalars<E> {
    /// What computes the nodes for which `is_wanted` holds, all of which depend on no input; and where among the values each of these is.
    pub(crate) fn new(recording: &Recording, is_wanted: impl Fn(usize) -> bool) -> (Self, Vec<Option<usize>>) {
        let nodes = recording.graph().nodes();
        let uniforms = recording.uniforms().len();
        let mut values = vec![E::zero(); uniforms];
        let mut places: Vec<Option<usize>> = vec![None; nodes.len()];
        for (index, node) in nodes.iter().enumerate().filter(|(index, _)| is_wanted(*index)) {
            let constant = match *node {
                Node::Uniform(slot) => {
                    places[index] = Some(slot);
                    continue;
                }
                Node::Constant(bits) => f64::from_bits(bits),
                Node::Truth(holds) => f64::from(u8::from(holds)),
                _ => continue,
            };
            places[index] = Some(values.len());
            values.push(E::constant(constant));
        }
        let (first, mut operations) = (values.len(), Vec::new());
        for (index, node) in nodes.iter().enumerate().filter(|(index, _)| is_wanted(*index)) {
            #[allow(clippy::cast_possible_truncation, reason = "a graph has fewer nodes than 2³²")]
            let at = |id: Id| places.get(id.index()).copied().flatten().unwrap_or(0) as u32;
            operations.push(match *node {
                Node::Unary(function, x) => Operation::Unary(function, at(x)),
                Node::Binary(function, x, y) => Operation::Binary(function, [at(x), at(y)]),
                Node::Select(mask, x, y) => Operation::Select([at(mask), at(x), at(y)]),
                Node::Power(x, exponent) => Operation::Power(at(x), f64::from_bits(exponent)),
                Node::Uniform(_) | Node::Input(_) | Node::Constant(_) | Node::Truth(_) => continue,
            });
            places[index] = Some(values.len());
            values.push(E::zero());
        }
        (Self { values, uniforms, first, operations }, places)
    }

    /// Where uniforms are to be written before [`run`](Self::run).
    #[inline]
    pub(crate) fn uniforms_mut(&mut self) -> &mut [E] {
        self.values.get_mut(..self.uniforms).unwrap_or_default()
    }

    /// How many uniforms there are.
    pub(crate) fn uniforms_len(&self) -> usize {
        self.uniforms
    }

    /// The number at a place.
    #[inline]
    pub(crate) fn get(&self, place: usize) -> E {
        self.values.get(place).copied().unwrap_or_else(E::zero)
    }

    /// Computes everything anew.
    pub(crate) fn run(&mut self) {
        let values = self.values.as_mut_slice();
        for (index, operation) in self.operations.iter().enumerate() {
            let at = |place: u32| values.get(place as usize).copied().unwrap_or_else(E::zero);
            let value = match *operation {
                Operation::Binary(Binary::Multiply, [x, y]) => at(x) * at(y),
                Operation::Binary(Binary::Add, [x, y]) => at(x) + at(y),
                Operation::Binary(Binary::Subtract, [x, y]) => at(x) - at(y),
                Operation::Binary(Binary::Divide, [x, y]) => at(x) / at(y),
                Operation::Binary(function, [x, y]) => function.at(at(x), at(y)),
                Operation::Unary(function, x) => function.at(at(x)),
                Operation::Select([mask, x, y]) => E::select(E::zero().less(at(mask)), at(x), at(y)),
                Operation::Power(x, exponent) => at(x).power(exponent),
            };
            if let Some(place) = values.get_mut(self.first + index) {
                *place = value;
            }
        }
    }
}

/// The outputs of a recording without inputs, computed in the type of sums.
#[derive(Clone, Debug)]
pub(crate) struct Formula {
    scalars: Scalars<f64>,
    outputs: Vec<usize>,
}

impl Formula {
    /// The outputs in this range.
    pub(crate) fn new(recording: &Recording, outputs: core::ops::Range<usize>) -> Self {
        let outputs = recording.outputs().get(outputs).unwrap_or_default();
        let mut is_wanted = vec![false; recording.graph().nodes().len()];
        for output in outputs {
            is_wanted[output.id.index()] = true;
        }
        for (index, node) in recording.graph().nodes().iter().enumerate().rev() {
            if is_wanted[index] {
                node.operands().for_each(|operand| is_wanted[operand.index()] = true);
            }
        }
        let (scalars, places) = Scalars::new(recording, |index| is_wanted[index]);
        let outputs = outputs.iter().map(|output| places[output.id.index()].unwrap_or(0)).collect();
        Self { scalars, outputs }
    }

    /// Where what it is computed from is to be written.
    #[inline]
    pub(crate) fn given(&mut self) -> &mut [f64] {
        self.scalars.uniforms_mut()
    }

    /// Computes the outputs from what was written.
    #[inline]
    pub(crate) fn run(&mut self) {
        self.scalars.run();
    }

    /// An output of the last run.
    #[inline]
    pub(crate) fn output(&self, index: usize) -> f64 {
        self.outputs.get(index).map_or(0.0, |&place| self.scalars.get(place))
    }
}
