use burn::tensor::{Int, Tensor, TensorData};
use rand::{Rng, RngExt};

use super::sinkhorn::off_graph;
use crate::error::ConfigError;
use crate::numerics::l2_normalize;

/// Synthetic negatives of every query, mixed from those of a queue that are closest to it (Kalantidis et al., *Hard
/// Negative Mixing for Contrastive Learning*, `MoCHi`, `NeurIPS` 2020, <https://arxiv.org/abs/2010.01028>).
///
/// With `n` and `n'` drawn from the `n_hard` rows of the queue of largest cosine to the query `q`, all of them unit
/// rows:
/// ```text
/// h = (α n + (1 − α) n') / ‖·‖          α from 0 to 1, `pairs` of them
/// h = (β q + (1 − β) n ) / ‖·‖          β from 0 to 1/2, `with_query` of them
/// ```
/// They are constants: no gradient flows to the query through them. Draws go query by query, first the pairs, so that
/// the same generator gives the same negatives on any device. The paper has, for one, `n_hard = 1024`, `pairs = 1024`
/// and `with_query = 128`; a queue shorter than `n_hard` is taken whole. In its first epochs it mixes nothing.
///
/// Cost: `O(n · m · (dim + log m))` time, `O(n · (m + (pairs + with_query) · dim))` memory.
///
/// # Shapes
/// - `queries`: `[n, dim]`, `queue`: `[m, dim]`
/// - output: `[n, pairs + with_query, dim]`, pairs first
///
/// # Errors
/// [`ConfigError`] if `n_hard` is 0, nothing is to be mixed, or the queue has no rows.
///
/// # Panics
/// If `dim` differs.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use metric_losses::mix_hard_negatives;
/// use rand::SeedableRng;
///
/// let device = Device::flex();
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let query = Tensor::<2>::from_floats([[1.0, 0.0]], &device);
/// let queue = Tensor::<2>::from_floats([[0.0, 2.0], [-1.0, 0.0]], &device);
/// // The one hardest is (0, 1): a pair of it is itself; with the query it turns less than half of the way.
/// let mixed = mix_hard_negatives(query, queue, 1, 1, 1, &mut rng)?;
/// let mixed = mixed.into_data().try_to_vec::<f32>().unwrap();
/// assert!(mixed[0].abs() < 1e-6 && (mixed[1] - 1.0).abs() < 1e-6);
/// assert!(mixed[2] >= 0.0 && mixed[2] <= mixed[3]);
/// # Ok::<(), metric_losses::ConfigError>(())
/// ```
pub fn mix_hard_negatives<R: Rng + ?Sized>(
    queries: Tensor<2>,
    queue: Tensor<2>,
    n_hard: usize,
    pairs: usize,
    with_query: usize,
    rng: &mut R,
) -> Result<Tensor<3>, ConfigError> {
    let ([n, dim], [m, of_queue]) = (queries.dims(), queue.dims());
    assert_eq!(
        dim, of_queue,
        "rows of the queue have the length of a query"
    );
    ConfigError::check_size("n_hard", n_hard)?;
    ConfigError::check_size("rows of the queue", m)?;
    let mixed = pairs + with_query;
    ConfigError::check_size("pairs and with_query together", mixed)?;
    let constant = |rows| off_graph(l2_normalize(rows));
    let (queries, queue) = (constant(queries), constant(queue));
    let device = queries.device();
    if n == 0 {
        return Ok(Tensor::zeros([0, mixed, dim], (&device, queries.dtype())));
    }
    let hard = n_hard.min(m);
    let cosines = queries.clone().matmul(queue.clone().transpose());
    let (_, hardest) = cosines.topk_with_indices(hard, 1); // [n, hard]
    let draws = Draws::new(n, hard, pairs, with_query, rng);
    let ranks = |ranks: Vec<i64>, width: usize| {
        let data = TensorData::new(ranks, [n, width]);
        Tensor::<2, Int>::from_data(data, &device)
    };
    let rows_of = |drawn: Vec<i64>, width: usize| {
        let rows = hardest.clone().gather(1, ranks(drawn, width));
        let rows = queue.clone().select(0, rows.reshape([n * width]));
        rows.reshape([n, width, dim])
    };
    let second = rows_of(draws.second, mixed);
    let mut first = Vec::new();
    if pairs > 0 {
        first.push(rows_of(draws.first, pairs));
    }
    if with_query > 0 {
        first.push(
            queries
                .clone()
                .unsqueeze_dim::<3>(1)
                .expand([n, with_query, dim]),
        );
    }
    let first = Tensor::cat(first, 1);
    let shares = TensorData::new(draws.shares, [n, mixed, 1]);
    let shares = Tensor::<3>::from_data(shares, (&device, queries.dtype()));
    let sum = second.clone() + (first - second) * shares;
    let unit = l2_normalize(sum.reshape([n * mixed, dim]));
    Ok(unit.reshape([n, mixed, dim]))
}

/// Ranks among the hardest and shares of the first of two rows.
struct Draws {
    first: Vec<i64>,
    second: Vec<i64>,
    shares: Vec<f64>,
}

impl Draws {
    fn new<R: Rng + ?Sized>(
        n: usize,
        hard: usize,
        pairs: usize,
        with_query: usize,
        rng: &mut R,
    ) -> Self {
        let (mut first, mut second, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..n {
            for _ in 0..pairs {
                first.push(rng.random_range(0..hard) as i64);
                second.push(rng.random_range(0..hard) as i64);
                shares.push(rng.random_range(0.0..1.0));
            }
            for _ in 0..with_query {
                second.push(rng.random_range(0..hard) as i64);
                shares.push(rng.random_range(0.0..0.5));
            }
        }
        Self {
            first,
            second,
            shares,
        }
    }
}
