//! Do counts agree with their probabilities?

/// Asserts that a true hypothesis would show counts as unlikely as these more often than once in a thousand times.
///
/// The statistic `Σ (count − expected)² / expected` follows chi-square closely where every expected count is at least 5.
pub(crate) fn assert_follows(counts: &[f64], probabilities: &[f64]) {
    assert_eq!(counts.len(), probabilities.len());
    let total: f64 = probabilities.iter().sum();
    assert!((total - 1.0).abs() < 1e-9, "probabilities sum to {total}");
    let draws: f64 = counts.iter().sum();
    let terms = counts.iter().zip(probabilities).map(|(count, p)| {
        let expected = draws * p;
        assert!(expected >= 5.0, "too few draws: {expected} expected");
        (count - expected).powi(2) / expected
    });
    let statistic = terms.sum();
    let chance = survival(statistic, counts.len() - 1);
    assert!(
        chance > 1e-3,
        "chi-square {statistic}, chance {chance}: {counts:?}"
    );
}

/// The chance that chi-square with so many degrees of freedom exceeds `x`: the regularised upper incomplete gamma function
/// `Q(a, x/2)` at `a = degrees/2`, by its recurrence `Q(a + 1, y) = Q(a, y) + yᵃ e⁻ʸ / Γ(a + 1)` from `Q(1/2, y) = erfc(√y)`
/// or `Q(1, y) = e⁻ʸ`.
pub(crate) fn survival(x: f64, degrees: usize) -> f64 {
    let y = x / 2.0;
    let is_odd = degrees % 2 == 1;
    let (mut a, mut chance) = if is_odd {
        (0.5, erfc(y.sqrt()))
    } else {
        (1.0, (-y).exp())
    };
    // ln Γ(a + 1) as it grows: Γ(3/2) = √π / 2, Γ(2) = 1.
    let mut log_gamma = if is_odd {
        (std::f64::consts::PI.sqrt() / 2.0).ln()
    } else {
        0.0
    };
    while a < degrees as f64 / 2.0 {
        chance += (a * y.ln() - y - log_gamma).exp();
        a += 1.0;
        log_gamma += a.ln();
    }
    chance
}

/// `erfc(x)` for `x ≥ 0`: the series of `erf` below 2, the continued fraction of `erfc` from there.
fn erfc(x: f64) -> f64 {
    let root_pi = std::f64::consts::PI.sqrt();
    if x < 2.0 {
        // erf(x) = 2/√π e^(−x²) Σ 2ᵏ x^(2k+1) / (1·3·…·(2k+1))
        let (mut term, mut sum) = (x, x);
        for k in 1..100 {
            term *= 2.0 * x * x / f64::from(2 * k + 1);
            sum += term;
        }
        1.0 - 2.0 / root_pi * (-x * x).exp() * sum
    } else {
        // √π e^(x²) erfc(x) = 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …))))
        let fraction = (1..200)
            .rev()
            .fold(x, |below, k| x + f64::from(k) / 2.0 / below);
        (-x * x).exp() / (root_pi * fraction)
    }
}
