//! Encoders and weights as a user of the program `metric` has them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use image::{Rgb, RgbImage};
use metric_bench::run::{FinishedRun, PretrainConfig, RunConfig};
use tempfile::TempDir;

use crate::files;

fn metric(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metric"));
    command.env_remove("METRIC_DATA_DIR").stdin(Stdio::null());
    command.args(words);
    command
}

/// What was printed on standard output and on standard error.
fn succeed(command: &mut Command) -> (String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the program starts");
    let [out, errors] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(status.success(), "{command:?}: {errors}");
    (out, errors)
}

/// The error that a refusal prints.
fn refuse(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{command:?}: {errors}");
    errors
}

/// Two classes of 20 pictures of 8 x 8 pixels, red ones and green ones.
fn pictures(dir: &Path) -> PathBuf {
    let folder = dir.join("pictures");
    for (class, name) in ["red", "green"].iter().enumerate() {
        fs::create_dir_all(folder.join(name)).unwrap();
        for i in 0..20u32 {
            let picture = RgbImage::from_fn(8, 8, |x, y| {
                let mut colour = [(17 * x + 3 * i) as u8, (11 * y + 5 * i) as u8, 40];
                colour[class] = 220;
                Rgb(colour)
            });
            let path = folder.join(name).join(format!("{i:02}.png"));
            picture.save(path).unwrap();
        }
    }
    folder
}

fn train(data: &Path, out: &Path) -> Command {
    let mut command = metric(&["train", "--steps", "1", "--size", "8", "--no-baseline"]);
    command.args(["--classes-per-batch", "2", "--examples-per-class", "2"]);
    command.args(["--embedding-dim", "8"]);
    command.arg("--data").arg(data).arg("--out").arg(out);
    command
}

fn pretrain(data: &Path, out: &Path) -> Command {
    let mut command = metric(&["pretrain", "--steps", "1", "--size", "8", "--batch", "4"]);
    command.args(["--method", "simclr", "--head-hidden", "16"]);
    command.arg("--data").arg(data).arg("--out").arg(out);
    command
}

#[test]
fn a_residual_network_is_trained_written_learned_on_from_and_judged() {
    let dir = TempDir::new().unwrap();
    let data = pictures(dir.path());
    let [first, second, third, weights, npy] =
        ["first", "second", "third", "weights.safetensors", "x.npy"]
            .map(|name| dir.path().join(name));
    succeed(train(&data, &first).args(["--encoder", "resnet-18"]));
    succeed(metric(&["evaluate"]).arg(&first));
    let mut embed = metric(&["embed"]);
    embed.arg(&first).arg("--out").arg(&npy);
    let (printed, _) = succeed(embed.arg("--weights-out").arg(&weights));
    assert!(printed.contains("x.npy") && printed.contains("weights.safetensors"));
    let dict = files::read_safetensors(&weights);
    assert_eq!(dict["fc.weight"].shape, [8, 512]);
    let names = |dict: &files::Dict| dict.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&dict), names(&files::resnet(false, 3, 3, 8)));

    let mut command = pretrain(&data, &second);
    command.args(["--encoder", "resnet-18"]);
    let (_, said) = succeed(command.arg("--weights").arg(&weights));
    // Its last layer has 128 outputs.
    let note = "100 tensors of weights loaded; the last layer begins fresh";
    assert!(said.contains(note), "{said}");
    succeed(metric(&["evaluate", "--probe", "linear"]).arg(&second));

    succeed(train(&data, &third).arg("--init").arg(&second));
    let config = fs::read_to_string(third.join("config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["encoder"], "resnet-18");
    succeed(metric(&["evaluate"]).arg(&third));
    FinishedRun::open(&third).unwrap();
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let data = pictures(dir.path());
    let [out, weights, npy, table] =
        ["out", "18.safetensors", "x.npy", "x.csv"].map(|name| dir.path().join(name));
    files::write_safetensors(&weights, &files::resnet(false, 7, 3, 8));
    let with_weights = |mut command: Command| {
        command.args(["--encoder", "resnet-18"]);
        refuse(command.arg("--weights").arg(&weights))
    };
    for error in [
        with_weights(train(&data, &out)),
        with_weights(pretrain(&data, &out)),
    ] {
        assert!(error.contains("18.safetensors: conv1.weight"), "{error}");
        assert!(!out.exists());
    }
    let out = dir.path().join("features");
    let rows = ndarray::Array2::from_shape_fn((12, 3), |(i, j)| (i * j) as f32);
    metric_bench::data::write_npy(&npy, rows.view()).unwrap();
    let labels: String = (0..12).map(|i| format!("{}\n", i % 2)).collect();
    fs::write(&table, format!("label\n{labels}")).unwrap();
    let mut command = train(&npy, &out);
    command.args(["--encoder", "vit-s"]);
    let error = refuse(command.arg("--labels").arg(&table));
    assert!(error.contains("vit-s is for images"), "{error}");
    assert!(!out.exists());
}

#[test]
fn configurations_stored_before_there_was_a_choice_are_read() {
    let dir = TempDir::new().unwrap();
    let data = pictures(dir.path());
    let [labelled, unlabelled] = ["labelled", "unlabelled"].map(|name| dir.path().join(name));
    succeed(&mut train(&data, &labelled));
    succeed(&mut pretrain(&data, &unlabelled));
    let older = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
        let fields = config.as_object_mut().unwrap();
        for field in ["encoder", "weights"] {
            assert_eq!(fields.remove(field), Some(serde_json::Value::Null));
        }
        fs::write(path, config.to_string()).unwrap();
        config
    };
    let config: RunConfig = serde_json::from_value(older(labelled.join("config.json"))).unwrap();
    assert_eq!((config.encoder, config.weights), (None, None));
    let config = older(unlabelled.join("pretrain.json"));
    let config: PretrainConfig = serde_json::from_value(config).unwrap();
    assert_eq!((config.encoder, config.weights), (None, None));
    succeed(metric(&["evaluate"]).arg(&labelled));
    succeed(metric(&["evaluate"]).arg(&unlabelled));
}
