//! The limit of memory: what its loops compute, the bytes that they are counted for, and the time that it allows.

use std::cell::Cell;
use std::fs;

use ambient_bench::limit::loops::{Loop, Order, Streams, TURN, Turn};
use ambient_bench::limit::{Limit, Rate, Yardstick, cache, memory};
use proptest::prelude::*;
use tempfile::tempdir;

const STREAMS: [Streams; 2] = [Streams::One, Streams::Four];
const ORDERS: [Order; 2] = [Order::Forwards, Order::Backwards];

/// Whole numbers from 0 to 6: what is computed with them is exact, in every order.
fn numbers(turns: usize, seed: usize) -> Vec<Turn> {
    let number = |turn, place| ((turn * TURN + place) * (seed + 3) % 7) as f32;
    (0..turns).map(|turn| std::array::from_fn(|place| number(turn, place))).collect()
}

/// The arrays of a loop.
fn arrays(what: Loop, turns: usize) -> [Vec<Turn>; 3] {
    std::array::from_fn(|array| numbers(if array < what.arrays() { turns } else { 0 }, array))
}

fn agrees(what: Loop, streams: Streams, order: Order, turns: usize, a: f32) -> Result<(), TestCaseError> {
    let [mut x, y, z] = arrays(what, turns);
    let before = x.clone();
    let sum = what.run(streams, order, a, &mut x, &y, &z);
    let expected_sum = if what == Loop::Sum { before.as_flattened().iter().sum() } else { 0.0_f32 };
    // Whatever the sign of a sum of nothing.
    prop_assert!((sum - expected_sum).abs() == 0.0, "{} beside {}", sum, expected_sum);
    for (place, (after, x)) in x.as_flattened().iter().zip(before.as_flattened()).enumerate() {
        let of = |array: &[Turn]| array.as_flattened()[place];
        let expected = match what {
            Loop::Copy => of(&y),
            Loop::Scale => a * of(&y),
            Loop::Axpy => x + a * of(&y),
            Loop::Triad => of(&y) + a * of(&z),
            Loop::Sum => *x,
        };
        prop_assert!((after - expected).abs() == 0.0, "{} {} {}: {} at {}", what, streams, order, after, place);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn loops_compute_what_they_say(turns in 0..70_usize, a in -3..4_i8, threads in 1..4_usize) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            for what in Loop::ALL {
                for streams in STREAMS {
                    ORDERS.iter().try_for_each(|order| agrees(what, streams, *order, turns, f32::from(a)))?;
                }
            }
            Ok::<(), TestCaseError>(())
        })?;
    }

    #[test]
    fn the_limit_grows_with_every_byte(
        [read, write] in prop::array::uniform2(1e-12..1e-8_f64),
        [only_read, moved, more] in prop::array::uniform3(1..1_usize << 40),
    ) {
        let rate = |seconds_per_byte| Rate { seconds_per_byte, kind: String::new() };
        let limit = Limit { read: rate(read), write: rate(write) };
        let seconds = limit.seconds(only_read, moved);
        prop_assert!(seconds > 0.0);
        prop_assert!(limit.seconds(only_read + more, moved) >= seconds);
        prop_assert!(limit.seconds(only_read, moved + more) >= seconds);
        // Two steps take twice as long as one: doubling is exact.
        prop_assert_eq!(limit.seconds(2 * only_read, 2 * moved).to_bits(), (2.0 * seconds).to_bits());
        // Of passes of one kind alone it is the time of a byte, times the bytes.
        prop_assert_eq!(limit.seconds(only_read, 0).to_bits(), (read * only_read as f64).to_bits());
        prop_assert_eq!(limit.seconds(0, moved).to_bits(), (write * moved as f64).to_bits());
    }

    #[test]
    fn a_limit_between_two_is_the_mean_under_the_name_of_the_faster(rates in prop::array::uniform4(1e-12..1e-8_f64)) {
        let rate = |seconds_per_byte, name: &str| Rate { seconds_per_byte, kind: name.to_owned() };
        let limit = |read, write, name| Limit { read: rate(read, name), write: rate(write, name) };
        let [r, w, s, t] = rates;
        let between = limit(r, w, "before").between(&limit(s, t, "after"));
        for (rate, one, two) in [(between.read, r, s), (between.write, w, t)] {
            prop_assert!((one.min(two)..=one.max(two)).contains(&rate.seconds_per_byte));
            prop_assert_eq!(rate.kind, if two < one { "after" } else { "before" });
        }
    }
}

#[test]
fn loops_compute_what_they_say_over_many_leaves() {
    for what in Loop::ALL {
        for streams in STREAMS {
            for order in ORDERS {
                agrees(what, streams, order, 2 * 2048 + 7, 2.0).unwrap();
            }
        }
    }
}

/// An array is read if what comes out depends on it, and written if it changes.
#[test]
fn bytes_are_counted_by_what_is_read_and_written() {
    for what in Loop::ALL {
        let outcome = |changed: Option<usize>| {
            let mut arrays = arrays(what, 9);
            if let Some(array) = changed {
                arrays[array].iter_mut().for_each(|turn| *turn = [8.0; TURN]);
            }
            let [mut x, y, z] = arrays;
            let before = x.clone();
            let sum = what.run(Streams::One, Order::Backwards, 2.0, &mut x, &y, &z);
            (x != before, (x, sum.to_bits()))
        };
        let (is_written, usual) = outcome(None);
        let read = (0..what.arrays()).filter(|array| {
            let (_, changed) = outcome(Some(*array));
            changed != usual
        });
        assert_eq!(is_written, what.writes(), "{what}");
        assert_eq!(what.accesses(), read.count() + usize::from(is_written), "{what}");
    }
}

#[test]
fn a_yardstick_tells_of_its_progress_and_has_a_limit_for_either_kind_of_pass() {
    let mut yardstick = Yardstick::new(1 << 16).unwrap();
    let (ticks, told) = (yardstick.ticks(), Cell::new(0));
    yardstick.survey(|| told.set(told.get() + 1));
    assert_eq!(told.get(), ticks);
    assert!(yardstick.limits().is_empty());
    yardstick.measure();
    yardstick.measure();
    let limits = yardstick.limits();
    assert_eq!(limits.len(), 2);
    // One loop for all times.
    assert!(limits[0].read.kind == limits[1].read.kind && limits[0].write.kind == limits[1].write.kind);
    for Limit { read, write } in limits {
        assert!(read.seconds_per_byte > 0.0 && write.seconds_per_byte > 0.0);
        assert!(read.seconds_per_byte.is_finite() && write.seconds_per_byte.is_finite());
        // So little memory is in plain pages alone, and that is said.
        assert!(
            read.kind.starts_with("sum in ") && read.kind.ends_with("without huge ones to compare"),
            "{}",
            read.kind
        );
        assert!(
            !write.kind.starts_with("sum") && write.kind.ends_with("without huge ones to compare"),
            "{}",
            write.kind
        );
    }
}

#[test]
fn the_least_yardstick_has_room_for_every_loop() {
    let mut least = Yardstick::new(0).unwrap();
    least.survey(|| ());
    least.measure();
    assert!(least.limits()[0].seconds(1, 1) > 0.0);
    assert!(Yardstick::enough() > 0);
}

#[test]
fn the_last_caches_are_all_those_of_the_highest_level() {
    let folder = tempdir().unwrap();
    let cache = |processor: &str, index: &str, [level, shared, size]: [&str; 3]| {
        let path = folder.path().join(processor).join("cache").join(index);
        fs::create_dir_all(&path).unwrap();
        for (name, text) in [("level", level), ("shared_cpu_list", shared), ("size", size)] {
            fs::write(path.join(name), format!("{text}\n")).unwrap();
        }
    };
    assert_eq!(cache::last_level(folder.path()), None);
    assert_eq!(cache::last_level(&folder.path().join("absent")), None);
    for (processor, own, shared) in
        [("cpu0", "0", "0-1"), ("cpu1", "1", "0-1"), ("cpu2", "2", "2-3"), ("cpu3", "3", "2-3")]
    {
        cache(processor, "index2", ["2", own, "2048K"]);
        cache(processor, "index3", ["3", shared, "32M"]);
    }
    assert_eq!(cache::last_level(folder.path()), Some(64 << 20));
}

#[test]
fn huge_pages_are_those_of_the_mapping_that_holds_the_address() {
    let smaps = "\
1000-3000 rw-p 00000000 00:00 0
Rss:                   8 kB
AnonHugePages:         0 kB
7f00000000-7f40000000 rw-p 00000000 00:00 0
AnonHugePages:    917504 kB
8f00000000-8f40000000 rw-p 00000000 00:00 0
AnonHugePages:         2 kB
";
    let huge = |address| memory::huge_bytes(smaps, address);
    assert_eq!((huge(0x1000), huge(0x7f_0000_0000), huge(0x7f_3fff_ffff)), (0, 917_504 << 10, 917_504 << 10));
    assert_eq!((huge(0x7f_4000_0000), huge(0x8f_0000_1000), memory::huge_bytes("", 1)), (0, 2 << 10, 0));
}
