//! Summaries of repeated runs.

use ambient_training::report::groups::{Summary, student};

#[test]
fn summaries_have_the_deviation_of_a_sample_and_student_s_interval() {
    let summary = Summary::of(&[1.0, 2.0, 3.0, 4.0]);
    let Summary { count, mean, deviation } = summary.unwrap_or(Summary { count: 0, mean: 0.0, deviation: 0.0 });
    assert_eq!(count, 4);
    assert!((mean - 2.5).abs() < 1e-15 && (deviation - (5.0_f64 / 3.0).sqrt()).abs() < 1e-15);
    let half = summary.and_then(|summary| summary.interval());
    assert!(half.is_some_and(|half| (half - 3.182 * deviation / 2.0).abs() < 1e-12));
    assert_eq!(Summary::of(&[1.0]).and_then(|summary| summary.interval()), None);
    assert_eq!(Summary::of(&[]), None);
    // Tables: 2.571 at five degrees of freedom, 2.228 at ten, 2.042 at thirty.
    for (degrees, point) in [(5, 2.571), (10, 2.228), (30, 2.042)] {
        assert!((student(degrees) - point).abs() < 0.004, "{degrees}: {}", student(degrees));
    }
}
