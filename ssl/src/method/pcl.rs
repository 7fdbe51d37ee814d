use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use metric_losses::{ProtoNceLoss, ProtoNceLossConfig, Prototypes};
use metric_sampling::positives::{Granularity, SelectedPrototypes};

use super::{BankConfig, Memory, Method, Moco, Now, Outputs, Parts, upload, upload_labels};

/// Share of the steps before the prototypes come in.
const WARM_UP: f64 = 0.1;
/// Prototypes of other clusters that a batch meets at each granularity.
const NEGATIVES: usize = 16_000;

/// Prototypical contrastive learning (Li, Zhou, Xiong, Hoi, *Prototypical contrastive learning of unsupervised
/// representations*, ICLR 2021, <https://arxiv.org/abs/2005.04966>, eq. 11 and 12; PCL v2): beside its other view, a query is
/// drawn to the centre of its cluster, at several granularities.
///
/// ```text
/// ℓ = InfoNCE(query, key, queue) + ProtoNceLoss(query, prototypes)
/// after each epoch: k-means over the last keys of all examples, for each number of clusters
/// ```
/// The prototypes come in after a tenth of the steps, as after 20 of the paper's 200 epochs. Paper: the rest as
/// [`MoCo` v2](Moco::v2), with 25,000, 50,000 and 100,000 clusters of 1.28 million images, and 16,000 negative prototypes.
/// Deviates from its code, which runs the teacher over all images for the clusters: here they are those of a bank, which holds
/// the teacher's last key of every example, of a view of it, and costs nothing. An example that no batch has shown has a random row.
#[derive(Module, Debug)]
pub struct Pcl {
    contrast: Moco,
    prototypes: ProtoNceLoss,
    #[module(skip)]
    clusters: Vec<usize>,
}

impl Pcl {
    /// With so many clusters at each granularity, at a temperature (paper: `0.2`).
    pub fn new(clusters: &[usize], temperature: f64, device: &Device) -> Self {
        Self {
            contrast: Moco::v2(temperature, device),
            prototypes: ProtoNceLossConfig::new().init(device),
            clusters: clusters.to_vec(),
        }
    }
}

impl Method for Pcl {
    fn parts(&self, features: usize) -> Parts {
        Parts {
            bank: Some(BankConfig { momentum: 0.0 }),
            clusters: self.clusters.clone(),
            ..self.contrast.parts(features)
        }
    }

    fn loss(&self, views: &Outputs, now: &mut Now<'_>) -> Tensor<1> {
        let contrast = self.contrast.loss(views, now);
        let is_late = now.step as f64 >= WARM_UP * now.steps as f64;
        let Some(clusters) = now.memory.clusters.as_ref().filter(|_| is_late) else {
            return contrast;
        };
        let query = views.projected[0].clone();
        let device = query.device();
        // Examples that are not in the bank could not have been put there.
        let Ok(selected) = clusters.select(now.examples, NEGATIVES, now.random) else {
            return contrast;
        };
        let prototypes: Vec<_> = selected
            .into_iter()
            .map(|one| uploaded(one, &device))
            .collect();
        contrast + self.prototypes.forward(query, &prototypes)
    }

    fn keys(&self, views: &Outputs) -> Option<Tensor<2>> {
        self.contrast.keys(views)
    }

    fn chance(&self, views: usize, examples: usize, memory: &Memory) -> Option<f64> {
        let log_count = |one: &Granularity| (one.centroids().nrows() as f64).ln();
        let of_clusters = memory.clusters.as_ref().map_or(0.0, |clusters| {
            let all = clusters.granularities();
            all.iter().map(log_count).sum::<f64>() / all.len().max(1) as f64
        });
        let of_contrast = self.contrast.chance(views, examples, memory)?;
        Some(of_contrast + of_clusters)
    }
}

fn uploaded(selected: SelectedPrototypes, device: &Device) -> Prototypes {
    let concentrations: Vec<f32> = selected.concentrations.iter().map(|&x| x as f32).collect();
    let count = concentrations.len();
    let assignments = selected.positives.into_iter().map(i64::from).collect();
    Prototypes {
        centers: upload(selected.prototypes, device),
        concentrations: Tensor::from_data(TensorData::new(concentrations, [count]), device),
        assignments: upload_labels(assignments, device),
    }
}
