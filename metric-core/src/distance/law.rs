//! Which axioms a distance obeys.

/// The axioms that a distance obeys, from strongest to weakest.
///
/// ```text
///               d(a, a) = 0   d(a, b) = d(b, a)   d(a, c) ≤ d(a, b) + d(b, c)   d(a, b) = 0 only for a = b
/// Metric             yes             yes                      yes                          yes
/// Pseudometric       yes             yes                      yes                          no
/// Semimetric         yes             yes                      no                        not said
/// Asymmetric         yes             no                       no                        not said
/// ```
/// As computed: the triangle inequality up to the rounding that each type states.
///
/// # Examples
///
/// ```
/// use metric_core::{Angular, Cosine, Distance, Euclidean, Law};
/// assert_eq!(Distance::<f32>::law(&Euclidean), Law::Metric);
/// assert_eq!(Distance::<f32>::law(&Angular), Law::Pseudometric); // a and 2a are at 0
/// assert_eq!(Distance::<f32>::law(&Cosine), Law::Semimetric);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// All four.
    Metric,
    /// All but the last: different vectors may be at 0.
    Pseudometric,
    /// Zero for equal vectors and symmetric, without the triangle inequality.
    Semimetric,
    /// Zero for equal vectors; the order of the two matters.
    Asymmetric,
}
