//! A recorded kernel evaluated over Burn tensors, one operation of the graph after another.

use core::f64::consts::LOG2_E;

use ambient_metric::{Field, Real};
use ambient_metric_trace::{Binary, Id, Node, Recording, Unary};
use burn::tensor::{Bool, DType, Tensor};

/// A value of the graph.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are some dozens of them at a time")]
pub(crate) enum Value {
    /// The same number for every element; it is computed on the host, in the wide type.
    Same(f64),
    /// A number for every element.
    Each(Tensor<1>),
}

/// A mask of the graph.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are fewer of them than of values")]
enum Mask {
    /// It holds for every element, or for none.
    Everywhere(bool),
    /// Whether it holds for an element.
    At(Tensor<1, Bool>),
}

impl Value {
    /// The value as a tensor like this one.
    pub(crate) fn like(self, tensor: &Tensor<1>) -> Tensor<1> {
        match self {
            Self::Same(value) => tensor.full_like(value),
            Self::Each(tensor) => tensor,
        }
    }
}

/// The outputs of a kernel from its uniforms and inputs. A missing one counts as zero.
pub(crate) fn evaluate(recording: &Recording, uniforms: &[f64], inputs: &[Tensor<1>]) -> Vec<Value> {
    let mut uses = recording.uses();
    let mut values: Vec<Option<Value>> = vec![None; uses.len()];
    let mut masks: Vec<Option<Mask>> = vec![None; uses.len()];
    for (index, node) in recording.graph().nodes().iter().enumerate() {
        if uses.get(index).is_none_or(|uses| *uses == 0) {
            continue;
        }
        let mut take = |id: Id| number_at(&mut values, &mut uses, id);
        let value = match *node {
            Node::Uniform(slot) => Value::Same(uniforms.get(slot).copied().unwrap_or(0.0)),
            Node::Input(slot) => inputs.get(slot).cloned().map_or(Value::Same(0.0), Value::Each),
            Node::Constant(bits) => Value::Same(f64::from_bits(bits)),
            Node::Binary(Binary::Less | Binary::Equal | Binary::And | Binary::Or, ..)
            | Node::Unary(Unary::Not, _)
            | Node::Truth(_) => {
                let mask = mask(*node, &mut values, &mut masks, &mut uses);
                if let Some(place) = masks.get_mut(index) {
                    *place = Some(mask);
                }
                continue;
            }
            Node::Unary(function, x) => unary(function, take(x)),
            Node::Binary(function, x, y) => {
                let x = take(x);
                binary(function, x, take(y))
            }
            Node::Power(x, exponent) => power(take(x), f64::from_bits(exponent)),
            Node::Select(mask, x, y) => {
                let x = take(x);
                let y = take(y);
                select(mask_at(&mut masks, &mut uses, mask), x, y, inputs.first())
            }
        };
        if let Some(place) = values.get_mut(index) {
            *place = Some(value);
        }
    }
    recording.outputs().iter().map(|slot| number_at(&mut values, &mut uses, slot.id)).collect()
}

/// What is at a node; after its last use the tensor is the reader's own, which may then be computed in place.
fn take<T: Clone>(places: &mut [Option<T>], uses: &mut [usize], id: Id) -> Option<T> {
    let (place, left) = (places.get_mut(id.index())?, uses.get_mut(id.index())?);
    *left = left.saturating_sub(1);
    if *left == 0 { place.take() } else { place.clone() }
}

/// The value of a node.
fn number_at(values: &mut [Option<Value>], uses: &mut [usize], id: Id) -> Value {
    take(values, uses, id).unwrap_or(Value::Same(0.0))
}

/// The mask of a node.
fn mask_at(masks: &mut [Option<Mask>], uses: &mut [usize], id: Id) -> Mask {
    take(masks, uses, id).unwrap_or(Mask::Everywhere(false))
}

/// What a node that is a mask computes.
fn mask(node: Node, values: &mut [Option<Value>], masks: &mut [Option<Mask>], uses: &mut [usize]) -> Mask {
    match node {
        Node::Truth(holds) => Mask::Everywhere(holds),
        Node::Unary(_, x) => match mask_at(masks, uses, x) {
            Mask::Everywhere(holds) => Mask::Everywhere(!holds),
            Mask::At(mask) => Mask::At(mask.bool_not()),
        },
        Node::Binary(function @ (Binary::Less | Binary::Equal), x, y) => {
            let x = number_at(values, uses, x);
            comparison(function == Binary::Less, x, number_at(values, uses, y))
        }
        Node::Binary(function, x, y) => {
            let x = mask_at(masks, uses, x);
            logic(function == Binary::And, x, mask_at(masks, uses, y))
        }
        _ => Mask::Everywhere(false),
    }
}

fn unary(function: Unary, x: Value) -> Value {
    match x {
        Value::Same(x) => Value::Same(match function {
            Unary::Negate => -x,
            Unary::Sqrt => Real::sqrt(x),
            Unary::Exp => Real::exp(x),
            Unary::Ln => Real::ln(x),
            Unary::Ln1p => Real::ln_1p(x),
            Unary::ExpM1 => Real::exp_m1(x),
            Unary::Log2 => Real::log2(x),
            Unary::Sin => Real::sin(x),
            Unary::Cos => Real::cos(x),
            Unary::Tan => Real::tan(x),
            Unary::Atan => Real::atan(x),
            Unary::Sinh => Real::sinh(x),
            Unary::Cosh => Real::cosh(x),
            Unary::Tanh => Real::tanh(x),
            Unary::Abs => Real::abs(x),
            Unary::Sign => Real::sign(x),
            Unary::Floor => Real::floor(x),
            // Of the wide type: stored as a number of the device it may still be below the least of that.
            Unary::Flush => Field::flushed(x),
            // Of masks alone.
            Unary::Not => 0.0,
        }),
        Value::Each(x) => Value::Each(match function {
            Unary::Negate => x.neg(),
            Unary::Sqrt => x.sqrt(),
            Unary::Exp => x.exp(),
            Unary::Ln => x.log(),
            Unary::Ln1p => x.log1p(),
            Unary::ExpM1 => exp_m1(x),
            Unary::Log2 => x.log().mul_scalar(LOG2_E),
            Unary::Sin => x.sin(),
            Unary::Cos => x.cos(),
            Unary::Tan => x.tan(),
            Unary::Atan => x.atan(),
            Unary::Sinh => x.sinh(),
            Unary::Cosh => x.cosh(),
            Unary::Tanh => x.tanh(),
            Unary::Abs => x.abs(),
            Unary::Sign => x.sign(),
            Unary::Floor => x.floor(),
            Unary::Flush => flush(x),
            Unary::Not => x.zeros_like(),
        }),
    }
}

/// eˣ − 1 = tanh(x/2) · (eˣ + 1), which does not cancel near zero. Far to the right tanh is one, and nothing else is left.
fn exp_m1(x: Tensor<1>) -> Tensor<1> {
    x.clone().mul_scalar(0.5).tanh().mul(x.exp().add_scalar(1.0))
}

/// Zero for what is below the least normal number of its type.
fn flush(x: Tensor<1>) -> Tensor<1> {
    let least = if x.dtype() == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    let is_small = x.clone().abs().lower_elem(least);
    x.mask_fill(is_small, 0.0)
}

/// Of two numbers that give one.
fn binary(function: Binary, x: Value, y: Value) -> Value {
    match (x, y) {
        (Value::Same(x), Value::Same(y)) => Value::Same(match function {
            Binary::Add => x + y,
            Binary::Subtract => x - y,
            Binary::Multiply => x * y,
            Binary::Divide => x / y,
            Binary::Maximum => x.max(y),
            _ => x.min(y),
        }),
        (Value::Each(x), Value::Same(y)) => Value::Each(match function {
            Binary::Add => x.add_scalar(y),
            Binary::Subtract => x.sub_scalar(y),
            Binary::Multiply => x.mul_scalar(y),
            Binary::Divide => x.div_scalar(y),
            Binary::Maximum => x.clamp_min(y),
            _ => x.clamp_max(y),
        }),
        (Value::Same(x), Value::Each(y)) => Value::Each(match function {
            Binary::Add => y.add_scalar(x),
            Binary::Subtract => y.neg().add_scalar(x),
            Binary::Multiply => y.mul_scalar(x),
            Binary::Divide if x.to_bits() == 1.0_f64.to_bits() => y.recip(),
            Binary::Divide => y.full_like(x).div(y),
            Binary::Maximum => y.clamp_min(x),
            _ => y.clamp_max(x),
        }),
        (Value::Each(x), Value::Each(y)) => Value::Each(match function {
            Binary::Add => x.add(y),
            Binary::Subtract => x.sub(y),
            Binary::Multiply => x.mul(y),
            Binary::Divide => x.div(y),
            Binary::Maximum => x.max_pair(y),
            _ => x.min_pair(y),
        }),
    }
}

/// Whether the first number is less, or else equal to the second.
fn comparison(less: bool, x: Value, y: Value) -> Mask {
    match (x, y) {
        (Value::Same(x), Value::Same(y)) => Mask::Everywhere(if less { Real::less(x, y) } else { Real::equal(x, y) }),
        (Value::Each(x), Value::Same(y)) => Mask::At(if less { x.lower_elem(y) } else { x.equal_elem(y) }),
        (Value::Same(x), Value::Each(y)) => Mask::At(if less { y.greater_elem(x) } else { y.equal_elem(x) }),
        (Value::Each(x), Value::Each(y)) => Mask::At(if less { x.lower(y) } else { x.equal(y) }),
    }
}

/// Whether both masks hold, or else one of them.
fn logic(both: bool, x: Mask, y: Mask) -> Mask {
    match (x, y) {
        (Mask::At(x), Mask::At(y)) => Mask::At(if both { x.bool_and(y) } else { x.bool_or(y) }),
        // What is the same everywhere either decides, or leaves it to the other.
        (Mask::Everywhere(known), other) | (other, Mask::Everywhere(known)) => {
            if known == both {
                other
            } else {
                Mask::Everywhere(known)
            }
        }
    }
}

/// Where the mask holds the first, elsewhere the second; one that varies is of tensors like an input.
fn select(mask: Mask, x: Value, y: Value, input: Option<&Tensor<1>>) -> Value {
    match (mask, x, y) {
        (Mask::Everywhere(true), x, _) => x,
        (Mask::Everywhere(false), _, y) => y,
        (Mask::At(mask), Value::Each(x), Value::Each(y)) => Value::Each(y.mask_where(mask, x)),
        (Mask::At(mask), Value::Same(x), Value::Each(y)) => Value::Each(y.mask_fill(mask, x)),
        (Mask::At(mask), Value::Each(x), Value::Same(y)) => Value::Each(x.mask_fill(mask.bool_not(), y)),
        (Mask::At(mask), Value::Same(x), Value::Same(y)) => {
            input.map_or(Value::Same(y), |input| Value::Each(input.full_like(y).mask_fill(mask, x)))
        }
    }
}

fn power(x: Value, exponent: f64) -> Value {
    match x {
        Value::Same(x) => Value::Same(Real::power(x, exponent)),
        Value::Each(x) => Value::Each(x.powf_scalar(exponent)),
    }
}
