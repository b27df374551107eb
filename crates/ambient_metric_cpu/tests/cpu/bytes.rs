//! A recording names the bytes that a step moves, and a chosen rule moves those of the typed one.

use ambient_metric::any::AnyRule;
use ambient_metric::rule::{Advance, Measure};
use ambient_metric::{Bundle, Kernel, Rule, rules};
use ambient_metric_cpu::Recorded;
use ambient_metric_trace::Recording;

/// What a recording reads and writes.
fn moved(recording: &Recording) -> (Vec<String>, Vec<String>, usize) {
    let names =
        |slots: &mut dyn Iterator<Item = &ambient_metric_trace::Slot>| slots.map(|slot| slot.name.clone()).collect();
    (names(&mut recording.reads()), names(&mut recording.writes()), recording.bytes(4))
}

/// Whether something that a kernel puts out is not a number where one of its inputs is not; of all inputs in order.
fn depends<K: Kernel>(kernel: &K, outputs: usize) -> Vec<bool> {
    let uniform = Bundle::build(&mut || 0.5_f64);
    let of_input = |poisoned: usize| {
        let mut slot = 0;
        let input = Bundle::build(&mut || {
            slot += 1;
            if slot == poisoned + 1 { f64::NAN } else { 0.25 + slot as f64 }
        });
        let output: K::Output<f64> = kernel.evaluate(uniform, input);
        (0..outputs).any(|slot| output.get(slot).is_some_and(f64::is_nan))
    };
    (0..<K::Input<f64> as Bundle<f64>>::LEN).map(of_input).collect()
}

fn check<R: Rule>(name: &str, rule: &R) {
    let typed = Recorded::of(rule).expect("the constants are in range");
    let chosen = name.parse::<AnyRule>().expect("the name is known").fused().expect("it is pointwise");
    let chosen = Recorded::of(&chosen).expect("the constants are in range");
    assert_eq!(moved(typed.measure()), moved(chosen.measure()), "act 1 of {name}");
    assert_eq!(moved(typed.advance()), moved(chosen.advance()), "act 3 of {name}");

    // The recording names what the typed kernel depends on, and nothing else.
    let named = |recording: &Recording| {
        let read: Vec<&str> = recording.reads().map(|slot| slot.name.as_str()).collect();
        recording.inputs().iter().map(|input| read.contains(&input.name.as_str())).collect::<Vec<_>>()
    };
    let measure = Measure(rule.clone());
    let sums = <<Measure<R> as Kernel>::Output<f64> as Bundle<f64>>::LEN;
    assert_eq!(named(typed.measure()), depends(&measure, sums), "what act 1 of {name} reads");
    let written = typed.advance().outputs().len();
    let mut expected = depends(&Advance(rule.clone()), written);
    // What is copied onto itself is not moved.
    for (slot, (output, input)) in typed.advance().outputs().iter().zip(typed.advance().inputs()).enumerate() {
        if output.id == input.id && typed.advance().uses()[input.id.index()] == 1 {
            expected[slot] = false;
        }
    }
    assert_eq!(named(typed.advance()), expected, "what act 3 of {name} reads");
    assert_eq!(typed.measure().writes().count(), 0);
    let moved = typed.advance().reads().count() + typed.advance().writes().count();
    assert_eq!(typed.advance().bytes(8), 8 * moved);
}

#[test]
fn recordings_name_what_typed_rules_move() {
    check("sgd", &rules::sgd(0.9));
    check("sgd_ema", &rules::sgd_ema(0.9));
    check("adam", &rules::adam());
    check("euclidean", &rules::euclidean(0.1));
    check("euclidean_log", &rules::euclidean_log(0.1));
    check("rmsprop", &rules::rmsprop(0.1));
    let advance = Recorded::of(&rules::rmsprop(0.1)).expect("in range").advance().bytes(4);
    // θ, m, ρ and l are read, and θ, m and ρ written.
    assert_eq!(advance, 28);
}
