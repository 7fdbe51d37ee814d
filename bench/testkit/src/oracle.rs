//! Definitions written as plainly as possible, in `f64`.

fn differences<'a>(a: &'a [f64], b: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
    a.iter().zip(b).map(|(x, y)| (x - y).abs())
}

/// `Σ (aᵢ − bᵢ)²`.
pub fn squared_euclidean(a: &[f64], b: &[f64]) -> f64 {
    differences(a, b).map(|d| d * d).sum()
}

/// `√ Σ (aᵢ − bᵢ)²`.
pub fn euclidean(a: &[f64], b: &[f64]) -> f64 {
    squared_euclidean(a, b).sqrt()
}

/// `(Σ |aᵢ − bᵢ|ᵖ)^(1/p)`, the maximum for infinite `p`.
pub fn minkowski(a: &[f64], b: &[f64], p: f64) -> f64 {
    if p.is_infinite() {
        differences(a, b).fold(0.0, f64::max)
    } else {
        differences(a, b)
            .map(|d| d.powf(p))
            .sum::<f64>()
            .powf(1.0 / p)
    }
}

/// `Σ aᵢ bᵢ`.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Cosine of the angle; with zero vectors 0, or 1 if both are.
pub fn cosine_similarity(a: &[f64], b: &[f64]) -> f64 {
    let (aa, bb) = (dot(a, a), dot(b, b));
    match (aa > 0.0, bb > 0.0) {
        (true, true) => (dot(a, b) / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0),
        (false, false) => 1.0,
        _ => 0.0,
    }
}

/// `√ (a − b)ᵀ P (a − b)`, `precision` by rows.
pub fn mahalanobis(precision: &[Vec<f64>], a: &[f64], b: &[f64]) -> f64 {
    let d: Vec<f64> = a.iter().zip(b).map(|(x, y)| x - y).collect();
    let image: Vec<f64> = precision.iter().map(|row| dot(row, &d)).collect();
    dot(&d, &image).sqrt()
}

/// All items but `left_out`, nearest first, ties by index.
pub fn ranking(distances: &[f64], left_out: Option<usize>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..distances.len())
        .filter(|&i| Some(i) != left_out)
        .collect();
    order.sort_by(|&i, &j| distances[i].total_cmp(&distances[j]).then(i.cmp(&j)));
    order
}

/// Is one of the first `k` items of a ranked list relevant?
pub fn recall_at(list: &[bool], k: usize) -> f64 {
    f64::from(u8::from(list.iter().take(k).any(|&hit| hit)))
}

fn relevant(list: &[bool]) -> usize {
    list.iter().filter(|&&hit| hit).count()
}

/// Share of relevant items among the first `k` of a ranked list.
pub fn precision_at(list: &[bool], k: usize) -> f64 {
    relevant(&list[..k]) as f64 / k as f64
}

/// Precision at the number of relevant items.
pub fn r_precision(list: &[bool]) -> f64 {
    precision_at(list, relevant(list))
}

/// Sum of the precisions at relevant places up to `cutoff`, over the number of relevant items.
pub fn average_precision(list: &[bool], cutoff: usize) -> f64 {
    let places = (1..=cutoff).filter(|&place| list[place - 1]);
    places.map(|place| precision_at(list, place)).sum::<f64>() / relevant(list) as f64
}

/// Average precision cut off at the number of relevant items.
pub fn map_at_r(list: &[bool]) -> f64 {
    average_precision(list, relevant(list))
}

/// Inverse place of the first relevant item, or 0.
pub fn reciprocal_rank(list: &[bool]) -> f64 {
    list.iter()
        .position(|&hit| hit)
        .map_or(0.0, |at| 1.0 / (at + 1) as f64)
}

/// Every anchor, positive and negative of a labelled set, in this order.
pub fn triplets(labels: &[u32]) -> Vec<(usize, usize, usize)> {
    let mut found = Vec::new();
    for a in 0..labels.len() {
        for p in 0..labels.len() {
            for n in 0..labels.len() {
                if p != a && labels[a] == labels[p] && labels[a] != labels[n] {
                    found.push((a, p, n));
                }
            }
        }
    }
    found
}
