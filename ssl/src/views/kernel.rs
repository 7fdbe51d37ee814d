//! Loops compiled for every instruction set, the best of which is chosen as they run.

/// Stamps a function whose loops are compiled for each instruction set that `pulp` knows.
///
/// What the body calls must be inlined, or it is compiled for the oldest processor. No product is fused with a sum, so
/// all sets give the same bits. Lifetimes of arguments are called `'k`.
macro_rules! kernel {
    ($(#[$meta:meta])* fn $name:ident($($arg:ident: $kind:ty),* $(,)?) $body:block) => {
        kernel! { $(#[$meta])* fn $name($($arg: $kind),*) -> () $body }
    };
    ($(#[$meta:meta])* fn $name:ident($($arg:ident: $kind:ty),* $(,)?) -> $out:ty $body:block) => {
        $(#[$meta])*
        fn $name<'k>($($arg: $kind),*) -> $out {
            struct Kernel<'k> {
                $($arg: $kind,)*
                lifetime: std::marker::PhantomData<&'k ()>,
            }
            impl<'k> pulp::NullaryFnOnce for Kernel<'k> {
                type Output = $out;
                #[inline(always)]
                fn call(self) -> $out {
                    let Self { $($arg,)* lifetime: _ } = self;
                    $body
                }
            }
            let lifetime = std::marker::PhantomData;
            pulp::Arch::new().dispatch(Kernel { $($arg,)* lifetime })
        }
    };
}

pub(super) use kernel;
