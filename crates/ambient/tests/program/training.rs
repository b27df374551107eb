//! Training as its users meet it: results, resumption to the bit, and what is refused.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ambient_studies::files::checksum::LINE;
use ambient_studies::files::lock::{Lock, Purpose};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

fn ambient(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ambient")).args(arguments).output().unwrap()
}

fn started(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ambient"));
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn succeeded(arguments: &[&str]) -> String {
    let output = ambient(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the program on input that it has to refuse, and returns the one line that it says.
fn refused(arguments: &[&str]) -> String {
    let output = ambient(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

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

/// An IDX file of bytes.
fn idx(axes: &[usize], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, u8::try_from(axes.len()).unwrap()];
    file.extend(axes.iter().flat_map(|&extent| u32::try_from(extent).unwrap().to_be_bytes()));
    file.extend(bytes);
    file
}

/// Digits of 3 × 3 pixels, of which the one of the label is bright; training files are compressed.
fn mnist() -> TempDir {
    let folder = tempdir().unwrap();
    for (part, count) in [("train", 64_usize), ("t10k", 20)] {
        let labels: Vec<u8> = (0..count).map(|index| u8::try_from(index * 7 % 9).unwrap()).collect();
        let pixels: Vec<u8> =
            labels.iter().flat_map(|&label| (0..9).map(move |pixel| if pixel == label { 250 } else { 5 })).collect();
        let files =
            [("images-idx3-ubyte", idx(&[count, 3, 3], &pixels)), ("labels-idx1-ubyte", idx(&[count], &labels))];
        for (name, bytes) in files {
            if part == "train" {
                let file = fs::File::create(folder.path().join(format!("{part}-{name}.gz"))).unwrap();
                let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
                packed.write_all(&bytes).unwrap();
                packed.finish().unwrap();
            } else {
                fs::write(folder.path().join(format!("{part}-{name}")), bytes).unwrap();
            }
        }
    }
    folder
}

/// A few photographs of one colour for every class.
fn cifar10() -> TempDir {
    let folder = tempdir().unwrap();
    for (name, count) in [("data_batch_1.bin", 8_u8), ("test_batch.bin", 4)] {
        let image = |index: u8| {
            let label = index % 10;
            core::iter::once(label)
                .chain((0..3072_u16).map(move |pixel| label * 20 + u8::try_from(pixel / 1024).unwrap()))
        };
        fs::write(folder.path().join(name), (0..count).flat_map(image).collect::<Vec<u8>>()).unwrap();
    }
    folder
}

fn result(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("result.json")).unwrap()).unwrap()
}

/// The arguments of a short regression.
fn short<'a>(optimiser: &'a str, data: &'a Path, out: &'a Path) -> Vec<&'a str> {
    let arguments = ["train", "regression", "--optimiser", optimiser, "--batch", "20", "--epochs", "6", "--seed", "3"];
    [&arguments[..], &["--data", text(data), "--out", text(out)]].concat()
}

#[test]
fn every_published_optimiser_trains_and_leaves_its_files() {
    let (data, out) = (regression(), tempdir().unwrap());
    for optimiser in ["adam", "adamw", "euclidean", "euclidean_log", "rmsprop"] {
        let out = out.path().join(optimiser);
        let said = succeeded(&short(optimiser, data.path(), &out));
        assert!(said.contains("1249 parameters, 24 updates"), "{said}");
        let result = result(&out);
        let epochs = result["scores"].as_array().unwrap();
        assert_eq!((epochs.len(), result["updates"].as_u64()), (6, Some(24)));
        let scores: Vec<f64> = epochs.iter().map(|epoch| epoch["test"].as_f64().unwrap()).collect();
        assert_eq!(result["best"].as_f64(), scores.iter().copied().reduce(f64::min));
        assert!(scores[5] < scores[0], "{scores:?}");
        assert_eq!(fs::read_to_string(out.join("updates.csv")).unwrap().lines().count(), 25);
        let picture = fs::read_to_string(out.join("curves.svg")).unwrap();
        assert!(picture.contains("damping r") && picture.contains("effective learning rate"));
    }
}

#[test]
fn digits_are_learnt_from_files_with_and_without_compression() {
    let (data, out) = (mnist(), tempdir().unwrap());
    let out = out.path().join("run");
    let arguments =
        ["train", "mnist", "--optimiser", "rmsprop", "--batch", "10", "--epochs", "15", "--validation", "20"];
    let said = succeeded(&[&arguments[..], &["--data", text(data.path()), "--out", text(&out)]].concat());
    assert!(said.contains("held out"), "{said}");
    let result = result(&out);
    // 44 examples are left, in batches of 10; of 20 for the test all.
    assert_eq!(result["updates"], 15 * 4);
    assert_eq!(result["best"], 1.0);
    assert!(result["honest"].is_number());
}

#[test]
fn photographs_go_through_the_network_of_the_paper() {
    let (data, out) = (cifar10(), tempdir().unwrap());
    let arguments = ["train", "cifar10", "--optimiser", "adamw", "--batch", "4", "--epochs", "1"];
    let out = out.path().join("run");
    let said = succeeded(&[&arguments[..], &["--data", text(data.path()), "--out", text(&out)]].concat());
    assert!(said.contains("11178762 parameters, 2 updates"), "{said}");
}

#[test]
fn text_goes_through_the_network_of_the_paper() {
    let (data, out) = (tempdir().unwrap(), tempdir().unwrap());
    // 65 characters, as in the text of the paper.
    let alphabet: Vec<char> = (32..97_u8).map(char::from).collect();
    let input: String = (0..6000).map(|index| alphabet[(7 * index + index / 65) % 65]).collect();
    fs::write(data.path().join("input.txt"), input).unwrap();
    let out = out.path().join("run");
    let arguments = ["train", "shakespeare", "--optimiser", "rmsprop", "--batch", "1", "--epochs", "1"];
    let said = succeeded(&[&arguments[..], &["--data", text(data.path()), "--out", text(&out)]].concat());
    assert!(said.contains("842817 parameters, 15 updates"), "{said}");
    let other = out.with_file_name("other");
    let few = ["--validation", "256", "--data", text(data.path()), "--out", text(&other)];
    assert!(refused(&[&arguments[..], &few].concat()).contains("--validation"));
}

/// Until a checkpoint holds an update at least.
fn wait_for(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{} does not come", path.display());
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_run_that_is_killed_and_resumed_has_the_bits_of_one_that_was_not() {
    let (data, folder) = (regression(), tempdir().unwrap());
    let whole = folder.path().join("whole");
    succeeded(&short("rmsprop", data.path(), &whole));
    for (index, pause) in [0_u64, 7, 23, 60].into_iter().enumerate() {
        let out = folder.path().join(index.to_string());
        let arguments = [short("rmsprop", data.path(), &out), vec!["--save-every", "0"]].concat();
        let mut child = started(&arguments);
        wait_for(&out.join("checkpoint.bpk"));
        sleep(Duration::from_millis(pause));
        child.kill().unwrap();
        child.wait().unwrap();
        // Killed while it wrote.
        let part = out.join("checkpoint.bpk.1.part");
        fs::write(&part, "cut o").unwrap();
        // A run knows its data; one that had ended is found to have ended.
        let resume = ["train", "regression", "--out", text(&out), "--resume"];
        succeeded(&resume);
        assert!(!part.exists());
        assert_eq!(result(&out)["fingerprint"], result(&whole)["fingerprint"]);
        assert_eq!(result(&out)["scores"], result(&whole)["scores"]);
        assert_eq!(fs::read(out.join("updates.csv")).unwrap(), fs::read(whole.join("updates.csv")).unwrap());
    }
}

#[test]
#[cfg(unix)]
fn an_interrupt_saves_first_and_says_how_to_go_on() {
    let (data, folder) = (regression(), tempdir().unwrap());
    let out = folder.path().join("run");
    let mut arguments = short("adamw", data.path(), &out);
    arguments.iter_mut().filter(|argument| **argument == "6").for_each(|epochs| *epochs = "100000");
    let child = started(&arguments);
    wait_for(&out.join("updates.csv"));
    sleep(Duration::from_millis(300));
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    // Without a terminal every epoch is a line.
    let lines = said.lines().filter(|line| !line.starts_with("epoch ")).count();
    assert!(said.contains("--resume") && lines == 1, "{said}");
    assert!(out.join("checkpoint.bpk").is_file());
}

#[test]
fn what_cannot_be_run_is_refused_in_one_line() {
    let (data, folder) = (regression(), tempdir().unwrap());
    let out = folder.path().join("run");
    let with = |extra: &[&'static str]| refused(&[&short("rmsprop", data.path(), &out)[..], extra].concat());
    assert!(refused(&short("leo", data.path(), &out)).contains("`leo` is no rule"));
    assert!(refused(&short("sgd", data.path(), &out)).contains("learning_rate"));
    assert!(refused(&short("sgd", data.path(), &out)).contains("--set momentum="));
    assert!(refused(&short("induced(foo, log)", data.path(), &out)).contains("metric"));
    for untrainable in ["induced(euclidean, log, log) + ema", "induced(euclidean, log, given) + ema", "shampoo"] {
        assert!(refused(&short(untrainable, data.path(), &out)).contains("is not for training"), "{untrainable}");
    }
    assert!(with(&["--set", "xi"]).contains("--set"));
    assert!(with(&["--set", "b1=0.9"]).contains("`b1`"));
    assert!(with(&["--set", "momentum=1.5"]).contains("momentum"));
    assert!(with(&["--set", "learning_rate=-1"]).contains("learning_rate"));
    assert!(with(&["--validation", "70"]).contains("--validation"));
    assert!(with(&["--device", "cuda"]).contains("train_cuda"));
    assert!(refused(&["train", "mnist", "--optimiser", "adam"]).contains("--data"));
    assert!(refused(&["train", "regression", "--out", text(&out), "--resume"]).contains("none was saved"));
    let elsewhere = folder.path().join("file");
    fs::write(&elsewhere, "").unwrap();
    assert!(refused(&short("rmsprop", data.path(), &elsewhere.join("run"))).contains("cannot write"));
    // Nothing is left of a run that could not begin.
    assert!(!out.exists());
}

#[test]
fn a_run_that_diverges_says_so_and_keeps_its_files() {
    let (data, folder) = (regression(), tempdir().unwrap());
    let out = folder.path().join("run");
    let said = refused(&[&short("adam", data.path(), &out)[..], &["--set", "learning_rate=1e30"]].concat());
    assert!(said.contains("diverged"), "{said}");
    assert!(result(&out)["diverged"].is_string());
}

#[test]
fn a_folder_with_a_run_is_not_overwritten_and_a_damaged_checkpoint_is_noticed() {
    let (data, folder) = (regression(), tempdir().unwrap());
    let out = folder.path().join("run");
    succeeded(&short("rmsprop", data.path(), &out));
    assert!(refused(&short("rmsprop", data.path(), &out)).contains("--resume"));
    let resume = ["train", "regression", "--data", text(data.path()), "--out", text(&out), "--resume"];
    let other = ["train", "mnist", "--data", text(data.path()), "--out", text(&out), "--resume"];
    assert!(refused(&other).contains("regression"));
    let checkpoint = out.join("checkpoint.bpk");
    let bytes = fs::read(&checkpoint).unwrap();
    for length in [0, 3, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&checkpoint, &bytes[..length]).unwrap();
        let said = refused(&resume);
        assert!(said.contains("checkpoint") || said.contains("record"), "{length}: {said}");
    }
    fs::write(&checkpoint, &bytes).unwrap();
    succeeded(&resume);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_ends_the_run_with_one_line() {
    let (data, folder) = (regression(), tempdir().unwrap());
    std::os::unix::fs::symlink("/dev/full", folder.path().join("updates.csv")).unwrap();
    let said = refused(&short("rmsprop", data.path(), folder.path()));
    assert!(said.contains("updates.csv"), "{said}");
    assert!(!folder.path().join("checkpoint.bpk").exists());
}

/// What is said of a data file after `change`.
fn complaint(folder: &TempDir, task: &str, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let path: PathBuf = folder.path().join(file);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
    let out = tempdir().unwrap();
    let arguments = ["train", task, "--optimiser", "rmsprop", "--batch", "2", "--epochs", "1"];
    let said =
        refused(&[&arguments[..], &["--data", text(folder.path()), "--out", text(&out.path().join("run"))]].concat());
    assert!(said.contains(file), "{said} does not name {file}");
    said
}

#[test]
fn damaged_data_is_refused_with_the_file_and_the_reason() {
    assert!(complaint(&mnist(), "mnist", "t10k-images-idx3-ubyte", |b| b[3] = 1).contains("0x00000803"));
    assert!(complaint(&mnist(), "mnist", "t10k-images-idx3-ubyte", |b| b.truncate(60)).contains("cut short"));
    assert!(complaint(&mnist(), "mnist", "t10k-images-idx3-ubyte", |b| b.truncate(6)).contains("header"));
    assert!(complaint(&mnist(), "mnist", "t10k-labels-idx1-ubyte", |b| b[9] = 10).contains("10 classes"));
    assert!(
        complaint(&mnist(), "mnist", "t10k-labels-idx1-ubyte", |b| {
            b[7] = 19;
            b.pop();
        })
        .contains("19 labels")
    );
    assert!(
        complaint(&mnist(), "mnist", "train-images-idx3-ubyte.gz", |b| b.truncate(b.len() / 2)).contains("unpacked")
    );
    assert!(complaint(&cifar10(), "cifar10", "data_batch_1.bin", |b| b.truncate(5000)).contains("cut short"));
    assert!(complaint(&cifar10(), "cifar10", "test_batch.bin", |b| b[0] = 11).contains("10 classes"));
    assert!(complaint(&regression(), "regression", "polynomial_xy.f32le", |b| b.truncate(401)).contains("cut short"));
    let nan = f32::NAN.to_le_bytes();
    assert!(
        complaint(&regression(), "regression", "polynomial_xy.f32le", |b| b[4..8].copy_from_slice(&nan))
            .contains("finite")
    );
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("input.txt"), "short").unwrap();
    assert!(complaint(&folder, "shakespeare", "input.txt", |_| ()).contains("characters"));
    assert!(complaint(&folder, "shakespeare", "input.txt", |b| b[0] = 0xff).contains("no text"));
}

/// The lines of a sweep.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Without what differs from one time to the next, in the order of the runs.
fn timeless(mut runs: Vec<Value>) -> Vec<Value> {
    for run in &mut runs {
        run["seconds"] = Value::Null;
        // Right in each, as it was read back, and of the seconds too.
        run["crc32"] = Value::Null;
    }
    runs.sort_by_key(|run| run["run"].as_u64());
    runs
}

#[test]
fn a_sweep_comes_out_the_same_on_any_number_of_threads_and_after_it_was_cut_off() {
    let (data, folder) = (regression(), tempdir().unwrap());
    let sweep = |out: &Path, threads: &str| {
        let arguments =
            ["sweep", "regression", "--optimisers", "rmsprop,muon", "--runs", "18", "--epochs", "3", "--batch", "40"];
        let more = ["--stop-early", "--data", text(data.path()), "--out", text(out), "--threads", threads];
        succeeded(&[&arguments[..], &more].concat())
    };
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    let said = sweep(&one, "1");
    assert!(said.contains("rmsprop: 18 runs") && said.contains("muon: 18 runs"), "{said}");
    let file = |out: &Path| out.join("regression-rmsprop.jsonl");
    let runs = timeless(lines(&file(&one)));
    assert_eq!(runs.len(), 18);
    let rates = runs.iter().map(|run| run["hyperparameters"]["learning_rate"].as_f64().unwrap());
    assert!(rates.clone().all(|rate| (1e-5..=1.0).contains(&rate)));

    // Another number of threads, and a file that ends within a line.
    fs::create_dir(&other).unwrap();
    let whole = fs::read_to_string(file(&one)).unwrap();
    let cut: String = whole.split_inclusive('\n').take(5).collect::<String>() + &whole[..40];
    fs::write(file(&other), cut).unwrap();
    sweep(&other, "2");
    assert_eq!(timeless(lines(&file(&other))), runs);

    // A key that nothing knows is no part of a run, wherever it stands.
    let wrong = folder.path().join("wrong");
    fs::create_dir(&wrong).unwrap();
    for (known, unknown) in [("\"best_epoch\"", "\"more\":1,\"best_epoch\""), ("\"momentum\"", "\"momentm\"")] {
        let (first, rest) = whole.split_once('\n').unwrap();
        let edited = LINE.open(first).unwrap().replacen(known, unknown, 1);
        let text = LINE.seal(&edited) + "\n" + rest;
        assert_ne!(text, whole);
        fs::write(file(&wrong), text).unwrap();
        let said = refused(&["report", wrong.to_str().unwrap(), "--best", "5"]);
        assert!(
            said.contains("unknown field `more`") || said.contains("the nearest known one is `momentum`"),
            "{said}"
        );
    }

    // Another seed is another sweep, and is not mixed with this one.
    let arguments = [
        "sweep",
        "regression",
        "--optimisers",
        "rmsprop",
        "--runs",
        "18",
        "--epochs",
        "3",
        "--batch",
        "40",
        "--seed",
        "1",
    ];
    let said = refused(&[&arguments[..], &["--data", text(data.path()), "--out", text(&one)]].concat());
    assert!(said.contains("--out"), "{said}");

    let said = succeeded(&["report", text(&one), "--best", "5"]);
    assert!(said.contains("SGD_RMS") && said.contains("0.03590 ± 0.00577") && said.contains("MUON"), "{said}");
    for file in ["report.md", "report.html", "regression-curves.svg", "regression-epochs.svg"] {
        assert!(fs::metadata(one.join(file)).unwrap().len() > 500, "{file}");
    }
}

#[test]
fn runs_over_seeds_are_reported_with_an_interval() {
    let (data, folder) = (regression(), tempdir().unwrap());
    for seed in ["0", "1", "2"] {
        let out = folder.path().join(seed);
        let arguments =
            ["train", "regression", "--optimiser", "adamw", "--epochs", "3", "--batch", "20", "--validation", "20"];
        let more = ["--seed", seed, "--data", text(data.path()), "--out", text(&out)];
        succeeded(&[&arguments[..], &more].concat());
    }
    let said = succeeded(&["report", text(folder.path())]);
    assert!(said.contains("| adamw | 3 | 20 |") && said.contains(" ± "), "{said}");
    // A run that is there twice counts once.
    let again = folder.path().join("again");
    fs::create_dir(&again).unwrap();
    fs::copy(folder.path().join("0").join("result.json"), again.join("result.json")).unwrap();
    assert_eq!(succeeded(&["report", text(folder.path())]), said);
    let empty = tempdir().unwrap();
    assert!(refused(&["report", text(empty.path())]).contains("neither"));
}

/// Where examples are held out, runs and epochs are chosen by the score on those.
#[test]
fn a_sweep_with_examples_held_out_does_not_choose_by_the_test_set() {
    let (data, out) = (regression(), tempdir().unwrap());
    let arguments = ["sweep", "regression", "--optimisers", "adam", "--runs", "8", "--epochs", "4", "--batch", "20"];
    let more = ["--validation", "20", "--threads", "1", "--data", text(data.path()), "--out", text(out.path())];
    let said = succeeded(&[&arguments[..], &more].concat());
    let runs = lines(&out.path().join("regression-adam.jsonl"));
    let scores = runs.iter().flat_map(|run| run["scores"].as_array().unwrap());
    let held = |epoch: &&Value| epoch["validation"].as_f64().unwrap();
    let best = scores.min_by(|a, b| held(a).total_cmp(&held(b))).unwrap();
    let test = format!("{:.5}", best["test"].as_f64().unwrap());
    assert!(said.contains(&format!("adam: 8 runs, best test MSE {test}")), "{said}");
    let report = succeeded(&["report", text(out.path())]);
    assert!(report.contains(&format!("| {test} (epoch {}) |", best["epoch"])), "{report}");
    assert!(report.contains("held out"), "{report}");
}

#[test]
fn the_program_refuses_damaged_files_by_name() {
    let (data, folder) = (regression(), tempdir().unwrap());
    let out = folder.path().join("run");
    succeeded(&short("adam", data.path(), &out));
    let resume = ["train", "regression", "--out", text(&out), "--resume"];
    for (file, arguments) in
        [("checkpoint.bpk", &resume[..]), ("updates.csv", &resume), ("result.json", &["report", text(&out)])]
    {
        let path = out.join(file);
        let whole = fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 16;
        fs::write(&path, &damaged).unwrap();
        let said = refused(arguments);
        assert!(said.contains(file) && said.contains("damaged"), "{said}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "what is refused is left as it is");
        fs::write(&path, whole).unwrap();
        succeeded(arguments);
    }
}

/// A run that is at work until it is killed.
struct AtWork(Child);

impl AtWork {
    fn until_there(arguments: &[&str], path: &Path) -> Self {
        let child = Self(started(arguments));
        wait_for(path);
        child
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        // Where an assertion has failed.
        let _ = self.0.kill();
    }
}

/// That a folder is refused, with who has it.
fn is_busy(arguments: &[&str], holder: &AtWork, command: &str) {
    let said = refused(arguments);
    let who = format!("is in use by process {} (`", holder.0.id());
    assert!(said.contains(&who) && said.contains(command) && said.contains("`) since 2"), "{said}");
}

#[test]
fn a_second_run_in_a_folder_is_refused_until_the_first_is_dead() {
    let (data, folder) = (regression(), tempdir().unwrap());
    let out = folder.path().join("run");
    let mut endless = short("adamw", data.path(), &out);
    endless.iter_mut().filter(|argument| **argument == "6").for_each(|epochs| *epochs = "1000000");
    let resume = ["train", "regression", "--out", text(&out), "--resume"];

    // Before its first checkpoint.
    let first = AtWork::until_there(&endless, &out.join("updates.csv"));
    is_busy(&short("rmsprop", data.path(), &out), &first, "train regression --optimiser adamw");
    let sweep = ["sweep", "regression", "--optimisers", "adam", "--runs", "1", "--epochs", "1", "--batch", "40"];
    let sweep = [&sweep[..], &["--data", text(data.path()), "--out", text(&out)]].concat();
    is_busy(&sweep, &first, "train regression --optimiser adamw");
    first.kill();

    // With checkpoints: nobody goes on while it does.
    let first = AtWork::until_there(&[&endless[..], &["--save-every", "0"]].concat(), &out.join("checkpoint.bpk"));
    is_busy(&resume, &first, "--save-every 0");
    is_busy(&short("rmsprop", data.path(), &out), &first, "--save-every 0");
    first.kill();
    let resumed = AtWork(started(&resume));
    // It has the folder as soon as it has begun, and says so. Whoever asked by taking the folder would refuse it to the run.
    let (begun, process) = (Instant::now(), format!("\"process\":{},", resumed.0.id()));
    while !fs::read_to_string(out.join("ambient.lock")).is_ok_and(|holder| holder.contains(&process)) {
        assert!(begun.elapsed() < Duration::from_secs(120), "the run is not taken up again");
        sleep(Duration::from_millis(20));
    }
    is_busy(&resume, &resumed, "--resume");
    resumed.kill();
    drop(Lock::take(&out, Purpose::Work).unwrap());
}

#[test]
fn a_second_sweep_in_a_folder_is_refused_until_the_first_is_dead() {
    let (data, out) = (regression(), tempdir().unwrap());
    let sweep = |runs: &'static str, epochs: &'static str| {
        let arguments = ["sweep", "regression", "--optimisers", "adam", "--runs", runs, "--epochs", epochs];
        let more = ["--batch", "40", "--data", text(data.path()), "--out", text(out.path())];
        [&arguments[..], &more].concat()
    };
    let first = AtWork::until_there(&sweep("4", "1000000"), &out.path().join("regression-adam.jsonl"));
    is_busy(&sweep("4", "1"), &first, "sweep regression");
    first.kill();
    succeeded(&sweep("4", "1"));
}

#[test]
fn a_second_report_in_a_folder_is_refused_and_one_of_a_sweep_that_goes_on_is_not() {
    let (data, out) = (regression(), tempdir().unwrap());
    let arguments = ["sweep", "regression", "--optimisers", "adam", "--runs", "2", "--epochs", "1", "--batch", "40"];
    succeeded(&[&arguments[..], &["--data", text(data.path()), "--out", text(out.path())]].concat());
    let other = Lock::take(out.path(), Purpose::Report).unwrap();
    let said = refused(&["report", text(out.path())]);
    assert!(said.contains(&format!("in use by process {}", std::process::id())), "{said}");
    assert!(!out.path().join("report.md").exists());
    drop(other);
    let _sweep = Lock::take(out.path(), Purpose::Work).unwrap();
    succeeded(&["report", text(out.path())]);
}
