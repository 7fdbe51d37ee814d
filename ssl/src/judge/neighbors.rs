use metric_core::{Cosine, Error, knn};
use ndarray::ArrayView2;

/// How neighbours agree on a class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Vote {
    /// Each counts one.
    Majority,
    /// Each counts `exp(cos / T)` (Wu, Xiong, Yu, Lin, *Unsupervised feature learning via non-parametric instance
    /// discrimination*, CVPR 2018, <https://arxiv.org/abs/1805.01978>, section 3.4, with `T = 0.07`).
    Weighted {
        /// `T`, above 0.
        temperature: f64,
    },
}

/// Share of `queries` `[m, dim]` whose class the `k` nearest rows of `gallery` `[n, dim]` by cosine give rightly, for each
/// `k` of `ks`.
///
/// Classes with equal votes go to that of the nearer neighbour. With fewer than `k` rows in the gallery all of them vote.
/// One search serves every `k`: `O(n m dim)` time, `O(n dim)` memory.
///
/// ```
/// use metric_ssl::{Vote, knn_accuracy};
/// use ndarray::array;
///
/// let gallery = array![[1.0f32, 0.0], [0.9, 0.1], [0.0, 1.0]];
/// let queries = array![[1.0f32, 0.2], [0.1, 2.0]];
/// let shares = knn_accuracy(gallery.view(), &[0, 0, 1], queries.view(), &[0, 1], &[1, 3], Vote::Majority)?;
/// // All three neighbours of the second query: two of class 0 outvote the right one.
/// assert_eq!(shares, [1.0, 0.5]);
/// # Ok::<(), metric_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::LabelCount`] for labels that are not one a row, [`Error::ZeroNeighbors`], [`Error::InvalidParam`] for a temperature
/// not above 0, and what [`knn`] refuses.
pub fn knn_accuracy(
    gallery: ArrayView2<'_, f32>,
    gallery_labels: &[u32],
    queries: ArrayView2<'_, f32>,
    labels: &[u32],
    ks: &[usize],
    vote: Vote,
) -> Result<Vec<f64>, Error> {
    check_labels(gallery, gallery_labels)?;
    check_labels(queries, labels)?;
    if let Vote::Weighted { temperature } = vote
        && !(temperature > 0.0 && temperature.is_finite())
    {
        return Err(Error::InvalidParam {
            name: "temperature",
            expected: "above 0",
            got: temperature,
        });
    }
    if ks.contains(&0) {
        return Err(Error::ZeroNeighbors);
    }
    let Some(&most) = ks.iter().max() else {
        return Ok(Vec::new());
    };
    let neighbors = knn(&Cosine, queries, gallery, most)?;
    let mut right = vec![0_usize; ks.len()];
    let rows = neighbors
        .indices
        .outer_iter()
        .zip(neighbors.distances.outer_iter());
    for ((indices, distances), &label) in rows.zip(labels) {
        let classes: Vec<u32> = indices.iter().map(|&row| gallery_labels[row]).collect();
        let weights: Vec<f64> = distances
            .iter()
            .map(|&distance| match vote {
                Vote::Majority => 1.0,
                // Divided by the weight of the nearest, so that no temperature is too small.
                Vote::Weighted { temperature } => {
                    (f64::from(distances[0] - distance) / temperature).exp()
                }
            })
            .collect();
        for (right, &k) in right.iter_mut().zip(ks) {
            let k = k.min(classes.len());
            *right += usize::from(elected(&classes[..k], &weights[..k]) == Some(label));
        }
    }
    let queries = labels.len() as f64;
    Ok(right
        .into_iter()
        .map(|right| right as f64 / queries)
        .collect())
}

/// The class with the most votes; among equals that of the nearest.
fn elected(classes: &[u32], weights: &[f64]) -> Option<u32> {
    // Classes in the order of their nearest neighbour.
    let mut votes: Vec<(u32, f64)> = Vec::new();
    for (&class, &weight) in classes.iter().zip(weights) {
        match votes.iter_mut().find(|(of, _)| *of == class) {
            Some((_, votes)) => *votes += weight,
            None => votes.push((class, weight)),
        }
    }
    let mut best: Option<(u32, f64)> = None;
    for (class, votes) in votes {
        if best.is_none_or(|(_, most)| votes > most) {
            best = Some((class, votes));
        }
    }
    best.map(|(class, _)| class)
}

fn check_labels(rows: ArrayView2<'_, f32>, labels: &[u32]) -> Result<(), Error> {
    if rows.nrows() == labels.len() {
        return Ok(());
    }
    Err(Error::LabelCount {
        rows: rows.nrows(),
        labels: labels.len(),
    })
}
