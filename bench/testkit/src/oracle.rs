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

/// `Σ |aᵢ − bᵢ| / (|aᵢ| + |bᵢ|)`, 0/0 counts 0.
pub fn canberra(a: &[f64], b: &[f64]) -> f64 {
    let terms = a
        .iter()
        .zip(b)
        .map(|(x, y)| (x - y).abs() / (x.abs() + y.abs()));
    terms.filter(|term| !term.is_nan()).sum()
}

/// `Σ |aᵢ − bᵢ| / Σ |aᵢ + bᵢ|`, 0/0 is 0.
pub fn bray_curtis(a: &[f64], b: &[f64]) -> f64 {
    let apart: f64 = differences(a, b).sum();
    let together: f64 = a.iter().zip(b).map(|(x, y)| (x + y).abs()).sum();
    if apart == 0.0 { 0.0 } else { apart / together }
}

/// Entries less their mean; zeros if all are equal.
pub fn centred(a: &[f64]) -> Vec<f64> {
    if a.iter().all(|x| x.total_cmp(&a[0]).is_eq()) {
        return vec![0.0; a.len()];
    }
    let mean = a.iter().sum::<f64>() / a.len() as f64;
    a.iter().map(|x| x - mean).collect()
}

/// One minus Pearson's coefficient; constant rows as zero vectors of the cosine.
pub fn correlation(a: &[f64], b: &[f64]) -> f64 {
    1.0 - cosine_similarity(&centred(a), &centred(b))
}

/// `var(a − b) / var(a)`; with a constant `a` infinite, or 0 if `a − b` is constant too.
pub fn signal_to_noise(a: &[f64], b: &[f64]) -> f64 {
    let noise: Vec<f64> = a.iter().zip(b).map(|(x, y)| x - y).collect();
    let squares = |v: &[f64]| centred(v).iter().map(|x| x * x).sum::<f64>();
    let (noise, signal) = (squares(&noise), squares(a));
    if noise == 0.0 { 0.0 } else { noise / signal }
}

fn shares(a: &[f64]) -> Vec<f64> {
    let total: f64 = a.iter().sum();
    a.iter().map(|x| x / total).collect()
}

/// `½ Σ pᵢ ln(pᵢ/mᵢ) + ½ Σ qᵢ ln(qᵢ/mᵢ)` of the shares; `ln 2` if one row alone has no mass.
pub fn jensen_shannon_divergence(a: &[f64], b: &[f64]) -> f64 {
    let empty = |v: &[f64]| v.iter().all(|x| *x == 0.0);
    match (empty(a), empty(b)) {
        (true, true) => return 0.0,
        (false, false) => {}
        _ => return std::f64::consts::LN_2,
    }
    let (p, q) = (shares(a), shares(b));
    let part = |x: f64, m: f64| if x > 0.0 { x * (x / m).ln() } else { 0.0 };
    let terms = p.iter().zip(&q).map(|(&p, &q)| {
        let m = (p + q) / 2.0;
        (part(p, m) + part(q, m)) / 2.0
    });
    terms.sum()
}

/// `1 − Σ √(pᵢ qᵢ)` of the shares; 1 if one row alone has no mass.
pub fn squared_hellinger(a: &[f64], b: &[f64]) -> f64 {
    let empty = |v: &[f64]| v.iter().all(|x| *x == 0.0);
    match (empty(a), empty(b)) {
        (true, true) => 0.0,
        (false, false) => {
            let (p, q) = (shares(a), shares(b));
            1.0 - p.iter().zip(&q).map(|(p, q)| (p * q).sqrt()).sum::<f64>()
        }
        _ => 1.0,
    }
}

/// `cosh d` in the Poincaré ball.
pub fn poincare_cosh(a: &[f64], b: &[f64]) -> f64 {
    1.0 + 2.0 * squared_euclidean(a, b) / ((1.0 - dot(a, a)) * (1.0 - dot(b, b)))
}

/// `cosh d` on the hyperboloid, first entries computed from the others.
pub fn lorentz_cosh(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (&a[1..], &b[1..]);
    (1.0 + dot(a, a)).sqrt() * (1.0 + dot(b, b)).sqrt() - dot(a, b)
}

/// Angle between two points of the unit sphere given by latitude and longitude, from their cross and inner products.
pub fn great_circle(a: &[f64], b: &[f64]) -> f64 {
    let at = |p: &[f64]| [p[0].cos() * p[1].cos(), p[0].cos() * p[1].sin(), p[0].sin()];
    let (u, v) = (at(a), at(b));
    let cross = [
        u[1] * v[2] - u[2] * v[1],
        u[2] * v[0] - u[0] * v[2],
        u[0] * v[1] - u[1] * v[0],
    ];
    dot(&cross, &cross).sqrt().atan2(dot(&u, &v))
}

/// Share of unequal entries.
pub fn hamming(a: &[f64], b: &[f64]) -> f64 {
    let unequal = differences(a, b).filter(|d| *d > 0.0).count();
    unequal as f64 / a.len() as f64
}

/// One minus common over all non-zero places; 0 if there are none.
pub fn jaccard(a: &[f64], b: &[f64]) -> f64 {
    let places = |wanted: fn(bool, bool) -> bool| {
        a.iter()
            .zip(b)
            .filter(|(x, y)| wanted(**x != 0.0, **y != 0.0))
            .count() as f64
    };
    let (common, all) = (places(|x, y| x && y), places(|x, y| x || y));
    if all == 0.0 { 0.0 } else { 1.0 - common / all }
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
