//! Prototypes beside examples, as further positives.

use ndarray::{Array2, ArrayView2, Axis, concatenate};

use super::{checked_rows, matches};
use crate::{MiningError, NegativePairs, Pairs};

/// A reference set of items and, behind them, prototypes of their kinds: so the prototype of its class or cluster joins the positives of
/// an anchor, and those of other classes its negatives.
///
/// ```text
/// P(a) = { i : y_i = y_a } ∪ { c : y_c = y_a }          items i, prototypes c
/// ```
/// A row whose class comes once in the batch so has a positive. Labels of prototypes are classes
/// ([`ClassPrototypes::labels`](super::ClassPrototypes::labels)), or numbers of clusters where the items are labelled by
/// their [assignments](super::Granularity::assignments). They need not match: a class may have no prototype, or several.
///
/// It is for [`Batch::against`](crate::Batch::against) and for losses with a reference set. Where the items are the batch itself,
/// leave its [own copies](Self::own_copies) out. Prototypes on the sphere are of length 1: normalise the items too.
/// Cost: a copy of both.
///
/// # Examples
///
/// Three rows of three classes, which have prototypes from other batches. Only these are compared with, so that every row has one
/// positive:
///
/// ```
/// use metric_core::Relevance;
/// use metric_sampling::positives::{ClassPrototypes, SupportedReference};
/// use metric_sampling::{Batch, BatchHard, TripletMiner};
/// use ndarray::array;
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let seen = array![[0.0f32], [2.0], [6.0], [20.0]];
/// let prototypes = ClassPrototypes::of(seen.view(), &[4, 4, 5, 6])?;
/// let (rows, labels) = (array![[0.0f32], [5.0], [9.0]], [4, 5, 6]);
/// let relevance = Relevance::labels_against(&labels, prototypes.labels());
/// let batch = Batch::against(rows.view(), prototypes.rows(), relevance)?;
/// let triplets = BatchHard::new().mine(&batch, &mut rng)?;
/// assert!(triplets.iter().eq([(0, 0, 1), (1, 1, 0), (2, 2, 1)]));
///
/// // A memory of two items, and the prototypes behind it.
/// let memory = (array![[1.5f32], [8.0]], [4, 5]);
/// let reference = SupportedReference::new(
///     (memory.0.view(), &memory.1),
///     (prototypes.rows(), prototypes.labels()),
/// )?;
/// assert_eq!(reference.labels(), [4, 5, 4, 5, 6]);
/// let relevance = Relevance::labels_against(&labels, reference.labels());
/// let batch = Batch::against(rows.view(), reference.rows(), relevance)?;
/// let triplets = BatchHard::new().mine(&batch, &mut rng)?;
/// // Row 2 has the prototype of its class alone, row 1 the item at 8 for its farthest.
/// assert!(triplets.iter().eq([(0, 0, 3), (1, 1, 0), (2, 4, 1)]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SupportedReference {
    rows: Array2<f32>,
    labels: Vec<u32>,
    items: usize,
}

impl SupportedReference {
    /// Items `[m, dim]` and prototypes `[c, dim]`, with a label each.
    ///
    /// # Errors
    ///
    /// [`MiningError::Data`] if either is empty or not finite, has not one label a row, or they differ in their dimension.
    pub fn new(
        (items, labels): (ArrayView2<'_, f32>, &[u32]),
        (prototypes, of_prototypes): (ArrayView2<'_, f32>, &[u32]),
    ) -> Result<Self, MiningError> {
        checked_rows("items", items)?;
        checked_rows("prototypes", prototypes)?;
        matches(items.ncols(), prototypes.ncols())?;
        for (rows, labels) in [(items, labels), (prototypes, of_prototypes)] {
            if rows.nrows() != labels.len() {
                let (rows, labels) = (rows.nrows(), labels.len());
                return Err(metric_core::Error::LabelCount { rows, labels }.into());
            }
        }
        let rows = items.nrows() + prototypes.nrows();
        if u32::try_from(rows).is_err() {
            return Err(MiningError::TooManyRows { rows });
        }
        Ok(Self {
            rows: stacked(items, prototypes),
            labels: [labels, of_prototypes].concat(),
            items: items.nrows(),
        })
    }

    /// All rows, `[m + c, dim]`: items, then prototypes.
    pub fn rows(&self) -> ArrayView2<'_, f32> {
        self.rows.view()
    }

    /// A label each.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// How many of the rows are items.
    pub fn items(&self) -> usize {
        self.items
    }

    /// Is this row a prototype?
    pub fn is_prototype(&self, row: usize) -> bool {
        row >= self.items
    }

    /// Every item as a positive of itself: what to leave out where the rows of the batch are the items, in order.
    ///
    /// # Examples
    ///
    /// ```
    /// use metric_core::Relevance;
    /// use metric_sampling::positives::{ClassPrototypes, SupportedReference};
    /// use metric_sampling::{AllPairs, Batch, PairMiner};
    /// use ndarray::array;
    /// # use rand::SeedableRng;
    /// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    /// let prototypes = ClassPrototypes::of(array![[1.0f32], [7.0]].view(), &[4, 5])?;
    /// let (rows, labels) = (array![[0.0f32], [2.0], [5.0]], [4, 4, 5]);
    /// let reference = SupportedReference::new(
    ///     (rows.view(), &labels),
    ///     (prototypes.rows(), prototypes.labels()),
    /// )?;
    /// let relevance = Relevance::labels_against(&labels, reference.labels());
    /// let batch = Batch::against(rows.view(), reference.rows(), relevance)?;
    /// let pairs = AllPairs.mine(&batch.except(&reference.own_copies())?, &mut rng)?;
    /// // The prototypes are items 3 and 4; row 2, alone of its class, has the latter.
    /// assert!(pairs.positive.iter().eq([(0, 1), (0, 3), (1, 0), (1, 3), (2, 4)]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn own_copies(&self) -> Pairs {
        let own = (0..).take(self.items).map(|item| (item, item));
        Pairs {
            positive: own.collect(),
            negative: NegativePairs::default(),
        }
    }
}

fn stacked(items: ArrayView2<'_, f32>, prototypes: ArrayView2<'_, f32>) -> Array2<f32> {
    concatenate(Axis(0), &[items, prototypes]).expect("of one dimension, as was checked")
}
