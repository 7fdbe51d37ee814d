//! Buffers that are used again from step to step: fresh ones cost page faults and zeros that nobody reads.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

use burn::backend::flex::FlexTensor;
use metric_core::simd::zeros;

/// Requests after which a buffer that nobody asked for goes: those of some training steps.
const PATIENCE: u64 = 10_000;

#[derive(Debug)]
struct Pool {
    /// Free buffers, and the request after which each came back.
    free: Vec<(u64, Vec<f32>)>,
    /// Where those are that were given out.
    out: BTreeSet<usize>,
    requests: u64,
}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    free: Vec::new(),
    out: BTreeSet::new(),
    requests: 0,
});

fn pool() -> MutexGuard<'static, Pool> {
    // Whoever panicked left whole buffers behind.
    POOL.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// So many numbers, whatever they are.
pub(super) fn take(len: usize) -> Vec<f32> {
    if len == 0 {
        return Vec::new();
    }
    let found = {
        let mut pool = pool();
        pool.requests += 1;
        let now = pool.requests;
        pool.free.retain(|(since, _)| since + PATIENCE > now);
        // The smallest that is large enough and not much too large.
        let fits = |room: usize| room >= len && room / 2 <= len;
        let rooms = pool.free.iter().map(|(_, buffer)| buffer.capacity());
        let fitting = rooms.enumerate().filter(|&(_, room)| fits(room));
        let best = fitting.min_by_key(|&(_, room)| room);
        best.map(|(i, _)| pool.free.swap_remove(i).1)
    };
    let mut buffer = found.unwrap_or_else(|| zeros(len));
    buffer.resize(len, 0.0);
    pool().out.insert(buffer.as_ptr().addr());
    buffer
}

/// Takes back what was given out; what came from elsewhere goes.
pub(super) fn give_back(buffer: Vec<f32>) {
    let mut pool = pool();
    if pool.out.remove(&buffer.as_ptr().addr()) {
        let now = pool.requests;
        pool.free.push((now, buffer));
    }
}

/// Takes back what a tensor holds, if nobody else does.
pub(super) fn reclaim(tensor: FlexTensor) {
    if tensor.is_unique()
        && tensor.is_contiguous()
        && let Ok(buffer) = tensor.into_data().try_into_vec::<f32>()
    {
        give_back(buffer);
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
