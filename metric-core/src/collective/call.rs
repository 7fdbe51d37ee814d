//! How numbers travel: a header that says which call they belong to, then their bytes, least first.

use super::CollectiveError;

/// A number that ranks exchange: `f32`, `f64` or `i64`. Sealed.
#[expect(private_bounds, reason = "the supertrait seals this one")]
pub trait Number: Sealed {}

pub(super) trait Sealed: Copy + Sized {
    const BYTES: usize;
    /// Its place among the numbers.
    const PLACE: usize;
    fn write(self, to: &mut Vec<u8>);
    /// From as many bytes as it has.
    fn read(bytes: &[u8]) -> Self;
    /// Integers wrap.
    fn plus(self, other: Self) -> Self;
}

macro_rules! number {
    ($t:ident, $place:literal, |$a:ident, $b:ident| $sum:expr) => {
        impl Number for $t {}
        impl Sealed for $t {
            const BYTES: usize = size_of::<$t>();
            const PLACE: usize = $place;
            fn write(self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
            fn read(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<$t>()];
                own.copy_from_slice(bytes);
                Self::from_le_bytes(own)
            }
            fn plus(self, other: Self) -> Self {
                let ($a, $b) = (self, other);
                $sum
            }
        }
    };
}

number!(f32, 0, |a, b| a + b);
number!(f64, 1, |a, b| a + b);
number!(i64, 2, |a, b| a.wrapping_add(b));

#[derive(Debug, Clone, Copy)]
pub(super) enum Operation {
    AllGather,
    AllReduce,
    Broadcast,
}

/// By number, then by operation.
const NAMES: [&str; 9] = [
    "all_gather of f32",
    "all_reduce_sum of f32",
    "broadcast of f32",
    "all_gather of f64",
    "all_reduce_sum of f64",
    "broadcast of f64",
    "all_gather of i64",
    "all_reduce_sum of i64",
    "broadcast of i64",
];

/// A call and the argument that all ranks must have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    name: u64,
    argument: u64,
    argument_name: &'static str,
}

/// Number of the call and its argument.
const HEADER: usize = 16;

impl Call {
    pub(super) fn new<T: Number>(operation: Operation, argument: usize) -> Self {
        Self {
            name: (T::PLACE * 3 + operation as usize) as u64,
            argument: argument as u64,
            argument_name: match operation {
                Operation::AllGather | Operation::AllReduce => "number of values",
                Operation::Broadcast => "root",
            },
        }
    }

    pub(super) fn message<T: Number>(self, values: &[T]) -> Vec<u8> {
        let mut message = Vec::with_capacity(HEADER + values.len() * T::BYTES);
        message.extend_from_slice(&self.name.to_le_bytes());
        message.extend_from_slice(&self.argument.to_le_bytes());
        for &value in values {
            value.write(&mut message);
        }
        message
    }

    /// The values in a message from `rank`, if it is one of this call.
    pub(super) fn values<T: Number>(
        self,
        rank: usize,
        message: &[u8],
    ) -> Result<Vec<T>, CollectiveError> {
        let garbled = CollectiveError::Garbled {
            rank,
            bytes: message.len(),
        };
        let Some((header, values)) = message.split_at_checked(HEADER) else {
            return Err(garbled);
        };
        let (name, argument) = header.split_at(HEADER / 2);
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
        let (name, argument) = (number(name), number(argument));
        let name_of = |name: u64| usize::try_from(name).ok().and_then(|at| NAMES.get(at));
        let (Some(expected), Some(got)) = (name_of(self.name), name_of(name)) else {
            return Err(garbled);
        };
        if name != self.name {
            return Err(CollectiveError::OtherCall {
                rank,
                expected,
                got,
            });
        }
        if argument != self.argument {
            return Err(CollectiveError::OtherArgument {
                rank,
                name: self.argument_name,
                expected: self.argument,
                got: argument,
            });
        }
        if values.len() % T::BYTES != 0 {
            return Err(garbled);
        }
        Ok(values.chunks_exact(T::BYTES).map(T::read).collect())
    }
}
