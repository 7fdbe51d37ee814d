use std::collections::BTreeMap;

use super::SpeedError;

/// More numbers than this in one matrix are a mistake.
const MOST_NUMBERS: usize = 1 << 34;

/// What was asked for; what is left out has a default.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Rows; by default classes x examples a class, or 1,024.
    pub n: Option<usize>,
    /// Numbers in a row; by default 128.
    pub dim: Option<usize>,
    /// Classes; by default so many that each has `per_class` examples.
    pub classes: Option<usize>,
    /// Examples of a class; by default 4.
    pub per_class: Option<usize>,
    /// Neighbours; by default 10.
    pub k: Option<usize>,
    /// Query rows; with none or 0 the rows are compared among themselves.
    pub queries: Option<usize>,
    /// Threads; by default as many as rayon takes.
    pub threads: Option<usize>,
    /// Repetitions that count; by default 5.
    pub repeat: Option<usize>,
    /// Parameters of the operation and of the data.
    pub params: BTreeMap<String, String>,
}

/// A [`Request`] with nothing left open.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) n: usize,
    pub(super) dim: usize,
    pub(super) classes: usize,
    pub(super) k: usize,
    /// 0: the rows themselves.
    pub(super) queries: usize,
    pub(super) threads: usize,
    pub(super) repeat: usize,
    params: BTreeMap<String, String>,
}

impl Settings {
    /// # Errors
    /// [`SpeedError::Option`] naming the option that is zero, too large or at odds with another.
    pub fn new(request: &Request) -> Result<Self, SpeedError> {
        let positive = |option: &str, value: Option<usize>, default: usize| match value {
            Some(0) => Err(SpeedError::option(option, "at least 1", 0)),
            value => Ok(value.unwrap_or(default)),
        };
        let dim = positive("--dim", request.dim, 128)?;
        let per_class = positive("--per-class", request.per_class, 4)?;
        let by_class = request.classes.and_then(|c| c.checked_mul(per_class));
        let n = positive("--n", request.n, by_class.unwrap_or(1024))?;
        let classes = positive("--classes", request.classes, n.div_ceil(per_class))?;
        if classes > n {
            return Err(SpeedError::option("--classes", "at most --n", classes));
        }
        if request.per_class.is_some() && request.classes.is_some() && by_class != Some(n) {
            return Err(SpeedError::option("--n", "--classes x --per-class", n));
        }
        let queries = request.queries.unwrap_or(0);
        for (option, count) in [("--n", n), ("--queries", queries)] {
            if count.checked_mul(dim).is_none_or(|all| all > MOST_NUMBERS) {
                let expected = "at most 2^34 / --dim";
                return Err(SpeedError::option(option, expected, count));
            }
        }
        let threads = positive("--threads", request.threads, rayon::current_num_threads())?;
        if threads > 1024 {
            return Err(SpeedError::option("--threads", "at most 1024", threads));
        }
        Ok(Self {
            n,
            dim,
            classes,
            k: positive("--k", request.k, 10)?,
            queries,
            threads,
            repeat: positive("--repeat", request.repeat, 5)?,
            params: request.params.clone(),
        })
    }

    /// Whether the operation `op` reads every parameter given.
    pub(super) fn check_params(&self, op: &str, known: &[&str]) -> Result<(), SpeedError> {
        let known = [&["data"], known].concat();
        match self
            .params
            .keys()
            .find(|key| !known.contains(&key.as_str()))
        {
            None => Ok(()),
            Some(key) => Err(SpeedError::UnknownParam {
                op: op.into(),
                got: key.clone(),
                known: known.join(", "),
            }),
        }
    }

    pub(super) fn word(&self, key: &str) -> Option<&str> {
        self.params.get(key).map(String::as_str)
    }

    pub(super) fn number(&self, key: &str, default: f64) -> Result<f64, SpeedError> {
        let Some(word) = self.word(key) else {
            return Ok(default);
        };
        word.parse()
            .map_err(|_| SpeedError::option(format!("--param {key}"), "a number", word))
    }

    pub(super) fn count(&self, key: &str, default: usize) -> Result<usize, SpeedError> {
        let Some(word) = self.word(key) else {
            return Ok(default);
        };
        word.parse()
            .map_err(|_| SpeedError::option(format!("--param {key}"), "a whole number", word))
    }

    /// Refuses a matrix that could not be held.
    pub(super) fn check_matrix(&self, columns: usize) -> Result<(), SpeedError> {
        let rows = if self.queries == 0 {
            self.n
        } else {
            self.queries
        };
        if rows
            .checked_mul(columns)
            .is_none_or(|all| all > MOST_NUMBERS)
        {
            let expected = "small enough for a matrix of 2^34 numbers";
            return Err(SpeedError::option("--n", expected, self.n));
        }
        Ok(())
    }
}
