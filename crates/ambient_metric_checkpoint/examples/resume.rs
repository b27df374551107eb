//! A run that reads its optimiser from a file, may be killed at any moment (`kill -9`), and goes on from its checkpoint alone, to the same bits:
//! `resume [SETTINGS.toml [CHECKPOINT.safetensors]]`.

use std::{env, error::Error, fs, path::PathBuf, process};

use ambient_metric::optimiser::{Cosine, WarmUp};
use ambient_metric::{AnyRule, Configuration, Covector, Schedule};
use ambient_metric_checkpoint::Snapshot;
use ambient_metric_ndarray::{Parameters, ndarray::array};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Run {
    steps: u64,
    every: u64,
    optimiser: Configuration<AnyRule>,
    schedule: WarmUp<Cosine>,
}

/// The squared error of y = w x + b at a point of the noisy line y = 2 x + 1, halved, and its gradient.
fn sample(theta: &Parameters<f32>, random: &mut ChaCha8Rng) -> (f64, [f32; 2]) {
    let [x, noise]: [f32; 2] = random.random();
    let residual = theta.as_slice()[0] * x + theta.as_slice()[1] - (2.0 * x + 1.0 + 0.1 * (noise - 0.5));
    (f64::from(residual * residual) / 2.0, [residual * x, residual])
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = env::args_os().skip(1).map(PathBuf::from);
    let settings = paths.next().map_or(Ok(include_str!("resume.toml").to_owned()), fs::read_to_string)?;
    let path = paths.next().unwrap_or_else(|| env::temp_dir().join(format!("resume-{}.safetensors", process::id())));

    let mut theta = Parameters::from(array![0.0_f32, 0.0]);
    let (run, mut optimiser, mut random): (Run, _, _) = if path.exists() {
        let saved = Snapshot::read(&path)?;
        saved.load_parameters("line", &mut theta)?;
        (saved.value("run")?, saved.optimiser::<AnyRule>("line")?.restore_any(&theta)?, saved.value("random")?)
    } else {
        let run: Run = toml::from_str(&settings)?;
        let optimiser = run.optimiser.clone().build_any(&theta)?;
        (run, optimiser, ChaCha8Rng::seed_from_u64(7))
    };
    while optimiser.steps()? < run.steps {
        optimiser.set_learning_rate_factor(run.schedule.at(optimiser.steps()?))?;
        let (loss, gradient) = sample(&theta, &mut random);
        optimiser.step(&mut theta, &Covector(Parameters::from(array![gradient[0], gradient[1]])), loss)?;
        if optimiser.steps()?.is_multiple_of(run.every) || optimiser.steps()? == run.steps {
            let snapshot = Snapshot::new().with_parameters("line", &theta)?.with_value("run", &run)?;
            let checkpoint = optimiser.checkpoint()?.with_rule(run.optimiser.rule.clone());
            snapshot.with_optimiser("line", checkpoint)?.with_value("random", &random)?.write(&path)?;
        }
    }
    println!("y = {:.3} x + {:.3}, saved in {}", theta.as_slice()[0], theta.as_slice()[1], path.display());
    Ok(())
}
