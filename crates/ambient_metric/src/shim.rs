//! Stand-in until the generalised rules are merged.
#![allow(missing_docs)]
use crate::bundle;
use crate::bundle::Bundle;
use crate::embedding::{Embedding, short_name};
use crate::error::{Error, require_non_negative};
use crate::scalar::Real;

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Height<E> {
    pub embedding: E,
    pub xi: f64,
}

pub trait Heights<const K: usize>: Sync {
    fn slopes<S: Real>(&self, losses: [S; K]) -> [S; K];
    fn xi(&self) -> [f64; K];
    fn check(&self, losses: [f64; K]) -> Result<(), Error>;
    fn validate(&self) -> Result<(), Error>;
    fn name(&self) -> String;
}

impl<E: Embedding, const K: usize> Heights<K> for [Height<E>; K] {
    fn slopes<S: Real>(&self, losses: [S; K]) -> [S; K] {
        core::array::from_fn(|loss| self[loss].embedding.slope(losses[loss]))
    }
    fn xi(&self) -> [f64; K] {
        core::array::from_fn(|loss| self[loss].xi)
    }
    fn check(&self, losses: [f64; K]) -> Result<(), Error> {
        self.iter().zip(losses).try_for_each(|(height, loss)| height.embedding.check(loss))
    }
    fn validate(&self) -> Result<(), Error> {
        self.iter().try_for_each(|height| {
            height.embedding.validate()?;
            require_non_negative("xi", height.xi)
        })
    }
    fn name(&self) -> String {
        self.iter().map(|height| height.embedding.name()).collect::<Vec<_>>().join(", ")
    }
}

bundle! {
    pub struct Local { parameter, gradient, momentum }
}

pub trait Coupling: Sync {
    type State<S: Real>: Bundle<S>;
    fn covector<S: Real>(&self, state: Self::State<S>, at: Local<S>) -> S;
    fn validate(&self) -> Result<(), Error>;
    fn name(&self) -> String {
        short_name::<Self>()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Uncoupled;
impl Coupling for Uncoupled {
    type State<S: Real> = ();
    fn covector<S: Real>(&self, (): (), _at: Local<S>) -> S {
        S::zero()
    }
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }
}

macro_rules! along {
    ($name:ident, $source:ident) => {
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name(pub f64);
        impl Coupling for $name {
            type State<S: Real> = ();
            fn covector<S: Real>(&self, (): (), at: Local<S>) -> S {
                S::constant(self.0) * at.$source
            }
            fn validate(&self) -> Result<(), Error> {
                Ok(())
            }
        }
    };
}
along!(AlongGradient, gradient);
along!(AlongMomentum, momentum);
along!(AlongParameters, parameter);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Given;
impl Coupling for Given {
    type State<S: Real> = S;
    fn covector<S: Real>(&self, given: S, _at: Local<S>) -> S {
        given
    }
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Guard {
    #[default]
    Refuse,
    ScaleBack { margin: f64 },
}
