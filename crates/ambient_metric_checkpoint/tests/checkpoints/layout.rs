//! The layout of `docs/checkpoints.md`, written once more from the page: what the library writes is this, byte for byte.
#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]

use core::cmp::Reverse;
use std::collections::BTreeMap;

use ambient_metric_checkpoint::{Dtype, Snapshot};
use proptest::prelude::*;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use twox_hash::XxHash3_128;

use crate::snapshots::snapshots;

/// A tensor as the format has it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub dtype: String,
    pub shape: Vec<u64>,
    pub bytes: Vec<u8>,
}

/// The checksum of the page.
pub fn checksum(texts: &BTreeMap<String, String>, tensors: &[Entry]) -> String {
    let mut hashed = Vec::new();
    let count = |hashed: &mut Vec<u8>, count: usize| hashed.extend((count as u64).to_le_bytes());
    let run = |hashed: &mut Vec<u8>, bytes: &[u8]| {
        count(hashed, bytes.len());
        hashed.extend(bytes);
    };
    count(&mut hashed, texts.len());
    for (name, text) in texts {
        run(&mut hashed, name.as_bytes());
        run(&mut hashed, text.as_bytes());
    }
    let mut sorted: Vec<&Entry> = tensors.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    count(&mut hashed, sorted.len());
    for tensor in sorted {
        run(&mut hashed, tensor.name.as_bytes());
        run(&mut hashed, tensor.dtype.as_bytes());
        count(&mut hashed, tensor.shape.len());
        tensor.shape.iter().for_each(|extent| hashed.extend(extent.to_le_bytes()));
        run(&mut hashed, &tensor.bytes);
    }
    format!("{:032x}", XxHash3_128::oneshot(&hashed))
}

/// A file with this header, of these bytes.
pub fn framed(header: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = header.to_owned();
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), bytes].concat()
}

/// A file of tensors in this order, with its checksum, and with texts of which none is added.
pub fn file(texts: &BTreeMap<String, String>, tensors: &[Entry]) -> Vec<u8> {
    let mut texts = texts.clone();
    texts.insert("checksum".to_owned(), checksum(&texts, tensors));
    let mut header = format!("{{\"__metadata__\":{}", json!(texts));
    let mut bytes = Vec::new();
    for tensor in tensors {
        let start = bytes.len();
        bytes.extend(&tensor.bytes);
        let Entry { name, dtype, shape, .. } = tensor;
        let (name, shape, end) = (json!(name), json!(shape), bytes.len());
        let info = format!(",{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{start},{end}]}}");
        header.push_str(&info);
    }
    framed(&(header + "}"), &bytes)
}

/// The texts that every file of this version has.
pub fn first_texts() -> BTreeMap<String, String> {
    let text = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
    [("format", "ambient_metric checkpoint"), ("version", "1")].map(text).into()
}

/// What a snapshot has, as the format has it.
pub fn entries(snapshot: &Snapshot) -> (BTreeMap<String, String>, Vec<Entry>) {
    let mut texts = first_texts();
    texts.extend(snapshot.texts().map(|(name, text)| (name.to_owned(), text.to_owned())));
    let mut tensors: Vec<(Dtype, Entry)> = Vec::new();
    for (name, tensor) in snapshot.tensors() {
        let shape = tensor.shape().iter().map(|&extent| extent as u64).collect();
        let (name, dtype, bytes) = (name.to_owned(), tensor.dtype().to_string(), tensor.bytes().to_vec());
        tensors.push((tensor.dtype(), Entry { name, dtype, shape, bytes }));
    }
    // A stable sort of what is sorted by name.
    tensors.sort_by_key(|(dtype, _)| Reverse(*dtype));
    (texts, tensors.into_iter().map(|(_, entry)| entry).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_file_is_what_the_page_says(snapshot in snapshots()) {
        let (texts, tensors) = entries(&snapshot);
        prop_assert_eq!(snapshot.to_bytes().unwrap(), file(&texts, &tensors));
    }

    /// To other programs it is a safetensors file like every other: the crate reads it, finds every tensor aligned, and would give it the same length.
    #[test]
    fn a_file_is_a_safetensors_file(snapshot in snapshots()) {
        let bytes = snapshot.to_bytes().unwrap();
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        prop_assert_eq!(file.len(), snapshot.tensors().count());
        for (name, tensor) in snapshot.tensors() {
            let view = file.tensor(name).unwrap();
            prop_assert_eq!((view.dtype(), view.shape(), view.data()), (tensor.dtype(), tensor.shape(), tensor.bytes()));
            let start = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
            let width = tensor.dtype().bitsize() / 8;
            prop_assert!(width == 0 || tensor.bytes().is_empty() || start.is_multiple_of(width), "{name} at {start}");
        }
        let again = safetensors::serialize(file.iter(), metadata.metadata().clone()).unwrap();
        prop_assert_eq!(again.len(), bytes.len());
    }
}

/// The example of the page.
#[test]
fn the_rule_is_text_in_the_header() {
    let bytes = crate::snapshots::small().to_bytes().unwrap();
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let optimiser: Value = serde_json::from_str(header["__metadata__"]["optimiser/line"].as_str().unwrap()).unwrap();
    let rule = "induced(rmsprop(beta=0.999, epsilon=1e-8), log1p, xi=0.1, beta=0.0) + ema(decay=0.9)";
    assert_eq!(optimiser["configuration"]["rule"], rule);
    assert_eq!(optimiser["learning_rates"], json!([0.01]));
}
