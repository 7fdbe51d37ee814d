use burn::config::Config;
use burn::tensor::Tensor;

use crate::error::ConfigError;
use crate::numerics::{at_least_f32, common_scale, l2_normalize, safe_root};

/// Up to this many differences (`n · m · dim`) the Euclidean matrix is formed from them directly.
const DIRECT_LIMIT: usize = 1 << 22;

/// How far apart two embeddings are; smaller is closer for every variant.
///
/// A similarity `s` enters as the distance that orders pairs the same way (`1 − s` or `−s`), so a
/// margin always means a gap in distance. What another library writes as margins on cosine
/// similarity, `s_pos ≥ m₁` and `s_neg ≤ m₂`, is here `d_pos ≤ 1 − m₁` and `d_neg ≥ 1 − m₂`.
///
/// # Streaming
///
/// A loss over all pairs that says so is computed a row of distances at a time, with exact gradients in memory that is
/// linear in the batch, for [`Euclidean`](Self::Euclidean), [`SquaredEuclidean`](Self::SquaredEuclidean),
/// [`Cosine`](Self::Cosine) and [`InnerProduct`](Self::InnerProduct) on the CPU backend in `f32` and `f64`. Elsewhere, and
/// where the result would not be finite, the matrix of [`matrix`](Self::matrix) is made.
#[derive(Config, Debug, Copy, PartialEq)]
pub enum EmbeddingDistance {
    /// `‖x − y‖₂`.
    Euclidean,
    /// `‖x − y‖₂²`; not a metric.
    SquaredEuclidean,
    /// `‖x − y‖ₚ^power`, `p ≥ 1`, `power > 0`.
    Lp {
        /// Order of the norm.
        p: f64,
        /// Exponent of the norm.
        power: f64,
    },
    /// `1 − cos(x, y)`; a zero vector has cosine 0 to every vector.
    Cosine,
    /// `−x·y`.
    InnerProduct,
    /// `var(x − y) / var(x)`, variances over the entries of a vector (Yuan, Deng, Tang, Tang, Chen,
    /// *Signal-To-Noise Ratio: A Robust Distance Metric for Deep Metric Learning*, CVPR 2019,
    /// <https://arxiv.org/abs/1904.02616>, eq. 7): not symmetric, `x` is the anchor. An anchor whose
    /// entries are equal up to rounding, or differ by less than 1e-10 of the largest entry of
    /// either set, has no signal: its distances are 0.
    SignalToNoise,
}

impl EmbeddingDistance {
    /// Checks the parameters of [`Lp`](Self::Lp).
    ///
    /// # Errors
    /// [`ConfigError`] if `p < 1` or `power ≤ 0`.
    pub fn validate(self) -> Result<(), ConfigError> {
        if let Self::Lp { p, power } = self {
            ConfigError::check(p.is_finite() && p >= 1.0, "p", "finite and at least 1", p)?;
            ConfigError::check_positive("power", power)?;
        }
        Ok(())
    }

    /// All distances between the rows of `x` and those of `y`.
    ///
    /// The Euclidean forms subtract row from row while `n · m · dim ≤ 2²²`; beyond that they use
    /// `‖x‖² + ‖y‖² − 2 x·y` on centred rows, whose absolute error in `d²` is about
    /// `4 ε max‖x‖²`. Both work on rows scaled to at most 1, so nothing overflows before the
    /// result does. Rows in half precision give `f32`.
    ///
    /// # Shapes
    /// - `x`: `[n, dim]`, `y`: `[m, dim]`
    /// - output: `[n, m]`
    ///
    /// # Panics
    /// If `dim` differs.
    pub fn matrix(self, x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
        let (x, y) = (at_least_f32(x), at_least_f32(y));
        match self {
            Self::Cosine => -(l2_normalize(x).matmul(l2_normalize(y).transpose())) + 1.0,
            Self::InnerProduct => -x.matmul(y.transpose()),
            Self::SignalToNoise => {
                let (signal, x, y) = signal_and_deviations(x, y);
                let noise = Self::SquaredEuclidean.matrix(x, y);
                noise_to_signal(noise, signal)
            }
            _ => {
                let scale = common_scale(&x, &y);
                let (x, y) = (x / scale.clone(), y / scale.clone());
                let [n, dim] = x.dims();
                let [m, _] = y.dims();
                let is_square = matches!(self.order(), (2.0, _));
                let sums = if is_square && n * m * dim > DIRECT_LIMIT {
                    squared_by_product(x, y)
                } else {
                    let differences = x.unsqueeze_dim::<3>(1) - y.unsqueeze_dim::<3>(0);
                    self.power_sums(differences).squeeze_dim(2)
                };
                self.rescale(sums, scale)
            }
        }
    }

    /// The distance of every row of `x` to the row of `y` beside it.
    ///
    /// # Shapes
    /// - `x`, `y`: `[n, dim]`
    /// - output: `[n]`
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn paired(self, x: Tensor<2>, y: Tensor<2>) -> Tensor<1> {
        let (x, y) = (at_least_f32(x), at_least_f32(y));
        let distances = match self {
            Self::Cosine => -(l2_normalize(x) * l2_normalize(y)).sum_dim(1) + 1.0,
            Self::InnerProduct => -(x * y).sum_dim(1),
            Self::SignalToNoise => {
                let (signal, x, y) = signal_and_deviations(x, y);
                noise_to_signal((x - y).square().sum_dim(1), signal)
            }
            _ => {
                let scale = common_scale(&x, &y);
                let differences = x / scale.clone() - y / scale.clone();
                self.rescale(self.power_sums(differences), scale)
            }
        };
        distances.squeeze_dim(1)
    }

    /// `(p, power)` of the norm forms.
    fn order(self) -> (f64, f64) {
        match self {
            Self::SquaredEuclidean => (2.0, 2.0),
            Self::Lp { p, power } => (p, power),
            _ => (2.0, 1.0),
        }
    }

    /// `Σ |δ|ᵖ` over the last axis, which stays with length 1.
    fn power_sums<const D: usize>(self, differences: Tensor<D>) -> Tensor<D> {
        let (p, _) = self.order();
        let powers = match p {
            2.0 => differences.square(),
            1.0 => differences.abs(),
            _ => differences.abs().powf_scalar(p),
        };
        powers.sum_dim(D - 1)
    }

    /// From sums over scaled differences to distances: `(scale · sums^(1/p))^power`.
    fn rescale(self, sums: Tensor<2>, scale: Tensor<2>) -> Tensor<2> {
        let (p, power) = self.order();
        let unit = match power {
            1.0 => scale,
            _ => scale.powf_scalar(power),
        };
        safe_root(sums, power / p) * unit
    }
}

/// `‖x‖² + ‖y‖² − 2 x·y` on rows moved by the mean of `y`, which leaves distances alone and takes
/// away the common offset that the subtraction would otherwise lose digits to.
fn squared_by_product(x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
    let centre = y.clone().detach().mean_dim(0);
    let (x, y) = (x - centre.clone(), y - centre);
    let squares = |t: &Tensor<2>| t.clone().square().sum_dim(1); // [rows, 1]
    let norms = squares(&x) + squares(&y).transpose();
    (norms - x.matmul(y.transpose()) * 2.0).clamp_min(0.0)
}

/// Rows less the mean of their entries, in one scale, and `Σ (x − x̄)²` of those of `x`, `[n, 1]`; 0
/// where that is rounding.
fn signal_and_deviations(x: Tensor<2>, y: Tensor<2>) -> (Tensor<2>, Tensor<2>, Tensor<2>) {
    let scale = common_scale(&x, &y);
    let deviations = |t: Tensor<2>| {
        let t = t / scale.clone();
        t.clone() - t.mean_dim(1)
    };
    let epsilon = x.dtype().finfo().map_or(0.0, |float| float.epsilon);
    let rounding =
        (x.clone().detach() / scale.clone()).square().sum_dim(1) * (4.0 * epsilon).powi(2);
    let (x, y) = (deviations(x), deviations(y));
    let signal = x.clone().square().sum_dim(1);
    let is_noise = signal.clone().lower_equal(rounding.clamp_min(1e-20));
    (signal.mask_fill(is_noise, 0.0), x, y)
}

/// `noise / signal`, 0 without signal.
fn noise_to_signal(noise: Tensor<2>, signal: Tensor<2>) -> Tensor<2> {
    let silent = signal.clone().equal_scalar(0.0);
    let ratio = noise / signal.mask_fill(silent.clone(), 1.0);
    let shape = ratio.dims();
    ratio.mask_fill(silent.expand(shape), 0.0)
}
