//! Losses that need more in training than embeddings and labels.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use metric_losses::{
    AdaFaceLoss, CenterLoss, CurricularFaceLoss, DynamicSoftMarginLoss, ElasticFaceLoss,
    InfoNceLoss, InstanceLoss, IntraPairVarianceLoss, LargeMarginSoftmaxLoss, LpRegularizer,
    MagnetLoss, MarginAnnealing, MarginLoss, MultipleNegativesRankingLoss, NPairsLoss,
    SmoothApLoss, SoftmaxLoss, SphereFaceLoss, ThresholdConsistentMarginLoss, TripletIndices,
    TripletMarginLoss, TupletMarginLoss, l2_normalize,
};
use rand::Rng;

/// What is known of an optimizer step.
pub struct Step<'a> {
    /// Steps made before.
    pub number: u64,
    /// What a miner chose, for losses that take triplets.
    pub triplets: Option<&'a TripletIndices>,
    /// Where random numbers come from.
    pub random: &'a mut dyn Rng,
}

impl std::fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step")
            .field("number", &self.number)
            .field("triplets", &self.triplets)
            .finish_non_exhaustive()
    }
}

/// How a loss is used in training.
pub(super) trait TrainWith: Sized {
    /// The loss of embeddings as the encoder gives them.
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, step: &mut Step<'_>) -> Tensor<1>;

    /// What it keeps for itself, moved on after an optimizer step.
    fn after_step(self, _x: Tensor<2>, _labels: Tensor<1, Int>) -> Self {
        self
    }
}

/// A loss with a weighted other beside it.
#[derive(Module, Debug)]
pub struct Beside<L: Module, B: Module> {
    pub(super) loss: L,
    pub(super) beside: B,
    pub(super) weight: f64,
}

impl TrainWith for Beside<SoftmaxLoss, CenterLoss> {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, _: &mut Step<'_>) -> Tensor<1> {
        self.loss.forward(x.clone(), labels.clone()) + self.beside.forward(x, labels) * self.weight
    }

    fn after_step(mut self, x: Tensor<2>, labels: Tensor<1, Int>) -> Self {
        self.beside = self.beside.update(x, labels);
        self
    }
}

impl TrainWith for Beside<TupletMarginLoss, IntraPairVarianceLoss> {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, _: &mut Step<'_>) -> Tensor<1> {
        self.loss.forward(x.clone(), labels.clone()) + self.beside.forward(x, labels) * self.weight
    }
}

impl TrainWith for Beside<SmoothApLoss, ThresholdConsistentMarginLoss> {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, _: &mut Step<'_>) -> Tensor<1> {
        self.loss.forward(x.clone(), labels.clone()) + self.beside.forward(x, labels) * self.weight
    }
}

impl TrainWith for Beside<NPairsLoss, LpRegularizer> {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, _: &mut Step<'_>) -> Tensor<1> {
        self.loss.forward(x.clone(), labels) + self.beside.forward(x) * self.weight
    }
}

impl TrainWith for TripletMarginLoss {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, step: &mut Step<'_>) -> Tensor<1> {
        match step.triplets {
            None => self.forward(l2_normalize(x), labels),
            Some(triplets) => self.forward_mined(l2_normalize(x), triplets),
        }
    }
}

impl TrainWith for MarginLoss {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, step: &mut Step<'_>) -> Tensor<1> {
        match step.triplets {
            None => self.forward(l2_normalize(x), labels),
            Some(triplets) => self.forward_mined(l2_normalize(x), labels, triplets),
        }
    }
}

impl TrainWith for MagnetLoss {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, _: &mut Step<'_>) -> Tensor<1> {
        self.forward(l2_normalize(x), labels.clone(), labels)
    }
}

impl TrainWith for InstanceLoss {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, _: &mut Step<'_>) -> Tensor<1> {
        self.forward_one(x, labels)
    }
}

impl TrainWith for InfoNceLoss {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, _: &mut Step<'_>) -> Tensor<1> {
        let (first, second) = first_two(l2_normalize(x), &labels);
        self.forward(first, second)
    }
}

impl TrainWith for MultipleNegativesRankingLoss {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, _: &mut Step<'_>) -> Tensor<1> {
        let (first, second) = first_two(l2_normalize(x), &labels);
        self.forward(first, second)
    }
}

/// The first two rows of every class that has as many.
fn first_two(x: Tensor<2>, labels: &Tensor<1, Int>) -> (Tensor<2>, Tensor<2>) {
    let mut rows_of: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (row, label) in (0..).zip(labels.clone().into_data().iter::<i64>()) {
        rows_of.entry(label).or_default().push(row);
    }
    let of_place = |place: usize| {
        let pairs = rows_of.values().filter(|rows| rows.len() > 1);
        let rows: Vec<i64> = pairs.map(|rows| rows[place]).collect();
        let count = rows.len();
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &x.device());
        x.clone().select(0, rows)
    };
    (of_place(0), of_place(1))
}

/// Its histogram follows the distances of the step before.
impl TrainWith for DynamicSoftMarginLoss {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, _: &mut Step<'_>) -> Tensor<1> {
        self.forward(l2_normalize(x), labels)
    }

    fn after_step(self, x: Tensor<2>, labels: Tensor<1, Int>) -> Self {
        self.update(l2_normalize(x), labels)
    }
}

/// Its moments follow the norms of the step before.
impl TrainWith for AdaFaceLoss {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, _: &mut Step<'_>) -> Tensor<1> {
        self.forward(x, labels)
    }

    fn after_step(self, x: Tensor<2>, _: Tensor<1, Int>) -> Self {
        self.update(x)
    }
}

/// Its `t` follows the cosines of the step before.
impl TrainWith for CurricularFaceLoss {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, _: &mut Step<'_>) -> Tensor<1> {
        self.forward(x, labels)
    }

    fn after_step(self, x: Tensor<2>, labels: Tensor<1, Int>) -> Self {
        self.update(x, labels)
    }
}

impl TrainWith for ElasticFaceLoss {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, step: &mut Step<'_>) -> Tensor<1> {
        let margins = self.draw_margins(labels.dims()[0], step.random);
        self.forward(x, labels, margins)
    }
}

impl TrainWith for SphereFaceLoss {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, step: &mut Step<'_>) -> Tensor<1> {
        self.forward_annealed(x, labels, lambda(step))
    }
}

impl TrainWith for LargeMarginSoftmaxLoss {
    fn value(&self, x: Tensor<2>, labels: Tensor<1, Int>, step: &mut Step<'_>) -> Tensor<1> {
        self.forward_annealed(x, labels, lambda(step))
    }
}

/// How much a softmax without margin counts.
fn lambda(step: &Step<'_>) -> f64 {
    MarginAnnealing::new().lambda(step.number as usize)
}
