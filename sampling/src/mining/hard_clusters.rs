//! Negatives from the nearest classes.

use std::collections::BTreeMap;

use metric_core::{Distance, Euclidean, Relevance, each_row};
use ndarray::Array2;
use rand::Rng;

use super::{PairMiner, checked_count, join_pairs, with_distance};
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
        let classes = ranks_of(reference);
        let of_item: Vec<usize> = reference.iter().map(|label| classes[label]).collect();
        let centres = centres(batch, &of_item, classes.len());
        let nearest = each_row(
            &self.distance,
            batch.rows(),
            centres.view(),
            |row, distances| {
                let own = classes.get(&rows[row]).copied();
                let mut others: Vec<usize> =
                    (0..distances.len()).filter(|&c| Some(c) != own).collect();
                others.sort_by(|&b, &c| distances[b].total_cmp(&distances[c]));
                others.truncate(self.classes);
                others
            },
        )?;
        let chosen = batch.each_anchor_unmeasured(|anchor| {
            let nearest = &nearest[anchor.index() as usize];
            let mut negatives = anchor.negatives_where(|d| !d.is_nan());
            negatives.retain(|&n| nearest.contains(&of_item[n as usize]));
            let positives: Vec<u32> = anchor.positives().iter().map(|p| p.index).collect();
            if positives.is_empty() || negatives.is_empty() {
                return Default::default();
            }
            (positives, negatives)
        });
        Ok(join_pairs(&chosen))
    }
}

/// Number of each label in ascending order.
fn ranks_of(labels: &[u32]) -> BTreeMap<u32, usize> {
    let mut ranks: BTreeMap<u32, usize> = labels.iter().map(|&label| (label, 0)).collect();
    (0..)
        .zip(ranks.values_mut())
        .for_each(|(i, rank)| *rank = i);
    ranks
}

fn centres(batch: &Batch<'_>, of_item: &[usize], classes: usize) -> Array2<f32> {
    let dim = batch.rows().ncols();
    let mut sums = Array2::<f64>::zeros((classes, dim));
    let mut counts = vec![0.0; classes];
    for (item, &class) in of_item.iter().enumerate() {
        counts[class] += 1.0;
        for (sum, &x) in sums
            .row_mut(class)
            .iter_mut()
            .zip(batch.reference_row(item))
        {
            *sum += f64::from(x);
        }
    }
    Array2::from_shape_fn((classes, dim), |(c, j)| (sums[[c, j]] / counts[c]) as f32)
}
