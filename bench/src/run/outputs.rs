use std::path::Path;

use metric_core::{Euclidean, knn_self};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use super::error::RunError;
use super::evaluate::{Scores, embed, score};
use super::examples::Examples;
use super::miner::MeanMining;
use super::plan::Plan;
use crate::encoder::Encoder;
use crate::report::{GalleryImage, GalleryRow, MapPanel, draw_gallery, draw_map, principal_plane};

/// Neighbours shown for every query of the gallery.
const NEIGHBOURS: usize = 5;
/// Queries in the gallery.
const QUERIES: usize = 10;

/// What came of one seed; `metrics.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedReport {
    /// The seed.
    pub seed: u64,
    /// Optimizer steps of every model.
    pub steps: u64,
    /// Raw inputs, the softmax baseline if it was trained, and the metric, in this order.
    pub scores: Vec<Scores>,
    /// How long training took.
    pub timing: Timing,
    /// Mean loss of the metric in each of up to 100 equal parts of its training.
    #[serde(default)]
    pub loss: Vec<f64>,
    /// What the miner gave in the last tenth of the training, if there was one.
    #[serde(default)]
    pub mining: Option<MeanMining>,
}

/// What the training of one model came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    /// How long it took.
    #[serde(flatten)]
    pub timing: Timing,
    /// Mean loss in each of up to 100 equal parts.
    #[serde(default)]
    pub loss: Vec<f64>,
    /// What the miner gave in the last tenth, if there was one.
    #[serde(default)]
    pub mining: Option<MeanMining>,
}

/// Training effort, all models together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Examples seen.
    pub images: u64,
    /// Seconds spent in steps.
    pub seconds: f64,
}

impl Timing {
    pub(super) fn add(&mut self, other: Self) {
        self.images += other.images;
        self.seconds += other.seconds;
    }

    /// Examples a second.
    pub fn images_per_second(self) -> f64 {
        self.images as f64 / self.seconds
    }
}

/// Scores the raw inputs and every model on the test examples, and draws map and gallery.
pub(super) fn judge(
    dir: &Path,
    plan: &Plan,
    data: &Dataset,
    models: &[(&str, Encoder)],
    trained: Trained,
) -> Result<SeedReport, RunError> {
    let test = &data.test;
    let raw = test.all_rows();
    let mut scores = vec![score(test.raw_name(), raw.view(), test.labels())?];
    let mut learned = (test.raw_name(), raw.clone());
    for (name, encoder) in models {
        learned = (name, embed(encoder, test));
        scores.push(score(name, learned.1.view(), test.labels())?);
    }
    let (before, after) = (
        principal_plane(raw.view()),
        principal_plane(learned.1.view()),
    );
    let panels = [
        MapPanel {
            title: test.raw_name(),
            points: before.view(),
        },
        MapPanel {
            title: learned.0,
            points: after.view(),
        },
    ];
    draw_map(
        &dir.join("map.png"),
        &panels,
        test.labels(),
        test.class_names(),
    )?;
    if let Examples::Images(_) = test {
        gallery(&dir.join("gallery.png"), test, &learned.1)?;
    }
    Ok(SeedReport {
        seed: plan.seed,
        steps: plan.steps,
        scores,
        timing: trained.timing,
        loss: trained.loss,
        mining: trained.mining,
    })
}

/// Queries spread evenly over the classes, each with its nearest neighbours in the learned space.
fn gallery(path: &Path, test: &Examples, rows: &Array2<f32>) -> Result<(), RunError> {
    let failed = |source| RunError::Evaluation {
        what: "the gallery".into(),
        source,
    };
    let neighbours = knn_self(&Euclidean, rows.view(), NEIGHBOURS).map_err(failed)?;
    let labels = test.labels();
    let shown: Vec<GalleryRow> = queries(labels)
        .into_iter()
        .map(|query| GalleryRow {
            query,
            neighbours: neighbours
                .indices
                .row(query)
                .iter()
                .map(|&i| (i, labels[i] == labels[query]))
                .collect(),
        })
        .collect();
    let Examples::Images(set) = test else {
        return Ok(());
    };
    let shape = set.shape();
    let image = |i| GalleryImage {
        width: shape.width,
        height: shape.height,
        channels: shape.channels,
        bytes: set.image(i),
    };
    Ok(draw_gallery(
        path,
        &image,
        &shown,
        "nearest neighbours in the learned space",
    )?)
}

/// One example of each of up to [`QUERIES`] classes, evenly chosen among the classes present.
fn queries(labels: &[u32]) -> Vec<usize> {
    let mut first_of_class = std::collections::BTreeMap::new();
    for (i, &label) in labels.iter().enumerate() {
        first_of_class.entry(label).or_insert(i);
    }
    let firsts: Vec<usize> = first_of_class.into_values().collect();
    let count = firsts.len().min(QUERIES);
    (0..count)
        .map(|at| firsts[at * firsts.len() / count])
        .collect()
}
