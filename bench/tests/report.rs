//! Pictures of the report: what lands on disk, and what is refused.

use std::path::Path;

use metric_bench::report::{
    GalleryImage, GalleryRow, MapPanel, ReportError, draw_gallery, draw_map,
};
use ndarray::{Array2, array};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// `classes` clouds of 60 points on a ring; `spread` is their width.
fn clouds(classes: usize, spread: f32) -> (Array2<f32>, Vec<u32>) {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let labels: Vec<u32> = (0..classes * 60).map(|i| (i / 60) as u32).collect();
    let points = Array2::from_shape_fn((labels.len(), 2), |(i, axis)| {
        let turn = labels[i] as f32 / classes as f32 * std::f32::consts::TAU;
        let centre = if axis == 0 {
            2.0 * turn.cos()
        } else {
            turn.sin()
        };
        let noise: f32 = (0..4).map(|_| random.random::<f32>() - 0.5).sum();
        centre + spread * noise
    });
    (points, labels)
}

fn names(classes: usize) -> Vec<String> {
    (0..classes)
        .map(|class| format!("kind number {class}"))
        .collect()
}

/// Where to leave a picture: a folder to look at if one is asked for, or one that goes away.
fn keep(folder: &Path, name: &str) -> std::path::PathBuf {
    std::env::var_os("METRIC_REPORT_DIR")
        .map_or_else(|| folder.to_owned(), Into::into)
        .join(name)
}

#[test]
fn a_map_is_a_picture_with_coloured_points_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let (blurred, labels) = clouds(10, 1.6);
    let (sharp, _) = clouds(10, 0.3);
    let panels = [
        MapPanel {
            title: "raw pixels",
            points: blurred.view(),
        },
        MapPanel {
            title: "learned metric",
            points: sharp.view(),
        },
    ];
    let path = folder.path().join("map.png");
    draw_map(&path, &panels, &labels, &names(10)).unwrap();
    draw_map(
        &keep(folder.path(), "map.png"),
        &panels,
        &labels,
        &names(10),
    )
    .unwrap();
    let picture = image::open(&path).unwrap().to_rgb8();
    assert!(picture.width() > 2 * picture.height() - 200);
    let coloured = picture
        .pixels()
        .filter(|p| p.0.iter().max() > p.0.iter().min())
        .count();
    assert!(coloured > 5_000, "{coloured} coloured pixels");
    assert_eq!(picture.get_pixel(0, 0).0, [255; 3]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn many_classes_few_points_and_no_points_at_all_are_drawn_too() {
    let folder = tempfile::tempdir().unwrap();
    for classes in [0, 1, 20, 60] {
        let (mut points, labels) = clouds(classes, 0.4);
        if classes > 0 {
            points[[0, 0]] = f32::NAN;
        }
        let panel = MapPanel {
            title: "learned metric",
            points: points.view(),
        };
        let path = keep(folder.path(), &format!("map-{classes}.png"));
        draw_map(&path, &[panel], &labels, &names(classes)).unwrap();
        assert!(image::open(&path).is_ok());
    }
    let same = array![[1f32, 1.], [1., 1.]];
    let panel = MapPanel {
        title: "one place",
        points: same.view(),
    };
    draw_map(&folder.path().join("same.png"), &[panel], &[0, 1], &[]).unwrap();
}

#[test]
fn the_same_map_is_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let (points, labels) = clouds(3, 0.5);
    let files = ["a.png", "b.png"].map(|name| {
        let path = folder.path().join(name);
        let panel = MapPanel {
            title: "raw pixels",
            points: points.view(),
        };
        draw_map(&path, &[panel], &labels, &[]).unwrap();
        std::fs::read(path).unwrap()
    });
    assert_eq!(files[0], files[1]);
}

#[test]
fn a_panel_of_another_length_and_a_missing_folder_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let points = array![[0f32, 0.]];
    let panel = MapPanel {
        title: "raw pixels",
        points: points.view(),
    };
    let error = draw_map(&folder.path().join("m.png"), &[panel], &[0, 1], &[]).unwrap_err();
    assert!(matches!(
        error,
        ReportError::PanelShape {
            panel: 0,
            rows: 1,
            labels: 2,
            ..
        }
    ));

    let nowhere = folder.path().join("absent").join("m.png");
    let error = draw_map(&nowhere, &[panel], &[0], &[]).unwrap_err();
    assert!(matches!(error, ReportError::Write { .. }));
    assert!(error.to_string().contains("absent"), "{error}");
}

#[test]
fn a_gallery_frames_right_and_wrong_and_scales_small_images_sharply() {
    let folder = tempfile::tempdir().unwrap();
    // A disc, a bar and a ramp, 28 x 28.
    let draw = |kind: usize| -> Vec<u8> {
        (0..28 * 28)
            .map(|i| {
                let (x, y): (i32, i32) = (i % 28 - 14, i / 28 - 14);
                match kind % 3 {
                    0 => u8::from(x * x + y * y < 90) * 255,
                    1 => u8::from(x.abs() < 5) * 220,
                    _ => (i / 28 * 9) as u8,
                }
            })
            .collect()
    };
    let store: Vec<Vec<u8>> = (0..12).map(draw).collect();
    let images = |i: usize| GalleryImage {
        width: 28,
        height: 28,
        channels: 1,
        bytes: &store[i],
    };
    let rows: Vec<GalleryRow> = (0..4)
        .map(|query| GalleryRow {
            query,
            neighbours: (0..5).map(|k| (query + k, k % 3 == 0)).collect(),
        })
        .collect();
    let path = keep(folder.path(), "gallery.png");
    draw_gallery(&path, &images, &rows, "nearest neighbours, learned metric").unwrap();
    let picture = image::open(&path).unwrap().to_rgb8();
    let count = |colour: [u8; 3]| picture.pixels().filter(|p| p.0 == colour).count();
    assert!(count([0x1f, 0x9d, 0x55]) > 1_000, "green frames");
    assert!(count([0xd8, 0x26, 0x2c]) > 1_000, "red frames");
}

#[test]
fn colour_images_of_any_size_fit_and_wrong_bytes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = vec![200; 3 * 300 * 120];
    let images = |i: usize| GalleryImage {
        width: if i == 0 { 300 } else { 120 },
        height: if i == 0 { 120 } else { 300 },
        channels: 3,
        bytes: &bytes,
    };
    let rows = [GalleryRow {
        query: 0,
        neighbours: vec![(1, true)],
    }];
    draw_gallery(&keep(folder.path(), "large.png"), &images, &rows, "").unwrap();

    let images = |_| GalleryImage {
        width: 5,
        height: 5,
        channels: 2,
        bytes: &bytes[..50],
    };
    let error = draw_gallery(&folder.path().join("g.png"), &images, &rows, "").unwrap_err();
    assert!(
        matches!(
            error,
            ReportError::ImageShape {
                index: 0,
                channels: 2,
                ..
            }
        ),
        "{error}"
    );
}
