use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use metric_sampling::Pairs;

use crate::error::ConfigError;
use crate::host::to_vec;

/// How much two items are alike, by a key of each: 0 not at all, the more the more.
pub type Relation = Arc<dyn Fn(i64, i64) -> f64 + Send + Sync>;

/// What the rows of a set are: what makes two of them alike, and how much each matters as an anchor.
///
/// | made from | grade `g` of a pair |
/// |---|---|
/// | a tensor of integers, `[n]` | 1 if they are equal, else 0 |
/// | [`sets`](Self::sets): the labels of each row | `|A ∩ B| / |A ∪ B|` (Jaccard); 1 for two empty sets |
/// | [`related`](Self::related): a key for each row | a function of the two keys |
/// | [`mined`](Self::mined): pairs that a miner chose | 1 for positives, 0 for negatives, none for others |
///
/// ```text
/// positive:         g ≥ from
/// negative:         g < from and g ≤ to          to = 0, or negatives_up_to
/// does not count:   every other pair, and one whose grade is not finite
/// ```
/// Grades are compared in `f64`, those of sets are exact ratios: a pair at `from` is positive. A loss that weighs positives,
/// [`SupConLoss`](crate::SupConLoss), takes their grades; all others only ask which pairs are positive and negative.
///
/// **Weights**: the terms of row `i` as anchor are multiplied by `wᵢ` after the [`Reducer`](crate::Reducer) has chosen which
/// count. Means divide by the **number** of terms, not by the sum of weights, as the class-weighted reducer of
/// pytorch-metric-learning does: with weights of mean 1 the size of the loss stays. The weights of a reference set have no
/// effect. They get no gradient. Losses against class vectors multiply the term of row `i` in the same way;
/// [`ProxyAnchorLoss`](crate::ProxyAnchorLoss), whose terms are those of proxies, counts a row as often as it weighs.
///
/// With a separate reference set both sides must be of one kind, and `from`, `to` and the function are those of the rows. The
/// function need not be symmetric: it is asked for `(row, reference)`.
///
/// Cost: integers are compared on the device. The grades of all others are computed on the host, once or a few times a pair:
/// `O(n m)` calls for `n` rows and `m` references, for sets each `O(|A| + |B|)`; where a loss is
/// [streamed](crate::EmbeddingDistance#streaming) a row at a time, else into matrices `[n, m]` that are copied to the device.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::{ContrastiveLossConfig, Labels};
///
/// let x = Tensor::<2>::from_floats([[0.0], [0.5], [0.8]], &Device::flex());
/// let loss = ContrastiveLossConfig::new().init(&Device::flex());
/// // Jaccard 1/2 and 1/3 with the first; the second and third have nothing in common.
/// let labels = Labels::sets(vec![vec![1, 2], vec![1], vec![2, 3]], 0.5)?;
/// // One positive at 0.5, one negative at 0.3: 0.5 + 0.7. The pair of grade 1/3 does not count.
/// let value = loss.forward(x.clone(), labels).into_scalar::<f32>();
/// assert!((value - 1.2).abs() < 1e-6);
///
/// // Years: alike up to one apart, different from three on.
/// let close = Arc::new(|a: i64, b: i64| 1.0 - (a - b).abs() as f64 / 3.0);
/// let labels = Labels::related(vec![2000, 2001, 2003], 0.5, close)?;
/// // One positive at 0.5, one negative at 0.8, years 2001 and 2003 do not count: 0.5 + 0.2.
/// let value = loss.forward(x, labels).into_scalar::<f32>();
/// assert!((value - 0.7).abs() < 1e-6);
/// # Ok::<(), metric_losses::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Labels {
    kind: Kind,
    weights: Option<Tensor<1>>,
}

#[derive(Debug, Clone)]
enum Kind {
    Classes(Box<Tensor<1, Int>>),
    Graded(Graded),
}

/// Items with grades, and the bounds of these.
#[derive(Debug, Clone)]
pub(crate) struct Graded {
    items: Items,
    /// Pairs from this grade on are positive.
    from: f64,
    /// Others up to this grade are negative.
    to: f64,
}

#[derive(Clone)]
enum Items {
    /// Each ascending, without repetition.
    Sets(Arc<Vec<Vec<i64>>>),
    Keys(Arc<Vec<i64>>, Relation),
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sets(sets) => f.debug_tuple("Sets").field(sets).finish(),
            Self::Keys(keys, _) => f.debug_tuple("Keys").field(keys).finish_non_exhaustive(),
        }
    }
}

impl Items {
    fn len(&self) -> usize {
        match self {
            Self::Sets(sets) => sets.len(),
            Self::Keys(keys, _) => keys.len(),
        }
    }
}

impl From<Tensor<1, Int>> for Labels {
    fn from(classes: Tensor<1, Int>) -> Self {
        Self {
            kind: Kind::Classes(Box::new(classes)),
            weights: None,
        }
    }
}

impl Labels {
    /// The labels of each row, alike from a [Jaccard index](jaccard) of `from` on.
    ///
    /// # Errors
    /// [`ConfigError`] unless `from` is finite and at least 0.
    pub fn sets(mut sets: Vec<Vec<i64>>, from: f64) -> Result<Self, ConfigError> {
        for set in &mut sets {
            set.sort_unstable();
            set.dedup();
        }
        Self::graded(Items::Sets(Arc::new(sets)), from)
    }

    /// A key for each row, alike from a grade of `from` on: graded relevance, a hierarchy, a table.
    ///
    /// # Errors
    /// [`ConfigError`] unless `from` is finite and at least 0.
    pub fn related(keys: Vec<i64>, from: f64, relation: Relation) -> Result<Self, ConfigError> {
        Self::graded(Items::Keys(Arc::new(keys), relation), from)
    }

    /// What a miner chose of a set of so many rows: these pairs count and no other, whatever the loss makes of them. Of a
    /// reference set, whose rows are meant by their numbers, it is enough to say how many rows it has, with no pairs.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use metric_losses::{ContrastiveLossConfig, Labels};
    /// use metric_sampling::{NegativePairs, Pairs, PositivePairs};
    ///
    /// let pairs = Pairs {
    ///     positive: PositivePairs::new(vec![0], vec![1])?,
    ///     negative: NegativePairs::new(vec![0, 1], vec![2, 2])?,
    /// };
    /// let x = Tensor::<2>::from_floats([[0.0], [0.5], [0.8]], &Device::flex());
    /// let loss = ContrastiveLossConfig::new().init(&Device::flex());
    /// // 0.5 to pull, and 1 - 0.8 and 1 - 0.3 to push: 0.5 + 0.45.
    /// let value = loss.forward(x, Labels::mined(3, &pairs)).into_scalar::<f32>();
    /// assert!((value - 0.95).abs() < 1e-6);
    /// # Ok::<(), metric_sampling::MiningError>(())
    /// ```
    ///
    /// # Panics
    /// If an anchor is not below `rows`.
    pub fn mined(rows: usize, pairs: &Pairs) -> Self {
        let grade = |pair: (u32, u32), grade: f64| {
            let (anchor, other) = (i64::from(pair.0), i64::from(pair.1));
            assert!(pair.0 < rows as u32, "anchor {anchor} of {rows} rows");
            ((anchor, other), grade)
        };
        let positive = pairs.positive.iter().map(|pair| grade(pair, 1.0));
        let negative = pairs.negative.iter().map(|pair| grade(pair, 0.0));
        let chosen: HashMap<(i64, i64), f64> = negative.chain(positive).collect();
        let relation = move |a, b| chosen.get(&(a, b)).copied().unwrap_or(f64::NAN);
        let keys = (0..rows as i64).collect();
        Self::related(keys, 1.0, Arc::new(relation)).expect("1 is a grade")
    }

    fn graded(items: Items, from: f64) -> Result<Self, ConfigError> {
        ConfigError::check_not_negative("from", from)?;
        let to = 0.0;
        Ok(Self {
            kind: Kind::Graded(Graded { items, from, to }),
            weights: None,
        })
    }

    /// Pairs that are not positive are negative up to this grade, instead of 0; with [`f64::INFINITY`] every pair of a
    /// finite grade counts. Without effect for integers, which have no other grades.
    ///
    /// # Errors
    /// [`ConfigError`] if `to` is NaN.
    pub fn negatives_up_to(mut self, to: f64) -> Result<Self, ConfigError> {
        ConfigError::check(!to.is_nan(), "to", "a number", to)?;
        if let Kind::Graded(graded) = &mut self.kind {
            graded.to = to;
        }
        Ok(self)
    }

    /// With a weight for each row, `[n]`, in place of those it had.
    ///
    /// # Panics
    /// If there is not one weight a row.
    #[must_use]
    pub fn with_weights(mut self, weights: Tensor<1>) -> Self {
        let ([got], rows) = (weights.dims(), self.len());
        assert_eq!(rows, got, "one weight a row: {rows} rows, {got} weights");
        self.weights = Some(weights.detach());
        self
    }

    /// With the weight of its label for each row, from a table `[num_classes]`.
    ///
    /// # Panics
    /// If the labels are not integers, or one is out of range.
    #[must_use]
    pub fn with_class_weights(self, table: Tensor<1>) -> Self {
        let classes = self.expect_classes();
        let [count] = table.dims();
        for class in to_vec::<i64>(classes.clone().into_data()) {
            let is_known = usize::try_from(class).is_ok_and(|class| class < count);
            assert!(is_known, "label {class} has no weight: there are {count}");
        }
        let weights = table.select(0, classes);
        self.with_weights(weights)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        match &self.kind {
            Kind::Classes(classes) => classes.dims()[0],
            Kind::Graded(graded) => graded.items.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// # Panics
    /// If they are not integers.
    pub(crate) fn expect_classes(&self) -> Tensor<1, Int> {
        match &self.kind {
            Kind::Classes(classes) => (**classes).clone(),
            Kind::Graded(_) => panic!("this loss needs integer labels: it is about classes"),
        }
    }

    /// Other classes for the same rows, which keep their weights.
    pub(crate) fn with_classes(mut self, classes: Tensor<1, Int>) -> Self {
        self.kind = Kind::Classes(Box::new(classes));
        self
    }

    /// # Panics
    /// If rows have weights.
    pub(crate) fn expect_no_weights(&self) {
        let weightless = self.weights.is_none();
        assert!(
            weightless,
            "rows cannot be weighed: this loss has no terms of theirs"
        );
    }

    /// The weight of each row, `[n]`.
    pub(crate) fn weights(&self) -> Option<&Tensor<1>> {
        self.weights.as_ref()
    }

    /// What is to be remembered of each row; `None` for sets.
    pub(crate) fn keys(&self) -> Option<Vec<i64>> {
        match &self.kind {
            Kind::Classes(classes) => Some(to_vec((**classes).clone().into_data())),
            Kind::Graded(graded) => match &graded.items {
                Items::Keys(keys, _) => Some(keys.to_vec()),
                Items::Sets(_) => None,
            },
        }
    }

    /// Labels of this kind by what was remembered of other rows; `None` for sets.
    pub(crate) fn of_keys(&self, keys: Vec<i64>, device: &Device) -> Option<Self> {
        let kind = match &self.kind {
            Kind::Classes(classes) => {
                let shape = [keys.len()];
                let keys = TensorData::new(keys, shape);
                let keys = Tensor::from_data(keys, (device, classes.dtype()));
                Kind::Classes(Box::new(keys))
            }
            Kind::Graded(graded) => match &graded.items {
                Items::Keys(_, relation) => Kind::Graded(Graded {
                    items: Items::Keys(Arc::new(keys), relation.clone()),
                    ..*graded
                }),
                Items::Sets(_) => return None,
            },
        };
        let weights = None;
        Some(Self { kind, weights })
    }
}

/// Rows and references of one kind.
#[derive(Debug)]
pub(crate) enum Sides<'a> {
    Classes(&'a Tensor<1, Int>, &'a Tensor<1, Int>),
    Graded(Grades),
}

impl<'a> Sides<'a> {
    /// # Panics
    /// If they are not of one kind.
    pub(crate) fn of(rows: &'a Labels, references: &'a Labels) -> Self {
        match (&rows.kind, &references.kind) {
            (Kind::Classes(rows), Kind::Classes(references)) => Self::Classes(rows, references),
            (Kind::Graded(rows), Kind::Graded(references))
                if std::mem::discriminant(&rows.items)
                    == std::mem::discriminant(&references.items) =>
            {
                Self::Graded(Grades {
                    rows: rows.clone(),
                    references: references.items.clone(),
                })
            }
            _ => panic!("rows and references must have one kind of labels"),
        }
    }
}

/// The grades of all pairs of a row and a reference.
#[derive(Debug)]
pub(crate) struct Grades {
    rows: Graded,
    references: Items,
}

/// What a pair is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pair {
    /// Of this grade.
    Positive(f64),
    Negative,
    /// Does not count.
    Neutral,
}

impl Grades {
    pub(crate) fn rows(&self) -> usize {
        self.rows.items.len()
    }

    pub(crate) fn columns(&self) -> usize {
        self.references.len()
    }

    /// Whether it is known that a pair has one grade from both ends.
    pub(crate) fn is_symmetric(&self) -> bool {
        matches!(self.references, Items::Sets(_))
    }

    pub(crate) fn pair(&self, row: usize, column: usize) -> Pair {
        let grade = match (&self.rows.items, &self.references) {
            (Items::Sets(a), Items::Sets(b)) => jaccard_of_sorted(&a[row], &b[column]),
            (Items::Keys(a, relation), Items::Keys(b, _)) => relation(a[row], b[column]),
            _ => unreachable!("checked when it was made"),
        };
        if !grade.is_finite() {
            Pair::Neutral
        } else if grade >= self.rows.from {
            Pair::Positive(grade)
        } else if grade <= self.rows.to {
            Pair::Negative
        } else {
            Pair::Neutral
        }
    }
}

/// `|A ∩ B| / |A ∪ B|` of two sets of labels (Jaccard index), 1 for two empty sets.
///
/// Repetitions do not count. The numbers are exact, their ratio is rounded once.
///
/// Cost: both are sorted; what is [given to a loss](Labels::sets) is sorted once.
///
/// ```
/// assert_eq!(metric_losses::jaccard(&[1, 2, 3], &[3, 2, 7]), 0.5);
/// ```
pub fn jaccard(a: &[i64], b: &[i64]) -> f64 {
    let sorted = |set: &[i64]| {
        let mut set = set.to_vec();
        set.sort_unstable();
        set.dedup();
        set
    };
    jaccard_of_sorted(&sorted(a), &sorted(b))
}

fn jaccard_of_sorted(a: &[i64], b: &[i64]) -> f64 {
    let (mut i, mut j, mut common) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            Ordering::Less => i += 1,
            Ordering::Greater => j += 1,
            Ordering::Equal => {
                (i, j, common) = (i + 1, j + 1, common + 1);
            }
        }
    }
    let all = a.len() + b.len() - common;
    if all == 0 {
        return 1.0;
    }
    common as f64 / all as f64
}
