//! How pairwise distances are distributed.

use metric_core::{Distance, Error, Euclidean, each_row};
use ndarray::ArrayView2;

use super::classes::none_zero;
use super::embedded::Embedded;
use crate::SamplerError;

/// A histogram of the Euclidean distances between the rows of a set, in bins of one width from 0 to the largest.
///
/// # Examples
///
/// ```
/// use metric_sampling::DistanceHistogram;
/// use ndarray::array;
/// let rows = array![[0.0], [1.0], [4.0]]; // distances 1, 3 and 4
/// let histogram = DistanceHistogram::new(rows.view(), 4)?;
/// assert_eq!((histogram.upper(), histogram.counts()), (4.0, &[0, 1, 0, 2][..]));
/// assert_eq!(histogram.wasserstein(rows.view())?, 0.0);
/// # Ok::<(), metric_sampling::SamplerError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DistanceHistogram {
    /// Where the last bin ends; the last bin holds what is beyond, too.
    upper: f32,
    counts: Vec<u64>,
}

impl DistanceHistogram {
    /// That of rows `[n, dim]`, in `bins` bins.
    ///
    /// Cost: all pairs twice, `O(n² dim)` time, and `O(n (dim + bins))` memory: of a large memory, give some rows.
    ///
    /// # Errors
    ///
    /// [`SamplerError::Zero`] without bins, [`SamplerError::Data`] if the rows are empty or not finite, and
    /// [`SamplerError::SmallPool`] for a single row.
    pub fn new(rows: ArrayView2<'_, f32>, bins: usize) -> Result<Self, SamplerError> {
        none_zero(&[("bins", bins)])?;
        if rows.is_empty() {
            return Err(Error::Empty { what: "rows" }.into());
        }
        if rows.nrows() < 2 {
            let (pool, needed) = (rows.nrows(), 2);
            return Err(SamplerError::SmallPool { pool, needed });
        }
        let largest = each_row(&Euclidean, rows, rows, |_, distances| {
            distances.iter().copied().fold(0.0, f32::max)
        })?;
        let mut histogram = Self {
            upper: largest.into_iter().fold(0.0, f32::max),
            counts: vec![0; bins],
        };
        let each = each_row(&Euclidean, rows, rows, |row, distances| {
            let mut counts = vec![0u32; bins];
            for distance in &distances[row + 1..] {
                counts[histogram.bin(*distance)] += 1;
            }
            counts
        })?;
        for row in each {
            histogram
                .counts
                .iter_mut()
                .zip(row)
                .for_each(|(sum, n)| *sum += u64::from(n));
        }
        Ok(histogram)
    }

    /// The largest distance.
    pub fn upper(&self) -> f32 {
        self.upper
    }

    /// Pairs in each bin.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The Wasserstein-1 distance between the distances in the histogram and those between other rows `[m, dim]`, both in
    /// these bins and in units of a bin:
    /// ```text
    /// Σ_b |F(b) − G(b)|        F, G: the shares of pairs up to bin b
    /// ```
    /// 0 if they agree, up to distances that rounding takes over the edge of a bin; at most `bins − 1`. Cost: `O(m² dim)`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn wasserstein(&self, rows: ArrayView2<'_, f32>) -> Result<f64, SamplerError> {
        if rows.nrows() == 1 {
            return Err(SamplerError::SmallPool { pool: 1, needed: 2 });
        }
        let rows = Embedded::new("rows", rows)?;
        let mut counts = vec![0u64; self.counts.len()];
        for a in 0..rows.len() {
            for b in 0..a {
                counts[self.bin_of(rows.row(a), rows.row(b))] += 1;
            }
        }
        Ok(transport(&self.shares(), counts.into_iter()))
    }

    /// The bin of a distance; with all rows of the set equal, the first for 0 and the last for others.
    #[inline]
    fn bin(&self, distance: f32) -> usize {
        let last = self.counts.len() - 1;
        if distance >= self.upper {
            return if distance > 0.0 { last } else { 0 };
        }
        let share = f64::from(distance) / f64::from(self.upper);
        ((share * self.counts.len() as f64) as usize).min(last)
    }

    #[inline]
    pub(super) fn bin_of(&self, a: &[f32], b: &[f32]) -> usize {
        self.bin(Euclidean.distance(a, b))
    }

    /// The share of pairs up to each bin.
    pub(super) fn shares(&self) -> Vec<f64> {
        let all = self.counts.iter().sum::<u64>() as f64;
        let mut up_to = 0;
        self.counts
            .iter()
            .map(|&count| {
                up_to += count;
                up_to as f64 / all
            })
            .collect()
    }
}

/// `Σ |F − G|` of shares `F` and the counts behind `G`; infinite without counts.
pub(super) fn transport(shares: &[f64], counts: impl Iterator<Item = u64> + Clone) -> f64 {
    let all = counts.clone().sum::<u64>();
    if all == 0 {
        return f64::INFINITY;
    }
    let mut up_to = 0;
    shares
        .iter()
        .zip(counts)
        .map(|(share, count)| {
            up_to += count;
            (share - up_to as f64 / all as f64).abs()
        })
        .sum()
}
