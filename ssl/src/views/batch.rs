use ndarray::Array4;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::image::Canvas;
use super::plan::Worker;
use super::{ImageRef, ImageShape, Recipe, ViewError};

/// Two or more recipes, each of which makes a view of every image of a batch.
///
/// Every view has a generator of its own (`ChaCha8`), made from the seed, the draw of its image and the number of the recipe.
/// A draw is any number that is used once, such as `epoch · images + index`; views then depend neither on the number of
/// threads nor on what else is in the batch.
///
/// # Examples
/// ```
/// use metric_ssl::views::{ImageRef, ImageShape, Recipe, Views};
///
/// let pixels = [200u8; 3 * 32 * 32];
/// let image = ImageRef::bytes(ImageShape::new(3, 32, 32)?, &pixels)?;
/// let views = Views::pair(Recipe::simclr_cifar())?;
/// let made = views.make(&[image, image], 7, &[0, 1])?;
/// assert_eq!(made.len(), 2);
/// assert_eq!(made[0].dim(), (2, 3, 32, 32));
/// # Ok::<(), metric_ssl::views::ViewError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Views {
    recipes: Vec<Recipe>,
}

impl Views {
    /// # Errors
    /// [`ViewError::NoRecipe`], or as [`Recipe::validate`].
    pub fn new(recipes: Vec<Recipe>) -> Result<Self, ViewError> {
        if recipes.is_empty() {
            return Err(ViewError::NoRecipe);
        }
        recipes.iter().try_for_each(Recipe::validate)?;
        Ok(Self { recipes })
    }

    /// What makes each view.
    pub fn recipes(&self) -> &[Recipe] {
        &self.recipes
    }

    /// One array for each recipe, `[n, channels, side, side]`, in the order of `batch`. Images may differ in size.
    ///
    /// # Errors
    /// [`ViewError::Draws`] if there are not as many draws as images, [`ViewError::Channels`] if channels differ, or
    /// [`ViewError::TooLarge`].
    pub fn make(
        &self,
        batch: &[ImageRef<'_>],
        seed: u64,
        draws: &[u64],
    ) -> Result<Vec<Array4<f32>>, ViewError> {
        let (images, count) = (batch.len(), draws.len());
        if images != count {
            let draws = count;
            return Err(ViewError::Draws { images, draws });
        }
        let channels = batch.first().map_or(1, |image| image.shape().channels);
        let other = batch
            .iter()
            .position(|image| image.shape().channels != channels);
        if let Some(index) = other {
            return Err(ViewError::Channels {
                index,
                expected: channels,
                got: batch[index].shape().channels,
            });
        }
        let view = |(number, recipe): (usize, &Recipe)| {
            let side = recipe.side;
            let shape = ImageShape::new(channels, side, side)?;
            let length = images.checked_mul(shape.values());
            let length = length.ok_or(ViewError::TooLarge { images, side })?;
            let mut values = vec![0.0f32; length];
            values
                .par_chunks_exact_mut(shape.values())
                .zip(batch.par_iter().zip(draws))
                .for_each_init(Worker::new, |worker, (values, (image, &draw))| {
                    let mut rng = generator(seed, draw, number as u64);
                    recipe.draw(image.shape(), &mut rng, &mut worker.plan);
                    worker.run(*image, &mut Canvas { shape, values });
                });
            Array4::from_shape_vec((images, channels, side, side), values)
                .map_err(|_| ViewError::TooLarge { images, side })
        };
        self.recipes.iter().enumerate().map(view).collect()
    }
}

fn generator(seed: u64, draw: u64, view: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    let words = [seed, draw, view].map(u64::to_le_bytes);
    key[..24].copy_from_slice(words.as_flattened());
    ChaCha8Rng::from_seed(key)
}
