use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use metric_core::simd::{map_in_place, zip_in_place};
use metric_core::{
    Distance, Euclidean, Form, InnerProduct, Scalar, Scattered, Similarity, SquaredEuclidean,
    each_row, scatter,
};
use ndarray::{Array1, Array2, Axis};

use super::attach;
use super::pair_lists::PairLists;
use crate::distance::EmbeddingDistance;
use crate::numerics::l2_normalize;
use crate::reducer::Reducer;

/// Rows of a tensor and a label for each.
pub(crate) type Labelled = (Tensor<2>, Tensor<1, Int>);

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
    /// How many negatives there are.
    pub negatives: usize,
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
#[derive(Debug)]
pub(crate) struct Rows<T: Scalar> {
    x: Array2<T>,
    y: Option<Array2<T>>,
    way: Way,
    pairs: PairLists,
    /// Whether a gradient is wanted.
    followed: bool,
}

/// A loss's value, and the gradients of rows and columns: one for both where they are the same, none where none is wanted.
#[derive(Debug)]
pub(crate) struct Streamed<T> {
    value: f64,
    gradients: Vec<Array2<T>>,
}

/// How the engine computes a distance.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// A number less the inner product.
    Less(f64),
    Euclidean,
    SquaredEuclidean,
}

impl Way {
    fn of(distance: EmbeddingDistance) -> Option<Self> {
        match distance {
            EmbeddingDistance::Cosine => Some(Self::Less(1.0)),
            EmbeddingDistance::InnerProduct => Some(Self::Less(0.0)),
            EmbeddingDistance::Euclidean => Some(Self::Euclidean),
            EmbeddingDistance::SquaredEuclidean => Some(Self::SquaredEuclidean),
            EmbeddingDistance::Lp { .. } | EmbeddingDistance::SignalToNoise => None,
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

impl<T: Scalar> Rows<T> {
    /// What becomes of every row's pairs; `None` where the engine refuses the numbers.
    pub(crate) fn each<R: Send>(&self, of: impl Fn(RowPairs<'_, T>) -> R + Sync) -> Option<Vec<R>> {
        let (x, y) = (self.x.view(), self.y.as_ref().unwrap_or(&self.x).view());
        let with = |row, values: &mut [T]| of(self.show(row, values));
        let found = match self.way {
            Way::Less(_) => each_row(&Product, x, y, with),
            Way::Euclidean => each_row(&Euclidean, x, y, with),
            Way::SquaredEuclidean => each_row(&SquaredEuclidean, x, y, with),
        };
        found.ok()
    }

    /// Whether the rows are compared with a reference set.
    pub(crate) fn is_against(&self) -> bool {
        self.y.is_some()
    }

    /// How many positive and negative pairs there are.
    pub(crate) fn counts(&self) -> [usize; 2] {
        self.pairs.counts()
    }

    /// A loss whose terms `of` gives row by row, with their derivatives in the place of the distances; `None` where the
    /// engine refuses the numbers or the result is not finite.
    pub(crate) fn loss(
        &self,
        reducer: Reducer,
        of: impl Fn(RowPairs<'_, T>) -> Terms + Sync,
    ) -> Option<Streamed<T>> {
        if !self.followed {
            let terms = self.each(of)?;
            return Streamed::finite(reducer.total(&terms).0, Vec::new());
        }
        let (x, y) = (self.x.view(), self.y.as_ref().unwrap_or(&self.x).view());
        let product = |row, values: &mut [T]| {
            let terms = of(self.show(row, values));
            self.weigh(row, values, terms, |slopes| {
                slopes
                    .iter_mut()
                    .for_each(|slope| *slope = T::ZERO - *slope);
            })
        };
        let squared = |row, values: &mut [T]| {
            let terms = of(self.show(row, values));
            self.weigh(row, values, terms, |slopes| {
                map_in_place(slopes, |slope| slope + slope);
            })
        };
        let root = |row, values: &mut [T]| {
            let pairs = self.show(row, values);
            let distances = pairs.distances.to_vec();
            let terms = of(pairs);
            self.weigh(row, values, terms, |slopes| {
                zip_in_place(slopes, &distances, |slope, distance| {
                    let ratio = slope / distance;
                    if distance > T::ZERO { ratio } else { T::ZERO }
                });
            })
        };
        let sums = match self.way {
            Way::Less(_) => scatter(&Product, x, y, product),
            Way::SquaredEuclidean => scatter(&SquaredEuclidean, x, y, squared),
            Way::Euclidean => scatter(&Euclidean, x, y, root),
        };
        let sums = sums.ok()?;
        let (value, share) = reducer.total(&sums.results);
        Streamed::finite(value, self.gradients(sums, T::from_f64(share)))
    }

    /// A row's products or distances, as its pairs.
    fn show<'a>(&'a self, row: usize, values: &'a mut [T]) -> RowPairs<'a, T> {
        if let Way::Less(number) = self.way {
            let number = T::from_f64(number);
            map_in_place(values, move |value| number - value);
        }
        self.pairs.show(row, values)
    }

    /// Makes the derivatives of a row's terms by its distances weights of the engine.
    fn weigh(&self, row: usize, slopes: &mut [T], terms: Terms, chain: impl Fn(&mut [T])) -> Terms {
        if terms.count == 0 {
            slopes.fill(T::ZERO);
        } else {
            self.pairs.clear(row, slopes);
            chain(slopes);
        }
        terms
    }

    fn gradients(&self, sums: Scattered<T, Terms>, share: T) -> Vec<Array2<T>> {
        let y = self.y.as_ref().unwrap_or(&self.x);
        let of = |rows: &Array2<T>, products: Array2<T>, sums: Vec<T>| match self.way {
            Way::Less(_) => products.mapv_into(|x| x * share),
            Way::Euclidean | Way::SquaredEuclidean => {
                let sums = Array1::from(sums).insert_axis(Axis(1));
                (&sums * rows - products).mapv_into(|x| x * share)
            }
        };
        let rows = of(&self.x, sums.rows, sums.row_sums);
        let columns = of(y, sums.columns, sums.column_sums);
        match self.y {
            Some(_) => vec![rows, columns],
            None => vec![rows + columns],
        }
    }
}

impl<T: Scalar> Streamed<T> {
    fn finite(value: f64, gradients: Vec<Array2<T>>) -> Option<Self> {
        let mut all = gradients.iter().flatten();
        let finite = value.is_finite() && all.all(|x| x.to_f64().is_finite());
        finite.then_some(Self { value, gradients })
    }
}

/// A loss that can be had from all pairs, a row at a time.
pub(crate) trait Stream {
    /// `None` where the engine refuses the numbers or the result is not finite.
    fn stream<T: Scalar>(&self, rows: &Rows<T>, reducer: Reducer) -> Option<Streamed<T>>;
}

/// A loss over the pairs of a batch, or of a batch and a reference set: `None` where it cannot be streamed.
pub(crate) fn stream(
    loss: &impl Stream,
    (distance, reducer): (EmbeddingDistance, Reducer),
    (x, labels): Labelled,
    reference: Option<Labelled>,
) -> Option<Tensor<1>> {
    #[cfg(test)]
    if super::tests::wants_definitions() {
        return None;
    }
    let way = Way::of(distance)?;
    let on_cpu = |x: &Tensor<2>| is_cpu(&x.device()) && x.dims().iter().all(|&side| side > 0);
    let (y, columns) = reference.unzip();
    let dtype = x.dtype();
    if !on_cpu(&x) || y.as_ref().is_some_and(|y| !on_cpu(y) || y.dtype() != dtype) {
        return None;
    }
    let pairs = PairLists::new(labels, columns);
    let (x, y) = match distance {
        EmbeddingDistance::Cosine => (l2_normalize(x), y.map(l2_normalize)),
        _ => (x, y),
    };
    match dtype {
        DType::F32 => attached::<f32>(loss, way, (x, y), pairs, reducer),
        DType::F64 => attached::<f64>(loss, way, (x, y), pairs, reducer),
        _ => None,
    }
}

fn attached<T: Scalar + burn::tensor::Element>(
    loss: &impl Stream,
    way: Way,
    (x, y): (Tensor<2>, Option<Tensor<2>>),
    pairs: PairLists,
    reducer: Reducer,
) -> Option<Tensor<1>> {
    let (device, dtype) = (x.device(), x.dtype());
    let is_followed = |x: &Tensor<2>| x.device().is_autodiff();
    let mut rows = Rows {
        x: download::<T>(&x),
        y: y.as_ref().map(download::<T>),
        way,
        pairs,
        followed: is_followed(&x) || y.as_ref().is_some_and(is_followed),
    };
    rows.centre();
    let found = loss.stream(&rows, reducer)?;
    let value = TensorData::new(vec![T::from_f64(found.value)], [1]);
    let value = Tensor::<1>::from_data(value, (&device, dtype));
    let tensors = [Some(x), y].into_iter().flatten();
    let gradients = tensors.zip(found.gradients).map(|(x, gradient)| {
        let shape = x.dims();
        let (values, _) = gradient.into_raw_vec_and_offset();
        let gradient = TensorData::new(values, shape);
        (x, Tensor::<2>::from_data(gradient, (&device, dtype)))
    });
    Some(attach(value, gradients.collect()))
}

impl<T: Scalar> Rows<T> {
    /// Takes away what all rows have in common, which the gradients of Euclidean distances would lose digits to.
    fn centre(&mut self) {
        if let Way::Less(_) = self.way {
            return;
        }
        let columns = self.y.as_ref().unwrap_or(&self.x);
        let share = 1.0 / columns.nrows() as f64;
        let centre = columns.axis_iter(Axis(1)).map(|column| {
            let mean: f64 = column.iter().map(|x| x.to_f64() * share).sum();
            T::from_f64(mean)
        });
        let centre: Array1<T> = centre.collect();
        for rows in std::iter::once(&mut self.x).chain(&mut self.y) {
            for mut row in rows.rows_mut() {
                row.zip_mut_with(&centre, |x, &centre| *x = *x - centre);
            }
        }
    }
}

fn download<T: Scalar + burn::tensor::Element>(x: &Tensor<2>) -> Array2<T> {
    let shape = x.dims();
    let values = x.clone().detach().into_data().try_to_vec::<T>();
    Array2::from_shape_vec(shape, values.expect("the type was asked for"))
        .expect("a tensor has as many values as its shape says")
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
