//! How optimisers are made: from a configuration, and from a checkpoint.

use crate::base::base_metric::BaseMetric;
use crate::error::Error;
use crate::optimiser::checkpoint::{Checkpoint, Restored};
use crate::optimiser::configuration::Configuration;
use crate::optimiser::optimiser::Optimiser;
use crate::optimiser::whole::Whole;
use crate::rule::descent::Descent;
use crate::rule::preconditioner::Preconditioner;
use crate::rule::rule::Rule;
use crate::space::momentum::Momentum;
use crate::space::tensor::Tensor;

impl<R> Configuration<R> {
    /// The optimiser for these parameters, before its first step.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`], [`Error::Empty`], [`Error::DuplicateGroup`], [`Error::GroupMatchesNothing`],
    /// [`Error::StateStorage`] where the state cannot be stored as is asked, [`Error::StateRange`] where the rule does not stand its range, and
    /// [`Error::Backend`] where there is no memory for it.
    pub fn build<T: Tensor>(self, parameters: &T) -> Result<Optimiser<R, T>, Error>
    where
        R: Rule,
    {
        Optimiser::new(self, parameters)
    }
}

impl<M, P: Preconditioner<K>, Q: Momentum, const K: usize> Configuration<Descent<M, P, Q, K>> {
    /// The optimiser for these parameters, before its first step, over any base metric: what [`build`](Self::build) runs in passes over memory this
    /// one runs on whole tensors. Where both can run they take the same steps.
    ///
    /// # Errors
    ///
    /// [`Error::Hyperparameter`], [`Error::Losses`], [`Error::Empty`], [`Error::DuplicateGroup`], [`Error::GroupMatchesNothing`],
    /// [`Error::OwnMetric`], [`Error::StateStorage`], and what the metric answers, such as [`Error::NotAMatrix`].
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Configuration, Covector, Descent, Flat, Muon, Nesterov, NoMomentum};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// // Muon has its own momentum, so the rule needs none. Without a surface this is Muon as it was published.
    /// let metric = Muon { momentum: Nesterov(0.5), ..Muon::default() };
    /// let rule = Descent::new(metric, Flat, NoMomentum);
    /// let mut theta = Parameters::from(array![[2.0_f64, 1.0], [0.0, 1.0]]);
    /// let mut optimiser = Configuration::new(rule, 0.01).build_whole(&theta)?;
    /// for _ in 0..400 {
    ///     let gradient = Covector(theta.clone());
    ///     let loss = gradient.0.iter().map(|x| x * x / 2.0).sum();
    ///     optimiser.step(&mut theta, &gradient, loss)?;
    /// }
    /// // Steps of a fixed length do not settle: they go round the minimum.
    /// assert!(theta.iter().all(|x| x.abs() < 0.02));
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn build_whole<T: Tensor>(self, parameters: &T) -> Result<WholeOptimiser<M, P, Q, T, K>, Error>
    where
        M: BaseMetric<T, State: Clone>,
    {
        Optimiser::new(self, parameters)
    }
}

impl<R: Rule> Checkpoint<R> {
    /// An optimiser that goes on where the checkpoint was taken, for parameters like those it was taken from, in passes over memory as
    /// [`Configuration::build`] makes it.
    ///
    /// # Errors
    ///
    /// [`Error::CheckpointVersion`], [`Error::CheckpointRule`], [`Error::CheckpointEntry`], [`Error::MissingParameter`],
    /// [`Error::UnknownParameter`] and [`Error::Shape`], and what [`Configuration::build`] finds.
    pub fn restore<T: Tensor>(&self, parameters: &T) -> Result<Optimiser<R, T>, Error>
    where
        R: Clone,
    {
        Optimiser::restore(self, parameters)
    }

    /// As [`restore`](Self::restore), for other parameters: some may have come and some gone, which is said.
    ///
    /// What is in both goes on with its state. What is fresh starts as in a new optimiser, with bias corrections of its own: with ξ = 0 it steps bit
    /// for bit as there, and the rest as if nothing had come. Sums and their moving averages are over all parameters, as ever; those of parameters
    /// of which none goes on start anew. A pattern of a group that matches nothing but what is gone leaves it.
    ///
    /// Each time that parameters come, every sum with fresh ones gets one more scalar memory, and every group that has fresh beside
    /// others becomes two under its name: a step then has one more scalar act for each, and [`reports`](Optimiser::reports) shows the first.
    /// Where a state of 16 bits is rounded at random, other random numbers than before fall on parameters that stand behind one that came or went.
    ///
    /// # Errors
    ///
    /// As [`restore`](Self::restore), but for what came and went; [`Error::NotPartial`] for a rule whose memory cannot be
    /// [put beside others](Rule::beside), where something came.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Configuration, Covector, rules};
    /// use ambient_metric::optimiser::Restored;
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let mut theta = Parameters::new([("body", array![1.0_f64, 2.0].into_dyn()), ("old head", array![3.0].into_dyn())])?;
    /// let mut optimiser = Configuration::new(rules::adam(), 0.1).build(&theta)?;
    /// let gradient = Covector(theta.clone());
    /// optimiser.step(&mut theta, &gradient, 7.0)?;
    ///
    /// let body = theta.view("body")?.to_owned();
    /// let mut theta = Parameters::new([("body", body), ("new head", array![4.0].into_dyn())])?;
    /// let Restored { mut optimiser, fresh, gone } = optimiser.checkpoint()?.restore_partial(&theta)?;
    /// assert_eq!((fresh, gone), (vec!["new head".to_owned()], vec!["old head".to_owned()]));
    /// // The first step of Adam is η in length: its corrections begin with the new head.
    /// let gradient = Covector(theta.clone());
    /// optimiser.step(&mut theta, &gradient, 7.0)?;
    /// assert!((theta.view("new head")?[0] - 3.9).abs() < 1e-8);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn restore_partial<T: Tensor>(&self, parameters: &T) -> Result<Restored<Optimiser<R, T>>, Error>
    where
        R: Clone,
    {
        Optimiser::restore_partial(self, parameters)
    }
}

impl<M, P, Q, const K: usize> Checkpoint<Descent<M, P, Q, K>> {
    /// As [`restore`](Self::restore), on whole tensors as [`Configuration::build_whole`] makes the optimiser.
    ///
    /// # Errors
    ///
    /// As [`restore`](Self::restore), and [`Error::NotRecorded`] for a base metric that does not say what its state consists of.
    ///
    /// # Example
    ///
    /// ```
    /// use ambient_metric::{Configuration, Covector, Descent, Ema, Induced, Kronecker, Log};
    /// use ambient_metric_ndarray::Parameters;
    /// use ndarray::array;
    ///
    /// let mut theta = Parameters::from(array![[3.0_f64, 1.0], [0.0, 2.0]]);
    /// let rule = Descent::new(Kronecker::default(), Induced::new(Log, 0.1), Ema(0.9));
    /// let mut optimiser = Configuration::new(rule, 0.1).build_whole(&theta)?;
    /// let gradient = Covector(theta.clone());
    /// optimiser.step(&mut theta, &gradient, 7.0)?;
    ///
    /// let mut restored = optimiser.checkpoint()?.restore_whole(&theta)?;
    /// let mut other = theta.clone();
    /// assert_eq!(optimiser.step(&mut theta, &gradient, 6.5)?, restored.step(&mut other, &gradient, 6.5)?);
    /// assert_eq!(theta, other);
    /// # Ok::<(), ambient_metric::Error>(())
    /// ```
    pub fn restore_whole<T: Tensor>(&self, parameters: &T) -> Result<WholeOptimiser<M, P, Q, T, K>, Error>
    where
        M: BaseMetric<T, State: Clone>,
        P: Preconditioner<K>,
        Q: Momentum,
        Descent<M, P, Q, K>: Clone,
    {
        Optimiser::restore(self, parameters)
    }
}

/// An optimiser on whole tensors.
pub type WholeOptimiser<M, P, Q, T, const K: usize = 1> = Optimiser<Descent<M, P, Q, K>, T, Whole<M, P, T, K>>;
