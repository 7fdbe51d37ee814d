use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};

use super::sinkhorn::off_graph;
use crate::error::{ConfigError, expect_valid};
use crate::numerics::{divide, l2_normalize, negative_log_share, zero_on_graph, zero_without_rows};
use crate::pairs::assert_labels;

/// Prototypes of one clustering, constants for [`ProtoNceLoss`].
#[derive(Debug, Clone)]
pub struct Prototypes {
    /// Their centres `c`, `[k, dim]`.
    pub centers: Tensor<2>,
    /// Their concentrations `φ > 0`, `[k]`, as `ClusterPrototypes` of `metric-sampling` have them.
    pub concentrations: Tensor<1>,
    /// The prototype of each row of the batch, `[n]`, each in `0..k`.
    pub assignments: Tensor<1, Int>,
}

/// Configuration of [`ProtoNceLoss`].
#[derive(Config, Debug)]
pub struct ProtoNceLossConfig {}

impl ProtoNceLossConfig {
    /// Checks every field; there is none.
    ///
    /// # Errors
    /// None.
    pub fn validate(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    /// The loss.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) fails.
    pub fn init(&self, _device: &Device) -> ProtoNceLoss {
        expect_valid(self.validate());
        ProtoNceLoss {}
    }
}

/// Contrast with prototypes of several clusterings (Li, Zhou, Xiong, Hoi, *Prototypical Contrastive Learning of
/// Unsupervised Representations*, PCL, ICLR 2021, <https://arxiv.org/abs/2005.04966>, eq. 11).
///
/// With `M` clusterings, `s` the prototype that clustering `m` gives a row, and the concentrations `φ`, small where a
/// cluster is tight:
/// ```text
/// ℓᵢ = −1/M Σₘ log( exp(x̂ᵢ · ĉₛ/φₛ) / Σⱼ exp(x̂ᵢ · ĉⱼ/φⱼ) )
/// ```
/// The paper adds `InfoNCE`: [`InfoNceLoss::forward_with_negatives`](crate::InfoNceLoss::forward_with_negatives). It
/// draws some of the other prototypes as negatives; here all are. The temperature is in `φ`.
///
/// Cost: `O(n · k · dim)` time, `O(n · k)` memory, over the `k` prototypes of all clusterings.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::{ProtoNceLossConfig, Prototypes};
///
/// let device = Device::flex();
/// let clustering = Prototypes {
///     centers: Tensor::from_floats([[2.0, 0.0], [0.0, 1.0]], &device),
///     concentrations: Tensor::from_floats([0.5, 1.0], &device),
///     assignments: Tensor::from_ints([0], &device),
/// };
/// let x = Tensor::<2>::from_floats([[3.0, 0.0]], &device);
/// // cosines 1 and 0 over φ: log(1 + e⁻²) = 0.12693
/// let loss = ProtoNceLossConfig::new().init(&device);
/// assert!((loss.forward(x, &[clustering]).into_scalar::<f32>() - 0.12693).abs() < 1e-5);
/// ```
#[derive(Module, Debug)]
pub struct ProtoNceLoss {}

impl ProtoNceLoss {
    /// The mean over rows and clusterings.
    ///
    /// # Shapes
    /// - `embeddings`: `[n, dim]`
    /// - output: `[1]`, zero without rows or clusterings
    ///
    /// # Panics
    /// If `dim` differs, there is not one assignment a row or one concentration a prototype, or an assignment is out of
    /// range.
    pub fn forward(&self, embeddings: Tensor<2>, clusterings: &[Prototypes]) -> Tensor<1> {
        let [n, _] = embeddings.dims();
        if let Some(zero) = zero_without_rows(&[&embeddings]) {
            return zero;
        }
        let count = (n * clusterings.len().max(1)) as f64;
        let nothing = zero_on_graph(embeddings.clone());
        let unit = l2_normalize(embeddings);
        let of = |prototypes: &Prototypes| of_clustering(unit.clone(), prototypes).sum();
        let terms = clusterings.iter().map(of);
        divide(terms.fold(nothing, |sum, term| sum + term), count)
    }
}

/// The loss of every unit row, `[n, 1]`.
fn of_clustering(unit: Tensor<2>, prototypes: &Prototypes) -> Tensor<2> {
    assert_labels(&unit, &prototypes.assignments);
    let ([n, _], [k, _]) = (unit.dims(), prototypes.centers.dims());
    let centers = off_graph(l2_normalize(prototypes.centers.clone()));
    let concentrations = off_graph(prototypes.concentrations.clone()).cast(unit.dtype());
    let logits = unit.matmul(centers.transpose()) / concentrations.reshape([1, k]);
    let numbers = Tensor::<1, Int>::arange(0..k as i64, &logits.device());
    // `select` refuses an assignment out of range, a comparison would not.
    let own = numbers.clone().select(0, prototypes.assignments.clone());
    let own = own.reshape([n, 1]).expand([n, k]);
    let own = own.equal(numbers.reshape([1, k]).expand([n, k]));
    negative_log_share(logits, 1.0, own.clone(), own.bool_not())
}
