//! What a user's own rule, preconditioner, metric, embedding and momentum have where they say nothing else.
#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]

use ambient_metric::ambient::{Covectors, Position};
use ambient_metric::base::PointwiseMetric;
use ambient_metric::optimiser::stands_zero;
use ambient_metric::rule::{Advanced, Coordinate, Damping, Raised};
use ambient_metric::space::{Inputs, Outcome, Totals};
use ambient_metric::{
    Adagrad, AmbientMetric, Configuration, Descent, DiagonalMetric, Ema, Embedding, Error, Flat, Induced, Momentum,
    NoMomentum, Preconditioner, Real, RmsProp, Rule, rules,
};
use ambient_metric_ndarray::Parameters;
use ndarray::array;

/// γ⁻¹ = 2, without anything else.
#[derive(Clone)]
struct Halved;

impl DiagonalMetric for Halved {
    type State<S: Real> = ();

    fn observe<S: Real>(&self, (): (), _gradient: S) {}
    fn inverse<S: Real>(&self, (): ()) -> S {
        S::constant(2.0)
    }
}

/// The momentum as it is.
#[derive(Clone)]
struct Plain;

impl Preconditioner for Plain {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();
    type Sums<S: Real> = ();
    type Factors<S: Real> = ();

    fn measure<S: Real>(&self, _at: Covectors<[S; 1], ()>, _raised: Raised<[S; 1], ()>) {}
    fn damp<S: Real>(&self, _inputs: Inputs<S, [S; 1]>, (): (), (): ()) -> Outcome<(), (), Damping<S, [S; 1]>> {
        Outcome { factors: (), memory: (), report: Damping::flat() }
    }
    fn follow<S: Real>(&self, (): (), at: Covectors<[S; 1], ()>) -> S {
        at.momentum[0]
    }
}

/// The product metric, under a name of its own.
#[derive(Clone)]
struct Bare;

impl AmbientMetric for Bare {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();
}

/// θ ← θ − ηl.
#[derive(Clone)]
struct Straight;

impl Rule for Straight {
    type PerLoss<S: Real> = S;
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Corrections<S: Real> = ();
    type Sums<S: Real> = ();
    type Multipliers<S: Real> = S;

    fn begin<S: Real>(&self) {}
    fn correct<S: Real>(&self, (): ()) {}
    fn measure<S: Real>(&self, (): (), _at: Coordinate<S, (), S>) {}
    fn damp<S: Real>(&self, inputs: Inputs<S, S>, (): (), _sums: Totals<()>) -> Outcome<S, (), Damping<S>> {
        let report = Damping::uncoupled(S::zero(), S::zero(), S::one(), S::one(), S::one());
        Outcome { factors: inputs.learning_rate, memory: (), report }
    }
    fn advance<S: Real>(&self, (): (), eta: S, at: Coordinate<S, (), S>) -> Advanced<S, ()> {
        Advanced { parameter: at.parameter - eta * at.gradient, state: () }
    }
    fn xi(&self) -> Option<f64> {
        None
    }
    fn check_loss(&self, _loss: f64, _xi: f64) -> Result<(), Error> {
        Ok(())
    }
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }
    fn name(&self) -> String {
        "Straight".to_owned()
    }
}

#[derive(Clone)]
struct Cubic;

impl Embedding for Cubic {
    fn height<S: Real>(&self, loss: S) -> S {
        loss * loss * loss
    }
}

#[test]
fn without_a_height_there_is_no_coefficient() {
    let theta = Parameters::from(array![1.0, 2.0]);
    assert_eq!(Configuration::new(Straight, 0.1).build(&theta).unwrap().checkpoint().unwrap().xi, [0.0; 0]);
    assert_eq!(Preconditioner::xi(&Plain), None);
    assert_eq!(Descent::new(Halved, Plain, NoMomentum).xi(), None);
    assert_eq!(rules::adam().xi(), None);
    assert_eq!(rules::euclidean(0.25).xi(), Some([0.25]));
}

#[test]
fn nothing_is_learned_per_tensor() {
    assert!(!PointwiseMetric::learns_per_tensor(&Halved));
    assert!(!Rule::learns_per_tensor(&Straight));
    assert!(!Rule::learns_per_tensor(&Descent::new(Halved, Plain, NoMomentum)));
}

#[test]
fn the_name_is_that_of_the_type() {
    assert_eq!(Preconditioner::name(&Plain), "Plain");
    assert_eq!(DiagonalMetric::name(&Halved), "Halved");
    assert_eq!(Embedding::name(&Cubic), "Cubic");
    assert_eq!(Momentum::name(&Ema(0.9)), "Ema");
    assert_eq!(AmbientMetric::name(&Bare), "Bare");
    assert_eq!(Descent::new(Halved, Plain, NoMomentum).name(), "Descent(Halved, Plain, NoMomentum)");
    assert_eq!(Induced::new(Cubic, 0.1).ambient(Bare).name(), "Induced(Cubic, Bare, damped)");
    assert_eq!(rules::adam().name(), "Descent(RmsProp, Flat, Ema)");
    assert_eq!(rules::euclidean_log(0.1).name(), "Descent(Euclidean, Induced(Log, Product, damped), Ema)");
}

#[test]
fn there_is_nothing_to_correct_and_nothing_to_refuse() {
    assert_eq!(DiagonalMetric::decay(&Halved).to_bits(), 0);
    assert!(DiagonalMetric::validate(&Halved).is_ok());
    assert!(Embedding::validate(&Cubic).is_ok());
    assert!(Preconditioner::validate(&Plain).is_ok() && Preconditioner::check(&Plain, [f64::NAN], [0.0]).is_ok());
    assert!(AmbientMetric::validate(&Bare).is_ok());
    assert!(AmbientMetric::check(&Bare, Position { losses: [-1.0], heights: [-1.0] }).is_ok());
    assert_eq!(DiagonalMetric::decay(&Adagrad::default()).to_bits(), 0);
}

#[test]
fn a_metric_stands_a_gradient_of_zero_where_its_inverse_is_a_number_then() {
    #[derive(Clone)]
    struct Unguarded;
    impl DiagonalMetric for Unguarded {
        type State<S: Real> = S;
        fn observe<S: Real>(&self, _seen: S, gradient: S) -> S {
            gradient.abs()
        }
        fn inverse<S: Real>(&self, seen: S) -> S {
            S::one() / seen
        }
    }
    assert!(stands_zero::<_, f64>(&rules::sgd(0.9)));
    assert!(stands_zero::<_, f64>(&Descent::new(RmsProp::default(), Flat, NoMomentum)));
    assert!(!stands_zero::<_, f64>(&Descent::new(Unguarded, Flat, NoMomentum)));
    // 10⁻³⁰⁰ is zero in single precision.
    assert!(!stands_zero::<_, f32>(&Descent::new(RmsProp { beta: 0.5, epsilon: 1e-300 }, Flat, NoMomentum)));
}
