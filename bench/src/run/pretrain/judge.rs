use metric_ssl::{Collapse, Guessing, Spread, Vote, knn_accuracy, uniformity};
use ndarray::{ArrayView2, s};
use serde::{Deserialize, Serialize};

use super::pretrainer::Progress;
use crate::data::SplitKind;
use crate::encoder::Encoder;
use crate::run::dataset::Dataset;
use crate::run::error::RunError;
use crate::run::evaluate::{Scores, embed_features, score};
use crate::run::outputs::Timing;

/// Neighbours that vote.
const KS: [usize; 4] = [1, 5, 10, 20];
/// Rows that the features' spread is taken of.
const SPREAD_ROWS: usize = 2_000;

/// Share of test examples whose class their nearest training examples give rightly, by cosine and majority.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnnScores {
    /// What was judged.
    pub name: String,
    /// Neighbours that vote, and the share.
    pub accuracy: Vec<(usize, f64)>,
}

/// What came of a run without labels; `metrics.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainReport {
    /// Optimizer steps.
    pub steps: u64,
    /// How long they took.
    pub timing: Timing,
    /// How long steps waited for their views, in seconds, beside that time.
    #[serde(default)]
    pub waited: f64,
    /// Mean loss in each of up to 100 equal parts of the training.
    pub loss: Vec<f64>,
    /// How the student's outputs, which the loss compares, were spread at the last step.
    pub outputs: Option<Spread>,
    /// Whether they had collapsed.
    pub collapse: Option<Collapse>,
    /// Whether the loss was no better than guessing.
    #[serde(default)]
    pub guessing: Option<Guessing>,
    /// How the features of test examples are spread.
    pub features: Spread,
    /// How evenly they are spread: [`uniformity`].
    pub uniformity: f64,
    /// Raw inputs and features, where the test has the classes of the training.
    pub knn: Vec<KnnScores>,
    /// Raw inputs and features, where it has others: each test example a query among the others.
    pub retrieval: Vec<Scores>,
}

pub(super) fn judge(
    data: &Dataset,
    encoder: &Encoder,
    progress: &Progress,
    steps: u64,
) -> Result<PretrainReport, RunError> {
    let queries = embed_features(encoder, &data.test);
    let few = queries.slice(s![..queries.nrows().min(SPREAD_ROWS), ..]);
    let failed = |source| RunError::Evaluation {
        what: "features".into(),
        source,
    };
    let (mut knn, mut retrieval) = (Vec::new(), Vec::new());
    let raw = data.test.all_rows();
    let raw_name = data.test.raw_name();
    if data.kind == SplitKind::UnseenClasses {
        retrieval.push(score(raw_name, raw.view(), data.test.labels())?);
        retrieval.push(score("features", queries.view(), data.test.labels())?);
    } else {
        let gallery = embed_features(encoder, &data.train);
        knn.push(neighbors(
            raw_name,
            data,
            data.train.all_rows().view(),
            raw.view(),
        )?);
        knn.push(neighbors("features", data, gallery.view(), queries.view())?);
    }
    Ok(PretrainReport {
        steps,
        timing: Timing {
            images: progress.images,
            seconds: progress.seconds,
        },
        waited: progress.waited,
        loss: progress.curve.means(),
        outputs: progress.spread,
        collapse: progress.collapse,
        guessing: progress.guessing,
        features: Spread::of(few).map_err(failed)?,
        uniformity: uniformity(few).map_err(failed)?,
        knn,
        retrieval,
    })
}

/// Accuracies of `queries`, the test examples' rows, by `gallery`, the training examples'.
fn neighbors(
    name: &str,
    data: &Dataset,
    gallery: ArrayView2<'_, f32>,
    queries: ArrayView2<'_, f32>,
) -> Result<KnnScores, RunError> {
    let (of_gallery, of_queries) = (data.train.labels(), data.test.labels());
    let shares = knn_accuracy(
        gallery,
        of_gallery,
        queries,
        of_queries,
        &KS,
        Vote::Majority,
    );
    let shares = shares.map_err(|source| RunError::Evaluation {
        what: name.into(),
        source,
    })?;
    Ok(KnnScores {
        name: name.into(),
        accuracy: KS.into_iter().zip(shares).collect(),
    })
}
