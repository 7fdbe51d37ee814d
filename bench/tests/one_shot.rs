//! Omniglot's one-shot tasks: made for the purpose, whole and broken, and the published ones where they are at hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs::File;
use std::io::{Cursor, Write};
use std::path::Path;

use image::{GrayImage, ImageFormat, Luma};
use metric_bench::data::{ImageSet, LoadOptions, OneShotTasks};
use metric_bench::run::{Examples, OneShotScore};
use ndarray::Array2;
use tempfile::tempdir;

fn offline(folder: &Path) -> LoadOptions {
    LoadOptions {
        data_dir: Some(folder.into()),
        download: false,
        ..LoadOptions::default()
    }
}

/// Zips tasks of two characters; each has a name and the lines of its list. A drawing's shade is the last digit of its name.
fn zip_tasks(path: &Path, tasks: &[(&str, &str)]) {
    const DRAWINGS: [(&str, u8); 4] = [
        ("test/item01", 1),
        ("test/item02", 2),
        ("training/class01", 1),
        ("training/class02", 2),
    ];
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    for (task, list) in tasks {
        for (name, shade) in DRAWINGS {
            let mut png = Cursor::new(Vec::new());
            let image = GrayImage::from_pixel(105, 105, Luma([shade]));
            image.write_to(&mut png, ImageFormat::Png).unwrap();
            zip.start_file(format!("{task}/{name}.png"), options)
                .unwrap();
            zip.write_all(png.get_ref()).unwrap();
        }
        zip.start_file(format!("{task}/class_labels.txt"), options)
            .unwrap();
        zip.write_all(list.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
}

fn pixels(set: &ImageSet) -> Array2<f32> {
    Examples::Images(set.clone()).all_rows()
}

#[test]
fn tasks_say_which_drawing_is_of_which_character() {
    let folder = tempdir().unwrap();
    let crossed = "run01/test/item01.png run01/training/class02.png\r\n\
        run01/test/item02.png run01/training/class01.png\r\n";
    let straight = "run02/test/item01.png run02/training/class01.png\n\
        run02/test/item02.png run02/training/class02.png\n";
    let path = folder.path().join("all_runs.zip");
    zip_tasks(&path, &[("run02", straight), ("run01", crossed)]);
    let tasks = OneShotTasks::load(&offline(folder.path())).unwrap();
    assert_eq!((tasks.len(), tasks.is_empty()), (2, false));
    assert_eq!(tasks.seen.labels(), [0, 1, 2, 3]);
    assert_eq!(tasks.asked.labels(), [1, 0, 2, 3]);
    assert_eq!([0, 1, 2, 3].map(|class| tasks.task(class)), [0, 0, 1, 1]);
    assert_eq!(tasks.seen.class_names()[3], "run02/training/class02.png");
    assert_eq!(tasks.asked.ids()[0], "run01/test/item01.png");
    assert_eq!(tasks.seen.image(1)[0], 255 - 2);
    // A drawing is taken for that of its own shade: both are wrong in the first task.
    let (seen, asked) = (pixels(&tasks.seen), pixels(&tasks.asked));
    let score = |asked: &Array2<f32>| OneShotScore::of("pixels", &tasks, seen.view(), asked.view());
    let found = score(&asked).unwrap();
    assert_eq!((found.error, found.asked, found.tasks), (0.5, 4, 2));
    let refused = score(&asked.mapv(|_| f32::NAN)).unwrap_err().to_string();
    assert!(refused.contains("pixels"), "{refused}");
}

#[test]
fn broken_tasks_are_named() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("all_runs.zip");
    let assert_says = |what: &str| {
        let fault = OneShotTasks::load(&offline(folder.path())).unwrap_err();
        assert!(fault.to_string().contains(what), "{fault}");
    };
    assert_says("no all_runs.zip of omniglot");
    zip_tasks(&path, &[("run01", "run01/test/item01.png\n")]);
    assert_says("run01/class_labels.txt: not lines of two file names: got `run01/test/item01.png`");
    let unknown = "run01/test/item01.png run01/training/class09.png\n";
    zip_tasks(&path, &[("run01", unknown)]);
    assert_says("run01/training/class09.png: not a readable zip archive");
    zip_tasks(&path, &[]);
    assert_says("all_runs.zip");
}

#[test]
fn the_published_tasks_are_whole() {
    let Some(folder) = common::public("omniglot/all_runs.zip") else {
        return;
    };
    let tasks = OneShotTasks::load(&offline(&folder)).unwrap();
    let counts = (tasks.len(), tasks.seen.len(), tasks.asked.len());
    assert_eq!(counts, (20, 400, 400));
    let (seen, asked) = (pixels(&tasks.seen), pixels(&tasks.asked));
    let raw = OneShotScore::of("raw pixels", &tasks, seen.view(), asked.view()).unwrap();
    // Chance errs in 0.95.
    assert!((0.3..0.9).contains(&raw.error), "{raw:?}");
}
