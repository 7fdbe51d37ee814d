use rand::Rng;
use rand::seq::index::sample;

/// Classes that take part in a step, in ascending order: those of the batch, filled up to `count`
/// by others drawn without replacement (An et al., *Partial FC: Training 10 Million Identities on a
/// Single Machine*, 2020, <https://arxiv.org/abs/2010.05222>).
///
/// A batch with more than `count` classes has all of its own and no others. The paper draws a tenth
/// of all classes. For [`CombinedMarginLoss::forward_sampled`](crate::CombinedMarginLoss).
///
/// Cost: `O(num_classes)` time and memory.
///
/// # Panics
/// If a label is not in `0..num_classes` or `count` is above `num_classes`.
///
/// ```
/// use metric_losses::sample_classes;
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let classes = sample_classes(&[7, 2, 7], 10, 5, &mut rng);
/// assert_eq!(classes.len(), 5);
/// assert!(classes.contains(&2) && classes.contains(&7));
/// ```
pub fn sample_classes<R: Rng + ?Sized>(
    labels: &[usize],
    num_classes: usize,
    count: usize,
    rng: &mut R,
) -> Vec<usize> {
    assert!(
        count <= num_classes,
        "at most {num_classes} classes can be drawn, not {count}"
    );
    let mut chosen = vec![false; num_classes];
    for &label in labels {
        assert!(
            label < num_classes,
            "a label must be below {num_classes}, got {label}"
        );
        chosen[label] = true;
    }
    let others: Vec<usize> = (0..num_classes).filter(|&class| !chosen[class]).collect();
    let present = num_classes - others.len();
    for index in sample(rng, others.len(), count.saturating_sub(present)) {
        chosen[others[index]] = true;
    }
    (0..num_classes).filter(|&class| chosen[class]).collect()
}
