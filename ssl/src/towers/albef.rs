use burn::config::Config;
use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use metric_losses::{ConfigError, SoftInfoNceLoss, SoftInfoNceLossConfig, l2_normalize};

use super::memory::queued;
use super::{Tower, TowersError, TowersMemory, paired};
use crate::momentum::{momentum_update, training_teacher_of};

/// What ALBEF's contrast has beside its towers.
#[derive(Config, Debug)]
pub struct AlbefConfig {
    /// The loss of either side, with the final share `α` of the teachers. Default: that of the paper, `T` learned from `0.07`
    /// and `α = 0.4`.
    #[config(default = "SoftInfoNceLossConfig::new().with_learn_temperature(true)")]
    pub loss: SoftInfoNceLossConfig,
    /// Share of all steps over which `α` rises from 0. Default: `1/30`, the first of the paper's 30 epochs.
    #[config(default = "1.0 / 30.0")]
    pub ramp: f64,
    /// Momentum `m` of the teachers. Default: `0.995`.
    #[config(default = 0.995)]
    pub momentum: f64,
    /// Length of each queue. Default: `65536`.
    #[config(default = 65536)]
    pub queue: usize,
}

impl AlbefConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first field out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.loss.validate()?;
        for (name, got) in [("ramp", self.ramp), ("momentum", self.momentum)] {
            if !(0.0..=1.0).contains(&got) {
                let expected = "from 0 to 1";
                return Err(ConfigError::OutOfRange {
                    name,
                    expected,
                    got,
                });
            }
        }
        if self.queue == 0 {
            return Err(ConfigError::OutOfRange {
                name: "queue",
                expected: "at least 1",
                got: 0.0,
            });
        }
        Ok(())
    }

    /// `α` when this share of all steps is made: `α · min(1, done / ramp)`.
    pub fn alpha(&self, done: f64) -> f64 {
        match done < self.ramp {
            true => self.loss.alpha * done / self.ramp,
            false => self.loss.alpha,
        }
    }
}

/// The momentum teachers of two towers, and the loss by what they say.
#[derive(Module, Debug)]
pub(super) struct Albef<A: Module, B: Module> {
    pub(super) a: A,
    pub(super) b: B,
    loss: SoftInfoNceLoss,
    #[module(skip)]
    config: AlbefConfig,
}

impl<A: Module + ModuleDisplay, B: Module + ModuleDisplay> Albef<A, B> {
    /// # Panics
    /// If the configuration is not valid.
    pub(super) fn new(a: &A, b: &B, config: &AlbefConfig, device: &Device) -> Self {
        if let Err(error) = config.validate() {
            panic!("{error}");
        }
        Self {
            a: training_teacher_of(a),
            b: training_teacher_of(b),
            loss: config.loss.init(device),
            config: config.clone(),
        }
    }

    pub(super) fn queue(&self) -> usize {
        self.config.queue
    }

    pub(super) fn temperature(&self) -> Option<Tensor<1>> {
        self.loss.temperature()
    }

    /// The teachers' unit rows of a batch, off the graph.
    pub(super) fn teach<X: Clone, Y: Clone>(
        &self,
        chunks: &[(X, Y)],
    ) -> Result<[Tensor<2>; 2], TowersError>
    where
        A: Tower<X>,
        B: Tower<Y>,
    {
        let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
        for (x, y) in chunks {
            let [a, b] = paired(self.a.embed(x.clone()), self.b.embed(y.clone()))?;
            of_a.push(l2_normalize(a).detach());
            of_b.push(l2_normalize(b).detach());
        }
        Ok([of_a, of_b].map(|rows| Tensor::cat(rows, 0)))
    }

    /// The mean of the loss of `a` among the teacher's rows of `b` and of `b` among those of `a`.
    pub(super) fn loss(
        &self,
        [a, b]: [Tensor<2>; 2],
        [of_a, of_b]: &[Tensor<2>; 2],
        done: f64,
        memory: &TowersMemory,
    ) -> Result<Tensor<1>, TowersError> {
        let loss = self.loss.clone().with_alpha(self.config.alpha(done))?;
        let (queue_a, queue_b) = (queued(&memory.a, of_a)?, queued(&memory.b, of_b)?);
        let among_b = loss.forward(a, of_a.clone(), of_b.clone(), queue_b);
        let among_a = loss.forward(b, of_b.clone(), of_a.clone(), queue_a);
        Ok((among_b + among_a) * 0.5)
    }

    /// After an optimizer step: teachers have followed, a learned temperature is within its bounds.
    pub(super) fn follow(self, a: &A, b: &B) -> Result<Self, TowersError> {
        let momentum = self.config.momentum;
        Ok(Self {
            a: momentum_update(self.a, a, momentum)?,
            b: momentum_update(self.b, b, momentum)?,
            loss: self.loss.clamped(),
            config: self.config,
        })
    }
}
