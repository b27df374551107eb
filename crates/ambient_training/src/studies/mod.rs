//! The tasks with their data.

mod batches;
pub mod cifar10;
pub mod mnist;
pub mod regression;
pub mod shakespeare;

use std::path::Path;

use ambient_studies::error::Error;
use burn::tensor::Device;

use self::cifar10::Cifar10;
use self::mnist::Mnist;
use self::regression::Regression;
use self::shakespeare::Shakespeare;
use crate::settings::Settings;
use crate::study::Study;
use crate::task::Task;

/// Makes the study of a task and hands it to `what`.
///
/// # Errors
///
/// What reading the data finds, and what `what` returns.
pub fn with_study<W: WithStudy>(
    task: Task,
    data: Option<&Path>,
    settings: &Settings,
    device: &Device,
    what: W,
) -> Result<W::Output, Error> {
    let deal = settings.deal();
    let folder = data.map(|data| {
        let inner = data.join(task.folder());
        if inner.is_dir() { inner } else { data.to_owned() }
    });
    let needed = || {
        let problem = format!("is missing: give the folder of the data of {task}");
        folder.as_deref().ok_or(Error::Option { option: "--data", problem })
    };
    match task {
        Task::Regression => what.with(Regression::new(folder.as_deref(), deal, device)?),
        Task::Mnist => what.with(Mnist::new(needed()?, deal, device)?),
        Task::Cifar10 => what.with(Cifar10::new(needed()?, deal, device)?),
        Task::Shakespeare => what.with(Shakespeare::new(needed()?, deal, device)?),
    }
}

/// Something to be done with a study of any type.
pub trait WithStudy {
    /// What comes of it.
    type Output;

    /// Does it.
    ///
    /// # Errors
    ///
    /// Whatever can go wrong.
    fn with<S: Study>(self, study: S) -> Result<Self::Output, Error>;
}
