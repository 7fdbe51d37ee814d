//! Building the tree.

use rayon::prelude::*;

use super::{Node, Shell, Tree};
use crate::rows::Rows;
use crate::{Metric, Scalar};

/// Rows in a leaf, at most.
const LEAF: usize = 32;
/// Rows from which on the two halves are built in parallel.
const PARALLEL: usize = 1024;
/// Candidates for a vantage point, at most.
const CANDIDATES: usize = 5;
/// Rows that a candidate is judged by.
const SAMPLE: usize = 32;

/// A row on its way into the tree, and its distance to the last vantage point.
type Item<T> = (T, usize);

pub(super) fn tree<T: Scalar, M: Metric<T>>(rows: &Rows<'_, T>, metric: &M, seed: u64) -> Tree<T> {
    // The greater half of m rows has m/2, rounded down; all leaves are at one depth.
    let mut largest_leaf = rows.len();
    let mut leaves = 1;
    while largest_leaf > LEAF {
        largest_leaf /= 2;
        leaves *= 2;
    }
    let mut nodes = vec![Node::default(); leaves - 1];
    let mut items: Vec<Item<T>> = (0..rows.len()).map(|index| (T::ZERO, index)).collect();
    Builder { rows, metric, seed }.split(&mut items, &mut nodes, 1);
    Tree {
        nodes,
        order: items.into_iter().map(|(_, index)| index).collect(),
    }
}

struct Builder<'b, 'a, T: Scalar, M> {
    rows: &'b Rows<'a, T>,
    metric: &'b M,
    seed: u64,
}

impl<T: Scalar, M: Metric<T>> Builder<'_, '_, T, M> {
    /// `path` numbers the node as in a heap, so that its random draws do not depend on which thread comes first.
    fn split(&self, items: &mut [Item<T>], nodes: &mut [Node<T>], path: u64) {
        let Some((node, below)) = nodes.split_first_mut() else {
            items.sort_unstable_by_key(|&(_, index)| index);
            return;
        };
        let chosen = self.vantage_point(items, Draws::new(self.seed, path));
        items.swap(0, chosen);
        let near_len = items.len() / 2;
        let (&mut (_, vantage), items) = items.split_first_mut().expect("inner nodes hold rows");
        self.measure(vantage, items);
        items.select_nth_unstable_by(near_len - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (near, far) = items.split_at_mut(near_len);
        *node = Node {
            near: shell(near),
            far: shell(far),
        };
        let parallel = near_len >= PARALLEL;
        let (near_nodes, far_nodes) = below.split_at_mut(below.len() / 2);
        let mut near = || self.split(near, near_nodes, 2 * path);
        let mut far = || self.split(far, far_nodes, 2 * path + 1);
        if parallel {
            rayon::join(near, far);
        } else {
            near();
            far();
        }
    }

    /// Writes the distances to the vantage point.
    fn measure(&self, vantage: usize, items: &mut [Item<T>]) {
        let vantage = self.rows.row(vantage);
        items
            .par_iter_mut()
            .with_min_len(PARALLEL)
            .for_each(|(distance, index)| {
                *distance = self.metric.distance(vantage, self.rows.row(*index));
            });
    }

    /// Position of the candidate with the widest spread of distances; small sets are not worth the trouble.
    fn vantage_point(&self, items: &[Item<T>], mut draws: Draws) -> usize {
        let candidates = (items.len() / (4 * SAMPLE)).clamp(1, CANDIDATES);
        let mut best = draws.below(items.len());
        if candidates > 1 {
            let sample: Vec<usize> = (0..SAMPLE).map(|_| draws.below(items.len())).collect();
            let mut widest = self.spread(items, best, &sample);
            for _ in 1..candidates {
                let candidate = draws.below(items.len());
                let spread = self.spread(items, candidate, &sample);
                if spread > widest {
                    (best, widest) = (candidate, spread);
                }
            }
        }
        best
    }

    /// Summed deviation of the sample's distances from their median.
    fn spread(&self, items: &[Item<T>], candidate: usize, sample: &[usize]) -> f64 {
        let row = |at: usize| self.rows.row(items[at].1);
        let mut distances: Vec<f64> = sample
            .iter()
            .map(|&at| self.metric.distance(row(candidate), row(at)).to_f64())
            .collect();
        distances.sort_unstable_by(f64::total_cmp);
        let median = distances[distances.len() / 2];
        distances.iter().map(|d| (d - median).abs()).sum()
    }
}

fn shell<T: Scalar>(items: &[Item<T>]) -> Shell<T> {
    let distances = || items.iter().map(|&(distance, _)| distance);
    let why = "both halves of more than two rows hold some";
    Shell {
        least: distances().min_by(T::total_cmp).expect(why),
        most: distances().max_by(T::total_cmp).expect(why),
    }
}

/// A node's own random numbers: SplitMix64 (Steele, Lea & Flood, 2014) from the tree's seed and the node's path.
struct Draws(u64);

impl Draws {
    fn new(seed: u64, path: u64) -> Self {
        // Paths are put far apart in the sequence by a first mixing.
        Self(seed ^ mix(path))
    }

    /// A position below `n`, with a bias below `n / 2⁶⁴`.
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        ((u128::from(mix(self.0)) * n as u128) >> 64) as usize
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::Euclidean;

    fn grown(rows: &Array2<f32>, seed: u64, threads: usize) -> Tree<f32> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let rows = Rows::checked("rows", rows.view()).unwrap();
        pool.unwrap().install(|| tree(&rows, &Euclidean, seed))
    }

    #[test]
    fn the_tree_is_the_same_for_any_number_of_threads_and_another_for_another_seed() {
        let rows = Array2::from_shape_fn((9000, 3), |(i, j)| ((i * 7 + j) as f32 * 0.61).sin());
        let alone = grown(&rows, 5, 1);
        for threads in [2, 7] {
            assert!(alone == grown(&rows, 5, threads));
        }
        assert!(alone != grown(&rows, 6, 1));
    }

    #[test]
    fn every_row_is_in_the_tree_once_and_leaves_are_small() {
        for n in (1..300).chain([1023, 1024, 1025, 4099]) {
            let rows = Array2::from_shape_fn((n, 1), |(i, _)| ((i * i) % 17) as f32);
            let Tree { nodes, order } = grown(&rows, 1, 1);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..n).collect::<Vec<_>>());
            let leaves = nodes.len() + 1;
            assert!(leaves.is_power_of_two());
            assert!(n - nodes.len() <= leaves * LEAF, "{n}");
            assert!(
                leaves == 1 || n - nodes.len() >= leaves * (LEAF / 2 - 1),
                "{n}"
            );
        }
    }
}
