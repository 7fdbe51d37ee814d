use std::ops::Range;

use burn::tensor::{Int, Tensor, TensorData};
use metric_core::{Scalar, scatter_groups};
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis};

use super::operation::{self, Found, Inputs, Task};
use super::pair_lists::{Class, PairLists};
use super::row_pairs::Terms;
use super::rows::{Product, times};
use super::soft_max::{LogSumExp, exp_in_range, sigmoid, softplus};
use super::stream::fit;
use crate::labels::Labels;
use crate::numerics::zero_on_graph;
use crate::reducer::Reducer;

/// What each positive pair loses to the negatives of its class by the sum of both rows:
/// ```text
/// f(n)    = scale (a + p)·n − own a·p
/// ℓ(a, p) = log(1 + Σₙ e^{f(n)})
/// ```
///
/// The power of a sum is a product: with `Eᵢₙ = e^{scale xᵢ·n}` of the rows of a class, the sums of all its pairs are `E Eᵀ`, and
/// the derivatives by `xᵢ·n` are `E ∘ W E` for weights `W` of the pairs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SumsOfPairs {
    pub(crate) scale: f64,
    pub(crate) own: f64,
    pub(crate) reducer: Reducer,
}

/// Below it a sum of products may have lost some that are too small for a number, and a pair makes powers of its own.
const LEAST: f64 = 1e-18;

impl SumsOfPairs {
    /// The loss; `None` where it cannot be streamed.
    ///
    /// # Shapes
    /// - `anchors`: `[n, dim]`, `positives` and `negatives`: `[m, dim]`, the rows of the reference set, or those of the batch
    pub(crate) fn stream(
        self,
        [anchors, positives, negatives]: [Tensor<2>; 3],
        labels: &Labels,
        reference: Option<&Labels>,
    ) -> Option<Tensor<1>> {
        if !fit([&anchors, &positives, &negatives].into_iter()) {
            return None;
        }
        let lists = PairLists::new(labels, reference);
        let (classes, of_rows) = (lists.classes()?, lists.anchor_shares(self.reducer));
        if classes.is_empty() {
            return Some(zero_on_graph(anchors) + zero_on_graph(positives));
        }
        let within = reference.is_none();
        let [n, _] = anchors.dims();
        let mut order = Vec::new();
        for class in &classes {
            order.extend(&class.rows);
            if !within {
                order.extend(class.columns.iter().map(|column| n + column));
            }
        }
        let shares = order.iter().map(|&row| of_rows.get(row).copied());
        let loss = OfClasses {
            loss: self,
            shares: shares.map(Option::unwrap_or_default).collect(),
            classes,
            within,
        };
        let places: Vec<i64> = order.iter().map(|&row| row as i64).collect();
        let places = TensorData::new(places, [order.len()]);
        let places = Tensor::<1, Int>::from_data(places, &anchors.device());
        let rows = match within {
            true => anchors,
            false => Tensor::cat(vec![anchors, positives], 0),
        };
        operation::run(&loss, rows.select(0, places), Some(negatives), None)
    }
}

/// The loss of rows in the order of their classes, in each of which anchors come before other positives.
struct OfClasses {
    loss: SumsOfPairs,
    classes: Vec<Class>,
    /// What the terms of each row as an anchor are multiplied with; 0 of a row of the reference set.
    shares: Vec<f64>,
    /// Anchors are positives of each other.
    within: bool,
}

impl Task for OfClasses {
    fn run<'a, T: Scalar>(&'a self, inputs: Inputs<'a, T>) -> Option<Found<T>> {
        let (x, y) = (inputs.x, inputs.y?);
        let sizes: Vec<usize> = self
            .classes
            .iter()
            .map(|class| self.rows_of(class))
            .collect();
        let mut end = 0;
        let blocks: Vec<Range<usize>> = sizes
            .iter()
            .map(|size| {
                end += size;
                end - size..end
            })
            .collect();
        let rows = |number: usize| x.slice_axis_move(Axis(0), blocks[number].clone().into());
        let sums = scatter_groups(&Product, x, y, &sizes, |number, products| {
            let Class {
                rows: anchors,
                columns: alike,
            } = &self.classes[number];
            let class = OneClass {
                loss: self.loss,
                rows: rows(number),
                shares: &self.shares[blocks[number].clone()],
                anchors: (!self.within).then_some(anchors.len()),
                columns: y,
                alike,
            };
            class.weigh(products)
        });
        let mut sums = sums.ok()?;
        let reducer = match self.loss.reducer {
            Reducer::PerAnchor => Reducer::Sum, // in the shares
            reducer => reducer,
        };
        let (value, share) = reducer.total(sums.results.iter().map(|&(terms, _)| terms));
        if !inputs.followed {
            return Some(Found::without_gradients(value));
        }
        for (number, (_, of_rows)) in sums.results.iter().enumerate() {
            let block = blocks[number].clone();
            let mut gradient = sums.rows.slice_axis_mut(Axis(0), block.into());
            gradient.zip_mut_with(&of_rows.dot(&rows(number)), |sum, &more| *sum = *sum + more);
        }
        let mut found = Found::without_gradients(value);
        found.x = times(sums.rows, T::from_f64(share));
        found.y = times(sums.columns, T::from_f64(share));
        found.if_finite()
    }
}

impl OfClasses {
    /// How many rows a class has.
    fn rows_of(&self, class: &Class) -> usize {
        match self.within {
            true => class.rows.len(),
            false => class.rows.len() + class.columns.len(),
        }
    }
}

/// A class among its negatives.
struct OneClass<'a, T> {
    loss: SumsOfPairs,
    rows: ArrayView2<'a, T>,
    shares: &'a [f64],
    /// How many rows are anchors, before those that are positives; all are both if `None`.
    anchors: Option<usize>,
    columns: ArrayView2<'a, T>,
    /// Which columns are no negatives.
    alike: &'a [usize],
}

impl<T: Scalar> OneClass<'_, T> {
    /// Puts in the place of the products of rows and columns the derivatives by them. Gives the terms, and the derivatives by
    /// the products of rows with each other.
    fn weigh(&self, mut products: ArrayViewMut2<'_, T>) -> (Terms, Array2<T>) {
        let lines = products.rows_mut().into_iter();
        let powers = lines.map(|line| self.powers(line.into_slice().expect("of one piece")));
        let tops: Vec<f64> = powers.map(|sum| sum.largest).collect();
        let sums = products.dot(&products.t());
        let (mut terms, zeros) = (Terms::default(), Array2::from_elem(sums.dim(), T::ZERO));
        let (mut weights, mut of_rows) = (zeros.clone(), zeros);
        let mut add = |[i, j]: [usize; 2], log: f64| {
            let (more, slope) = self.term([i, j], log);
            terms += more;
            let own = T::from_f64(-self.loss.own * slope);
            (of_rows[[i, j]], of_rows[[j, i]]) = (own, own);
            self.loss.scale * slope
        };
        let mut apart = Vec::new();
        for [i, j] in self.pairs() {
            let sum = sums[[i, j]].to_f64();
            if sum < LEAST && self.alike.len() < self.columns.nrows() {
                apart.push([i, j]);
                continue;
            }
            let slope = add([i, j], sum.ln() + tops[i] + tops[j]);
            let weight = T::from_f64(slope / sum.max(LEAST));
            (weights[[i, j]], weights[[j, i]]) = (weight, weight);
        }
        let others = weights.dot(&products);
        products.zip_mut_with(&others, |power, &other| *power = *power * other);
        for [i, j] in apart {
            let both = &self.rows.row(i) + &self.rows.row(j);
            let mut powers = self.columns.dot(&both).to_vec();
            let sum = self.powers(&mut powers);
            sum.share_out(&mut powers, add([i, j], sum.value()));
            let powers = ArrayView1::from(&powers);
            for row in [i, j] {
                let mut line = products.row_mut(row);
                line.zip_mut_with(&powers, |slope, &more| *slope = *slope + more);
            }
        }
        (terms, of_rows)
    }

    /// All pairs, those of which both are anchors once.
    fn pairs(&self) -> impl Iterator<Item = [usize; 2]> {
        let (all, anchors) = (self.rows.nrows(), self.anchors);
        (0..anchors.unwrap_or(all))
            .flat_map(move |i| (anchors.unwrap_or(i + 1)..all).map(move |j| [i, j]))
    }

    /// Makes powers of the products of a row with all columns, none of those that are no negatives.
    fn powers(&self, products: &mut [T]) -> LogSumExp {
        for &column in self.alike {
            products[column] = T::from_f64(f64::NEG_INFINITY);
        }
        exp_in_range(products, self.loss.scale)
    }

    /// The terms of a pair from its anchors, given `log Σₙ e^{scale (a + p)·n}`, and their derivative by it.
    fn term(&self, [i, j]: [usize; 2], log: f64) -> (Terms, f64) {
        let [a, p] = [i, j].map(|row| self.rows.row(row));
        let alike = a.dot(&p).to_f64();
        let gap = log - self.loss.own * alike;
        let weight = self.shares[i] + self.shares[j];
        let mut terms = self.loss.reducer.terms_of(softplus(gap));
        if terms.count == 0 {
            return (terms, 0.0);
        }
        terms.sum *= weight;
        terms.count = if self.anchors.is_some() { 1 } else { 2 };
        (terms, weight * sigmoid(gap))
    }
}
