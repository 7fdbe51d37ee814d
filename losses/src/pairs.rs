//! Which pairs of a batch are alike.

use burn::tensor::{Bool, Device, Int, Tensor};

use crate::distance::EmbeddingDistance;
use crate::numerics::{at_least_f32, zero_without_rows};
use crate::ops::{Labelled, Stream, stream};
use crate::reducer::Reducer;

/// Masks of shape `[n, m]` over pairs of a row and a reference.
pub(crate) struct PairMasks {
    /// Same label; a row is never paired with itself.
    pub(crate) positive: Tensor<2, Bool>,
    /// Different labels.
    pub(crate) negative: Tensor<2, Bool>,
}

impl PairMasks {
    /// Pairs within one set.
    pub(crate) fn within(labels: Tensor<1, Int>) -> Self {
        let [n] = labels.dims();
        // Burn's `diag_mask` is false on the diagonal.
        let off_diagonal = Tensor::<2, Bool>::diag_mask([n, n], 0, &labels.device());
        let Self { positive, negative } = Self::between(labels.clone(), labels);
        Self {
            positive: positive.bool_and(off_diagonal),
            negative,
        }
    }

    /// Pairs of two different sets: nothing is left out.
    pub(crate) fn between(labels: Tensor<1, Int>, reference: Tensor<1, Int>) -> Self {
        let [n] = labels.dims();
        let [m] = reference.dims();
        let rows = labels.reshape([n, 1]).expand([n, m]);
        let columns = reference.reshape([1, m]).expand([n, m]);
        let positive = rows.equal(columns);
        Self {
            negative: positive.clone().bool_not(),
            positive,
        }
    }

    /// Rows with a positive and a negative, `[n, 1]`.
    pub(crate) fn rows_with_both(&self) -> Tensor<2, Bool> {
        let has = |mask: &Tensor<2, Bool>| mask.clone().any_dim(1);
        has(&self.positive).bool_and(has(&self.negative))
    }
}

/// # Panics
/// Unless there is one label a row.
pub(crate) fn assert_labels(x: &Tensor<2>, labels: &Tensor<1, Int>) {
    let ([n, _], [count]) = (x.dims(), labels.dims());
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
                labels: burn::tensor::Tensor<1, burn::tensor::Int>,
            ) -> burn::tensor::Tensor<1> {
                let $this = self;
                let batch = (embeddings, labels);
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
            /// If there is not one label a row, or `dim` differs.
            pub fn forward_against(
                &self,
                embeddings: burn::tensor::Tensor<2>,
                labels: burn::tensor::Tensor<1, burn::tensor::Int>,
                reference: burn::tensor::Tensor<2>,
                reference_labels: burn::tensor::Tensor<1, burn::tensor::Int>,
            ) -> burn::tensor::Tensor<1> {
                let $this = self;
                let batch = (embeddings, labels);
                let reference = Some((reference, reference_labels));
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
    assert_labels(&x, &labels);
    if let Some((y, labels)) = &reference {
        assert_labels(y, labels);
    }
    if let Some(zero) = without_rows(&x, &reference) {
        return zero;
    }
    let (x, way) = (at_least_f32(x), (distance, reducer));
    let reference = reference.map(|(y, labels)| (at_least_f32(y), labels));
    stream(loss, way, (x.clone(), labels.clone()), reference.clone())
        .unwrap_or_else(|| plain(loss, distance, (x, labels), reference, reduce))
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
    labels: Tensor<1, Int>,
) -> (Tensor<2>, PairMasks) {
    assert_labels(&x, &labels);
    let x = at_least_f32(x);
    let distances = distance.matrix(x.clone(), x);
    (distances, PairMasks::within(labels))
}

/// All pairs of a row and a reference: their distances, `[n, m]`, and which are alike.
///
/// # Panics
/// Unless there is one label a row, and one length of rows.
pub(crate) fn pairs_against(
    distance: EmbeddingDistance,
    x: Tensor<2>,
    labels: Tensor<1, Int>,
    reference: Tensor<2>,
    reference_labels: Tensor<1, Int>,
) -> (Tensor<2>, PairMasks) {
    assert_labels(&x, &labels);
    assert_labels(&reference, &reference_labels);
    let distances = distance.matrix(x, reference);
    (distances, PairMasks::between(labels, reference_labels))
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
    let same = PairMasks::between(labels.clone(), labels).positive;
    same.bool_and(earlier).int().sum_dim(1).reshape([n])
}
