//! Heights: one embedding and one ξ for every loss.

use crate::ambient::embedding::Embedding;
use crate::error::{Error, require_non_negative};
use crate::number::scalar::{Real, holds};

/// One dimension of the surface: an embedding f_A and its ξ_A.
///
/// # Example
///
/// ```
/// use ambient_metric::{Height, Log};
/// use ambient_metric::ambient::Heights;
/// let two = [Height { embedding: Log, xi: 0.1 }; 2];
/// assert_eq!(two.slopes([2.0, 4.0]), [0.5, 0.25]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Height<E> {
    /// The embedding f.
    pub embedding: E,
    /// The metric coefficient ξ.
    pub xi: f64,
}

known_keys! { Height<E> { embedding, xi } }

impl<E: Embedding> Height<E> {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        self.embedding.validate()?;
        require_non_negative("xi", self.xi)
    }
}

/// The heights h_A = √ξ_A f_A(L_A) of a surface over K losses: one [`Height`], an array of them, or a tuple of up to four whose embeddings differ.
///
/// # Example
///
/// ```
/// use ambient_metric::{Height, Identity, Log};
/// use ambient_metric::ambient::Heights;
///
/// let heights = (Height { embedding: Identity, xi: 1.0 }, Height { embedding: Log, xi: 0.1 });
/// assert_eq!(heights.slopes([3.0, 4.0]), [1.0, 0.25]);
/// assert_eq!(heights.xi(), [1.0, 0.1]);
/// assert!(heights.check([3.0, -4.0]).is_err());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the heights of {K} losses",
    note = "give one `Height` for one loss, else an array `[Height; K]`, or a tuple of up to four such `Height`s whose embeddings differ"
)]
pub trait Heights<const K: usize>: Clone + Sync {
    /// f_A(L_A) of every loss.
    fn values<S: Real>(&self, losses: [S; K]) -> [S; K];

    /// f′_A(L_A) of every loss.
    fn slopes<S: Real>(&self, losses: [S; K]) -> [S; K];

    /// f″_A(L_A) of every loss.
    fn second_slopes<S: Real>(&self, losses: [S; K]) -> [S; K];

    /// ξ_A of every loss.
    fn xi(&self) -> [f64; K];

    /// Where losses are inside the domains of their embeddings.
    fn accepts<S: Real>(&self, losses: [S; K]) -> S::Mask;

    /// Accepts losses inside the domains of their embeddings.
    ///
    /// # Errors
    ///
    /// [`Error::LossOutsideDomain`].
    fn check(&self, losses: [f64; K]) -> Result<(), Error>;

    /// Accepts the constants.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`].
    fn validate(&self) -> Result<(), Error>;

    /// The names of the embeddings.
    fn name(&self) -> String;
}

impl<E: Embedding> Heights<1> for Height<E> {
    fn values<S: Real>(&self, [loss]: [S; 1]) -> [S; 1] {
        [self.embedding.height(loss)]
    }

    fn slopes<S: Real>(&self, [loss]: [S; 1]) -> [S; 1] {
        [self.embedding.slope(loss)]
    }

    fn second_slopes<S: Real>(&self, [loss]: [S; 1]) -> [S; 1] {
        [self.embedding.second_slope(loss)]
    }

    fn xi(&self) -> [f64; 1] {
        [self.xi]
    }

    fn accepts<S: Real>(&self, [loss]: [S; 1]) -> S::Mask {
        self.embedding.accepts(loss)
    }

    #[inline]
    fn check(&self, [loss]: [f64; 1]) -> Result<(), Error> {
        self.embedding.check(loss)
    }

    fn validate(&self) -> Result<(), Error> {
        Height::validate(self)
    }

    fn name(&self) -> String {
        self.embedding.name()
    }
}

impl<E: Embedding, const K: usize> Heights<K> for [Height<E>; K] {
    fn values<S: Real>(&self, losses: [S; K]) -> [S; K] {
        core::array::from_fn(|loss| self[loss].embedding.height(losses[loss]))
    }

    fn slopes<S: Real>(&self, losses: [S; K]) -> [S; K] {
        core::array::from_fn(|loss| self[loss].embedding.slope(losses[loss]))
    }

    fn second_slopes<S: Real>(&self, losses: [S; K]) -> [S; K] {
        core::array::from_fn(|loss| self[loss].embedding.second_slope(losses[loss]))
    }

    fn xi(&self) -> [f64; K] {
        core::array::from_fn(|loss| self[loss].xi)
    }

    fn accepts<S: Real>(&self, losses: [S; K]) -> S::Mask {
        self.iter().zip(losses).fold(holds::<S>(), |all, (height, loss)| all & height.embedding.accepts(loss))
    }

    fn check(&self, losses: [f64; K]) -> Result<(), Error> {
        self.iter().zip(losses).try_for_each(|(height, loss)| height.embedding.check(loss))
    }

    fn validate(&self) -> Result<(), Error> {
        self.iter().try_for_each(Height::validate)
    }

    fn name(&self) -> String {
        format!("[{}]", self.iter().map(|height| height.embedding.name()).collect::<Vec<_>>().join(", "))
    }
}

macro_rules! heights {
    ($count:literal: $($embedding:ident $place:tt),+) => {
        impl<$($embedding: Embedding),+> Heights<$count> for ($(Height<$embedding>,)+) {
            fn values<S: Real>(&self, losses: [S; $count]) -> [S; $count] {
                [$(self.$place.embedding.height(losses[$place])),+]
            }

            fn slopes<S: Real>(&self, losses: [S; $count]) -> [S; $count] {
                [$(self.$place.embedding.slope(losses[$place])),+]
            }

            fn second_slopes<S: Real>(&self, losses: [S; $count]) -> [S; $count] {
                [$(self.$place.embedding.second_slope(losses[$place])),+]
            }

            fn xi(&self) -> [f64; $count] {
                [$(self.$place.xi),+]
            }

            fn accepts<S: Real>(&self, losses: [S; $count]) -> S::Mask {
                holds::<S>() $(& self.$place.embedding.accepts(losses[$place]))+
            }

            fn check(&self, losses: [f64; $count]) -> Result<(), Error> {
                $(self.$place.embedding.check(losses[$place])?;)+
                Ok(())
            }

            fn validate(&self) -> Result<(), Error> {
                $(self.$place.validate()?;)+
                Ok(())
            }

            fn name(&self) -> String {
                format!("[{}]", [$(self.$place.embedding.name()),+].join(", "))
            }
        }
    };
}

heights!(1: A 0);
heights!(2: A 0, B 1);
heights!(3: A 0, B 1, C 2);
heights!(4: A 0, B 1, C 2, D 3);
