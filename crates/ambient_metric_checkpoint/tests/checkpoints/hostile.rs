//! Files that were made to do harm: each is refused, and none takes more memory than a multiple of its size.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test says no")]

use ambient_metric::AnyRule;
use ambient_metric_checkpoint::{Problem, Snapshot};
use ambient_metric_ndarray::Parameters;
use ambient_metric_ndarray::ndarray::array;
use proptest::prelude::*;
use serde_json::json;

use crate::layout::{entries, file, first_texts, framed};
use crate::snapshots::{small, snapshots};

/// Reads bytes, and accepts what reading takes: no more than 32 bytes for each, and 4 KiB for messages.
///
/// The most is taken by a list of numbers of one digit: two bytes of text become eight, in a list that has twice as many places while it grows.
fn read(bytes: &[u8]) -> Result<Snapshot, Problem> {
    let mut result = None;
    let taken = allocation_counter::measure(|| result = Some(Snapshot::from_bytes(bytes)));
    let limit = 32 * bytes.len() as u64 + 4096;
    assert!(taken.bytes_max <= limit, "{} bytes for a file of {}", taken.bytes_max, bytes.len());
    result.unwrap().map_err(|error| error.problem)
}

fn header(tensors: &str) -> String {
    format!("{{\"__metadata__\":{}{tensors}}}", json!(first_texts()))
}

#[test]
fn shapes_and_offsets_that_overflow_or_overlap_are_refused() {
    let tensor = |shape: &str, start: u64, end: u64| {
        format!(",\"tensor/{start:020}\":{{\"dtype\":\"U8\",\"shape\":{shape},\"data_offsets\":[{start},{end}]}}")
    };
    let most = u64::MAX;
    // Eight tensors whose ends are in range, and the length of the file is not.
    let eighth = (1_u64 << 61) - 1;
    let chain: String =
        (0..8).map(|index| tensor(&format!("[{eighth}]"), index * eighth, (index + 1) * eighth)).collect();
    for tensors in [
        chain,
        tensor("[4294967296,4294967296]", 0, 0),
        tensor(&format!("[{most}]"), 0, most),
        tensor(&format!("[{most},{most}]"), 0, 1),
        tensor("[8]", 8, 0),
        tensor("[8]", 4, 12),
        tensor("[8]", 0, 8) + &tensor("[8]", 4, 12),
        tensor("[9]", 0, 8),
        tensor("[-1]", 0, 8),
        tensor("[1e3]", 0, 8),
        tensor("[8]", 0, 8).replace("U8", "U9"),
        tensor("[9]", 0, 8).replace("U8", "F4"),
    ] {
        let refused = read(&framed(&header(&tensors), &[0; 8])).unwrap_err();
        assert!(matches!(refused, Problem::Format(_) | Problem::Truncated { .. }), "{tensors}: {refused}");
    }
}

#[test]
fn headers_that_are_none_are_refused() {
    let deep = "[".repeat(100_000);
    let long = format!("{{\"a\":{{\"dtype\":\"U8\",\"shape\":[{}1],\"data_offsets\":[0,1]}}}}", "1,".repeat(100_000));
    let texts: Vec<String> = (0..20_000).map(|index| format!("\"{index}\":\"\"")).collect();
    let texts = format!("{{\"__metadata__\":{{{}}}}}", texts.join(","));
    let name = |index| format!("\"{index}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    let names: Vec<String> = (0..9_000).map(name).collect();
    let names = format!("{{{},\"__metadata__\":{}}}", names.join(","), json!(first_texts()));
    let twice = header(&format!(",\"__metadata__\":{}", json!(first_texts())));
    for text in
        ["", "{}", "[]", "null", "{", "{\"__metadata__\":null}", "{\"a\":1}", &deep, &long, &texts, &names, &twice]
    {
        assert!(read(&framed(text, &[])).is_err());
        assert!(read(&framed(text, &[0; 8])).is_err());
    }
    assert!(matches!(read(&framed("{}", &[])), Err(Problem::Foreign)));
    for length in [u64::MAX, 1 << 40, 100_000_001] {
        assert!(matches!(read(&length.to_le_bytes()), Err(Problem::Format(_))));
    }
    assert!(
        read(&framed("\u{0}", &[])).is_err() && read(b"\x08\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff").is_err()
    );
}

/// What the fuzzer begins with.
#[test]
fn the_seeds_of_the_fuzzer_are_sound() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../ambient_metric_fuzz/corpus/checkpoint");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert_eq!(read(&bytes).unwrap().to_bytes().unwrap(), bytes);
        files += 1;
    }
    assert!(files > 5, "{files} files");
}

/// Optimisers of a sound file, with anything in them: reading their texts and restoring them refuses or works.
fn restore(snapshot: &Snapshot) {
    let theta = Parameters::from(array![0.5_f32, -1.0]);
    if let Ok(checkpoint) = snapshot.optimiser::<AnyRule>("line") {
        let _ = checkpoint.restore_any(&theta).map(|optimiser| optimiser.steps());
    }
    let _ = snapshot.load_parameters("line", &mut theta.clone());
}

/// Something to put in the place of something else in a text.
fn splices() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[0-9]{1,20}",
        "[-a-z\",:{}\\[\\]]{1,3}",
        prop::sample::select(vec!["1e999", "null", "18446744073709551615", "-1", "\"state\":{}", "[[[[", "muon", "0"])
            .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200), header in any::<bool>()) {
        let bytes = if header { framed(&String::from_utf8_lossy(&bytes), &[]) } else { bytes };
        prop_assert!(read(&bytes).is_err());
    }

    /// What is read is what was written, and so is written again as it was.
    #[test]
    fn a_file_with_any_texts_and_tensors_is_refused_or_is_one_of_ours(
        snapshot in snapshots(),
        at in any::<prop::sample::Index>(),
        extents in prop::collection::vec(0..9_u64, 0..3),
        name in "(optimiser|parameters|tensor|value)?[/%a-z]{0,9}",
    ) {
        let (mut texts, mut tensors) = entries(&snapshot);
        if !tensors.is_empty() {
            let index = at.index(tensors.len());
            (tensors[index].shape, tensors[index].name) = (extents, name.clone());
        }
        texts.insert(name, "{}".to_owned());
        let bytes = file(&texts, &tensors);
        if let Ok(back) = read(&bytes) {
            prop_assert_eq!(back.to_bytes().unwrap(), bytes);
        }
    }

    #[test]
    fn an_optimiser_with_any_text_is_refused_or_restored(at in any::<prop::sample::Index>(), length in 0..9_usize, splice in splices()) {
        let (mut texts, tensors) = entries(&small());
        let text = texts.get_mut("optimiser/line").unwrap();
        let start = at.index(text.len());
        text.replace_range(start..(start + length).min(text.len()), &splice);
        restore(&read(&file(&texts, &tensors)).unwrap());
    }
}
