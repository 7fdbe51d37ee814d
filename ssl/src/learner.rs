use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};
use metric_losses::{CachedGradientsError, cached_gradients};
use metric_sampling::positives::PrototypeClustering;
use metric_sampling::{BufferError, MemoryBank, PrototypeError, RingBuffer};
use rand::Rng;
use rand::seq::SliceRandom;

use crate::gradients::take_gradients;
use crate::head::Head;
use crate::method::{Memory, Method, Now, Outputs, Parts, TeacherConfig, download};
use crate::momentum::{MomentumError, momentum_update, training_teacher_of};
use crate::network::{Backbone, Network};
use crate::schedule::cosine_momentum;

/// Why a learner cannot go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LearnError {
    /// A batch has fewer views than the method compares.
    #[error("the method compares {expected} views of an image, got {got}")]
    Views {
        /// How many there must be, at least.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// The teacher cannot follow.
    #[error(transparent)]
    Teacher(#[from] MomentumError),
    /// Keys do not fit into queue or bank.
    #[error(transparent)]
    Memory(#[from] BufferError),
    /// The rows of the bank could not be clustered.
    #[error(transparent)]
    Clusters(#[from] PrototypeError),
    /// A batch could not be learned from by chunks.
    #[error(transparent)]
    Chunks(#[from] CachedGradientsError),
}

/// All that learns by a method: the student, its prediction head, its teacher, and what the method itself has to learn or
/// keep as tensors. One record saves it; queue and bank are in [`Memory`].
///
/// A step is
///
/// 1. [`gradients`](Self::gradients) of a batch of views,
/// 2. an optimizer's step with them, as [`updated`](Self::updated) makes it,
/// 3. [`after_step`](Self::after_step) and [`remember`](Self::remember): the teacher follows, keys are queued.
///
/// Between two epochs comes [`after_epoch`](Self::after_epoch).
#[derive(Module, Debug)]
pub struct Learner<E: Module, M: Module> {
    /// The student.
    pub network: Network<E>,
    predictor: Option<Head>,
    /// The method.
    pub method: M,
    teacher: Option<Network<E>>,
    #[module(skip)]
    shown: Shown,
}

/// Which views go where.
#[derive(Debug, Clone)]
struct Shown {
    views: usize,
    student: usize,
    teacher: std::ops::Range<usize>,
    queue: Option<usize>,
    bank: Option<f64>,
    clusters: Vec<usize>,
    still_prototypes: f64,
    steady_predictor: bool,
    follows: Option<TeacherConfig>,
    dim: usize,
}

/// What a batch gives.
#[derive(Debug)]
pub struct Learned {
    /// The loss `[1]`, off the graph.
    pub loss: Tensor<1>,
    /// For the optimizer.
    pub gradients: GradientsParams,
    /// What was compared, off the graph.
    pub outputs: Outputs,
}

impl<E: Backbone, M: Method> Learner<E, M> {
    /// A learner with the parts of the method's paper, on a backbone that gives rows of length `features`.
    pub fn new(backbone: E, features: usize, method: M, device: &Device) -> Self {
        let parts = method.parts(features);
        Self::with_parts(backbone, method, &parts, device)
    }

    /// A learner with parts of one's own.
    ///
    /// # Panics
    /// If a head's widths are 0 or do not fit each other.
    pub fn with_parts(backbone: E, method: M, parts: &Parts, device: &Device) -> Self {
        let network = Network::new(backbone, &parts.projector, device);
        let predictor = parts.predictor.as_ref().map(|head| head.init(device));
        // Numbers are drawn at first use: here, so that a teacher begins with those of its student, and that they come
        // from the seed the device has now.
        network.visit(&mut Initialize);
        predictor.visit(&mut Initialize);
        method.visit(&mut Initialize);
        Self {
            predictor,
            teacher: parts.teacher.map(|_| training_teacher_of(&network)),
            network,
            method,
            shown: Shown {
                views: parts.views(),
                student: parts.student_views,
                teacher: parts.taught.clone(),
                queue: parts.queue,
                bank: parts.bank.map(|bank| bank.momentum),
                clusters: parts.clusters.clone(),
                still_prototypes: parts.still_prototypes,
                steady_predictor: parts.steady_predictor,
                follows: parts.teacher,
                dim: parts.projector.width(),
            },
        }
    }

    /// Fewest views of an image that a batch must have.
    pub fn views(&self) -> usize {
        self.shown.views
    }

    /// The same with this network as the teacher, which a learner of [`Distilled`](crate::Distilled) has to be given. Its
    /// batch norm has the statistics it learned.
    ///
    /// # Panics
    /// If the method has no teacher.
    pub fn with_teacher(mut self, teacher: Network<E>) -> Self {
        assert!(self.teacher.is_some(), "the method has no teacher");
        self.teacher = Some(teacher.valid().no_grad());
        self
    }

    /// The teacher, if the method has one.
    pub fn teacher(&self) -> Option<&Network<E>> {
        self.teacher.as_ref()
    }

    /// An empty queue and a random bank of `examples` rows, where the method has them.
    ///
    /// # Errors
    /// [`BufferError`] for a queue or bank without room.
    pub fn memory<R: Rng + ?Sized>(
        &self,
        examples: usize,
        random: &mut R,
    ) -> Result<Memory, BufferError> {
        let queue = self.shown.queue;
        let queue = queue.map(|length| RingBuffer::new(length, self.shown.dim));
        let bank = self.shown.bank.map(|momentum| {
            MemoryBank::random(examples, self.shown.dim, random)?
                .with_momentum(momentum)?
                .with_unit_rows()
        });
        Ok(Memory {
            queue: queue.transpose()?,
            bank: bank.transpose()?,
            clusters: None,
        })
    }

    /// The loss `[1]` of a batch and what was compared, on the graph.
    ///
    /// # Errors
    /// [`LearnError::Views`] if there are too few views.
    pub fn loss(
        &self,
        views: &[Tensor<4>],
        now: &mut Now<'_>,
    ) -> Result<(Tensor<1>, Outputs), LearnError> {
        self.check(views)?;
        let (projected, predicted) = self.study(views);
        let outputs = Outputs {
            projected,
            predicted,
            taught: self.teach(views, now.random),
        };
        Ok((self.method.loss(&outputs, now), outputs))
    }

    /// The loss of a batch and its gradients.
    ///
    /// With more than one chunk, memory is that of the network's activations for one chunk and of the outputs of all (see
    /// [`cached_gradients`]): value and gradients are those of the whole batch, but that batch norm, where the network has
    /// it, has the statistics of each chunk, and that the student runs twice.
    ///
    /// # Errors
    /// [`LearnError::Views`] if there are too few views, [`LearnError::Chunks`] without chunks or if the network gives
    /// other outputs the second time.
    pub fn gradients(
        &self,
        chunks: &[Vec<Tensor<4>>],
        now: &mut Now<'_>,
    ) -> Result<Learned, LearnError> {
        for views in chunks {
            self.check(views)?;
        }
        if let [views] = chunks {
            let (loss, outputs) = self.loss(views, now)?;
            let gradients = GradientsParams::from_grads(loss.backward(), self);
            return Ok(self.learned(loss, gradients, outputs, now));
        }
        let taught: Vec<_> = chunks
            .iter()
            .map(|views| self.teach(views, now.random))
            .collect();
        let mut outputs = Outputs {
            projected: Vec::new(),
            predicted: Vec::new(),
            taught: rows_joined(&taught),
        };
        let (loss, gradients) = cached_gradients(
            self,
            chunks,
            |learner, views| {
                let (mut all, predicted) = learner.study(&views);
                if learner.predictor.is_some() {
                    all.extend(predicted);
                }
                Tensor::cat(all, 1)
            },
            |learner, rows| {
                outputs.projected = rows.split(learner.shown.dim, 1);
                outputs.predicted = if learner.predictor.is_some() {
                    let views = outputs.projected.len() / 2;
                    outputs.projected.split_off(views)
                } else {
                    outputs.projected.clone()
                };
                learner.method.loss(&outputs, now)
            },
        )?;
        Ok(self.learned(loss, gradients, outputs, now))
    }

    /// Off the graph, and without the gradients of what stands still.
    fn learned(
        &self,
        loss: Tensor<1>,
        mut gradients: GradientsParams,
        outputs: Outputs,
        now: &Now<'_>,
    ) -> Learned {
        if (now.step as f64) < self.shown.still_prototypes * now.steps as f64 {
            take_gradients(&self.network.projector.prototypes, &mut gradients);
        }
        Learned {
            loss: loss.detach(),
            gradients,
            outputs: outputs.detach(),
        }
    }

    /// The learner after an optimizer's step at a learning rate; a prediction head that is
    /// [to keep it](Parts::steady_predictor) moves at the `peak` of the schedule.
    pub fn updated(
        self,
        optimizer: &mut ModuleOptimizer,
        rate: f64,
        peak: f64,
        mut gradients: GradientsParams,
    ) -> Self {
        let steady = self
            .predictor
            .as_ref()
            .filter(|_| self.shown.steady_predictor);
        let steady = steady.map(|head| take_gradients(head, &mut gradients));
        let learner = optimizer.step(rate, self, gradients);
        match steady {
            Some(gradients) => optimizer.step(peak, learner, gradients),
            None => learner,
        }
    }

    /// The learner after an optimizer step: the teacher has followed, the method moved on.
    ///
    /// # Errors
    /// [`LearnError::Teacher`] for a momentum out of range.
    pub fn after_step(mut self, outputs: &Outputs, now: &mut Now<'_>) -> Result<Self, LearnError> {
        let follows = self.shown.follows.filter(|follows| !follows.is_still());
        if let Some(follows) = follows
            && let Some(teacher) = self.teacher.take()
        {
            let momentum = match follows.rises {
                true => cosine_momentum(follows.momentum, now.step, now.steps),
                false => follows.momentum,
            };
            self.teacher = Some(momentum_update(teacher, &self.network, momentum)?);
        }
        self.method = self.method.after_step(outputs, now);
        Ok(self)
    }

    /// Puts the batch's keys into bank and queue. What refuses them stays as it was.
    ///
    /// # Errors
    /// [`LearnError::Memory`] for more keys than the queue holds, unknown examples, or keys that are not finite.
    pub fn remember(
        &self,
        outputs: &Outputs,
        examples: &[usize],
        memory: &mut Memory,
    ) -> Result<(), LearnError> {
        if memory.queue.is_none() && memory.bank.is_none() {
            return Ok(());
        }
        let Some(keys) = self.method.keys(outputs) else {
            return Ok(());
        };
        let keys = download(keys);
        if let Some(bank) = &mut memory.bank {
            bank.update(examples, keys.view())?;
        }
        if let Some(queue) = &mut memory.queue {
            let labels: Vec<i64> = examples.iter().map(|&example| example as i64).collect();
            queue.push(keys.view(), &labels)?;
        }
        Ok(())
    }

    /// Puts the rows of the bank into clusters, where the method has them, with k-means; does nothing for all others.
    ///
    /// # Errors
    /// [`LearnError::Clusters`] for more clusters than examples.
    pub fn after_epoch(&self, memory: &mut Memory, random: &mut dyn Rng) -> Result<(), LearnError> {
        if let Some(bank) = memory
            .bank
            .as_ref()
            .filter(|_| !self.shown.clusters.is_empty())
        {
            let clustering = PrototypeClustering::new(&self.shown.clusters)?;
            memory.clusters = Some(clustering.fit(bank.rows(), random)?);
        }
        Ok(())
    }

    fn check(&self, views: &[Tensor<4>]) -> Result<(), LearnError> {
        let (expected, got) = (self.views(), views.len());
        if got < expected {
            return Err(LearnError::Views { expected, got });
        }
        Ok(())
    }

    /// The student's projections and predictions of the views it sees.
    fn study(&self, views: &[Tensor<4>]) -> (Vec<Tensor<2>>, Vec<Tensor<2>>) {
        let seen = &views[..views.len().min(self.shown.student)];
        let projected: Vec<_> = seen
            .iter()
            .map(|view| self.network.forward(view.clone()))
            .collect();
        let predicted = match &self.predictor {
            Some(head) => projected.iter().map(|z| head.forward(z.clone())).collect(),
            None => projected.clone(),
        };
        (projected, predicted)
    }

    /// The teacher's projections of the views it is shown, off the graph.
    fn teach(&self, views: &[Tensor<4>], random: &mut dyn Rng) -> Vec<Tensor<2>> {
        let Some(teacher) = &self.teacher else {
            return Vec::new();
        };
        let splits = self.shown.follows.map_or(1, |follows| follows.splits);
        let shown = views[self.shown.teacher.clone()].iter();
        shown
            .map(|view| shuffled(teacher, view.clone(), splits, random).detach())
            .collect()
    }
}

/// A network's projections of a batch that is shuffled and split for it, in the order of the batch.
fn shuffled<E: Backbone>(
    network: &Network<E>,
    images: Tensor<4>,
    splits: usize,
    random: &mut dyn Rng,
) -> Tensor<2> {
    let n = images.dims()[0];
    // Batch norm needs two rows a part.
    let size = n.div_ceil(splits.max(1)).max(2);
    if size >= n {
        return network.forward(images);
    }
    let mut order: Vec<i64> = (0..n as i64).collect();
    order.shuffle(random);
    let mut place = vec![0_i64; n];
    for (at, &row) in (0..).zip(&order) {
        place[row as usize] = at;
    }
    let device = images.device();
    let upload = |rows: Vec<i64>| Tensor::<1, Int>::from_data(TensorData::new(rows, [n]), &device);
    let mut parts = images.select(0, upload(order)).split(size, 0);
    if let [.., before, last] = parts.as_slice()
        && last.dims()[0] < 2
    {
        let joined = Tensor::cat(vec![before.clone(), last.clone()], 0);
        parts.truncate(parts.len() - 2);
        parts.push(joined);
    }
    let rows = parts
        .into_iter()
        .map(|part| network.forward(part))
        .collect();
    Tensor::cat(rows, 0).select(0, upload(place))
}

/// Of lists of matrices that of each place, one under another.
fn rows_joined(lists: &[Vec<Tensor<2>>]) -> Vec<Tensor<2>> {
    let places = lists.first().map_or(0, Vec::len);
    (0..places)
        .map(|place| Tensor::cat(lists.iter().map(|list| list[place].clone()).collect(), 0))
        .collect()
}

pub(crate) struct Initialize;

impl ModuleVisitor for Initialize {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let _ = param.val();
    }
}
