//! How long one operation takes, and how much memory, on seeded data in this process.
//!
//! An operation is a name with an optional part after a colon, such as `pairwise:euclidean`; [`known_ops`] lists
//! them and [`measure`] runs one. Everything an operation starts from (rows, labels, modules) exists before the clock
//! starts; what it returns is made, and dropped, while it runs.
//!
//! To add an operation, write its function in the file of its family and add a line to that file's table.

mod clock;
mod clusters;
mod data;
mod densities;
mod distances;
mod error;
mod evaluation;
mod laws;
mod losses;
mod memory;
mod miners;
mod neighbours;
mod pairs;
mod products;
mod report;
mod settings;
mod train_steps;
mod views;

pub use error::SpeedError;
pub use laws::{Laws, laws};
pub use report::{Report, measure};
pub use settings::{Request, Settings};

/// An operation that can be timed.
struct Op {
    name: String,
    /// Keys of `--param` it reads, beside `data`.
    params: &'static [&'static str],
    prepare: Prepare,
}

/// Makes the inputs and returns what is to be timed.
type Prepare = Box<dyn Fn(&Settings) -> Result<Work, SpeedError> + Send + Sync>;

/// What is timed, its inputs ready.
struct Work {
    run: Box<dyn FnMut() -> Result<(), SpeedError>>,
    /// How often one run does the operation; times are reported for one.
    calls: u32,
}

impl Op {
    fn new(
        name: impl Into<String>,
        prepare: impl Fn(&Settings) -> Result<Work, SpeedError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            params: &[],
            prepare: Box::new(prepare),
        }
    }

    fn with_params(mut self, params: &'static [&'static str]) -> Self {
        self.params = params;
        self
    }
}

impl Work {
    /// An operation that takes so long that one run of it can be timed.
    fn new(run: impl FnMut() -> Result<(), SpeedError> + 'static) -> Self {
        Self {
            run: Box::new(run),
            calls: 1,
        }
    }
}

fn ops() -> Vec<Op> {
    let mut ops = pairs::ops();
    ops.extend(products::ops());
    ops.extend(neighbours::ops());
    ops.extend(clusters::ops());
    ops.extend(losses::ops());
    ops.extend(miners::ops());
    ops.extend(densities::ops());
    ops.extend(evaluation::ops());
    ops.extend(train_steps::ops());
    ops.extend(views::ops());
    ops
}

/// The names of all operations that [`measure`] knows.
pub fn known_ops() -> Vec<String> {
    ops().into_iter().map(|op| op.name).collect()
}

fn find(name: &str) -> Result<Op, SpeedError> {
    let mut ops = ops();
    match ops.iter().position(|op| op.name == name) {
        Some(at) => Ok(ops.swap_remove(at)),
        None => Err(SpeedError::UnknownOp {
            got: name.into(),
            known: ops
                .into_iter()
                .map(|op| op.name)
                .chain(laws::names())
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}
