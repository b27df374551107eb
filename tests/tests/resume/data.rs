//! Parameters and reports as data.
#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]

use ambient_metric::{Bundle, Report};
use ambient_metric_ndarray::Parameters;
use ndarray::{ArrayD, IxDyn};
use proptest::prelude::*;

proptest! {
    #[test]
    fn parameters_come_back_from_text(parts in prop::collection::btree_map(".{0,5}", prop::collection::vec(-1e300..1e300_f64, 0..7), 0..4)) {
        let array = |values: Vec<f64>| ArrayD::from_shape_vec(IxDyn(&[values.len(), 1]), values).unwrap();
        let theta = Parameters::new(parts.into_iter().map(|(name, values)| (name, array(values)))).unwrap();
        let text = serde_json::to_string(&theta).unwrap();
        prop_assert_eq!(serde_json::from_str::<Parameters<f64>>(&text).unwrap(), theta);
    }

    #[test]
    fn reports_come_back_from_text(numbers in prop::array::uniform14(0.0..1e9_f64)) {
        let mut numbers = numbers.into_iter().cycle();
        let report: Report<f64, [f64; 2]> = Bundle::build(&mut || numbers.next().unwrap());
        let text = serde_json::to_string(&report).unwrap();
        prop_assert_eq!(serde_json::from_str::<Report<f64, [f64; 2]>>(&text).unwrap(), report);
    }
}

#[test]
fn parameters_with_a_name_twice_or_a_wrong_shape_are_refused() {
    let array = |shape: usize| format!(r#"{{"v":1,"dim":[{shape}],"data":[1.0,2.0]}}"#);
    let read = |text: String| serde_json::from_str::<Parameters<f64>>(&text).map_err(|error| error.to_string());
    assert!(read(format!(r#"{{"a":{},"b":{}}}"#, array(2), array(2))).is_ok());
    let twice = read(format!(r#"{{"a":{},"a":{}}}"#, array(2), array(2))).unwrap_err();
    assert!(twice.starts_with("parameter `a` appears twice"), "{twice}");
    assert!(read(format!(r#"{{"a":{}}}"#, array(3))).is_err());
}

/// A report of several losses has a list for each number that they have one of, and what is as usual is not said.
#[test]
fn a_report_is_one_line() {
    let mut report: Report<f64, [f64; 2]> = Bundle::build(&mut || 1.0);
    report.coupling = 0.0;
    let usual =
        "s = [1.0, 1.0], v̂ = [1.0, 1.0], f′ = [1.0, 1.0], r = [1.0, 1.0], det = 1.0, η r = [1.0, 1.0], ‖l‖ = 1.0";
    assert_eq!(format!("{report:.1}"), usual);
    (report.coupling, report.coupling_scale) = (0.25, 0.5);
    assert_eq!(
        report.first().to_string(),
        "s = 1, v̂ = 1, f′ = 1, r = 1, det = 1, ⟨c, c⟩ = 0.25, scale of c = 0.5, η r = 1, ‖l‖ = 1"
    );
}
