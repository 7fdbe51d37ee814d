//! Which negatives distance-weighted mining draws: `draws ROWS TIMES`.
//!
//! The file holds a line a row: its label, then its numbers, of unit length. Prints, a line an anchor, how often each row was
//! drawn as its negative.

use std::error::Error;

use metric_core::Relevance;
use metric_sampling::{Batch, DistanceWeighted, TripletMiner};
use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

#[expect(clippy::print_stdout, reason = "an example shows its results")]
fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: draws ROWS TIMES";
    let file = std::env::args().nth(1).ok_or(usage)?;
    let times: usize = std::env::args().nth(2).ok_or(usage)?.parse()?;
    let (mut labels, mut numbers) = (Vec::new(), Vec::new());
    for line in std::fs::read_to_string(file)?.lines() {
        let mut words = line.split_whitespace();
        labels.push(words.next().ok_or("an empty line")?.parse::<u32>()?);
        for word in words {
            numbers.push(word.parse::<f32>()?);
        }
    }
    let n = labels.len();
    let rows = Array2::from_shape_vec((n, numbers.len() / n.max(1)), numbers)?;
    let batch = Batch::new(rows.view(), Relevance::labels(&labels))?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut counts = Array2::<u32>::zeros((n, n));
    for _ in 0..times {
        for (anchor, _, negative) in DistanceWeighted::new().mine(&batch, &mut rng)?.iter() {
            counts[[anchor as usize, negative as usize]] += 1;
        }
    }
    for row in counts.outer_iter() {
        let words: Vec<String> = row.iter().map(u32::to_string).collect();
        println!("{}", words.join(" "));
    }
    Ok(())
}
