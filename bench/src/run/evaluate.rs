use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::retrieval::{RetrievalMetric, class_spread, retrieval_scores};
use metric_core::{Euclidean, Relevance};
use metric_losses::l2_normalize;
use ndarray::{Array2, ArrayView2, Axis, concatenate};
use serde::{Deserialize, Serialize};

use super::error::RunError;
use super::examples::{Examples, download};
use crate::encoder::Encoder;

/// Examples embedded at once.
const CHUNK: usize = 256;

/// How well distance agrees with the labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// What was judged.
    pub name: String,
    /// Share of queries whose nearest neighbour has their label.
    pub precision_at_1: f64,
    /// Share of right ones among the `R` nearest, `R` the number of right ones there are.
    pub r_precision: f64,
    /// Mean average precision over those `R` nearest.
    pub map_at_r: f64,
    /// Mean distance within a class over mean distance between classes.
    pub within_between: f64,
    /// Queries judged.
    pub queries: usize,
    /// Queries left out: the only ones of their class.
    pub lone: usize,
}

/// Unit embeddings of all examples, `[n, embedding_size]`, by an encoder in evaluation mode.
///
/// # Panics
/// If the examples are not of the size the encoder was made for.
pub fn embed(encoder: &Encoder, examples: &Examples) -> Array2<f32> {
    unit_rows(encoder, examples, Encoder::forward)
}

/// Features of all examples, `[n, feature_size]`, of length one, by an encoder in evaluation mode.
///
/// # Panics
/// If the examples are not of the size the encoder was made for.
pub fn embed_features(encoder: &Encoder, examples: &Examples) -> Array2<f32> {
    unit_rows(encoder, examples, Encoder::features)
}

/// Rows of length one that `give` makes of all examples, by an encoder in evaluation mode.
fn unit_rows(
    encoder: &Encoder,
    examples: &Examples,
    give: impl Fn(&Encoder, Tensor<2>) -> Tensor<2>,
) -> Array2<f32> {
    let encoder = encoder.clone().valid();
    let device = Device::flex();
    let chunks: Vec<_> = (0..examples.len())
        .step_by(CHUNK)
        .map(|start| {
            let end = (start + CHUNK).min(examples.len());
            let rows = give(&encoder, examples.batch(start..end, &device));
            download(l2_normalize(rows))
        })
        .collect();
    let views: Vec<_> = chunks.iter().map(|chunk| chunk.view()).collect();
    concatenate(Axis(0), &views).expect("every chunk has the encoder's one width")
}

/// Scores of `rows` under Euclidean distance, every row a query among all others.
///
/// # Errors
/// [`RunError::Evaluation`] for rows that cannot be judged: NaN, one class, no two alike.
pub fn score(name: &str, rows: ArrayView2<'_, f32>, labels: &[u32]) -> Result<Scores, RunError> {
    use RetrievalMetric::{MapAtR, PrecisionAt1, RPrecision};
    let failed = |source| RunError::Evaluation {
        what: name.into(),
        source,
    };
    let metrics = [PrecisionAt1, RPrecision, MapAtR];
    let scores =
        retrieval_scores(&Euclidean, rows, &Relevance::labels(labels), &metrics).map_err(failed)?;
    let spread = class_spread(&Euclidean, rows, labels).map_err(failed)?;
    let value = |metric| scores.get(metric).unwrap_or(f64::NAN);
    Ok(Scores {
        name: name.into(),
        precision_at_1: value(PrecisionAt1),
        r_precision: value(RPrecision),
        map_at_r: value(MapAtR),
        within_between: spread.ratio(),
        queries: scores.queries,
        lone: scores.lone,
    })
}
