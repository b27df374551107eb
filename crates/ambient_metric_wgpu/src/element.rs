//! The numbers of a device.

use ambient_metric::number::Element;

/// A number that kernels compute with: `f32`, and `f64` where the adapter has double precision.
pub trait DeviceElement: Element<Wide = f64> + bytemuck::Pod {
    /// Whether it is `f64`.
    const DOUBLE: bool;
    /// Its size in bytes.
    const SIZE: u64;
    /// How many fit in a vector of 16 bytes.
    const VECTOR: usize;
}

impl DeviceElement for f32 {
    const DOUBLE: bool = false;
    const SIZE: u64 = 4;
    const VECTOR: usize = 4;
}

impl DeviceElement for f64 {
    const DOUBLE: bool = true;
    const SIZE: u64 = 8;
    const VECTOR: usize = 2;
}
