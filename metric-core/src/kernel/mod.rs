//! Vector kernels. The only folder with `unsafe`, and only for instructions and loads of checked slices.
//!
//! A kernel is written once over [`Simd`] and compiled for every instruction set; which one runs is decided once, when
//! the first kernel does. To add an instruction set, implement `Simd` for a token type that only its `detect` can
//! make, and add it to [`Isa`]: the tests run every kernel on every instruction set that the machine has.
#![expect(unsafe_code, reason = "vector instructions")]

#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(
        dead_code,
        reason = "elsewhere products of codes are no faster than those of numbers"
    )
)]
pub(crate) mod codes;
mod math;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod pages;
pub(crate) mod pair;
pub(crate) mod product;
pub(crate) mod scan;
pub(crate) mod simd;
pub(crate) mod term;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod tile;
pub(crate) mod transpose;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

use std::sync::OnceLock;

pub(crate) use simd::Portable;
pub use simd::{Kernel, Simd};
pub use term::Term;

/// An instruction set that this machine has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512(x86::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
    Portable,
}

impl Isa {
    /// All that this machine has, best first.
    pub(crate) fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(x86::Avx512::detect().map(Self::Avx512));
            all.extend(x86::Avx2::detect().map(Self::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        all.push(Self::Neon(neon::Neon::detect()));
        all.push(Self::Portable);
        all
    }

    /// The best one, looked up once.
    #[inline]
    pub(crate) fn best() -> Self {
        #[cfg(test)]
        if let Some(isa) = tests::forced() {
            return isa;
        }
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::available()[0])
    }
}

/// Numbers that every instruction set has vectors of.
pub(crate) trait Lanes: Sized {
    /// Runs a kernel on an instruction set.
    fn run_on<K: Kernel<Self>>(isa: Isa, kernel: K) -> K::Output;

    /// `xᵖ` for `x ≥ 0`; for `f32` see [`math::power_f32`].
    fn power<S: Simd<Self>>(simd: S, x: S::V, p: Self) -> S::V;

    /// `eˣ`; for `f32` see [`math::exp_f32`].
    fn exp<S: Simd<Self>>(simd: S, x: S::V) -> S::V;

    /// Runs a kernel on the best instruction set.
    #[inline]
    fn run<K: Kernel<Self>>(kernel: K) -> K::Output {
        Self::run_on(Isa::best(), kernel)
    }
}

macro_rules! lanes {
    ($t:ident, $power:expr, $exp:expr) => {
        impl Lanes for $t {
            #[inline]
            fn run_on<K: Kernel<Self>>(isa: Isa, kernel: K) -> K::Output {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512(simd) => simd.run(kernel),
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2(simd) => simd.run(kernel),
                    #[cfg(target_arch = "aarch64")]
                    Isa::Neon(simd) => simd.run(kernel),
                    Isa::Portable => kernel.run(Portable),
                }
            }

            #[inline(always)]
            fn power<S: Simd<Self>>(simd: S, x: S::V, p: Self) -> S::V {
                $power(simd, x, p)
            }

            #[inline(always)]
            fn exp<S: Simd<Self>>(simd: S, x: S::V) -> S::V {
                $exp(simd, x)
            }
        }
    };
}

lanes!(f32, math::power_f32, math::exp_f32);
lanes!(f64, math::power_f64, math::exp_f64);
