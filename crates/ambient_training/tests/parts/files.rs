//! The files of runs and sweeps: what is damaged, cut off or old is noticed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use ambient_metric::Report;
use ambient_metric_burn::checksum as ending;
use ambient_studies::error::Error;
use ambient_training::checkpoint;
use ambient_training::device::Place;
use ambient_training::log::{self, Log};
use ambient_training::optimisers::Trained;
use ambient_training::report::groups;
use ambient_training::run::{Request, perform};
use ambient_training::sampler::Search;
use ambient_training::settings::Settings;
use ambient_training::sweep;
use ambient_training::task::Task;
use ambient_training::trainer::Update;
use burn_pack::{Bytes, Reader, Tensor as Entry, Writer};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// 130 rows of a plane: 80 to train on.
fn regression() -> TempDir {
    let folder = tempdir().unwrap();
    let row = |index: u16| {
        let x = [1, 2, 3, 5].map(|factor| f32::from((index * factor * 37) % 101) / 50.0 - 1.0);
        let y = x.iter().zip([0.5, -1.0, 0.25, 2.0]).map(|(x, a)| x * a).sum::<f32>();
        x.into_iter().chain([y]).flat_map(f32::to_le_bytes).collect::<Vec<u8>>()
    };
    fs::write(folder.path().join("polynomial_xy.f32le"), (0..130).flat_map(row).collect::<Vec<u8>>()).unwrap();
    folder
}

/// A regression in a folder, to be begun or to be taken up again.
fn request(settings: Option<Settings>, out: &Path) -> Request {
    let (task, place, save_every) = (Task::Regression, Place::Flex, Duration::from_secs(60));
    Request { settings, task, data: None, out: out.to_owned(), place, save_every }
}

/// A short regression.
fn run(optimiser: &str, data: &Path, out: &Path) {
    let optimiser: Trained = optimiser.parse().unwrap();
    let settings = Settings {
        task: Task::Regression,
        hyperparameters: optimiser.configure(Task::Regression, &[]).unwrap(),
        optimiser,
        epochs: 6,
        seed: 3,
        batch: 20,
        validation: 0,
        data: Some(data.to_owned()),
    };
    perform(&request(Some(settings), out)).unwrap();
}

/// So many short runs of Adam in a sweep.
fn sweep_of_adam(runs: usize, epochs: usize, data: &Path, out: &Path) {
    let request = sweep::Request {
        task: Task::Regression,
        optimisers: vec!["adam".parse().unwrap()],
        runs,
        search: Search::Tpe,
        seed: 0,
        epochs,
        batch: 40,
        validation: 0,
        stop_early: false,
        data: Some(data.to_owned()),
        out: out.to_owned(),
        place: Place::Flex,
        threads: 1,
    };
    sweep::perform(&request).unwrap();
}

/// Flips a thousand bits of a file, one at a time and spread over it, and asserts that reading it is refused every time by an error that names it; with the file as it was,
/// it is read.
fn no_flipped_bit_is_accepted<T>(path: &Path, seed: u64, read: impl Fn() -> Result<T, Error>) {
    const FLIPS: usize = 1000;
    let whole = fs::read(path).unwrap();
    let bits = whole.len() * 8;
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(read().is_ok(), "{name}");
    for flip in 0..FLIPS {
        // One in each of so many stretches, and at the end every bit of the last byte.
        let bit = match flip.checked_sub(FLIPS - 8) {
            Some(last) => bits - 8 + last,
            None => bits * flip / FLIPS + generator.random_range(0..bits.div_ceil(FLIPS)),
        };
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(path, &damaged).unwrap();
        let said = read().err().map(|error| error.to_string());
        assert!(said.as_deref().is_some_and(|said| said.contains(name)), "bit {bit} of {bits} of {name}: {said:?}");
    }
    fs::write(path, &whole).unwrap();
    assert!(read().is_ok(), "{name}");
}

#[test]
fn of_a_thousand_flipped_bits_in_the_files_of_a_run_none_is_accepted() {
    let (data, folder) = (regression(), tempdir().unwrap());
    let out = folder.path().join("run");
    run("rmsprop", data.path(), &out);
    no_flipped_bit_is_accepted(&checkpoint::path(&out), 1, || checkpoint::load(&out));
    let log = out.join("updates.csv");
    no_flipped_bit_is_accepted(&log, 2, || log::read(&log));
    // As a run that is taken up again reads it.
    no_flipped_bit_is_accepted(&log, 3, || Log::resume(&log, 24));
    no_flipped_bit_is_accepted(&out.join("result.json"), 4, || groups::read(&out));
}

#[test]
fn of_a_thousand_flipped_bits_in_the_lines_of_a_sweep_none_is_accepted() {
    let (data, out) = (regression(), tempdir().unwrap());
    sweep_of_adam(4, 2, data.path(), out.path());
    let file = out.path().join("regression-adam.jsonl");
    no_flipped_bit_is_accepted(&file, 5, || sweep::read(&file));
    no_flipped_bit_is_accepted(&file, 6, || groups::read(out.path()));
}

#[test]
fn the_numbers_of_a_log_come_back_to_the_bit() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("updates.csv");
    let numbers = [0.1, -0.0, 5e-324, f64::MAX, 1.0 / 3.0, f64::INFINITY, f64::NAN, 1e22];
    let mut log = Log::begin(&path).unwrap();
    for (step, &loss) in numbers.iter().enumerate() {
        let report = Report {
            squared_length: loss,
            averaged: loss,
            slope: loss,
            damping: -loss,
            determinant_ratio: loss,
            coupling: loss,
            coupling_scale: loss,
            effective_learning_rate: loss,
            gradient_norm: loss,
        };
        log.write(&Update { step, loss, report }).unwrap();
    }
    log.flush().unwrap();
    for (line, loss) in log::read(&path).unwrap().iter().zip(numbers) {
        // Of what is no number, the sign is not written down.
        let bits = |number: f64| if number.is_nan() { 0 } else { number.to_bits() };
        assert_eq!(
            [bits(line.loss), bits(line.damping), bits(line.effective_learning_rate)],
            [loss, -loss, loss].map(bits)
        );
    }
    // A line that is missing or stands elsewhere is noticed, though each is as it was written.
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(2, 3);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    assert!(log::read(&path).is_err());
    lines.swap(2, 3);
    lines.remove(2);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    assert!(log::read(&path).is_err());
}

/// A checkpoint as it was before there were checksums: neither it nor the record of the optimiser in it has one.
fn without_checksums(checkpoint: Vec<u8>) -> Vec<u8> {
    let reader = Reader::from_bytes(Bytes::from_bytes_vec(checkpoint)).unwrap();
    let progress = reader.metadata()["progress"].clone();
    let entries = reader.into_tensors().unwrap().into_iter().map(|entry| {
        let (name, dtype, _, id, bytes) = entry.into_parts().unwrap();
        let bytes = ending::verify(&bytes).unwrap_or(&bytes).to_vec();
        Entry::new(name, dtype, vec![bytes.len()], id, Bytes::from_bytes_vec(bytes))
    });
    Writer::new(entries.collect()).with_metadata("progress", &progress).into_bytes().unwrap().to_vec()
}

/// Files of a version without checksums are refused with that reason.
#[test]
fn files_without_checksums_are_refused_and_said_to_be_old() {
    let (data, folder) = (regression(), tempdir().unwrap());
    let out = folder.path().join("run");
    run("adam", data.path(), &out);
    let read = |file: &str| fs::read(out.join(file)).unwrap();
    let (checkpoint, log, result) = (read("checkpoint.bpk"), read("updates.csv"), read("result.json"));
    let resume = || perform(&request(None, &out)).map(|_| ()).unwrap_err().to_string();
    let report = || groups::read(&out).map(|_| ()).unwrap_err().to_string();
    let is_refused = |file: &str, old: &[u8], said: &dyn Fn() -> String| {
        let whole = read(file);
        fs::write(out.join(file), old).unwrap();
        let said = said();
        assert!(said.contains(file) && said.contains("no checksum") && said.contains("version"), "{said}");
        fs::write(out.join(file), whole).unwrap();
    };
    is_refused("checkpoint.bpk", &without_checksums(checkpoint), &resume);
    let rows = String::from_utf8(log).unwrap();
    let old: String = rows.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned() + "\n").collect();
    is_refused("updates.csv", old.as_bytes(), &resume);
    let mut old: Value = serde_json::from_slice(&result).unwrap();
    old.as_object_mut().unwrap().remove("crc32");
    is_refused("result.json", serde_json::to_string_pretty(&old).unwrap().as_bytes(), &report);
    fs::write(out.join("old.jsonl"), "{\"run\":0}\n").unwrap();
    let said = report();
    assert!(said.contains("old.jsonl") && said.contains("no checksum"), "{said}");
}

/// Wherever a line is cut off while it is written, the runs before it are kept; what follows a whole line without an end is no line that was cut off.
#[test]
fn a_line_of_a_sweep_may_be_cut_off_anywhere() {
    let (data, out) = (regression(), tempdir().unwrap());
    sweep_of_adam(2, 1, data.path(), out.path());
    let file = out.path().join("regression-adam.jsonl");
    let whole = fs::read(&file).unwrap();
    let first = 1 + whole.iter().position(|&byte| byte == b'\n').unwrap();
    for end in first..whole.len() - 1 {
        fs::write(&file, &whole[..end]).unwrap();
        assert_eq!(sweep::read(&file).unwrap().len(), 1, "cut off after {end} of {} bytes", whole.len());
    }
    for other in [&b""[..], b" ", b"5", b"\0", b"}"] {
        fs::write(&file, [&whole[..whole.len() - 1], other].concat()).unwrap();
        assert!(sweep::read(&file).is_err(), "{other:?}");
    }
}
