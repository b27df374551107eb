//! The colour that every optimiser has in every picture.

use plotters::style::RGBColor;

use super::colour::hex;

/// Colours that stay apart for colour-blind readers (after Okabe and Ito), by the name of the rule; the last for those without one.
#[must_use]
pub fn colour(rule: &str) -> RGBColor {
    match rule {
        "sgd" | "sgd_ema" => RGBColor(120, 120, 130),
        "adam" => RGBColor(0, 114, 178),
        "adamw" => RGBColor(0, 60, 110),
        "nadam" => RGBColor(86, 180, 233),
        "muon" => RGBColor(230, 159, 0),
        "euclidean" => RGBColor(213, 94, 0),
        "euclidean_log" => RGBColor(204, 60, 140),
        "rmsprop" => RGBColor(0, 148, 105),
        _ => RGBColor(130, 80, 200),
    }
}

/// How a colour is written in SVG.
#[must_use]
pub fn css(RGBColor(red, green, blue): RGBColor) -> String {
    hex([red, green, blue])
}
