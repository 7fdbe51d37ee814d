use std::collections::HashMap;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use metric_core::{
    Distance, Form, InnerProduct, RowProgram, Scalar, Similarity, scatter, walk, walk_self,
};
use ndarray::Array2;

use super::attach;
use crate::reducer::Reducer;

/// A loss that is a sum over rows, each term a function of what its row gathers from its similarities to all others.
///
/// The engine computes the similarities `s(i, j) = x_i · y_j` tile by tile, shows each row its own, asks for the row's
/// terms, then computes the similarities again and asks for their derivatives: no matrix is held, and gradients are
/// exact. A row is never shown its similarity to itself.
///
/// Cost: two products `n × m × dim` and one more for each further pass, and two of the same size for the gradients;
/// memory `O((n + m) dim)`.
///
/// # Examples
///
/// The alignment of positives, `Σ over positives of (1 − s)²`, as a loss of one's own:
///
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use metric_core::Scalar;
/// use metric_losses::{Reducer, RowLoss, Terms, row_loss};
///
/// struct Alignment;
/// impl<T: Scalar> RowLoss<T> for Alignment {
///     type Seen = Terms;
///     fn start(&self) -> Terms {
///         Terms::default()
///     }
///     fn see(&self, _pass: usize, seen: &mut Terms, similarities: &[T], positives: &[usize]) {
///         for &p in positives {
///             seen.sum += (1.0 - similarities[p].to_f64()).powi(2);
///             seen.count += 1;
///         }
///     }
///     fn terms(&self, seen: &Terms) -> Terms {
///         *seen
///     }
///     fn slopes(&self, _seen: &Terms, similarities: &mut [T], positives: &[usize]) {
///         let slopes: Vec<T> = positives
///             .iter()
///             .map(|&p| T::from_f64(2.0 * (similarities[p].to_f64() - 1.0)))
///             .collect();
///         similarities.fill(T::ZERO);
///         for (&p, slope) in positives.iter().zip(slopes) {
///             similarities[p] = slope;
///         }
///     }
/// }
///
/// let device = Device::flex().autodiff();
/// let x = Tensor::<2>::from_floats([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], &device).require_grad();
/// let labels = Tensor::<1, Int>::from_ints([0, 0, 1], &device);
/// let loss = row_loss(&Alignment, x.clone(), labels, Reducer::Mean).expect("a CPU tensor");
/// // Rows 0 and 1 are positives of each other: (1 − 0.6)² twice, of two terms.
/// let gradients = loss.backward();
/// assert!((loss.into_scalar::<f32>() - 0.16).abs() < 1e-6);
/// // d/dx₀ of (1 − x₀ · x₁)² is −2 · 0.4 x₁.
/// let gradient = x.grad(&gradients).unwrap().into_data();
/// assert!((gradient.as_slice::<f32>().unwrap()[0] + 0.8 * 0.6).abs() < 1e-6);
/// ```
pub trait RowLoss<T>: Sync {
    /// What is kept of a row.
    type Seen: Clone + Send + Sync;

    /// How often a row must see its similarities before it knows its terms. Default: once.
    fn passes(&self) -> usize {
        1
    }

    /// A row that has seen nothing.
    fn start(&self) -> Self::Seen;

    /// Takes some similarities of a row, and the places of those to positives; the others are to negatives.
    fn see(&self, pass: usize, seen: &mut Self::Seen, similarities: &[T], positives: &[usize]);

    /// What the row adds to the loss.
    fn terms(&self, seen: &Self::Seen) -> Terms;

    /// Puts in the place of some similarities the derivatives of the row's sum by each. Not asked of rows that count no
    /// term.
    fn slopes(&self, seen: &Self::Seen, similarities: &mut [T], positives: &[usize]);
}

/// What a row adds to a loss.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Terms {
    /// The sum of its terms.
    pub sum: f64,
    /// How many there are.
    pub count: usize,
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

/// Which pairs of a row are positive, and which do not exist.
#[derive(Debug)]
struct Pairs {
    /// Columns of each row's label, ascending: numbers of lists.
    of_row: Vec<Option<usize>>,
    lists: Vec<Vec<usize>>,
    /// Rows and columns are the same.
    within: bool,
}

/// Pairs that are shown at a time.
const SOME: usize = 512;

impl Pairs {
    fn new(rows: &[i64], columns: Option<&[i64]>) -> Self {
        let mut numbers = HashMap::new();
        let mut lists: Vec<Vec<usize>> = Vec::new();
        for (column, label) in columns.unwrap_or(rows).iter().enumerate() {
            let list = *numbers.entry(label).or_insert(lists.len());
            if list == lists.len() {
                lists.push(Vec::new());
            }
            lists[list].push(column);
        }
        Self {
            of_row: rows
                .iter()
                .map(|label| numbers.get(label).copied())
                .collect(),
            lists,
            within: columns.is_none(),
        }
    }

    /// Calls `with` with pieces of a row's values, none of which holds the row itself, and where in each its positives are.
    fn pieces<V>(
        &self,
        row: usize,
        first: usize,
        values: &mut [V],
        mut with: impl FnMut(&mut [V], &[usize]),
    ) {
        let positives = self.of_row[row].map_or(&[][..], |list| &self.lists[list]);
        let mut places = [0; SOME];
        let mut show = |first: usize, values: &mut [V]| {
            for (i, values) in values.chunks_mut(SOME).enumerate() {
                let first = first + i * SOME;
                let from = positives.partition_point(|&column| column < first);
                let here = positives[from..]
                    .iter()
                    .take_while(|&&column| column < first + values.len());
                let mut count = 0;
                for (place, column) in places.iter_mut().zip(here) {
                    *place = column - first;
                    count += 1;
                }
                with(values, &places[..count]);
            }
        };
        if self.within && (first..first + values.len()).contains(&row) {
            let (before, after) = values.split_at_mut(row - first);
            show(first, before);
            show(row + 1, &mut after[1..]);
        } else {
            show(first, values);
        }
    }
}

struct Pass<'a, L, S> {
    loss: &'a L,
    pass: usize,
    pairs: &'a Pairs,
    before: &'a [S],
}

impl<T: Scalar, L: RowLoss<T>> RowProgram<T> for Pass<'_, L, L::Seen> {
    type State = L::Seen;
    type Output = L::Seen;

    fn start(&self, row: usize) -> L::Seen {
        match self.before.get(row) {
            Some(seen) => seen.clone(),
            None => self.loss.start(),
        }
    }

    fn see(&self, seen: &mut L::Seen, row: usize, first: usize, similarities: &[T]) {
        let mut room = [T::ZERO; SOME];
        for (i, some) in similarities.chunks(SOME).enumerate() {
            let room = &mut room[..some.len()];
            room.copy_from_slice(some);
            self.pairs
                .pieces(row, first + i * SOME, room, |values, positives| {
                    self.loss.see(self.pass, seen, values, positives);
                });
        }
    }

    fn finish(&self, _row: usize, seen: L::Seen) -> L::Seen {
        seen
    }
}

/// The loss's value, and the gradients of rows and columns: one for both where they are the same, none where none is
/// wanted.
struct Streamed<T> {
    value: f64,
    gradients: Vec<Array2<T>>,
}

/// `None` where the engine refuses the numbers.
fn run<T: Scalar, L: RowLoss<T>>(
    loss: &L,
    x: &Array2<T>,
    y: Option<&Array2<T>>,
    pairs: &Pairs,
    (reducer, with_gradients): (Reducer, bool),
) -> Option<Streamed<T>> {
    let mut seen: Vec<L::Seen> = Vec::new();
    for pass in 0..loss.passes() {
        let program = Pass {
            loss,
            pass,
            pairs,
            before: &seen,
        };
        seen = match y {
            Some(y) => walk(&Product, x.view(), y.view(), &program),
            None => walk_self(&Product, x.view(), &program),
        }
        .ok()?;
    }
    let terms: Vec<Terms> = seen.iter().map(|seen| loss.terms(seen)).collect();
    let count: usize = terms.iter().map(|terms| terms.count).sum();
    let share = match reducer {
        Reducer::Sum => 1.0,
        _ => 1.0 / count.max(1) as f64,
    };
    let value = terms.iter().map(|terms| terms.sum * share).sum::<f64>();
    if !value.is_finite() {
        return None;
    }
    if !with_gradients {
        let gradients = Vec::new();
        return Some(Streamed { value, gradients });
    }
    let share = T::from_f64(share);
    let columns = y.unwrap_or(x);
    let sums = scatter(&Product, x.view(), columns.view(), |row, first, values| {
        if terms[row].count == 0 {
            values.fill(T::ZERO);
            return;
        }
        pairs.pieces(row, first, values, |values, positives| {
            loss.slopes(&seen[row], values, positives);
            for value in values {
                *value = *value * share;
            }
        });
        if pairs.within && (first..first + values.len()).contains(&row) {
            values[row - first] = T::ZERO;
        }
    })
    .ok()?;
    let finite = |sums: &Array2<T>| sums.iter().all(|x| x.to_f64().is_finite());
    if !finite(&sums.rows) || !finite(&sums.columns) {
        return None;
    }
    let gradients = match y {
        Some(_) => vec![sums.rows, sums.columns],
        None => vec![sums.rows + &sums.columns],
    };
    Some(Streamed { value, gradients })
}

/// A loss of one's own over all pairs of a batch, by inner products.
///
/// `None` unless `x` is on the CPU backend in `f32` or `f64`, with finite numbers and a finite loss.
///
/// # Shapes
/// - `x`: `[n, dim]`, `labels`: `[n]`
/// - output: `[1]`
///
/// # Panics
/// If there is not one label a row.
pub fn row_loss<L>(
    loss: &L,
    x: Tensor<2>,
    labels: Tensor<1, Int>,
    reducer: Reducer,
) -> Option<Tensor<1>>
where
    L: RowLoss<f32> + RowLoss<f64>,
{
    crate::pairs::assert_labels(&x, &labels);
    stream(loss, (x, labels), None, reducer)
}

/// A loss over the pairs of a batch, or of a batch and a reference set.
pub(crate) fn stream<L>(
    loss: &L,
    (x, labels): (Tensor<2>, Tensor<1, Int>),
    reference: Option<(Tensor<2>, Tensor<1, Int>)>,
    reducer: Reducer,
) -> Option<Tensor<1>>
where
    L: RowLoss<f32> + RowLoss<f64>,
{
    let on_cpu = |x: &Tensor<2>| is_cpu(&x.device()) && x.dims().iter().all(|&side| side > 0);
    let dtype = x.dtype();
    let (y, columns) = match reference {
        Some((y, labels)) => (Some(y), Some(download_labels(labels))),
        None => (None, None),
    };
    if !on_cpu(&x) || y.as_ref().is_some_and(|y| !on_cpu(y) || y.dtype() != dtype) {
        return None;
    }
    let pairs = Pairs::new(&download_labels(labels), columns.as_deref());
    match dtype {
        DType::F32 => attached::<f32, L>(loss, x, y, &pairs, reducer),
        DType::F64 => attached::<f64, L>(loss, x, y, &pairs, reducer),
        _ => None,
    }
}

fn attached<T: Scalar + burn::tensor::Element, L: RowLoss<T>>(
    loss: &L,
    x: Tensor<2>,
    y: Option<Tensor<2>>,
    pairs: &Pairs,
    reducer: Reducer,
) -> Option<Tensor<1>> {
    let rows = download::<T>(&x);
    let columns = y.as_ref().map(download::<T>);
    let (device, dtype) = (x.device(), x.dtype());
    let is_followed = |x: &Tensor<2>| x.device().is_autodiff();
    let followed = is_followed(&x) || y.as_ref().is_some_and(is_followed);
    let found = run(loss, &rows, columns.as_ref(), pairs, (reducer, followed))?;
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

fn download<T: Scalar + burn::tensor::Element>(x: &Tensor<2>) -> Array2<T> {
    let shape = x.dims();
    let values = x.clone().detach().into_data().try_to_vec::<T>();
    Array2::from_shape_vec(shape, values.expect("the type was asked for"))
        .expect("a tensor has as many values as its shape says")
}

fn download_labels(labels: Tensor<1, Int>) -> Vec<i64> {
    let labels = labels.into_data().convert::<i64>();
    labels.try_to_vec::<i64>().expect("converted")
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
