//! Searching the tree.

use super::{Node, Shell, Tree};
use crate::neighbors::k_least::KLeast;
use crate::neighbors::radius::nearest_first;
use crate::rows::Rows;
use crate::{Metric, Scalar};

/// Absolute room for rounding below the least normal number, where relative bounds do not hold: many times the
/// spacing of `f32` there, and of no consequence elsewhere.
const UNDERFLOW: f64 = 1e-43;

/// The slack of a metric and the room that a search needs for itself: `6 ε` for its own arithmetic and for a
/// `rank_to_distance` that is monotone only up to its last bits, and [`UNDERFLOW`].
pub(super) fn with_reserve<T: Scalar>(relative: f64, absolute: f64) -> (f64, f64) {
    (relative + 6.0 * T::EPSILON.to_f64(), absolute + UNDERFLOW)
}

impl<T> Tree<T> {
    pub(super) fn root(&self) -> Subtree<'_, T> {
        Subtree {
            nodes: &self.nodes,
            order: &self.order,
        }
    }
}

/// Part of a [`Tree`].
#[derive(Clone, Copy)]
pub(super) struct Subtree<'t, T> {
    nodes: &'t [Node<T>],
    order: &'t [usize],
}

/// Takes what a search comes across.
pub(super) trait Wanted<T: Scalar> {
    fn see<M: Metric<T>>(&mut self, metric: &M, rank: T, index: usize);

    /// Rows at greater distances are not wanted.
    fn reach<M: Metric<T>>(&self, metric: &M) -> f64;
}

impl<T: Scalar> Wanted<T> for KLeast<T> {
    fn see<M: Metric<T>>(&mut self, _: &M, rank: T, index: usize) {
        self.offer(rank, index);
    }

    fn reach<M: Metric<T>>(&self, metric: &M) -> f64 {
        self.kth()
            .map_or(f64::INFINITY, |rank| metric.rank_to_distance(rank).to_f64())
    }
}

/// All rows within a radius.
pub(super) struct WithinRadius<T> {
    radius: T,
    found: Vec<(usize, T)>,
}

impl<T: Scalar> WithinRadius<T> {
    pub(super) fn new(radius: T) -> Self {
        Self {
            radius,
            found: Vec::new(),
        }
    }

    pub(super) fn into_sorted(self) -> Vec<(usize, T)> {
        nearest_first(self.found)
    }
}

impl<T: Scalar> Wanted<T> for WithinRadius<T> {
    fn see<M: Metric<T>>(&mut self, metric: &M, rank: T, index: usize) {
        let distance = metric.rank_to_distance(rank);
        if distance <= self.radius {
            self.found.push((index, distance));
        }
    }

    fn reach<M: Metric<T>>(&self, _: &M) -> f64 {
        self.radius.to_f64()
    }
}

/// One query on its way through the tree.
pub(super) struct Search<'s, T: Scalar, M> {
    pub(super) rows: &'s Rows<'s, T>,
    pub(super) metric: &'s M,
    pub(super) slack: (f64, f64),
    pub(super) query: &'s [T],
}

impl<T: Scalar, M: Metric<T>> Search<'_, T, M> {
    /// Recursion goes as deep as the tree, `log₂(n/32)`.
    pub(super) fn visit(&self, tree: Subtree<'_, T>, wanted: &mut impl Wanted<T>) {
        let (Some((node, below)), Some((&vantage, rest))) =
            (tree.nodes.split_first(), tree.order.split_first())
        else {
            for &index in tree.order {
                wanted.see(self.metric, self.rank(index), index);
            }
            return;
        };
        let rank = self.rank(vantage);
        wanted.see(self.metric, rank, vantage);
        let distance = self.metric.rank_to_distance(rank).to_f64();

        let (near_nodes, far_nodes) = below.split_at(below.len() / 2);
        let (near_order, far_order) = rest.split_at(tree.order.len() / 2);
        let near = Subtree {
            nodes: near_nodes,
            order: near_order,
        };
        let far = Subtree {
            nodes: far_nodes,
            order: far_order,
        };
        let mut halves = [
            (self.bound(distance, node.near), near),
            (self.bound(distance, node.far), far),
        ];
        if halves[1].0 < halves[0].0 {
            halves.swap(0, 1);
        }
        for (bound, half) in halves {
            if bound <= wanted.reach(self.metric) {
                self.visit(half, wanted);
            }
        }
    }

    fn rank(&self, index: usize) -> T {
        self.metric.rank(self.query, self.rows.row(index))
    }

    /// What the computed distance from the query to any row of the shell is not below.
    ///
    /// With `D = d(q, v)` and `s = d(v, x)` as computed, `r` and `t` the slack, the metric promises
    /// ```text
    /// D ≤ (d(q, x) + s) (1 + r) + t   ⇒   d(q, x) ≥ (D − t) / (1 + r) − s ≥ (D − t) / (1 + r) − most
    /// s ≤ (d(q, x) + D) (1 + r) + t   ⇒   d(q, x) ≥ (s − t) / (1 + r) − D ≥ (least − t) / (1 + r) − D
    /// ```
    /// Where the result is positive, computing these lines in `f64` errs by at most `2 ε₆₄` of their first term, which
    /// the reserve in `r` makes good. An overflowed distance may stand for anything beyond the greatest number: nothing
    /// follows from it but what follows from `−∞`.
    fn bound(&self, distance: f64, shell: Shell<T>) -> f64 {
        let (relative, absolute) = self.slack;
        let at_least = |x: f64| {
            if x.is_finite() {
                (x - absolute) / (1.0 + relative)
            } else {
                f64::NEG_INFINITY
            }
        };
        let inner = at_least(distance) - shell.most.to_f64();
        let outer = at_least(shell.least.to_f64()) - distance;
        inner.max(outer)
    }
}
