//! Model-based steps: no further than a model of the loss says that it falls.

use crate::ambient::ambient_metric::Covectors;
use crate::base::pointwise::Stretch;
use crate::bundle;
use crate::error::{Error, require, require_decay};
use crate::number::scalar::Real;
use crate::rule::induced::Average;
use crate::rule::preconditioner::{Damping, Preconditioner, Raised};
use crate::space::acts::{Inputs, Local, Outcome};

/// A preconditioner whose step ends where a model of the loss reaches its lower bound: MoMo, and over [`RmsProp`](crate::RmsProp) MoMo-Adam.
///
/// # Mathematics
///
/// The model at θ + δ is ĥ + ⟨m̂, δ⟩ with ĥ = a + ⟨m̂, θ⟩ and a the moving average of L − ⟨l, θ⟩, corrected for its start at zero, whose decay β is that of the
/// momentum. With the step ηrm̂♯ of the preconditioner, r its damping, the rate is
///
/// η′ = min(η, max(ĥ − L*, 0) / (r⟨m̂, m̂♯⟩)),
///
/// with L* the lower bound. So η can be chosen too large. The report's damping is rη′/η: zero where the model is below its bound, and then nothing moves.
///
/// # Requirements
///
/// The momentum is [`Ema`](crate::Ema) with the same β; a pointwise metric; and a preconditioner that scales momenta as they are:
/// [`Flat`](crate::Flat), [`Clipped`](crate::rule::Clipped), or the damped surface of one loss without columns. L is the loss that the gradient belongs to.
///
/// # Example
///
/// ```
/// use ambient_metric::{Configuration, Covector, Descent, Ema, Euclidean, Flat};
/// use ambient_metric::rule::MoMo;
/// use ambient_metric_ndarray::Parameters;
/// use ndarray::array;
///
/// // L = θ²/2 at θ = 4, where the model 8 − 4δ reaches zero at δ = −2: with a rate of 100 the step goes there and no further.
/// let rule = Descent::new(Euclidean, MoMo::new(Flat, 0.0), Ema(0.0));
/// let mut theta = Parameters::from(array![4.0_f64]);
/// Configuration::new(rule, 100.0).build(&theta)?.step(&mut theta, &Covector(Parameters::from(array![4.0])), 8.0)?;
/// assert_eq!(theta.as_slice(), [2.0]);
/// # Ok::<(), ambient_metric::Error>(())
/// ```
///
/// # Errors
///
/// [`validate`](Preconditioner::validate) answers with [`Error::Hyperparameter`], and with [`Error::NoEngine`] for any other preconditioner; `build_whole`
/// over a metric of whole tensors with that too.
///
/// # References
///
/// F. Schaipp and others, *MoMo: Momentum Models for Adaptive Learning Rates*, arXiv 2305.07583, Algorithms 1 and 2, with the corrections of the second in both.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MoMo<P> {
    /// What makes the step.
    pub preconditioner: P,
    /// The decay β of the momentum.
    pub beta: f64,
    /// The lower bound L* of the loss.
    pub lower_bound: f64,
}

known_keys! { MoMo<P> { preconditioner, beta, lower_bound = 0.0 } }

impl<P> MoMo<P> {
    /// Steps of this preconditioner with the decay of the momentum, for a loss that is not below zero.
    pub fn new(preconditioner: P, beta: f64) -> Self {
        Self { preconditioner, beta, lower_bound: 0.0 }
    }

    /// With this lower bound of the loss.
    #[must_use]
    pub fn lower_bound(self, lower_bound: f64) -> Self {
        Self { lower_bound, ..self }
    }
}

bundle! {
    /// θ beside the columns of the preconditioner.
    pub nested struct Beside<C, S> { columns: C, parameter: S }
}

bundle! {
    /// What [`MoMo`] sums: for its preconditioner, ⟨l, θ⟩, ⟨m̂, θ⟩ and ⟨m̂, m̂♯⟩.
    pub nested struct ModelSums<P, S> { preconditioner: P, gradient: S, momentum: S, length: S }
}

bundle! {
    /// What [`MoMo`] keeps: the memory of the preconditioner, and the average of L − ⟨l, θ⟩.
    pub nested struct ModelMemory<P, A> { preconditioner: P, model: A }
}

bundle! {
    /// What [`MoMo`] multiplies by: the factors of the preconditioner, and η′/η.
    pub nested struct ModelFactors<P, S> { preconditioner: P, share: S }
}

/// What the preconditioner sees.
#[inline(always)]
fn within<L, C, S>(at: Covectors<L, Beside<C, S>>) -> Covectors<L, C> {
    Covectors { gradient: at.gradient, momentum: at.momentum, columns: at.columns.columns }
}

impl<P: Preconditioner> Preconditioner for MoMo<P> {
    type State<S: Real> = P::State<S>;
    type Memory<S: Real> = ModelMemory<P::Memory<S>, Average<S, S>>;
    type Columns<S: Real> = Beside<P::Columns<S>, S>;
    type Sums<S: Real> = ModelSums<P::Sums<S>, S>;
    type Factors<S: Real> = ModelFactors<P::Factors<S>, S>;

    const RAISES_MOMENTA: bool = true;

    fn begin<S: Real>(&self) -> Self::Memory<S> {
        ModelMemory { preconditioner: self.preconditioner.begin(), model: Average::begin() }
    }

    #[inline(always)]
    fn observe<S: Real>(&self, state: P::State<S>, gradients: [S; 1]) -> P::State<S> {
        self.preconditioner.observe(state, gradients)
    }

    #[inline(always)]
    fn columns<S: Real>(&self, state: P::State<S>, at: Local<S, [S; 1]>) -> Self::Columns<S> {
        Beside { columns: self.preconditioner.columns(state, at), parameter: at.parameter }
    }

    #[inline(always)]
    fn measure<S: Real>(
        &self,
        at: Covectors<[S; 1], Self::Columns<S>>,
        raised: Raised<[S; 1], Self::Columns<S>>,
    ) -> Self::Sums<S> {
        let parameter = at.columns.parameter;
        let of_preconditioner =
            Raised { gradient: raised.gradient, momentum: raised.momentum, columns: raised.columns.columns };
        ModelSums {
            preconditioner: self.preconditioner.measure(within(at), of_preconditioner),
            gradient: at.gradient[0] * parameter,
            momentum: at.momentum[0] * parameter,
            length: at.momentum[0] * raised.momentum[0],
        }
    }

    fn stretch<S: Real>(&self, sums: Self::Sums<S>, by: Stretch<S>) -> Self::Sums<S> {
        let preconditioner = self.preconditioner.stretch(sums.preconditioner, by);
        ModelSums { preconditioner, length: sums.length * by.momentum, ..sums }
    }

    #[inline(always)]
    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, [S; 1]>,
        memory: Self::Memory<S>,
        sums: Self::Sums<S>,
    ) -> Outcome<Self::Factors<S>, Self::Memory<S>, Damping<S, [S; 1]>> {
        let Outcome { factors, memory: kept, report } =
            self.preconditioner.damp(inputs, memory.preconditioner, sums.preconditioner);
        let model = memory.model.with(self.beta, inputs.loss[0] - sums.gradient);
        let above = (model.corrected() + sums.momentum - S::constant(self.lower_bound)).maximum(S::zero());
        // Where nothing is to be gained along m̂ the step is zero whatever its share; so is it with a rate of zero.
        let fall = inputs.learning_rate * report.damping[0] * sums.length;
        let share = S::select(above.less(fall), above / fall, S::one());
        Outcome {
            factors: ModelFactors { preconditioner: factors, share },
            memory: ModelMemory { preconditioner: kept, model },
            report: Damping { damping: [report.damping[0] * share], ..report },
        }
    }

    #[inline(always)]
    fn follow<S: Real>(&self, factors: Self::Factors<S>, at: Covectors<[S; 1], Self::Columns<S>>) -> S {
        factors.share * self.preconditioner.follow(factors.preconditioner, within(at))
    }

    fn xi(&self) -> Option<[f64; 1]> {
        self.preconditioner.xi()
    }

    fn needs_metric(&self) -> bool {
        self.preconditioner.needs_metric()
    }

    /// Its rate is that of a group, which passes over memory know.
    fn needs_pointwise(&self) -> bool {
        true
    }

    fn drive<S: Real>(&self, xi: [S; 1]) -> S {
        self.preconditioner.drive(xi)
    }

    fn accepts<S: Real>(&self, losses: [S; 1], xi: [S; 1]) -> S::Mask {
        self.preconditioner.accepts(losses, xi)
    }

    fn check(&self, losses: [f64; 1], xi: [f64; 1]) -> Result<(), Error> {
        self.preconditioner.check(losses, xi)
    }

    fn validate(&self) -> Result<(), Error> {
        self.preconditioner.validate()?;
        require_decay("beta", self.beta)?;
        require(self.lower_bound.is_finite(), "lower_bound", self.lower_bound, "it must be finite")?;
        if self.preconditioner.needs_metric() {
            let problem = "a model of the loss goes along the momentum alone: take `Flat`, a clip, or the damped surface of one loss without coupling";
            return Err(Error::NoEngine { rule: self.name(), problem });
        }
        Ok(())
    }

    fn name(&self) -> String {
        format!("MoMo({})", self.preconditioner.name())
    }
}
