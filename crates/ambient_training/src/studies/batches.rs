//! Mini-batches on a device, and what is counted of them.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Rows of numbers on a device.
pub(super) fn rows(values: Vec<f32>, columns: usize, device: &Device) -> Tensor<2> {
    let count = values.len().checked_div(columns).unwrap_or(0);
    Tensor::from_data(TensorData::new(values, [count, columns]), device)
}

/// Classes on a device.
pub(super) fn classes(labels: &[u8], device: &Device) -> Tensor<1, Int> {
    let labels: Vec<i32> = labels.iter().map(|label| i32::from(*label)).collect();
    let count = labels.len();
    Tensor::from_data(TensorData::new(labels, [count]), device)
}

/// How many rows of logits are highest at their class.
pub(super) fn hits(logits: Tensor<2>, classes: Tensor<1, Int>) -> Tensor<1> {
    let [count, _] = logits.dims();
    logits.argmax(1).reshape([count]).equal(classes).float().sum()
}
