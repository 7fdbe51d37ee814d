//! k-means: assign and average until nothing moves.

use std::borrow::Cow;

use ndarray::{Array2, ArrayView2};
use rand::Rng;

use super::assign::{Centres, Points, check_count, scaled_square};
use super::hamerly::Bounds;
use super::inertia::inertia_of;
use super::means::{fill_empty, means};
use super::sphere::unit_rows;
use super::start::Start;
use crate::{Error, Scalar};

/// What k-means found.
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters<T> {
    /// The centres, `[k, dim]`.
    pub centres: Array2<T>,
    /// For every row the nearest of these centres, by [`Euclidean`](crate::Euclidean) distance, the lowest of equal
    /// ones.
    pub labels: Vec<u32>,
    /// `Σ ‖x − c(x)‖²` over all rows, in `f64`; see [`inertia`](super::inertia).
    pub inertia: f64,
    /// Number of iterations made.
    pub iterations: usize,
    /// Did it end by itself, before the last iteration allowed?
    pub converged: bool,
}

/// How rows are assigned to centres; the result is the same to the bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Variant {
    /// Every row against every centre (Lloyd 1982).
    #[default]
    Lloyd,
    /// Most rows are passed over by the triangle inequality (Hamerly, *Making k-means even faster*, SDM 2010). Faster
    /// where clusters are few or well apart; 16 bytes a row and `O(k² dim)` an iteration more.
    Hamerly,
}

/// k-means (Lloyd, *Least squares quantization in PCM*, 1982).
///
/// Seeks centres `c` and labels `l` that make the inertia small, by making each best for the other in turn:
/// ```text
/// min  Σᵢ ‖xᵢ − c(lᵢ)‖²
/// lᵢ ← argminⱼ ‖xᵢ − cⱼ‖          equal distances: the lowest j
/// cⱼ ← mean of the rows with label j
/// ```
/// Means are formed in `f64` and stored as `T`. An empty cluster gets the row farthest from its centre whose own
/// cluster keeps another (equal ones: the lowest index), before the means are formed; with several, in order. Clusters
/// stay empty only if every such row lies on its centre, as with fewer distinct rows than clusters.
///
/// With [`spherical`](Self::spherical), rows and centres have length one (Dhillon & Modha, *Concept decompositions for
/// large sparse text data using clustering*, 2001), so that the nearest centre is the one of largest cosine. The labels
/// say the same of the rows as given, and the inertia is `2 Σ (1 − cos)` where the paper maximises `Σ cos`.
///
/// `O(n k dim)` time an iteration, `O(n + k dim)` memory beside the rows; the same bits for any number of threads.
///
/// # Examples
///
/// ```
/// use metric_core::clusters::KMeans;
/// use ndarray::array;
/// use rand::SeedableRng;
/// let rows = array![[0.0f32], [1.0], [9.0], [10.0]];
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let found = KMeans::new(2).fit(rows.view(), &mut rng)?;
/// assert_eq!(found.labels[0], found.labels[1]);
/// assert_eq!(found.inertia, 1.0); // each row is 1/2 from its centre
/// # Ok::<(), metric_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct KMeans<T> {
    k: usize,
    start: Start<T>,
    variant: Variant,
    spherical: bool,
    max_iterations: usize,
    tolerance: f64,
}

impl<T: Scalar> KMeans<T> {
    /// `k` clusters from a [k-means++ start](Start::PlusPlus), by [`Variant::Lloyd`], in at most 100 iterations with a
    /// tolerance of `1e-4`.
    pub fn new(k: usize) -> Self {
        Self {
            k,
            start: Start::default(),
            variant: Variant::default(),
            spherical: false,
            max_iterations: 100,
            tolerance: 1e-4,
        }
    }

    /// How the first centres are chosen.
    #[must_use]
    pub fn start(mut self, start: Start<T>) -> Self {
        self.start = start;
        self
    }

    /// How rows are assigned.
    #[must_use]
    pub fn variant(mut self, variant: Variant) -> Self {
        self.variant = variant;
        self
    }

    /// Clusters of directions: spherical k-means.
    #[must_use]
    pub fn spherical(mut self) -> Self {
        self.spherical = true;
        self
    }

    /// Iterations after which it ends in any case.
    #[must_use]
    pub fn max_iterations(mut self, max_iterations: usize) -> Self {
        self.max_iterations = max_iterations;
        self
    }

    /// Ends once `Σ ‖Δcⱼ‖² ≤ tolerance · v`, where `v` is the mean of the variances of the columns. With 0 it ends when
    /// no row changes its cluster, which is also an end otherwise.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Clusters of the rows of `x` `[n, dim]`.
    ///
    /// Only the start draws from `rng`.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::NonFinite`], [`Error::ClusterCount`] if `k` is 0 or above `n`;
    /// [`Error::InvalidParam`] for no iterations, no trials or a tolerance that is negative or not a number;
    /// [`Error::DimMismatch`] or [`Error::CentreCount`] for a start of another shape; [`Error::ZeroRow`] for a row
    /// without a direction, on the sphere.
    pub fn fit<R: Rng + ?Sized>(
        &self,
        x: ArrayView2<'_, T>,
        rng: &mut R,
    ) -> Result<Clusters<T>, Error> {
        positive("max_iterations", self.max_iterations)?;
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            return Err(Error::InvalidParam {
                name: "tolerance",
                expected: "at least 0 and finite",
                got: self.tolerance,
            });
        }
        if !self.spherical {
            return self.fit_points(&Points::checked("rows", x)?, &self.start, rng);
        }
        let units = unit_rows("rows", x)?;
        let start = match &self.start {
            Start::Given(centres) => Cow::Owned(Start::Given(unit_rows("start", centres.view())?)),
            other => Cow::Borrowed(other),
        };
        self.fit_points(&Points::checked("rows", units.view())?, &start, rng)
    }

    fn fit_points<R: Rng + ?Sized>(
        &self,
        points: &Points<'_, T>,
        start: &Start<T>,
        rng: &mut R,
    ) -> Result<Clusters<T>, Error> {
        check_count(self.k, points.len())?;
        let mut centres = start.centres(points, self.k, rng)?;
        let scale = points.scale();
        let still = match self.tolerance {
            0.0 => None,
            tolerance => Some(tolerance * mean_variance(points, scale)),
        };
        let mut rows = Assignment::new(points, self.variant);
        let (mut iterations, mut converged, mut assigned) = (0, false, false);
        while !converged && iterations < self.max_iterations {
            let before = rows.labels.clone();
            rows.assign(points, &centres);
            let refilled = rows.fill_empty(points, &centres);
            iterations += 1;
            if iterations > 1 && rows.labels == before {
                // The means are those of the iteration before.
                (converged, assigned) = (true, !refilled);
                break;
            }
            let next = means(points, &rows.labels, &centres, self.spherical);
            rows.moved(&centres, &next);
            converged = still.is_some_and(|still| movement(&centres, &next, scale) <= still);
            centres = next;
        }
        if !assigned {
            rows.assign(points, &centres);
        }
        Ok(finish(points, centres, rows.labels, iterations, converged))
    }
}

/// The label of every row, and what speeds up finding the next.
struct Assignment {
    labels: Vec<u32>,
    how: How,
}

enum How {
    /// All rows, against all centres.
    Lloyd,
    Hamerly(Bounds),
}

impl Assignment {
    fn new<T: Scalar>(points: &Points<'_, T>, variant: Variant) -> Self {
        Self {
            labels: vec![0; points.len()],
            how: match variant {
                Variant::Lloyd => How::Lloyd,
                Variant::Hamerly => How::Hamerly(Bounds::new(points)),
            },
        }
    }

    fn assign<T: Scalar>(&mut self, points: &Points<'_, T>, centres: &Centres<T>) {
        match &mut self.how {
            How::Lloyd => self.labels = points.nearest(centres),
            How::Hamerly(bounds) => bounds.assign(points, centres, &mut self.labels),
        }
    }

    /// Says whether a row was moved.
    fn fill_empty<T: Scalar>(&mut self, points: &Points<'_, T>, centres: &Centres<T>) -> bool {
        let moved = fill_empty(points, centres, &mut self.labels);
        if let How::Hamerly(bounds) = &mut self.how {
            moved.iter().for_each(|&row| bounds.forget(row));
        }
        !moved.is_empty()
    }

    fn moved<T: Scalar>(&mut self, old: &Centres<T>, new: &Centres<T>) {
        if let How::Hamerly(bounds) = &mut self.how {
            bounds.moved(old, new, &self.labels);
        }
    }
}

pub(super) fn finish<T: Scalar>(
    points: &Points<'_, T>,
    centres: Centres<T>,
    labels: Vec<u32>,
    iterations: usize,
    converged: bool,
) -> Clusters<T> {
    Clusters {
        inertia: inertia_of(points, &labels, |label| centres.row(label)),
        centres: centres.into_array(),
        labels,
        iterations,
        converged,
    }
}

pub(super) fn positive(name: &'static str, value: usize) -> Result<(), Error> {
    if value > 0 {
        return Ok(());
    }
    Err(Error::InvalidParam {
        name,
        expected: "at least 1",
        got: 0.0,
    })
}

/// `Σ ‖(newⱼ − oldⱼ)/scale‖²`.
fn movement<T: Scalar>(old: &Centres<T>, new: &Centres<T>, scale: f64) -> f64 {
    (0..old.len())
        .map(|j| scaled_square(old.row(j), new.row(j), scale))
        .sum()
}

/// Mean over the columns of their variances, over the square of the scale.
fn mean_variance<T: Scalar>(points: &Points<'_, T>, scale: f64) -> f64 {
    let one = Centres::of_rows(points, &[0]);
    let mean = means(points, &vec![0; points.len()], &one, false);
    let squares = points.ordered_sum(|row| scaled_square(points.row(row), mean.row(0), scale));
    squares / points.len() as f64 / points.dim() as f64
}
