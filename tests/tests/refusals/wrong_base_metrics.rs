//! The suite for base metrics refuses what is none: each of its properties is violated by a subject made for that.

use ambient_metric::base::DenseState;
use ambient_metric::space::Part;
use ambient_metric::{BaseMetric, Covector, Dense, Error, Tensor, Vector};
use ambient_metric_conformance::{Proof, Reference, base_metric_suite};

type Space = Reference<f64>;

/// What is wrong with a metric.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing: the suite passes.
    None,
    /// Raising is twice too long.
    Raise,
    /// Both are those of a matrix that is not symmetric.
    Turned,
    /// γ is −γ.
    Negative,
    /// Raising is not linear.
    Square,
    /// The determinant is that of 2γ.
    Determinant,
    /// A gradient that is not finite is accepted.
    Blind,
    /// A layout of another model is accepted.
    Open,
    /// It learns, from any layout.
    Pupil,
}

/// γ = [[2, 1], [1, 3]] with a fault.
struct Faulty(Dense<f64>, Fault);

/// What it remembers: the layout, and how often it has learned.
type Memory = (DenseState<Space>, i32);

impl Faulty {
    fn new(fault: Fault) -> Result<Self, Error> {
        Ok(Self(Dense::new(vec![vec![2.0, 1.0], vec![1.0, 3.0]])?, fault))
    }

    /// A tensor like this one after a function of its two numbers.
    fn map(tensor: &Space, f: impl FnOnce([f64; 2]) -> [f64; 2]) -> Result<Space, Error> {
        let mut numbers = tensor.elements();
        let pair = [numbers.next().unwrap_or(0.0), numbers.next().unwrap_or(0.0)];
        let mut mapped = tensor.duplicate()?;
        mapped.write(0, &f(pair))?;
        Ok(mapped)
    }
}

impl BaseMetric<Space> for Faulty {
    type State = Memory;

    fn begin(&self, parameters: &Space) -> Result<Self::State, Error> {
        Ok((self.0.begin(parameters)?, 0))
    }

    fn update(&self, state: &mut Self::State, gradient: &Covector<Space>) -> Result<(), Error> {
        match self.1 {
            Fault::Blind | Fault::Open => Ok(()),
            _ => self.0.update(&mut state.0, gradient),
        }
    }

    fn learn_from(&self, state: &mut Memory, _: &Covector<Space>, _: f64, _: f64) -> Result<(), Error> {
        state.1 += 1;
        Ok(())
    }

    fn raise(&self, (state, learned): &Memory, x: &Covector<Space>) -> Result<Vector<Space>, Error> {
        let raised = || self.0.raise(state, x);
        let scaled = |scale: f64| Ok(Vector(Self::map(&raised()?.0, |[a, b]| [scale * a, scale * b])?));
        match self.1 {
            Fault::Raise => scaled(2.0),
            Fault::Pupil => scaled(2.0_f64.powi(-learned)),
            Fault::Negative => scaled(-1.0),
            // The inverse of [[2, 1], [0, 3]].
            Fault::Turned => Ok(Vector(Self::map(&x.0, |[a, b]| [(a - b / 3.0) / 2.0, b / 3.0])?)),
            Fault::Square => Ok(Vector(Self::map(&raised()?.0, |[a, b]| [a * a.abs(), b])?)),
            _ => raised(),
        }
    }

    fn lower(&self, (state, learned): &Memory, v: &Vector<Space>) -> Result<Covector<Space>, Error> {
        let lowered = || self.0.lower(state, v);
        let scaled = |scale: f64| Ok(Covector(Self::map(&lowered()?.0, |[a, b]| [scale * a, scale * b])?));
        match self.1 {
            Fault::Negative => scaled(-1.0),
            Fault::Pupil => scaled(2.0_f64.powi(*learned)),
            Fault::Turned => Ok(Covector(Self::map(&v.0, |[a, b]| [2.0 * a + b, 3.0 * b])?)),
            _ => lowered(),
        }
    }

    fn log_determinant(&self, (state, learned): &Memory) -> Result<f64, Error> {
        let found = self.0.log_determinant(state)?;
        let doublings = match self.1 {
            Fault::Determinant => 1,
            Fault::Pupil => *learned,
            _ => 0,
        };
        Ok(found + 2.0 * f64::from(doublings) * 2.0_f64.ln())
    }
}

/// The names of the properties that a fault violates.
fn violated(fault: Fault) -> Result<Vec<&'static str>, Error> {
    use base_metric_suite as suite;
    type Property = fn(&Faulty, &[Part]) -> Proof;
    let properties: [(&str, Property); 18] = [
        ("inverse", suite::p1_raise_inverts_lower),
        ("linear", suite::raising_and_lowering_are_linear),
        ("symmetric", suite::inner_products_are_symmetric),
        ("positive", suite::the_metric_is_positive),
        ("determinant", suite::the_determinant_is_that_of_the_explicit_matrix),
        ("finite", suite::a_gradient_that_is_not_finite_changes_nothing),
        ("layout", suite::another_layout_is_refused),
        ("p1", suite::p1_the_pull_back_is_inverted),
        ("p2", suite::p2_the_step_solves_the_explicit_system),
        ("p3", suite::p3_the_determinant_lemma_holds),
        ("p4", suite::p4_vectors_grow_and_covectors_shrink),
        ("p6", suite::p6_at_xi_zero_the_step_is_the_raised_gradient),
        ("p7", suite::p7_p9_the_step_is_bounded_and_descends),
        ("p10", suite::p10_any_linear_coordinates_take_the_same_step),
        ("p11", suite::p11_scaling_the_loss_leaves_the_step_of_log_unchanged),
        ("p12", suite::p12_the_flow_is_the_projection_of_descent),
        ("p13", suite::p13_the_joint_step_is_nested_sherman_morrison),
        ("p14", suite::p14_coupling_is_the_completed_square_and_definite_below_one),
    ];
    let metric = Faulty::new(fault)?;
    let parts = [Part { name: "theta".into(), shape: vec![2] }];
    let fails = |(name, property): (&'static str, Property)| property(&metric, &parts).failure.map(|_| name);
    Ok(properties.into_iter().filter_map(fails).collect())
}

#[test]
fn every_fault_is_found_by_the_property_that_is_about_it() -> Result<(), Error> {
    assert_eq!(violated(Fault::None)?, Vec::<&str>::new());
    for (fault, property) in [
        (Fault::Raise, &["inverse", "determinant", "p1", "p2", "p3", "p7", "p10", "p12", "p14"][..]),
        (Fault::Turned, &["symmetric", "p13"]),
        (Fault::Negative, &["positive", "p6", "p7"]),
        (Fault::Square, &["linear", "inverse", "p11", "p13"]),
        (Fault::Determinant, &["determinant"]),
        (Fault::Blind, &["finite"]),
        (Fault::Open, &["layout"]),
        (Fault::Pupil, &["layout"]),
    ] {
        let found = violated(fault)?;
        assert!(property.iter().all(|property| found.contains(property)), "{property:?} not among {found:?}");
        // What learns from anything is a metric all the same.
        assert!(fault != Fault::Pupil || found == ["layout"], "{found:?}");
    }
    Ok(())
}
