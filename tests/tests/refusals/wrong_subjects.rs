//! Subjects that are wrong on purpose: the suites reject each of them, by the property that it breaks and by no other.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test says no")]

use ambient_metric::space::{Operands, Part, Recall, Uniforms, Wide};
use ambient_metric::{
    BaseMetric, Covector, Descent, Ema, Embedding, Error, Euclidean, Induced, Kernel, Layout, Log, Momentum, Real,
    Tensor, Vector,
};
use ambient_metric_conformance::{
    Exact, Proof, Reference, Surface, backend_suite, embedding_suite, first_step, geometry, positive_fractions,
    surfaces,
};
use proptest::test_runner::TestCaseResult;

/// Names of the properties that did not hold.
fn broken(proofs: Vec<(&'static str, Proof)>) -> Vec<&'static str> {
    proofs.into_iter().filter(|(_, proof)| proof.failure.is_some()).map(|(name, _)| name).collect()
}

/// Every proof of a suite by name.
macro_rules! proofs {
    ($suite:ident, $subject:expr, $($property:ident),+ $(,)?) => {
        vec![$((stringify!($property), $suite::$property($subject))),+]
    };
}

fn at_surfaces(property: impl Fn(&Surface) -> TestCaseResult) -> Proof {
    Proof::of(64, &surfaces(positive_fractions()), |case| property(&case).map(|()| 0.0))
}

/// The flat metric, raised with an inverse that is one per mille too large.
struct PerMille;

type Space = Reference<Exact>;

impl BaseMetric<Space> for PerMille {
    type State = ();

    fn begin(&self, _parameters: &Space) -> Result<(), Error> {
        Ok(())
    }
    fn update(&self, _state: &mut (), _gradient: &Covector<Space>) -> Result<(), Error> {
        Ok(())
    }
    fn raise(&self, _state: &(), covector: &Covector<Space>) -> Result<Vector<Space>, Error> {
        Ok(Vector(Reference::vector(covector.0.elements().map(|x| x * Exact::ratio(1001, 1000)))))
    }
    fn lower(&self, _state: &(), vector: &Vector<Space>) -> Result<Covector<Space>, Error> {
        Ok(Covector(vector.0.clone()))
    }
    fn log_determinant(&self, _state: &()) -> Result<Exact, Error> {
        Ok(Exact::ratio(0, 1))
    }
}

#[test]
fn a_metric_whose_inverse_is_off_by_one_per_mille_breaks_p1_and_p3() {
    let found = broken(vec![
        ("raise_inverts_lower", at_surfaces(|case| geometry::raise_inverts_lower(&PerMille, &Log, case))),
        (
            "raise_is_the_inverse_matrix",
            at_surfaces(|case| geometry::raise_is_the_inverse_matrix(&PerMille, &Log, case)),
        ),
        ("determinant_lemma", at_surfaces(|case| geometry::determinant_lemma(&PerMille, &Log, case))),
    ]);
    assert_eq!(found, ["raise_inverts_lower", "raise_is_the_inverse_matrix", "determinant_lemma"]);
}

/// f = ln with the slope of f = √.
#[derive(Clone)]
struct WrongSlope;

impl Embedding for WrongSlope {
    fn height<S: Real>(&self, loss: S) -> S {
        loss.ln()
    }
    fn slope<S: Real>(&self, loss: S) -> S {
        S::constant(0.5) / loss.sqrt()
    }
}

#[test]
fn an_embedding_whose_slope_is_not_that_of_its_height_breaks_the_slope_alone() {
    let found = broken(proofs!(
        embedding_suite,
        &WrongSlope,
        the_slope_is_the_derivative_of_the_height,
        accepted_losses_have_a_height_and_a_positive_slope,
        the_domain_is_not_empty,
        the_height_increases_with_the_loss,
        every_scalar_has_the_same_height,
        p5_the_spectrum_over_the_flat_metric,
    ));
    assert_eq!(found, ["the_slope_is_the_derivative_of_the_height"]);
}

/// The reference, whose sums leave out what does not fill a block of eight at the end of each part. The blocks are short, so that nearly every case
/// has a full one and a partial one, and no random choice of cases misses the fault.
struct Forgetful(Reference<f64>);

impl Forgetful {
    fn full_blocks(&self) -> Result<Reference<f64>, Error> {
        let parts = self.0.layout().parts().iter().enumerate().map(|(index, part)| {
            let mut elements = self.0.read(index)?;
            elements.truncate(elements.len() / 8 * 8);
            Ok((Part { name: part.name.clone(), shape: vec![elements.len()] }, elements))
        });
        Reference::new(parts.collect::<Result<Vec<_>, Error>>()?)
    }
}

impl Tensor for Forgetful {
    type Element = f64;

    fn layout(&self) -> &Layout {
        self.0.layout()
    }
    fn zeros_like(&self) -> Result<Self, Error> {
        self.0.zeros_like().map(Self)
    }
    fn duplicate(&self) -> Result<Self, Error> {
        self.0.duplicate().map(Self)
    }
    fn read(&self, part: usize) -> Result<Vec<f64>, Error> {
        self.0.read(part)
    }
    fn write(&mut self, part: usize, elements: &[f64]) -> Result<(), Error> {
        self.0.write(part, elements)
    }
    fn sum<K: Kernel>(
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<Self>>>,
        operands: Operands<'_, Self>,
        totals: &mut [K::Output<Wide<Self>>],
    ) -> Result<(), Error> {
        operands.check::<K>()?;
        let target = operands.target.full_blocks()?;
        let companions = operands.companions.iter().map(Self::full_blocks).collect::<Result<Vec<_>, Error>>()?;
        let reads = operands.reads.iter().map(|read| read.full_blocks()).collect::<Result<Vec<_>, Error>>()?;
        let reads: Vec<&Reference<f64>> = reads.iter().collect();
        Reference::sum(kernel, uniforms, Operands { target: &target, companions: &companions, reads: &reads }, totals)
    }
    fn update<K: Kernel>(
        kernel: &K,
        uniforms: Uniforms<'_, K::Uniform<Wide<Self>>>,
        target: &mut Self,
        companions: &mut [Self],
        reads: &[&Self],
    ) -> Result<(), Error> {
        let mut inner = companions.iter().map(|companion| companion.0.clone()).collect::<Vec<_>>();
        let reads: Vec<&Reference<f64>> = reads.iter().map(|read| &read.0).collect();
        Reference::update(kernel, uniforms, &mut target.0, &mut inner, &reads)?;
        for (companion, inner) in companions.iter_mut().zip(inner) {
            companion.0 = inner;
        }
        Ok(())
    }
}

#[test]
fn a_backend_whose_sums_drop_the_last_partial_block_breaks_sums_p15_and_p16() {
    let make = |parts: Vec<(Part, Vec<f64>)>| Reference::new(parts).map(Forgetful);
    let found = broken(proofs!(
        backend_suite,
        &make,
        what_is_written_is_read,
        what_does_not_fit_is_refused_and_nothing_is_written,
        kernels_see_their_operands_in_order,
        sums_are_complete_and_per_group,
        sums_repeat_bit_for_bit,
        p15_splitting_changes_nothing_but_rounding,
        p16_runs_agree_with_the_reference,
        p16_a_step_over_rmsprop_agrees_with_the_reference,
    ));
    let expected = [
        "sums_are_complete_and_per_group",
        "p15_splitting_changes_nothing_but_rounding",
        "p16_runs_agree_with_the_reference",
        "p16_a_step_over_rmsprop_agrees_with_the_reference",
    ];
    assert_eq!(found, expected);
}

/// The moving average m ← μm + (1−μ)l as it is, too small by 1 − μᵗ.
#[derive(Clone)]
struct Uncorrected(f64);

impl Momentum for Uncorrected {
    type State<S: Real> = S;
    type Corrections<S: Real> = ();

    fn decay(&self) -> f64 {
        self.0
    }
    fn correct<S: Real>(&self, _power: S) {}
    fn remember<S: Real>(&self, (): (), m: S, gradient: S) -> S {
        Ema(self.0).remember(S::one(), m, gradient)
    }
    fn covector<S: Real>(&self, (): (), at: Recall<S, S>) -> S {
        at.present
    }
}

#[test]
fn momentum_without_bias_correction_breaks_p2_alone() {
    fn check<Q: Momentum + Clone>(momentum: &Q) -> Vec<&'static str> {
        let rule = || Descent::new(Euclidean, Induced::new(Log, 0.0), momentum.clone());
        broken(vec![
            ("p2", at_surfaces(|case| first_step::solves_the_explicit_system(&rule(), case))),
            ("p7", at_surfaces(|case| first_step::is_bounded(&rule(), case))),
            ("p8", at_surfaces(|case| first_step::is_parallel_to_the_raised_gradient(&rule(), case))),
            ("p9", at_surfaces(|case| first_step::descends(&rule(), case))),
        ])
    }
    assert_eq!(check(&Uncorrected(0.75)), ["p2"]);
    assert!(check(&Ema(0.75)).is_empty());
}
