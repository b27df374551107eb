//! Files take their name when they are complete: whatever fails, the old one stays.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test says no")]

use std::fs;
use std::path::Path;

use ambient_metric::space::Numbers;
use ambient_metric_checkpoint::{Problem, SavedTensor, Snapshot};

use crate::snapshots::small;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn large() -> Snapshot {
    let tensor = SavedTensor::of(&Numbers::F64(vec![0.5; 1 << 16]), vec![1 << 16]).unwrap();
    Snapshot::new().with_tensor("large", tensor).unwrap()
}

#[test]
fn a_file_replaces_the_one_that_had_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    for snapshot in [small(), large(), Snapshot::new()] {
        snapshot.write(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), snapshot.to_bytes().unwrap());
        assert_eq!(Snapshot::read(&path).unwrap(), snapshot);
    }
    assert_eq!(names(folder.path()), ["run.safetensors"]);
}

#[cfg(unix)]
#[test]
fn a_file_is_for_whom_other_files_are() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let mode = |name| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
    fs::write(folder.path().join("other"), "").unwrap();
    small().write(folder.path().join("run")).unwrap();
    assert_eq!(mode("run"), mode("other"));
}

#[test]
fn a_place_that_cannot_be_written_is_refused_and_left_clean() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("file"), "").unwrap();
    for path in [taken.clone(), folder.path().join("absent/run"), taken.join("file/run")] {
        let error = small().write(&path).unwrap_err();
        assert!(matches!(error.problem, Problem::System { action: "written", .. }), "{error}");
        assert_eq!(error.path.as_deref(), Some(path.as_path()));
    }
    assert_eq!((names(folder.path()), names(&taken)), (vec!["taken".to_owned()], vec!["file".to_owned()]));
}

#[test]
fn what_is_no_file_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Snapshot::read(folder.path()).unwrap_err().problem, Problem::NoFile));
    let absent = Snapshot::read(folder.path().join("absent")).unwrap_err();
    assert!(matches!(absent.problem, Problem::System { action: "read", .. }), "{absent}");
    #[cfg(unix)]
    {
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(matches!(Snapshot::read(&pipe).unwrap_err().problem, Problem::NoFile));
    }
}

/// The process runs itself once more, with files limited to 64 KiB, as on a disk that is full.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_leaves_the_old_file() {
    const FOLDER: &str = "AMBIENT_METRIC_FULL_DISK";
    if let Some(folder) = std::env::var_os(FOLDER) {
        let error = large().write(Path::new(&folder).join("run")).unwrap_err();
        assert!(matches!(error.problem, Problem::System { action: "written", .. }), "{error}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    small().write(&path).unwrap();
    let mut limited = std::process::Command::new("sh");
    // Half of its blocks are of 512 bytes, the others of 1024.
    limited.args([
        "-c",
        "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact writing::a_disk_that_is_full_leaves_the_old_file",
    ]);
    limited.arg(std::env::current_exe().unwrap()).env(FOLDER, folder.path());
    let output = limited.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(names(folder.path()), ["run"]);
    assert_eq!(Snapshot::read(&path).unwrap(), small());
}
