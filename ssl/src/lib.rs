//! Learning without labels: the parts that self-supervised methods are built of, and the methods.
//!
//! Two views of one image are alike. A [`Method`] is a loss of what networks make of such views, together with the
//! [`Parts`] that its paper has: projection and prediction heads, a teacher with its momentum, a queue. A [`Learner`] puts
//! them on a [`Backbone`] of yours. [`views`] makes views of images, with the recipes of the papers. Losses are in
//! `metric-losses`, the queue is `metric-sampling`'s ring buffer. [`Towers`] learn from pairs of inputs of two kinds,
//! images and texts say. Which method to take when is said in `CHOOSING.md`.
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::{Linear, LinearConfig};
//! use burn::optim::ModuleOptimizer;
//! use burn::tensor::{Device, Distribution, Tensor};
//! use metric_ssl::{Backbone, Lars, Learner, Now, OnViews};
//! use rand::SeedableRng;
//!
//! #[derive(Module, Debug)]
//! struct Pixels {
//!     linear: Linear,
//! }
//!
//! impl Backbone for Pixels {
//!     fn features(&self, images: Tensor<4>) -> Tensor<2> {
//!         self.linear.forward(images.flatten(1, 3))
//!     }
//! }
//!
//! let device = Device::flex().autodiff();
//! let backbone = Pixels { linear: LinearConfig::new(16, 8).init(&device) };
//! let mut learner = Learner::new(backbone, 8, OnViews::sim_clr(0.5, &device), &device);
//! let mut optimizer = ModuleOptimizer::from(Lars::default());
//! let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
//! let mut memory = learner.memory(100, &mut random)?;
//! for step in 0..2 {
//!     // Two views of four images, which would come from `views`.
//!     let views = [0, 1].map(|_| Tensor::random([4, 1, 4, 4], Distribution::Default, &device));
//!     let examples = [3, 1, 4, 15];
//!     let mut now = Now { step, steps: 2, examples: &examples, labels: None, memory: &memory, random: &mut random };
//!     let learned = learner.gradients(&[views.to_vec()], &mut now)?;
//!     learner = learner.updated(&mut optimizer, 0.1, 0.1, learned.gradients);
//!     learner = learner.after_step(&learned.outputs, &mut now)?;
//!     learner.remember(&learned.outputs, &examples, &mut memory)?;
//! }
//! let features = learner.network.backbone.valid();
//! # let _ = features;
//! # Ok::<(), metric_ssl::LearnError>(())
//! ```

mod gradients;
mod head;
mod judge;
mod lars;
mod learner;
mod method;
mod momentum;
mod network;
mod schedule;
mod towers;
pub mod views;

pub use gradients::{clip_global_norm, take_gradients};
pub use head::{Head, HeadConfig, LastNorm};
pub use judge::{
    Collapse, CollapseLimits, Guessing, LinearProbe, ProbeError, Spread, Vote, alignment,
    knn_accuracy, uniformity,
};
pub use lars::{Lars, LarsState};
pub use learner::{LearnError, Learned, Learner};
pub use method::{
    AnyMethod, BankConfig, BarlowTwins, Byol, DensityAwareContrast, Dino, Distilled,
    FalseNegativeCancellation, InstanceDiscrimination, LabelledLoss, MeanTeacher, Memory, Method,
    MethodName, MoChi, Moco, MocoV3, Nnclr, Now, OnViews, Outputs, Parts, Pcl, Settings, SimSiam,
    SwAv, TeacherConfig, UnknownMethod, VicReg,
};
pub use momentum::{MomentumError, momentum_update, teacher_of, training_teacher_of};
pub use network::{Backbone, Network};
pub use schedule::{cosine, cosine_momentum, warm_up_cosine};
pub use towers::{
    AlbefConfig, Tower, Towers, TowersError, TowersLearned, TowersMemory, cross_recall,
};
