//! A recorded kernel evaluated over Burn tensors, one operation of the graph after another.

use ambient_metric::{Field, Real};
use ambient_metric_trace::{Binary, Id, Node, Recording, Unary};
use burn::tensor::{DType, Tensor};

/// A value of the graph.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are some dozens of them at a time")]
pub(crate) enum Value {
    /// The same number for every element; it is computed on the host, in the wide type.
    Same(f64),
    /// A number for every element.
    Each(Tensor<1>),
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
    for (index, node) in recording.graph().nodes().iter().enumerate() {
        if uses.get(index).is_none_or(|uses| *uses == 0) {
            continue;
        }
        let mut take = |id: Id| take(&mut values, &mut uses, id);
        let value = match *node {
            Node::Uniform(slot) => Value::Same(uniforms.get(slot).copied().unwrap_or(0.0)),
            Node::Input(slot) => inputs.get(slot).cloned().map_or(Value::Same(0.0), Value::Each),
            Node::Constant(bits) => Value::Same(f64::from_bits(bits)),
            Node::Unary(function, x) => unary(function, take(x)),
            Node::Binary(function, x, y) => {
                let x = take(x);
                binary(function, x, take(y))
            }
            Node::Power(x, exponent) => power(take(x), f64::from_bits(exponent)),
        };
        if let Some(place) = values.get_mut(index) {
            *place = Some(value);
        }
    }
    recording.outputs().iter().map(|slot| take(&mut values, &mut uses, slot.id)).collect()
}

/// The value of a node; after its last use the tensor is the reader's own, which may then be computed in place.
fn take(values: &mut [Option<Value>], uses: &mut [usize], id: Id) -> Value {
    let (Some(place), Some(left)) = (values.get_mut(id.index()), uses.get_mut(id.index())) else {
        return Value::Same(0.0);
    };
    *left = left.saturating_sub(1);
    let value = if *left == 0 { place.take() } else { place.clone() };
    value.unwrap_or(Value::Same(0.0))
}

fn unary(function: Unary, x: Value) -> Value {
    match x {
        Value::Same(x) => Value::Same(match function {
            Unary::Negate => -x,
            Unary::Sqrt => Real::sqrt(x),
            Unary::Exp => Real::exp(x),
            Unary::Ln => Real::ln(x),
            Unary::Ln1p => Real::ln_1p(x),
            Unary::Sin => Real::sin(x),
            Unary::Cos => Real::cos(x),
            Unary::Abs => Real::abs(x),
            // Of the wide type: stored as a number of the device it may still be below the least of that.
            Unary::Flush => Field::flushed(x),
        }),
        Value::Each(x) => Value::Each(match function {
            Unary::Negate => x.neg(),
            Unary::Sqrt => x.sqrt(),
            Unary::Exp => x.exp(),
            Unary::Ln => x.log(),
            Unary::Ln1p => x.log1p(),
            Unary::Sin => x.sin(),
            Unary::Cos => x.cos(),
            Unary::Abs => x.abs(),
            Unary::Flush => flush(x),
        }),
    }
}

/// Zero for what is below the least normal number of its type.
fn flush(x: Tensor<1>) -> Tensor<1> {
    let least = if x.dtype() == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    let is_small = x.clone().abs().lower_elem(least);
    x.mask_fill(is_small, 0.0)
}

fn binary(function: Binary, x: Value, y: Value) -> Value {
    match (x, y) {
        (Value::Same(x), Value::Same(y)) => Value::Same(match function {
            Binary::Add => x + y,
            Binary::Subtract => x - y,
            Binary::Multiply => x * y,
            Binary::Divide => x / y,
            Binary::Maximum => x.max(y),
            Binary::Minimum => x.min(y),
        }),
        (Value::Each(x), Value::Same(y)) => Value::Each(match function {
            Binary::Add => x.add_scalar(y),
            Binary::Subtract => x.sub_scalar(y),
            Binary::Multiply => x.mul_scalar(y),
            Binary::Divide => x.div_scalar(y),
            Binary::Maximum => x.clamp_min(y),
            Binary::Minimum => x.clamp_max(y),
        }),
        (Value::Same(x), Value::Each(y)) => Value::Each(match function {
            Binary::Add => y.add_scalar(x),
            Binary::Subtract => y.neg().add_scalar(x),
            Binary::Multiply => y.mul_scalar(x),
            Binary::Divide if x.to_bits() == 1.0_f64.to_bits() => y.recip(),
            Binary::Divide => y.full_like(x).div(y),
            Binary::Maximum => y.clamp_min(x),
            Binary::Minimum => y.clamp_max(x),
        }),
        (Value::Each(x), Value::Each(y)) => Value::Each(match function {
            Binary::Add => x.add(y),
            Binary::Subtract => x.sub(y),
            Binary::Multiply => x.mul(y),
            Binary::Divide => x.div(y),
            Binary::Maximum => x.max_pair(y),
            Binary::Minimum => x.min_pair(y),
        }),
    }
}

fn power(x: Value, exponent: f64) -> Value {
    match x {
        Value::Same(x) => Value::Same(Real::power(x, exponent)),
        Value::Each(x) => Value::Each(x.powf_scalar(exponent)),
    }
}
