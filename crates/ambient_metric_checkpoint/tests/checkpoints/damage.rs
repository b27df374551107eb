//! Files that are not as they were written are refused, whatever has changed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test says no")]

use ambient_metric_checkpoint::{Problem, Snapshot};
use proptest::prelude::*;

use crate::layout::{entries, file};
use crate::snapshots::{small, snapshots};

fn problem(bytes: &[u8]) -> Problem {
    Snapshot::from_bytes(bytes).unwrap_err().problem
}

/// Every byte, with every other value: there is none that could be changed without being seen, in texts, in numbers or in the spaces between.
#[test]
fn a_changed_byte_is_always_seen() {
    let good = small().to_bytes().unwrap();
    assert!(Snapshot::from_bytes(&good).is_ok());
    assert!(good.windows(6).any(|text| text == b"\\u001f"), "a sign in digits that have two cases");
    let mut bytes = good.clone();
    for (index, &right) in good.iter().enumerate() {
        for wrong in (0..=u8::MAX).filter(|wrong| *wrong != right) {
            bytes[index] = wrong;
            assert!(Snapshot::from_bytes(&bytes).is_err(), "byte {index}: {wrong} for {right}");
        }
        bytes[index] = right;
    }
}

#[test]
fn a_file_that_ends_too_soon_or_too_late_is_always_seen() {
    let good = small().to_bytes().unwrap();
    for length in 0..good.len() {
        assert!(matches!(problem(&good[..length]), Problem::Truncated { found, .. } if found == length as u64));
    }
    for more in 0..=u8::MAX {
        assert!(matches!(problem(&[&good[..], &[more]].concat()), Problem::Truncated { .. }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_to_any_file_is_seen(snapshot in snapshots(), at in any::<prop::sample::Index>(), bits in 1..=u8::MAX) {
        let mut bytes = snapshot.to_bytes().unwrap();
        let index = at.index(bytes.len());
        bytes[index] ^= bits;
        prop_assert!(Snapshot::from_bytes(&bytes).is_err(), "byte {}", index);
        prop_assert!(Snapshot::from_bytes(&bytes[..index]).is_err(), "{} bytes", index);
    }
}

#[test]
fn damage_to_the_bytes_of_a_tensor_is_called_so() {
    let mut bytes = small().to_bytes().unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    assert!(matches!(problem(&bytes), Problem::Damaged { .. }));
}

/// Each of these has the right checksum.
#[test]
fn other_versions_programs_and_entries_are_refused_by_name() {
    let (texts, tensors) = entries(&small());
    let with = |name: &str, text: &str| {
        let mut texts = texts.clone();
        texts.insert(name.to_owned(), text.to_owned());
        problem(&file(&texts, &tensors))
    };
    assert!(matches!(with("version", "2"), Problem::Version { found, supported: 1 } if found == "2"));
    assert!(matches!(with("version", "01"), Problem::Version { .. }));
    assert!(matches!(with("format", "pt"), Problem::Foreign));
    assert!(matches!(with("more", ""), Problem::Unknown(name) if name == "more"));
    let mut of_none = texts.clone();
    of_none.remove("optimiser/line");
    assert!(
        matches!(problem(&file(&of_none, &tensors)), Problem::Unknown(name) if name.starts_with("optimiser/line/"))
    );
    let mut renamed = tensors.clone();
    renamed.last_mut().unwrap().name = "masks/of".to_owned();
    assert!(matches!(problem(&file(&texts, &renamed)), Problem::Unknown(name) if name == "masks/of"));
    // A state under a parameter that the optimiser does not have.
    let mut renamed = tensors.clone();
    let state = renamed.iter_mut().rfind(|entry| entry.name.starts_with("optimiser/")).unwrap();
    state.name = state.name.replace("/theta/", "/thetas/");
    let read = Snapshot::from_bytes(&file(&texts, &renamed)).unwrap();
    let refused = read.optimiser::<ambient_metric::AnyRule>("line").unwrap_err();
    assert!(matches!(refused.problem, Problem::Unknown(_)), "{refused}");
    // What the checksum does not depend on: the order of tensors.
    let mut turned = tensors.clone();
    turned.reverse();
    assert!(matches!(problem(&file(&texts, &turned)), Problem::Rewritten));
}
