//! Devices: the adapters of this computer, and one of them as a machine.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use ambient_metric::any::AnyFused;
use ambient_metric::space::Part;
use ambient_metric::{AnyRule, Configuration, Covector, Layout};
use ambient_metric_wgpu::{Context, DeviceElement, DeviceError, DeviceOptimiser, DeviceTensor, Loss, Skip};

use super::machine::{Adapter, Baseline, Machine, OnMachine, Precision};
use crate::error::Error;

impl From<DeviceError> for Error {
    fn from(error: DeviceError) -> Self {
        Self::Device(error.to_string())
    }
}

/// The adapters of this computer.
pub(super) fn adapters() -> Vec<Adapter> {
    let found = ambient_metric_wgpu::adapters().into_iter();
    found
        .map(|adapter| Adapter {
            name: adapter.name,
            backend: adapter.backend,
            kind: adapter.kind,
            driver: adapter.driver,
            double_precision: adapter.double_precision,
        })
        .collect()
}

/// Opens the adapter of this name, that of `WGPU_ADAPTER_NAME`, or the most capable one, and hands it to `task`.
///
/// # Errors
///
/// [`Error::Device`] where there is no such adapter or it lacks double precision, and what `task` returns.
pub(super) fn with<T: OnMachine>(adapter: Option<&str>, precision: Precision, task: T) -> Result<T::Output, Error> {
    let context = Context::new(adapter)?;
    match precision {
        Precision::F32 => task.on(&OnDevice { context, precision, element: PhantomData::<f32> }),
        Precision::F64 if context.double_precision() => {
            task.on(&OnDevice { context, precision, element: PhantomData::<f64> })
        }
        Precision::F64 => Err(Error::Device(format!(
            "the adapter `{}` has no double precision: use --precision f32, or another adapter (`ambient devices` lists them)",
            context.adapter_name()
        ))),
    }
}

/// A device, with elements of type `E`.
#[derive(Clone, Debug)]
struct OnDevice<E> {
    context: Context,
    precision: Precision,
    element: PhantomData<E>,
}

impl<E: DeviceElement> Machine for OnDevice<E> {
    type Tensor = DeviceTensor<E>;
    type Optimiser = DeviceOptimiser<AnyFused, E>;

    fn backend(&self) -> &'static str {
        "wgpu"
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    fn adapter(&self) -> Option<&str> {
        Some(self.context.adapter_name())
    }

    fn threads(&self) -> Option<usize> {
        None
    }

    fn dispatches(&self) -> Option<u64> {
        Some(self.context.dispatches())
    }

    fn many(&self) -> usize {
        let is_software = self.context.device().adapter_info().device_type == wgpu::DeviceType::Cpu;
        1 << if is_software { 20 } else { 26 }
    }

    fn zeros(&self, shapes: &BTreeMap<String, Vec<usize>>) -> Result<DeviceTensor<E>, Error> {
        let parts = shapes.iter().map(|(name, shape)| Part { name: name.clone(), shape: shape.clone() });
        Ok(DeviceTensor::zeros(&self.context, Layout::new(parts.collect())?)?)
    }

    fn optimiser(
        &self,
        configuration: Configuration<AnyRule>,
        parameters: &DeviceTensor<E>,
    ) -> Result<DeviceOptimiser<AnyFused, E>, Error> {
        let rule = configuration.rule.fused()?;
        Ok(DeviceOptimiser::new(configuration.with_rule(rule), parameters)?)
    }

    fn step<G: Borrow<Covector<DeviceTensor<E>>>>(
        &self,
        optimiser: &mut DeviceOptimiser<AnyFused, E>,
        parameters: &mut DeviceTensor<E>,
        gradients: &[G],
        loss: f64,
    ) -> Result<(), Error> {
        let gradients: Vec<_> = gradients.iter().map(Borrow::borrow).collect();
        let losses: Vec<_> = gradients.iter().map(|_| Loss::Host(loss)).collect();
        Ok(optimiser.step_losses(parameters, &gradients, &losses)?)
    }

    fn check(&self, optimiser: &DeviceOptimiser<AnyFused, E>) -> Result<(), Error> {
        let skips = optimiser.engine().skips()?;
        let reason = match skips.last {
            None if skips.skipped == 0 => return Ok(()),
            Some(Skip::NonFiniteGradient) => "the gradient is not finite",
            Some(Skip::LossOutsideDomain) => "the loss is outside the domain of the embedding",
            Some(Skip::Overflow) => "a sum or a multiplier overflowed",
            Some(Skip::NotPositiveDefinite) => "the metric is not positive definite",
            Some(Skip::Coupling) => "the coupling is too long",
            None => "an earlier step could not be taken",
        };
        Err(Error::Device(format!("the device skipped {} of its steps: {reason}", skips.skipped)))
    }

    fn wait(&self) -> Result<(), Error> {
        Ok(self.context.synchronise()?)
    }

    /// A copy from buffer to buffer, in as many buffers as the device asks for.
    fn baseline(&self, elements: usize) -> Result<Option<Baseline>, Error> {
        let mut left = elements as u64 * E::SIZE;
        let most = self.context.device().limits().max_buffer_size / 4 * 4;
        let mut pairs = Vec::new();
        while left > 0 {
            let bytes = left.min(most);
            pairs.push((buffer(&self.context, bytes)?, buffer(&self.context, bytes)?, bytes));
            left -= bytes;
        }
        let context = self.context.clone();
        let run = move || {
            let mut encoder = context.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            for (from, to, bytes) in &pairs {
                encoder.copy_buffer_to_buffer(from, 0, to, 0, *bytes);
            }
            context.queue().submit([encoder.finish()]);
            Ok(())
        };
        let bytes_per_parameter = 2 * size_of::<E>();
        Ok(Some(Baseline { name: "copy", bytes_per_parameter, run: Box::new(run) }))
    }
}

/// A buffer to copy from or to, written once so that the device has all of it.
fn buffer(context: &Context, bytes: u64) -> Result<wgpu::Buffer, Error> {
    let device = context.device();
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("a copy"),
        size: bytes,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let pattern: Vec<u8> = (0..1_u32 << 22).map(|index| (index.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
    let mut at = 0;
    while at < bytes {
        let now = (bytes - at).min(pattern.len() as u64);
        let piece = usize::try_from(now).ok().and_then(|now| pattern.get(..now)).unwrap_or_default();
        context.queue().write_buffer(&buffer, at, piece);
        at += now;
    }
    let validation = pollster::block_on(validation.pop());
    match pollster::block_on(memory.pop()).or(validation) {
        None => Ok(buffer),
        Some(_) => Err(DeviceError::OutOfMemory { bytes, purpose: "a copy" }.into()),
    }
}
