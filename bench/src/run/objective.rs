use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use clap::ValueEnum;
use metric_losses::{
    ArcFaceLoss, ArcFaceLossConfig, CenterLoss, CenterLossConfig, ContrastiveLoss,
    ContrastiveLossConfig, NormalizedSoftmaxLoss, NormalizedSoftmaxLossConfig, SoftmaxLoss,
    SoftmaxLossConfig, TripletIndices, TripletMarginLoss, TripletMarginLossConfig, l2_normalize,
};
use serde::{Deserialize, Serialize};

/// Weight of the center loss beside the softmax loss.
const CENTER_WEIGHT: f64 = 0.003;
/// Scale of ArcFace's logits: its paper's 64 is for tens of thousands of classes.
const ARC_FACE_SCALE: f64 = 16.0;

/// A loss by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LossName {
    /// Softmax cross-entropy of a linear classifier.
    Softmax,
    /// Softmax of cosines.
    NormalizedSoftmax,
    /// Contrastive loss on the unit sphere.
    Contrastive,
    /// Triplet margin loss on the unit sphere.
    Triplet,
    /// Softmax plus center loss.
    Center,
    /// ArcFace.
    Arcface,
}

impl LossName {
    /// Whether whole classes must meet in a batch for this loss to have anything to compare.
    pub fn compares_pairs(self) -> bool {
        matches!(self, Self::Contrastive | Self::Triplet)
    }
}

/// A loss with its parameters.
#[derive(Module, Debug)]
pub enum Objective {
    /// See [`LossName::Softmax`].
    Softmax(SoftmaxLoss),
    /// See [`LossName::NormalizedSoftmax`].
    NormalizedSoftmax(NormalizedSoftmaxLoss),
    /// See [`LossName::Contrastive`].
    Contrastive(ContrastiveLoss),
    /// See [`LossName::Triplet`].
    Triplet(TripletMarginLoss),
    /// See [`LossName::Center`].
    Center(SoftmaxAndCenter),
    /// See [`LossName::Arcface`].
    Arcface(ArcFaceLoss),
}

/// Softmax loss plus weighted center loss, as center loss is meant to be used.
#[derive(Module, Debug)]
pub struct SoftmaxAndCenter {
    softmax: SoftmaxLoss,
    center: CenterLoss,
}

impl Objective {
    /// The loss called `name` for `classes` classes and embeddings of length `dim`.
    pub fn new(name: LossName, classes: usize, dim: usize, device: &Device) -> Self {
        match name {
            LossName::Softmax => Self::Softmax(SoftmaxLossConfig::new(classes, dim).init(device)),
            LossName::NormalizedSoftmax => {
                Self::NormalizedSoftmax(NormalizedSoftmaxLossConfig::new(classes, dim).init(device))
            }
            LossName::Contrastive => Self::Contrastive(ContrastiveLossConfig::new().init(device)),
            LossName::Triplet => Self::Triplet(TripletMarginLossConfig::new().init(device)),
            LossName::Center => Self::Center(SoftmaxAndCenter {
                softmax: SoftmaxLossConfig::new(classes, dim).init(device),
                center: CenterLossConfig::new(classes, dim).init(device),
            }),
            LossName::Arcface => Self::Arcface(
                ArcFaceLossConfig::new(classes, dim)
                    .with_scale(ARC_FACE_SCALE)
                    .init(device),
            ),
        }
    }

    /// # Shapes
    /// - `embeddings`: `[n, dim]`, as the encoder gives them; `labels`: `[n]`
    /// - output: `[1]`
    pub fn forward(
        &self,
        embeddings: Tensor<2>,
        labels: Tensor<1, Int>,
        triplets: Option<&TripletIndices>,
    ) -> Tensor<1> {
        match (self, triplets) {
            (Self::Softmax(loss), _) => loss.forward(embeddings, labels),
            (Self::NormalizedSoftmax(loss), _) => loss.forward(embeddings, labels),
            (Self::Contrastive(loss), _) => loss.forward(l2_normalize(embeddings), labels),
            (Self::Triplet(loss), None) => loss.forward(l2_normalize(embeddings), labels),
            (Self::Triplet(loss), Some(triplets)) => {
                loss.forward_mined(l2_normalize(embeddings), triplets)
            }
            (Self::Center(both), _) => {
                both.softmax.forward(embeddings.clone(), labels.clone())
                    + both.center.forward(embeddings, labels) * CENTER_WEIGHT
            }
            (Self::Arcface(loss), _) => loss.forward(embeddings, labels),
        }
    }

    /// What the loss keeps for itself, moved on after an optimizer step.
    pub fn after_step(self, embeddings: Tensor<2>, labels: Tensor<1, Int>) -> Self {
        match self {
            Self::Center(mut both) => {
                both.center = both.center.update(embeddings, labels);
                Self::Center(both)
            }
            other => other,
        }
    }
}
