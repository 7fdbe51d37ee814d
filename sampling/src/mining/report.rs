//! What a miner gave, in numbers.

use metric_core::{Distance, Relevance};
use serde::{Deserialize, Serialize};

use super::TripletMiner;
use crate::{Batch, MiningError, Triplets};

/// How hard, how varied and how trustworthy the triplets of a batch are.
///
/// # Examples
///
/// ```
/// use metric_core::{Cosine, Relevance};
/// use metric_sampling::{Batch, DensityAware, MiningReport, TripletMiner};
/// use ndarray::array;
/// use rand::SeedableRng;
/// let rows = array![[1.0f32, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.2]];
/// // Learning without labels: every row and its neighbour are two views of one image.
/// let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 1, 1]))?;
/// let miner = DensityAware::new();
/// let triplets = miner.mine(&batch, &mut rand_chacha::ChaCha8Rng::seed_from_u64(1))?;
/// let report = MiningReport::of(&batch, &triplets, &Cosine, 0.2)?
///     .with_miner(&batch, &miner)?
///     .with_truth(&triplets, Relevance::labels(&[5, 5, 5, 6]));
/// assert_eq!((report.triplets, report.anchors), (4, 4));
/// assert!(report.false_negatives.is_some_and(|rate| rate > 0.0));
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct MiningReport {
    /// How many triplets.
    pub triplets: usize,
    /// How many anchors have one.
    pub anchors: usize,
    /// The 0.1-, 0.5- and 0.9-quantile over triplets of the share of the anchor's negatives that are nearer than the chosen
    /// one: 0 is the hardest. Zeros without triplets.
    pub hardness: [f64; 3],
    /// Share of triplets that keep the margin, from which a hinge learns nothing. 0 without triplets.
    pub zero_loss: f64,
    /// How many items, each chosen equally often, would make as varied negatives: `(Σ c)² / Σ c²` over how often each was
    /// chosen.
    pub effective_negatives: f64,
    /// Mean over anchors with a negative to draw of the [effective sample size](crate::DrawWeights::effective_sample_size) of
    /// their negatives' weights, if these were drawn by weights.
    pub effective_sample_size: Option<f64>,
    /// Share of triplets whose negative is in truth relevant to the anchor, if the truth is known.
    pub false_negatives: Option<f64>,
}

impl MiningReport {
    /// The numbers of triplets from a batch, with the distance and the margin of the loss they are for.
    ///
    /// Cost: the distances of the batch once more, and `O(t log m)` for `t` triplets after `O(m log m)` an anchor.
    ///
    /// # Errors
    ///
    /// [`MiningError::UnknownItem`] for a triplet of another batch, [`MiningError::Data`] if the rows are not in the domain of
    /// the distance.
    pub fn of<D: Distance<f32>>(
        batch: &Batch<'_>,
        triplets: &Triplets,
        distance: &D,
        margin: f64,
    ) -> Result<Self, MiningError> {
        let mut of_anchor = vec![Vec::new(); batch.len()];
        let mut chosen = vec![0u32; batch.references()];
        for (anchor, positive, negative) in triplets.iter() {
            known("anchors", anchor, batch.len())?;
            for item in [positive, negative] {
                known("others", item, batch.references())?;
            }
            of_anchor[anchor as usize].push((positive, negative));
            chosen[negative as usize] += 1;
        }
        let found = batch.each_anchor(distance, |anchor| {
            let row = anchor.index() as usize;
            let triplets = &of_anchor[row];
            if triplets.is_empty() {
                return Vec::new();
            }
            let mut distances: Vec<f32> = anchor.negatives().map(|n| n.distance).collect();
            distances.sort_unstable_by(f32::total_cmp);
            let to =
                |item: u32| distance.distance(batch.row(row), batch.reference_row(item as usize));
            let each = triplets.iter().map(|&(positive, negative)| {
                let (positive, own) = (to(positive), to(negative));
                // As the miner saw it, by the tile engine, if it was a negative at all.
                let negative = anchor.negative_distances()[negative as usize];
                let negative = if negative.is_nan() { own } else { negative };
                let nearer = distances.partition_point(|&d| d < negative);
                let hardness = nearer as f64 / distances.len().max(1) as f64;
                (
                    hardness,
                    f64::from(negative) - f64::from(positive) >= margin,
                )
            });
            each.collect()
        })?;
        let anchors = found.iter().filter(|found| !found.is_empty()).count();
        let found: Vec<(f64, bool)> = found.into_iter().flatten().collect();
        let mut hardness: Vec<f64> = found.iter().map(|found| found.0).collect();
        hardness.sort_unstable_by(f64::total_cmp);
        let quantile = |q: f64| {
            let last = hardness.len().saturating_sub(1) as f64;
            hardness
                .get((q * last).round() as usize)
                .copied()
                .unwrap_or(0.0)
        };
        let squares: f64 = chosen.iter().map(|&count| f64::from(count).powi(2)).sum();
        let all = found.len() as f64;
        Ok(Self {
            triplets: found.len(),
            anchors,
            hardness: [0.1, 0.5, 0.9].map(quantile),
            zero_loss: found.iter().filter(|found| found.1).count() as f64 / all.max(1.0),
            effective_negatives: if found.is_empty() {
                0.0
            } else {
                all * all / squares
            },
            effective_sample_size: None,
            false_negatives: None,
        })
    }

    /// The same with the effective sample size of the weights that the miner draws negatives by, if it does.
    ///
    /// # Errors
    ///
    /// Those of [`TripletMiner::effective_sample_sizes`].
    pub fn with_miner(
        mut self,
        batch: &Batch<'_>,
        miner: &dyn TripletMiner,
    ) -> Result<Self, MiningError> {
        self.effective_sample_size = miner.effective_sample_sizes(batch)?.map(|sizes| {
            let served = sizes.iter().filter(|&&size| size > 0.0).count();
            sizes.iter().sum::<f64>() / served.max(1) as f64
        });
        Ok(self)
    }

    /// The same with the share of false negatives, by who is in truth relevant to whom.
    ///
    /// # Panics
    ///
    /// If a triplet names a row or an item that `truth` does not speak about.
    pub fn with_truth(mut self, triplets: &Triplets, truth: Relevance<'_>) -> Self {
        let is_false = |&(anchor, _, negative): &(u32, u32, u32)| {
            truth.is_relevant(anchor as usize, negative as usize)
        };
        let wrong = triplets.iter().filter(is_false).count();
        self.false_negatives = Some(wrong as f64 / triplets.len().max(1) as f64);
        self
    }
}

fn known(side: &'static str, index: u32, count: usize) -> Result<(), MiningError> {
    if (index as usize) < count {
        Ok(())
    } else {
        Err(MiningError::UnknownItem { side, index, count })
    }
}
