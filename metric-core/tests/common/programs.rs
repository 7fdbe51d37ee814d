//! Row programs that keep what they see.

use metric_core::{RowProgram, Scalar};

/// Keeps the pieces of every row in the order that they come in: first column and distances.
pub(crate) struct Pieces;

impl<T: Scalar> RowProgram<T> for Pieces {
    type State = Vec<(usize, Vec<T>)>;
    type Output = Vec<(usize, Vec<T>)>;

    fn start(&self, _row: usize) -> Self::State {
        Vec::new()
    }

    fn see(&self, pieces: &mut Self::State, _row: usize, first: usize, distances: &[T]) {
        pieces.push((first, distances.to_vec()));
    }

    fn finish(&self, _row: usize, pieces: Self::State) -> Self::Output {
        pieces
    }
}

/// The distances of a row by column; pieces must not overlap or leave a gap.
pub(crate) fn joined<T: Scalar>(pieces: &[(usize, Vec<T>)]) -> Vec<T> {
    let mut sorted: Vec<&(usize, Vec<T>)> = pieces.iter().collect();
    sorted.sort_by_key(|piece| piece.0);
    let mut row = Vec::new();
    for (first, distances) in sorted {
        assert_eq!(*first, row.len(), "pieces must join");
        row.extend_from_slice(distances);
    }
    row
}
