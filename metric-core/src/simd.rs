//! The vector kernels' vocabulary for the other crates of this workspace. No part of the stable interface.

pub use crate::kernel::{Kernel, Simd, Term};

use crate::Scalar;
use crate::kernel::{self, Isa, pages};

/// Runs a kernel on the best instruction set of this machine.
#[inline]
pub fn run<T: Scalar, K: Kernel<T>>(kernel: K) -> K::Output {
    T::run(kernel)
}

/// Rows of a register tile, and columns: two vectors.
pub fn widths<T: Scalar>() -> (usize, usize) {
    kernel::tile::widths::<T>(Isa::best())
}

/// `to[c · width + r] = from[r · stride + c]` for so many rows and columns.
pub fn transpose<T: Scalar>(from: (&[T], usize), shape: (usize, usize), to: (&mut [T], usize)) {
    kernel::transpose::transpose(Isa::best(), from, shape, to);
}

/// Zeros, in large pages where the system offers them.
pub fn zeros<T: Scalar>(count: usize) -> Vec<T> {
    pages::zeros(count)
}

/// Has the allocator keep freed memory for what comes next; to be called once, at the start of a program that makes and
/// drops the same large results again and again.
pub fn keep_pages() {
    pages::keep_pages();
}
