//! Mutual information by chance.

use rayon::prelude::*;

/// What is this far below the mode of a distribution, relatively, adds nothing.
const NEGLIGIBLE: f64 = 1e-40;

/// Mean of the mutual information over all labellings of `n` rows with these cluster sizes (Vinh, Epps & Bailey 2010).
pub(super) fn expected_information(left: &[u64], right: &[u64], n: u64) -> f64 {
    let (left, right) = (multiplicities(left), multiplicities(right));
    // In an order of its own, so that swapping the labellings changes no bit.
    let (outer, inner) = if left <= right {
        (left, right)
    } else {
        (right, left)
    };
    let sums: Vec<f64> = outer
        .par_iter()
        .map(|&(a, times)| {
            let terms = inner
                .iter()
                .map(|&(b, of_b)| of_b as f64 * expected_term(a, b, n));
            times as f64 * terms.sum::<f64>()
        })
        .collect();
    sums.into_iter().sum()
}

/// Each different size and how many clusters have it, ascending.
fn multiplicities(sizes: &[u64]) -> Vec<(u64, u64)> {
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    let runs = sizes.chunk_by(|a, b| a == b);
    runs.map(|run| (run[0], run.len() as u64)).collect()
}

/// `Σₓ x/n ln(n x / (a b)) P(x)` with `P(x)` the chance that sets of `a` and `b` among `n` rows share `x`.
///
/// `P(x + 1)/P(x) = (a − x)(b − x) / ((x + 1)(n − a − b + x + 1))`, from the mode outwards; what `P` adds up to norms
/// it.
fn expected_term(a: u64, b: u64, n: u64) -> f64 {
    let (least, most) = ((a + b).saturating_sub(n), a.min(b));
    let mode = ((u128::from(a + 1) * u128::from(b + 1)) / u128::from(n + 2)) as u64;
    let mode = mode.clamp(least, most);
    let share = |x: u64| match x as f64 {
        0.0 => 0.0,
        x => x / n as f64 * (n as f64 * x / (a as f64 * b as f64)).ln(),
    };
    // Rows in neither set, and one more, if the sets share x.
    let outside = |x: u64| (n + x + 1 - a - b) as f64;
    let (mut weights, mut sum) = (1.0, share(mode));
    let mut weight = 1.0;
    for x in mode..most {
        weight *= (a - x) as f64 * (b - x) as f64 / ((x + 1) as f64 * outside(x));
        if weight < NEGLIGIBLE {
            break;
        }
        weights += weight;
        sum += weight * share(x + 1);
    }
    weight = 1.0;
    for x in (least..mode).rev() {
        weight *= (x + 1) as f64 * outside(x) / ((a - x) as f64 * (b - x) as f64);
        if weight < NEGLIGIBLE {
            break;
        }
        weights += weight;
        sum += weight * share(x);
    }
    sum / weights
}
