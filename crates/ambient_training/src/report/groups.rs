//! The report on sweeps and repeated runs: tables beside the paper's, and the honest one.

use std::fs;
use std::path::{Path, PathBuf};

use ambient_studies::error::Error;
use ambient_studies::files::checksum;

use crate::files::{parse, read_text};
use crate::optimisers::{Trained, paper_row};
use crate::outcome::{Epoch, Outcome};
use crate::run::RESULT;
use crate::sweep::{self, SweptRun};
use crate::task::Task;

/// All runs of one optimiser on one task.
#[derive(Clone, Debug)]
pub struct Group {
    /// The task.
    pub task: Task,
    /// The optimiser.
    pub optimiser: Trained,
    /// The runs of a sweep.
    pub swept: Vec<SweptRun>,
    /// Runs of one configuration over seeds, with examples held out or without.
    pub repeated: Vec<Outcome>,
}

/// The mean of some scores, and how far they scatter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many there are.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, that of a sample.
    pub deviation: f64,
}

impl Summary {
    /// The summary of some numbers; nothing where there are none.
    #[must_use]
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let count = numbers.len();
        if count == 0 {
            return None;
        }
        let mean = numbers.iter().sum::<f64>() / count as f64;
        let squares = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>();
        let deviation = if count > 1 { (squares / (count - 1) as f64).sqrt() } else { 0.0 };
        Some(Self { count, mean, deviation })
    }

    /// Half the length of the 95 % interval for the mean, after Student; nothing for one number.
    #[must_use]
    pub fn interval(&self) -> Option<f64> {
        (self.count > 1).then(|| student(self.count - 1) * self.deviation / (self.count as f64).sqrt())
    }
}

/// The 97.5 % point of Student's distribution with so many degrees of freedom, by its expansion around the normal one's (Abramowitz and Stegun
/// 26.7.5) above four degrees, where it is within 0.004.
#[must_use]
pub fn student(degrees: usize) -> f64 {
    const FEW: [f64; 4] = [12.706, 4.303, 3.182, 2.776];
    if let Some(point) = degrees.checked_sub(1).and_then(|index| FEW.get(index)) {
        return *point;
    }
    let (z, n) = (1.959_964_f64, degrees as f64);
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + first / n + second / n.powi(2) + third / n.powi(3)
}

impl Group {
    /// The best runs of the sweep with the epoch of each that is [chosen](Outcome::chosen), the best one first.
    #[must_use]
    pub fn best(&self, count: usize) -> Vec<(&SweptRun, Epoch)> {
        let mut runs: Vec<(&SweptRun, Epoch)> =
            self.swept.iter().filter_map(|run| Some((run, run.outcome.chosen()?))).collect();
        runs.sort_by(|(_, a), (_, b)| {
            let order = a.deciding().total_cmp(&b.deciding());
            if self.task.is_better(1.0, 0.0) { order.reverse() } else { order }
        });
        runs.truncate(count);
        runs
    }

    /// The repeated run whose scores are shown: of the longest, the one with the median best score.
    #[must_use]
    pub fn typical(&self) -> Option<&Outcome> {
        let longest = self.repeated.iter().map(|run| run.settings.epochs).max()?;
        let is_long = |run: &&Outcome| run.settings.epochs == longest && run.best.is_finite();
        let mut runs: Vec<&Outcome> = self.repeated.iter().filter(is_long).collect();
        runs.sort_by(|a, b| a.best.total_cmp(&b.best));
        runs.get(runs.len() / 2).copied()
    }
}

/// Reads the sweeps and results in a folder and the folders within it, by task and optimiser in the order of the paper. A run that is there twice, with
/// the same settings and so the same seed, counts once.
///
/// # Errors
///
/// [`Error::Read`], [`Error::Json`], and [`Error::Record`] where there is nothing, and for a file that is damaged.
pub fn read(folder: &Path) -> Result<Vec<Group>, Error> {
    let mut groups: Vec<Group> = Vec::new();
    let mut group = |task: Task, optimiser: Trained| -> usize {
        let found = groups.iter().position(|group| group.task == task && group.optimiser == optimiser);
        found.unwrap_or_else(|| {
            groups.push(Group { task, optimiser, swept: Vec::new(), repeated: Vec::new() });
            groups.len() - 1
        })
    };
    let mut found = Vec::new();
    for path in files(folder)? {
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            for run in sweep::read(&path)? {
                let place = group(run.outcome.settings.task, run.outcome.settings.optimiser.clone());
                found.push((place, Some(run), None));
            }
        } else if path.file_name().is_some_and(|name| name == RESULT) {
            let outcome: Outcome = parse(&path, checksum::PAGE, &read_text(&path)?)?;
            found.push((group(outcome.settings.task, outcome.settings.optimiser.clone()), None, Some(outcome)));
        }
    }
    for (place, swept, repeated) in found {
        if let Some(group) = groups.get_mut(place) {
            let is_new =
                |run: &SweptRun| group.swept.iter().all(|known| known.outcome.settings != run.outcome.settings);
            group.swept.extend(swept.filter(is_new));
            let is_new = |run: &Outcome| group.repeated.iter().all(|known| known.settings != run.settings);
            group.repeated.extend(repeated.filter(is_new));
        }
    }
    if groups.is_empty() {
        let problem = format!("has neither sweeps (.jsonl) nor results ({RESULT})");
        return Err(Error::Record { place: folder.display().to_string(), problem });
    }
    for group in &mut groups {
        group.repeated.sort_by_key(|run| (run.settings.validation, run.settings.seed));
    }
    groups.sort_by_key(|group| (group.task as usize, paper_row(&group.optimiser).unwrap_or(usize::MAX)));
    Ok(groups)
}

/// The files in a folder and the folders within it, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}
