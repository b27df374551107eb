//! Parts of a third party under the suites: the metric of the book, which is proved exactly, one with a fourth root, a momentum, a preconditioner and a
//! rule; and beside them those of the library.

use ambient_metric::ambient::{AlongMomentum, AlongParameters, Covectors, Sqrt};
use ambient_metric::base::LearnedDiagonal;
use ambient_metric::rule::{Clipped, Damping, Hard, Raised};
use ambient_metric::space::{HeavyBall, Inputs, Outcome, Recall};
use ambient_metric::{
    Descent, DiagonalMetric, Ema, Flat, Height, Induced, Log, Log1p, Momentum, Nesterov, NoMomentum, Preconditioner,
    Real, rules,
};
use ambient_metric_conformance::{
    conformance_metric, conformance_momentum, conformance_preconditioner, conformance_rule, conformance_surface,
};

/// γ = u + 1/64 with u ← max(u/2, |l|): the largest gradient of late.
#[derive(Clone)]
struct Largest;

impl DiagonalMetric for Largest {
    type State<S: Real> = S;

    #[inline(always)]
    fn observe<S: Real>(&self, largest: S, gradient: S) -> S {
        (S::constant(0.5) * largest).maximum(gradient.abs())
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, largest: S) -> S {
        S::one() / (largest + S::constant(1.0 / 64.0))
    }
}

conformance_metric!(largest, Largest);

/// The metric of RMSprop with a fourth root: no fraction after most gradients.
#[derive(Clone)]
struct Gentle;

impl DiagonalMetric for Gentle {
    type State<S: Real> = S;

    #[inline(always)]
    fn observe<S: Real>(&self, seen: S, gradient: S) -> S {
        S::constant(0.75) * seen + S::constant(0.25) * gradient * gradient
    }

    #[inline(always)]
    fn inverse<S: Real>(&self, seen: S) -> S {
        S::one() / (seen.sqrt().sqrt() + S::constant(1e-8))
    }

    fn decay(&self) -> f64 {
        0.75
    }
}

conformance_surface!(gentle_and_log, Gentle, Log);
conformance_surface!(gentle_and_sqrt, Gentle, Sqrt);

/// Half of the present gradient, half of the one before.
#[derive(Clone, Copy)]
struct Pair;

impl Momentum for Pair {
    type State<S: Real> = S;
    type Corrections<S: Real> = ();

    fn decay(&self) -> f64 {
        0.0
    }

    fn correct<S: Real>(&self, _power: S) {}

    #[inline(always)]
    fn remember<S: Real>(&self, (): (), _past: S, gradient: S) -> S {
        gradient
    }

    #[inline(always)]
    fn covector<S: Real>(&self, (): (), at: Recall<S, S>) -> S {
        S::constant(0.5) * (at.past + at.gradient)
    }
}

conformance_momentum!(pair, Pair);
conformance_momentum!(ema, Ema(0.75));
conformance_momentum!(heavy_ball, HeavyBall(0.9));
conformance_momentum!(nesterov, Nesterov(0.9));
conformance_momentum!(no_momentum, NoMomentum);

/// Steps of length one in γ: m̂♯ / √(ε + ⟨l, l⟩).
#[derive(Clone, Copy)]
struct Normalised(f64);

impl Preconditioner for Normalised {
    type State<S: Real> = ();
    type Memory<S: Real> = ();
    type Columns<S: Real> = ();
    type Sums<S: Real> = S;
    type Factors<S: Real> = S;

    #[inline(always)]
    fn measure<S: Real>(&self, at: Covectors<[S; 1], ()>, raised: Raised<[S; 1], ()>) -> S {
        at.gradient[0] * raised.gradient[0]
    }

    fn damp<S: Real>(&self, _: Inputs<S, [S; 1]>, (): (), length: S) -> Outcome<S, (), Damping<S, [S; 1]>> {
        let factor = S::one() / (S::constant(self.0) + length).sqrt();
        let report = Damping::uncoupled([length], [length], [S::one()], [factor], S::one());
        Outcome { factors: factor, memory: (), report }
    }

    #[inline(always)]
    fn follow<S: Real>(&self, factor: S, at: Covectors<[S; 1], ()>) -> S {
        factor * at.momentum[0]
    }
}

conformance_preconditioner!(normalised, Normalised(1e-8));
conformance_preconditioner!(flat, Flat);
conformance_preconditioner!(clipped, Clipped::new(Hard { length: 1.0 }).beta(0.5));
conformance_preconditioner!(paper, Induced::new(Log, 0.5).beta(0.8));
conformance_preconditioner!(full_inverse, Induced::new(Log1p, 0.5).exact());
conformance_preconditioner!(coupled, Induced::new(Log, 0.5).coupled(AlongMomentum(0.1)).beta(0.8).scale_back(0.01));
conformance_preconditioner!(
    two_losses,
    Induced::of([Height { embedding: Log, xi: 0.5 }; 2]).coupled(AlongParameters(0.01)).beta(0.8).exact(),
    2
);

conformance_rule!(adam, rules::adam());
conformance_rule!(learned, Descent::new(LearnedDiagonal::default(), Induced::new(Log, 0.5), Ema(0.9)));
