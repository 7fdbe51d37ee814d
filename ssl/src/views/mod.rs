//! Views: random crops, colours and blurs of an image, the two or more sides of it that self-supervised methods compare.
//!
//! - [`Image`] and [`ImageRef`]: grey or RGB, `[channels, height, width]`, from bytes or numbers from 0 to 1.
//! - Operations with their numbers given, such as [`resized_crop`] and [`adjust_hue`], in the definitions of torchvision for
//!   images of floats.
//! - [`Transform`]: an operation with random numbers; [`Recipe`]: those that make one view, with constructors for the papers';
//!   [`Views`]: recipes over a batch, in parallel.
//! - [`Prefetch`]: makes batches while others are in use.
//!
//! A grey image stays grey: what concerns colour leaves it as it is.

mod affine;
mod batch;
mod blur;
mod color;
mod erase;
mod error;
mod image;
mod kernel;
mod papers;
mod plan;
mod prefetch;
mod recipe;
mod resize;
mod transform;

pub use affine::{AffineMap, affine};
pub use batch::Views;
pub use blur::gaussian_blur;
pub use color::{
    ColorStep, adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation, grayscale,
    solarize,
};
pub use erase::{cutout, erase};
pub use error::ViewError;
pub use image::{Image, ImageRef, ImageShape, Rect};
pub use plan::{Plan, Step};
pub use prefetch::Prefetch;
pub use recipe::Recipe;
pub use resize::{horizontal_flip, resized_crop};
pub use transform::Transform;
