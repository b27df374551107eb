//! The relative of the coupled surface that is no metric: an ambient form whose off-diagonal elements differ.

use crate::ambient::ambient_metric::Covectors;
use crate::ambient::coupling::Coupling;
use crate::ambient::embedding::Embedding;
use crate::ambient::heights::Height;
use crate::ambient::solve::{Oblique, oblique_step};
use crate::error::{Error, require_decay};
use crate::number::scalar::Real;
use crate::rule::induced::Average;
use crate::rule::preconditioner::{Damping, Preconditioner, Raised};
use crate::space::acts::{Inputs, Local, Outcome};

/// The solution of the form that a surface inherits from [[γ, a], [bᵀ, 1]] with a ≠ b: bilinear and no metric, and refused where its determinant is
/// not above zero.
///
/// # Mathematics
///
/// With w = √ξ f′ and D = (1 + w⟨a, l⟩)(1 + w⟨b, l⟩) + w²⟨l, l⟩ (1 − ⟨a, b⟩), where the average of ξ⟨l, l⟩ takes its place, the step vector is
/// f′ ((1 + w⟨a, l⟩) m̂♯ − w⟨l, l⟩ a♯) / D. With a = b it is that of [`Coupled`](crate::Coupled).
///
/// # Example
///
/// ```
/// use ambient_metric::{Descent, Ema, Euclidean, Log, Rule};
/// use ambient_metric::ambient::{AlongGradient, AlongMomentum};
/// use ambient_metric::rule::Bilinear;
/// let rule = Descent::new(Euclidean, Bilinear::new(Log, 0.1, AlongGradient(0.5), AlongMomentum(0.1)).beta(0.8), Ema(0.9));
/// assert!(rule.validate().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Bilinear<E, A, B> {
    /// The embedding f and ξ.
    pub height: Height<E>,
    /// a, the column beside γ.
    pub a: A,
    /// b, the row below γ.
    pub b: B,
    /// The decay β of the moving average of ξ⟨l, l⟩.
    pub beta: f64,
}

known_keys! { Bilinear<E, A, B> { height, a, b, beta = 0.0 } }

impl<E, A, B> Bilinear<E, A, B> {
    /// The form with these columns on the surface of an embedding, without averaging.
    pub fn new(embedding: E, xi: f64, a: A, b: B) -> Self {
        Self { height: Height { embedding, xi }, a, b, beta: 0.0 }
    }

    /// With the moving average of ξ⟨l, l⟩ decaying by β.
    #[must_use]
    pub fn beta(self, beta: f64) -> Self {
        Self { beta, ..self }
    }
}

impl<E: Embedding, A: Coupling, B: Coupling> Preconditioner for Bilinear<E, A, B> {
    type State<S: Real> = (A::State<S>, B::State<S>);
    type Memory<S: Real> = Average<S, S>;
    /// a and b.
    type Columns<S: Real> = [S; 2];
    /// ⟨l, l⟩, ⟨a, l⟩, ⟨b, l⟩ and ⟨a, b⟩.
    type Sums<S: Real> = [S; 4];
    /// The weights of m̂ and a.
    type Factors<S: Real> = [S; 2];

    fn begin<S: Real>(&self) -> Average<S, S> {
        Average::begin()
    }

    #[inline(always)]
    fn columns<S: Real>(&self, (a, b): Self::State<S>, at: Local<S, [S; 1]>) -> [S; 2] {
        let local = Local { parameter: at.parameter, gradient: at.gradient[0], momentum: at.momentum[0] };
        [self.a.covector(a, local), self.b.covector(b, local)]
    }

    #[inline(always)]
    fn measure<S: Real>(&self, at: Covectors<[S; 1], [S; 2]>, raised: Raised<[S; 1], [S; 2]>) -> [S; 4] {
        let l = raised.gradient[0];
        [at.gradient[0] * l, at.columns[0] * l, at.columns[1] * l, at.columns[0] * raised.columns[1]]
    }

    #[inline(always)]
    fn damp<S: Real>(
        &self,
        inputs: Inputs<S, [S; 1]>,
        memory: Average<S, S>,
        [length, left, right, between]: [S; 4],
    ) -> Outcome<[S; 2], Average<S, S>, Damping<S, [S; 1]>> {
        let squared_length = inputs.xi[0] * length;
        let memory = memory.with(self.beta, squared_length);
        let averaged = memory.corrected();
        let slope = self.height.embedding.slope(inputs.loss[0]);
        let products = Oblique { length, left, right, free: S::one() - between };
        let [momentum, column, ratio] = oblique_step(slope, inputs.xi[0].sqrt(), averaged, products);
        let report = Damping::uncoupled([squared_length], [averaged], [slope], [momentum], ratio);
        Outcome { factors: [momentum, column], memory, report }
    }

    #[inline(always)]
    fn follow<S: Real>(&self, [momentum, column]: [S; 2], at: Covectors<[S; 1], [S; 2]>) -> S {
        momentum * at.momentum[0] + column * at.columns[0]
    }

    fn xi(&self) -> Option<[f64; 1]> {
        Some([self.height.xi])
    }

    fn accepts<S: Real>(&self, [loss]: [S; 1], _xi: [S; 1]) -> S::Mask {
        self.height.embedding.accepts(loss)
    }

    #[inline]
    fn check(&self, [loss]: [f64; 1], _xi: [f64; 1]) -> Result<(), Error> {
        self.height.embedding.check(loss)
    }

    fn validate(&self) -> Result<(), Error> {
        self.height.validate()?;
        self.a.validate()?;
        self.b.validate()?;
        require_decay("beta", self.beta)
    }

    fn name(&self) -> String {
        format!("Bilinear({}, {}, {})", self.height.embedding.name(), self.a.name(), self.b.name())
    }
}
