//! Surfaces in larger ambient spaces: every ambient metric of the library and some of users, and several losses and coupled heights over every base
//! metric and embedding.

use ambient_metric::ambient::{
    AlongGradient, AlongMomentum, Exponential, Given, Gram, OfLosses, Position, Power, Product, Reciprocal, Sqrt,
};
use ambient_metric::base::{LearnedDiagonal, LearnedScalar};
use ambient_metric::space::Local;
use ambient_metric::{
    Adagrad, AmbientMetric, Conformal, Correlated, Coupled, Euclidean, Hyperbolic, Identity, Log, Log1p, Real, RmsProp,
    Warped, Weighted,
};
use ambient_metric_conformance::{conformance_ambient, conformance_heights};
use ambient_metric_tests::{Asinh, Quadratic};

/// Roots in it are exact after one gradient.
const RMSPROP: RmsProp = RmsProp { beta: 0.75, epsilon: 0.5 };

conformance_heights!(euclidean_identity, Euclidean, Identity);
conformance_heights!(euclidean_log, Euclidean, Log);
conformance_heights!(euclidean_sqrt, Euclidean, Sqrt);
conformance_heights!(euclidean_power_three_halves, Euclidean, Power(1.5));
conformance_heights!(euclidean_log1p, Euclidean, Log1p);
conformance_heights!(euclidean_asinh_of_a_user, Euclidean, Asinh);
conformance_heights!(rmsprop_identity, RMSPROP, Identity);
conformance_heights!(rmsprop_log, RMSPROP, Log);
conformance_heights!(adagrad_identity, Adagrad { epsilon: 0.25 }, Identity);
conformance_heights!(adagrad_power_two, Adagrad { epsilon: 0.25 }, Power(2.0));
conformance_heights!(quadratic_of_a_user_identity, Quadratic, Identity);
conformance_heights!(quadratic_of_a_user_log, Quadratic, Log);
// Before the first step z = 0, so that eᶻ is a fraction.
conformance_heights!(learned_scalar_identity, LearnedScalar::default(), Identity);
conformance_heights!(learned_scalar_log, LearnedScalar::default(), Log);
conformance_heights!(learned_diagonal_identity, LearnedDiagonal::default(), Identity);
conformance_heights!(learned_diagonal_sqrt, LearnedDiagonal::default(), Sqrt);

/// A height that fades, b(h) = 1/(1 + h).
#[derive(Clone)]
struct Fading;

impl AmbientMetric for Fading {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();

    fn block<S: Real>(&self, (): (), at: Position<S>) -> Option<Gram<S>> {
        Some(Gram::diagonal(at.heights.map(|height| S::one() / (S::one() + height))))
    }
}

/// c = κ l / (1 + |l|).
#[derive(Clone)]
struct Bounded(f64);

impl<const K: usize> AmbientMetric<K> for Bounded {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = [S; K];

    #[inline(always)]
    fn columns<S: Real>(&self, (): (), at: Local<S, [S; K]>) -> [S; K] {
        let mut columns = at.gradient;
        for column in &mut columns {
            *column = S::constant(self.0) * *column / (S::one() + column.abs());
        }
        columns
    }
}

/// All that an ambient metric can have: state, columns by it, a and B by the losses, and losses that are weighed.
#[derive(Clone)]
struct Everything;

impl<const K: usize> AmbientMetric<K> for Everything {
    type State<S: Real> = S;
    type Memory<S: Real> = ();
    type Columns<S: Real> = [S; K];

    #[inline(always)]
    fn columns<S: Real>(&self, state: S, at: Local<S, [S; K]>) -> [S; K] {
        let mut columns = at.momentum;
        for column in &mut columns {
            *column = S::constant(0.5) * *column * state;
        }
        columns
    }

    #[inline(always)]
    fn observe<S: Real>(&self, state: S, gradients: [S; K]) -> S {
        S::constant(0.5) * (state + gradients[K - 1])
    }

    fn scale<S: Real>(&self, (): (), at: Position<S, K>) -> Option<S> {
        Some(S::one() + at.losses[0] * at.losses[0])
    }

    fn block<S: Real>(&self, (): (), at: Position<S, K>) -> Option<Gram<S, K>> {
        Some(Gram::from_entries(|row, column| {
            let both = at.losses[row] * at.losses[column];
            if row == column { S::one() + both } else { both }
        }))
    }

    fn descended<S: Real>(&self, at: Position<S, K>) -> Option<[S; K]> {
        Some(at.losses.map(|loss| S::one() + loss))
    }
}

conformance_ambient!(product, Product, 3);
conformance_ambient!(weighted, Weighted(Exponential(0.25)), 2);
conformance_ambient!(warped, Warped(Reciprocal(0.5)));
conformance_ambient!(conformal, Conformal(Exponential(0.5)));
conformance_ambient!(hyperbolic, Hyperbolic);
conformance_ambient!(correlated, Correlated { rho: -0.25 }, 4);
conformance_ambient!(coupled, Coupled(AlongMomentum(0.5)));
conformance_ambient!(coupled_losses, Coupled(Given), 2);
conformance_ambient!(of_losses, OfLosses(Coupled(AlongGradient(0.25))), 3);
conformance_ambient!(fading_of_a_user, Fading);
conformance_ambient!(bounded_of_a_user, Bounded(0.5), 2);
conformance_ambient!(everything_of_a_user, Everything);
conformance_ambient!(everything_of_a_user_for_losses, Everything, 2);
