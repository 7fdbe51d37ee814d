use burn::tensor::{DType, Device, Tensor};
use metric_core::simd::{largest, map_in_place, zip_in_place};
use metric_core::{
    Distance, Euclidean, Form, InnerProduct, Scalar, Scattered, Similarity, SquaredEuclidean,
    each_row, one_to_many, scatter,
};
use ndarray::{Array1, Array2, ArrayView2, Axis, CowArray, Ix2};

use super::operation::{self, Found, Inputs, Task};
use super::pair_lists::PairLists;
use crate::distance::EmbeddingDistance;
use crate::labels::Labels;
use crate::reducer::Reducer;

/// Rows of a tensor and a label for each.
pub(crate) type Labelled = (Tensor<2>, Labels);

/// A row's pairs with all others.
#[derive(Debug)]
pub struct RowPairs<'a, T> {
    /// Which row of the batch it is.
    pub row: usize,
    /// Its distances to all rows of the batch, or of the reference set. Pairs that do not count, the row with itself among
    /// them, are infinitely far apart.
    pub distances: &'a mut [T],
    /// Those it should be close to, ascending; all others that count are negatives.
    pub positives: Vec<usize>,
    /// The grade of each positive, for labels that have grades.
    pub grades: Option<Vec<f64>>,
    /// How many negatives there are.
    pub negatives: usize,
    /// The number given with the row, in whose place its derivative is put.
    pub(crate) given: &'a mut T,
}

impl<T: Scalar> RowPairs<'_, T> {
    /// The distances to its positives, which are made infinite where they were.
    pub fn take_positives(&mut self) -> Vec<T> {
        let infinity = T::from_f64(f64::INFINITY);
        let take = |&p: &usize| std::mem::replace(&mut self.distances[p], infinity);
        self.positives.iter().map(take).collect()
    }

    /// Puts a number in the place of every positive.
    pub fn put_positives(&mut self, values: impl IntoIterator<Item = T>) {
        for (&p, value) in self.positives.iter().zip(values) {
            self.distances[p] = value;
        }
    }
}

/// The place of the smallest distance, the first of equal ones; none if all pairs do not count.
pub(crate) fn closest<T: Scalar>(distances: &[T]) -> Option<usize> {
    let least = T::ZERO - largest(distances, T::ZERO - T::ONE);
    let exists = least < T::from_f64(f64::INFINITY);
    exists.then(|| distances.iter().position(|&d| d == least))?
}

/// The place of the largest of some distances that all count.
pub(crate) fn farthest<T: Scalar>(distances: &[T]) -> Option<usize> {
    let most = largest(distances, T::ONE);
    distances.iter().position(|&d| d == most)
}

/// What a row adds to a loss.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Terms {
    /// The sum of its terms.
    pub sum: f64,
    /// How many there are.
    pub count: usize,
}

impl Terms {
    /// A term more.
    pub fn push(&mut self, term: f64) {
        self.sum += term;
        self.count += 1;
    }
}

impl std::ops::AddAssign for Terms {
    fn add_assign(&mut self, more: Self) {
        self.sum += more.sum;
        self.count += more.count;
    }
}

/// All pairs of a batch, or of a batch and a reference set, of which a row at a time is shown.
pub(crate) struct Rows<'a, T: Scalar> {
    x: Side<'a, T>,
    /// The reference set.
    y: Option<Side<'a, T>>,
    way: Way,
    pairs: &'a PairLists,
    given: Option<&'a [T]>,
    /// Whether gradients are wanted.
    followed: bool,
}

/// How the engine computes a distance.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Cosine,
    InnerProduct,
    Euclidean,
    SquaredEuclidean,
}

impl Way {
    fn of(distance: EmbeddingDistance) -> Option<Self> {
        match distance {
            EmbeddingDistance::Cosine => Some(Self::Cosine),
            EmbeddingDistance::InnerProduct => Some(Self::InnerProduct),
            EmbeddingDistance::Euclidean => Some(Self::Euclidean),
            EmbeddingDistance::SquaredEuclidean => Some(Self::SquaredEuclidean),
            EmbeddingDistance::Lp { .. } | EmbeddingDistance::SignalToNoise => None,
        }
    }
}

/// Rows, and for cosines the inverse of each norm, 1 for a zero row.
struct Side<'a, T> {
    rows: CowArray<'a, T, Ix2>,
    inverse: Vec<T>,
}

impl<'a, T: Scalar> Side<'a, T> {
    fn new(rows: ArrayView2<'a, T>) -> Self {
        Self {
            rows: rows.into(),
            inverse: Vec::new(),
        }
    }

    /// With norms; `None` where squares of them would leave the range.
    fn with_norms(rows: ArrayView2<'a, T>) -> Option<Self> {
        const RANGE: std::ops::Range<f64> = 1e-15..1e15;
        let norms = rows.rows().into_iter().map(|row| {
            let square: f64 = row.iter().map(|x| x.to_f64().powi(2)).sum();
            match square.sqrt() {
                0.0 => Some(T::ONE),
                norm => RANGE.contains(&norm).then(|| T::from_f64(1.0 / norm)),
            }
        });
        Some(Self {
            inverse: norms.collect::<Option<_>>()?,
            rows: rows.into(),
        })
    }

    /// Less a row.
    fn moved(rows: ArrayView2<'a, T>, centre: &Array1<T>) -> Self {
        let mut rows = rows.to_owned();
        for mut row in rows.rows_mut() {
            row.zip_mut_with(centre, |x, &centre| *x = *x - centre);
        }
        Self {
            rows: rows.into(),
            inverse: Vec::new(),
        }
    }

    /// What products along a row have to do with its norm is taken from them.
    fn project(&self, products: &mut Array2<T>) {
        let rows = self.rows.rows().into_iter().zip(&self.inverse);
        for (mut product, (row, &inverse)) in products.rows_mut().into_iter().zip(rows) {
            let terms = product
                .iter()
                .zip(row)
                .map(|(p, x)| p.to_f64() * x.to_f64());
            let along = T::from_f64(terms.sum::<f64>()) * inverse * inverse;
            product.zip_mut_with(&row, |p, &x| *p = *p - along * x);
        }
    }
}

/// The inner product where the engine asks for a distance: it only hands on what it computes.
#[derive(Debug)]
struct Product;

impl<T: Scalar> Distance<T> for Product {
    fn distance(&self, a: &[T], b: &[T]) -> T {
        InnerProduct.similarity(a, b)
    }

    fn form(&self) -> Form<'_, T> {
        Similarity::<T>::form(&InnerProduct)
    }
}

impl<'a, T: Scalar> Rows<'a, T> {
    fn new(inputs: Inputs<'a, T>, way: Way, pairs: &'a PairLists) -> Option<Self> {
        let Inputs {
            x,
            y,
            given,
            followed,
        } = inputs;
        let (x, y) = match way {
            Way::InnerProduct => (Side::new(x), y.map(Side::new)),
            Way::Cosine => {
                let y = match y {
                    Some(y) => Some(Side::with_norms(y)?),
                    None => None,
                };
                (Side::with_norms(x)?, y)
            }
            // What all rows have in common would cost the gradients digits.
            Way::Euclidean | Way::SquaredEuclidean => {
                let centre = mean_row(y.unwrap_or(x));
                (Side::moved(x, &centre), y.map(|y| Side::moved(y, &centre)))
            }
        };
        Some(Self {
            x,
            y,
            way,
            pairs,
            given,
            followed,
        })
    }

    /// The other side: the rows themselves if there is no reference set.
    fn columns(&self) -> &Side<'a, T> {
        self.y.as_ref().unwrap_or(&self.x)
    }

    /// What becomes of every row's pairs; `None` where the engine refuses the numbers.
    pub(crate) fn each<R: Send>(&self, of: impl Fn(RowPairs<'_, T>) -> R + Sync) -> Option<Vec<R>> {
        let (x, y) = (self.x.rows.view(), self.columns().rows.view());
        let with = |row, values: &mut [T]| {
            let mut given = self.given_of(row);
            of(self.show(row, values, &mut given).0)
        };
        let found = match self.way {
            Way::Cosine | Way::InnerProduct => each_row(&Product, x, y, with),
            Way::Euclidean => each_row(&Euclidean, x, y, with),
            Way::SquaredEuclidean => each_row(&SquaredEuclidean, x, y, with),
        };
        found.ok()
    }

    /// The distances of a row to all, among those of one row's pairs; `None` where the engine refuses the numbers.
    pub(crate) fn distances_of(&self, row: usize) -> Option<Vec<T>> {
        let (query, rows) = (self.x.rows.row(row), self.columns().rows.view());
        let found = match self.way {
            Way::Cosine | Way::InnerProduct => one_to_many(&Product, query, rows),
            Way::Euclidean => one_to_many(&Euclidean, query, rows),
            Way::SquaredEuclidean => one_to_many(&SquaredEuclidean, query, rows),
        };
        let mut values = found.ok()?.to_vec();
        self.make_distances(row, &mut values);
        Some(values)
    }

    /// Whether the rows are compared with a reference set.
    pub(crate) fn is_against(&self) -> bool {
        self.y.is_some()
    }

    /// How many positive and negative pairs each row has.
    pub(crate) fn counts(&self) -> Vec<[usize; 2]> {
        self.pairs.counts()
    }

    /// Whether a pair has a part in the loss that is the same from both its ends.
    pub(crate) fn is_symmetric(&self, reducer: Reducer) -> bool {
        self.pairs.is_symmetric() && reducer != Reducer::PerAnchor
    }

    /// A loss whose terms `of` gives row by row, with their derivatives in the place of the distances; `None` where the
    /// engine refuses the numbers.
    pub(crate) fn loss(
        &self,
        reducer: Reducer,
        of: impl Fn(RowPairs<'_, T>) -> Terms + Sync,
    ) -> Option<Found<T>> {
        // A row's terms and what its slopes are multiplied with.
        let shared = |row, mut terms: Terms| {
            let factor = self.pairs.weight(row) * reducer.share_in_row(terms.count);
            terms.sum *= factor;
            (terms, factor)
        };
        if !self.followed {
            let terms = self.each(|pairs| {
                let row = pairs.row;
                shared(row, of(pairs)).0
            })?;
            let value = reducer.total(terms.into_iter()).0;
            return Some(Found::without_gradients(value));
        }
        let (x, y) = (self.x.rows.view(), self.columns().rows.view());
        let with = |row, values: &mut [T]| {
            let mut given = self.given_of(row);
            let (pairs, absent) = self.show(row, values, &mut given);
            let before = match self.way {
                Way::Euclidean => pairs.distances.to_vec(),
                _ => Vec::new(),
            };
            let (terms, factor) = shared(row, of(pairs));
            if terms.count == 0 {
                values.fill(T::ZERO);
                given = T::ZERO;
            } else {
                for column in absent {
                    values[column] = T::ZERO;
                }
                self.weigh(row, values, &before);
                #[allow(clippy::float_cmp, reason = "without weights it is exactly 1")]
                if factor != 1.0 {
                    let factor = T::from_f64(factor);
                    map_in_place(values, move |slope| slope * factor);
                    given = given * factor;
                }
            }
            (terms, given)
        };
        let sums = match self.way {
            Way::Cosine | Way::InnerProduct => scatter(&Product, x, y, with),
            Way::Euclidean => scatter(&Euclidean, x, y, with),
            Way::SquaredEuclidean => scatter(&SquaredEuclidean, x, y, with),
        };
        let sums = sums.ok()?;
        let (value, share) = reducer.total(sums.results.iter().map(|&(terms, _)| terms));
        Some(self.gradients(sums, value, T::from_f64(share)))
    }

    fn given_of(&self, row: usize) -> T {
        self.given.map_or(T::ZERO, |given| given[row])
    }

    /// A row's products or distances, as its pairs, and the columns of those that do not count.
    fn show<'b>(
        &self,
        row: usize,
        values: &'b mut [T],
        given: &'b mut T,
    ) -> (RowPairs<'b, T>, Vec<usize>) {
        self.make_distances(row, values);
        self.pairs.show(row, values, given)
    }

    /// Makes the engine's numbers of a row distances.
    fn make_distances(&self, row: usize, values: &mut [T]) {
        match self.way {
            Way::Cosine => {
                let inverse = self.x.inverse[row];
                zip_in_place(values, &self.columns().inverse, move |product, other| {
                    T::ONE - product * inverse * other
                });
            }
            Way::InnerProduct => map_in_place(values, |product| T::ZERO - product),
            Way::Euclidean | Way::SquaredEuclidean => {}
        }
    }

    /// Makes the derivatives of a row's terms by its distances, as they were `before`, weights of the engine.
    fn weigh(&self, row: usize, slopes: &mut [T], before: &[T]) {
        match self.way {
            Way::Cosine => {
                let inverse = T::ZERO - self.x.inverse[row];
                zip_in_place(slopes, &self.columns().inverse, move |slope, other| {
                    slope * inverse * other
                });
            }
            Way::InnerProduct => map_in_place(slopes, |slope| T::ZERO - slope),
            Way::SquaredEuclidean => map_in_place(slopes, |slope| slope + slope),
            Way::Euclidean => zip_in_place(slopes, before, |slope, distance| {
                let ratio = slope / distance;
                if distance > T::ZERO { ratio } else { T::ZERO }
            }),
        }
    }

    fn gradients(&self, sums: Scattered<T, (Terms, T)>, value: f64, share: T) -> Found<T> {
        let of = |side: &Side<'_, T>, mut products: Array2<T>, sums: Vec<T>| {
            match self.way {
                Way::Cosine => side.project(&mut products),
                Way::InnerProduct => {}
                Way::Euclidean | Way::SquaredEuclidean => {
                    let rows = products.rows_mut().into_iter().zip(side.rows.rows());
                    for ((mut product, row), sum) in rows.zip(sums) {
                        product.zip_mut_with(&row, |p, &x| *p = sum * x - *p);
                    }
                }
            }
            products
        };
        let mut x = of(&self.x, sums.rows, sums.row_sums);
        let mut y = of(self.columns(), sums.columns, sums.column_sums);
        if self.y.is_none() {
            x.zip_mut_with(&y, |x, &y| *x = *x + y);
            y = Array2::from_elem((0, 0), T::ZERO);
        }
        let values = |gradient: Array2<T>| {
            let mut values = gradient.into_raw_vec_and_offset().0;
            map_in_place(&mut values, move |slope| slope * share);
            values
        };
        let slopes = sums.results.iter().map(|&(_, slope)| slope * share);
        Found {
            value,
            x: values(x),
            y: values(y),
            given: if self.given.is_some() {
                slopes.collect()
            } else {
                Vec::new()
            },
        }
    }
}

/// The mean of all rows.
fn mean_row<T: Scalar>(rows: ArrayView2<'_, T>) -> Array1<T> {
    let share = 1.0 / rows.nrows() as f64;
    let columns = rows.axis_iter(Axis(1));
    let mean = columns.map(|column| T::from_f64(column.iter().map(|x| x.to_f64() * share).sum()));
    mean.collect()
}

/// A loss that can be had from all pairs, a row at a time.
pub(crate) trait Stream {
    /// `None` where the engine refuses the numbers.
    fn stream<T: Scalar>(&self, rows: &Rows<'_, T>, reducer: Reducer) -> Option<Found<T>>;
}

/// A streamed loss as the operation's task.
struct ByRows<'a, L> {
    loss: &'a L,
    way: Way,
    reducer: Reducer,
    pairs: PairLists,
}

impl<L: Stream> ByRows<'_, L> {
    fn run<'a, T: Scalar>(&'a self, inputs: Inputs<'a, T>) -> Option<Found<T>> {
        let rows = Rows::new(inputs, self.way, &self.pairs)?;
        let found = self.loss.stream(&rows, self.reducer)?;
        let gradients = [&found.x, &found.y, &found.given];
        let finite = gradients
            .into_iter()
            .flatten()
            .all(|x| x.to_f64().is_finite());
        finite.then_some(found)
    }
}

impl<L: Stream> Task for ByRows<'_, L> {
    fn single<'a>(&'a self, inputs: Inputs<'a, f32>) -> Option<Found<f32>> {
        self.run(inputs)
    }

    fn double<'a>(&'a self, inputs: Inputs<'a, f64>) -> Option<Found<f64>> {
        self.run(inputs)
    }
}

/// A loss over the pairs of a batch, or of a batch and a reference set: `None` where it cannot be streamed.
pub(crate) fn stream(
    loss: &impl Stream,
    way: (EmbeddingDistance, Reducer),
    batch: Labelled,
    reference: Option<Labelled>,
) -> Option<Tensor<1>> {
    stream_with(loss, way, batch, reference, None)
}

/// The same, with a number given for each row, `[n, 1]`, that is followed too.
pub(crate) fn stream_with(
    loss: &impl Stream,
    (distance, reducer): (EmbeddingDistance, Reducer),
    (x, labels): Labelled,
    reference: Option<Labelled>,
    given: Option<Tensor<2>>,
) -> Option<Tensor<1>> {
    #[cfg(test)]
    if super::tests::wants_definitions() {
        return None;
    }
    let way = Way::of(distance)?;
    let (y, columns) = reference.unzip();
    let dtype = x.dtype();
    let fits = |input: &Tensor<2>| {
        let some = input.dims().iter().all(|&side| side > 0);
        some && is_cpu(&input.device()) && input.dtype() == dtype
    };
    let mut all = std::iter::once(&x).chain(&y).chain(&given);
    if !matches!(dtype, DType::F32 | DType::F64) || !all.all(fits) {
        return None;
    }
    let task = ByRows {
        loss,
        way,
        reducer,
        pairs: PairLists::new(&labels, columns.as_ref()),
    };
    operation::run(&task, x, y, given)
}

#[cfg(feature = "flex")]
fn is_cpu(device: &Device) -> bool {
    let device = device.clone().without_autodiff();
    matches!(device.as_dispatch(), burn::backend::DispatchDevice::Flex(_))
}

#[cfg(not(feature = "flex"))]
fn is_cpu(_: &Device) -> bool {
    false
}
