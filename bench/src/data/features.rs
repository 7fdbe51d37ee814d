//! Feature rows someone already has.

use std::path::Path;

use ndarray::{Array2, ArrayView2, Axis};

use super::image_set::check_labels;
use super::{DataError, LoadOptions, SplitKind, npy, split, table};

/// Feature vectors with integer labels.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureSet {
    features: Array2<f32>,
    labels: Vec<u32>,
    class_names: Vec<String>,
    ids: Vec<String>,
    left_out: usize,
}

/// A [`FeatureSet`], split for training and test.
#[derive(Clone, Debug)]
pub struct FeatureSplits {
    /// What is learned from.
    pub train: FeatureSet,
    /// What is judged on. With [`SplitKind::UnseenClasses`] it numbers its own classes from 0.
    pub test: FeatureSet,
    /// How they were told apart.
    pub kind: SplitKind,
}

/// Reads the rows of a `.npy` matrix and their labels from a CSV table with one line a row, in the
/// same order. A column `file`, `path`, `image` or `id` names the rows; of the others, `label` picks
/// one. Rows without a label are left out.
///
/// # Errors
/// If a file is missing or malformed, the two differ in rows, a number is not finite, or the label
/// column cannot be told.
pub fn load_features(
    npy: &Path,
    labels_csv: &Path,
    label: Option<&str>,
) -> Result<FeatureSet, DataError> {
    let features = npy::read_npy(npy)?;
    let rows = table::read(labels_csv, label, false)?;
    let (count, labels) = (features.nrows(), rows.len());
    if count != labels {
        let (path, labels_path) = (npy.into(), labels_csv.into());
        return Err(DataError::CountMismatch {
            path,
            count,
            labels_path,
            labels,
        });
    }
    if let Some(((row, column), _)) = features
        .indexed_iter()
        .find(|(_, value)| !value.is_finite())
    {
        return Err(DataError::NotFinite {
            path: npy.into(),
            row,
            column,
        });
    }
    let (mut kept, mut texts, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for (i, row) in rows
        .into_iter()
        .enumerate()
        .filter(|(_, row)| !row.label.is_empty())
    {
        kept.push(i);
        texts.push(row.label);
        ids.push(row.id.unwrap_or_else(|| format!("row/{i:05}")));
    }
    if kept.is_empty() {
        return Err(DataError::Empty {
            what: labels_csv.display().to_string(),
        });
    }
    let (labels, class_names) = split::number_classes(&texts);
    let left_out = count - kept.len();
    let features = features.select(Axis(0), &kept);
    Ok(FeatureSet {
        left_out,
        ..FeatureSet::new(features, labels, class_names, ids)?
    })
}

impl FeatureSet {
    /// A set from its parts: `features` is `[n, dim]`, with one label and one id a row.
    ///
    /// # Errors
    /// If the parts differ in length, or a label is not below the number of class names.
    pub fn new(
        features: Array2<f32>,
        labels: Vec<u32>,
        class_names: Vec<String>,
        ids: Vec<String>,
    ) -> Result<Self, DataError> {
        let expected = features.nrows();
        for (what, got) in [
            ("labels of features", labels.len()),
            ("ids of features", ids.len()),
        ] {
            if got != expected {
                return Err(DataError::Length {
                    what,
                    expected,
                    got,
                });
            }
        }
        check_labels(&labels, class_names.len())?;
        Ok(Self {
            features,
            labels,
            class_names,
            ids,
            left_out: 0,
        })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Length of a row.
    pub fn dim(&self) -> usize {
        self.features.ncols()
    }

    /// The rows, `[n, dim]`.
    pub fn features(&self) -> ArrayView2<'_, f32> {
        self.features.view()
    }

    /// The class of every row, below [`FeatureSet::classes`].
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Names of the classes, by number.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// One id a row.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// Rows left out by [`load_features`] because they have no label.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The rows at `indices`, in that order; classes keep their numbers and names.
    ///
    /// # Panics
    /// If an index is not below [`FeatureSet::len`].
    pub fn subset(&self, indices: &[usize]) -> Self {
        Self {
            features: self.features.select(Axis(0), indices),
            labels: indices.iter().map(|&i| self.labels[i]).collect(),
            class_names: self.class_names.clone(),
            ids: indices.iter().map(|&i| self.ids[i].clone()).collect(),
            left_out: 0,
        }
    }

    /// Splits by `unseen_classes`, else by `holdout` and `seed`, as [`load`](super::load) does.
    ///
    /// # Errors
    /// If a side would be empty or of one class, or a class is unknown.
    pub fn split(&self, options: &LoadOptions) -> Result<FeatureSplits, DataError> {
        let what = "the features";
        if let Some(unseen) = &options.unseen_classes {
            let (seen, unseen) = unseen.resolve(what, &self.class_names)?;
            let (train, test) = (self.only(&seen), self.only(&unseen));
            return Ok(FeatureSplits {
                train,
                test,
                kind: SplitKind::UnseenClasses,
            });
        }
        let (share, seed) = (options.holdout, options.seed);
        let (seen, held) = split::held_out(what, &self.labels, &self.class_names, share, seed)?;
        let (train, test) = (self.subset(&seen), self.subset(&held));
        Ok(FeatureSplits {
            train,
            test,
            kind: SplitKind::HeldOutImages,
        })
    }

    fn only(&self, classes: &[u32]) -> Self {
        let (indices, labels) = split::of_classes(&self.labels, classes);
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
}
