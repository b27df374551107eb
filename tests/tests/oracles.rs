//! P2 over dense base metrics of up to 64 parameters and condition numbers up to 10⁸: the closed form beside elimination in whole numbers,
//! and beside LAPACK's inverse where the feature `lapack` is on.

use ambient_metric_conformance::dense;

#[test]
fn p2_the_closed_form_is_what_elimination_finds() {
    dense::p2_the_closed_form_is_what_elimination_finds()
        .require("p2_the_closed_form_is_what_elimination_finds", "oracles::dense");
}

#[cfg(feature = "lapack")]
#[test]
fn p2_the_closed_form_is_the_inverse_of_lapack() {
    dense::p2_the_closed_form_is_the_inverse_of_lapack()
        .require("p2_the_closed_form_is_the_inverse_of_lapack", "oracles::dense");
}
