//! Chance that does not depend on threads.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// A generator for each row, all from one draw of the caller's: what a row draws does not depend on the others, so rows
/// may run in parallel.
#[derive(Debug, Clone)]
pub(crate) struct RandomRows(ChaCha8Rng);

impl RandomRows {
    pub(crate) fn draw(rng: &mut dyn Rng) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        Self(ChaCha8Rng::from_seed(seed))
    }

    pub(crate) fn of(&self, row: u32) -> ChaCha8Rng {
        let mut own = self.0.clone();
        own.set_stream(u64::from(row));
        own
    }
}
