//! One row for each example of the training set.

use std::collections::BTreeMap;

use metric_core::{Error, Scalar};
use ndarray::{Array2, ArrayView2};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::BufferError;
use crate::ring_buffer::staleness_weights;

/// A row for each example of the training set, replaced or moved as the example is seen (the memory bank of Wu et al.,
/// *Unsupervised Feature Learning via Non-Parametric Instance Discrimination*, 2018, <https://arxiv.org/abs/1805.01978>).
///
/// ```text
/// mᵢ ← μ mᵢ + (1 − μ) xᵢ,    and if rows are kept at length one,  mᵢ ← mᵢ / ‖mᵢ‖
/// ```
/// Defaults: momentum `μ = 0`, which replaces rows, and rows of any length. The authors' code uses `μ = 0.5` and length one.
/// Arithmetic is in `f64`. Nothing changes on an error. Serialized and read back it is the same, to the bit, and is checked.
///
/// Memory: `n · dim` numbers. An update of `b` rows costs `O(b dim)`.
///
/// # Examples
///
/// ```
/// use metric_sampling::MemoryBank;
/// use ndarray::array;
///
/// let rows = array![[1.0f32, 0.0], [0.0, 1.0]];
/// let mut bank = MemoryBank::new(rows.view())?.with_momentum(0.5)?.with_unit_rows()?;
/// bank.update(&[1], array![[0.6, 0.8]].view())?;
/// // (0.3, 0.9) / √0.9
/// assert!((bank.rows()[[1, 0]] - 0.3162278).abs() < 1e-6);
/// assert_eq!(bank.ages(), [1, 0]);
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
pub struct MemoryBank<T: Scalar> {
    /// `[n, dim]`
    rows: Array2<T>,
    /// Number of the update each row was last in, from 1; 0 for none.
    stamps: Vec<u64>,
    updates: u64,
    momentum: f64,
    unit: bool,
}

impl<T: Scalar> MemoryBank<T> {
    /// A bank that starts with these rows `[n, dim]`.
    ///
    /// # Errors
    ///
    /// [`BufferError::Data`] if they are empty or not finite.
    pub fn new(rows: ArrayView2<'_, T>) -> Result<Self, BufferError> {
        let what = "rows";
        if rows.is_empty() {
            return Err(Error::Empty { what }.into());
        }
        finite(rows)?;
        Ok(Self {
            rows: rows.as_standard_layout().into_owned(),
            stamps: vec![0; rows.nrows()],
            updates: 0,
            momentum: 0.0,
            unit: false,
        })
    }

    /// A bank of `n` rows that starts with directions drawn uniformly from the sphere, and keeps rows at length one.
    ///
    /// # Errors
    ///
    /// [`BufferError::Zero`] if `n` or `dim` is 0.
    pub fn random<R: Rng + ?Sized>(n: usize, dim: usize, rng: &mut R) -> Result<Self, BufferError> {
        for (name, number) in [("n", n), ("dim", dim)] {
            if number == 0 {
                return Err(BufferError::Zero { name });
            }
        }
        // Independent normal entries point everywhere alike (Box and Muller's cosine; 1 − u is above 0).
        let mut normal = || {
            let (u, v): (f64, f64) = (rng.random(), rng.random());
            (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
        };
        let mut rows = Array2::from_elem((n, dim), T::ZERO);
        for mut row in rows.outer_iter_mut() {
            let unit = loop {
                let mut draw: Vec<f64> = (0..dim).map(|_| normal()).collect();
                if to_unit(&mut draw) {
                    break draw;
                }
            };
            row.iter_mut()
                .zip(unit)
                .for_each(|(to, value)| *to = T::from_f64(value));
        }
        let mut bank = Self::new(rows.view())?;
        bank.unit = true;
        Ok(bank)
    }

    /// Sets the share `μ` of a row that stays when it is updated.
    ///
    /// # Errors
    ///
    /// [`BufferError::InvalidParam`] if it is not at least 0 and below 1.
    pub fn with_momentum(mut self, momentum: f64) -> Result<Self, BufferError> {
        if !(0.0..1.0).contains(&momentum) {
            return Err(BufferError::InvalidParam {
                name: "momentum",
                expected: "at least 0 and below 1",
                got: momentum,
            });
        }
        self.momentum = momentum;
        Ok(self)
    }

    /// Scales all rows to length one, now and after each update.
    ///
    /// # Errors
    ///
    /// [`BufferError::Data`] with [`Error::ZeroRow`] if one has no direction.
    pub fn with_unit_rows(mut self) -> Result<Self, BufferError> {
        for (row, mut values) in self.rows.outer_iter_mut().enumerate() {
            let mut unit: Vec<f64> = values.iter().map(|value| value.to_f64()).collect();
            if !to_unit(&mut unit) {
                return Err(Error::ZeroRow { what: "rows", row }.into());
            }
            values
                .iter_mut()
                .zip(unit)
                .for_each(|(to, value)| *to = T::from_f64(value));
        }
        self.unit = true;
        Ok(self)
    }

    /// Moves the rows of the examples `indices` `[b]` towards `rows` `[b, dim]`. An index that comes twice is moved twice, in
    /// order. Without rows nothing happens, and nothing ages.
    ///
    /// # Errors
    ///
    /// [`BufferError::Indices`], [`BufferError::UnknownRow`], and [`BufferError::Data`] if the rows have another dimension, are
    /// not finite, or, for rows of length one, leave a row without a direction.
    pub fn update(
        &mut self,
        indices: &[usize],
        rows: ArrayView2<'_, T>,
    ) -> Result<(), BufferError> {
        let (b, dim) = rows.dim();
        if dim != self.dim() {
            let (left, right) = (self.dim(), dim);
            return Err(Error::DimMismatch { left, right }.into());
        }
        if b != indices.len() {
            let (rows, indices) = (b, indices.len());
            return Err(BufferError::Indices { rows, indices });
        }
        if let Some(&index) = indices.iter().find(|&&index| index >= self.len()) {
            let rows = self.len();
            return Err(BufferError::UnknownRow { index, rows });
        }
        finite(rows)?;
        let mut moved: BTreeMap<usize, Vec<T>> = BTreeMap::new();
        for (row, (&index, new)) in indices.iter().zip(rows.outer_iter()).enumerate() {
            let to = moved
                .entry(index)
                .or_insert_with(|| self.rows.row(index).to_vec());
            let mut blend: Vec<f64> = to
                .iter()
                .zip(new)
                .map(|(old, new)| {
                    self.momentum * old.to_f64() + (1.0 - self.momentum) * new.to_f64()
                })
                .collect();
            if self.unit && !to_unit(&mut blend) {
                let what = "updated rows";
                return Err(Error::ZeroRow { what, row }.into());
            }
            to.iter_mut()
                .zip(blend)
                .for_each(|(to, value)| *to = T::from_f64(value));
            // Only next to the largest number can rounding take the mean of two beyond it.
            if to.iter().any(|value| !value.is_finite()) {
                let what = "updated rows";
                return Err(Error::Overflow { what }.into());
            }
        }
        self.updates += u64::from(b > 0);
        for (index, row) in moved {
            self.rows
                .row_mut(index)
                .iter_mut()
                .zip(row)
                .for_each(|(to, value)| *to = value);
            self.stamps[index] = self.updates;
        }
        Ok(())
    }

    /// The rows, `[n, dim]`, in order of the examples.
    pub fn rows(&self) -> ArrayView2<'_, T> {
        self.rows.view()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.nrows()
    }

    /// Always false: a bank has rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of a row's list of numbers.
    pub fn dim(&self) -> usize {
        self.rows.ncols()
    }

    /// The share of a row that stays when it is updated.
    pub fn momentum(&self) -> f64 {
        self.momentum
    }

    /// Are rows kept at length one?
    pub fn has_unit_rows(&self) -> bool {
        self.unit
    }

    /// How many updates with rows there were.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Has this row been updated since the start? False beyond the bank.
    pub fn is_updated(&self, index: usize) -> bool {
        self.stamps.get(index).is_some_and(|&stamp| stamp > 0)
    }

    /// How many updates came after the last one of each row; for a row without any, all of them.
    pub fn ages(&self) -> Vec<u64> {
        self.stamps
            .iter()
            .map(|stamp| self.updates - stamp)
            .collect()
    }

    /// `exp(−age / τ)` for each row, as [`RingBuffer::staleness_weights`](crate::RingBuffer::staleness_weights).
    ///
    /// # Errors
    ///
    /// [`BufferError::InvalidParam`] if `tau` is not above 0.
    pub fn staleness_weights(&self, tau: f64) -> Result<Vec<f64>, BufferError> {
        staleness_weights(self.ages(), tau)
    }
}

fn finite<T: Scalar>(rows: ArrayView2<'_, T>) -> Result<(), Error> {
    match rows.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((row, column), _)) => {
            let what = "rows";
            Err(Error::NonFinite { what, row, column })
        }
        None => Ok(()),
    }
}

/// Scales to length one; false if all entries are zero.
fn to_unit(row: &mut [f64]) -> bool {
    let most = row
        .iter()
        .fold(0.0, |most: f64, value| most.max(value.abs()));
    if most == 0.0 {
        return false;
    }
    // The largest entry is one: no square overflows, and none that matters underflows.
    row.iter_mut().for_each(|value| *value /= most);
    let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
    row.iter_mut().for_each(|value| *value /= norm);
    true
}

/// A bank as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    dim: usize,
    rows: Vec<T>,
    stamps: Vec<u64>,
    updates: u64,
    momentum: f64,
    unit: bool,
}

impl<T: Scalar> From<MemoryBank<T>> for Stored<T> {
    fn from(bank: MemoryBank<T>) -> Self {
        Self {
            dim: bank.dim(),
            rows: bank.rows.iter().copied().collect(),
            stamps: bank.stamps,
            updates: bank.updates,
            momentum: bank.momentum,
            unit: bank.unit,
        }
    }
}

impl<T: Scalar> TryFrom<Stored<T>> for MemoryBank<T> {
    type Error = BufferError;

    fn try_from(stored: Stored<T>) -> Result<Self, BufferError> {
        let (n, entries) = (stored.stamps.len(), stored.rows.len());
        let shaped = match n.checked_mul(stored.dim) {
            Some(numbers) if numbers == entries => {
                Array2::from_shape_vec((n, stored.dim), stored.rows).ok()
            }
            _ => None,
        };
        let Some(rows) = shaped else {
            return Err(BufferError::Parts {
                dim: stored.dim,
                entries,
                labels: n,
                ages: n,
            });
        };
        let mut bank = Self::new(rows.view())?.with_momentum(stored.momentum)?;
        let last = stored.stamps.iter().copied().max().unwrap_or(0);
        if last > stored.updates {
            let pushes = stored.updates;
            return Err(BufferError::Stamps { last, pushes });
        }
        if stored.unit {
            for (row, values) in rows.outer_iter().enumerate() {
                let squares: f64 = values.iter().map(|v| v.to_f64() * v.to_f64()).sum();
                // Each entry of a unit row is off by at most half an ε of its size, which is at most 1.
                if (squares.sqrt() - 1.0).abs() > T::EPSILON.to_f64() * (4.0 + stored.dim as f64) {
                    return Err(BufferError::NotUnit {
                        row,
                        norm: squares.sqrt(),
                    });
                }
            }
        }
        bank.stamps = stored.stamps;
        bank.updates = stored.updates;
        bank.unit = stored.unit;
        Ok(bank)
    }
}
