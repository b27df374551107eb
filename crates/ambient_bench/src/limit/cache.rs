//! How large the last caches before memory are.

use std::collections::BTreeMap;
use std::fs::{read_dir, read_to_string};
use std::path::Path;

/// The bytes of the last caches before memory, all of the computer's together, as Linux describes its processors in the folder
/// `/sys/devices/system/cpu`. Nothing where they are not described.
#[must_use]
pub fn last_level(processors: &Path) -> Option<usize> {
    // By the level, and by the processors that share a cache: some computers have one for a few of their cores each.
    let mut caches: BTreeMap<(u32, String), usize> = BTreeMap::new();
    for processor in read_dir(processors).ok()?.flatten() {
        for cache in read_dir(processor.path().join("cache")).into_iter().flatten().flatten() {
            let said = |name| read_to_string(cache.path().join(name)).map(|text| text.trim().to_owned()).ok();
            let level = said("level").and_then(|level| level.parse().ok());
            if let (Some(level), Some(shared), Some(size)) = (level, said("shared_cpu_list"), said("size")) {
                caches.insert((level, shared), bytes(&size)?);
            }
        }
    }
    let ((last, _), _) = caches.last_key_value()?;
    let last = *last;
    Some(caches.iter().filter(|((level, _), _)| *level == last).map(|(_, bytes)| bytes).sum())
}

/// A size as `307200K`.
fn bytes(size: &str) -> Option<usize> {
    let (digits, unit) = match (size.strip_suffix('K'), size.strip_suffix('M')) {
        (Some(digits), _) => (digits, 1 << 10),
        (None, Some(digits)) => (digits, 1 << 20),
        (None, None) => (size, 1),
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}
