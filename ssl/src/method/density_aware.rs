use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Relevance;
use metric_losses::{InfoNceLoss, InfoNceLossConfig, l2_normalize};
use metric_sampling::{Batch, DensityAware, MiningError, NegativeWeights};
use ndarray::Array2;

use super::{Memory, Method, Now, Outputs, Parts, download, upload};
use crate::head::HeadConfig;

/// SimCLR with negatives that count by how near they are and how dense their own neighbourhood is: the
/// [weights](DensityAware) of this library as importance weights.
///
/// With the views `z` of a batch, the cosine `s`, and the density `p` of the batch at `n`:
/// ```text
/// ℓᵢ = −log( exp(s(zᵢ, zᵢ⁺)/T) / (exp(s(zᵢ, zᵢ⁺)/T) + Σₙ wᵢₙ exp(s(zᵢ, zₙ)/T)) )
/// wᵢₙ ∝ exp(β s(zᵢ, zₙ)) / p(zₙ)^γ        of mean 1 over the negatives n of i, off the graph
/// ```
/// With `γ = 0` it is the tilt of Robinson et al. (*Contrastive learning with hard negative samples*, ICLR 2021,
/// <https://arxiv.org/abs/2010.04592>, eq. 4) without their correction for false negatives; with `β = 0` a crowd of alike images
/// counts as little as a lone one. The combination is from no paper. `z⁺` is the next view of the same image.
#[derive(Module, Debug)]
pub struct DensityAwareContrast {
    loss: InfoNceLoss,
    #[module(skip)]
    negatives: DensityAware,
}

impl DensityAwareContrast {
    /// With these weights, at a temperature.
    pub fn new(negatives: DensityAware, temperature: f64, device: &Device) -> Self {
        let loss = InfoNceLossConfig::new().with_temperature(temperature);
        Self {
            loss: loss.init(device),
            negatives,
        }
    }

    /// `[rows, rows]`, 0 for views of the same image.
    fn weights(&self, rows: &Array2<f32>, images: &[u32]) -> Result<Array2<f32>, MiningError> {
        let batch = Batch::new(rows.view(), Relevance::labels(images))?;
        let of_rows = self.negatives.each_weighted(&batch, |_, weights| {
            (weights.indices().to_vec(), weights.importance())
        })?;
        let mut matrix = Array2::zeros((images.len(), images.len()));
        for (mut row, (indices, importance)) in matrix.outer_iter_mut().zip(of_rows) {
            for (index, weight) in indices.into_iter().zip(importance) {
                row[index as usize] = weight as f32;
            }
        }
        Ok(matrix)
    }
}

impl Method for DensityAwareContrast {
    fn parts(&self, features: usize) -> Parts {
        Parts::new(HeadConfig::new(features, 128))
    }

    fn loss(&self, views: &Outputs, _now: &mut Now<'_>) -> Tensor<1> {
        let unit: Vec<_> = views.projected.iter().cloned().map(l2_normalize).collect();
        let [n, _] = unit[0].dims();
        let images = (0..n as u32).collect::<Vec<_>>().repeat(unit.len());
        let rows = Tensor::cat(unit.clone(), 0);
        let mut next = unit;
        next.rotate_left(1);
        let of_rows = download(rows.clone().detach());
        match self.weights(&of_rows, &images) {
            Ok(weights) => {
                let weights = upload(weights, &rows.device());
                let keys = Tensor::cat(next, 0);
                self.loss
                    .forward_with_weighted_negatives(rows.clone(), keys, rows, weights)
            }
            // Rows that are not finite, as the loss then is not.
            Err(_) => rows.sum() * f32::NAN,
        }
    }

    fn chance(&self, views: usize, examples: usize, _memory: &Memory) -> Option<f64> {
        Some(((views * (examples - 1) + 1) as f64).ln())
    }
}
