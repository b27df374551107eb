//! What a backend has to do, for the reference in exact numbers. Nothing is left out: the suite's rules have no roots but where they are
//! fractions.

use ambient_metric_conformance::{Exact, Reference, conformance_backend};

conformance_backend!(reference_exact, Exact, Reference::<Exact>::new);
