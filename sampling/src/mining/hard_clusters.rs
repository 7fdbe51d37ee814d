//! Negatives from the nearest classes.

use metric_core::{Distance, Euclidean, Relevance, each_row};
use rand::Rng;

use super::{PairMiner, checked_count, join_pairs, with_distance};
use crate::positives::ClassPrototypes;
use crate::{Batch, MiningError, Pairs};

/// All positives of every anchor, and all negatives of the `k` other classes whose centres are nearest to it: its impostor
/// clusters (after Rippel et al., *Metric Learning with Adaptive Density Discrimination*, 2016,
/// <https://arxiv.org/abs/1511.05939>, which has several clusters a class and chooses by the centre of the anchor's).
///
/// ```text
/// μ_c = mean of the items of class c,       negatives: n with y_n among the k nearest classes by d(a, μ_c), c ≠ y_a
/// ```
/// Centres are means of all items of the reference set (of the rows if there is none), not normalised; equal distances go to the
/// lower label. Anchors that lack a positive or a negative drop out. Candidates restrict the pairs, not the centres.
/// Cost: `O(n C dim)` time for distances to `C` centres, `O(n m)` for the labels, no other distances; `O(C dim + m)` memory a
/// thread.
///
/// # Examples
///
/// ```
/// use metric_core::Relevance;
/// use metric_sampling::{Batch, HardClusters, PairMiner};
/// use ndarray::array;
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let rows = array![[0.0f32], [1.0], [2.0], [4.0], [8.0], [9.0]];
/// let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 1, 1, 2, 2]))?;
/// let pairs = HardClusters::new(1)?.mine(&batch, &mut rng)?;
/// // Centres at 0.5, 3 and 8.5.
/// let of_row_3: Vec<_> = pairs.negative.iter().filter(|pair| pair.0 == 3).collect();
/// assert_eq!(of_row_3, [(3, 0), (3, 1)]);
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HardClusters<D = Euclidean> {
    classes: usize,
    distance: D,
}

impl HardClusters {
    /// With [`Euclidean`] distance and so many classes.
    ///
    /// # Errors
    ///
    /// [`MiningError::InvalidParam`] if there are none.
    pub fn new(classes: usize) -> Result<Self, MiningError> {
        let classes = checked_count("classes", classes)?;
        let distance = Euclidean;
        Ok(Self { classes, distance })
    }
}

with_distance!(HardClusters { classes });

impl<D: Distance<f32>> PairMiner for HardClusters<D> {
    /// # Errors
    ///
    /// [`MiningError::NeedsLabels`] unless relevance is by integer labels.
    fn mine(&self, batch: &Batch<'_>, _: &mut dyn Rng) -> Result<Pairs, MiningError> {
        let Relevance::Labels { rows, reference } = batch.relevance() else {
            let miner = "hard clusters";
            return Err(MiningError::NeedsLabels { miner });
        };
        let centres = ClassPrototypes::of(batch.reference(), reference)?;
        let nearest = each_row(
            &self.distance,
            batch.rows(),
            centres.rows(),
            |row, distances| {
                let own = centres.place(rows[row]);
                let mut others: Vec<usize> =
                    (0..distances.len()).filter(|&c| Some(c) != own).collect();
                others.sort_by(|&b, &c| distances[b].total_cmp(&distances[c]));
                others.truncate(self.classes);
                let label = |c: usize| centres.labels()[c];
                others.into_iter().map(label).collect::<Vec<u32>>()
            },
        )?;
        let chosen = batch.each_anchor_unmeasured(|anchor| {
            let nearest = &nearest[anchor.index() as usize];
            let mut negatives = anchor.negatives_where(|d| !d.is_nan());
            negatives.retain(|&n| nearest.contains(&reference[n as usize]));
            let positives: Vec<u32> = anchor.positives().iter().map(|p| p.index).collect();
            if positives.is_empty() || negatives.is_empty() {
                return Default::default();
            }
            (positives, negatives)
        });
        Ok(join_pairs(&chosen))
    }
}
