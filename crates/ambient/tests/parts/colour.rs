//! Colours, scales and their labels.

use ambient_studies::present::colour::{Rgb, Scale, diverging, sequential};
use ambient_studies::present::ticks::{label, short};

/// Lightness of Oklab from a shown colour.
fn lightness(rgb: Rgb) -> f64 {
    let [r, g, b] = rgb.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    let long = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
    let medium = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
    let short = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
    0.210_454_255_3 * long + 0.793_617_785_0 * medium - 0.004_072_046_8 * short
}

/// One step of 255 is 0.003 to 0.01 of lightness, and rounding half of one.
#[test]
fn the_maps_are_even_in_lightness() {
    for step in 0..=20 {
        let share = f64::from(step) / 20.0;
        assert!((lightness(sequential(share)) - (0.34 + 0.60 * share)).abs() < 0.01);
        let side = (2.0 * share - 1.0).abs();
        assert!((lightness(diverging(share)) - (0.96 - 0.52 * side)).abs() < 0.01, "{share}");
    }
}

#[test]
fn scales_run_from_end_to_end_and_ticks_lie_on_them() {
    let wide = Scale::of(&[1.0, f64::NAN, 2000.0]);
    assert_eq!(wide, Scale::Logarithmic { low: 1.0, high: 2000.0 });
    assert_eq!(wide.ticks().len(), 4);
    let narrow = Scale::of(&[0.2, 1.0]);
    assert_eq!(narrow, Scale::Linear { low: 0.2, high: 1.0 });
    let signed = Scale::signed(&[-3.0, 0.01, 0.02, 100.0]);
    assert!((signed.share(0.0) - 0.5).abs() < 1e-15 && (signed.share(-100.0)).abs() < 1e-15);
    for scale in [wide, narrow, signed, Scale::of(&[3.0]), Scale::of(&[])] {
        let ticks = scale.ticks();
        assert!((2..=9).contains(&ticks.len()), "{scale:?} {ticks:?}");
        assert!(ticks.windows(2).all(|pair| scale.share(pair[0]) < scale.share(pair[1])));
    }
}

#[test]
fn labels_are_short() {
    let labels = [0.0, 0.1 + 0.2, -2.5, 1000.0, 1e5, -2e-7].map(label);
    assert_eq!(labels, ["0", "0.3", "−2.5", "1000", "10⁵", "−2·10⁻⁷"]);
    assert_eq!([0.0, 180.62, -0.012_345, 1.2345e-9].map(short), ["0", "181", "−0.0123", "1.23·10⁻⁹"]);
}
