//! The header of a file: its texts, and what its tensors are and where they lie, as JSON.

use core::cmp::Reverse;
use core::fmt;
use std::collections::BTreeMap;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::checksum;
use crate::error::Problem;
use crate::tensor::SavedTensor;

/// The name under which the format keeps texts.
const METADATA: &str = "__metadata__";
/// What says that a file is a checkpoint.
const FORMAT: (&str, &str) = ("format", "ambient_metric checkpoint");
/// The version of the format that is written and read.
const VERSION: (&str, u32) = ("version", 1);
/// The text that no checksum is over.
const CHECKSUM: &str = "checksum";
/// The longest header that the format allows.
pub(crate) const LONGEST: usize = 100_000_000;

/// What stands before the bytes of the tensors.
#[derive(Debug, Default)]
pub(crate) struct Header {
    texts: BTreeMap<String, String>,
    /// In the order of their bytes.
    pub(crate) tensors: Vec<(String, TensorInfo)>,
}

/// The order in which tensors lie: that of the format, in which all are aligned.
fn order(name: &str, dtype: Dtype) -> impl Ord + use<'_> {
    (Reverse(dtype), name)
}

impl Header {
    /// The header of these texts and tensors.
    pub(crate) fn of(texts: &BTreeMap<String, String>, tensors: &BTreeMap<String, SavedTensor>) -> Self {
        let mut texts = texts.clone();
        texts.insert(FORMAT.0.to_owned(), FORMAT.1.to_owned());
        texts.insert(VERSION.0.to_owned(), VERSION.1.to_string());
        let checksum = checksum::of(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())), tensors);
        texts.insert(CHECKSUM.to_owned(), checksum);

        let mut sorted: Vec<(&String, &SavedTensor)> = tensors.iter().collect();
        sorted.sort_by(|a, b| order(a.0, a.1.dtype()).cmp(&order(b.0, b.1.dtype())));
        let mut end = 0;
        let placed = sorted.into_iter().map(|(name, tensor)| {
            let start = end;
            end += tensor.bytes().len();
            let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
            (name.clone(), TensorInfo { dtype, shape, data_offsets: (start, end) })
        });
        Self { tensors: placed.collect(), texts }
    }

    /// The header as it is written: JSON, and spaces up to a multiple of eight bytes.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Problem> {
        let mut bytes = serde_json::to_vec(self).map_err(|error| Problem::Format(error.to_string()))?;
        bytes.resize(bytes.len().next_multiple_of(8), b' ');
        if bytes.len() > LONGEST { Err(Problem::Header(bytes.len())) } else { Ok(bytes) }
    }

    /// The header of a checkpoint of this version that is written as [`to_bytes`](Self::to_bytes) does, and how many bytes its tensors take.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, usize), Problem> {
        let header: Self = serde_json::from_slice(bytes).map_err(|error| Problem::Format(error.to_string()))?;
        let text = |name| header.texts.get(name).map(String::as_str);
        if text(FORMAT.0) != Some(FORMAT.1) {
            return Err(Problem::Foreign);
        }
        let version = text(VERSION.0).unwrap_or_default();
        if version != VERSION.1.to_string() {
            return Err(Problem::Version { found: version.to_owned(), supported: VERSION.1 });
        }
        // Offsets one after another, each tensor as long as its shape says, and nothing that overflows.
        let valid = Metadata::new(None, header.tensors.clone()).map_err(|error| Problem::Format(error.to_string()))?;
        let is_sorted = header.tensors.is_sorted_by(|a, b| order(&a.0, a.1.dtype) < order(&b.0, b.1.dtype));
        if !is_sorted || header.to_bytes()? != bytes {
            return Err(Problem::Rewritten);
        }
        Ok((header, valid.data_len()))
    }

    /// The texts of a content that has the checksum which was written.
    pub(crate) fn verified(
        mut self,
        tensors: &BTreeMap<String, SavedTensor>,
    ) -> Result<BTreeMap<String, String>, Problem> {
        let written = self.texts.remove(CHECKSUM).unwrap_or_default();
        let computed = checksum::of(self.texts.iter().map(|(name, text)| (name.as_str(), text.as_str())), tensors);
        if written != computed {
            return Err(Problem::Damaged { written, computed });
        }
        self.texts.remove(FORMAT.0);
        self.texts.remove(VERSION.0);
        Ok(self.texts)
    }
}

impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.tensors.len()))?;
        map.serialize_entry(METADATA, &self.texts)?;
        self.tensors.iter().try_for_each(|(name, info)| map.serialize_entry(name, info))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("texts and tensors by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA {
                        header.texts = map.next_value()?;
                    } else {
                        header.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(header)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}
