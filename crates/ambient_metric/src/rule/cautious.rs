//! Cautious steps: no component goes against its gradient.

use crate::ambient::ambient_metric::Covectors;
use crate::base::pointwise::Stretch;
use crate::bundle;
use crate::error::Error;
use crate::number::scalar::Real;
use crate::rule::preconditioner::{Damping, Preconditioner, Raised};
use crate::space::acts::{Inputs, Local, Outcome};

/// A preconditioner whose step is left out wherever it would go against the gradient, and as much longer elsewhere.
///
/// # Mathematics
///
/// With u the step of the preconditioner, φᵢ = 1 where m̂ᵢlᵢ > 0 and 0 elsewhere, and n components that share their sums, the step is
/// u φ n / (Σφ + 1). It is along a momentum that is raised by itself and then scaled, so that uᵢ has the sign of m̂ᵢ.
///
/// # Requirements
///
/// A pointwise metric, and a preconditioner that scales momenta as they are: [`Flat`](crate::Flat), [`Clipped`](crate::rule::Clipped), or the damped
/// surface of one loss without columns. φ sees all elements that share their sums, so groups with a metric of their own have one share each.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, Descent, Ema, Euclidean, Flat};
/// use ambient_metric::rule::Cautious;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// let rule = Descent::new(Euclidean, Cautious(Flat), Ema(0.5));
/// let mut theta = Parameters::from(array![0.0_f64, 0.0, 0.0]);
/// let mut optimiser = Configuration::new(rule, 0.5).build(&theta)?;
/// optimiser.step(&mut theta, &Covector(Parameters::from(array![8.0, 8.0, 8.0])), 1.0)?;
/// let before = theta.clone();
/// // The momentum of the last still points up, its gradient does not: it stays, and the others go 3/3 of their steps.
/// optimiser.step(&mut theta, &Covector(Parameters::from(array![8.0, 8.0, -1.0])), 1.0)?;
/// assert_eq!(theta.as_slice()[2], before.as_slice()[2]);
/// assert_eq!(theta.as_slice()[0], before.as_slice()[0] - 4.0);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`validate`](Preconditioner::validate) answers with [`Error::NoEngine`] for any other preconditioner, and `build_whole` over a metric of whole tensors.
///
/// # References
///
/// K. Liang and others, *Cautious Optimizers: Improving Training with One Line of Code*, arXiv 2411.16085, Algorithm 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cautious<P>(
    /// What makes the step.
    pub P,
);

bundle! {
    /// What [`Cautious`] sums: for its preconditioner, Σφ, and n.
    pub nested struct CautiousSums<P, S> { preconditioner: P, kept: S, all: S }
}

bundle! {
    /// What [`Cautious`] multiplies by: the factors of its preconditioner, and n / (Σφ + 1).
    pub nested struct CautiousFactors<P, S> { preconditioner: P, share: S }
}

/// Where x and y have the same sign: 1, elsewhere 0.
#[inline(always)]
fn aligned<S: Real>(x: S, y: S) -> S {
    S::select(S::zero().less(x * y), S::one(), S::zero())
}

impl<P: Preconditioner> Preconditioner for Cautious<P> {
    type State<S: Real> = P::State<S>;
    type Memory<S: Real> = P::Memory<S>;
    type Columns<S: Real> = P::Columns<S>;
    type Sums<S: Real> = CautiousSums<P::Sums<S>, S>;
    type Factors<S: Real> = CautiousFactors<P::Factors<S>, S>;

    const RAISES_MOMENTA: bool = P::RAISES_MOMENTA;

    fn begin<S: Real>(&self) -> P::Memory<S> {
        self.0.begin()
    }

    #[inline(always)]
    fn observe<S: Real>(&self, state: P::State<S>, gradients: [S; 1]) -> P::State<S> {
        self.0.observe(state, gradients)
    }

    #[inline(always)]
    fn columns<S: Real>(&self, state: P::State<S>, at: Local<S, [S; 1]>) -> P::Columns<S> {
        self.0.columns(state, at)
    }

    #[inline(always)]
    fn measure<S: Real>(
        &self,
        at: Covectors<[S; 1], P::Columns<S>>,
        raised: Raised<[S; 1], P::Columns<S>>,
    ) -> Self::Sums<S> {
        let kept = aligned(at.momentum[0], at.gradient[0]);
        CautiousSums { preconditioner: self.0.measure(at, raised), kept, all: S::one() }
    }

    fn stretch<S: Real>(&self, sums: Self::Sums<S>, by: Stretch<S>) -> Self::Sums<S> {
        CautiousSums { preconditioner: self.0.stretch(sums.preconditioner, by), ..sums }
    }

    #[inline(always)]
    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, [S; 1]>,
        memory: P::Memory<S>,
        sums: Self::Sums<S>,
    ) -> Outcome<Self::Factors<S>, P::Memory<S>, Damping<S, [S; 1]>> {
        let Outcome { factors, memory, report } = self.0.damp(inputs, memory, sums.preconditioner);
        let share = sums.all / (sums.kept + S::one());
        Outcome { factors: CautiousFactors { preconditioner: factors, share }, memory, report }
    }

    #[inline(always)]
    fn follow<S: Real>(&self, factors: Self::Factors<S>, at: Covectors<[S; 1], P::Columns<S>>) -> S {
        let step = self.0.follow(factors.preconditioner, at);
        step * (factors.share * aligned(at.momentum[0], at.gradient[0]))
    }

    fn xi(&self) -> Option<[f64; 1]> {
        self.0.xi()
    }

    fn needs_metric(&self) -> bool {
        self.0.needs_metric()
    }

    fn needs_pointwise(&self) -> bool {
        true
    }

    fn drive<S: Real>(&self, xi: [S; 1]) -> S {
        self.0.drive(xi)
    }

    fn accepts<S: Real>(&self, losses: [S; 1], xi: [S; 1]) -> S::Mask {
        self.0.accepts(losses, xi)
    }

    fn check(&self, losses: [f64; 1], xi: [f64; 1]) -> Result<(), Error> {
        self.0.check(losses, xi)
    }

    fn validate(&self) -> Result<(), Error> {
        self.0.validate()?;
        if self.0.needs_metric() {
            let problem = "a cautious step is one along the momentum alone: take `Flat`, a clip, or the damped surface of one loss without coupling";
            return Err(Error::NoEngine { rule: self.name(), problem });
        }
        Ok(())
    }

    fn name(&self) -> String {
        format!("Cautious({})", self.0.name())
    }
}
