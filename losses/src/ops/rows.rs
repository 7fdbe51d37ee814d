use metric_core::simd::{map_in_place, zip_in_place};
use metric_core::{
    Distance, Euclidean, Form, Gathered, InnerProduct, RowProgram, Scalar, Scattered, Similarity,
    SquaredEuclidean, each_row, gather_ends, gather_self, one_to_many, scatter, walk_both,
    walk_self,
};
use ndarray::Array2;
use rayon::prelude::*;

use super::operation::{Found, Inputs};
use super::pair_lists::PairLists;
use super::row_pairs::{RowPairs, Terms};
use super::side::{Side, mean_row};
use crate::distance::EmbeddingDistance;
use crate::reducer::Reducer;

/// Numbers of a gradient that one thread takes.
pub(super) const SOME: usize = 1 << 16;

/// Distances that are copied at a time to be changed.
const FEW: usize = 256;

/// Rows of a batch that is worth both ends.
const FEWEST_ROWS: usize = if cfg!(test) { 256 } else { 2048 };

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

/// Which ends of a pair are asked for its part in a gradient.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ends {
    /// Either, for all of it.
    Any,
    /// Both, each for what it adds.
    Each,
}

/// How the engine computes a distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Way {
    Cosine,
    InnerProduct,
    Euclidean,
    SquaredEuclidean,
}

impl Way {
    pub(super) fn of(distance: EmbeddingDistance) -> Option<Self> {
        match distance {
            EmbeddingDistance::Cosine => Some(Self::Cosine),
            EmbeddingDistance::InnerProduct => Some(Self::InnerProduct),
            EmbeddingDistance::Euclidean => Some(Self::Euclidean),
            EmbeddingDistance::SquaredEuclidean => Some(Self::SquaredEuclidean),
            EmbeddingDistance::Lp { .. } | EmbeddingDistance::SignalToNoise => None,
        }
    }

    /// Makes the engine's numbers of a row with the rows `first..` of another side distances.
    fn make_distances<T: Scalar>(
        self,
        values: &mut [T],
        (own, row): (&Side<'_, T>, usize),
        (others, first): (&Side<'_, T>, usize),
    ) {
        match self {
            Self::Cosine => {
                let inverse = own.inverse[row];
                zip_in_place(values, &others.inverse[first..], move |product, other| {
                    T::ONE - product * inverse * other
                });
            }
            Self::InnerProduct => map_in_place(values, |product| T::ZERO - product),
            Self::Euclidean | Self::SquaredEuclidean => {}
        }
    }
}

/// The inner product where the engine asks for a distance: it only hands on what it computes.
#[derive(Debug)]
pub(super) struct Product;

impl<T: Scalar> Distance<T> for Product {
    fn distance(&self, a: &[T], b: &[T]) -> T {
        InnerProduct.similarity(a, b)
    }

    fn form(&self) -> Form<'_, T> {
        Similarity::<T>::form(&InnerProduct)
    }
}

impl<'a, T: Scalar> Rows<'a, T> {
    pub(super) fn new(inputs: Inputs<'a, T>, way: Way, pairs: &'a PairLists) -> Option<Self> {
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
        self.make_distances(row, 0, &mut values);
        Some(values)
    }

    /// The distances of each row of a batch of classes to its positives.
    pub(crate) fn to_positives(&self) -> Vec<Vec<T>> {
        let slice = |row: usize| {
            let row = self.x.rows.row(row).to_slice();
            row.expect("rows lie in one piece")
        };
        let of_row = |row: usize| {
            let to_positive = |column: usize| {
                let (a, b) = (slice(row), slice(column));
                let mut distance = [match self.way {
                    Way::Cosine | Way::InnerProduct => Product.distance(a, b),
                    Way::Euclidean => Euclidean.distance(a, b),
                    Way::SquaredEuclidean => SquaredEuclidean.distance(a, b),
                }];
                self.make_distances(row, column, &mut distance);
                distance[0]
            };
            let alike = self.pairs.alike_among(row, 0..self.len());
            let positives = alike.filter(|(positive, _)| positive.is_some());
            positives.map(|(_, column)| to_positive(column)).collect()
        };
        (0..self.len()).into_par_iter().map(of_row).collect()
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.x.rows.nrows()
    }

    /// Whether the rows are compared with a reference set.
    pub(crate) fn is_against(&self) -> bool {
        self.y.is_some()
    }

    /// How many positive and negative pairs each row has.
    pub(crate) fn counts(&self) -> Vec<[usize; 2]> {
        self.pairs.counts()
    }

    /// Whether alike is an equivalence.
    pub(crate) fn are_classes(&self) -> bool {
        self.pairs.are_classes()
    }

    /// Whether it pays to see pairs of a batch from both ends: fewer rows stay in the cache, and threads share half a matrix
    /// badly.
    pub(super) fn have_both_ends(&self) -> bool {
        self.pairs.mean_positives().is_some() && self.len() >= FEWEST_ROWS
    }

    /// Whether gradients are wanted.
    pub(crate) fn is_followed(&self) -> bool {
        self.followed
    }

    /// Which pairs are alike.
    pub(crate) fn pairs(&self) -> &PairLists {
        self.pairs
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
        self.loss_shared(reducer, |pairs| {
            let row = pairs.row;
            self.shared(row, of(pairs), reducer)
        })
    }

    /// The same of terms that are shared out by `of`, and what their derivatives are still to be multiplied with.
    pub(crate) fn loss_shared(
        &self,
        reducer: Reducer,
        of: impl Fn(RowPairs<'_, T>) -> (Terms, f64) + Sync,
    ) -> Option<Found<T>> {
        if !self.followed {
            let terms = self.each(|pairs| of(pairs).0)?;
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
            let (terms, factor) = of(pairs);
            if terms.count == 0 {
                values.fill(T::ZERO);
                given = T::ZERO;
            } else {
                for column in absent {
                    values[column] = T::ZERO;
                }
                self.weigh(row, 0, values, &before);
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

    /// Half the cost of [`each`](Self::each) within a batch: every pair is computed once and seen from both its ends, so that a
    /// row sees some distances at a time, those to rows `first..`, in an order of its own. `None` where the engine refuses the
    /// numbers.
    pub(super) fn see_both_ends<S: Send>(
        &self,
        start: impl Fn(usize) -> S + Sync,
        see: impl Fn(&mut S, usize, usize, &mut [T]) + Sync,
    ) -> Option<Vec<S>> {
        let x = self.x.rows.view();
        let see = |state: &mut S, row: usize, first: usize, values: &mut [T]| {
            self.make_distances(row, first, values);
            see(state, row, first, values);
        };
        let program = Seen { start, see };
        let found = match self.way {
            Way::Cosine | Way::InnerProduct => walk_self(&Product, x, &program),
            Way::Euclidean => walk_self(&Euclidean, x, &program),
            Way::SquaredEuclidean => walk_self(&SquaredEuclidean, x, &program),
        };
        found.ok()
    }

    /// The same of a batch and a reference set: what rows of the one keep of their distances to the other's, and the other way
    /// round.
    pub(super) fn see_both_sides<S: Send>(
        &self,
        start: impl Fn(usize) -> S + Sync,
        see: impl Fn(&mut S, usize, usize, &mut [T]) + Sync,
    ) -> Option<[Vec<S>; 2]> {
        let sides = [&self.x, self.columns()];
        let of_side = |own: usize| {
            let (start, see) = (&start, &see);
            let (own, others) = (sides[own], sides[1 - own]);
            let see = move |state: &mut S, row: usize, first: usize, values: &mut [T]| {
                self.way.make_distances(values, (own, row), (others, first));
                see(state, row, first, values);
            };
            Seen { start, see }
        };
        let (of_x, of_y) = (of_side(0), of_side(1));
        let [x, y] = sides.map(|side| side.rows.view());
        let found = match self.way {
            Way::Cosine | Way::InnerProduct => walk_both(&Product, (x, &of_x), (y, &of_y)),
            Way::Euclidean => walk_both(&Euclidean, (x, &of_x), (y, &of_y)),
            Way::SquaredEuclidean => walk_both(&SquaredEuclidean, (x, &of_x), (y, &of_y)),
        };
        found.ok()
    }

    /// The gradient by the rows of a batch of a loss whose derivative by the distance of a pair can be told from the distance:
    /// `slope(row, first, distances)` puts it in the place of some distances of a row, those to rows `first..`, and is asked of one
    /// end of a pair; or of [`Ends::Each`], for its own row's part of it. `None` where the engine refuses the numbers.
    pub(super) fn gradient_of_pairs(
        &self,
        ends: Ends,
        slope: impl Fn(usize, usize, &mut [T]) + Sync,
    ) -> Option<Array2<T>> {
        let x = self.x.rows.view();
        let weigh = |row: usize, first: usize, values: &mut [T]| {
            self.make_distances(row, first, values);
            let before = match self.way {
                Way::Euclidean => values.to_vec(),
                _ => Vec::new(),
            };
            slope(row, first, values);
            self.weigh(row, first, values, &before);
        };
        let found = match (self.way, ends) {
            (Way::Cosine | Way::InnerProduct, Ends::Any) => gather_self(&Product, x, weigh),
            (Way::Cosine | Way::InnerProduct, Ends::Each) => gather_ends(&Product, x, weigh),
            (Way::Euclidean, Ends::Any) => gather_self(&Euclidean, x, weigh),
            (Way::Euclidean, Ends::Each) => gather_ends(&Euclidean, x, weigh),
            (Way::SquaredEuclidean, Ends::Any) => gather_self(&SquaredEuclidean, x, weigh),
            (Way::SquaredEuclidean, Ends::Each) => gather_ends(&SquaredEuclidean, x, weigh),
        };
        let Gathered { rows, row_sums } = found.ok()?;
        Some(self.gradient(&self.x, rows, row_sums))
    }

    /// The loss of terms that have been shared out, and its gradient by the rows of the batch as if their share in it were 1.
    pub(super) fn found(
        gradient: Option<Array2<T>>,
        terms: impl Iterator<Item = Terms> + Clone,
        reducer: Reducer,
    ) -> Found<T> {
        let (value, share) = reducer.total(terms);
        let mut found = Found::without_gradients(value);
        found.x = gradient.map_or(Vec::new(), |x| times(x, T::from_f64(share)));
        found
    }

    /// A row's terms as they are shared out, and what its slopes are multiplied with.
    pub(super) fn shared(&self, row: usize, mut terms: Terms, reducer: Reducer) -> (Terms, f64) {
        let factor = self.pairs.weight(row) * reducer.share_in_row(terms.count);
        terms.sum *= factor;
        (terms, factor)
    }

    pub(super) fn given_of(&self, row: usize) -> T {
        self.given.map_or(T::ZERO, |given| given[row])
    }

    /// A row's products or distances, as its pairs, and the columns of those that do not count.
    fn show<'b>(
        &self,
        row: usize,
        values: &'b mut [T],
        given: &'b mut T,
    ) -> (RowPairs<'b, T>, Vec<usize>) {
        self.make_distances(row, 0, values);
        self.pairs.show(row, values, given)
    }

    /// Makes the engine's numbers of a row with columns `first..` distances.
    fn make_distances(&self, row: usize, first: usize, values: &mut [T]) {
        self.way
            .make_distances(values, (&self.x, row), (self.columns(), first));
    }

    /// Makes the derivatives by the distances of a row to columns `first..`, as they were `before`, weights of the engine.
    fn weigh(&self, row: usize, first: usize, slopes: &mut [T], before: &[T]) {
        match self.way {
            Way::Cosine => {
                let inverse = T::ZERO - self.x.inverse[row];
                let others = &self.columns().inverse[first..];
                zip_in_place(slopes, others, move |slope, other| slope * inverse * other);
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
        let mut x = self.gradient(&self.x, sums.rows, sums.row_sums);
        let mut y = self.gradient(self.columns(), sums.columns, sums.column_sums);
        if self.y.is_none() {
            x.zip_mut_with(&y, |x, &y| *x = *x + y);
            y = Array2::from_elem((0, 0), T::ZERO);
        }
        let slopes = sums.results.iter().map(|&(_, slope)| slope * share);
        Found {
            value,
            x: times(x, share),
            y: times(y, share),
            given: if self.given.is_some() {
                slopes.collect()
            } else {
                Vec::new()
            },
        }
    }

    /// The gradient of a side by the sums of the other's rows times their weights, and of the weights.
    fn gradient(&self, side: &Side<'_, T>, mut products: Array2<T>, sums: Vec<T>) -> Array2<T> {
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
    }
}

/// A row program of two functions.
struct Seen<A, B> {
    start: A,
    see: B,
}

impl<T, S, A, B> RowProgram<T> for Seen<A, B>
where
    T: Scalar,
    S: Send,
    A: Fn(usize) -> S + Sync,
    B: Fn(&mut S, usize, usize, &mut [T]) + Sync,
{
    type State = S;
    type Output = S;

    fn start(&self, row: usize) -> S {
        (self.start)(row)
    }

    fn see(&self, state: &mut S, row: usize, first: usize, distances: &[T]) {
        let mut copy = [T::ZERO; FEW];
        for (at, distances) in distances.chunks(FEW).enumerate() {
            let copy = &mut copy[..distances.len()];
            copy.copy_from_slice(distances);
            (self.see)(state, row, first + at * FEW, copy);
        }
    }

    fn finish(&self, _: usize, state: S) -> S {
        state
    }
}

/// A gradient's numbers times a factor.
pub(super) fn times<T: Scalar>(gradient: Array2<T>, factor: T) -> Vec<T> {
    let mut values = gradient.into_raw_vec_and_offset().0;
    let parts = values.par_chunks_mut(SOME);
    parts.for_each(|part| map_in_place(part, move |slope| slope * factor));
    values
}
