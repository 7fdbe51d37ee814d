//! What a miner looks at.

use std::borrow::Cow;

use metric_core::{Error, Relevance};
use ndarray::ArrayView2;

use crate::candidates::Candidates;
use crate::{MiningError, NegativePairs, Pairs, PositivePairs};

/// Embeddings of a batch, what they are compared with, and who is relevant to whom.
///
/// Without a reference set the rows are their own, and a row is never paired with itself. With one, every item of it
/// can be paired with every row, equal or not; a bank or a queue is such a set.
///
/// A relevant item is a positive of a row, any other a negative, unless the batch is restricted to [candidates](Self::among).
///
/// Distances are taken over the rows as given: normalise them first where a loss will.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    rows: Matrix<'a>,
    reference: Option<Matrix<'a>>,
    relevance: Relevance<'a>,
    candidates: Option<Candidates>,
    excepted: Option<Candidates>,
    attracted: Option<Candidates>,
}

impl<'a> Batch<'a> {
    /// Rows `[n, dim]` compared with each other.
    ///
    /// # Errors
    ///
    /// [`MiningError::Data`] if the rows are empty or not finite or `relevance` speaks about another number of them;
    /// [`MiningError::TooManyRows`].
    pub fn new(rows: ArrayView2<'a, f32>, relevance: Relevance<'a>) -> Result<Self, MiningError> {
        let rows = Matrix::checked("rows", rows)?;
        label_count(rows.len(), relevance.rows())?;
        label_count(rows.len(), relevance.references())?;
        Ok(Self {
            rows,
            reference: None,
            relevance,
            candidates: None,
            excepted: None,
            attracted: None,
        })
    }

    /// Rows `[n, dim]` compared with a reference set `[m, dim]`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and if the two sets differ in their dimension.
    pub fn against(
        rows: ArrayView2<'a, f32>,
        reference: ArrayView2<'a, f32>,
        relevance: Relevance<'a>,
    ) -> Result<Self, MiningError> {
        let rows = Matrix::checked("rows", rows)?;
        let reference = Matrix::checked("reference", reference)?;
        if rows.dim != reference.dim {
            return Err(Error::DimMismatch {
                left: rows.dim,
                right: reference.dim,
            }
            .into());
        }
        label_count(rows.len(), relevance.rows())?;
        label_count(reference.len(), relevance.references())?;
        Ok(Self {
            rows,
            reference: Some(reference),
            relevance,
            candidates: None,
            excepted: None,
            attracted: None,
        })
    }

    /// The same batch, of which miners see these pairs only: what is in `positive` is a positive of its anchor, what is in
    /// `negative` a negative, any other pair is neither, whatever the labels say. So miners are put in a row, each among what
    /// the one before it left over, as in a cascade ([`Hdc`](crate::Hdc)).
    ///
    /// Candidates of the batch itself are replaced. Pairs of a row with itself are passed over, and repetitions count once.
    /// Cost: `O(t log t)` for `t` pairs; the rows are not copied.
    ///
    /// # Errors
    ///
    /// [`MiningError::UnknownItem`] for an index out of range, [`MiningError::TwoKinds`] for a pair on both sides.
    ///
    /// # Examples
    ///
    /// ```
    /// use metric_core::Relevance;
    /// use metric_sampling::{Batch, BatchHard, PairMargin, PairMiner, TripletMiner};
    /// use ndarray::array;
    /// # use rand::SeedableRng;
    /// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    /// let rows = array![[0.0f32], [0.1], [0.6], [0.7], [5.0]];
    /// let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 0, 1, 1]))?;
    /// // Positives farther than 0.2 and negatives nearer than 0.65.
    /// let near = PairMargin::new(0.2, 0.65)?.mine(&batch, &mut rng)?;
    /// let triplets = BatchHard::new().mine(&batch.among(&near)?, &mut rng)?;
    /// // The nearest positive of row 1 and the negative of row 0 were left out.
    /// assert!(triplets.iter().eq([(1, 2, 3), (2, 0, 3), (3, 4, 2)]));
    /// # Ok::<(), metric_sampling::MiningError>(())
    /// ```
    pub fn among<'b>(&'b self, candidates: &Pairs) -> Result<Batch<'b>, MiningError> {
        let mut batch = self.borrowed();
        batch.candidates = Some(Candidates::new(candidates, self)?);
        Ok(batch)
    }

    /// The same batch, of which miners do not see these pairs: those in `positive` not as positives, those in `negative` not
    /// as negatives. For pairs that a guard suspects, such as [`LocalAgreement`](crate::LocalAgreement).
    ///
    /// Exceptions of the batch itself are replaced. Pairs that are none of their side anyway do nothing.
    /// Cost: `O(t log t)` for `t` pairs; the rows are not copied.
    ///
    /// # Errors
    ///
    /// [`MiningError::UnknownItem`] for an index out of range, [`MiningError::TwoKinds`] for a pair on both sides.
    ///
    /// # Examples
    ///
    /// ```
    /// use metric_core::Relevance;
    /// use metric_sampling::{Batch, BatchHard, NegativePairs, Pairs, PositivePairs, TripletMiner};
    /// use ndarray::array;
    /// # use rand::SeedableRng;
    /// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    /// let rows = array![[0.0f32], [1.0], [1.1], [4.0]];
    /// let batch = Batch::new(rows.view(), Relevance::labels(&[0, 0, 1, 1]))?;
    /// // Row 2 may well be of the class of row 1.
    /// let negative = NegativePairs::new(vec![1], vec![2])?;
    /// let suspects = Pairs { positive: PositivePairs::default(), negative };
    /// let triplets = BatchHard::new().mine(&batch.except(&suspects)?, &mut rng)?;
    /// assert!(triplets.iter().eq([(0, 1, 2), (1, 0, 3), (2, 3, 1), (3, 2, 1)]));
    /// # Ok::<(), metric_sampling::MiningError>(())
    /// ```
    pub fn except<'b>(&'b self, pairs: &Pairs) -> Result<Batch<'b>, MiningError> {
        let mut batch = self.borrowed();
        batch.excepted = Some(Candidates::new(pairs, self)?);
        Ok(batch)
    }

    /// The same batch, in which these pairs are positives, whatever the labels say: attraction of false negatives. It comes
    /// before [exceptions](Self::except), and not for pairs that are no [candidates](Self::among).
    ///
    /// Attracted pairs of the batch itself are replaced. Cost: `O(t log t)` for `t` pairs; the rows are not copied.
    ///
    /// # Errors
    ///
    /// [`MiningError::UnknownItem`] for an index out of range.
    ///
    /// # Examples
    ///
    /// ```
    /// use metric_core::Relevance;
    /// use metric_sampling::{AllPairs, Batch, PairMiner, PositivePairs};
    /// use ndarray::array;
    /// # use rand::SeedableRng;
    /// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    /// let rows = array![[0.0f32], [0.1], [4.0]];
    /// let batch = Batch::new(rows.view(), Relevance::labels(&[0, 1, 2]))?;
    /// let batch = batch.attract(&PositivePairs::new(vec![0], vec![1])?)?;
    /// let pairs = AllPairs.mine(&batch, &mut rng)?;
    /// assert!(pairs.positive.iter().eq([(0, 1)]));
    /// assert!(pairs.negative.iter().eq([(0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]));
    /// # Ok::<(), metric_sampling::MiningError>(())
    /// ```
    pub fn attract<'b>(&'b self, pairs: &PositivePairs) -> Result<Batch<'b>, MiningError> {
        let pairs = Pairs {
            positive: pairs.clone(),
            negative: NegativePairs::default(),
        };
        let mut batch = self.borrowed();
        batch.attracted = Some(Candidates::new(&pairs, self)?);
        Ok(batch)
    }

    fn borrowed(&self) -> Batch<'_> {
        Batch {
            rows: self.rows.borrowed(),
            reference: self.reference.as_ref().map(Matrix::borrowed),
            relevance: self.relevance,
            candidates: self.candidates.clone(),
            excepted: self.excepted.clone(),
            attracted: self.attracted.clone(),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Always false: a batch has rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of items that a row can be paired with, itself included if the rows are their own reference.
    pub fn references(&self) -> usize {
        self.others().len()
    }

    /// Is there a separate reference set?
    pub fn has_reference(&self) -> bool {
        self.reference.is_some()
    }

    /// A row.
    ///
    /// # Panics
    ///
    /// If the index is out of range.
    #[inline]
    pub fn row(&self, index: usize) -> &[f32] {
        self.rows.row(index)
    }

    /// An item of the reference set; a row if there is none.
    ///
    /// # Panics
    ///
    /// If the index is out of range.
    #[inline]
    pub fn reference_row(&self, index: usize) -> &[f32] {
        self.others().row(index)
    }

    /// Who is relevant to whom.
    pub fn relevance(&self) -> Relevance<'a> {
        self.relevance
    }

    /// May this row be paired with this item? Not a row with itself; of a batch with candidates only these. Exceptions, which
    /// are of one side, are not asked.
    pub fn is_pair(&self, row: usize, reference_index: usize) -> bool {
        let is_other = self.reference.is_some() || row != reference_index;
        let is_candidate = |candidates: &Candidates| candidates.contain(row, reference_index);
        is_other && self.candidates.as_ref().is_none_or(is_candidate)
    }

    /// All rows, `[n, dim]`.
    pub fn rows(&self) -> ArrayView2<'_, f32> {
        self.rows.view()
    }

    /// All items that a row can be paired with, `[m, dim]`: the reference set, or the rows if there is none.
    pub fn reference(&self) -> ArrayView2<'_, f32> {
        self.others().view()
    }

    pub(crate) fn candidates(&self) -> Option<&Candidates> {
        self.candidates.as_ref()
    }

    pub(crate) fn excepted(&self) -> Option<&Candidates> {
        self.excepted.as_ref()
    }

    pub(crate) fn attracted(&self) -> Option<&Candidates> {
        self.attracted.as_ref()
    }

    fn others(&self) -> &Matrix<'a> {
        self.reference.as_ref().unwrap_or(&self.rows)
    }
}

/// Finite rows, contiguous: borrowed if the view was, else copied once.
#[derive(Debug, Clone)]
struct Matrix<'a> {
    data: Cow<'a, [f32]>,
    dim: usize,
}

impl<'a> Matrix<'a> {
    fn checked(what: &'static str, view: ArrayView2<'a, f32>) -> Result<Self, MiningError> {
        let (rows, dim) = view.dim();
        if view.is_empty() {
            return Err(Error::Empty { what }.into());
        }
        if u32::try_from(rows).is_err() {
            return Err(MiningError::TooManyRows { rows });
        }
        let data = match view.to_slice() {
            Some(slice) => Cow::Borrowed(slice),
            None => Cow::Owned(view.iter().copied().collect()),
        };
        match data.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(Error::NonFinite {
                what,
                row: at / dim,
                column: at % dim,
            }
            .into()),
            None => Ok(Self { data, dim }),
        }
    }

    fn len(&self) -> usize {
        self.data.len() / self.dim
    }

    fn borrowed(&self) -> Matrix<'_> {
        Matrix {
            data: Cow::Borrowed(&self.data),
            dim: self.dim,
        }
    }

    fn view(&self) -> ArrayView2<'_, f32> {
        ArrayView2::from_shape((self.len(), self.dim), &self.data)
            .expect("checked when it was made")
    }

    #[inline]
    fn row(&self, index: usize) -> &[f32] {
        &self.data[index * self.dim..][..self.dim]
    }
}

fn label_count(rows: usize, labels: usize) -> Result<(), Error> {
    if rows == labels {
        Ok(())
    } else {
        Err(Error::LabelCount { rows, labels })
    }
}
