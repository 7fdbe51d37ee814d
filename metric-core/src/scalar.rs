//! Number types that distances are computed in.

use std::cmp::Ordering;
use std::fmt::{Debug, Display};
use std::ops::{Add, Div, Mul, Neg, Sub};

use ndarray::LinalgScalar;

use crate::Element;
use crate::kernel::Lanes;

/// A floating-point type that distances are computed in: `f32` or `f64`. Sealed.
#[expect(private_bounds, reason = "the supertrait seals this one")]
pub trait Scalar:
    Sealed
    + Copy
    + Debug
    + Display
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + LinalgScalar
    + Element<Acc = Self>
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// Gap between one and the next larger value.
    const EPSILON: Self;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// The same value as an `f64`.
    fn to_f64(self) -> f64;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// The total order of IEEE 754, in which NaN has a place.
    fn total_cmp(&self, other: &Self) -> Ordering;
}

/// What kernels need beyond the public trait.
pub(crate) trait Sealed: Lanes + Sized {
    /// Sums of squares between these bounds have lost nothing that matters to underflow: each term loses at
    /// most half the least positive number, which is below `1e-15` of the lower bound (`1e-33` for `f64`).
    const SAFE_SQUARES: (Self, Self);
    /// Squared norms, as `f64`, whose roots and their inverses this type holds at full precision.
    const SAFE_NORMS: (f64, f64);

    /// Entries between these bounds have squares, and sums of millions of them, well inside the range.
    const SAFE_ENTRIES: (f64, f64);
    /// A power of two whose product with any number that needs it is finite.
    const LARGEST_POWER: f64;

    /// The largest number.
    const LARGEST: Self;
    /// Sums of powers up to here are right: no single power was cut off.
    const SAFE_POWERS: Self;

    fn abs(self) -> Self;
    fn asin(self) -> Self;
    fn sqrt(self) -> Self;
    fn atan(self) -> Self;
    fn powf(self, exponent: f64) -> Self;
    fn powi(self, exponent: i32) -> Self;
    /// The least positive number, as `f64`.
    const LEAST: f64;
}

macro_rules! scalar {
    ($t:ident, squares: $squares:expr, norms: $norms:expr, entries: $entries:expr, power: $power:expr) => {
        impl Sealed for $t {
            const SAFE_SQUARES: (Self, Self) = $squares;
            const SAFE_NORMS: (f64, f64) = $norms;
            const LARGEST: Self = $t::MAX;
            const SAFE_POWERS: Self = $t::MAX / 16.0;
            const SAFE_ENTRIES: (f64, f64) = $entries;
            const LARGEST_POWER: f64 = $power;

            #[inline]
            fn abs(self) -> Self {
                self.abs()
            }
            #[inline]
            fn asin(self) -> Self {
                self.asin()
            }
            #[inline]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline]
            fn atan(self) -> Self {
                self.atan()
            }
            #[inline]
            fn powf(self, exponent: f64) -> Self {
                self.powf(exponent as $t)
            }
            #[inline]
            fn powi(self, exponent: i32) -> Self {
                self.powi(exponent)
            }
            const LEAST: f64 = $t::from_bits(1) as f64;
        }

        impl Scalar for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const EPSILON: Self = $t::EPSILON;

            #[inline]
            fn from_f64(value: f64) -> Self {
                value as $t
            }
            #[inline]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline]
            fn is_finite(self) -> bool {
                self.is_finite()
            }
            #[inline]
            fn total_cmp(&self, other: &Self) -> Ordering {
                self.total_cmp(other)
            }
        }
    };
}

scalar!(f32, squares: (1e-30, f32::MAX), norms: (1e-70, 1e70), entries: (1e-9, 1e9), power: 8.507_059_173_023_462e37);
scalar!(f64, squares: (1e-290, f64::MAX), norms: (1e-290, 1e290), entries: (1e-9, 1e9), power: 1.071_508_607_186_267_3e301);
