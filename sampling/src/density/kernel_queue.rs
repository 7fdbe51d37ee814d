//! Kernel densities of rows that come and go.

use std::collections::VecDeque;

use ndarray::{ArrayView2, Axis};

use super::checks::enough;
use super::kernel::{Kernel, KernelSum, LeftOut};
use super::queue::{followed, is_room};
use super::{GaussianKernelDensity, VonMisesFisherKernelDensity};
use crate::{DensityError, RingBuffer};

/// The share of its kernels that a sum must have kept.
const LEFT: f64 = 0.25;

/// A [`RingBuffer`] whose rows know their leave-one-out kernel density.
///
/// A push adds the kernels of the rows that come to the sums of those that stay, and takes those of the rows that leave away:
/// ```text
/// S_i ← S_i + Σ_{j comes} K(x_i, x_j) − Σ_{j leaves} K(x_i, x_j)
/// ```
/// The rows that come get a sum of their own. What a difference loses is bounded: each row knows how much has been taken from its sum
/// since that was last summed anew, and once it is more than four times what is left, that row is summed anew. So a sum
/// is off by at most nine times what one summed anew is: by the rounding of five times as much put in, and of four times as much
/// taken out. Nothing adds up over time, since rows leave at the end. In a steady stream a row loses about
/// as much as it has over its whole stay, and is never summed anew.
///
/// The densities are otherwise those of [`LogDensity::log_density_self`](super::LogDensity::log_density_self) over the rows held.
/// Serve queries by the estimator, with [`buffer`](Self::buffer)'s rows as the bank.
///
/// Cost: a push of `b` rows in `n` takes `O(b n dim)` time; memory for the rows, 40 bytes a row, and while pushing two copies of the
/// rows. Results are the same bits for any number of threads.
///
/// # Examples
///
/// ```
/// use metric_sampling::density::{GaussianKernelDensity, KernelDensityQueue, LogDensity};
/// use ndarray::array;
/// let kernel = GaussianKernelDensity::new(1.0)?;
/// let mut queue = KernelDensityQueue::gaussian(2, 1, &kernel)?;
/// queue.push(array![[0.0f32], [1.0]].view(), &[0, 0])?;
/// queue.push(array![[3.0f32]].view(), &[1])?;
/// let anew = kernel.log_density_self(array![[1.0f32], [3.0]].view())?;
/// let held = queue.log_densities()?;
/// assert!(held.iter().zip(anew).all(|(held, anew)| (held - anew).abs() < 1e-5));
/// # Ok::<(), metric_sampling::DensityError>(())
/// ```
#[derive(Debug, Clone)]
pub struct KernelDensityQueue {
    kernel: Kernel,
    buffer: RingBuffer<f32>,
    sums: VecDeque<Held>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    sum: KernelSum,
    /// What was taken from it.
    taken: KernelSum,
}

impl KernelDensityQueue {
    /// An empty queue for `capacity` rows of `dim` numbers, with Gaussian kernels.
    ///
    /// # Errors
    ///
    /// [`DensityError::Buffer`] if either is 0.
    pub fn gaussian(
        capacity: usize,
        dim: usize,
        density: &GaussianKernelDensity,
    ) -> Result<Self, DensityError> {
        Self::new(capacity, dim, density.kernel(dim))
    }

    /// An empty queue for `capacity` rows of `dim` numbers, with von Mises-Fisher kernels.
    ///
    /// # Errors
    ///
    /// [`DensityError::Buffer`] if either is 0.
    pub fn von_mises_fisher(
        capacity: usize,
        dim: usize,
        density: &VonMisesFisherKernelDensity,
    ) -> Result<Self, DensityError> {
        Self::new(capacity, dim, density.kernel(dim))
    }

    fn new(capacity: usize, dim: usize, kernel: Kernel) -> Result<Self, DensityError> {
        Ok(Self {
            kernel,
            buffer: RingBuffer::new(capacity, dim)?,
            sums: VecDeque::new(),
        })
    }

    /// Adds rows `[n, dim]` with a label each, in place of the oldest where there is no room.
    ///
    /// # Errors
    ///
    /// As [`RingBuffer::push`], and [`DensityError::Data`] where a row is not what the kernel takes. Nothing changes on an error.
    pub fn push(&mut self, rows: ArrayView2<'_, f32>, labels: &[i64]) -> Result<(), DensityError> {
        if !is_room(&self.buffer, rows, labels) {
            // It says why, or that there is nothing to do.
            return Ok(self.buffer.push(rows, labels)?);
        }
        self.kernel.check("rows", rows)?;
        let held = self.buffer.len();
        let all = followed(&self.buffer, rows);
        let leaves = all.nrows().saturating_sub(self.buffer.capacity());
        let (left, all) = all.view().split_at(Axis(0), leaves);
        let (kept, _) = all.split_at(Axis(0), held - leaves);
        let come = self.kernel.sums(kept, rows, LeftOut::Nothing)?;
        let gone = self.kernel.sums(kept, left, LeftOut::Nothing)?;
        let with_kept = self.kernel.sums(rows, kept, LeftOut::Nothing)?;
        let among = self.kernel.sums_self(rows)?;
        let stay = self
            .sums
            .iter()
            .skip(leaves)
            .zip(come.into_iter().zip(gone));
        let stay = stay.map(|(held, (come, gone))| Held {
            sum: held.sum.plus(come).minus(gone),
            taken: held.taken.plus(gone),
        });
        let fresh = with_kept.into_iter().zip(among).map(|(kept, among)| Held {
            sum: kept.plus(among),
            taken: KernelSum::EMPTY,
        });
        let mut sums: VecDeque<Held> = stay.chain(fresh).collect();
        let worn = |held: &Held| !held.sum.is_at_least(LEFT, held.taken);
        let worn: Vec<usize> = (0..sums.len()).filter(|&row| worn(&sums[row])).collect();
        if !worn.is_empty() {
            let worn_rows = all.select(Axis(0), &worn);
            let anew = self
                .kernel
                .sums(worn_rows.view(), all, LeftOut::At(&worn))?;
            for (&row, sum) in worn.iter().zip(anew) {
                let taken = KernelSum::EMPTY;
                sums[row] = Held { sum, taken };
            }
        }
        self.buffer.push(rows, labels)?;
        self.sums = sums;
        Ok(())
    }

    /// The rows held.
    pub fn buffer(&self) -> &RingBuffer<f32> {
        &self.buffer
    }

    /// Log density of each row by the others, oldest first.
    ///
    /// # Errors
    ///
    /// [`DensityError::TooFewRows`] for fewer than two.
    pub fn log_densities(&self) -> Result<Vec<f64>, DensityError> {
        enough(2, self.buffer.len())?;
        let others = self.buffer.len() - 1;
        let sums = self.sums.iter();
        Ok(sums
            .map(|held| self.kernel.log_density(held.sum, others))
            .collect())
    }
}
