//! Exact neighbours in several ways: an index, a radius, a condition, a graph.

use metric_core::*;
use rand::{RngExt, SeedableRng};

#[expect(clippy::print_stdout, reason = "an example shows its results")]
fn main() -> Result<(), Error> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let rows = ndarray::Array2::from_shape_fn((2000, 3), |_| rng.random::<f32>());
    let labels: Vec<u32> = (0..2000).map(|i| i % 10).collect();

    let tree = VpTree::build(rows.view(), Euclidean, &mut rng)?;
    println!(
        "three nearest to the middle: {:?}",
        tree.knn_one(&[0.5; 3], 3)?
    );

    let ball = tree.radius(rows.view(), 0.1)?;
    println!(
        "rows within 0.1, the row itself included: {}",
        ball.indices().len() as f64 / 2000.0
    );

    let relevance = Relevance::labels(&labels);
    let own = knn_among_self(&Euclidean, rows.view(), 1, &relevance, Among::Relevant)?;
    println!("nearest of its own class to row 0: {:?}", own.list(0));

    let near = knn_self(&Euclidean, rows.view(), 5)?;
    let mutual = mutual_neighbors(&near)?.indices().len();
    println!("{mutual} of {} edges run both ways", near.indices.len());
    Ok(())
}
