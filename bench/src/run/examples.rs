use burn::tensor::{Device, Tensor, TensorData};
use ndarray::Array2;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::data::{FeatureSet, ImageSet};
use crate::encoder::InputShape;

/// Labelled inputs of a run: images, or features someone already has.
#[derive(Debug, Clone)]
pub enum Examples {
    /// Images of one size.
    Images(ImageSet),
    /// Feature rows.
    Features(FeatureSet),
}

impl Examples {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of them at random, so that class sizes fall evenly on a logarithmic scale, by this factor from the first class to
    /// the last; the first keeps as many as the largest class allows, and no class fewer than one.
    pub(super) fn imbalanced(&self, factor: f64, seed: u64) -> Self {
        let mut of_class = vec![Vec::new(); self.class_names().len()];
        for (example, &label) in self.labels().iter().enumerate() {
            of_class[label as usize].push(example);
        }
        let most = of_class.iter().map(Vec::len).max().unwrap_or(0) as f64;
        let steps = of_class.len().saturating_sub(1).max(1) as f64;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut kept = Vec::new();
        for (class, mut examples) in of_class.into_iter().enumerate() {
            let size = (most * factor.powf(-(class as f64) / steps)).round() as usize;
            examples.shuffle(&mut random);
            examples.truncate(size.max(1));
            kept.extend(examples);
        }
        kept.sort_unstable();
        self.subset(&kept)
    }

    /// The first so many, or all if there are fewer.
    pub(super) fn first(&self, count: usize) -> Self {
        self.subset(&(0..count.min(self.len())).collect::<Vec<_>>())
    }

    fn subset(&self, kept: &[usize]) -> Self {
        match self {
            Self::Images(set) => Self::Images(set.subset(kept)),
            Self::Features(set) => Self::Features(set.subset(kept)),
        }
    }

    /// What one row means.
    pub fn input_shape(&self) -> InputShape {
        match self {
            Self::Images(set) => {
                let shape = set.shape();
                InputShape::Image {
                    channels: shape.channels,
                    height: shape.height,
                    width: shape.width,
                }
            }
            Self::Features(set) => InputShape::Features { dim: set.dim() },
        }
    }

    /// The class of every example.
    pub fn labels(&self) -> &[u32] {
        match self {
            Self::Images(set) => set.labels(),
            Self::Features(set) => set.labels(),
        }
    }

    /// A name for every class.
    pub fn class_names(&self) -> &[String] {
        match self {
            Self::Images(set) => set.class_names(),
            Self::Features(set) => set.class_names(),
        }
    }

    /// Where every example came from.
    pub fn ids(&self) -> &[String] {
        match self {
            Self::Images(set) => set.ids(),
            Self::Features(set) => set.ids(),
        }
    }

    /// What the inputs are called before anything is learned.
    pub fn raw_name(&self) -> &'static str {
        match self {
            Self::Images(_) => "raw pixels",
            Self::Features(_) => "given features",
        }
    }

    /// Chosen rows, `[indices.len(), len]`; pixels are scaled to `0..=1`.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn rows(&self, indices: impl ExactSizeIterator<Item = usize>) -> Array2<f32> {
        let shape = (indices.len(), self.input_shape().len());
        let mut values = Vec::with_capacity(shape.0 * shape.1);
        match self {
            Self::Images(set) => {
                for i in indices {
                    values.extend(set.image(i).iter().map(|&byte| f32::from(byte) / 255.0));
                }
            }
            Self::Features(set) => {
                for i in indices {
                    values.extend(set.features().row(i));
                }
            }
        }
        Array2::from_shape_vec(shape, values).expect("every row has the set's one length")
    }

    /// Every row.
    pub fn all_rows(&self) -> Array2<f32> {
        self.rows(0..self.len())
    }

    /// Mean and standard deviation of every [group](InputShape::groups) of entries, summed in
    /// `f64`; a constant group has deviation 1, so that it is left at 0 by standardizing.
    pub fn moments(&self) -> (Vec<f32>, Vec<f32>) {
        let groups = self.input_shape().groups();
        let len = self.input_shape().len() / groups;
        let (mut sums, mut squares) = (vec![0.0; groups], vec![0.0; groups]);
        for i in 0..self.len() {
            let row = self.rows([i].into_iter());
            for (entry, &value) in row.iter().enumerate() {
                let value = f64::from(value);
                sums[entry / len] += value;
                squares[entry / len] += value * value;
            }
        }
        let count = (self.len() * len) as f64;
        let means: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
        let deviations = squares.iter().zip(&means).map(|(square, mean)| {
            let variance = square / count - mean * mean;
            if variance > 1e-12 {
                variance.sqrt() as f32
            } else {
                1.0
            }
        });
        (
            means.iter().map(|&mean| mean as f32).collect(),
            deviations.collect(),
        )
    }

    /// Chosen rows on a device.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn batch(
        &self,
        indices: impl ExactSizeIterator<Item = usize>,
        device: &Device,
    ) -> Tensor<2> {
        upload(self.rows(indices), device)
    }
}

/// A matrix as a tensor.
pub(crate) fn upload(rows: Array2<f32>, device: &Device) -> Tensor<2> {
    let shape = [rows.nrows(), rows.ncols()];
    let (values, _) = rows.into_raw_vec_and_offset();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A tensor as a matrix.
pub(crate) fn download(rows: Tensor<2>) -> Array2<f32> {
    let shape = rows.dims();
    let values = rows
        .into_data()
        .try_to_vec::<f32>()
        .expect("models compute in f32");
    Array2::from_shape_vec(shape, values).expect("a tensor has as many values as its shape says")
}
