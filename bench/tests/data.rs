//! Data sets: files made for the purpose, whole and broken, and the public sets where they are at hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{GrayImage, Luma, Rgb, RgbImage};
use metric_bench::data::{
    DataError, ImageShape, LoadOptions, SplitKind, Splits, UnseenClasses, load, load_features,
    write_npy,
};
use ndarray::Array2;
use tempfile::{TempDir, tempdir};

fn offline(folder: &Path) -> LoadOptions {
    LoadOptions {
        data_dir: Some(folder.into()),
        download: false,
        ..LoadOptions::default()
    }
}

fn fault(name: &str, options: &LoadOptions) -> String {
    load(name, options).unwrap_err().to_string()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unseen(words: &str) -> Option<UnseenClasses> {
    Some(words.parse().unwrap())
}

// ---- digits ------------------------------------------------------------------------------------

#[test]
fn digits_come_with_the_program() {
    let Splits {
        train,
        test,
        kind,
        left_out,
    } = load("digits", &LoadOptions::default()).unwrap();
    assert_eq!(
        (train.len() + test.len(), left_out, kind),
        (1797, 0, SplitKind::HeldOutImages)
    );
    assert_eq!(
        train.shape(),
        ImageShape {
            channels: 1,
            height: 8,
            width: 8
        }
    );
    assert_eq!((train.classes(), test.classes()), (10, 10));
    assert!((530..=550).contains(&test.len()), "{}", test.len());
    assert_eq!(train.pixels().iter().max(), Some(&255));
    assert!(train.ids().iter().all(|id| !test.ids().contains(id)));
}

#[test]
fn digits_can_be_split_by_class() {
    let options = LoadOptions {
        unseen_classes: unseen("5-9"),
        ..LoadOptions::default()
    };
    let Splits {
        train, test, kind, ..
    } = load("digits", &options).unwrap();
    assert_eq!(
        (train.len(), test.len(), kind),
        (901, 896, SplitKind::UnseenClasses)
    );
    assert_eq!(train.class_names(), ["0", "1", "2", "3", "4"]);
    assert_eq!(test.class_names(), ["5", "6", "7", "8", "9"]);
    assert_eq!(test.labels().iter().max(), Some(&4));
}

#[test]
fn the_seed_alone_decides_what_is_held_out() {
    let ids = |seed| {
        let options = LoadOptions {
            seed,
            ..LoadOptions::default()
        };
        load("digits", &options).unwrap().test.ids().to_vec()
    };
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
}

// ---- names and places --------------------------------------------------------------------------

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let message = fault("cifar-1000", &LoadOptions::default());
    assert!(
        message.starts_with("unknown data set `cifar-1000`"),
        "{message}"
    );
    assert!(
        message.ends_with("digits, mnist, fashion-mnist, cifar-10, omniglot"),
        "{message}"
    );
    assert_eq!(
        fault("no/such", &LoadOptions::default()),
        "no/such: no such file or folder"
    );
}

#[test]
fn a_missing_set_says_where_it_belongs_and_comes_from() {
    let folder = tempdir().unwrap();
    for name in ["mnist", "fashion-mnist", "cifar-10", "omniglot"] {
        let message = fault(name, &offline(folder.path()));
        assert!(
            message.contains(text(&folder.path().join(name))),
            "{message}"
        );
        assert!(message.contains("https://"), "{message}");
    }
}

// ---- IDX ---------------------------------------------------------------------------------------

/// Three images of 2 x 2 pixels to train on and two to test on, as files of MNIST.
fn idx_set() -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let inner = folder.path().join("mnist");
    fs::create_dir(&inner).unwrap();
    for (part, labels) in [("train", vec![0, 5, 9]), ("t10k", vec![5, 0])] {
        let n = labels.len() as u8;
        let pixels: Vec<u8> = (0..4 * n).collect();
        let images = [
            &[0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 2, 0, 0, 0, 2],
            &pixels[..],
        ]
        .concat();
        let labels = [&[0, 0, 8, 1, 0, 0, 0, n], &labels[..]].concat();
        fs::write(
            inner.join(format!("{part}-images-idx3-ubyte.gz")),
            gzip(&images),
        )
        .unwrap();
        fs::write(inner.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    (folder, inner)
}

#[test]
fn idx_files_are_read_plain_or_gzipped_from_either_folder() {
    let (folder, inner) = idx_set();
    for place in [folder.path(), &inner] {
        let Splits {
            train, test, kind, ..
        } = load("mnist", &offline(place)).unwrap();
        assert_eq!(
            (train.labels(), test.labels()),
            (&[0, 5, 9][..], &[5, 0][..])
        );
        assert_eq!(
            (train.image(1), kind),
            (&[4, 5, 6, 7][..], SplitKind::Given)
        );
        assert_eq!(test.ids(), ["test/00000", "test/00001"]);
    }
    // The files have the names of Fashion-MNIST's, but the folder says whose they are.
    assert!(fault("fashion-mnist", &offline(&inner)).contains("no train-images"));
}

#[test]
fn classes_held_out_come_from_both_parts() {
    let (folder, _) = idx_set();
    let options = LoadOptions {
        unseen_classes: unseen("0,5"),
        ..offline(folder.path())
    };
    let Splits { train, test, .. } = load("mnist", &options).unwrap();
    assert_eq!(
        (train.labels(), train.class_names()[7].as_str()),
        (&[7][..], "9")
    );
    assert_eq!(test.labels(), [0, 1, 1, 0]);
    assert_eq!(
        test.ids(),
        ["train/00000", "train/00001", "test/00000", "test/00001"]
    );
}

#[test]
fn broken_idx_files_are_named_with_their_fault() {
    let images = "train-images-idx3-ubyte.gz";
    let labels = "train-labels-idx1-ubyte";
    let broken = |file: &str, bytes: &[u8]| {
        let (folder, inner) = idx_set();
        fs::write(inner.join(file), bytes).unwrap();
        let message = fault("mnist", &offline(folder.path()));
        assert!(message.contains(file), "{message}");
        message
    };
    let (_folder, inner) = idx_set();
    let whole = fs::read(inner.join(images)).unwrap();
    let cut = broken(images, &whole[..whole.len() - 12]);
    assert!(cut.contains("truncated: expected"), "{cut}");
    assert!(broken(images, b"").contains("truncated: expected 16 bytes, got 0"));
    assert!(broken(images, b"GIF89a and more of it").contains("not an IDX file of bytes"));
    let shorter = broken(labels, &[0, 0, 8, 1, 0, 0, 0, 2, 0, 5]);
    assert!(
        shorter.contains(&format!("{images} has 3 rows, but ")),
        "{shorter}"
    );
    assert!(shorter.ends_with(&format!("{labels} has 2")), "{shorter}");
    let wrong = broken(labels, &[0, 0, 8, 1, 0, 0, 0, 3, 0, 5, 10]);
    assert!(
        wrong.ends_with("label 10 of record 2 is not below the 10 classes"),
        "{wrong}"
    );
}

// ---- CIFAR-10 ----------------------------------------------------------------------------------

fn cifar_batch(labels: &[u8]) -> Vec<u8> {
    labels.iter().flat_map(|&label| [label; 3073]).collect()
}

fn cifar_files() -> [(&'static str, Vec<u8>); 4] {
    [
        ("data_batch_1.bin", cifar_batch(&[1, 0])),
        ("data_batch_2.bin", cifar_batch(&[2])),
        ("test_batch.bin", cifar_batch(&[2, 1])),
        ("batches.meta.txt", b"cat\ndog\nowl\n\n".to_vec()),
    ]
}

fn cifar_archive(folder: &Path, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in cifar_files() {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(
            &mut header,
            format!("cifar-10-batches-bin/{name}"),
            &bytes[..],
        )
        .unwrap();
    }
    let bytes = gzip(&change(tar.into_inner().unwrap()));
    fs::write(folder.join("cifar-10-binary.tar.gz"), bytes).unwrap();
}

#[test]
fn cifar_is_read_from_its_archive_or_its_folder() {
    let archive = tempdir().unwrap();
    cifar_archive(archive.path(), |bytes| bytes);
    let plain = tempdir().unwrap();
    let inner = plain.path().join("cifar-10/cifar-10-batches-bin");
    fs::create_dir_all(&inner).unwrap();
    for (name, bytes) in cifar_files() {
        fs::write(inner.join(name), bytes).unwrap();
    }
    for folder in [archive.path(), plain.path()] {
        let Splits {
            train, test, kind, ..
        } = load("cifar-10", &offline(folder)).unwrap();
        assert_eq!(
            (train.labels(), test.labels()),
            (&[1, 0, 2][..], &[2, 1][..])
        );
        assert_eq!(
            (train.class_names()[2].as_str(), kind),
            ("owl", SplitKind::Given)
        );
        assert_eq!(train.image(2), [2; 3072]);
    }
}

#[test]
fn broken_cifar_files_are_named() {
    let folder = tempdir().unwrap();
    let message = |change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        cifar_archive(folder.path(), change);
        fault("cifar-10", &offline(folder.path()))
    };
    // Cut within the first member: a header of 512 bytes, then 6146 of content.
    let cut = message(&|bytes| bytes[..3000].to_vec());
    assert!(
        cut.contains("data_batch_1.bin: truncated: expected 6146 bytes, got 2488"),
        "{cut}"
    );
    let junk = message(&|_| vec![b'x'; 4000]);
    assert!(junk.contains("cifar-10-binary.tar.gz"), "{junk}");
    fs::write(folder.path().join("cifar-10-binary.tar.gz"), "not gzip").unwrap();
    assert!(fault("cifar-10", &offline(folder.path())).contains("cifar-10-binary.tar.gz"));

    for (name, bytes) in cifar_files() {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    fs::write(folder.path().join("data_batch_2.bin"), [0; 3000]).unwrap();
    let short = fault("cifar-10", &offline(folder.path()));
    assert!(short.contains("data_batch_2.bin: truncated: expected 3073 bytes, got 3000"));
}

// ---- Omniglot ----------------------------------------------------------------------------------

/// A zip file with two drawings a character, black in one corner; half a PNG each if `spoil`.
fn drawings(path: &Path, characters: &[&str], spoil: bool) {
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    let mut image = GrayImage::from_pixel(105, 105, Luma([255]));
    (0..400).for_each(|i| image.put_pixel(i % 20, i / 20, Luma([0])));
    let mut png = std::io::Cursor::new(Vec::new());
    image.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let mut png = png.into_inner();
    if spoil {
        png.truncate(png.len() / 2);
    }
    for (i, character) in characters.iter().enumerate() {
        for drawer in 1..3 {
            let name = format!("images/{character}/{i:04}_{drawer:02}.png");
            zip.start_file(name, zip::write::SimpleFileOptions::default())
                .unwrap();
            zip.write_all(&png).unwrap();
        }
    }
    zip.finish().unwrap();
}

#[test]
fn omniglot_is_small_bright_and_of_unseen_classes() {
    let folder = tempdir().unwrap();
    let path = |name| folder.path().join(name);
    drawings(
        &path("images_background.zip"),
        &["A/character01", "B/character01"],
        false,
    );
    drawings(
        &path("images_evaluation.zip"),
        &["C/character01", "C/character02"],
        false,
    );
    let Splits {
        train, test, kind, ..
    } = load("omniglot", &offline(folder.path())).unwrap();
    assert_eq!(
        train.shape(),
        ImageShape {
            channels: 1,
            height: 28,
            width: 28
        }
    );
    assert_eq!(
        (train.labels(), kind),
        (&[0, 0, 1, 1][..], SplitKind::UnseenClasses)
    );
    assert_eq!(train.class_names(), ["A/character01", "B/character01"]);
    assert_eq!(test.class_names(), ["C/character01", "C/character02"]);
    assert_eq!((train.image(0)[0], train.image(0)[783]), (255, 0));
    // All classes together, split anew.
    let options = LoadOptions {
        unseen_classes: unseen("half"),
        ..offline(folder.path())
    };
    assert_eq!(
        load("omniglot", &options).unwrap().train.class_names(),
        train.class_names()
    );
}

#[test]
fn broken_zip_and_png_files_are_named() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("images_background.zip");
    let message = || fault("omniglot", &offline(folder.path()));
    drawings(&path, &["A/character01", "B/character01"], false);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let cut = message();
    assert!(
        cut.contains("images_background.zip: not a readable zip archive"),
        "{cut}"
    );
    let mut spoiled = whole.clone();
    spoiled[90..130].fill(0x55);
    fs::write(&path, spoiled).unwrap();
    assert!(
        message().contains("A/character01/0000_01.png"),
        "{}",
        message()
    );
    drawings(&path, &["A/character01", "B/character01"], true);
    assert!(
        message().contains("0000_01.png: not a readable image"),
        "{}",
        message()
    );
    drawings(&path, &[], false);
    assert!(message().contains("no labelled example"), "{}", message());
}

// ---- folders -----------------------------------------------------------------------------------

fn grey(path: &Path, level: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    GrayImage::from_pixel(6, 4, Luma([level]))
        .save(path)
        .unwrap();
}

fn colour(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(9, 9, Rgb([200, 100, 50]))
        .save(path)
        .unwrap();
}

#[test]
fn a_folder_of_grey_images_stays_grey() {
    let folder = tempdir().unwrap();
    let names = ["owl/1.png", "owl/deep/er/2.PNG", "wren/1.png", "wren/2.png"];
    for (name, level) in names.iter().zip([0, 10, 20, 30]) {
        grey(&folder.path().join(name), level);
    }
    grey(&folder.path().join("loose.png"), 1);
    grey(&folder.path().join(".thumbs/1.png"), 1);
    fs::write(folder.path().join("owl/notes.txt"), "not an image").unwrap();
    let options = LoadOptions {
        size: Some(5),
        ..LoadOptions::default()
    };
    let Splits {
        train,
        test,
        kind,
        left_out,
    } = load(text(folder.path()), &options).unwrap();
    assert_eq!((train.len(), test.len(), left_out), (2, 2, 1));
    assert_eq!(
        train.shape(),
        ImageShape {
            channels: 1,
            height: 5,
            width: 5
        }
    );
    assert_eq!(
        (kind, train.class_names()[1].as_str()),
        (SplitKind::HeldOutImages, "wren")
    );
    let mut ids = [train.ids(), test.ids()].concat();
    ids.sort();
    assert_eq!(ids, names);
    let level = if train.ids()[1].ends_with("1.png") {
        20
    } else {
        30
    };
    assert_eq!(
        (train.labels(), train.image(1)),
        (&[0, 1][..], &[level; 25][..])
    );
}

#[test]
fn one_colour_image_makes_all_rgb_planes() {
    let folder = tempdir().unwrap();
    for name in ["a/1.png", "a/2.png", "b/1.png", "b/2.png"] {
        grey(&folder.path().join(name), 7);
    }
    colour(&folder.path().join("c/1.png"));
    let train = load(text(folder.path()), &LoadOptions::default())
        .unwrap()
        .train;
    assert_eq!(
        train.shape(),
        ImageShape {
            channels: 3,
            height: 32,
            width: 32
        }
    );
    assert_eq!(train.image(0), [7; 3072]);
    let planes = [[200; 1024], [100; 1024], [50; 1024]].concat();
    assert_eq!(train.image(train.len() - 1), planes);
}

#[test]
fn broken_images_and_empty_folders_are_named() {
    let folder = tempdir().unwrap();
    let message = || fault(text(folder.path()), &LoadOptions::default());
    assert!(
        message().ends_with("no labelled example in it"),
        "{}",
        message()
    );
    grey(&folder.path().join("a/1.png"), 1);
    grey(&folder.path().join("a/2.png"), 1);
    assert!(message().contains("has one class only (`a`): at least two are needed"));
    let bad = folder.path().join("b/1.png");
    colour(&bad);
    let whole = fs::read(&bad).unwrap();
    fs::write(&bad, &whole[..whole.len() / 2]).unwrap();
    assert!(message().starts_with(&format!("{}: not a readable image", bad.display())));
    fs::write(&bad, "a text by the name of an image").unwrap();
    assert!(message().starts_with(&format!("{}: not a readable image", bad.display())));
    // A JPEG by the name of a PNG is read for what it is.
    colour(&folder.path().join("b/2.jpg"));
    fs::rename(folder.path().join("b/2.jpg"), &bad).unwrap();
    assert!(load(text(folder.path()), &LoadOptions::default()).is_ok());
}

// ---- tables ------------------------------------------------------------------------------------

/// Four images and a table of this text beside them.
fn table(content: &str) -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    for name in ["1.png", "2.png", "3.png", "d/vier, \u{e4}.png"] {
        grey(&folder.path().join(name), 3);
    }
    let path = folder.path().join("table.csv");
    fs::write(&path, content).unwrap();
    (folder, path)
}

#[test]
fn a_table_may_quote_and_leave_labels_out() {
    let content = "\u{feff}file,Art\n1.png,\"K\u{e4}fer, rot\"\n2.png,\n\
        \"d/vier, \u{e4}.png\",\"K\u{e4}fer, rot\"\n3.png,wren\n";
    let (_folder, path) = table(content);
    let Splits {
        train,
        test,
        left_out,
        ..
    } = load(text(&path), &LoadOptions::default()).unwrap();
    assert_eq!((train.len(), test.len(), left_out), (2, 1, 1));
    assert_eq!(train.class_names(), ["K\u{e4}fer, rot", "wren"]);
    assert!(
        [train.ids(), test.ids()]
            .concat()
            .contains(&"d/vier, \u{e4}.png".to_owned())
    );
}

#[test]
fn the_label_column_is_chosen_by_name() {
    let (_folder, path) = table("kind,size,path\nx,1,1.png\ny,1,2.png\nx,2,3.png\n");
    let with = |label: Option<&str>| {
        let label = label.map(Into::into);
        LoadOptions {
            label,
            ..LoadOptions::default()
        }
    };
    let names = |label| {
        load(text(&path), &with(Some(label)))
            .unwrap()
            .train
            .class_names()
            .to_vec()
    };
    assert_eq!(names("kind"), ["x", "y"]);
    assert_eq!(names("size"), ["1", "2"]);
    let message = fault(text(&path), &with(None));
    assert!(
        message.ends_with("choose one of its label columns: kind, size"),
        "{message}"
    );
    let message = fault(text(&path), &with(Some("colour")));
    assert!(
        message.ends_with("no label column `colour`; it has kind, size"),
        "{message}"
    );
    let error = load(text(&path), &with(Some("path"))).unwrap_err();
    assert!(matches!(error, DataError::UnknownColumn { .. }), "{error}");
}

#[test]
fn broken_tables_are_named_with_the_line() {
    let message = |content: &str| {
        let (_folder, path) = table(content);
        let message = fault(text(&path), &LoadOptions::default());
        assert!(message.contains("table.csv"), "{message}");
        message
    };
    let gone = message("file,kind\n1.png,x\ngone.png,y\n");
    assert!(gone.contains("table.csv, line 3: no such file: "), "{gone}");
    assert!(gone.ends_with("gone.png"), "{gone}");
    assert!(message("file,kind\n1.png,x\n2.png\n").contains("not a readable table"));
    assert!(message("file,kind\n1.png,x\n2.png,x\n").contains("one class only (`x`)"));
    assert!(message("file,kind\n1.png,\n").contains("no labelled example"));
    assert!(message("file\n1.png\n").contains("no column of labels"));
    assert!(message("").contains("no column of labels"));
}

// ---- features ----------------------------------------------------------------------------------

fn features(rows: usize, labels: &str) -> (TempDir, PathBuf, PathBuf) {
    let folder = tempdir().unwrap();
    let (npy, csv) = (folder.path().join("x.npy"), folder.path().join("y.csv"));
    write_npy(
        &npy,
        Array2::from_shape_fn((rows, 3), |(i, j)| (3 * i + j) as f32).view(),
    )
    .unwrap();
    fs::write(&csv, labels).unwrap();
    (folder, npy, csv)
}

#[test]
fn features_are_labelled_and_split_like_images() {
    let (_folder, npy, csv) = features(7, "id,kind\na,x\nb,y\nc,\nd,x\ne,y\nf,z\ng,w\n");
    let set = load_features(&npy, &csv, None).unwrap();
    assert_eq!(
        (set.len(), set.dim(), set.classes(), set.left_out()),
        (6, 3, 4, 1)
    );
    assert_eq!(set.ids(), ["a", "b", "d", "e", "f", "g"]);
    assert_eq!(set.features().row(2).to_vec(), [9.0, 10.0, 11.0]);
    let held = set.split(&LoadOptions::default()).unwrap();
    assert_eq!((held.train.len(), held.test.len()), (4, 2));
    let options = LoadOptions {
        unseen_classes: unseen("y,z"),
        ..LoadOptions::default()
    };
    let split = set.split(&options).unwrap();
    assert_eq!(split.test.ids(), ["b", "e", "f"]);
    assert_eq!(split.test.labels(), [0, 0, 1]);
    assert_eq!(split.train.class_names(), ["w", "x"]);
}

#[test]
fn features_and_labels_must_agree() {
    let (_folder, npy, csv) = features(3, "kind\nx\ny\n");
    let message = load_features(&npy, &csv, None).unwrap_err().to_string();
    assert!(message.contains("x.npy has 3 rows, but") && message.ends_with("y.csv has 2"));
    let (_folder, npy, csv) = features(2, "kind\nx\ny\n");
    assert_eq!(
        load_features(&npy, &csv, None).unwrap().ids(),
        ["row/00000", "row/00001"]
    );
    write_npy(&npy, ndarray::array![[0.0, 1.0], [2.0, f32::NAN]].view()).unwrap();
    let message = load_features(&npy, &csv, None).unwrap_err().to_string();
    assert!(
        message.ends_with("x.npy: row 1, column 1 is not finite"),
        "{message}"
    );
}

// ---- the public sets ---------------------------------------------------------------------------

/// Options for a public set, if this machine has it.
fn public(set: &str) -> Option<LoadOptions> {
    common::public(set).map(|folder| offline(&folder))
}

#[test]
fn fashion_mnist_is_whole() {
    let Some(options) = public("fashion-mnist") else {
        return;
    };
    let Splits {
        train, test, kind, ..
    } = load("fashion-mnist", &options).unwrap();
    assert_eq!(
        (train.len(), test.len(), kind),
        (60_000, 10_000, SplitKind::Given)
    );
    assert_eq!(
        train.shape(),
        ImageShape {
            channels: 1,
            height: 28,
            width: 28
        }
    );
    assert_eq!(train.labels()[..5], [9, 0, 0, 3, 0]);
    assert_eq!(test.labels()[..5], [9, 2, 1, 1, 6]);
    for class in 0..10 {
        assert_eq!(
            train
                .labels()
                .iter()
                .filter(|&&label| label == class)
                .count(),
            6_000
        );
    }
    let options = LoadOptions {
        unseen_classes: unseen("5-9"),
        ..options
    };
    let split = load("fashion-mnist", &options).unwrap();
    assert_eq!((split.train.len(), split.test.len()), (35_000, 35_000));
}

#[test]
fn omniglot_is_whole() {
    let Some(options) = public("omniglot") else {
        return;
    };
    let start = std::time::Instant::now();
    let Splits {
        train, test, kind, ..
    } = load("omniglot", &options).unwrap();
    eprintln!("omniglot: {:?}", start.elapsed());
    assert_eq!(kind, SplitKind::UnseenClasses);
    for (set, classes) in [(&train, 964), (&test, 659)] {
        assert_eq!((set.classes(), set.len()), (classes, classes * 20));
        for class in 0..classes as u32 {
            assert_eq!(
                set.labels().iter().filter(|&&label| label == class).count(),
                20
            );
        }
        // Ink is bright and rare.
        let bright = set.pixels().iter().filter(|&&pixel| pixel > 127).count();
        assert!(bright > 0 && bright * 5 < set.pixels().len(), "{bright}");
    }
    assert!(
        train
            .class_names()
            .iter()
            .all(|name| !test.class_names().contains(name))
    );
}

#[test]
fn the_cifar_subset_is_whole() {
    let Some(options) = public("cifar-10") else {
        return;
    };
    let Splits { train, test, .. } = load("cifar-10", &options).unwrap();
    assert_eq!((train.len(), test.len()), (10_000, 2_000));
    assert_eq!(train.class_names()[..3], ["airplane", "automobile", "bird"]);
    assert!(
        train
            .labels()
            .iter()
            .enumerate()
            .all(|(i, &label)| label as usize == i % 10)
    );
}
