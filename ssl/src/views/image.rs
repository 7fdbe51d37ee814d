use super::ViewError;

/// Size of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageShape {
    /// 1 for grey, 3 for RGB.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageShape {
    /// # Errors
    /// [`ViewError::Shape`] unless there are 1 or 3 channels and at least one pixel.
    pub fn new(channels: usize, height: usize, width: usize) -> Result<Self, ViewError> {
        let shape = Self {
            channels,
            height,
            width,
        };
        shape.check()?;
        Ok(shape)
    }

    /// Pixels of one channel.
    pub fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Values of all channels.
    pub fn values(self) -> usize {
        self.channels * self.pixels()
    }

    pub(super) fn check(self) -> Result<(), ViewError> {
        let Self {
            channels,
            height,
            width,
        } = self;
        let values = height
            .checked_mul(width)
            .and_then(|pixels| pixels.checked_mul(channels));
        if matches!(channels, 1 | 3) && values.is_some_and(|values| values > 0) {
            return Ok(());
        }
        Err(ViewError::Shape {
            channels,
            height,
            width,
        })
    }

    fn check_length(self, got: usize) -> Result<(), ViewError> {
        self.check()?;
        let expected = self.values();
        if expected == got {
            Ok(())
        } else {
            Err(ViewError::Length { expected, got })
        }
    }
}

/// An image of its own: values from 0 to 1, one channel after the other, `[channels, height, width]`.
///
/// # Examples
/// ```
/// use metric_ssl::views::{Image, ImageShape, horizontal_flip};
///
/// let mut image = Image::from_bytes(ImageShape::new(1, 1, 3)?, &[0, 51, 255])?;
/// horizontal_flip(&mut image);
/// assert_eq!(image.values(), [1.0, 0.2, 0.0]);
/// # Ok::<(), metric_ssl::views::ViewError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    shape: ImageShape,
    values: Vec<f32>,
}

impl Image {
    /// # Errors
    /// [`ViewError::Shape`], [`ViewError::Length`], or [`ViewError::Value`] for a value that is not from 0 to 1.
    pub fn new(shape: ImageShape, values: Vec<f32>) -> Result<Self, ViewError> {
        ImageRef::floats(shape, &values)?;
        Ok(Self { shape, values })
    }

    /// From bytes `[channels, height, width]`: 255 becomes 1.
    ///
    /// # Errors
    /// [`ViewError::Shape`] or [`ViewError::Length`].
    pub fn from_bytes(shape: ImageShape, bytes: &[u8]) -> Result<Self, ViewError> {
        shape.check_length(bytes.len())?;
        let values = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        Ok(Self { shape, values })
    }

    pub(super) fn black(shape: ImageShape) -> Self {
        Self {
            shape,
            values: vec![0.0; shape.values()],
        }
    }

    /// Its size.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Its values, `[channels, height, width]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Its values, without a copy.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// Borrows it.
    pub fn view(&self) -> ImageRef<'_> {
        ImageRef {
            shape: self.shape,
            pixels: Pixels::Floats(&self.values),
        }
    }

    pub(super) fn canvas(&mut self) -> Canvas<'_> {
        Canvas {
            shape: self.shape,
            values: &mut self.values,
        }
    }
}

/// An image that lies somewhere else, in bytes or numbers, `[channels, height, width]`.
#[derive(Debug, Clone, Copy)]
pub struct ImageRef<'a> {
    pub(super) shape: ImageShape,
    pub(super) pixels: Pixels<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Pixels<'a> {
    Bytes(&'a [u8]),
    Floats(&'a [f32]),
}

impl<'a> ImageRef<'a> {
    /// An image of bytes: 255 is 1.
    ///
    /// # Errors
    /// [`ViewError::Shape`] or [`ViewError::Length`].
    pub fn bytes(shape: ImageShape, bytes: &'a [u8]) -> Result<Self, ViewError> {
        shape.check_length(bytes.len())?;
        let pixels = Pixels::Bytes(bytes);
        Ok(Self { shape, pixels })
    }

    /// An image of values from 0 to 1, which are looked through.
    ///
    /// # Errors
    /// [`ViewError::Shape`], [`ViewError::Length`], or [`ViewError::Value`] for a value that is not from 0 to 1.
    pub fn floats(shape: ImageShape, values: &'a [f32]) -> Result<Self, ViewError> {
        shape.check_length(values.len())?;
        let odd = values.iter().position(|value| !(0.0..=1.0).contains(value));
        if let Some(index) = odd {
            let got = values[index];
            return Err(ViewError::Value { index, got });
        }
        let pixels = Pixels::Floats(values);
        Ok(Self { shape, pixels })
    }

    /// Its size.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }
}

/// An image being worked on in place.
#[derive(Debug)]
pub(super) struct Canvas<'a> {
    pub(super) shape: ImageShape,
    pub(super) values: &'a mut [f32],
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Rect {
    /// All of an image.
    pub fn whole(shape: ImageShape) -> Self {
        Self {
            top: 0,
            left: 0,
            height: shape.height,
            width: shape.width,
        }
    }

    pub(super) fn check(self, shape: ImageShape) -> Result<(), ViewError> {
        let Self {
            top,
            left,
            height,
            width,
        } = self;
        let within = |start: usize, length: usize, all: usize| {
            length > 0 && start < all && length <= all - start
        };
        if within(top, height, shape.height) && within(left, width, shape.width) {
            return Ok(());
        }
        Err(ViewError::Rect {
            top,
            left,
            height,
            width,
            rows: shape.height,
            columns: shape.width,
        })
    }
}
