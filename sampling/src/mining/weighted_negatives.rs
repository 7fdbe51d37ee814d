//! Negatives drawn by weights.

use metric_core::Distance;
use rand::{Rng, RngExt};

use super::random_rows::RandomRows;
use super::{Anchor, OfAnchor, TripletMiner, join_triplets};
use crate::{Batch, MiningError, Triplets};

/// How likely each negative of an anchor is to be drawn. Whatever says so is a [`TripletMiner`]: each positive of an anchor
/// comes once, with a negative of its own, or [`per_anchor`](Self::per_anchor) positives drawn uniformly; negatives are
/// drawn with replacement. Anchors without a positive or without a negative of any weight drop out.
///
/// Cost of mining: `O(n m dim)` for distances, the weights, and `O(log m)` a draw; memory: `O(m)` a thread.
pub trait NegativeWeights: Send + Sync {
    /// What the distances of an [`Anchor`] are.
    type Distance: Distance<f32>;

    /// The distance that [`fit`](Self::fit) reckons with.
    fn distance(&self) -> Self::Distance;

    /// The weights of the negatives of any anchor of this batch: what does not depend on the anchor is found once.
    ///
    /// # Errors
    ///
    /// A [`MiningError`] if parameters do not suit the batch.
    fn fit<'f>(&'f self, batch: &'f Batch<'_>) -> Result<WeightsOf<'f>, MiningError>;

    /// Triplets an anchor; as many as it has positives if none.
    fn per_anchor(&self) -> Option<usize> {
        None
    }

    /// What becomes of each anchor by the weights of its negatives; results in order of the rows.
    ///
    /// For contrastive losses, [`DrawWeights::importance`] are the importance weights of an anchor's negatives.
    ///
    /// # Errors
    ///
    /// Those of [`fit`](Self::fit), and [`MiningError::Data`] if the rows are not in the domain of the distance.
    fn each_weighted<R: Send>(
        &self,
        batch: &Batch<'_>,
        of: impl Fn(Anchor<'_>, &DrawWeights) -> R + Sync,
    ) -> Result<Vec<R>, MiningError>
    where
        Self: Sized,
    {
        let weights = self.fit(batch)?;
        batch.each_anchor(&self.distance(), |anchor| of(anchor, &weights(anchor)))
    }
}

/// The weights of an anchor's negatives.
pub type WeightsOf<'f> = Box<dyn Fn(Anchor<'_>) -> DrawWeights + Sync + 'f>;

/// Negatives of an anchor that may be drawn, and how likely each is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DrawWeights {
    indices: Vec<u32>,
    /// The largest is 1.
    weights: Vec<f64>,
}

impl DrawWeights {
    /// Weights by their logarithms, of which the largest of these is taken off: however large or small, one is 1.
    pub fn of_logarithms(indices: Vec<u32>, mut logarithms: Vec<f64>) -> Self {
        let greatest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for weight in &mut logarithms {
            *weight = (*weight - greatest).exp();
        }
        Self {
            indices,
            weights: logarithms,
        }
    }

    /// Indices of the negatives, ascending.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// A weight for each, the largest 1.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Weights of mean 1: what an average over negatives drawn uniformly must be weighted with to be one over these.
    pub fn importance(&self) -> Vec<f64> {
        let mean = self.weights.iter().sum::<f64>() / self.weights.len() as f64;
        self.weights.iter().map(|weight| weight / mean).collect()
    }

    /// How many equally likely negatives make as much difference (Kish): `(Σ w)² / Σ w²`, 0 without negatives.
    pub fn effective_sample_size(&self) -> f64 {
        let sum: f64 = self.weights.iter().sum();
        let squares: f64 = self.weights.iter().map(|weight| weight * weight).sum();
        if squares > 0.0 {
            sum * sum / squares
        } else {
            0.0
        }
    }
}

impl<W: NegativeWeights> TripletMiner for W {
    fn mine(&self, batch: &Batch<'_>, rng: &mut dyn Rng) -> Result<Triplets, MiningError> {
        let random = RandomRows::draw(rng);
        let found = self.each_weighted(batch, |anchor, weights| {
            let mut triplets = OfAnchor::new();
            let positives = anchor.positives();
            let mut sum = 0.0;
            let sums: Vec<f64> = weights
                .weights
                .iter()
                .map(|weight| {
                    sum += weight;
                    sum
                })
                .collect();
            if positives.is_empty() || sums.is_empty() {
                return triplets;
            }
            let mut random = random.of(anchor.index());
            for i in 0..self.per_anchor().unwrap_or(positives.len()) {
                let positive = match self.per_anchor() {
                    None => positives[i],
                    Some(_) => positives[random.random_range(0..positives.len())],
                };
                let at = random.random::<f64>() * sum;
                let drawn = sums.partition_point(|&up_to| up_to <= at);
                // The product may round up to the sum.
                let negative = weights.indices[drawn.min(sums.len() - 1)];
                triplets.push((positive.index, negative));
            }
            triplets.sort_unstable();
            triplets
        })?;
        Ok(join_triplets(found))
    }

    fn effective_sample_sizes(&self, batch: &Batch<'_>) -> Result<Option<Vec<f64>>, MiningError> {
        self.each_weighted(batch, |_, weights| weights.effective_sample_size())
            .map(Some)
    }
}
