//! The context: a device, its queue, and the kernels compiled for it so far.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wgpu::{Adapter, BackendOptions, BufferUsages, ComputePipeline, Device, ErrorFilter, Features, Instance, Queue};

use crate::element::DeviceElement;
use crate::error::DeviceError;

/// A device with its queue and compiled kernels; cheap to clone.
///
/// # Example
///
/// ```
/// use ambient_metric_wgpu::Context;
///
/// match Context::new(None) {
///     Ok(context) => println!("{}", context.adapter_name()),
///     Err(error) => println!("no device here: {error}"),
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Context(pub(crate) Arc<Inner>);

/// What a [`Context`] shares.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) device: Device,
    pub(crate) queue: Queue,
    name: String,
    block: usize,
    pipelines: Mutex<HashMap<String, ComputePipeline>>,
    lost: Arc<Mutex<Option<String>>>,
    readbacks: AtomicU64,
    waits: AtomicU64,
    dispatches: AtomicU64,
}

/// An adapter as `ambient devices` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterSummary {
    /// Its name.
    pub name: String,
    /// The interface through which it is driven.
    pub backend: String,
    /// Discrete, integrated, virtual or software.
    pub kind: String,
    /// The driver and its version.
    pub driver: String,
    /// Whether kernels can compute in `f64`.
    pub double_precision: bool,
}

/// One instance for the whole program, so that the device itself tells a buffer of another device.
fn instance() -> &'static Instance {
    static INSTANCE: OnceLock<Instance> = OnceLock::new();
    INSTANCE.get_or_init(new_instance)
}

fn new_instance() -> Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backend_options = BackendOptions::from_env_or_default();
    // Where the driver tells how much memory is left, running out is an error before it is a crash.
    descriptor.memory_budget_thresholds =
        wgpu::MemoryBudgetThresholds { for_resource_creation: Some(95), for_device_loss: Some(99) };
    Instance::new(descriptor)
}

fn all_adapters() -> Vec<Adapter> {
    // GL adapters repeat the Vulkan ones with less precision in their compute shaders.
    let backends = wgpu::Backends::from_env().unwrap_or(wgpu::Backends::PRIMARY);
    pollster::block_on(instance().enumerate_adapters(backends))
}

/// The adapters of this machine.
///
/// ```
/// for adapter in ambient_metric_wgpu::adapters() {
///     println!("{} ({})", adapter.name, adapter.backend);
/// }
/// ```
#[must_use]
pub fn adapters() -> Vec<AdapterSummary> {
    let summary = |adapter: &Adapter| {
        let info = adapter.get_info();
        AdapterSummary {
            name: info.name,
            backend: info.backend.to_string(),
            kind: format!("{:?}", info.device_type),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            double_precision: adapter.features().contains(Features::SHADER_F64),
        }
    };
    all_adapters().iter().map(summary).collect()
}

/// How much an adapter promises; the largest wins where no name is asked for.
fn rank(adapter: &Adapter) -> u8 {
    match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 4,
        wgpu::DeviceType::IntegratedGpu => 3,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Cpu => 1,
        wgpu::DeviceType::Other => 0,
    }
}

/// Elements that one workgroup handles.
///
/// A GPU wants many workgroups; 4096 elements are four vectors for each of 256 invocations. A software driver runs a workgroup on one
/// core and pays for each barrier: of 2¹⁰, 2¹², 2¹⁴, 2¹⁶ and 2¹⁸ elements, 2¹⁶ was fastest on llvmpipe, 1.6 times as fast as 2¹² for the
/// `rmsprop` rule at 2²² parameters.
fn block(kind: wgpu::DeviceType) -> usize {
    if kind == wgpu::DeviceType::Cpu { 1 << 16 } else { 1 << 12 }
}

impl Context {
    /// A context on the adapter whose name contains `adapter` (in any case), else the environment variable
    /// `WGPU_ADAPTER_NAME`, else the most capable one.
    ///
    /// All that the adapter offers of double precision and buffer sizes is requested.
    ///
    /// # Errors
    ///
    /// [`DeviceError::NoAdapter`], [`DeviceError::UnknownAdapter`], [`DeviceError::Validation`] where the device cannot be had.
    pub fn new(adapter: Option<&str>) -> Result<Self, DeviceError> {
        let wanted = adapter
            .map(str::to_owned)
            .or_else(|| std::env::var("WGPU_ADAPTER_NAME").ok())
            .filter(|name| !name.is_empty());
        let mut found = all_adapters();
        if found.is_empty() {
            return Err(DeviceError::NoAdapter);
        }
        let known = found.iter().map(|adapter| adapter.get_info().name).collect();
        if let Some(wanted) = wanted {
            let lower = wanted.to_lowercase();
            found.retain(|adapter| adapter.get_info().name.to_lowercase().contains(&lower));
            if found.is_empty() {
                return Err(DeviceError::UnknownAdapter { wanted, known });
            }
        }
        let adapter = found.into_iter().max_by_key(rank).ok_or(DeviceError::NoAdapter)?;
        let features = adapter.features() & (Features::SHADER_F64 | Features::SHADER_INT64);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("ambient_metric"),
            required_features: features,
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).map_err(|error| {
            DeviceError::Validation { operation: "the request for a device", message: error.to_string() }
        })?;
        let context = Self::from_device(device, queue);
        let lost = Arc::clone(&context.0.lost);
        context.0.device.set_device_lost_callback(move |reason, message| {
            *lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{reason:?}: {message}"));
        });
        Ok(context)
    }

    /// A context on a device that is there already, whose buffers can then be used without a copy.
    ///
    /// The device's own callbacks are left alone, so a lost device is noticed when numbers are read from it. Tensors that
    /// meet in one operation must come from one context or its clones, not from two contexts on one device.
    #[must_use]
    pub fn from_device(device: Device, queue: Queue) -> Self {
        let info = device.adapter_info();
        Self(Arc::new(Inner {
            device,
            queue,
            block: block(info.device_type),
            name: info.name,
            pipelines: Mutex::default(),
            lost: Arc::default(),
            readbacks: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            dispatches: AtomicU64::new(0),
        }))
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.0.device
    }

    /// The queue.
    #[must_use]
    pub fn queue(&self) -> &Queue {
        &self.0.queue
    }

    /// The name of the adapter.
    #[must_use]
    pub fn adapter_name(&self) -> &str {
        &self.0.name
    }

    /// Elements that one workgroup handles, unless an optimiser is told otherwise.
    pub(crate) fn block(&self) -> usize {
        self.0.block
    }

    /// Whether kernels can compute in `f64` here.
    #[must_use]
    pub fn double_precision(&self) -> bool {
        self.0.device.features().contains(Features::SHADER_F64 | Features::SHADER_INT64)
    }

    /// Accepts a type that kernels can compute in here.
    pub(crate) fn check_precision<E: DeviceElement>(&self) -> Result<(), DeviceError> {
        if !E::DOUBLE || self.double_precision() {
            return Ok(());
        }
        Err(DeviceError::Unsupported {
            adapter: self.adapter_name().to_owned(),
            feature: "double precision in kernels (SHADER_F64 and SHADER_INT64)",
            advice: "use f32, or another adapter",
        })
    }

    /// How many times the host has waited for the device to finish, for numbers or without.
    #[must_use]
    pub fn waits(&self) -> u64 {
        self.0.waits.load(Ordering::Relaxed)
    }

    /// How many times the host has read numbers from the device.
    #[must_use]
    pub fn readbacks(&self) -> u64 {
        self.0.readbacks.load(Ordering::Relaxed)
    }

    /// How many kernels have been enqueued.
    #[must_use]
    pub fn dispatches(&self) -> u64 {
        self.0.dispatches.load(Ordering::Relaxed)
    }

    pub(crate) fn count_dispatch(&self) {
        self.0.dispatches.fetch_add(1, Ordering::Relaxed);
    }

    /// Accepts a clone of this context. Devices of two instances can have equal handles, so contexts are compared.
    pub(crate) fn check_same(&self, other: &Self) -> Result<(), DeviceError> {
        if Arc::ptr_eq(&self.0, &other.0) { Ok(()) } else { Err(DeviceError::DifferentDevices) }
    }

    /// Waits until everything enqueued so far is done.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Lost`].
    pub fn synchronise(&self) -> Result<(), DeviceError> {
        self.check_alive()?;
        self.0.waits.fetch_add(1, Ordering::Relaxed);
        let done = self.0.device.poll(wgpu::PollType::wait_indefinitely());
        done.map_err(|error| DeviceError::Lost { reason: error.to_string() })?;
        self.check_alive()
    }

    /// Accepts a device that has not been lost.
    pub(crate) fn check_alive(&self) -> Result<(), DeviceError> {
        match self.0.lost.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(reason) => Err(DeviceError::Lost { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// What `f` makes, unless the device reports an error while it does.
    pub(crate) fn guarded<R>(&self, operation: &'static str, f: impl FnOnce() -> R) -> Result<R, DeviceError> {
        self.check_alive()?;
        let device = &self.0.device;
        let memory = device.push_error_scope(ErrorFilter::OutOfMemory);
        let internal = device.push_error_scope(ErrorFilter::Internal);
        let validation = device.push_error_scope(ErrorFilter::Validation);
        let result = f();
        let validation = pollster::block_on(validation.pop());
        let internal = pollster::block_on(internal.pop());
        let memory = pollster::block_on(memory.pop());
        self.check_alive()?;
        match memory.or(internal).or(validation) {
            None => Ok(result),
            Some(wgpu::Error::OutOfMemory { .. }) => Err(DeviceError::OutOfMemory { bytes: 0, purpose: operation }),
            Some(error) => {
                let message = error.to_string();
                if message.contains("device is lost") || message.contains("Device is lost") {
                    Err(DeviceError::Lost { reason: message })
                } else {
                    Err(DeviceError::Validation { operation, message })
                }
            }
        }
    }

    /// A buffer of zeros.
    pub(crate) fn buffer(&self, purpose: &'static str, bytes: u64) -> Result<wgpu::Buffer, DeviceError> {
        let allowed = self.0.device.limits().max_buffer_size;
        if bytes > allowed {
            return Err(DeviceError::OutOfMemory { bytes, purpose });
        }
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let descriptor =
            wgpu::BufferDescriptor { label: Some(purpose), size: bytes.max(16), usage, mapped_at_creation: false };
        self.guarded(purpose, || self.0.device.create_buffer(&descriptor)).map_err(|error| match error {
            DeviceError::OutOfMemory { .. } => DeviceError::OutOfMemory { bytes, purpose },
            other => other,
        })
    }

    /// The compiled kernel of this text; compiled once. `writable` says of every binding whether it is bound for writing.
    pub(crate) fn pipeline(&self, text: &str, writable: &[bool]) -> Result<ComputePipeline, DeviceError> {
        let mut pipelines = self.0.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = pipelines.get(text) {
            return Ok(pipeline.clone());
        }
        let entry = |(binding, &writable): (u32, &bool)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only: !writable },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let entries: Vec<wgpu::BindGroupLayoutEntry> = (0..).zip(writable).map(entry).collect();
        let pipeline = self.guarded("a kernel", || {
            let device = &self.0.device;
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: None,
                source: wgpu::ShaderSource::Wgsl(text.into()),
            });
            // The layout is explicit because a derived one leaves out what a kernel declares and does not use.
            let group =
                device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
            let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(&group)],
                immediate_size: 0,
            });
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: Some(&layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    // Workgroup memory is written before it is read.
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: None,
            })
        })?;
        pipelines.insert(text.to_owned(), pipeline.clone());
        Ok(pipeline)
    }

    /// Bytes of a buffer, copied to the host; waits for the device.
    pub(crate) fn read(&self, buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> Result<Vec<u8>, DeviceError> {
        if bytes == 0 {
            return Ok(Vec::new());
        }
        self.0.readbacks.fetch_add(1, Ordering::Relaxed);
        let staging = self.guarded("a readback", || {
            let staging = self.0.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("readback"),
                size: bytes,
                usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            let mut encoder = self.0.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, bytes);
            self.0.queue.submit([encoder.finish()]);
            staging.map_async(wgpu::MapMode::Read, .., |_| {});
            staging
        })?;
        self.synchronise()?;
        let view = staging.get_mapped_range(..).map_err(|error| DeviceError::Lost { reason: error.to_string() })?;
        Ok(view.to_vec())
    }

    /// Replaces bytes of a buffer by host data.
    pub(crate) fn write(&self, buffer: &wgpu::Buffer, offset: u64, bytes: &[u8]) -> Result<(), DeviceError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.guarded("a write", || self.0.queue.write_buffer(buffer, offset, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_beyond_the_limits_of_the_device_is_out_of_memory() {
        let Ok(context) = Context::new(None) else {
            let required = std::env::var("AMBIENT_REQUIRE_GPU").is_ok_and(|value| value == "1");
            assert!(!required, "AMBIENT_REQUIRE_GPU=1 and there is no device");
            eprintln!("skipped: there is no graphics adapter on this machine");
            return;
        };
        let bytes = context.device().limits().max_buffer_size.saturating_add(4);
        let refused = context.buffer("a test", bytes);
        assert_eq!(refused.err(), Some(DeviceError::OutOfMemory { bytes, purpose: "a test" }));
    }
}
