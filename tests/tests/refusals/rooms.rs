//! The rooms of the core: none imports from one further down, as `docs/architecture.md` says.
#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::fs;
use std::path::Path;

/// From the top to the bottom of the table.
const ROOMS: [&str; 8] = ["number", "space", "base", "ambient", "geometry", "rule", "optimiser", "any"];

/// The rooms that a source names in what is no comment.
fn named(source: &str) -> Vec<usize> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let paths = code.flat_map(|line| line.split("crate::").skip(1));
    let room =
        |path: &str| ROOMS.iter().position(|room| path.strip_prefix(room).is_some_and(|rest| rest.starts_with("::")));
    paths.filter_map(room).collect()
}

#[test]
fn no_room_of_the_core_imports_from_one_further_down() {
    assert_eq!(
        named("use crate::base::dense::Dense;\n// crate::rule::\nlet x = crate::space::tensor::contract;"),
        [2, 1]
    );
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("crates/ambient_metric/src");
    let mut files = 0;
    for (room, name) in ROOMS.iter().enumerate() {
        for entry in fs::read_dir(source.join(name)).unwrap() {
            let path = entry.unwrap().path();
            let below = named(&fs::read_to_string(&path).unwrap()).into_iter().find(|other| *other > room);
            assert!(below.is_none(), "{} imports from `{}`", path.display(), ROOMS[below.unwrap_or_default()]);
            files += 1;
        }
    }
    assert!(files > 40, "{files} files");
}
