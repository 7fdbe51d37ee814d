//! A case with its parameters and tensors, and what an operation answers.

use std::collections::BTreeMap;

use metric_core::Scalar;
use ndarray::{Array, Array2, ArrayD, Dimension, Ix1, Ix2, IxDyn};
use serde::Deserialize;
use serde_json::Value;

use super::CaseError;

/// A tensor of a case: numbers, or indices and labels.
#[derive(Debug, Clone, PartialEq)]
pub enum Tensor {
    /// Numbers.
    Float(ArrayD<f64>),
    /// Indices or labels.
    Int(ArrayD<i64>),
}

impl Tensor {
    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Float(values) => values.shape(),
            Self::Int(values) => values.shape(),
        }
    }
}

/// A case as it stands in the list.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) op: String,
    #[serde(default)]
    pub(super) params: Value,
    #[serde(default)]
    pub(super) inputs: Vec<String>,
    pub(super) expect: Vec<String>,
    pub(super) rtol: Option<f64>,
}

/// One reference case.
#[derive(Debug, Clone)]
pub struct Case {
    pub(super) head: Head,
    pub(super) tensors: BTreeMap<String, Tensor>,
}

impl Case {
    /// Its name, unique in the suite.
    pub fn id(&self) -> &str {
        &self.head.id
    }

    /// The operation it is about.
    pub fn op(&self) -> &str {
        &self.head.op
    }

    /// Names of the tensors that the operation must answer.
    pub fn expect(&self) -> &[String] {
        &self.head.expect
    }

    /// Must the operation answer this tensor?
    pub fn expects(&self, name: &str) -> bool {
        self.head.expect.iter().any(|expected| expected == name)
    }

    /// Relative tolerance of this case, where it has its own.
    pub fn rtol(&self) -> Option<f64> {
        self.head.rtol
    }

    /// The parameters.
    pub fn params(&self) -> Params<'_> {
        Params {
            case: self.id(),
            prefix: String::new(),
            value: &self.head.params,
        }
    }

    /// A number among the parameters.
    ///
    /// # Errors
    ///
    /// [`CaseError::Param`].
    pub fn f64_param(&self, key: &str) -> Result<f64, CaseError> {
        self.params().f64(key)
    }

    /// A whole number, not negative, among the parameters.
    ///
    /// # Errors
    ///
    /// [`CaseError::Param`].
    pub fn usize_param(&self, key: &str) -> Result<usize, CaseError> {
        self.params().usize(key)
    }

    /// A yes or no among the parameters.
    ///
    /// # Errors
    ///
    /// [`CaseError::Param`].
    pub fn bool_param(&self, key: &str) -> Result<bool, CaseError> {
        self.params().bool(key)
    }

    /// A word among the parameters.
    ///
    /// # Errors
    ///
    /// [`CaseError::Param`].
    pub fn str_param(&self, key: &str) -> Result<&str, CaseError> {
        self.params().str(key)
    }

    /// Does the case come with this tensor?
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// A tensor, given or expected.
    ///
    /// # Errors
    ///
    /// [`CaseError::NoTensor`].
    pub fn tensor(&self, name: &str) -> Result<&Tensor, CaseError> {
        self.tensors.get(name).ok_or_else(|| CaseError::NoTensor {
            case: self.id().to_owned(),
            name: name.to_owned(),
        })
    }

    /// A tensor of numbers, any shape.
    ///
    /// # Errors
    ///
    /// [`CaseError::NoTensor`] or [`CaseError::TensorKind`].
    pub fn array<T: Scalar>(&self, name: &str) -> Result<ArrayD<T>, CaseError> {
        match self.tensor(name)? {
            Tensor::Float(values) => Ok(values.mapv(T::from_f64)),
            Tensor::Int(_) => Err(self.wrong_kind(name, "numbers")),
        }
    }

    /// A tensor of numbers, `[rows, columns]`.
    ///
    /// # Errors
    ///
    /// [`CaseError::NoTensor`] or [`CaseError::TensorKind`].
    pub fn matrix<T: Scalar>(&self, name: &str) -> Result<Array2<T>, CaseError> {
        self.array(name)?
            .into_dimensionality::<Ix2>()
            .map_err(|_| self.wrong_kind(name, "a matrix of numbers"))
    }

    /// A tensor of labels, `[n]`.
    ///
    /// # Errors
    ///
    /// [`CaseError::NoTensor`], [`CaseError::TensorKind`] or [`CaseError::Label`].
    pub fn labels(&self, name: &str) -> Result<Vec<u32>, CaseError> {
        let Tensor::Int(values) = self.tensor(name)? else {
            return Err(self.wrong_kind(name, "a list of labels"));
        };
        let values = values
            .view()
            .into_dimensionality::<Ix1>()
            .map_err(|_| self.wrong_kind(name, "a list of labels"))?;
        let label = |&got: &i64| {
            u32::try_from(got).map_err(|_| CaseError::Label {
                case: self.id().to_owned(),
                name: name.to_owned(),
                got,
            })
        };
        values.iter().map(label).collect()
    }

    /// Passes on what the library said about this case.
    pub fn refused(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> CaseError {
        CaseError::Refused {
            case: self.id().to_owned(),
            source: source.into(),
        }
    }

    pub(super) fn wrong_kind(&self, name: &str, expected: &'static str) -> CaseError {
        let shape = self.tensors.get(name).map(|tensor| tensor.shape().to_vec());
        CaseError::TensorKind {
            case: self.id().to_owned(),
            name: name.to_owned(),
            expected,
            shape: shape.unwrap_or_default(),
        }
    }
}

/// Parameters of a case, or an object among them.
#[derive(Debug, Clone)]
pub struct Params<'a> {
    case: &'a str,
    prefix: String,
    value: &'a Value,
}

impl<'a> Params<'a> {
    /// Is there a parameter of this name?
    pub fn has(&self, key: &str) -> bool {
        self.value.get(key).is_some()
    }

    /// The parameter as it stands.
    ///
    /// # Errors
    ///
    /// [`CaseError::Param`] if there is none.
    pub fn value(&self, key: &str) -> Result<&'a Value, CaseError> {
        self.value.get(key).ok_or_else(|| self.wrong(key, "given"))
    }

    /// A parameter that is an object.
    ///
    /// # Errors
    ///
    /// [`CaseError::Param`].
    pub fn object(&self, key: &str) -> Result<Params<'a>, CaseError> {
        let value = self.typed(key, "an object", |value| value.is_object().then_some(value))?;
        Ok(Params {
            case: self.case,
            prefix: format!("{}{key}.", self.prefix),
            value,
        })
    }

    /// A number.
    ///
    /// # Errors
    ///
    /// [`CaseError::Param`].
    pub fn f64(&self, key: &str) -> Result<f64, CaseError> {
        self.typed(key, "a number", Value::as_f64)
    }

    /// A whole number, not negative.
    ///
    /// # Errors
    ///
    /// [`CaseError::Param`].
    pub fn usize(&self, key: &str) -> Result<usize, CaseError> {
        self.typed(key, "a whole number", |value| {
            usize::try_from(value.as_u64()?).ok()
        })
    }

    /// A yes or no.
    ///
    /// # Errors
    ///
    /// [`CaseError::Param`].
    pub fn bool(&self, key: &str) -> Result<bool, CaseError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// A word.
    ///
    /// # Errors
    ///
    /// [`CaseError::Param`].
    pub fn str(&self, key: &str) -> Result<&'a str, CaseError> {
        self.typed(key, "a word", Value::as_str)
    }

    /// A list of words.
    ///
    /// # Errors
    ///
    /// [`CaseError::Param`].
    pub fn words(&self, key: &str) -> Result<Vec<&'a str>, CaseError> {
        self.typed(key, "a list of words", |value| {
            value.as_array()?.iter().map(Value::as_str).collect()
        })
    }

    /// The error for a parameter that is there but not one of those the operation knows.
    pub fn wrong(&self, key: &str, expected: &'static str) -> CaseError {
        CaseError::Param {
            case: self.case.to_owned(),
            key: format!("{}{key}", self.prefix),
            expected,
            got: self
                .value
                .get(key)
                .map_or_else(|| "nothing".to_owned(), Value::to_string),
        }
    }

    fn typed<V>(
        &self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<V>,
    ) -> Result<V, CaseError> {
        self.value
            .get(key)
            .and_then(read)
            .ok_or_else(|| self.wrong(key, expected))
    }
}

/// What an operation answers: tensors by name. Indices are stored as numbers too.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs(BTreeMap<String, ArrayD<f64>>);

impl Outputs {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tensor of numbers.
    #[must_use]
    pub fn with<T: Scalar, D: Dimension>(mut self, name: &str, values: &Array<T, D>) -> Self {
        self.0
            .insert(name.to_owned(), values.mapv(T::to_f64).into_dyn());
        self
    }

    /// Adds a single number.
    #[must_use]
    pub fn with_value(mut self, name: &str, value: f64) -> Self {
        self.0
            .insert(name.to_owned(), ArrayD::from_elem(IxDyn(&[1]), value));
        self
    }

    /// Adds a tensor of indices.
    #[must_use]
    pub fn with_indices<D: Dimension>(mut self, name: &str, values: &Array<usize, D>) -> Self {
        self.0.insert(
            name.to_owned(),
            values.mapv(|index| index as f64).into_dyn(),
        );
        self
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&ArrayD<f64>> {
        self.0.get(name)
    }
}
