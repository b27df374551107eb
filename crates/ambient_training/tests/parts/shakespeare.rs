//! The GPT's mini-batches.

use ambient_studies::error::Error;
use ambient_training::studies::shakespeare::Shakespeare;
use ambient_training::study::{Deal, Study as _, number};
use burn::tensor::Device;

/// Dropout included.
#[test]
fn the_loss_of_a_mini_batch_depends_on_seed_and_place_alone() -> Result<(), Error> {
    let folder = tempfile::tempdir().map_err(|source| Error::Write { path: "scratch".into(), source })?;
    let text = "the quick brown fox ".repeat(200);
    let path = folder.path().join("input.txt");
    std::fs::write(&path, text).map_err(|source| Error::Write { path, source })?;
    let loss = |seed: u64, epoch: usize, batches: &[usize]| {
        let deal = Deal { seed, batch: 1, validation: 0 };
        let mut study = Shakespeare::new(folder.path(), deal, &Device::flex().autodiff())?;
        let model = study.model();
        study.begin(epoch);
        let mut last = None;
        for &batch in batches {
            last = Some(number(study.loss(&model, batch))?);
        }
        Ok::<_, Error>(last)
    };
    let whole = loss(3, 1, &[0, 1])?;
    assert!(whole.is_some_and(f64::is_finite));
    assert_eq!(whole, loss(3, 1, &[1])?);
    assert_ne!(whole, loss(3, 2, &[1])?);
    assert_ne!(whole, loss(3, 1, &[0])?);
    Ok(())
}
