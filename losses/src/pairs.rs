//! Which pairs of a batch are alike.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use rayon::prelude::*;

use crate::anchors::Anchors;
use crate::distance::EmbeddingDistance;
use crate::labels::{Labels, Pair, Sides};
use crate::numerics::{at_least_f32, zero_without_rows};
use crate::ops::{Labelled, Stream, stream};
use crate::reducer::Reducer;

/// Masks of shape `[n, m]` over pairs of a row and a reference; a pair of neither does not count.
pub(crate) struct PairMasks {
    /// Alike; a row is never paired with itself.
    pub(crate) positive: Tensor<2, Bool>,
    /// Different.
    pub(crate) negative: Tensor<2, Bool>,
    /// Of positive pairs, 0 of others, where pairs are graded: `[n, m]`.
    pub(crate) grades: Option<Tensor<2>>,
    /// The rows.
    pub(crate) anchors: Anchors,
}

impl PairMasks {
    /// Pairs within one set, for numbers like `like`.
    pub(crate) fn within(labels: &Labels, like: &Tensor<2>) -> Self {
        let masks = Self::between(labels, labels, like);
        let n = labels.len();
        // Burn's `diag_mask` is false on the diagonal.
        let off_diagonal = Tensor::<2, Bool>::diag_mask([n, n], 0, &masks.positive.device());
        let itself = off_diagonal.clone().bool_not();
        let grades = masks.grades.map(|grades| grades.mask_fill(itself, 0.0));
        let negative = match grades {
            Some(_) => masks.negative.bool_and(off_diagonal.clone()),
            None => masks.negative,
        };
        Self {
            positive: masks.positive.bool_and(off_diagonal),
            negative,
            grades,
            anchors: masks.anchors,
        }
    }

    /// Pairs of two different sets: nothing is left out.
    pub(crate) fn between(rows: &Labels, references: &Labels, like: &Tensor<2>) -> Self {
        let anchors = Anchors::of(rows, like);
        let grades = match Sides::of(rows, references) {
            Sides::Classes(rows, references) => {
                let positive = equal(rows.clone(), references.clone());
                return Self {
                    negative: positive.clone().bool_not(),
                    positive,
                    grades: None,
                    anchors,
                };
            }
            Sides::Graded(grades) => grades,
        };
        let shape = [grades.rows(), grades.columns()];
        let of_row = |row| (0..shape[1]).map(move |column| (row, column));
        let pairs: Vec<Pair> = (0..shape[0])
            .into_par_iter()
            .flat_map_iter(of_row)
            .map(|(row, column)| grades.pair(row, column))
            .collect();
        let is = |what: fn(&Pair) -> bool| {
            let mask: Vec<bool> = pairs.iter().map(what).collect();
            Tensor::<2, Bool>::from_data(TensorData::new(mask, shape), &like.device())
        };
        let grade = |pair: &Pair| match pair {
            Pair::Positive(grade) => *grade,
            Pair::Negative | Pair::Neutral => 0.0,
        };
        let grades: Vec<f64> = pairs.iter().map(grade).collect();
        let grades = TensorData::new(grades, shape);
        Self {
            positive: is(|pair| matches!(pair, Pair::Positive(_))),
            negative: is(|pair| matches!(pair, Pair::Negative)),
            grades: Some(Tensor::from_data(grades, (&like.device(), like.dtype()))),
            anchors,
        }
    }

    /// Rows with a positive and a negative, `[n, 1]`.
    pub(crate) fn rows_with_both(&self) -> Tensor<2, Bool> {
        let has = |mask: &Tensor<2, Bool>| mask.clone().any_dim(1);
        has(&self.positive).bool_and(has(&self.negative))
    }
}

/// Where labels are equal, `[n, m]`.
pub(crate) fn equal(labels: Tensor<1, Int>, reference: Tensor<1, Int>) -> Tensor<2, Bool> {
    let ([n], [m]) = (labels.dims(), reference.dims());
    let rows = labels.reshape([n, 1]).expand([n, m]);
    let columns = reference.reshape([1, m]).expand([n, m]);
    rows.equal(columns)
}

/// # Panics
/// Unless there is one label a row.
pub(crate) fn assert_labels(x: &Tensor<2>, labels: &(impl Into<Labels> + Clone)) {
    let ([n, _], count) = (x.dims(), labels.clone().into().len());
    assert_eq!(n, count, "one label a row: {n} rows, {count} labels");
}

/// Gives a loss with a method `reduce(&self, distances, masks)`, its plain definition, its `forward` and `forward_against`:
/// the distance it uses, for one that is streamed the distance and the reducer, and when it is zero.
macro_rules! over_pairs {
    ($loss:ident, |$this:ident| $distance:expr, $zero:literal) => {
        $crate::pairs::over_pairs!($loss, plain, |$this| $distance, $zero);
    };
    ($loss:ident, $way:ident, |$this:ident| $distance:expr, $zero:literal) => {
        impl $loss {
            /// The loss over the batch, each row with all others.
            ///
            /// # Shapes
            /// - `embeddings`: `[n, dim]`, `labels`: `[n]`
            #[doc = concat!("- output: `[1]`, ", $zero)]
            ///
            /// # Panics
            /// If there is not one label a row.
            pub fn forward(
                &self,
                embeddings: burn::tensor::Tensor<2>,
                labels: impl Into<$crate::Labels>,
            ) -> burn::tensor::Tensor<1> {
                let $this = self;
                let batch = (embeddings, labels.into());
                $crate::pairs::$way(self, $distance, batch, None, |distances, masks| {
                    self.reduce(distances, masks)
                })
            }

            /// The loss of every row of the batch with a separate reference set, of which nothing is left out;
            /// gradients flow to both.
            ///
            /// # Shapes
            /// - `embeddings`: `[n, dim]`, `labels`: `[n]`, `reference`: `[m, dim]`,
            ///   `reference_labels`: `[m]`
            #[doc = concat!("- output: `[1]`, ", $zero)]
            ///
            /// # Panics
            /// If there is not one label a row, labels are of two kinds, or `dim` differs.
            pub fn forward_against(
                &self,
                embeddings: burn::tensor::Tensor<2>,
                labels: impl Into<$crate::Labels>,
                reference: burn::tensor::Tensor<2>,
                reference_labels: impl Into<$crate::Labels>,
            ) -> burn::tensor::Tensor<1> {
                let $this = self;
                let batch = (embeddings, labels.into());
                let reference = Some((reference, reference_labels.into()));
                $crate::pairs::$way(self, $distance, batch, reference, |distances, masks| {
                    self.reduce(distances, masks)
                })
            }
        }
    };
}
pub(crate) use over_pairs;

/// A loss over the pairs of a batch, or of a batch and a reference set, by its definition.
pub(crate) fn plain<L>(
    _: &L,
    distance: EmbeddingDistance,
    (x, labels): Labelled,
    reference: Option<Labelled>,
    reduce: impl FnOnce(Tensor<2>, PairMasks) -> Tensor<1>,
) -> Tensor<1> {
    assert_labelled(&x, &labels, &reference);
    if let Some(zero) = without_rows(&x, &reference) {
        return zero;
    }
    let (distances, masks) = match reference {
        Some((y, of)) => pairs_against(distance, x, labels, y, of),
        None => pairs_within(distance, x, labels),
    };
    reduce(distances, masks)
}

/// The same, streamed where it can be.
pub(crate) fn streamed<L: Stream>(
    loss: &L,
    (distance, reducer): (EmbeddingDistance, Reducer),
    (x, labels): Labelled,
    reference: Option<Labelled>,
    reduce: impl FnOnce(Tensor<2>, PairMasks) -> Tensor<1>,
) -> Tensor<1> {
    assert_labelled(&x, &labels, &reference);
    if let Some(zero) = without_rows(&x, &reference) {
        return zero;
    }
    let (x, way) = (at_least_f32(x), (distance, reducer));
    let reference = reference.map(|(y, labels)| (at_least_f32(y), labels));
    stream(loss, way, (x.clone(), labels.clone()), reference.clone())
        .unwrap_or_else(|| plain(loss, distance, (x, labels), reference, reduce))
}

/// # Panics
/// Unless there is one label a row on both sides.
fn assert_labelled(x: &Tensor<2>, labels: &Labels, reference: &Option<Labelled>) {
    assert_labels(x, labels);
    if let Some((y, labels)) = reference {
        assert_labels(y, labels);
    }
}

/// The loss where there is no row to compare, or none to compare with.
fn without_rows(x: &Tensor<2>, reference: &Option<Labelled>) -> Option<Tensor<1>> {
    let sets: Vec<&Tensor<2>> = std::iter::once(x)
        .chain(reference.iter().map(|(y, _)| y))
        .collect();
    zero_without_rows(&sets)
}

/// All pairs of a batch: their distances, `[n, n]`, and which are alike.
///
/// # Panics
/// Unless there is one label a row.
pub(crate) fn pairs_within(
    distance: EmbeddingDistance,
    x: Tensor<2>,
    labels: impl Into<Labels>,
) -> (Tensor<2>, PairMasks) {
    let labels = labels.into();
    assert_labels(&x, &labels);
    let x = at_least_f32(x);
    let distances = distance.matrix(x.clone(), x);
    let masks = PairMasks::within(&labels, &distances);
    (distances, masks)
}

/// All pairs of a row and a reference: their distances, `[n, m]`, and which are alike.
///
/// # Panics
/// Unless there is one label a row, of one kind, and one length of rows.
pub(crate) fn pairs_against(
    distance: EmbeddingDistance,
    x: Tensor<2>,
    labels: impl Into<Labels>,
    reference: Tensor<2>,
    reference_labels: impl Into<Labels>,
) -> (Tensor<2>, PairMasks) {
    let (labels, reference_labels) = (labels.into(), reference_labels.into());
    assert_labels(&x, &labels);
    assert_labels(&reference, &reference_labels);
    let distances = distance.matrix(x, reference);
    let masks = PairMasks::between(&labels, &reference_labels, &distances);
    (distances, masks)
}

/// Row and column numbers of the true entries, `[count]` each; `count` is read back.
pub(crate) fn indices(mask: Tensor<2, Bool>) -> (Tensor<1, Int>, Tensor<1, Int>) {
    let entries = mask.argwhere(); // [count, 2]
    let [count, _] = entries.dims();
    let column = |at| entries.clone().narrow(1, at, 1).reshape([count]);
    (column(0), column(1))
}

/// True where the column is before the row, `[n, n]`.
pub(crate) fn earlier(n: usize, device: &Device) -> Tensor<2, Bool> {
    let numbers = Tensor::<1, Int>::arange(0..n as i64, device);
    let rows = numbers.clone().reshape([n, 1]).expand([n, n]);
    numbers.reshape([1, n]).expand([n, n]).lower(rows)
}

/// How many rows before each have its label, `[n]`.
pub(crate) fn occurrence(labels: Tensor<1, Int>) -> Tensor<1, Int> {
    let [n] = labels.dims();
    let earlier = earlier(n, &labels.device());
    equal(labels.clone(), labels)
        .bool_and(earlier)
        .int()
        .sum_dim(1)
        .reshape([n])
}
