use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use metric_sampling::{BatchSampler, UniformSampler};
use metric_ssl::views::{ImageRef, ImageShape, Prefetch, Recipe, ViewError, Views};
use metric_ssl::{AnyMethod, Method};
use ndarray::Array4;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::config::{PretrainConfig, ViewsName};
use crate::data::ImageSet;
use crate::run::error::RunError;
use crate::run::examples::Examples;

/// Batches made ahead of the one in use.
const AHEAD: usize = 2;
/// Small crops of a multi-crop recipe.
const SMALL_VIEWS: usize = 4;
/// Known sets whose images are other characters when they are mirrored.
const CHARACTERS: [&str; 3] = ["digits", "mnist", "omniglot"];

/// All batches of a run: the one of a step depends on nothing but the seed and the step.
#[derive(Clone)]
pub(super) struct Batches {
    images: Arc<ImageSet>,
    sampler: UniformSampler,
    /// The class of every example, below 0 where it is not told.
    labels: Arc<[i64]>,
    size: usize,
    views: Views,
    seed: u64,
}

/// Views of the examples of a batch.
#[derive(Debug, Clone)]
pub struct ViewBatch {
    /// The examples' places in the training set.
    pub examples: Vec<usize>,
    /// The class of every example, below 0 where it is not told.
    pub(super) labels: Vec<i64>,
    /// View by view `[n, channels, side, side]`.
    pub views: Vec<Array4<f32>>,
}

impl Batches {
    /// Batches with as many views of an image as the method compares, at least.
    pub(super) fn new(config: &PretrainConfig, train: &Examples) -> Result<Self, RunError> {
        let Examples::Images(images) = train else {
            return Err(RunError::Invalid(
                "learning without labels makes views of images, and features have none".into(),
            ));
        };
        let size = config.batch;
        let failed = |source| RunError::Sampler {
            classes: size,
            per_class: 1,
            source,
        };
        if size > images.len() {
            return Err(RunError::Invalid(format!(
                "--batch {size} is more than the {} training images",
                images.len()
            )));
        }
        let method = AnyMethod::new(config.method, &config.settings, &Device::flex());
        let parts = config.settings.apply(method.parts(1));
        if parts.queue.is_some_and(|length| length < size) {
            return Err(RunError::Invalid("--queue must hold a batch".into()));
        }
        Ok(Self {
            sampler: UniformSampler::new(images.len(), size).map_err(failed)?,
            views: views(config, images, parts.views()).map_err(refused)?,
            labels: told(images.labels(), config.labelled).into(),
            images: Arc::new(images.clone()),
            size,
            seed: config.seed,
        })
    }

    /// Batches of an epoch; examples that do not fill one are left for another epoch.
    pub(super) fn per_epoch(&self) -> u64 {
        (self.images.len() / self.size) as u64
    }

    /// The batches of steps `first..steps`, made on a thread of their own.
    pub(super) fn from(
        &self,
        first: u64,
        steps: u64,
    ) -> Result<Prefetch<Result<ViewBatch, RunError>>, RunError> {
        let batches = self.clone();
        let mut epoch = (u64::MAX, Vec::new());
        let each = (first..steps).map(move |step| {
            let number = step / batches.per_epoch();
            if epoch.0 != number {
                epoch = (number, batches.epoch(number));
            }
            let at = (step % batches.per_epoch()) as usize;
            batches.make(step, epoch.1[at].clone())
        });
        Prefetch::new(AHEAD, each).map_err(|source| RunError::Io {
            path: "a thread for views".into(),
            source,
        })
    }

    fn epoch(&self, number: u64) -> Vec<Vec<usize>> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(number);
        self.sampler.epoch(&mut random)
    }

    fn make(&self, step: u64, examples: Vec<usize>) -> Result<ViewBatch, RunError> {
        let shape = shape(&self.images).map_err(refused)?;
        let images = examples
            .iter()
            .map(|&i| ImageRef::bytes(shape, self.images.image(i)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(refused)?;
        let size = self.size as u64;
        let draws: Vec<u64> = (0..examples.len() as u64)
            .map(|i| step * size + i)
            .collect();
        let views = self
            .views
            .make(&images, self.seed, &draws)
            .map_err(refused)?;
        Ok(ViewBatch {
            labels: examples.iter().map(|&i| self.labels[i]).collect(),
            views,
            examples,
        })
    }
}

impl ViewBatch {
    /// The views on a device, in chunks of so many examples.
    pub(super) fn upload(&self, chunk: Option<usize>, device: &Device) -> Vec<Vec<Tensor<4>>> {
        let n = self.examples.len();
        let size = chunk.unwrap_or(n);
        (0..n)
            .step_by(size)
            .map(|from| {
                let rows = from..(from + size).min(n);
                let part = |view: &Array4<f32>| {
                    let part = view.slice(ndarray::s![rows.clone(), .., .., ..]);
                    let shape = [0, 1, 2, 3].map(|axis| part.shape()[axis]);
                    let values: Vec<f32> = part.iter().copied().collect();
                    Tensor::from_data(TensorData::new(values, shape), device)
                };
                self.views.iter().map(part).collect()
            })
            .collect()
    }
}

/// Views of the images' own size. Where a method needs more than a recipe has, its last is repeated.
fn views(config: &PretrainConfig, images: &ImageSet, at_least: usize) -> Result<Views, ViewError> {
    let shape = images.shape();
    let side = shape.height;
    let is_characters = CHARACTERS.contains(&config.data.name.as_str());
    let name = match config.views {
        ViewsName::Auto if is_characters => ViewsName::Characters,
        ViewsName::Auto if shape.channels == 1 => ViewsName::SmallGrey,
        ViewsName::Auto => ViewsName::Simclr,
        name => name,
    };
    let views = match name {
        ViewsName::SmallGrey => Views::pair(Recipe::small_grey(side)),
        ViewsName::Characters => Views::pair(Recipe::characters(side)),
        ViewsName::Auto | ViewsName::Simclr => Views::pair(Recipe::simclr(side, 0.5)),
        ViewsName::MocoV1 => Views::pair(Recipe::moco_v1(side)),
        ViewsName::MocoV2 => Views::pair(Recipe::moco_v2(side)),
        ViewsName::Byol => Views::byol(side),
        ViewsName::Swav => Views::swav(side, side, SMALL_VIEWS),
        ViewsName::Dino => Views::dino(side, side, SMALL_VIEWS),
    }?;
    let mut recipes = views.recipes().to_vec();
    while recipes.len() < at_least {
        recipes.extend(views.recipes().last().cloned());
    }
    Views::new(recipes)
}

/// The classes of all examples, or of the first so many of each class; others are below 0.
pub(super) fn told(labels: &[u32], labelled: Option<usize>) -> Vec<i64> {
    let classes = labels.iter().max().map_or(0, |&last| last as usize + 1);
    let mut left = vec![labelled.unwrap_or(usize::MAX); classes];
    let tell = |&class: &u32| {
        let left = &mut left[class as usize];
        let is_told = *left > 0;
        *left = left.saturating_sub(1);
        if is_told { i64::from(class) } else { -1 }
    };
    labels.iter().map(tell).collect()
}

fn shape(images: &ImageSet) -> Result<ImageShape, ViewError> {
    let shape = images.shape();
    ImageShape::new(shape.channels, shape.height, shape.width)
}

fn refused(source: ViewError) -> RunError {
    RunError::Views { source }
}
