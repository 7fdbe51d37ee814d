//! Buffers that are used again from step to step: fresh ones cost page faults and zeros that nobody reads.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use burn::backend::flex::FlexTensor;
use metric_core::simd::zeros;

#[derive(Debug)]
struct Pool {
    free: Vec<Vec<f32>>,
    /// Buffers given out: where they are, and numbers of each.
    out: BTreeMap<usize, usize>,
    /// The most numbers ever given out at once.
    most: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    free: Vec::new(),
    out: BTreeMap::new(),
    most: 0,
});

fn pool() -> MutexGuard<'static, Pool> {
    // Whoever panicked left whole buffers behind.
    POOL.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Pool {
    /// The smallest free buffer of at least `len` numbers that is not much too large.
    fn find(&mut self, len: usize) -> Option<Vec<f32>> {
        let fits = |buffer: &Vec<f32>| buffer.capacity() >= len && buffer.capacity() / 2 <= len;
        let fitting = (0..self.free.len()).filter(|&i| fits(&self.free[i]));
        let best = fitting.min_by_key(|&i| self.free[i].capacity())?;
        Some(self.free.remove(best))
    }

    fn lend(&mut self, buffer: &Vec<f32>) {
        self.out.insert(buffer.as_ptr().addr(), buffer.capacity());
        let out = self.out.values().sum::<usize>();
        self.most = self.most.max(out);
        // No more in all than was ever needed at once: the oldest go.
        let mut held = self.free.iter().map(Vec::capacity).sum::<usize>();
        while !self.free.is_empty() && held + out > self.most {
            held -= self.free.remove(0).capacity();
        }
    }
}

/// So many numbers, whatever they are.
pub(super) fn take(len: usize) -> Vec<f32> {
    if len == 0 {
        return Vec::new();
    }
    let found = pool().find(len);
    let mut buffer = found.unwrap_or_else(|| zeros(len));
    buffer.resize(len, 0.0);
    pool().lend(&buffer);
    buffer
}

/// Takes back what was given out; what came from elsewhere goes.
pub(super) fn give_back(buffer: Vec<f32>) {
    let mut pool = pool();
    if pool.out.remove(&buffer.as_ptr().addr()).is_some() {
        pool.free.push(buffer);
    }
}

/// Takes back what a tensor holds, if nobody else does.
pub(super) fn reclaim(tensor: FlexTensor) {
    if tensor.is_unique() && tensor.is_contiguous() {
        if let Ok(buffer) = tensor.into_data().try_into_vec::<f32>() {
            give_back(buffer);
        }
    }
}

/// A buffer that goes back by itself.
#[derive(Debug, Default)]
pub(super) struct Lent(Vec<f32>);

impl Lent {
    pub(super) fn new(len: usize) -> Self {
        Self(take(len))
    }

    pub(super) fn zeros(len: usize) -> Self {
        let mut lent = Self::new(len);
        lent.0.fill(0.0);
        lent
    }
}

impl std::ops::Deref for Lent {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl std::ops::DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        give_back(std::mem::take(&mut self.0));
    }
}
