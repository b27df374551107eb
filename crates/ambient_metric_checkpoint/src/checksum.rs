//! The checksum: XXH3 in 128 bits over what a file says, whatever the order in which it says it.

use std::collections::BTreeMap;

use twox_hash::XxHash3_128;

use crate::tensor::SavedTensor;

/// The checksum of texts and tensors, 32 hexadecimal digits.
///
/// What is hashed has one reading: a count before every list, a length before every text, all of them `u64` with the least byte first.
pub(crate) fn of<'a>(
    texts: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
    tensors: &BTreeMap<String, SavedTensor>,
) -> String {
    let mut hasher = XxHash3_128::new();
    count(&mut hasher, texts.len());
    for (name, text) in texts {
        run(&mut hasher, name.as_bytes());
        run(&mut hasher, text.as_bytes());
    }
    count(&mut hasher, tensors.len());
    for (name, tensor) in tensors {
        run(&mut hasher, name.as_bytes());
        run(&mut hasher, tensor.dtype().to_string().as_bytes());
        count(&mut hasher, tensor.shape().len());
        tensor.shape().iter().for_each(|&extent| count(&mut hasher, extent));
        run(&mut hasher, tensor.bytes());
    }
    format!("{:032x}", hasher.finish_128())
}

fn count(hasher: &mut XxHash3_128, count: usize) {
    hasher.write(&(count as u64).to_le_bytes());
}

/// Bytes with their number before them.
fn run(hasher: &mut XxHash3_128, bytes: &[u8]) {
    count(hasher, bytes.len());
    hasher.write(bytes);
}
