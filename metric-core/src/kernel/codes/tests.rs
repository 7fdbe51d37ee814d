//! Rows as codes, on every instruction set; inner products of codes where the machine has them.

use proptest::prelude::*;

use super::*;
use crate::kernel::tests::{cases, on_every_isa};

/// A row with its codes taken out of the words again.
struct Read {
    scale: f32,
    codes: Vec<i64>,
    sum: i32,
    coded: Coded,
}

/// Codes rows in the form of panels or strips, and reads them back.
fn coded(mut codes: Codes, rows: &[Vec<f32>]) -> (Codes, Vec<Read>) {
    let width = codes.width();
    // A store is used again and again: what was there before must not show.
    codes.clear(3);
    for mut group in codes.groups_mut() {
        group.put(0, &vec![1.0; rows[0].len()]);
    }
    codes.clear(rows.len());
    let mut known = Vec::new();
    for (mut group, rows) in codes.groups_mut().into_iter().zip(rows.chunks(width)) {
        known.extend(
            rows.iter()
                .enumerate()
                .map(|(place, row)| group.put(place, row)),
        );
    }
    let read = known.into_iter().enumerate().map(|(index, coded)| Read {
        scale: codes.scales[index],
        codes: bytes(&codes, index),
        sum: codes.sums[index],
        coded,
    });
    let read = read.collect();
    (codes, read)
}

/// All bytes of a row, those that fill the last word included.
fn bytes(codes: &Codes, index: usize) -> Vec<i64> {
    let (group, place) = (index / codes.width, index % codes.width);
    (0..codes.length)
        .flat_map(|word| {
            let at = (group * codes.length + word) * codes.width + place;
            (codes.words[at] ^ codes.flip).to_le_bytes()
        })
        .map(|byte| i64::from(byte.cast_signed()))
        .collect()
}

fn check(
    row: &[f32],
    Read {
        scale,
        codes,
        sum,
        coded,
    }: &Read,
) {
    let scale = f64::from(*scale);
    assert!(
        codes.iter().all(|code| (-127..=127).contains(code)),
        "{codes:?}"
    );
    assert!(
        codes[row.len()..].iter().all(|&code| code == 0),
        "{codes:?}"
    );
    assert_eq!(i64::from(*sum), codes.iter().sum::<i64>());
    let n = row.len() as f64;
    let off: f64 = row
        .iter()
        .zip(codes)
        .map(|(&x, &code)| (f64::from(x) - scale * code as f64).powi(2))
        .sum();
    assert!(
        off.sqrt() <= f64::from(coded.error),
        "off by {}, said to be at most {}: {row:?}",
        off.sqrt(),
        coded.error
    );
    let norm: f64 = codes
        .iter()
        .map(|&code| (scale * code as f64).powi(2))
        .sum();
    // Three roundings, four of a fold, and a square of the scale below the least normal number, off by 2⁻¹⁵⁰ for each square.
    let squares: f64 = codes.iter().map(|&code| (code * code) as f64).sum();
    let lost = squares * 2.0f64.powi(-150) + 2.0f64.powi(-149);
    assert!(
        (f64::from(coded.norm) - norm).abs() <= 3.5 * f64::from(f32::EPSILON) * norm + lost,
        "norm {}, expected {norm}",
        coded.norm
    );
    let square: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
    // A sum of n/8 terms at most and then of lanes, each with a square; squares below the least number are lost.
    let roundings = (n / 8.0 + 20.0) * f64::from(f32::EPSILON) / 2.0;
    assert!(
        (f64::from(coded.square) - square).abs() <= roundings * square + n * 2.0f64.powi(-149),
        "square {}, expected {square}",
        coded.square
    );
}

/// A bound that is right and useless would pass: codes of 8 bits are off by half a unit at most.
fn check_tight(row: &[f32], read: &Read) {
    let largest = row.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    if largest > 1e-10 {
        let half_units = f64::from(largest) / 127.0 * 0.501 * (row.len() as f64).sqrt();
        let length: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!(f64::from(read.coded.error) <= half_units + 4e-7 * length.sqrt());
    }
}

/// Rows from all of the range, each of one size but for a few entries.
fn rows() -> impl Strategy<Value = Vec<Vec<f32>>> {
    let most: usize = if cfg!(miri) { 20 } else { 150 };
    let entry = prop_oneof![8 => -1.0f64..1.0, 1 => Just(0.0), 1 => -1e-3f64..1e-3, 1 => Just(1.0)];
    let size = prop_oneof![
        3 => Just(0.0),
        1 => -46.0f64..-30.0,
        1 => -30.0f64..14.9,
        1 => 37.0f64..38.0,
    ];
    (1..=most, 1usize..80).prop_flat_map(move |(dim, count)| {
        let row = (prop::collection::vec(entry.clone(), dim), size.clone());
        let row = row.prop_map(|(row, size)| {
            row.into_iter()
                .map(|x| (x * 10.0f64.powf(size)) as f32)
                .collect()
        });
        prop::collection::vec(row, count)
    })
}

fn is_known(row: &[f32]) -> bool {
    row.iter().all(|x| x.abs() <= LARGEST)
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn codes_are_as_near_to_their_rows_as_they_say(rows in rows()) {
        let dim = rows[0].len();
        on_every_isa(|isa| {
            for store in [Codes::panels(dim), Codes::strips(dim)] {
                let (_, read) = coded(store, &rows);
                for (row, read) in rows.iter().zip(&read) {
                    if is_known(row) {
                        check(row, read);
                        check_tight(row, read);
                    } else {
                        assert!(read.coded.norm == f32::INFINITY, "{isa:?}");
                        assert!(read.codes.iter().all(|&code| code == 0), "{isa:?}");
                    }
                }
            }
        });
    }
}

#[test]
fn rows_of_zeros_of_the_least_numbers_and_of_one_entry_have_codes() {
    let zero = vec![0.0; 37];
    let least = vec![f32::from_bits(1); 37];
    let small = vec![-1e-30; 37];
    let mut one = zero.clone();
    one[36] = -LARGEST;
    let rows = [zero, least, small, one];
    on_every_isa(|_| {
        let (_, read) = coded(Codes::panels(37), &rows);
        for (row, read) in rows.iter().zip(&read) {
            check(row, read);
        }
        assert!(read[0].codes.iter().all(|&code| code == 0));
        assert_eq!(read[3].codes[36], -127);
        assert_eq!(read[3].sum, -127);
    });
}

#[test]
fn the_longest_rows_keep_their_bounds() {
    let length = if cfg!(miri) { 700 } else { (1 << 16) - 1 };
    let spread: Vec<f32> = (0..length)
        .map(|i| ((i as f32 * 0.618_034).fract() - 0.3) * 1e3)
        .collect();
    let rows = [vec![-3.0; length], spread];
    on_every_isa(|_| {
        for (row, read) in rows.iter().zip(&coded(Codes::strips(length), &rows).1) {
            check(row, read);
        }
    });
}

#[cfg(target_arch = "x86_64")]
mod products {
    use std::ops::Range;

    use super::*;
    use crate::kernel::tile::{At, Sink};

    /// Keeps the bits of all products; each pair must come once.
    struct Keep {
        out: Vec<Option<u32>>,
        first: usize,
        columns: usize,
        ended: usize,
    }

    impl Sink<f32> for Keep {
        #[inline(always)]
        fn take<S: Simd<f32>, const ROWS: usize>(
            &mut self,
            simd: S,
            tile: [[S::V; 2]; ROWS],
            at: At,
        ) {
            assert_eq!(at.column, self.ended);
            for (r, products) in tile.iter().enumerate().take(at.rows) {
                let mut whole = [0.0; WIDTH];
                simd.store(products[0], &mut whole);
                simd.store(products[1], &mut whole[S::LANES..]);
                for (c, value) in whole.iter().enumerate().take(at.columns) {
                    let place = (at.row + r) * self.columns + at.column + c - self.first;
                    assert!(self.out[place].replace(value.to_bits()).is_none(), "{at:?}");
                }
            }
        }

        #[inline(always)]
        fn end_panel<S: Simd<f32>>(&mut self, _: S, column: usize, columns: usize) {
            assert_eq!(self.ended, column);
            self.ended += columns;
        }
    }

    /// Whole numbers in `i64`, then the two scales.
    fn products_are_exact(vnni: Vnni, x: &[Vec<f32>], y: &[Vec<f32>], columns: Range<usize>) {
        let dim = x[0].len();
        let (strips, of_x) = coded(Codes::strips(dim), x);
        let (panels, of_y) = coded(Codes::panels(dim), y);
        let end = columns.end.min(y.len());
        let width = end - columns.start;
        let mut sink = Keep {
            out: vec![None; x.len() * width],
            first: columns.start,
            columns: width,
            ended: columns.start,
        };
        vnni.sweep(&strips, &panels, columns.clone(), &mut sink);
        assert_eq!(sink.ended, end);
        for (i, a) in of_x.iter().enumerate() {
            for (j, b) in of_y[columns.start..end].iter().enumerate() {
                let dot: i64 = a.codes.iter().zip(&b.codes).map(|(a, b)| a * b).sum();
                let wanted = dot as f32 * b.scale * a.scale;
                let got = sink.out[i * width + j].map(f32::from_bits);
                assert!(
                    got.is_some_and(|got| got.to_bits() == wanted.to_bits()),
                    "pair {i}, {j} of {} x {}, {dim} coordinates: {got:?}, expected {wanted}",
                    x.len(),
                    y.len()
                );
            }
        }
    }

    proptest! {
        #![proptest_config(cases(200))]

        #[test]
        fn products_of_codes_are_exact(x in rows(), y in rows(), from in 0usize..3, short in 0usize..9) {
            if let Some(vnni) = Vnni::detect() {
                let dim = x[0].len().min(y[0].len());
                let cut = |rows: &[Vec<f32>]| -> Vec<Vec<f32>> {
                    rows.iter().map(|row| row[..dim].to_vec()).collect()
                };
                let first = (from * WIDTH).min((y.len() - 1) / WIDTH * WIDTH);
                let last = y.len().saturating_sub(short).max(first + 1);
                products_are_exact(vnni, &cut(&x), &cut(&y), first..last);
            }
        }
    }

    #[test]
    fn products_of_the_longest_rows_of_largest_codes_do_not_overflow() {
        if let Some(vnni) = Vnni::detect() {
            let length = (1 << 16) - 1;
            let (up, down) = (vec![2.0; length], vec![-2.0; length]);
            let rows = [up, down];
            products_are_exact(vnni, &rows, &rows, 0..2);
        }
    }
}
