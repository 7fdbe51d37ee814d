use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{SwappedPredictionLoss, SwappedPredictionLossConfig, l2_normalize};

use super::{Memory, Method, Now, Outputs, Parts};
use crate::head::HeadConfig;

/// Share of the steps in which prototypes stand still: about the first of 100 epochs.
const STILL: f64 = 0.01;
/// Share of the steps before the queue is used: the first 15 of 200 epochs.
const UNQUEUED: f64 = 0.075;

/// `SwAV` (Caron et al., *Unsupervised learning of visual features by contrasting cluster assignments*, NeurIPS 2020,
/// <https://arxiv.org/abs/2006.09882>, eq. 1 to 5): each view predicts to which prototypes the others are assigned, in
/// shares that are equal over the batch.
///
/// ```text
/// ℓ = SwappedPredictionLoss(z₁, z₂, …)        codes from the first two views, predicted from all
/// ```
/// Paper: 3,000 prototypes, `T = 0.1`. The prototypes stand still in the first hundredth of the steps, as for
/// the first 313 in its code. A batch with fewer images than there are prototypes cannot use them alike: then, from 7.5 % of
/// the steps on, shares are equal over the batch and a queue of earlier first views (paper: 3,840 for a batch of 256,
/// from epoch 15 of 200 on, and one queue a view, whose rows are drawn alike).
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

    /// Whether the batch has fewer images than there are prototypes.
    fn needs_queue(&self, views: &Outputs) -> bool {
        views.projected[0].dims()[0] < self.prototypes
    }
}

impl Method for SwAv {
    fn parts(&self, features: usize) -> Parts {
        Parts {
            queue: Some(3_840),
            ..Parts::new(HeadConfig::new(features, self.dim))
        }
    }

    fn loss(&self, views: &Outputs, now: &mut Now<'_>) -> Tensor<1> {
        let crops: Vec<_> = views.projected.iter().cloned().map(l2_normalize).collect();
        let done = now.step as f64 / now.steps as f64;
        let queue = match self.needs_queue(views) && done >= UNQUEUED {
            true => now.memory.queue(&crops[0].device()),
            false => None,
        };
        let earlier = queue.map_or_else(Vec::new, |rows| vec![rows; 2]);
        let mut loss = self.loss.clone();
        if done < STILL {
            loss = loss.no_grad();
        }
        loss.forward_with_queue(&crops, &earlier)
    }

    fn keys(&self, views: &Outputs) -> Option<Tensor<2>> {
        let first = || l2_normalize(views.projected[0].clone());
        self.needs_queue(views).then(first)
    }

    fn chance(&self, _views: usize, _examples: usize, _memory: &Memory) -> Option<f64> {
        Some((self.prototypes as f64).ln())
    }
}
