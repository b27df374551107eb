//! Checkpoint files from strangers: read, written again, taken apart and restored.
//!
//! Bytes alone stop at the checksum, so most inputs are mended after they were changed: offsets, order, length and checksum are made right, and what
//! is wrong is what the file says.
#![no_main]

use std::collections::BTreeMap;

use ambient_metric::any::AnyRule;
use ambient_metric::space::Part;
use ambient_metric::{Checkpoint, Descent, Ema, Induced, Kronecker, Log, rules};
use ambient_metric_checkpoint::Snapshot;
use ambient_metric_conformance::Reference;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use safetensors::Dtype;
use serde_json::{Map, Value, json};
use twox_hash::XxHash3_128;

/// The most bytes that a tensor of a mended file has.
const MOST: usize = 1 << 12;

fuzz_target!(|data: &[u8]| {
    let mut read = None;
    within(32 * data.len() + 4096, || read = Snapshot::from_bytes(data).ok());
    if let Some(snapshot) = read {
        within(256 * data.len() + (1 << 16), || take_apart(data, &snapshot));
    }
});

/// Does something that may take no more than so many bytes of memory at once.
fn within(bytes: usize, work: impl FnOnce()) {
    let taken = allocation_counter::measure(work);
    assert!(taken.bytes_max <= bytes as u64, "{} bytes of memory, and {bytes} are enough", taken.bytes_max);
}

fn take_apart(data: &[u8], snapshot: &Snapshot) {
    assert_eq!(snapshot.to_bytes().as_deref().ok(), Some(data), "what is read is what was written");
    let part = Part { name: "theta".to_owned(), shape: vec![1, 2] };
    let Ok(mut theta) = Reference::new([(part, vec![0.5_f32, -1.0])]) else { return };
    let _ = snapshot.load_parameters("line", &mut theta);
    let _ = snapshot.value::<f64>("number");
    let _ = snapshot.value::<Value>("data");
    for (_, tensor) in snapshot.tensors() {
        let _ = tensor.numbers().map(|numbers| numbers.iter().sum::<f64>());
    }
    for name in ["line", "whole"] {
        if let Ok(checkpoint) = snapshot.optimiser::<AnyRule>(name) {
            restore(&checkpoint, &theta);
        }
    }
}

/// What was saved of a chosen rule is restored as the typed one, which asks the same questions.
fn restore(checkpoint: &Checkpoint<AnyRule>, theta: &Reference<f32>) {
    let _ = checkpoint
        .configuration
        .rule
        .to_string()
        .parse::<AnyRule>()
        .map(|rule| assert_eq!(rule, checkpoint.configuration.rule));
    let typed = checkpoint.clone().with_rule(rules::rmsprop(0.1));
    let _ = typed.restore(theta).map(|optimiser| optimiser.checkpoint().is_ok());
    let _ = typed.restore_partial(theta).map(|restored| restored.fresh.len());
    let rule = Descent::new(Kronecker::default(), Induced::new(Log, 0.1), Ema(0.9));
    let _ = checkpoint.clone().with_rule(rule).restore_whole(theta).map(|optimiser| optimiser.checkpoint().is_ok());
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let kind = seed % 8;
    // The parts of a file, of which one is changed; or any of its bytes.
    let parts = if kind < 5 { Parts::of(&data[..size]) } else { None };
    let mended = if let Some(mut parts) = parts {
        parts.mutate(seed / 8);
        Some(parts.file())
    } else {
        let size = fuzzer_mutate(data, size, max_size);
        if kind == 7 {
            return size;
        }
        match Parts::of(&data[..size]) {
            Some(parts) => Some(parts.file()),
            None => return size,
        }
    };
    match mended {
        Some(mended) if mended.len() <= max_size => {
            data[..mended.len()].copy_from_slice(&mended);
            mended.len()
        }
        _ => size,
    }
});

/// What a file says.
struct Parts {
    texts: BTreeMap<String, String>,
    tensors: Vec<(String, Dtype, Vec<u64>, Vec<u8>)>,
}

/// Some bytes after a mutation.
fn mutated(bytes: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; bytes.len() * 2 + 16];
    buffer[..bytes.len()].copy_from_slice(bytes);
    let most = buffer.len();
    let size = fuzzer_mutate(&mut buffer, bytes.len(), most);
    buffer.truncate(size);
    buffer
}

/// A text after a mutation.
fn mutated_text(text: &str) -> String {
    String::from_utf8_lossy(&mutated(text.as_bytes())).into_owned()
}

impl Parts {
    /// Whatever can be made out.
    fn of(file: &[u8]) -> Option<Self> {
        let rest = file.get(8..)?;
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Map<String, Value>>();
        let mut header = values.next()?.ok()?;
        let data = rest.get(values.byte_offset().next_multiple_of(8)..).unwrap_or_default();
        let texts = header.remove("__metadata__").unwrap_or_default();
        let text =
            |(name, text): (&String, &Value)| (name.clone(), text.as_str().map_or(text.to_string(), str::to_owned));
        let texts = texts.as_object().into_iter().flatten().map(text).collect();
        let mut tensors = Vec::new();
        for (name, info) in header {
            let dtype = serde_json::from_value(info["dtype"].clone()).unwrap_or(Dtype::F32);
            let shape: Vec<u64> = info["shape"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
            let start = info["data_offsets"][0].as_u64().and_then(|start| usize::try_from(start).ok());
            let data = start.and_then(|start| data.get(start..)).unwrap_or_default();
            tensors.push((name, dtype, shape, data[..data.len().min(MOST)].to_vec()));
        }
        Some(Self { texts, tensors })
    }

    /// Changes one of its parts.
    fn mutate(&mut self, seed: u32) {
        let (what, which) = (seed % 8, (seed / 8) as usize);
        let (texts, tensors) = (self.texts.len().max(1), self.tensors.len().max(1));
        let name = self.texts.keys().nth(which % texts).cloned();
        let tensor = self.tensors.get_mut(which % tensors);
        match (what, name, tensor) {
            (0..4, Some(name), _) => {
                self.texts.entry(name).and_modify(|text| *text = mutated_text(text));
            }
            (4, Some(name), _) => {
                let text = self.texts.remove(&name).unwrap_or_default();
                self.texts.insert(mutated_text(&name), text);
            }
            (5, _, Some((name, ..))) => *name = mutated_text(name),
            (6, _, Some((_, _, shape, _))) => {
                let bytes: Vec<u8> = shape.iter().map(|&extent| extent as u8).collect();
                *shape = mutated(&bytes).into_iter().take(9).map(u64::from).collect();
            }
            (7, _, Some((_, dtype, _, bytes))) => {
                const DTYPES: [Dtype; 6] = [Dtype::U8, Dtype::BF16, Dtype::F16, Dtype::F4, Dtype::F64, Dtype::F32];
                if which.is_multiple_of(2) { *bytes = mutated(bytes) } else { *dtype = DTYPES[which / 2 % 6] }
            }
            _ => {}
        }
    }

    /// The file of it, with all right that stands between the parts.
    fn file(mut self) -> Vec<u8> {
        // Names that appear twice are for the mutations of bytes.
        self.tensors.sort_by(|a, b| a.0.cmp(&b.0));
        self.tensors.dedup_by(|a, b| a.0 == b.0);
        for (_, dtype, shape, bytes) in &mut self.tensors {
            let elements = shape.iter().try_fold(1_u64, |elements, &extent| elements.checked_mul(extent));
            let bits = elements.and_then(|elements| elements.checked_mul(dtype.bitsize() as u64));
            match bits.map(|bits| bits / 8).filter(|&length| length <= MOST as u64) {
                Some(length) => bytes.resize(length as usize, 0x3f),
                None => bytes.clear(),
            }
        }
        self.texts.remove("checksum");
        self.texts.insert("checksum".to_owned(), self.checksum());
        // A stable sort of what is sorted by name.
        self.tensors.sort_by(|a, b| b.1.cmp(&a.1));
        let mut header = format!("{{\"__metadata__\":{}", json!(self.texts));
        let mut data = Vec::new();
        for (name, dtype, shape, bytes) in &self.tensors {
            let start = data.len();
            data.extend(bytes);
            let (name, shape, end) = (json!(name), json!(shape), data.len());
            header += &format!(",{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{start},{end}]}}");
        }
        header.push('}');
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
    }

    /// The checksum of tensors that are sorted by name.
    fn checksum(&self) -> String {
        let mut hasher = XxHash3_128::new();
        let count = |hasher: &mut XxHash3_128, count: u64| hasher.write(&count.to_le_bytes());
        let run = |hasher: &mut XxHash3_128, bytes: &[u8]| {
            count(hasher, bytes.len() as u64);
            hasher.write(bytes);
        };
        count(&mut hasher, self.texts.len() as u64);
        for (name, text) in &self.texts {
            run(&mut hasher, name.as_bytes());
            run(&mut hasher, text.as_bytes());
        }
        count(&mut hasher, self.tensors.len() as u64);
        for (name, dtype, shape, bytes) in &self.tensors {
            run(&mut hasher, name.as_bytes());
            run(&mut hasher, dtype.to_string().as_bytes());
            count(&mut hasher, shape.len() as u64);
            shape.iter().for_each(|&extent| count(&mut hasher, extent));
            run(&mut hasher, bytes);
        }
        format!("{:032x}", hasher.finish_128())
    }
}
