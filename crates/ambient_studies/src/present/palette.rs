//! The colour that every optimiser has in every picture.

use plotters::style::RGBColor;

use super::colour::hex;
use crate::rules::optimisers::Named;

/// Colours that stay apart for colour-blind readers (after Okabe and Ito).
#[must_use]
pub fn colour(optimiser: Named) -> RGBColor {
    match optimiser {
        Named::Sgd | Named::SgdEma => RGBColor(120, 120, 130),
        Named::Adam => RGBColor(0, 114, 178),
        Named::Nadam => RGBColor(86, 180, 233),
        Named::Euclidean => RGBColor(213, 94, 0),
        Named::EuclideanLog => RGBColor(204, 60, 140),
        Named::Rmsprop | Named::Induced(_) => RGBColor(0, 148, 105),
        Named::Variant(_) => RGBColor(130, 80, 200),
    }
}

/// How a colour is written in SVG.
#[must_use]
pub fn css(RGBColor(red, green, blue): RGBColor) -> String {
    hex([red, green, blue])
}
