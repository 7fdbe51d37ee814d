//! The rows seen last.

use std::collections::VecDeque;

use metric_core::{Error, Scalar};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::BufferError;
use crate::eviction::{Eviction, densest};

/// The last rows pushed, with their labels: at most a fixed number of them, the oldest overwritten first, or others by an
/// [`Eviction`] of one's choice.
///
/// The memory of cross-batch losses and the queues of self-supervised methods. What comes out is in the order it went
/// in, oldest first. Nothing changes on an error. Serialized and read back it is the same, to the bit, and is checked.
///
/// Memory: at most twice `capacity · dim` numbers, taken as it fills; a push copies its rows. What other evictions cost
/// they say.
///
/// # Examples
///
/// ```
/// use metric_sampling::RingBuffer;
/// use ndarray::array;
///
/// let mut buffer = RingBuffer::<f32>::new(3, 2)?;
/// buffer.push(array![[1.0, 1.0], [2.0, 2.0]].view(), &[7, 8])?;
/// buffer.push(array![[3.0, 3.0], [4.0, 4.0]].view(), &[7, 9])?;
/// assert_eq!(buffer.rows(), array![[2.0, 2.0], [3.0, 3.0], [4.0, 4.0]]);
/// assert_eq!(buffer.labels(), [8, 7, 9]);
/// assert_eq!(buffer.ages(), [1, 0, 0]);
/// # Ok::<(), metric_sampling::BufferError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    into = "Stored<T>",
    try_from = "Stored<T>",
    bound(
        serialize = "T: Scalar + Serialize",
        deserialize = "T: Scalar + Deserialize<'de>"
    )
)]
pub struct RingBuffer<T: Scalar> {
    capacity: usize,
    dim: usize,
    /// `[len, dim]`, oldest first.
    rows: VecDeque<T>,
    labels: VecDeque<i64>,
    /// Number of the push each row came with, from 1.
    stamps: VecDeque<u64>,
    pushes: u64,
    eviction: Eviction,
}

impl<T: Scalar> RingBuffer<T> {
    /// An empty buffer for `capacity` rows of `dim` numbers.
    ///
    /// # Errors
    ///
    /// [`BufferError::Zero`] if either is 0.
    pub fn new(capacity: usize, dim: usize) -> Result<Self, BufferError> {
        for (name, number) in [("capacity", capacity), ("dim", dim)] {
            if number == 0 {
                return Err(BufferError::Zero { name });
            }
        }
        Ok(Self {
            capacity,
            dim,
            rows: VecDeque::new(),
            labels: VecDeque::new(),
            stamps: VecDeque::new(),
            pushes: 0,
            eviction: Eviction::Oldest,
        })
    }

    /// Chooses which rows make room from the next push on; the oldest, if this is not called.
    ///
    /// # Errors
    ///
    /// [`BufferError::Zero`] if it counts no neighbours.
    pub fn with_eviction(mut self, eviction: Eviction) -> Result<Self, BufferError> {
        if eviction == (Eviction::Densest { k: 0 }) {
            return Err(BufferError::Zero { name: "k" });
        }
        self.eviction = eviction;
        Ok(self)
    }

    /// Which rows make room.
    pub fn eviction(&self) -> Eviction {
        self.eviction
    }

    /// Adds rows `[n, dim]` with a label each, in place of the oldest where there is no room, or of those that the
    /// [`eviction`](Self::eviction) names. Without rows nothing happens, and nothing ages.
    ///
    /// # Errors
    ///
    /// [`BufferError`] if the rows have another dimension, are not finite, have not one label each, or are more than
    /// the buffer holds.
    pub fn push(&mut self, rows: ArrayView2<'_, T>, labels: &[i64]) -> Result<(), BufferError> {
        let (n, dim) = rows.dim();
        if dim != self.dim {
            let (left, right) = (self.dim, dim);
            return Err(Error::DimMismatch { left, right }.into());
        }
        if n != labels.len() {
            let (rows, labels) = (n, labels.len());
            return Err(Error::LabelCount { rows, labels }.into());
        }
        if n > self.capacity {
            let (rows, capacity) = (n, self.capacity);
            return Err(BufferError::TooManyRows { rows, capacity });
        }
        if let Some(((row, column), _)) = rows.indexed_iter().find(|(_, v)| !v.is_finite()) {
            let what = "rows";
            return Err(Error::NonFinite { what, row, column }.into());
        }
        if n == 0 {
            return Ok(());
        }
        let surplus = (self.len() + n).saturating_sub(self.capacity);
        match self.eviction {
            Eviction::Oldest => {
                self.rows.drain(..surplus * self.dim);
                self.labels.drain(..surplus);
                self.stamps.drain(..surplus);
            }
            _ if surplus == 0 => {}
            _ if surplus == self.len() => self.clear(),
            Eviction::ClosestPair => self.keep(&densest(self.rows().view(), rows, 1, surplus)?),
            Eviction::Densest { k } => self.keep(&densest(self.rows().view(), rows, k, surplus)?),
        }
        self.pushes += 1;
        self.rows.extend(rows.iter().copied());
        self.labels.extend(labels);
        self.stamps.extend(std::iter::repeat_n(self.pushes, n));
        Ok(())
    }

    /// Number of rows held.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Does it hold none?
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Does it hold as many as it can?
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity
    }

    /// Most rows it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Length of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// A copy of the rows, `[len, dim]`, oldest first.
    pub fn rows(&self) -> Array2<T> {
        Array2::from_shape_fn((self.len(), self.dim), |(i, j)| self.rows[i * self.dim + j])
    }

    /// The rows without a copy, one after another: those of the first slice are older than those of the second.
    pub fn as_slices(&self) -> (&[T], &[T]) {
        self.rows.as_slices()
    }

    /// A label for each row, oldest first.
    pub fn labels(&self) -> Vec<i64> {
        self.labels.iter().copied().collect()
    }

    /// How many pushes with rows there were.
    pub fn pushes(&self) -> u64 {
        self.pushes
    }

    /// How many pushes with rows came after that of each row, oldest first; 0 for those of the last.
    pub fn ages(&self) -> Vec<u64> {
        self.stamps
            .iter()
            .map(|stamp| self.pushes - stamp)
            .collect()
    }

    /// A weight for each row that falls with its age, oldest first (an exponential stand-in for the drift of features that
    /// Wang et al., *Cross-Batch Memory for Embedding Learning*, 2020, <https://arxiv.org/abs/1912.06798>, measure):
    /// ```text
    /// w = exp(−age / τ),    age in pushes, τ > 0
    /// ```
    /// 1 for rows of the last push; `τ = ∞` weighs all alike.
    ///
    /// # Errors
    ///
    /// [`BufferError::InvalidParam`] if `tau` is not above 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use metric_sampling::RingBuffer;
    /// use ndarray::array;
    /// let mut buffer = RingBuffer::<f32>::new(2, 1)?;
    /// buffer.push(array![[1.0]].view(), &[0])?;
    /// buffer.push(array![[2.0]].view(), &[0])?;
    /// assert_eq!(buffer.staleness_weights(2.0)?, [f64::exp(-0.5), 1.0]);
    /// # Ok::<(), metric_sampling::BufferError>(())
    /// ```
    pub fn staleness_weights(&self, tau: f64) -> Result<Vec<f64>, BufferError> {
        staleness_weights(self.ages(), tau)
    }

    /// Forgets the rows that are not kept.
    fn keep(&mut self, kept: &[bool]) {
        let mut each = (0..kept.len() * self.dim).map(|entry| kept[entry / self.dim]);
        self.rows.retain(|_| each.next() == Some(true));
        let mut each = kept.iter();
        self.labels.retain(|_| each.next() == Some(&true));
        let mut each = kept.iter();
        self.stamps.retain(|_| each.next() == Some(&true));
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.labels.clear();
        self.stamps.clear();
    }
}

/// `exp(−age / τ)` for each age.
pub(crate) fn staleness_weights(ages: Vec<u64>, tau: f64) -> Result<Vec<f64>, BufferError> {
    if tau.is_nan() || tau <= 0.0 {
        return Err(BufferError::InvalidParam {
            name: "tau",
            expected: "above 0",
            got: tau,
        });
    }
    Ok(ages
        .iter()
        .map(|&age| (-(age as f64) / tau).exp())
        .collect())
}

/// A buffer as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    capacity: usize,
    dim: usize,
    rows: Vec<T>,
    labels: Vec<i64>,
    stamps: Vec<u64>,
    pushes: u64,
    /// Not in what was stored before there was a choice.
    #[serde(default)]
    eviction: Eviction,
}

impl<T: Scalar> From<RingBuffer<T>> for Stored<T> {
    fn from(buffer: RingBuffer<T>) -> Self {
        Self {
            capacity: buffer.capacity,
            dim: buffer.dim,
            rows: buffer.rows.into(),
            labels: buffer.labels.into(),
            stamps: buffer.stamps.into(),
            pushes: buffer.pushes,
            eviction: buffer.eviction,
        }
    }
}

impl<T: Scalar> TryFrom<Stored<T>> for RingBuffer<T> {
    type Error = BufferError;

    fn try_from(stored: Stored<T>) -> Result<Self, BufferError> {
        let buffer = Self::new(stored.capacity, stored.dim)?;
        let mut buffer = buffer.with_eviction(stored.eviction)?;
        let (rows, capacity) = (stored.labels.len(), stored.capacity);
        if rows > capacity {
            return Err(BufferError::TooManyRows { rows, capacity });
        }
        let entries = rows.checked_mul(stored.dim);
        if entries != Some(stored.rows.len()) || stored.stamps.len() != rows {
            return Err(BufferError::Parts {
                dim: stored.dim,
                entries: stored.rows.len(),
                labels: rows,
                ages: stored.stamps.len(),
            });
        }
        if let Some(at) = stored.rows.iter().position(|v| !v.is_finite()) {
            let (row, column) = (at / stored.dim, at % stored.dim);
            let what = "rows";
            return Err(Error::NonFinite { what, row, column }.into());
        }
        let in_order = stored.stamps.is_sorted();
        let last = stored.stamps.last().copied().unwrap_or(0);
        if !in_order || last > stored.pushes {
            let pushes = stored.pushes;
            return Err(BufferError::Stamps { last, pushes });
        }
        buffer.rows.extend(stored.rows);
        buffer.labels.extend(stored.labels);
        buffer.stamps.extend(stored.stamps);
        buffer.pushes = stored.pushes;
        Ok(buffer)
    }
}
