//! Do counts agree with their probabilities?

use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Asserts that counts are not less likely than one in a thousand, by Pearson's chi-square: at a fixed seed a test that
/// passes once passes always, and a wrong distribution fails it.
///
/// # Panics
///
/// Also if probabilities do not sum to 1, or leave fewer than 5 counts to expect somewhere, where chi-square is no longer
/// what the statistic follows.
pub fn assert_follows(counts: &[f64], probabilities: &[f64]) {
    assert_eq!(counts.len(), probabilities.len());
    let total: f64 = probabilities.iter().sum();
    assert!((total - 1.0).abs() < 1e-9, "probabilities sum to {total}");
    let draws: f64 = counts.iter().sum();
    let terms = counts.iter().zip(probabilities).map(|(count, p)| {
        let expected = draws * p;
        assert!(expected >= 5.0, "too few draws: {expected} expected");
        (count - expected).powi(2) / expected
    });
    let statistic: f64 = terms.sum();
    let degrees = counts.len() as f64 - 1.0;
    let chance = ChiSquared::new(degrees).map_or(1.0, |law| law.sf(statistic));
    assert!(
        chance > 1e-3,
        "chi-square {statistic}, chance {chance}: {counts:?}"
    );
}
