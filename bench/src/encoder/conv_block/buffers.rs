//! Buffers that are used again from step to step: fresh ones cost page faults and zeros that nobody reads.

use std::sync::{Mutex, MutexGuard};

use burn::backend::flex::FlexTensor;
use metric_core::simd::zeros;

#[derive(Debug)]
struct Pool {
    free: Vec<Vec<f32>>,
    /// Numbers given out and not come back, now and at most.
    out: usize,
    most: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    free: Vec::new(),
    out: 0,
    most: 0,
});

fn pool() -> MutexGuard<'static, Pool> {
    // Whoever panicked left whole buffers behind.
    POOL.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// So many numbers, whatever they are.
pub(super) fn take(len: usize) -> Vec<f32> {
    let found = {
        let mut pool = pool();
        pool.out += len;
        pool.most = pool.most.max(pool.out);
        let fits = |buffer: &Vec<f32>| buffer.capacity() >= len && buffer.capacity() / 2 <= len;
        let fitting = (0..pool.free.len()).filter(|&i| fits(&pool.free[i]));
        let best = fitting.min_by_key(|&i| pool.free[i].capacity());
        if best.is_none() {
            // No more in all than was ever needed at once: the oldest go.
            let mut held = pool.free.iter().map(Vec::capacity).sum::<usize>();
            while !pool.free.is_empty() && held + pool.out > pool.most {
                held -= pool.free.remove(0).capacity();
            }
        }
        best.map(|i| pool.free.remove(i))
    };
    match found {
        Some(mut buffer) => {
            buffer.resize(len, 0.0);
            buffer
        }
        None => zeros(len),
    }
}

/// Takes back as much as was given out; what is more came from elsewhere, and goes.
pub(super) fn give_back(buffer: Vec<f32>) {
    let mut pool = pool();
    if buffer.len() <= pool.out && buffer.capacity() > 0 {
        pool.out -= buffer.len();
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
