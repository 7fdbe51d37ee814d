use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_losses::{InfoNceLoss, InfoNceLossConfig, mix_hard_negatives};

use super::{Memory, Method, Moco, Now, Outputs, Parts};

/// Share of the steps before anything is mixed.
const WARM_UP: f64 = 0.05;
/// The paper's numbers are of a queue of this length.
const QUEUE: usize = 65_536;
const HARDEST: usize = 1_024;
const PAIRS: usize = 1_024;
const WITH_QUERY: usize = 128;

/// `MoCHi`, hard negative mixing (Kalantidis, Sariyildiz, Pion, Weinzaepfel, Larlus, *Hard negative mixing for contrastive
/// learning*, NeurIPS 2020, <https://arxiv.org/abs/2010.01028>, eq. 2 to 4): the negatives of the queue that are closest to a
/// query are mixed with each other and with the query, to harder ones.
///
/// ```text
/// ℓ = InfoNCE(query, key, queue and own mixtures)        mixtures = mix_hard_negatives(query, queue)
/// ```
/// Paper: the rest as [`MoCo` v2](Moco::v2); 1,024 mixtures of two of the 1,024 hardest negatives and 128 with the query, of a
/// queue of 65,536. Of a shorter queue it takes the same shares, so that the hardest are as hard. Mixing begins after a twentieth
/// of the steps, as after 10 of the paper's 200 epochs.
#[derive(Module, Debug)]
pub struct MoChi {
    contrast: Moco,
    loss: InfoNceLoss,
}

impl MoChi {
    /// At a temperature (paper: `0.2`).
    pub fn new(temperature: f64, device: &Device) -> Self {
        let loss = InfoNceLossConfig::new().with_temperature(temperature);
        Self {
            contrast: Moco::v2(temperature, device),
            loss: loss.init(device),
        }
    }
}

impl Method for MoChi {
    fn parts(&self, features: usize) -> Parts {
        self.contrast.parts(features)
    }

    fn loss(&self, views: &Outputs, now: &mut Now<'_>) -> Tensor<1> {
        let (query, key) = (views.projected[0].clone(), views.taught[0].clone());
        let is_late = now.step as f64 >= WARM_UP * now.steps as f64;
        let queue = now.memory.queue(&query.device()).filter(|_| is_late);
        let Some(queue) = queue else {
            return self.contrast.loss(views, now);
        };
        let share = |of: usize| (of * queue.dims()[0]).div_ceil(QUEUE);
        let mixed = mix_hard_negatives(
            query.clone(),
            queue.clone(),
            share(HARDEST),
            share(PAIRS),
            share(WITH_QUERY),
            now.random,
        );
        let mixed = mixed.expect("a queue that is not empty, and at least one of each");
        self.loss
            .forward_with_own_negatives(query, key, queue, mixed)
    }

    fn keys(&self, views: &Outputs) -> Option<Tensor<2>> {
        self.contrast.keys(views)
    }

    fn chance(&self, views: usize, examples: usize, memory: &Memory) -> Option<f64> {
        self.contrast.chance(views, examples, memory)
    }
}
