//! Positives out of a bank: who is near.

use metric_core::{Cosine, Distance, knn_where};
use ndarray::{Array2, ArrayView2, Axis};
use rand::{Rng, RngExt};

use crate::MiningError;
use crate::mining::random_rows::RandomRows;

/// The nearest item of a bank in the place of a row, as its positive (Dwibedi et al., *With a Little Help from My Friends:
/// Nearest-Neighbor Contrastive Learning of Visual Representations*, NNCLR, 2021, <https://arxiv.org/abs/2104.14548>).
///
/// ```text
/// NN(z, Q) = argmin_{q ∈ Q} d(z, q)                d(z, q) = 1 − cos(z, q); equal ones: the first
/// ```
/// or, [`of_nearest`](Self::of_nearest), one of the `k` nearest, each as likely; of all where the bank has fewer. The search is
/// exact, and looks no further than the bank: a queue is `bank = buffer.rows()` of a [`RingBuffer`](crate::RingBuffer).
///
/// Deviates from the paper: rows need not have length 1, since only directions are compared (zero rows as [`Cosine`] says), and
/// items may be left out, such as a row's own copy in a queue that was filled before.
///
/// What a row draws does not depend on the others nor on the number of threads; for the nearest alone nothing is drawn.
/// Cost: `O(n m dim)` time with a small constant, memory for a copy of the bank as codes, `O(n (k + dim))`.
///
/// # Examples
///
/// ```
/// use metric_sampling::positives::NearestPositives;
/// use ndarray::array;
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let bank = array![[1.0f32, 0.0], [0.6, 0.8], [0.0, 1.0]];
/// let rows = array![[2.0f32, 0.0]];
/// let found = NearestPositives::new().find(rows.view(), bank.view(), &mut rng)?;
/// assert_eq!(found.indices, [0]);
/// // Item 0 may be the row itself, as the bank saw it.
/// let others = |_row, item| item != 0;
/// let found = NearestPositives::new().find_where(rows.view(), bank.view(), others, &mut rng)?;
/// assert_eq!(found.indices, [1]);
/// assert!((found.similarities()[0] - 0.6).abs() < 1e-6);
/// assert_eq!(found.rows, array![[0.6, 0.8]]);
/// # Ok::<(), metric_sampling::MiningError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NearestPositives<D = Cosine> {
    k: usize,
    distance: D,
}

/// Items of a bank, one for each row.
#[derive(Debug, Clone, PartialEq)]
pub struct BankPositives {
    /// Places in the bank, `[n]`.
    pub indices: Vec<u32>,
    /// How far each is from its row, `[n]`.
    pub distances: Vec<f32>,
    /// The items themselves, `[n, dim]`.
    pub rows: Array2<f32>,
}

impl BankPositives {
    /// `1 − d`: the cosines, for cosine distances.
    pub fn similarities(&self) -> Vec<f32> {
        self.distances.iter().map(|d| 1.0 - d).collect()
    }
}

impl NearestPositives {
    /// The nearest, by [`Cosine`] distance.
    pub fn new() -> Self {
        Self {
            k: 1,
            distance: Cosine,
        }
    }

    /// One of the `k` nearest.
    ///
    /// # Errors
    ///
    /// [`MiningError::Data`] for 0.
    pub fn of_nearest(k: usize) -> Result<Self, MiningError> {
        if k == 0 {
            return Err(metric_core::Error::ZeroNeighbors.into());
        }
        let distance = Cosine;
        Ok(Self { k, distance })
    }
}

impl Default for NearestPositives {
    fn default() -> Self {
        Self::new()
    }
}

impl<D> NearestPositives<D> {
    /// The same with another distance.
    pub fn with_distance<E>(self, distance: E) -> NearestPositives<E> {
        NearestPositives {
            k: self.k,
            distance,
        }
    }
}

impl<D: Distance<f32>> NearestPositives<D> {
    /// A positive for each of `rows` `[n, dim]` out of `bank` `[m, dim]`.
    ///
    /// # Errors
    ///
    /// [`MiningError::Data`] if either is empty, not finite or not in the domain of the distance, or they differ in their
    /// dimension; [`MiningError::TooManyRows`] for more than 32-bit indices can name.
    pub fn find(
        &self,
        rows: ArrayView2<'_, f32>,
        bank: ArrayView2<'_, f32>,
        rng: &mut dyn Rng,
    ) -> Result<BankPositives, MiningError> {
        self.find_where(rows, bank, |_, _| true, rng)
    }

    /// The same among the items that `admits(row, item)` lets through, which is asked from several threads.
    ///
    /// # Errors
    ///
    /// Those of [`find`](Self::find), and [`MiningError::NoneLeft`] if a row has none.
    pub fn find_where(
        &self,
        rows: ArrayView2<'_, f32>,
        bank: ArrayView2<'_, f32>,
        admits: impl Fn(usize, usize) -> bool + Sync,
        rng: &mut dyn Rng,
    ) -> Result<BankPositives, MiningError> {
        for rows in [rows.nrows(), bank.nrows()] {
            if u32::try_from(rows).is_err() {
                return Err(MiningError::TooManyRows { rows });
            }
        }
        let near = knn_where(&self.distance, rows, bank, self.k, admits)?;
        let random = (self.k > 1).then(|| RandomRows::draw(rng));
        let mut chosen = Vec::with_capacity(near.len());
        let mut distances = Vec::with_capacity(near.len());
        for (row, (items, of_items)) in near.iter().enumerate() {
            if items.is_empty() {
                return Err(MiningError::NoneLeft { row });
            }
            let at = random.as_ref().map_or(0, |random| {
                random.of(row as u32).random_range(0..items.len())
            });
            chosen.push(items[at]);
            distances.push(of_items[at]);
        }
        Ok(BankPositives {
            rows: bank.select(Axis(0), &chosen),
            indices: chosen.into_iter().map(|item| item as u32).collect(),
            distances,
        })
    }
}
