//! Methods: each says which parts it is built of and what it minimizes.

mod any;
mod barlow_twins;
mod byol;
mod density_aware;
mod dino;
mod distilled;
mod false_negatives;
mod instance;
mod mean_teacher;
mod mochi;
mod moco;
mod moco_v3;
mod nnclr;
mod on_views;
mod pcl;
mod sim_siam;
mod swav;
mod vic_reg;

use std::ops::Range;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Int, Tensor, TensorData};
use metric_sampling::positives::ClusterPrototypes;
use metric_sampling::{MemoryBank, RingBuffer};
use ndarray::Array2;
use rand::Rng;

use crate::head::HeadConfig;

pub use any::{AnyMethod, MethodName, Settings, UnknownMethod};
pub use barlow_twins::BarlowTwins;
pub use byol::Byol;
pub use density_aware::DensityAwareContrast;
pub use dino::Dino;
pub use distilled::Distilled;
pub use false_negatives::FalseNegativeCancellation;
pub use instance::InstanceDiscrimination;
pub use mean_teacher::MeanTeacher;
pub use mochi::MoChi;
pub use moco::Moco;
pub use moco_v3::MocoV3;
pub use nnclr::Nnclr;
pub use on_views::{LabelledLoss, OnViews};
pub use pcl::Pcl;
pub use sim_siam::SimSiam;
pub use swav::SwAv;
pub use vic_reg::VicReg;

/// What the networks made of the views of a batch, view by view; row `i` of each comes from example `i`.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// The student's projections `[n, dim]`, not normalized.
    pub projected: Vec<Tensor<2>>,
    /// What the prediction head makes of them; the same where a method has none.
    pub predicted: Vec<Tensor<2>>,
    /// The teacher's projections of the views it is [shown](Parts::taught), off the graph.
    pub taught: Vec<Tensor<2>>,
}

impl Outputs {
    /// The same numbers, off the graph.
    pub fn detach(self) -> Self {
        let all = |rows: Vec<Tensor<2>>| rows.into_iter().map(Tensor::detach).collect();
        Self {
            projected: all(self.projected),
            predicted: all(self.predicted),
            taught: all(self.taught),
        }
    }
}

/// What is known of a step.
pub struct Now<'a> {
    /// Steps made before.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Which examples are in the batch.
    pub examples: &'a [usize],
    /// Their classes, for methods that are told; below 0 where it is not known.
    pub labels: Option<&'a [i64]>,
    /// What was kept of earlier batches.
    pub memory: &'a Memory,
    /// Where random numbers come from.
    pub random: &'a mut dyn Rng,
}

impl std::fmt::Debug for Now<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Now")
            .field("step", &self.step)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

/// What a learner keeps of earlier batches beside its networks.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Memory {
    /// The last keys, oldest first.
    pub queue: Option<RingBuffer<f32>>,
    /// A row for every example.
    pub bank: Option<MemoryBank<f32>>,
    /// Into which clusters the rows of the bank fell when they were last looked at.
    pub clusters: Option<ClusterPrototypes>,
}

impl Memory {
    /// The rows of the queue, off the graph; `None` while it is empty.
    pub fn queue(&self, device: &Device) -> Option<Tensor<2>> {
        let queue = self.queue.as_ref().filter(|queue| !queue.is_empty())?;
        let shape = [queue.len(), queue.dim()];
        let (rows, _) = queue.rows().into_raw_vec_and_offset();
        Some(Tensor::from_data(TensorData::new(rows, shape), device))
    }
}

/// What a method is built of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The projection head.
    pub projector: HeadConfig,
    /// The prediction head on the student, if there is one.
    pub predictor: Option<HeadConfig>,
    /// The teacher, if there is one.
    pub teacher: Option<TeacherConfig>,
    /// How many of the views the student sees, from the first on; all by default.
    pub student_views: usize,
    /// Which views the teacher is shown.
    pub taught: Range<usize>,
    /// Length of the queue, if there is one.
    pub queue: Option<usize>,
    /// Whether there is a memory bank, with a row for every example.
    pub bank: Option<BankConfig>,
    /// Share of the steps, from the first, in which the head's prototypes do not learn; 0 by default.
    pub still_prototypes: f64,
    /// Whether the prediction head keeps the peak learning rate; by default it follows the schedule.
    pub steady_predictor: bool,
    /// Into how many clusters the rows of the bank are put each epoch, at each granularity; none by default.
    pub clusters: Vec<usize>,
}

impl Parts {
    /// A projection head and nothing else; the student sees every view.
    pub fn new(projector: HeadConfig) -> Self {
        Self {
            projector,
            predictor: None,
            teacher: None,
            student_views: usize::MAX,
            taught: 0..2,
            queue: None,
            bank: None,
            still_prototypes: 0.0,
            steady_predictor: false,
            clusters: Vec::new(),
        }
    }

    /// Fewest views of an image that a batch must have.
    pub fn views(&self) -> usize {
        let of_teacher = self.teacher.map_or(0, |_| self.taught.end);
        of_teacher.max(self.student_views.min(2))
    }
}

/// A teacher that follows the student.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TeacherConfig {
    /// Its momentum, from 0 to 1; that of the first step, if it rises.
    pub momentum: f64,
    /// Whether the momentum rises to 1 along [a cosine](crate::cosine_momentum).
    pub rises: bool,
    /// Parts into which a shuffled batch is split for it, so that batch norm cannot tell which key belongs to which query
    /// (He et al., *Momentum Contrast*, CVPR 2020, section 3.3, there over GPUs); 1 leaves the batch whole.
    pub splits: usize,
}

impl TeacherConfig {
    /// A teacher that does not follow.
    pub(crate) fn still() -> Self {
        Self {
            momentum: 1.0,
            rises: false,
            splits: 1,
        }
    }

    /// Whether it does not follow.
    pub(crate) fn is_still(&self) -> bool {
        self.momentum >= 1.0 && !self.rises
    }
}

/// A bank with a row for every example.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BankConfig {
    /// Share that stays of a row when it is updated.
    pub momentum: f64,
}

/// A method of learning without labels: what it is built of, the loss of a batch of views, and what it keeps of one.
pub trait Method: Module + ModuleDisplay {
    /// The parts that its paper has, for a backbone that gives rows of length `features`.
    fn parts(&self, features: usize) -> Parts;

    /// The loss `[1]`.
    fn loss(&self, views: &Outputs, now: &mut Now<'_>) -> Tensor<1>;

    /// Rows `[n, dim]` for queue and bank, one for each example.
    fn keys(&self, _views: &Outputs) -> Option<Tensor<2>> {
        None
    }

    /// The loss of a network that tells nothing apart, for a batch of so many views of so many examples: what learning begins
    /// near, and is to leave. `None` where the method's loss does not say.
    fn chance(&self, _views: usize, _examples: usize, _memory: &Memory) -> Option<f64> {
        None
    }

    /// Itself after an optimizer step.
    fn after_step(self, _views: &Outputs, _now: &mut Now<'_>) -> Self {
        self
    }
}

/// Every view of an example has its number as label.
fn stacked(views: &[Tensor<2>]) -> (Tensor<2>, Tensor<1, Int>) {
    let [n, _] = views.first().map_or([0, 0], Tensor::dims);
    let rows = Tensor::cat(views.to_vec(), 0);
    let labels = (0..n as i64).collect::<Vec<_>>().repeat(views.len());
    let labels = upload_labels(labels, &rows.device());
    (rows, labels)
}

/// The same numbers on the host.
pub(crate) fn download(rows: Tensor<2>) -> Array2<f32> {
    let shape = rows.dims();
    let values = rows.into_data().iter::<f32>().collect();
    Array2::from_shape_vec(shape, values).expect("a tensor has as many values as its shape says")
}

/// A matrix of the host on a device.
fn upload(rows: Array2<f32>, device: &Device) -> Tensor<2> {
    let shape = [rows.nrows(), rows.ncols()];
    let values = rows.into_iter().collect::<Vec<_>>();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn upload_labels(labels: Vec<i64>, device: &Device) -> Tensor<1, Int> {
    let count = labels.len();
    Tensor::from_data(TensorData::new(labels, [count]), device)
}
