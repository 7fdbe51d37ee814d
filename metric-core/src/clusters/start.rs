//! Where the centres start.

use ndarray::{Array2, ArrayView2};
use rand::seq::index;
use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::assign::{CHUNK, Centres, Points};
use super::kmeans::check_count;
use crate::{Error, Scalar, lanes};

/// How the first centres are chosen.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Start<T> {
    /// k-means++ (Arthur & Vassilvitskii, *k-means++: The Advantages of Careful Seeding*, SODA 2007, section 2.2).
    ///
    /// The first centre is a row drawn uniformly, every further one a row drawn with probability
    /// ```text
    /// D(x)² / Σ D(x')²          D(x): distance of x to the nearest centre so far
    /// ```
    /// Greedy, as the paper's conclusion suggests: `trials` rows are drawn each time, and the one that leaves the least
    /// `Σ D²` is kept, the first of equal ones. `None`, the default, is `2 + ⌊ln k⌋` trials; 1 is the plain method.
    /// Once every row is a centre, further ones are drawn uniformly. `O(n k trials dim)` time.
    PlusPlus {
        /// Rows drawn for each centre after the first.
        trials: Option<usize>,
    },
    /// These centres, `[k, dim]`.
    Given(Array2<T>),
    /// `k` different rows, drawn uniformly (Forgy).
    Random,
}

impl<T> Default for Start<T> {
    fn default() -> Self {
        Self::PlusPlus { trials: None }
    }
}

impl<T: Scalar> Start<T> {
    pub(super) fn centres<R: Rng + ?Sized>(
        &self,
        points: &Points<'_, T>,
        k: usize,
        rng: &mut R,
    ) -> Result<Centres<T>, Error> {
        match self {
            Self::PlusPlus { trials } => {
                let trials = checked_trials(*trials, k)?;
                Ok(Centres::of_rows(points, &plus_plus(points, k, trials, rng)))
            }
            Self::Random => {
                let rows = index::sample(rng, points.len(), k).into_vec();
                Ok(Centres::of_rows(points, &rows))
            }
            Self::Given(centres) => {
                let given = Points::checked("start", centres.view())?;
                if given.dim() != points.dim() {
                    return Err(Error::DimMismatch {
                        left: points.dim(),
                        right: given.dim(),
                    });
                }
                if given.len() != k {
                    return Err(Error::CentreCount {
                        k,
                        got: given.len(),
                    });
                }
                let all: Vec<usize> = (0..k).collect();
                Ok(Centres::of_rows(&given, &all))
            }
        }
    }
}

/// Rows to start k-means from, as [`Start::PlusPlus`] draws them: `k` indices into `rows` `[n, dim]`.
///
/// `None` for `trials` is `2 + ⌊ln k⌋`. Cost: `O(n k trials dim)` time, most of it on 8-bit codes.
///
/// # Errors
///
/// [`Error::Empty`], [`Error::NonFinite`], [`Error::ClusterCount`], or [`Error::InvalidParam`] for 0 trials.
///
/// # Examples
///
/// ```
/// use metric_core::clusters::kmeans_plus_plus;
/// use ndarray::array;
/// use rand::SeedableRng;
/// let rows = array![[0.0f32], [0.1], [9.0], [9.1]];
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let chosen = kmeans_plus_plus(rows.view(), 2, None, &mut rng)?;
/// assert_ne!(chosen[0] / 2, chosen[1] / 2); // one of each pair
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn kmeans_plus_plus<T: Scalar, R: Rng + ?Sized>(
    rows: ArrayView2<'_, T>,
    k: usize,
    trials: Option<usize>,
    rng: &mut R,
) -> Result<Vec<usize>, Error> {
    let points = Points::checked("rows", rows)?;
    check_count(k, points.len())?;
    Ok(plus_plus(&points, k, checked_trials(trials, k)?, rng))
}

fn checked_trials(trials: Option<usize>, k: usize) -> Result<usize, Error> {
    match trials.unwrap_or(2 + (k as f64).ln() as usize) {
        0 => Err(Error::InvalidParam {
            name: "trials",
            expected: "at least 1",
            got: 0.0,
        }),
        trials => Ok(trials),
    }
}

fn plus_plus<T: Scalar, R: Rng + ?Sized>(
    points: &Points<'_, T>,
    k: usize,
    trials: usize,
    rng: &mut R,
) -> Vec<usize> {
    let n = points.len();
    let mut chosen = vec![rng.random_range(0..n)];
    let mut nearest = Nearest::new(points.len());
    nearest.add(points, &chosen);
    nearest.weigh();
    while chosen.len() < k {
        let total: f64 = nearest.sums.iter().sum();
        if total == 0.0 && !nearest.weigh() {
            chosen.push(rng.random_range(0..n));
            continue;
        }
        let candidates: Vec<usize> = (0..trials).map(|_| nearest.draw(rng.random())).collect();
        chosen.push(candidates[nearest.add(points, &candidates)]);
    }
    chosen
}

/// Distances of all rows to the nearest centre so far, and their weights in a draw.
struct Nearest<T> {
    distances: Vec<T>,
    /// Squared distances, over that of a far row so that none leaves the range.
    weights: Vec<f64>,
    /// Sums of the weights over each chunk of rows.
    sums: Vec<f64>,
    far: f64,
}

impl<T: Scalar> Nearest<T> {
    /// Without a centre.
    fn new(n: usize) -> Self {
        Self {
            distances: vec![T::from_f64(f64::INFINITY); n],
            weights: vec![0.0; n],
            sums: vec![0.0; n.div_ceil(CHUNK)],
            far: 1.0,
        }
    }

    /// Weighs all rows against the farthest; false if all are centres.
    fn weigh(&mut self) -> bool {
        let sizes = self.distances.par_iter().map(|d| d.to_f64());
        // A distance beyond the range of `T` is infinite.
        self.far = sizes.reduce(|| 0.0, f64::max).min(f64::MAX);
        let far = self.far;
        self.weights
            .par_iter_mut()
            .zip(&self.distances)
            .for_each(|(weight, &distance)| *weight = weight_of(distance, far));
        self.sum();
        far > 0.0
    }

    fn sum(&mut self) {
        self.sums
            .par_iter_mut()
            .zip(self.weights.par_chunks(CHUNK))
            .for_each(|(sum, weights)| *sum = lanes::sum(weights, weights, |weight, _| weight));
    }

    /// Makes that candidate a centre which leaves the least sum of squares, the first of equal ones, and says which.
    fn add(&mut self, points: &Points<'_, T>, candidates: &[usize]) -> usize {
        let chunks = points.closer(candidates, &self.distances);
        let mut gains = vec![0.0; candidates.len()];
        for chunk in &chunks {
            let mut of_chunk = vec![0.0; candidates.len()];
            for &(row, candidate, distance) in chunk {
                let gain = self.weights[row as usize] - weight_of(distance, self.far);
                of_chunk[candidate as usize] += gain;
            }
            gains
                .iter_mut()
                .zip(of_chunk)
                .for_each(|(sum, gain)| *sum += gain);
        }
        let best =
            (0..gains.len()).fold(0, |best, i| if gains[i] > gains[best] { i } else { best });
        for &(row, candidate, distance) in chunks.iter().flatten() {
            if candidate as usize == best {
                self.distances[row as usize] = distance;
                self.weights[row as usize] = weight_of(distance, self.far);
            }
        }
        self.sum();
        best
    }

    /// The row at this share, in `[0, 1)`, of the running sum of weights; never one of weight zero.
    fn draw(&self, share: f64) -> usize {
        let total: f64 = self.sums.iter().sum();
        let (chunk, rest) = place(self.sums.iter().copied(), share * total);
        let first = chunk * CHUNK;
        let rows = &self.weights[first..self.weights.len().min(first + CHUNK)];
        first + place(rows.iter().copied(), rest).0
    }
}

fn weight_of<T: Scalar>(distance: T, far: f64) -> f64 {
    if distance > T::ZERO {
        let part = distance.to_f64().min(f64::MAX) / far;
        part * part
    } else {
        0.0
    }
}

/// The index whose stretch of the running sum holds `target`, and what of the target lies in that stretch. A target at
/// or beyond the end, by rounding, falls into the last stretch that is not empty.
fn place(weights: impl Iterator<Item = f64>, mut target: f64) -> (usize, f64) {
    let mut last = (0, 0.0);
    for (index, weight) in weights.enumerate() {
        if weight > 0.0 {
            if target < weight {
                return (index, target);
            }
            last = (index, weight);
        }
        target -= weight;
    }
    last
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn second_centres_are_drawn_by_squared_distance() {
        let rows = array![[0.0f32], [1.0], [3.0], [7.0]];
        let points = Points::checked("rows", rows.view()).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let draws = 12_000;
        let mut counts = [[0.0; 4]; 4];
        for _ in 0..draws {
            let chosen = plus_plus(&points, 2, 1, &mut rng);
            counts[chosen[0]][chosen[1]] += 1.0;
        }
        let square = |i: usize, j: usize| f64::from(rows[[i, 0]] - rows[[j, 0]]).powi(2);
        let mut chi_squared = 0.0;
        for (i, counts) in counts.iter().enumerate() {
            assert!(counts[i] < 1.0);
            let total: f64 = (0..4).map(|j| square(i, j)).sum();
            for j in (0..4).filter(|&j| j != i) {
                let expected = f64::from(draws) / 4.0 * square(i, j) / total;
                chi_squared += (counts[j] - expected).powi(2) / expected;
            }
        }
        // 11 degrees of freedom: exceeded once in a thousand.
        assert!(chi_squared < 31.26, "{chi_squared}");
    }

    #[test]
    fn the_trial_that_leaves_least_is_kept() {
        // With 200 trials each of the four rows is drawn. From 0, centre 10 leaves 1 + 1, and 9 or 11 leave 1 + 4.
        let rows = array![[0.0f64], [9.0], [10.0], [11.0]];
        let points = Points::checked("rows", rows.view()).unwrap();
        for seed in 0..20 {
            let chosen = plus_plus(&points, 2, 200, &mut ChaCha8Rng::seed_from_u64(seed));
            match chosen[0] {
                0 => assert_eq!(chosen[1], 2),
                _ => assert_eq!(chosen[1], 0),
            }
        }
    }

    #[test]
    fn rows_already_chosen_come_last() {
        let rows = array![[2.0f32], [2.0], [5.0], [5.0], [5.0], [1e-30]];
        let points = Points::checked("rows", rows.view()).unwrap();
        for seed in 0..50 {
            let chosen = plus_plus(&points, 5, 2, &mut ChaCha8Rng::seed_from_u64(seed));
            let mut values: Vec<f32> = chosen[..3].iter().map(|&i| rows[[i, 0]]).collect();
            values.sort_by(f32::total_cmp);
            assert_eq!(values, [1e-30, 2.0, 5.0]);
        }
    }

    #[test]
    fn a_target_beyond_the_end_falls_into_the_last_weight() {
        let place = |target| place([0.0, 1.0, 0.0, 2.0, 0.0].into_iter(), target).0;
        assert_eq!(
            [0.0, 0.5, 1.0, 2.9, 3.0, 9.0].map(place),
            [1, 1, 3, 3, 3, 3]
        );
    }
}
