use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{BarlowTwinsLoss, BarlowTwinsLossConfig};

use super::{Method, Now, Outputs, Parts};
use crate::head::HeadConfig;

/// Barlow Twins (Zbontar, Jing, Misra, `LeCun`, Deny, ICML 2021, <https://arxiv.org/abs/2103.03230>, eq. 1): the columns of
/// two views correlate each with itself and with no other.
///
/// ```text
/// ℓ = BarlowTwinsLoss(z₁, z₂)        λ = 0.0051
/// ```
/// The head has three layers of 8,192.
#[derive(Module, Debug)]
pub struct BarlowTwins {
    loss: BarlowTwinsLoss,
}

impl BarlowTwins {
    /// With the authors' `λ`.
    pub fn new(device: &Device) -> Self {
        Self {
            loss: BarlowTwinsLossConfig::new().init(device),
        }
    }
}

impl Method for BarlowTwins {
    fn parts(&self, features: usize) -> Parts {
        Parts::new(
            HeadConfig::new(features, 8192)
                .with_layers(3)
                .with_hidden(8192),
        )
    }

    fn loss(&self, views: &Outputs, _now: &mut Now<'_>) -> Tensor<1> {
        let [first, second] = [0, 1].map(|view| views.projected[view].clone());
        self.loss.forward(first, second)
    }
}
