use std::collections::HashSet;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use metric_core::Relevance;
use metric_losses::{Labels, SupConLoss, SupConLossConfig, l2_normalize};
use metric_sampling::positives::FalseNegatives;
use metric_sampling::{Batch, MiningError, NegativePairs};
use ndarray::{Array2, Array3, s};

use super::{Memory, Method, Now, Outputs, Parts, TeacherConfig, download};
use crate::head::HeadConfig;

/// Views of an image that are compared.
const COMPARED: usize = 2;

/// False negative cancellation (Huynh, Kornblith, Walter, Maire, Khademi, *Boosting contrastive self-supervised learning with
/// false negative cancellation*, WACV 2022, <https://arxiv.org/abs/2011.11765>, eq. 3 and 4): other images of the batch that
/// look like further views of an anchor are suspected to show the same thing. They are left out, or attracted.
///
/// With the [suspects](FalseNegatives) `F(i)` of a view, by `S` support views of its image:
/// ```text
/// elimination:  ℓᵢ = −log( exp(zᵢ·zᵢ⁺/T) / Σ_{n ∉ F(i)} exp(zᵢ·zₙ/T) )
/// attraction:   ℓᵢ = −1/(1 + |F(i)|) Σ_{p ∈ {i⁺} ∪ F(i)} log( exp(zᵢ·z_p/T) / Σₙ exp(zᵢ·zₙ/T) )
/// ```
/// which is [`SupConLoss`] with the suspects as further positives. Paper: SimCLR's head, `T = 0.1`, 8 support views, of which the
/// maximum counts, the 10 highest from 0.7 on. Support views are embedded by a teacher, of momentum 0.999.
#[derive(Module, Debug)]
pub struct FalseNegativeCancellation {
    loss: SupConLoss,
    #[module(skip)]
    suspects: FalseNegatives,
    /// Whether suspects are attracted, not only left out.
    attracts: bool,
    /// Support views of an image.
    support: usize,
}

impl FalseNegativeCancellation {
    /// Attraction of these suspects (paper: `FalseNegatives::top(10)` with a threshold of `0.7`), with so many support views
    /// (paper: 8), at a temperature (paper: `0.1`).
    pub fn new(
        suspects: FalseNegatives,
        support: usize,
        temperature: f64,
        device: &Device,
    ) -> Self {
        let loss = SupConLossConfig::new().with_temperature(temperature);
        Self {
            loss: loss.init(device),
            suspects,
            attracts: true,
            support,
        }
    }

    /// The same, but suspects are only left out.
    pub fn eliminating(mut self) -> Self {
        self.attracts = false;
        self
    }

    /// Pairs of rows, and of their images `0..n` by view, which are suspected to show the same thing.
    fn find(
        &self,
        rows: &Array2<f32>,
        support: &[Array2<f32>],
    ) -> Result<NegativePairs, MiningError> {
        let (all, dim) = rows.dim();
        let n = all / COMPARED;
        let images = (0..n as u32).collect::<Vec<_>>().repeat(COMPARED);
        let batch = Batch::new(rows.view(), Relevance::labels(&images))?;
        let mut views = Array3::zeros((all, support.len(), dim));
        for (number, view) in support.iter().enumerate() {
            for from in [0, n] {
                views.slice_mut(s![from..from + n, number, ..]).assign(view);
            }
        }
        Ok(self.suspects.find(&batch, views.view())?.negative)
    }

    /// Views of an image are alike; a suspect is too, or is no pair at all.
    fn labels(&self, n: usize, suspects: &NegativePairs) -> Labels {
        let suspected: HashSet<(i64, i64)> = suspects
            .iter()
            .map(|(row, other)| (i64::from(row), i64::from(other)))
            .collect();
        let of_suspects = if self.attracts { 1.0 } else { f64::NAN };
        let images = n as i64;
        let relation = move |a: i64, b: i64| match a % images == b % images {
            true => 1.0,
            false if suspected.contains(&(a, b)) => of_suspects,
            false => 0.0,
        };
        let rows = (0..(COMPARED * n) as i64).collect();
        Labels::related(rows, 1.0, Arc::new(relation)).expect("1 is a grade")
    }
}

impl Method for FalseNegativeCancellation {
    fn parts(&self, features: usize) -> Parts {
        Parts {
            teacher: Some(TeacherConfig {
                momentum: 0.999,
                rises: false,
                splits: 1,
            }),
            student_views: COMPARED,
            taught: COMPARED..COMPARED + self.support,
            ..Parts::new(HeadConfig::new(features, 128))
        }
    }

    fn loss(&self, views: &Outputs, _now: &mut Now<'_>) -> Tensor<1> {
        let [n, _] = views.projected[0].dims();
        let rows = l2_normalize(Tensor::cat(views.projected.clone(), 0));
        let support: Vec<_> = views.taught.iter().cloned().map(download).collect();
        match self.find(&download(rows.clone().detach()), &support) {
            Ok(suspects) => self.loss.forward(rows, self.labels(n, &suspects)),
            // Rows that are not finite, as the loss then is not.
            Err(_) => rows.sum() * f32::NAN,
        }
    }

    fn chance(&self, views: usize, examples: usize, _memory: &Memory) -> Option<f64> {
        // Of outputs that are all alike, suspects may be left out to the last.
        let others = (views.min(COMPARED) * examples - 1) as f64;
        self.attracts.then_some(others.ln())
    }
}
