use rand::Rng;
use serde::{Deserialize, Serialize};

use super::plan::{Plan, Worker};
use super::{Image, ImageRef, ImageShape, Rect, Transform, ViewError};

/// How one view is made of an image: its side, and what happens on the way.
///
/// A [`Transform::RandomResizedCrop`] may come first; without one, all of the image is brought to the size of the view.
/// Everything after that is done to the view, which is small.
///
/// # Examples
/// ```
/// use metric_ssl::views::{Image, ImageShape, Recipe, Transform};
/// use rand::SeedableRng;
///
/// let recipe = Recipe {
///     side: 16,
///     transforms: vec![
///         Transform::RandomResizedCrop { scale: [0.2, 1.0], ratio: [0.75, 4.0 / 3.0] },
///         Transform::HorizontalFlip { p: 0.5 },
///     ],
/// };
/// let image = Image::from_bytes(ImageShape::new(3, 32, 32)?, &[128; 3 * 32 * 32])?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// assert_eq!(recipe.view(image.view(), &mut rng)?.shape(), ImageShape::new(3, 16, 16)?);
/// # Ok::<(), metric_ssl::views::ViewError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Rows and columns of the view.
    pub side: usize,
    /// What happens, in order.
    pub transforms: Vec<Transform>,
}

impl Recipe {
    /// # Errors
    /// [`ViewError`] if the side is 0 or a view too large, a crop is not the first, or a number is out of its range.
    pub fn validate(&self) -> Result<(), ViewError> {
        let side = self.side;
        ImageShape::new(3, side, side).map_err(|_| {
            ViewError::param("side of a view", "at least 1 and to be held", side as f64)
        })?;
        for (index, transform) in self.transforms.iter().enumerate() {
            let is_crop = matches!(transform, Transform::RandomResizedCrop { .. });
            if is_crop && index > 0 {
                return Err(ViewError::CropNotFirst { index });
            }
            transform.validate()?;
        }
        Ok(())
    }

    /// Draws what happens to an image of this shape.
    ///
    /// # Errors
    /// As [`validate`](Self::validate), or [`ViewError::Shape`].
    pub fn plan<R: Rng + ?Sized>(
        &self,
        source: ImageShape,
        rng: &mut R,
    ) -> Result<Plan, ViewError> {
        self.validate()?;
        source.check()?;
        let mut worker = Worker::new();
        self.draw(source, rng, &mut worker.plan);
        Ok(worker.plan)
    }

    /// Makes one view.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn view<R: Rng + ?Sized>(
        &self,
        image: ImageRef<'_>,
        rng: &mut R,
    ) -> Result<Image, ViewError> {
        self.validate()?;
        let shape = ImageShape::new(image.shape().channels, self.side, self.side)?;
        let (mut out, mut worker) = (Image::black(shape), Worker::new());
        self.draw(image.shape(), rng, &mut worker.plan);
        worker.run(image, &mut out.canvas());
        Ok(out)
    }

    /// The recipe is valid.
    pub(super) fn draw<R: Rng + ?Sized>(&self, source: ImageShape, rng: &mut R, plan: &mut Plan) {
        plan.reset(Rect::whole(source));
        for transform in &self.transforms {
            transform.draw(source, self.side, rng, plan);
        }
    }
}
