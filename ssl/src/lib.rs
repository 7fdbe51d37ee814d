//! Learning without labels: the parts that self-supervised methods are built from.
//!
//! They are the momentum encoder (mean teacher), [`momentum_update`], with the momentum schedule
//! [`cosine_momentum`], and [`views`]: random crops, colours and blurs of images, with the recipes
//! of the papers. Losses are in `metric-losses`.
//!
//! ```
//! use burn::nn::LinearConfig;
//! use burn::module::Module;
//! use burn::tensor::Device;
//! use metric_ssl::{MomentumError, cosine_momentum, momentum_update, teacher_of};
//!
//! let student = LinearConfig::new(8, 4).init(&Device::flex().autodiff());
//! let mut teacher = teacher_of(&student);
//! for step in 0..10 {
//!     // ... an optimizer step on the student ...
//!     teacher = momentum_update(teacher, &student, cosine_momentum(0.99, step, 10))?;
//! }
//! assert!(!teacher.weight.val().is_require_grad());
//! # Ok::<(), MomentumError>(())
//! ```

mod momentum;
pub mod views;

pub use momentum::{MomentumError, cosine_momentum, momentum_update, teacher_of};
