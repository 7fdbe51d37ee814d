//! Bounds that distances should be above: which of them are below which, counted and not listed.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use metric_core::Scalar;
use metric_core::simd::{Kernel, Simd, Term, run};

/// So many bounds are compared with every distance; of more the place is looked up.
const FEW: usize = 24;

/// Buckets for each bound: most hold one at most.
const BUCKETS: usize = 4;

/// Weighed bounds, each of which makes every distance `d` that it meets cost `weight · [bound − d]₊`.
pub(crate) struct Bounds<T> {
    /// Ascending, and one that no distance is above.
    steps: Vec<Step<T>>,
    /// Which of those given each is.
    order: Vec<u32>,
    /// The bounds and what each weighs, if they are few.
    few: Vec<[T; 2]>,
    lowest: T,
    /// How many bounds are in buckets before each of equal width.
    starts: Vec<u32>,
    /// Buckets in a unit of distance.
    density: T,
}

#[derive(Clone, Copy)]
struct Step<T> {
    bound: T,
    /// What the bounds from this on weigh together.
    weights: T,
    /// How far they are above the lowest, each times its weight.
    heights: T,
}

impl<T: Scalar> Bounds<T> {
    pub(crate) fn new(bounds: &[(T, f64)]) -> Self {
        let mut order: Vec<u32> = (0..bounds.len() as u32).collect();
        let of = |which: u32| bounds[which as usize];
        order.sort_by(|&a, &b| of(a).0.total_cmp(&of(b).0));
        let few = order.iter().filter(|_| order.len() <= FEW);
        let few = few.map(|&which| [of(which).0, T::from_f64(of(which).1)]);
        let few = few.collect();
        let ends = order.first().zip(order.last());
        let [lowest, last] = ends.map_or([T::ZERO; 2], |ends| [of(*ends.0).0, of(*ends.1).0]);
        let (mut weights, mut heights) = (0.0, 0.0);
        let mut step = |bound: T, weight: f64| {
            weights += weight;
            if weight != 0.0 {
                heights += weight * (bound - lowest).to_f64();
            }
            let [weights, heights] = [weights, heights].map(T::from_f64);
            Step {
                bound,
                weights,
                heights,
            }
        };
        let mut steps = vec![step(T::from_f64(f64::NAN), 0.0)];
        steps.extend(
            order
                .iter()
                .rev()
                .map(|&which| step(of(which).0, of(which).1)),
        );
        steps.reverse();
        let mut found = Self {
            steps,
            order,
            few,
            lowest,
            starts: Vec::new(),
            density: T::ZERO,
        };
        if found.are_many() {
            found.fill_buckets((last - lowest).to_f64());
        }
        found
    }

    fn fill_buckets(&mut self, span: f64) {
        let count = BUCKETS * self.len();
        let density = count as f64 / span;
        if density.is_finite() {
            self.density = T::from_f64(density);
        }
        self.starts = vec![0; count + 2];
        let bounds: Vec<T> = self.steps[..self.len()]
            .iter()
            .map(|step| step.bound)
            .collect();
        let mut buckets = vec![0; self.len()];
        self.put_buckets(&bounds, &mut buckets);
        for bucket in buckets {
            self.starts[bucket as usize + 1] += 1;
        }
        self.starts.iter_mut().fold(0, |sum, start| {
            *start += sum;
            *start
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    fn are_many(&self) -> bool {
        self.len() > FEW
    }

    /// Tells `count(place, number)` of how many distances the bound at a place is the first that is above them. Gives what the
    /// distances cost.
    pub(crate) fn meet(&self, distances: &[T], mut count: impl FnMut(usize, usize)) -> f64 {
        let mut cost = 0.0;
        if self.are_many() {
            self.look_up(distances, |_, d, first| {
                if first < self.len() {
                    count(first, 1);
                    let step = self.steps[first];
                    cost += (step.heights - step.weights * (d - self.lowest)).to_f64();
                }
            });
            return cost;
        }
        let met = run(Below(&self.few, distances));
        let mut before = 0;
        for (place, ([number, gaps], [_, weight])) in met.into_iter().zip(&self.few).enumerate() {
            let number = number as usize;
            if number > before {
                count(place, number - before);
                before = number;
            }
            cost += weight.to_f64() * gaps;
        }
        cost
    }

    /// Adds `factor` times what the bounds above each distance weigh to the number beside it.
    pub(crate) fn add_above(&self, distances: &[T], factor: f64, sums: &mut [T]) {
        let factor = T::from_f64(factor);
        if self.are_many() {
            self.look_up(distances, |at, _, first| {
                sums[at] = sums[at] + factor * self.steps[first].weights;
            });
        } else {
            run(Above(&self.few, factor, distances, sums));
        }
    }

    /// How many distances are below each bound, in the order given, by those of which each place is the first above.
    pub(crate) fn below(&self, first_of: &[usize]) -> Vec<usize> {
        let (mut below, mut sum) = (vec![0; self.len()], 0);
        for (&bound, number) in self.order.iter().zip(first_of) {
            sum += number;
            below[bound as usize] = sum;
        }
        below
    }

    /// Tells `of(at, distance, place)` which bound is the first above each distance.
    #[inline(always)]
    fn look_up(&self, distances: &[T], mut of: impl FnMut(usize, T, usize)) {
        const SOME: usize = 64;
        let mut buckets = [0; SOME];
        for (some, first) in distances.chunks(SOME).zip((0..).step_by(SOME)) {
            let buckets = &mut buckets[..some.len()];
            self.put_buckets(some, buckets);
            for (at, (&d, &mut bucket)) in some.iter().zip(buckets).enumerate() {
                let bucket = bucket as usize;
                let mut place = self.starts[bucket] as usize;
                // Bounds of later buckets are above. Whether one of this bucket is not, nobody foresees.
                place += usize::from(self.steps[place].bound <= d);
                if self.steps[place].bound <= d {
                    let rest = &self.steps[place..self.starts[bucket + 1] as usize];
                    place += rest.partition_point(|step| step.bound <= d);
                }
                of(first + at, d, place);
            }
        }
    }

    fn put_buckets(&self, distances: &[T], buckets: &mut [u32]) {
        let last = T::from_f64((self.starts.len() - 2) as f64);
        run(Places(
            distances,
            [self.lowest, self.density, last],
            buckets,
        ));
    }
}

/// The bucket of each distance: what is farther is never in an earlier one.
struct Places<'a, T>(&'a [T], [T; 3], &'a mut [u32]);

impl<T: Scalar> Kernel<T> for Places<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        // A float beside it has its whole part in the low bits.
        const WHOLE: f64 = (1u64 << (f64::MANTISSA_DIGITS - 1)) as f64;
        let Self(distances, [lowest, density, last], buckets) = self;
        for (bucket, &d) in buckets.iter_mut().zip(distances) {
            let place = (d - lowest) * density;
            let place = if place > T::ZERO { place } else { T::ZERO };
            let place = if place < last { place } else { last };
            *bucket = (place.to_f64() + WHOLE).to_bits() as u32;
        }
    }
}

/// `a + b`.
#[derive(Clone, Copy)]
struct Sum;

impl<T> Term<T> for Sum {
    #[inline(always)]
    fn step<S: Simd<T>>(self, simd: S, sum: S::V, a: S::V, b: S::V) -> S::V {
        simd.add(sum, simd.add(a, b))
    }
}

/// How many distances are below each of a few bounds, and how far together.
struct Below<'a, T>(&'a [[T; 2]], &'a [T]);

impl<T: Scalar> Kernel<T> for Below<'_, T> {
    type Output = [[f64; 2]; FEW];

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) -> [[f64; 2]; FEW] {
        // So few at a time that sums keep their digits in single precision.
        const SOME: usize = 512;
        const TOGETHER: usize = 3;
        let Self(bounds, distances) = self;
        let mut found = [[0.0; 2]; FEW];
        let (one, least) = (simd.splat(T::ONE), T::from_f64(f64::NEG_INFINITY));
        for distances in distances.chunks(SOME) {
            let (whole, rest) = distances.split_at(distances.len() / S::LANES * S::LANES);
            for (bounds, found) in bounds.chunks(TOGETHER).zip(found.chunks_mut(TOGETHER)) {
                // Of numbers that are near 0.
                let start = bounds[0][0];
                let mut vectors = [simd.splat(least); TOGETHER];
                for (vector, [bound, _]) in vectors.iter_mut().zip(bounds) {
                    *vector = simd.splat(*bound);
                }
                let mut sums = [[simd.zero(); 2]; TOGETHER];
                for values in whole.chunks_exact(S::LANES) {
                    let d = simd.load(values);
                    let gap = simd.sub(simd.splat(start), d);
                    for ([count, gaps], &bound) in sums.iter_mut().zip(&vectors) {
                        *count = simd.pick(bound, d, simd.add(*count, one), *count);
                        *gaps = simd.pick(bound, d, simd.add(*gaps, gap), *gaps);
                    }
                }
                for ((found, [count, gaps]), &[bound, _]) in found.iter_mut().zip(sums).zip(bounds)
                {
                    let count = simd.fold(count, Sum).to_f64();
                    found[0] += count;
                    found[1] += simd.fold(gaps, Sum).to_f64() + count * (bound - start).to_f64();
                    for &d in rest.iter().filter(|&&d| bound > d) {
                        found[0] += 1.0;
                        found[1] += (bound - d).to_f64();
                    }
                }
            }
        }
        found
    }
}

/// Adds to each number the second of every step whose first is above the distance beside it.
struct Above<'a, T>(&'a [[T; 2]], T, &'a [T], &'a mut [T]);

impl<T: Scalar> Kernel<T> for Above<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, simd: S) {
        let Self(steps, factor, distances, sums) = self;
        let mut vectors = [[simd.zero(); 2]; FEW];
        for (vectors, [bound, weight]) in vectors.iter_mut().zip(steps) {
            *vectors = [simd.splat(*bound), simd.splat(factor * *weight)];
        }
        let vectors = &vectors[..steps.len()];
        let whole = sums.len() / S::LANES * S::LANES;
        let (sums, rest_of_sums) = sums.split_at_mut(whole);
        let (distances, rest) = distances.split_at(whole);
        for (sums, distances) in sums
            .chunks_exact_mut(S::LANES)
            .zip(distances.chunks_exact(S::LANES))
        {
            let d = simd.load(distances);
            let mut sum = simd.load(sums);
            for &[bound, weight] in vectors {
                sum = simd.pick(bound, d, simd.add(sum, weight), sum);
            }
            simd.store(sum, sums);
        }
        for (sum, &d) in rest_of_sums.iter_mut().zip(rest) {
            for &[bound, weight] in steps {
                if bound > d {
                    *sum = *sum + factor * weight;
                }
            }
        }
    }
}

/// Numbers that threads count together.
pub(crate) struct Tally {
    /// One a thread if there is room; else all add to one.
    copies: Vec<Vec<AtomicUsize>>,
    shared: bool,
}

/// How many numbers may be held for threads to have their own.
const ROOM: usize = 1 << 22;

impl Tally {
    pub(crate) fn new(count: usize) -> Self {
        // A thread of no pool has its own too.
        let threads = rayon::current_num_threads() + 1;
        let shared = threads * count > ROOM;
        let copies = if shared { 1 } else { threads };
        let zeros = || (0..count).map(|_| AtomicUsize::new(0)).collect();
        Self {
            copies: (0..copies).map(|_| zeros()).collect(),
            shared,
        }
    }

    /// Counts as long as the thread is at it.
    pub(crate) fn here(&self) -> impl Fn(usize, usize) + '_ {
        let thread = rayon::current_thread_index().map_or(0, |thread| thread + 1);
        let copy = &self.copies[if self.shared { 0 } else { thread }];
        move |place, number| {
            if self.shared {
                copy[place].fetch_add(number, Relaxed);
            } else {
                copy[place].store(copy[place].load(Relaxed) + number, Relaxed);
            }
        }
    }

    pub(crate) fn numbers(&self) -> Vec<usize> {
        let number = |place: usize| {
            let of_copies = self.copies.iter();
            of_copies.map(|copy| copy[place].load(Relaxed)).sum()
        };
        (0..self.copies[0].len()).map(number).collect()
    }
}
