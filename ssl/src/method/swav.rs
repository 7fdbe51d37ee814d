use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{SwappedPredictionLoss, SwappedPredictionLossConfig, l2_normalize};

use super::{Method, Now, Outputs, Parts};
use crate::head::HeadConfig;

/// `SwAV` (Caron et al., *Unsupervised learning of visual features by contrasting cluster assignments*, NeurIPS 2020,
/// <https://arxiv.org/abs/2006.09882>, eq. 1 to 5): each view predicts to which prototypes the others are assigned, in
/// shares that are equal over the batch.
///
/// ```text
/// ℓ = SwappedPredictionLoss(z₁, z₂, …)        codes from the first two views, predicted from all
/// ```
/// Paper: 3,000 prototypes, `T = 0.1`. Deviates from its code, which holds the prototypes still for the first 313 steps, and
/// balances small batches with a queue from epoch 15 on.
#[derive(Module, Debug)]
pub struct SwAv {
    loss: SwappedPredictionLoss,
    dim: usize,
}

impl SwAv {
    /// So many prototypes (paper: 3,000) for projections of this length (paper: 128), at a temperature (paper: `0.1`).
    pub fn new(prototypes: usize, dim: usize, temperature: f64, device: &Device) -> Self {
        let loss = SwappedPredictionLossConfig::new(prototypes, dim).with_temperature(temperature);
        Self {
            loss: loss.init(device),
            dim,
        }
    }
}

impl Method for SwAv {
    fn parts(&self, features: usize) -> Parts {
        Parts::new(HeadConfig::new(features, self.dim))
    }

    fn loss(&self, views: &Outputs, _now: &mut Now<'_>) -> Tensor<1> {
        let crops: Vec<_> = views.projected.iter().cloned().map(l2_normalize).collect();
        self.loss.forward(&crops)
    }
}
