//! Packed rows.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::{Error, Scalar};

/// Bits in a word.
const WORD: usize = u64::BITS as usize;

/// `n` rows of `dim` bits each. Bit `j` of a row is bit `j mod 64` of its word `j / 64`; bits past `dim` are 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitRows {
    words: Vec<u64>,
    len: usize,
    dim: usize,
}

/// One row of [`BitRows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitRow<'a> {
    words: &'a [u64],
    dim: usize,
}

impl BitRows {
    /// Packs `[n, dim]` booleans.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] without rows or columns.
    ///
    /// # Examples
    ///
    /// ```
    /// use metric_core::bits::BitRows;
    /// use ndarray::array;
    /// let rows = BitRows::from_bools(array![[true, false, true]].view())?;
    /// assert_eq!(rows.row(0).words(), [0b101]);
    /// # Ok::<(), metric_core::Error>(())
    /// ```
    pub fn from_bools(bits: ArrayView2<'_, bool>) -> Result<Self, Error> {
        Self::packed(bits, |&bit| bit)
    }

    /// A bit for each entry of `x` `[n, dim]`: is it above the threshold?
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NonFinite`], or [`Error::InvalidParam`] if the threshold is NaN.
    ///
    /// # Examples
    ///
    /// ```
    /// use metric_core::bits::BitRows;
    /// use ndarray::array;
    /// let rows = BitRows::above(array![[0.5f32, 0.0, -2.0], [1.0, 1.0, 0.1]].view(), 0.0)?;
    /// assert_eq!(rows.to_bools(), array![[true, false, false], [true, true, true]]);
    /// # Ok::<(), metric_core::Error>(())
    /// ```
    pub fn above<T: Scalar>(x: ArrayView2<'_, T>, threshold: T) -> Result<Self, Error> {
        if threshold.to_f64().is_nan() {
            return Err(Error::InvalidParam {
                name: "threshold",
                expected: "a number",
                got: f64::NAN,
            });
        }
        if let Some(((row, column), _)) = x.indexed_iter().find(|(_, x)| !x.is_finite()) {
            return Err(Error::NonFinite {
                what: "x",
                row,
                column,
            });
        }
        Self::packed(x, |&x| x > threshold)
    }

    fn packed<A: Sync>(
        entries: ArrayView2<'_, A>,
        bit: impl Fn(&A) -> bool + Sync,
    ) -> Result<Self, Error> {
        if entries.is_empty() {
            return Err(Error::Empty { what: "x" });
        }
        let (len, dim) = entries.dim();
        let stride = dim.div_ceil(WORD);
        let mut words = vec![0u64; len * stride];
        words
            .par_chunks_mut(stride)
            .enumerate()
            .for_each(|(index, words)| {
                for (column, entry) in entries.row(index).iter().enumerate() {
                    words[column / WORD] |= u64::from(bit(entry)) << (column % WORD);
                }
            });
        Ok(Self { words, len, dim })
    }

    /// The bits one by one, `[n, dim]`.
    pub fn to_bools(&self) -> Array2<bool> {
        Array2::from_shape_fn((self.len, self.dim), |(row, column)| {
            self.row(row).words[column / WORD] >> (column % WORD) & 1 == 1
        })
    }

    /// Number of rows, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "there is no empty set of rows")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bits a row, at least 1.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// One row.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    #[inline]
    pub fn row(&self, index: usize) -> BitRow<'_> {
        let stride = self.dim.div_ceil(WORD);
        BitRow {
            words: &self.words[index * stride..][..stride],
            dim: self.dim,
        }
    }

    /// All rows in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = BitRow<'_>> {
        self.words
            .chunks_exact(self.dim.div_ceil(WORD))
            .map(|words| BitRow {
                words,
                dim: self.dim,
            })
    }
}

impl<'a> BitRow<'a> {
    /// The words; bits past [`dim`](Self::dim) are 0.
    #[inline]
    pub fn words(&self) -> &'a [u64] {
        self.words
    }

    /// Number of bits.
    #[inline]
    pub fn dim(&self) -> usize {
        self.dim
    }
}
