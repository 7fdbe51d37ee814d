//! Tiles of pairs that stay in registers.
//!
//! The rows of one side are packed into *panels* of two vectors' width, coordinate by coordinate; the other side's into
//! *strips* of [`Simd::ROWS`] rows. The inner loop then reads both in order, and each result is joined over the
//! coordinates one after another: its bits depend on the two rows and the machine alone, and not on which row is on which
//! side.

use std::ops::Range;

use super::pages::zeros;
use super::simd::{Kernel, Simd};
use super::term::Term;
use super::transpose::transpose;
use super::{Isa, Lanes};

/// Rows packed for the inner loop: groups of `width` rows, coordinate by coordinate, filled up with zero rows.
#[derive(Debug)]
pub(crate) struct Packed<T> {
    data: Vec<T>,
    width: usize,
    dim: usize,
    rows: usize,
}

impl<T: Lanes + Copy + Default> Packed<T> {
    pub(crate) fn new(width: usize, dim: usize) -> Self {
        Self {
            data: Vec::new(),
            width,
            dim,
            rows: 0,
        }
    }

    /// Replaces the rows by those of a slice, `dim` numbers each.
    pub(crate) fn fill(&mut self, rows: &[T]) {
        let (width, dim) = (self.width, self.dim);
        self.rows = rows.len() / dim;
        let filled = self.rows.div_ceil(width) * width * dim;
        if self.data.len() < filled {
            self.data = zeros(filled);
        }
        self.data.truncate(filled);
        let isa = Isa::best();
        for (group, rows) in self
            .data
            .chunks_exact_mut(width * dim)
            .zip(rows.chunks(width * dim))
        {
            let count = rows.len() / dim;
            transpose(isa, (rows, dim), (count, dim), (group, width));
            if count < width {
                for filling in group.chunks_exact_mut(width) {
                    filling[count..].fill(T::default());
                }
            }
        }
    }

    /// Groups with the index of their first row and the number of rows that are not filling.
    #[inline(always)]
    fn groups(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, usize, &[T])> {
        let (width, end) = (self.width, rows.end.min(self.rows));
        let data =
            self.data[rows.start / width * width * self.dim..].chunks_exact(width * self.dim);
        let starts = (rows.start..end).step_by(width);
        starts
            .zip(data)
            .map(move |(first, group)| (first, width.min(end - first), group))
    }
}

/// Takes tiles out of the registers.
pub(crate) trait Sink<T> {
    /// Rows `row..row + rows` against columns `column..column + columns`; what lies beyond is filling.
    fn take<S: Simd<T>, const ROWS: usize>(&mut self, simd: S, tile: [[S::V; 2]; ROWS], at: At);

    /// Comes after the last tile of a panel.
    #[inline(always)]
    fn end_panel<S: Simd<T>>(&mut self, _simd: S, _column: usize, _columns: usize) {}
}

/// Where a tile lies, counted within the strips and panels given, and how much of it is no filling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) row: usize,
    pub(crate) rows: usize,
    pub(crate) column: usize,
    pub(crate) columns: usize,
}

struct Sweep<'a, T, F, K> {
    strips: &'a Packed<T>,
    panels: &'a Packed<T>,
    columns: Range<usize>,
    term: F,
    sink: &'a mut K,
}

impl<T: Lanes + Copy + Default, F: Term<T>, K: Sink<T>> Kernel<T> for Sweep<'_, T, F, K> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        match S::ROWS {
            12 => sweep::<T, S, F, K, 12>(simd, self),
            6 => sweep::<T, S, F, K, 6>(simd, self),
            _ => sweep::<T, S, F, K, 4>(simd, self),
        }
    }
}

#[inline(always)]
fn sweep<T: Lanes + Copy + Default, S: Simd<T>, F: Term<T>, K: Sink<T>, const ROWS: usize>(
    simd: S,
    Sweep {
        strips,
        panels,
        columns,
        term,
        sink,
    }: Sweep<'_, T, F, K>,
) {
    debug_assert!(strips.width == ROWS && panels.width == 2 * S::LANES && strips.dim == panels.dim);
    for (column, columns, panel) in panels.groups(columns) {
        for (row, rows, strip) in strips.groups(0..strips.rows) {
            let tile = tile::<T, S, F, ROWS>(simd, term, strip, panel);
            sink.take(
                simd,
                tile,
                At {
                    row,
                    rows,
                    column,
                    columns,
                },
            );
        }
        sink.end_panel(simd, column, columns);
    }
}

#[inline(always)]
fn tile<T: Copy, S: Simd<T>, F: Term<T>, const ROWS: usize>(
    simd: S,
    term: F,
    strip: &[T],
    panel: &[T],
) -> [[S::V; 2]; ROWS] {
    let mut sums = [[simd.zero(); 2]; ROWS];
    let (strip, _) = strip.as_chunks::<ROWS>();
    for (a, b) in strip.iter().zip(panel.chunks_exact(2 * S::LANES)) {
        let b = [simd.load(b), simd.load(&b[S::LANES..])];
        for (sums, &a) in sums.iter_mut().zip(a) {
            let a = simd.splat(a);
            for (sum, &b) in sums.iter_mut().zip(&b) {
                *sum = term.step(simd, *sum, a, b);
            }
        }
    }
    sums
}

/// Hands every tile of strips against some columns of panels to a sink: panel by panel, in order.
///
/// `columns` starts at a multiple of the panels' width.
pub(crate) fn sweep_on<T, F, K>(
    isa: Isa,
    term: F,
    strips: &Packed<T>,
    panels: &Packed<T>,
    columns: Range<usize>,
    sink: &mut K,
) where
    T: Lanes + Copy + Default,
    F: Term<T>,
    K: Sink<T>,
{
    T::run_on(
        isa,
        Sweep {
            strips,
            panels,
            columns,
            term,
            sink,
        },
    );
}

/// Widths of strips and panels.
pub(crate) fn widths<T: Lanes>(isa: Isa) -> (usize, usize) {
    struct Widths;
    impl<T> Kernel<T> for Widths {
        type Output = (usize, usize);
        #[inline(always)]
        fn run<S: Simd<T>>(self, _: S) -> (usize, usize) {
            (S::ROWS, 2 * S::LANES)
        }
    }
    T::run_on(isa, Widths)
}
