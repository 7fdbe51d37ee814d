//! Transposed blocks against two loops.

use proptest::prelude::*;

use super::cases;
use crate::kernel::Isa;
use crate::kernel::transpose::transpose;

fn is_transposed(isa: Isa, rows: usize, columns: usize, (left, right): (usize, usize)) {
    let (stride, width) = (columns + left, rows + right);
    let from: Vec<f32> = (0..rows * stride).map(|i| i as f32).collect();
    let mut to = vec![-1.0; columns * width];
    transpose(isa, (&from, stride), (rows, columns), (&mut to, width));
    for c in 0..columns {
        for r in 0..width {
            // Places between the rows are left alone.
            let wanted = if r < rows { from[r * stride + c] } else { -1.0 };
            assert_eq!(
                to[c * width + r].to_bits(),
                wanted.to_bits(),
                "({r}, {c}) of {rows} x {columns}, {isa:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn rows_become_columns(
        rows in 1usize..50,
        columns in 1usize..70,
        apart in (0usize..5, 0usize..5),
    ) {
        for isa in Isa::available() {
            is_transposed(isa, rows, columns, apart);
        }
    }
}
