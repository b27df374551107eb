//! The parameters of a module: gathered into one flat tensor, and put back.

use core::ops::Range;
use std::collections::HashMap;

use ambient_metric::space::Part;
use ambient_metric::{Error, Layout};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

use crate::error::BurnError;
use crate::parameters::{BurnElement, Parameters, join, slice};

/// A tensor of a module that holds numbers, under the path of its fields: `layers.0.weight`.
pub(crate) struct Found {
    pub(crate) part: Part,
    /// Whether it wants gradients; a frozen one and a running mean do not.
    pub(crate) is_trained: bool,
    id: ParamId,
    value: Tensor<1>,
    gradient: Option<Tensor<1>>,
}

impl Found {
    /// With a gradient of zeros.
    pub(crate) fn still(self) -> Self {
        Self { gradient: Some(self.value.zeros_like()), ..self }
    }
}

/// The tensors of a module in the order in which it is visited, each with its gradient where there is one.
///
/// A tensor that several places share is found at the first of them.
pub(crate) fn find<M: Module>(module: &M, gradients: &mut GradientsParams) -> Vec<Found> {
    let mut visitor = Visitor { path: Vec::new(), gradients, found: Vec::new() };
    module.visit(&mut visitor);
    visitor.found
}

struct Visitor<'g> {
    path: Vec<String>,
    gradients: &'g mut GradientsParams,
    found: Vec<Found>,
}

impl ModuleVisitor for Visitor<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.found.iter().any(|found| found.id == param.id) {
            return;
        }
        let value = param.val();
        let part = Part { name: self.path.join("."), shape: value.dims().to_vec() };
        let flat = |tensor: Tensor<D>| {
            let count = tensor.shape().num_elements();
            tensor.reshape([count])
        };
        self.found.push(Found {
            part,
            is_trained: value.is_require_grad(),
            id: param.id,
            gradient: self.gradients.remove::<D>(param.id).map(flat),
            value: flat(value.inner()),
        });
    }
}

/// Parameters and gradients of a module as a layout has them.
pub(crate) struct Gathered<E> {
    pub(crate) parameters: Parameters<E>,
    pub(crate) gradient: Parameters<E>,
    /// The parts for which there is no gradient.
    pub(crate) without_gradient: Vec<usize>,
    /// Where the new values lie of tensors for which there is one.
    pub(crate) places: HashMap<ParamId, Range<usize>>,
}

/// Orders what was found in a module as the layout has it. A part without a gradient gets zeros, which hold its place.
pub(crate) fn gather<E: BurnElement>(layout: &Layout, found: Vec<Found>) -> Result<Gathered<E>, Error> {
    let mut by_name: HashMap<String, Found> = found.into_iter().map(|found| (found.part.name.clone(), found)).collect();
    let (mut values, mut gradients) = (Vec::new(), Vec::new());
    let (mut without_gradient, mut places) = (Vec::new(), HashMap::new());
    let (mut start, mut device) = (0, None);
    for (index, part) in layout.parts().iter().enumerate() {
        let Some(Found { part: found, id, value, gradient, .. }) = by_name.remove(&part.name) else {
            return Err(Error::MissingParameter { name: part.name.clone(), shape: part.shape.clone() });
        };
        if found.shape != part.shape {
            return Err(Error::Shape { name: found.name, expected: part.shape.clone(), found: found.shape });
        }
        let end = start + part.elements();
        if gradient.is_some() {
            places.insert(id, start..end);
        } else {
            without_gradient.push(index);
        }
        let gradient = gradient.unwrap_or_else(|| value.zeros_like());
        for tensor in [&value, &gradient] {
            check::<E>(&part.name, tensor, device.get_or_insert_with(|| tensor.device()))?;
        }
        values.push(value);
        gradients.push(gradient);
        start = end;
    }
    if let Some(unknown) = by_name.into_values().find(|found| found.gradient.is_some()) {
        return Err(Error::UnknownParameter { name: unknown.part.name, known: layout.names() });
    }
    let flat = |tensors| Parameters::from_flat(layout.clone(), join(tensors).ok_or(Error::Empty)?);
    Ok(Gathered { parameters: flat(values)?, gradient: flat(gradients)?, without_gradient, places })
}

/// Accepts a tensor of the right numbers in the right place.
fn check<E: BurnElement>(name: &str, tensor: &Tensor<1>, device: &Device) -> Result<(), BurnError> {
    let parameter = name.to_owned();
    if tensor.dtype() != E::dtype() {
        let (expected, found) = (E::dtype().name().to_owned(), tensor.dtype().name().to_owned());
        return Err(BurnError::Precision { parameter, expected, found });
    }
    if tensor.device() == *device { Ok(()) } else { Err(BurnError::Devices { parameter }) }
}

/// Puts new values into a module.
pub(crate) fn scatter<M: Module, E: BurnElement>(
    module: M,
    parameters: &Parameters<E>,
    places: &HashMap<ParamId, Range<usize>>,
) -> M {
    module.map(&mut Mapper { flat: parameters.flat(), places })
}

struct Mapper<'p> {
    flat: &'p Tensor<1>,
    places: &'p HashMap<ParamId, Range<usize>>,
}

impl ModuleMapper for Mapper<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(place) = self.places.get(&param.id) else { return param };
        let id = param.id;
        param.map(|old| {
            let value = slice(self.flat, place).reshape(old.dims());
            // A tensor from the inner device has lost what the old one was set to.
            let mut new = Tensor::from_inner(value);
            if let Some(strategy) = old.gradient_checkpointing_strategy() {
                new = new.with_gradient_checkpointing_strategy(strategy);
            }
            if old.is_require_grad() {
                new = new.require_grad();
            }
            if old.is_distributed() { new.set_distributed(id) } else { new }
        })
    }
}
