//! The expression graph: every operation once, in an order in which it can be computed.

use std::collections::HashMap;

use ambient_metric::Real;

/// The place of a node in its [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Id(pub(crate) u32);

impl Id {
    /// The place as an index into [`Graph::nodes`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A function of one number, or of one mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "the names say it")]
pub enum Unary {
    Negate,
    Sqrt,
    Exp,
    Ln,
    Ln1p,
    ExpM1,
    Log2,
    Sin,
    Cos,
    Tan,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Abs,
    Sign,
    Floor,
    /// Zero for what is below the least normal number of the type that is computed with.
    Flush,
    /// Whether a mask does not hold.
    Not,
}

/// A function of two numbers, or of two masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "the names say it")]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Maximum,
    Minimum,
    /// The mask of where the first number is less.
    Less,
    /// The mask of where both numbers are equal.
    Equal,
    /// The mask of where both masks hold.
    And,
    /// The mask of where one of two masks holds.
    Or,
}

/// One where a mask holds, zero where it does not: masks as numbers, which is how they are kept where operations are carried out one by one.
#[inline(always)]
fn number<S: Real>(mask: S::Mask) -> S {
    S::select(mask, S::one(), S::zero())
}

impl Unary {
    /// The function at a number. A mask is one where it holds and zero elsewhere.
    ///
    /// ```
    /// use ambient_metric_trace::Unary;
    /// assert_eq!((Unary::Sqrt.at(9.0), Unary::Not.at(1.0)), (3.0, 0.0));
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn at<S: Real>(self, x: S) -> S {
        match self {
            Self::Negate => -x,
            Self::Sqrt => x.sqrt(),
            Self::Exp => x.exp(),
            Self::Ln => x.ln(),
            Self::Ln1p => x.ln_1p(),
            Self::ExpM1 => x.exp_m1(),
            Self::Log2 => x.log2(),
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Tan => x.tan(),
            Self::Atan => x.atan(),
            Self::Sinh => x.sinh(),
            Self::Cosh => x.cosh(),
            Self::Tanh => x.tanh(),
            Self::Abs => x.abs(),
            Self::Sign => x.sign(),
            Self::Floor => x.floor(),
            Self::Flush => x.flushed(),
            Self::Not => S::one() - x,
        }
    }
}

impl Binary {
    /// The function at two numbers. A mask is one where it holds and zero elsewhere.
    ///
    /// ```
    /// use ambient_metric_trace::Binary;
    /// assert_eq!((Binary::Subtract.at(3.0, 1.0), Binary::Less.at(3.0, 1.0)), (2.0, 0.0));
    /// ```
    #[must_use]
    #[inline(always)]
    pub fn at<S: Real>(self, x: S, y: S) -> S {
        match self {
            Self::Add => x + y,
            Self::Subtract => x - y,
            Self::Multiply => x * y,
            Self::Divide => x / y,
            Self::Maximum | Self::Or => x.maximum(y),
            Self::Minimum | Self::And => x.minimum(y),
            Self::Less => number(x.less(y)),
            Self::Equal => number(x.equal(y)),
        }
    }
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Node {
    /// A number that is the same for every element, from this slot.
    Uniform(usize),
    /// A number of the element at hand, from this slot.
    Input(usize),
    /// A constant, by its bits so that nodes can be compared.
    Constant(u64),
    /// A mask that holds everywhere, or nowhere.
    Truth(bool),
    /// A function of one number, or of one mask.
    Unary(Unary, Id),
    /// A function of two.
    Binary(Binary, Id, Id),
    /// Where the mask, which comes first, holds the one number, elsewhere the other.
    Select(Id, Id, Id),
    /// A constant power; the exponent by its bits.
    Power(Id, u64),
}

impl Node {
    /// What it computes with.
    ///
    /// ```
    /// use ambient_metric::{Rule, rules};
    /// use ambient_metric_trace::{Node, Recording};
    /// let damp = Recording::damp(&rules::euclidean(0.1));
    /// for (place, node) in damp.graph().nodes().iter().enumerate() {
    ///     assert!(node.operands().all(|operand| operand.index() < place));
    /// }
    /// ```
    pub fn operands(self) -> impl Iterator<Item = Id> {
        let operands = match self {
            Self::Uniform(_) | Self::Input(_) | Self::Constant(_) | Self::Truth(_) => [None; 3],
            Self::Unary(_, x) | Self::Power(x, _) => [Some(x), None, None],
            Self::Binary(_, x, y) => [Some(x), Some(y), None],
            Self::Select(mask, x, y) => [Some(mask), Some(x), Some(y)],
        };
        operands.into_iter().flatten()
    }
}

/// Operations in an order in which each comes after what it needs; no two are the same.
///
/// # Example
///
/// ```
/// use ambient_metric::{Field, Kernel, Real};
/// use ambient_metric_trace::Recording;
///
/// #[derive(Clone)]
/// struct Twice;
/// impl Kernel for Twice {
///     type Uniform<S: Real> = ();
///     type Input<S: Real> = [S; 2];
///     type Output<S: Real> = [S; 2];
///     fn evaluate<S: Real>(&self, (): (), [x, y]: [S; 2]) -> [S; 2] {
///         [(x + y).sqrt(), S::one() * (y + x).sqrt()]
///     }
/// }
///
/// let recording = Recording::kernel(&Twice);
/// // Two inputs, one sum, one root: the second output is the first.
/// assert_eq!(recording.operations(), 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    places: HashMap<Node, Id>,
}

impl PartialEq for Graph {
    fn eq(&self, other: &Self) -> bool {
        self.nodes == other.nodes
    }
}

impl Eq for Graph {}

impl Graph {
    /// The operations, in order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn node(&self, id: Id) -> Node {
        self.nodes.get(id.index()).copied().unwrap_or(Node::Constant(f64::NAN.to_bits()))
    }

    pub(crate) fn constant(&mut self, value: f64) -> Id {
        self.add(Node::Constant(value.to_bits()))
    }

    fn value(&self, id: Id) -> Option<f64> {
        match self.node(id) {
            Node::Constant(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// The place of a node, shared with an equal one.
    pub(crate) fn add(&mut self, node: Node) -> Id {
        if let Some(place) = self.places.get(&node) {
            return *place;
        }
        let place = Id(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(node);
        self.places.insert(node, place);
        place
    }

    pub(crate) fn unary(&mut self, function: Unary, x: Id) -> Id {
        match (function, self.node(x), self.value(x)) {
            (Unary::Negate, Node::Unary(Unary::Negate, inner), _) | (Unary::Not, Node::Unary(Unary::Not, inner), _) => {
                inner
            }
            (Unary::Negate, _, Some(value)) => self.constant(-value),
            (Unary::Abs, _, Some(value)) => self.constant(value.abs()),
            (Unary::Not, Node::Truth(holds), _) => self.add(Node::Truth(!holds)),
            // What an input holds has been stored before, and what is flushed once more is not another number.
            (Unary::Flush, Node::Input(_) | Node::Unary(Unary::Flush, _), _) => x,
            _ => self.add(Node::Unary(function, x)),
        }
    }

    /// Folds where the result has the same bits for every input, NaN included.
    pub(crate) fn binary(&mut self, function: Binary, x: Id, y: Id) -> Id {
        if let (Some(a), Some(b)) = (self.value(x), self.value(y)) {
            if let Some(value) = exact(function, a, b) {
                return self.constant(value);
            }
            if let Some(holds) = comparison(function, a, b) {
                return self.add(Node::Truth(holds));
            }
        }
        let is = |id: Id, value: f64| self.value(id).is_some_and(|found| found.to_bits() == value.to_bits());
        match function {
            Binary::Multiply if is(x, 1.0) => y,
            Binary::Multiply | Binary::Divide if is(y, 1.0) => x,
            Binary::Subtract if is(y, 0.0) => x,
            Binary::And | Binary::Or if x == y => x,
            Binary::And | Binary::Or if matches!(self.node(x), Node::Truth(_)) => self.known(function, x, y),
            Binary::And | Binary::Or if matches!(self.node(y), Node::Truth(_)) => self.known(function, y, x),
            // Sums and products commute, so both orders are one node.
            Binary::Add | Binary::Multiply | Binary::Equal | Binary::And | Binary::Or => {
                match self.places.get(&Node::Binary(function, y, x)) {
                    Some(swapped) => *swapped,
                    None => self.add(Node::Binary(function, x, y)),
                }
            }
            _ => self.add(Node::Binary(function, x, y)),
        }
    }

    /// `truth`, which is known, with another mask.
    fn known(&self, function: Binary, truth: Id, other: Id) -> Id {
        let decides = Node::Truth(function == Binary::Or);
        if self.node(truth) == decides { truth } else { other }
    }

    pub(crate) fn select(&mut self, mask: Id, where_it_holds: Id, elsewhere: Id) -> Id {
        match self.node(mask) {
            Node::Truth(true) => where_it_holds,
            Node::Truth(false) => elsewhere,
            _ if where_it_holds == elsewhere => elsewhere,
            _ => self.add(Node::Select(mask, where_it_holds, elsewhere)),
        }
    }

    pub(crate) fn power(&mut self, x: Id, exponent: f64) -> Id {
        /// Integer exponents up to this are written as products, which are defined below zero too.
        const LARGEST: f64 = 64.0;
        if exponent.fract() == 0.0 && exponent.abs() <= LARGEST {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an integer up to 64")]
            let product = self.product(x, exponent.abs() as u32);
            if exponent >= 0.0 {
                product
            } else {
                let one = self.constant(1.0);
                self.binary(Binary::Divide, one, product)
            }
        } else if exponent.to_bits() == 0.5_f64.to_bits() {
            self.unary(Unary::Sqrt, x)
        } else {
            self.add(Node::Power(x, exponent.to_bits()))
        }
    }

    /// xⁿ by squaring.
    fn product(&mut self, x: Id, times: u32) -> Id {
        match times {
            0 => self.constant(1.0),
            1 => x,
            _ => {
                let half = self.product(x, times / 2);
                let square = self.binary(Binary::Multiply, half, half);
                if times.is_multiple_of(2) { square } else { self.binary(Binary::Multiply, square, x) }
            }
        }
    }

    /// For every node, whether an output needs it.
    pub(crate) fn needed(&self, outputs: &[Id]) -> Vec<bool> {
        self.uses(outputs).into_iter().map(|uses| uses > 0).collect()
    }

    /// For every node, how often it is read by outputs and by nodes that an output needs.
    pub(crate) fn uses(&self, outputs: &[Id]) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        let count = |uses: &mut Vec<usize>, id: Id| {
            if let Some(uses) = uses.get_mut(id.index()) {
                *uses += 1;
            }
        };
        for output in outputs {
            count(&mut uses, *output);
        }
        for (index, node) in self.nodes.iter().enumerate().rev() {
            if uses.get(index).is_some_and(|uses| *uses > 0) {
                for operand in node.operands() {
                    count(&mut uses, operand);
                }
            }
        }
        uses
    }

    /// For every node, whether it differs from element to element.
    pub(crate) fn varying(&self) -> Vec<bool> {
        let mut varying = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let varies = matches!(node, Node::Input(_))
                || node.operands().any(|operand| varying.get(operand.index()).copied().unwrap_or(false));
            varying.push(varies);
        }
        varying
    }
}

/// Whether nothing is lost where the number is kept as `f32`.
#[allow(clippy::cast_possible_truncation, reason = "the test is whether anything is lost")]
fn is_short(x: f64) -> bool {
    f64::from(x as f32).to_bits() == x.to_bits()
}

/// Whether a comparison of two constants holds, where these are the same numbers in `f32` and `f64`.
#[allow(clippy::float_cmp, reason = "the question is whether they are the same")]
fn comparison(function: Binary, a: f64, b: f64) -> Option<bool> {
    let holds = match function {
        Binary::Less => a < b,
        Binary::Equal => a == b,
        _ => return None,
    };
    (is_short(a) && is_short(b)).then_some(holds)
}

/// The result on two constants, where neither `f32` nor `f64` arithmetic would round it.
#[allow(clippy::float_cmp, reason = "the question is whether a result is exact")]
fn exact(function: Binary, a: f64, b: f64) -> Option<f64> {
    let (result, is_exact) = match function {
        Binary::Add => (a + b, (a + b) - b == a && (a + b) - a == b),
        Binary::Subtract => (a - b, (a - b) + b == a && a - (a - b) == b),
        // The product of two 24-bit numbers has 48 bits: f64 does not round it.
        Binary::Multiply => (a * b, true),
        Binary::Divide => (a / b, (a / b) * b == a),
        Binary::Maximum => (a.max(b), true),
        Binary::Minimum => (a.min(b), true),
        Binary::Less | Binary::Equal | Binary::And | Binary::Or => return None,
    };
    (is_exact && result.is_finite() && is_short(a) && is_short(b) && is_short(result)).then_some(result)
}
