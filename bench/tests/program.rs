//! The program `metric` as a user runs it.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "tests: panics are failures, and some numbers are exact"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use tempfile::TempDir;

fn metric() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metric"));
    command.env_remove("METRIC_DATA_DIR").stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("the program starts")
}

/// Runs to success and returns what was printed.
fn succeed(command: &mut Command) -> String {
    let output = run(command);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs into exit status 2 with one line on standard error, and returns it.
fn refuse(command: &mut Command) -> String {
    let output = run(command);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{command:?}: {errors}");
    // What the data are may be said before.
    let mut lines = errors.lines().skip_while(|line| line.starts_with("seed "));
    let error = lines.next().unwrap_or_default().to_owned();
    assert!(error.starts_with("error: "), "{errors}");
    assert_eq!(lines.next(), None, "{command:?}: {errors}");
    error
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn metrics(dir: &Path) -> serde_json::Value {
    json(&fs::read_to_string(dir.join("metrics.json")).unwrap())["scores"].clone()
}

fn embeddings(dir: &Path) -> Vec<u8> {
    let file = dir.join("embeddings.npy");
    succeed(metric().arg("embed").arg(dir).arg("--out").arg(&file));
    fs::read(file).unwrap()
}

/// A short run on the embedded digits.
fn short(out: &Path) -> Command {
    let mut command = metric();
    command.args(["train", "--steps", "24", "--embedding-dim", "16"]);
    command.args(["--classes-per-batch", "5", "--examples-per-class", "4"]);
    command.arg("--out").arg(out);
    command
}

#[test]
fn a_run_leaves_scores_models_and_pictures_and_its_model_is_judged_and_used() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("run");
    let printed = succeed(short(&out).args(["--loss", "triplet", "--miner", "semi-hard"]));
    for row in ["raw pixels", "softmax features", "learned metric"] {
        assert!(printed.contains(row), "{printed}");
    }
    for file in [
        "config.json",
        "metrics.json",
        "model.bpk",
        "baseline.bpk",
        "map.png",
    ] {
        assert!(out.join(file).exists(), "{file}");
    }
    let gallery = image::open(out.join("gallery.png")).unwrap();
    assert!(gallery.width() > 300 && gallery.height() > 300);
    assert!(
        !out.join("checkpoint").exists(),
        "a finished run keeps no checkpoint"
    );

    let scores = json(&succeed(metric().arg("evaluate").arg(&out).arg("--json")));
    assert_eq!(
        scores[1]["map_at_r"],
        metrics(&out)[2]["map_at_r"],
        "judged again, the same"
    );

    // Embeddings and labels come back in as features.
    let npy = dir.path().join("features.npy");
    succeed(metric().arg("embed").arg(&out).arg("--out").arg(&npy));
    let again = dir.path().join("again");
    let labels = npy.with_extension("labels.csv");
    let mut command = metric();
    command
        .args(["train", "--steps", "5", "--no-baseline"])
        .arg("--data")
        .arg(&npy);
    let printed = succeed(
        command
            .arg("--labels")
            .arg(&labels)
            .arg("--out")
            .arg(&again),
    );
    assert!(printed.contains("given features"), "{printed}");

    let tensors = dir.path().join("embeddings.safetensors");
    succeed(
        metric()
            .arg("embed")
            .arg(&out)
            .args(["--part", "train"])
            .arg("--out")
            .arg(&tensors),
    );
    let bytes = fs::read(&tensors).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("embeddings").unwrap().shape(), [1258, 16]);
    assert_eq!(tensors.tensor("labels").unwrap().shape(), [1258]);

    let taken = refuse(&mut short(&out));
    assert!(taken.contains("already holds a run"), "{taken}");
}

#[test]
fn a_run_is_judged_by_characters_seen_once() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("run");
    let judge = |data: Option<&Path>| {
        let mut command = metric();
        command.arg("evaluate").arg(&out).arg("--one-shot");
        if let Some(data) = data {
            command.args(["--data", "omniglot", "--data-dir"]).arg(data);
        }
        command
    };
    succeed(short(&out).arg("--no-baseline"));
    let refused = refuse(&mut judge(None));
    assert!(refused.contains("--data omniglot"), "{refused}");
    let Some(data) = common::public("omniglot/all_runs.zip") else {
        return;
    };
    fs::remove_dir_all(&out).unwrap();
    let mut train = short(&out);
    train.args(["--no-baseline", "--data", "omniglot", "--data-dir"]);
    succeed(train.arg(&data));
    let scores = json(&succeed(judge(Some(&data)).arg("--json")));
    for (score, name) in [(&scores[0], "raw pixels"), (&scores[1], "learned metric")] {
        assert_eq!(
            (&score["asked"], &score["tasks"]),
            (&400.into(), &20.into())
        );
        assert_eq!(score["name"], name);
        // Chance errs in 0.95.
        assert!(
            (0.1..0.9).contains(&score["error"].as_f64().unwrap()),
            "{score}"
        );
    }
    let printed = succeed(&mut judge(Some(&data)));
    assert!(
        printed.contains("% wrong of 400 drawings in 20 tasks"),
        "{printed}"
    );
}

#[test]
fn every_loss_learns_something_in_a_few_steps() {
    let dir = TempDir::new().unwrap();
    for loss in [
        "softmax",
        "normalized-softmax",
        "contrastive",
        "triplet",
        "center",
        "arcface",
        "elastic-face",
        "proxy-anchor",
        "smooth-ap",
        "sup-con",
    ] {
        let out = dir.path().join(loss);
        succeed(short(&out).args(["--loss", loss, "--no-baseline"]));
        let scores = metrics(&out);
        let map = |at: usize| scores[at]["map_at_r"].as_f64().unwrap();
        assert_eq!(scores.as_array().unwrap().len(), 2);
        assert!(map(1) > map(0), "{loss}: {scores}");
    }
}

#[test]
fn seeds_repeat_and_the_same_seed_gives_the_same_bits() {
    let dir = TempDir::new().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let printed = succeed(short(&one).args(["--seeds", "2", "--no-baseline"]));
    assert!(printed.contains('±'), "{printed}");
    let second = metrics(&one.join("seed-2"));
    assert_ne!(metrics(&one.join("seed-1")), second);
    succeed(
        short(&two)
            .args(["--seed", "2", "--no-baseline"])
            .env("RAYON_NUM_THREADS", "5"),
    );
    assert_eq!(metrics(&two), second, "also with another number of threads");
}

/// Starts a run that saves after every step, and kills it once the checkpoint `name` is there.
fn kill_at(command: &mut Command, out: &Path, name: &str) {
    command
        .args(["--checkpoint-seconds", "0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    let awaited = out.join("checkpoint").join(name);
    let (phase, step) = name.split_once('-').unwrap();
    let reached = || {
        let Ok(entries) = fs::read_dir(out.join("checkpoint")) else {
            return false;
        };
        entries.flatten().any(|entry| {
            let found = entry.file_name().into_string().unwrap_or_default();
            found.split_once('-').is_some_and(|(p, s)| {
                p == phase && s.parse::<u64>().unwrap_or(0) >= step.parse().unwrap()
            })
        })
    };
    let started = Instant::now();
    while !reached() {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "{awaited:?} never came"
        );
        let ended = child.try_wait().unwrap();
        assert!(
            ended.is_none(),
            "the run ended before it was killed: {ended:?}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    // SIGKILL on Unix.
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_run_resumes_to_the_same_bits_as_one_never_interrupted() {
    let dir = TempDir::new().unwrap();
    // 1,258 examples, batches of 20: 62 batches an epoch, so every step is in mid-epoch.
    for (loss, miner) in [
        ("triplet", Some("random")),
        ("center", None),
        ("elastic-face", None),
    ] {
        let whole = dir.path().join(format!("{loss}-whole"));
        let killed = dir.path().join(format!("{loss}-killed"));
        let with_options = |out: &Path| {
            let mut command = short(out);
            command.args(["--loss", loss]);
            command.args(miner.iter().flat_map(|miner| ["--miner", miner]));
            command
        };
        succeed(&mut with_options(&whole));
        // Once while the baseline is in training, once while the metric is.
        kill_at(&mut with_options(&killed), &killed, "0-5");
        assert!(!killed.join("metrics.json").exists());
        kill_at(
            metric().args(["train", "--resume"]).arg(&killed),
            &killed,
            "1-11",
        );
        succeed(metric().args(["train", "--resume"]).arg(&killed));
        assert_eq!(metrics(&whole), metrics(&killed), "{loss}");
        assert_eq!(embeddings(&whole), embeddings(&killed), "{loss}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_a_checkpoint_that_resumes() {
    let dir = TempDir::new().unwrap();
    let (whole, stopped) = (dir.path().join("whole"), dir.path().join("stopped"));
    let long = |out: &Path| {
        let mut command = short(out);
        command.args(["--no-baseline"]);
        command
    };
    succeed(&mut long(&whole));
    let mut child = long(&stopped)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !stopped.join("plan.json").exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert_eq!(fs::read_dir(stopped.join("checkpoint")).unwrap().count(), 1);
    succeed(metric().args(["train", "--resume"]).arg(&stopped));
    assert_eq!(metrics(&whole), metrics(&stopped));
}

/// 60 pictures of three styles (stripes along, stripes across, a blot) by four brands (colours),
/// and their table.
fn wardrobe(dir: &Path) -> PathBuf {
    let styles = ["striped", "hooped", "spotted"];
    let brands = [
        ("Rossi", [200, 40, 40]),
        ("Vert", [40, 180, 60]),
        ("Bleu", [40, 70, 210]),
        ("Gris", [120, 120, 120]),
    ];
    let mut table = String::from("file,style,brand\n");
    fs::create_dir_all(dir.join("photos")).unwrap();
    for i in 0..60u32 {
        let (style, (brand, colour)) = (i as usize % 3, brands[i as usize / 3 % 4]);
        let shift = i / 12;
        let picture = RgbImage::from_fn(24, 24, |x, y| {
            let lit = match style {
                0 => (x + shift) / 3 % 2 == 0,
                1 => (y + shift) / 3 % 2 == 0,
                _ => (x as i32 - 12).pow(2) + (y as i32 - 12).pow(2) < 60 + 8 * shift as i32,
            };
            if lit {
                Rgb(colour)
            } else {
                Rgb(colour.map(|c: u8| c / 4 + (i % 7) as u8))
            }
        });
        let name = format!("photos/{i:02}.png");
        picture.save(dir.join(&name)).unwrap();
        table.push_str(&format!("{name},{},{brand}\n", styles[style]));
    }
    let path = dir.join("wardrobe.csv");
    fs::write(&path, table).unwrap();
    path
}

fn train_on(table: &Path, out: &Path) -> Command {
    let mut command = metric();
    command.args(["train", "--steps", "30", "--size", "16", "--no-baseline"]);
    command.arg("--data").arg(table).arg("--out").arg(out);
    command
}

#[test]
fn style_and_brand_are_different_spaces_of_the_same_pictures() {
    let dir = TempDir::new().unwrap();
    let table = wardrobe(dir.path());
    let mut spaces = BTreeMap::new();
    for label in ["style", "brand"] {
        let out = dir.path().join(label);
        let printed = succeed(train_on(&table, &out).args(["--label", label]));
        assert!(printed.contains("learned metric"), "{printed}");
        let scores = metrics(&out);
        let map = |at: usize| scores[at]["map_at_r"].as_f64().unwrap();
        assert!(map(1) > map(0).min(0.95), "{label}: {scores}");
        let config = json(&fs::read_to_string(out.join("config.json")).unwrap());
        assert_eq!(config["data"]["label"], label);
        spaces.insert(label, embeddings(&out));
    }
    assert_ne!(spaces["style"], spaces["brand"]);
}

#[test]
fn faults_of_a_table_are_one_line_and_leave_nothing() {
    let dir = TempDir::new().unwrap();
    let table = wardrobe(dir.path());
    let out = dir.path().join("run");
    let refused = |table: &Path, label: &str| {
        let error = refuse(train_on(table, &out).args(["--label", label]));
        assert!(!out.exists(), "nothing may be written: {error}");
        error
    };
    let error = refused(&table, "colour");
    assert!(
        error.contains("colour") && error.contains("style, brand"),
        "{error}"
    );

    let text = fs::read_to_string(&table).unwrap();
    let missing = dir.path().join("missing.csv");
    fs::write(
        &missing,
        text.replace("photos/07.png", "photos/nowhere.png"),
    )
    .unwrap();
    let error = refused(&missing, "style");
    assert!(
        error.contains("nowhere.png") && error.contains("missing.csv"),
        "{error}"
    );

    let one = dir.path().join("one.csv");
    fs::write(
        &one,
        text.replace("striped", "plain")
            .replace("hooped", "plain")
            .replace("spotted", "plain"),
    )
    .unwrap();
    let error = refused(&one, "style");
    assert!(error.contains("plain"), "{error}");

    let photo = dir.path().join("photos/11.png");
    let bytes = fs::read(&photo).unwrap();
    fs::write(&photo, &bytes[..bytes.len() / 2]).unwrap();
    let error = refused(&table, "style");
    assert!(error.contains("11.png"), "{error}");
}

#[test]
fn faults_of_options_and_folders_are_one_line() {
    let dir = TempDir::new().unwrap();
    let nowhere = dir.path().join("nowhere");
    let error = refuse(metric().args(["train", "--resume"]).arg(&nowhere));
    assert!(error.contains("no config.json"), "{error}");
    let error = refuse(metric().arg("evaluate").arg(&nowhere));
    assert!(error.contains("no config.json"), "{error}");
    let error = refuse(
        metric()
            .args(["train", "--data", "fashoin-mnist"])
            .arg("--out")
            .arg(&nowhere),
    );
    assert!(
        error.contains("fashoin-mnist") && error.contains("fashion-mnist"),
        "{error}"
    );
    let error = refuse(short(&nowhere).args(["--loss", "arcface", "--miner", "batch-hard"]));
    assert!(error.contains("--loss triplet"), "{error}");
    let error = refuse(short(&nowhere).args(["--learning-rate", "0"]));
    assert!(error.contains("--learning-rate"), "{error}");
    let mut eleven = metric();
    eleven.args(["train", "--steps", "1", "--classes-per-batch", "11"]);
    let error = refuse(eleven.arg("--out").arg(&nowhere));
    assert!(error.contains("11 classes"), "{error}");
    assert!(!nowhere.exists());
}

#[test]
fn a_damaged_checkpoint_is_named_and_does_not_crash() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("run");
    kill_at(&mut short(&out), &out, "0-3");
    let checkpoint = fs::read_dir(out.join("checkpoint"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let checkpoint = checkpoint
        .filter(|path| !path.ends_with("partial"))
        .max()
        .unwrap();
    let whole = fs::read(checkpoint.join("learner.bpk")).unwrap();
    fs::write(checkpoint.join("learner.bpk"), &whole[..whole.len() / 2]).unwrap();
    let error = refuse(metric().args(["train", "--resume"]).arg(&out));
    assert!(error.contains("learner.bpk"), "{error}");
    fs::write(checkpoint.join("learner.bpk"), whole).unwrap();
    fs::write(checkpoint.join("state.json"), "{").unwrap();
    let error = refuse(metric().args(["train", "--resume"]).arg(&out));
    assert!(error.contains("state.json"), "{error}");
}
