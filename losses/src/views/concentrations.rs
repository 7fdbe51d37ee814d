use crate::error::ConfigError;

/// Rows that smooth the mean of a small cluster.
const SMOOTHING: f64 = 10.0;
/// The smallest concentration, as a part of the mean one.
const SMALLEST: f64 = 1e-3;

/// Concentrations `φ` of prototypes (Li et al., *Prototypical Contrastive Learning*, PCL, ICLR 2021,
/// <https://arxiv.org/abs/2005.04966>, eq. 12): small where the rows of a cluster are close to its centre.
///
/// With `nⱼ` rows in cluster `j` at distances `dᵢ` from its centre:
/// ```text
/// φⱼ = Σᵢ dᵢ / (nⱼ log(nⱼ + 10))         nⱼ ≥ 2, else the largest of all
/// φ  ← φ within its 10th and 90th percentile          φ ← T φ / mean φ
/// ```
/// Clipping is in the authors' code. Deviates from it: no `φ` is below a thousandth of the mean, so that clusters of
/// equal rows do not divide by 0; where all clusters are such, all are `T`.
///
/// Cost: `O(n + k log k)` time, `O(k)` memory.
///
/// # Shapes
/// - `distances`, `assignments`: one a row, each assignment below `k`
/// - output: `k`
///
/// # Errors
/// [`ConfigError`] if `temperature` is not above 0, or a distance is negative or not a number.
///
/// # Panics
/// If there is not one assignment a distance, or an assignment is out of range.
///
/// ```
/// use metric_losses::concentrations;
///
/// // The second cluster is twice as wide as the first, the third has one row: it counts as the widest.
/// let phi = concentrations(&[1.0, 1.0, 2.0, 2.0, 0.0], &[0, 0, 1, 1, 2], 3, 0.2)?;
/// assert!(phi[0] < phi[1] && phi[1] == phi[2]);
/// assert!((phi.iter().sum::<f64>() / 3.0 - 0.2).abs() < 1e-12);
/// # Ok::<(), metric_losses::ConfigError>(())
/// ```
pub fn concentrations(
    distances: &[f64],
    assignments: &[usize],
    k: usize,
    temperature: f64,
) -> Result<Vec<f64>, ConfigError> {
    assert_eq!(
        distances.len(),
        assignments.len(),
        "one assignment a distance"
    );
    ConfigError::check_positive("temperature", temperature)?;
    let (mut sums, mut counts) = (vec![0.0; k], vec![0_usize; k]);
    for (&distance, &cluster) in distances.iter().zip(assignments) {
        ConfigError::check_not_negative("distance", distance)?;
        sums[cluster] += distance;
        counts[cluster] += 1;
    }
    let spread = |(&sum, &n): (&f64, &usize)| {
        let n = n as f64;
        (n >= 2.0).then(|| sum / (n * (n + SMOOTHING).ln()))
    };
    let spreads: Vec<Option<f64>> = sums.iter().zip(&counts).map(spread).collect();
    let widest = spreads.iter().flatten().copied().fold(0.0, f64::max);
    let mut phi: Vec<f64> = spreads.iter().map(|s| s.unwrap_or(widest)).collect();
    let mut sorted = phi.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let (low, high) = (percentile(&sorted, 0.1), percentile(&sorted, 0.9));
    for value in &mut phi {
        *value = value.clamp(low, high);
    }
    let mean = phi.iter().sum::<f64>() / k.max(1) as f64;
    if mean <= 0.0 {
        return Ok(vec![temperature; k]);
    }
    let scaled = |value: f64| temperature * (value / mean).max(SMALLEST);
    Ok(phi.into_iter().map(scaled).collect())
}

/// Between the two nearest ranks, by a straight line; 0 of nothing.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let rank = share * last as f64;
    let (below, part) = (rank.floor(), rank.fract());
    let (low, high) = (sorted[below as usize], sorted[rank.ceil() as usize]);
    low + (high - low) * part
}
