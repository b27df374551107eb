//! A folder is for one at a time.

use ambient_studies::error::Error;
use ambient_studies::files::lock::{Lock, Purpose};
use tempfile::tempdir;

#[test]
fn a_folder_that_is_taken_is_refused_with_its_holder_and_free_afterwards() {
    let folder = tempdir().unwrap();
    let lock = Lock::take(folder.path(), Purpose::Work).unwrap();
    for _ in 0..3 {
        let refused = Lock::take(folder.path(), Purpose::Work).unwrap_err();
        let holder = if let Error::Busy { holder, .. } = &refused { holder.clone() } else { None }.unwrap();
        assert_eq!(holder.process, std::process::id());
        assert!(!holder.command.is_empty() && holder.since.ends_with('Z') && holder.since.len() == 20, "{holder:?}");
        let said = refused.to_string();
        assert!(said.contains(&folder.path().display().to_string()) && said.contains(&holder.since), "{said}");
        assert!(Lock::take_again(folder.path(), Purpose::Work).is_err());
    }
    // A report may be made of a sweep that goes on.
    let report = Lock::take(folder.path(), Purpose::Report).unwrap();
    assert!(Lock::take(folder.path(), Purpose::Report).is_err());
    drop((lock, report));
    // Nothing is left, and nothing is made by looking.
    assert!(Lock::take_again(folder.path(), Purpose::Work).unwrap().is_none());
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    drop(Lock::take(folder.path(), Purpose::Work).unwrap());
}

/// What a process that was killed leaves is a file that nobody has locked.
#[test]
fn a_lock_that_was_left_behind_is_taken_over() {
    let folder = tempdir().unwrap();
    for left in ["", "{\"process\":1,\"command\":\"ambient\",\"since\":\"then\"}\n", "\u{0}\u{0}"] {
        std::fs::write(folder.path().join("ambient.lock"), left).unwrap();
        let lock = Lock::take(folder.path(), Purpose::Work).unwrap();
        let refused = Lock::take(folder.path(), Purpose::Work).unwrap_err();
        assert!(matches!(refused, Error::Busy { holder: Some(holder), .. } if holder.process == std::process::id()));
        drop(lock);
    }
}

/// However many want a folder, one at a time has it, also while names come and go.
#[test]
fn of_many_that_want_a_folder_one_has_it() {
    let folder = tempdir().unwrap();
    let (inside, taken) = (std::sync::atomic::AtomicUsize::new(0), std::sync::atomic::AtomicUsize::new(0));
    let order = std::sync::atomic::Ordering::SeqCst;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    match Lock::take(folder.path(), Purpose::Work) {
                        Ok(_lock) => {
                            assert_eq!(inside.fetch_add(1, order), 0);
                            taken.fetch_add(1, order);
                            std::thread::yield_now();
                            inside.fetch_sub(1, order);
                        }
                        Err(error) => assert!(matches!(error, Error::Busy { .. }), "{error}"),
                    }
                }
            });
        }
    });
    assert!(taken.load(order) > 0);
}
