//! What can be wrong with images, recipes and batches of views.

/// Why views cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// An image is neither grey nor RGB, or has no pixel.
    #[error(
        "an image must have 1 or 3 channels and at least one pixel, got {channels} x {height} x {width}"
    )]
    Shape {
        /// Channels given.
        channels: usize,
        /// Rows given.
        height: usize,
        /// Columns given.
        width: usize,
    },
    /// There are more or fewer values than the shape has.
    #[error("an image of this shape has {expected} values, got {got}")]
    Length {
        /// What the shape says.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// A value is not a brightness.
    #[error("value {index} of an image must be from 0 to 1, got {got}")]
    Value {
        /// Which one.
        index: usize,
        /// What it is.
        got: f32,
    },
    /// A parameter is out of its range.
    #[error("{name} must be {expected}, got {got}")]
    InvalidParam {
        /// Name of the parameter.
        name: &'static str,
        /// The range in words.
        expected: &'static str,
        /// The value given.
        got: f64,
    },
    /// The two ends of a range are out of order or out of bounds.
    #[error("{name} must be {expected}, got from {low} to {high}")]
    InvalidRange {
        /// Name of the parameter.
        name: &'static str,
        /// What is allowed, in words.
        expected: &'static str,
        /// Lower end given.
        low: f64,
        /// Upper end given.
        high: f64,
    },
    /// A rectangle is empty or leaves the image.
    #[error(
        "a rectangle of {height} x {width} at ({top}, {left}) is not within an image of {rows} x {columns}"
    )]
    Rect {
        /// First row.
        top: usize,
        /// First column.
        left: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Rows of the image.
        rows: usize,
        /// Columns of the image.
        columns: usize,
    },
    /// A crop stands behind another transform, or there are two.
    #[error("a crop must be the only one and come first, got one as transform {index}")]
    CropNotFirst {
        /// Its place.
        index: usize,
    },
    /// There is no recipe.
    #[error("views need at least one recipe")]
    NoRecipe,
    /// The images of a batch differ in their channels.
    #[error("image {index} has {got} channels, the first one {expected}")]
    Channels {
        /// Which image.
        index: usize,
        /// Channels of the first.
        expected: usize,
        /// Channels of this one.
        got: usize,
    },
    /// Every image needs the number of its draw.
    #[error("a batch of {images} images needs as many draws, got {draws}")]
    Draws {
        /// Images given.
        images: usize,
        /// Numbers given.
        draws: usize,
    },
    /// The batch is too large to be held.
    #[error("a batch of {images} views of {side} x {side} pixels is too large")]
    TooLarge {
        /// Images given.
        images: usize,
        /// Side of a view.
        side: usize,
    },
}

impl ViewError {
    pub(super) fn param(name: &'static str, expected: &'static str, got: f64) -> Self {
        Self::InvalidParam {
            name,
            expected,
            got,
        }
    }
}
