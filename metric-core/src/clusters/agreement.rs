//! How well two labellings of the same rows agree. Natural logarithms; names of labels do not matter.
//!
//! Terms are sorted before they are added up, so that neither renaming labels nor swapping the labellings changes a
//! bit.

use super::contingency::Contingency;
use super::expected::expected_information;
use crate::Error;

/// What mutual information is divided by, out of the two entropies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Normalizer {
    /// `(H(U) + H(V)) / 2`.
    #[default]
    Arithmetic,
    /// `√ H(U) H(V)`.
    Geometric,
    /// `min(H(U), H(V))`.
    Min,
    /// `max(H(U), H(V))`.
    Max,
}

impl Normalizer {
    fn of(self, u: f64, v: f64) -> f64 {
        match self {
            Self::Arithmetic => (u + v) / 2.0,
            Self::Geometric => (u * v).sqrt(),
            Self::Min => u.min(v),
            Self::Max => u.max(v),
        }
    }
}

/// Normalised mutual information of two labellings (Strehl & Ghosh, *Cluster ensembles*, JMLR 2002, equation 2, there
/// with the geometric mean).
///
/// With `nᵢⱼ` of `n` rows having label `i` in `U` and `j` in `V`, and `aᵢ`, `bⱼ` its sums:
/// ```text
/// I(U, V) = Σ nᵢⱼ/n ln(n nᵢⱼ / (aᵢ bⱼ))        H(U) = −Σ aᵢ/n ln(aᵢ/n)
/// NMI = I(U, V) / normalizer(H(U), H(V))
/// ```
/// In `[0, 1]`; 1 for labellings that are the same but for names, those with one label included; 0 if only one of the
/// two has one label. Not adjusted for chance: many clusters score high by themselves (see [`ami`]). `O(n log n)` time,
/// `O(n)` memory.
///
/// # Errors
///
/// [`Error::LabellingLengths`] if the two differ in length or are empty.
///
/// # Examples
///
/// ```
/// use metric_core::clusters::{Normalizer, nmi};
/// assert_eq!(nmi(&[0, 0, 1, 1], &[5, 5, 3, 3], Normalizer::default())?, 1.0);
/// assert_eq!(nmi(&[0, 0, 1, 1], &[0, 1, 0, 1], Normalizer::default())?, 0.0);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn nmi(left: &[u32], right: &[u32], normalizer: Normalizer) -> Result<f64, Error> {
    let table = Contingency::new(left, right)?;
    let information = information(&table);
    Ok(if table.is_match() {
        1.0
    } else if information > 0.0 {
        let (u, v) = (
            entropy(&table.left, table.n),
            entropy(&table.right, table.n),
        );
        (information / normalizer.of(u, v)).min(1.0)
    } else {
        0.0
    })
}

/// Mutual information of two labellings, adjusted for chance (Vinh, Epps & Bailey, *Information theoretic measures for
/// clusterings comparison*, JMLR 2010).
///
/// ```text
/// AMI = (I(U, V) − E) / (normalizer(H(U), H(V)) − E)
/// ```
/// where `E` is the mean of `I` over all labellings with the same cluster sizes:
/// ```text
/// E = Σᵢⱼ Σₓ x/n ln(n x / (aᵢ bⱼ)) P(x),   P hypergeometric: x rows shared by sets of aᵢ and bⱼ among n
/// ```
/// 1 for labellings that are the same but for names, 0 if only one of the two has one label, about 0 for independent
/// ones, and below 0 for those that agree less than by chance. Differences smaller than `ε` are taken as `ε`, which
/// decides `0/0` where chance can do no worse, as with [`Normalizer::Min`] and every row a cluster of its own.
///
/// `P` is found by its recurrence from the mode, without factorials, and once for each pair of different sizes. Time:
/// `O(n log n)` and, for each such pair, the number of `x` that matter, a small multiple of the standard deviation of
/// `P`.
///
/// # Errors
///
/// [`Error::LabellingLengths`] if the two differ in length or are empty.
///
/// # Examples
///
/// ```
/// use metric_core::clusters::{Normalizer, ami};
/// assert_eq!(ami(&[0, 0, 1, 1], &[1, 1, 0, 0], Normalizer::default())?, 1.0);
/// // I = 0, E = ln 2 / 3 and both entropies are ln 2: −(1/3) / (1 − 1/3).
/// let crossed = ami(&[0, 0, 1, 1], &[0, 1, 0, 1], Normalizer::default())?;
/// assert!((crossed + 0.5).abs() < 1e-15);
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn ami(left: &[u32], right: &[u32], normalizer: Normalizer) -> Result<f64, Error> {
    let table = Contingency::new(left, right)?;
    if table.is_match() {
        return Ok(1.0);
    }
    if table.is_trivial() {
        return Ok(0.0);
    }
    let (u, v) = (
        entropy(&table.left, table.n),
        entropy(&table.right, table.n),
    );
    let (information, expected) = if table.has_singletons() {
        // A row alone tells all about the other labelling, however the rows are shuffled.
        (u.min(v), u.min(v))
    } else {
        (
            information(&table),
            expected_information(&table.left, &table.right, table.n),
        )
    };
    let at_least_epsilon = |x: f64| match x {
        x if x < 0.0 => x.min(-f64::EPSILON),
        x => x.max(f64::EPSILON),
    };
    let above_chance = at_least_epsilon(information - expected);
    let most = at_least_epsilon(normalizer.of(u, v) - expected);
    Ok((above_chance / most).min(1.0))
}

/// Rand index of two labellings, adjusted for chance (Hubert & Arabie, *Comparing partitions*, 1985, equation 5).
///
/// Over the unordered pairs of rows:
/// ```text
///        Σᵢⱼ C(nᵢⱼ, 2) − Σᵢ C(aᵢ, 2) Σⱼ C(bⱼ, 2) / C(n, 2)
/// ARI = ─────────────────────────────────────────────────────────────────
///        ½ (Σᵢ C(aᵢ, 2) + Σⱼ C(bⱼ, 2)) − Σᵢ C(aᵢ, 2) Σⱼ C(bⱼ, 2) / C(n, 2)
/// ```
/// At most 1, which labellings have that are the same but for names; about 0 for independent ones; at least −½. Counted
/// in integers. `O(n log n)` time, `O(n)` memory.
///
/// # Errors
///
/// [`Error::LabellingLengths`] if the two differ in length or are empty.
///
/// # Examples
///
/// ```
/// use metric_core::clusters::ari;
/// assert_eq!(ari(&[0, 0, 1, 1], &[0, 1, 0, 1])?, -0.5); // (0 − 2·2/6) / (2 − 2·2/6)
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn ari(left: &[u32], right: &[u32]) -> Result<f64, Error> {
    let table = Contingency::new(left, right)?;
    if table.is_match() {
        return Ok(1.0);
    }
    // Ordered pairs, so that nothing is halved. Four kinds: together in both, in one only, in neither.
    let pairs = |count: u64| i128::from(count) * (i128::from(count) - 1);
    let both: i128 = table.cells.iter().map(|&(_, _, count)| pairs(count)).sum();
    let left_only = table.left.iter().map(|&count| pairs(count)).sum::<i128>() - both;
    let right_only = table.right.iter().map(|&count| pairs(count)).sum::<i128>() - both;
    let neither = pairs(table.n) - both - left_only - right_only;
    let above_chance = 2 * (both * neither - left_only * right_only);
    let most =
        (both + left_only) * (left_only + neither) + (both + right_only) * (right_only + neither);
    Ok(above_chance as f64 / most as f64)
}

/// Scores of clusters against known classes, from [`v_measure`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VMeasure {
    /// Does each cluster hold one class only?
    pub homogeneity: f64,
    /// Is each class in one cluster only?
    pub completeness: f64,
    /// Harmonic mean of the two: [`nmi`] with the arithmetic normalizer.
    pub v_measure: f64,
}

/// Homogeneity, completeness and V-measure of clusters (Rosenberg & Hirschberg, *V-Measure*, EMNLP 2007, equations 1
/// and 2, `β = 1`).
///
/// ```text
/// h = I(C, K) / H(C)      c = I(C, K) / H(K)      v = 2 h c / (h + c)
/// ```
/// All in `[0, 1]`. `h` is 1 if there is one class, `c` is 1 if there is one cluster, `v` is 0 if both are 0.
///
/// # Errors
///
/// [`Error::LabellingLengths`] if the two differ in length or are empty.
///
/// # Examples
///
/// ```
/// use metric_core::clusters::v_measure;
/// let split = v_measure(&[0, 0, 1, 1], &[0, 1, 2, 3])?; // pure clusters, but two for each class
/// assert_eq!((split.homogeneity, split.completeness), (1.0, 0.5));
/// # Ok::<(), metric_core::Error>(())
/// ```
pub fn v_measure(classes: &[u32], clusters: &[u32]) -> Result<VMeasure, Error> {
    let table = Contingency::new(classes, clusters)?;
    let information = information(&table);
    let share = |counts: &[u64]| match counts.len() {
        1 => 1.0,
        _ => (information / entropy(counts, table.n)).min(1.0),
    };
    let (h, c) = (share(&table.left), share(&table.right));
    Ok(VMeasure {
        homogeneity: h,
        completeness: c,
        v_measure: if h + c > 0.0 {
            2.0 * h * c / (h + c)
        } else {
            0.0
        },
    })
}

fn information(table: &Contingency) -> f64 {
    let n = table.n as f64;
    let term = |&(i, j, count): &(usize, usize, u64)| {
        let count = count as f64;
        count / n * (n * count / (table.left[i] as f64 * table.right[j] as f64)).ln()
    };
    sorted_sum(table.cells.iter().map(term)).max(0.0)
}

fn entropy(counts: &[u64], n: u64) -> f64 {
    let n = n as f64;
    sorted_sum(
        counts
            .iter()
            .map(|&count| count as f64 / n * (n / count as f64).ln()),
    )
}

fn sorted_sum(terms: impl Iterator<Item = f64>) -> f64 {
    let mut terms: Vec<f64> = terms.collect();
    terms.sort_unstable_by(f64::total_cmp);
    terms.into_iter().sum()
}
