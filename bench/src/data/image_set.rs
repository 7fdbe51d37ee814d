//! Images of one size with integer labels.

use std::collections::HashMap;

use super::DataError;

/// Size of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// 1 for grey, 3 for RGB.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageShape {
    /// Bytes of one image.
    pub fn bytes(self) -> usize {
        self.channels * self.height * self.width
    }
}

/// Images of one size with integer labels, in memory as bytes `[n, channels, height, width]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet {
    shape: ImageShape,
    pixels: Vec<u8>,
    labels: Vec<u32>,
    class_names: Vec<String>,
    ids: Vec<String>,
}

impl ImageSet {
    /// A set from its parts; an id is the image's path, or its place in the source (`train/00012`).
    ///
    /// # Errors
    /// If the parts differ in length, or a label is not below the number of class names.
    pub fn new(
        shape: ImageShape,
        pixels: Vec<u8>,
        labels: Vec<u32>,
        class_names: Vec<String>,
        ids: Vec<String>,
    ) -> Result<Self, DataError> {
        let n = labels.len();
        let length = |what, expected, got| match expected == got {
            true => Ok(()),
            false => Err(DataError::Length {
                what,
                expected,
                got,
            }),
        };
        length("pixels of an image set", n * shape.bytes(), pixels.len())?;
        length("ids of an image set", n, ids.len())?;
        check_labels(&labels, class_names.len())?;
        Ok(Self {
            shape,
            pixels,
            labels,
            class_names,
            ids,
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Size of every image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// The class of every image, below [`ImageSet::classes`].
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Names of the classes, by number.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// One id an image.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// Bytes of image `i`, `[channels, height, width]`.
    ///
    /// # Panics
    /// If `i` is not below [`ImageSet::len`].
    pub fn image(&self, i: usize) -> &[u8] {
        let bytes = self.shape.bytes();
        &self.pixels[i * bytes..(i + 1) * bytes]
    }

    /// Bytes of all images, `[n, channels, height, width]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The images at `indices`, in that order; classes keep their numbers and names.
    ///
    /// # Panics
    /// If an index is not below [`ImageSet::len`].
    pub fn subset(&self, indices: &[usize]) -> Self {
        Self {
            shape: self.shape,
            pixels: indices
                .iter()
                .flat_map(|&i| self.image(i))
                .copied()
                .collect(),
            labels: indices.iter().map(|&i| self.labels[i]).collect(),
            class_names: self.class_names.clone(),
            ids: indices.iter().map(|&i| self.ids[i].clone()).collect(),
        }
    }

    /// The images of `classes` only, which become classes 0, 1, ... in the order given.
    pub(super) fn only(&self, classes: &[u32]) -> Self {
        let (indices, labels) = super::split::of_classes(&self.labels, classes);
        let class_names = classes
            .iter()
            .map(|&c| self.class_names[c as usize].clone())
            .collect();
        Self {
            labels,
            class_names,
            ..self.subset(&indices)
        }
    }

    /// Both sets as one. Classes of the same name are one class.
    pub(super) fn join(mut self, other: Self) -> Result<Self, DataError> {
        if self.shape != other.shape {
            let (what, expected, got) =
                ("bytes of an image", self.shape.bytes(), other.shape.bytes());
            return Err(DataError::Length {
                what,
                expected,
                got,
            });
        }
        let mut numbers: HashMap<String, u32> = self.class_names.iter().cloned().zip(0..).collect();
        let mut renumber = Vec::with_capacity(other.classes());
        for name in other.class_names {
            let next = numbers.len() as u32;
            let number = *numbers.entry(name.clone()).or_insert(next);
            if number == next {
                self.class_names.push(name);
            }
            renumber.push(number);
        }
        self.labels
            .extend(other.labels.iter().map(|&c| renumber[c as usize]));
        self.pixels.extend_from_slice(&other.pixels);
        self.ids.extend(other.ids);
        Ok(self)
    }
}

/// Fails if a label is not below `classes`.
pub(super) fn check_labels(labels: &[u32], classes: usize) -> Result<(), DataError> {
    match labels.iter().find(|&&label| label as usize >= classes) {
        None => Ok(()),
        Some(&label) => {
            let what = "classes of a set by its labels";
            Err(DataError::Length {
                what,
                expected: classes,
                got: label as usize + 1,
            })
        }
    }
}
