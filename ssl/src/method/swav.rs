use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{SwappedPredictionLoss, SwappedPredictionLossConfig, l2_normalize};

use super::{Memory, Method, Now, Outputs, Parts};
use crate::head::HeadConfig;

/// Share of the steps in which prototypes stand still: about the first of 100 epochs.
const STILL: f64 = 0.01;

/// `SwAV` (Caron et al., *Unsupervised learning of visual features by contrasting cluster assignments*, NeurIPS 2020,
/// <https://arxiv.org/abs/2006.09882>, eq. 1 to 5): each view predicts to which prototypes the others are assigned, in
/// shares that are equal over the batch.
///
/// ```text
/// ℓ = SwappedPredictionLoss(z₁, z₂, …)        codes from the first two views, predicted from all
/// ```
/// Paper: 3,000 prototypes, `T = 0.1`. The prototypes stand still in the first hundredth of the steps, as for
/// the first 313 in its code, which also balances small batches with a queue from epoch 15 on; this does not.
#[derive(Module, Debug)]
pub struct SwAv {
    loss: SwappedPredictionLoss,
    prototypes: usize,
    dim: usize,
}

impl SwAv {
    /// So many prototypes (paper: 3,000) for projections of this length (paper: 128), at a temperature (paper: `0.1`).
    pub fn new(prototypes: usize, dim: usize, temperature: f64, device: &Device) -> Self {
        let loss = SwappedPredictionLossConfig::new(prototypes, dim).with_temperature(temperature);
        Self {
            loss: loss.init(device),
            prototypes,
            dim,
        }
    }
}

impl Method for SwAv {
    fn parts(&self, features: usize) -> Parts {
        Parts::new(HeadConfig::new(features, self.dim))
    }

    fn loss(&self, views: &Outputs, now: &mut Now<'_>) -> Tensor<1> {
        let crops: Vec<_> = views.projected.iter().cloned().map(l2_normalize).collect();
        let is_early = (now.step as f64) < STILL * now.steps as f64;
        match is_early {
            true => self.loss.clone().no_grad().forward(&crops),
            false => self.loss.forward(&crops),
        }
    }

    fn chance(&self, _views: usize, _examples: usize, _memory: &Memory) -> Option<f64> {
        Some((self.prototypes as f64).ln())
    }
}
