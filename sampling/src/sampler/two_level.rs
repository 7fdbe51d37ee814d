//! Batches from a few groups of classes: the dealing of piles, once within each group and once between them.

use rand::Rng;
use rand::seq::{SliceRandom, index};

use super::classes::{fresh_group, groups};
use super::deal::{deal, deals};

/// Examples of the classes of each group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TwoLevel {
    /// Groups, their classes, and examples of these.
    pub(super) groups: Vec<Vec<Vec<usize>>>,
    /// Groups in a batch.
    pub(super) s: usize,
    /// Classes that a batch takes from a group, all of them where it has fewer.
    pub(super) c: usize,
    /// Examples of a class.
    pub(super) k: usize,
}

/// A class, as its group and its place in it, and `K` of its examples.
type Group = ((usize, usize), Vec<usize>);

impl TwoLevel {
    /// Classes in all groups.
    pub(super) fn classes(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    pub(super) fn examples(&self) -> usize {
        self.groups.iter().flatten().map(Vec::len).sum()
    }

    pub(super) fn batch_size(&self) -> usize {
        self.s * self.c * self.k
    }

    pub(super) fn batches_per_epoch(&self) -> usize {
        let blocks = self.groups.iter().map(|classes| {
            let sizes = classes.iter().map(|class| class.len().div_ceil(self.k));
            deals(sizes, self.c.min(classes.len()))
        });
        deals(blocks, self.s)
    }

    /// Batches of `S · C` classes with `K` examples each, those of a group and of a class together.
    pub(super) fn epoch<R: Rng + ?Sized>(&self, rng: &mut R) -> Vec<Vec<usize>> {
        let piles = (0..self.groups.len())
            .map(|at| self.blocks(at, rng))
            .collect();
        let dealt = deal(piles, self.s, rng, |at, rng| {
            let classes = self.groups[at].len();
            let some = index::sample(rng, classes, self.c.min(classes));
            some.into_iter()
                .map(|class| self.fresh((at, class), rng))
                .collect()
        });
        let mut batches: Vec<Vec<usize>> = dealt
            .into_iter()
            .map(|batch| self.filled(batch.concat(), rng))
            .collect();
        batches.shuffle(rng);
        batches
    }

    /// All examples of a group in blocks of up to `C` classes.
    fn blocks<R: Rng + ?Sized>(&self, at: usize, rng: &mut R) -> Vec<Vec<Group>> {
        let classes = &self.groups[at];
        let mut piles = Vec::with_capacity(classes.len());
        for (class, examples) in classes.iter().enumerate() {
            let groups = groups(examples, self.k, rng).into_iter();
            piles.push(groups.map(|group| ((at, class), group)).collect());
        }
        let p = self.c.min(classes.len());
        deal(piles, p, rng, |class, rng| self.fresh((at, class), rng))
    }

    fn fresh<R: Rng + ?Sized>(&self, class: (usize, usize), rng: &mut R) -> Group {
        (
            class,
            fresh_group(&self.groups[class.0][class.1], self.k, rng),
        )
    }

    /// Where groups of fewer than `C` classes left room: other classes of the batch's groups, then of any.
    fn filled<R: Rng + ?Sized>(&self, mut batch: Vec<Group>, rng: &mut R) -> Vec<usize> {
        let room = (self.s * self.c).saturating_sub(batch.len());
        if room > 0 {
            let taken: Vec<(usize, usize)> = batch.iter().map(|&(class, _)| class).collect();
            let mut near: Vec<usize> = taken.iter().map(|&(group, _)| group).collect();
            near.sort_unstable();
            near.dedup();
            let mut rest: Vec<(bool, (usize, usize))> = (0..self.groups.len())
                .flat_map(|group| (0..self.groups[group].len()).map(move |class| (group, class)))
                .filter(|class| !taken.contains(class))
                .map(|class| (near.binary_search(&class.0).is_err(), class))
                .collect();
            rest.shuffle(rng);
            rest.sort_by_key(|&(far, _)| far);
            for (_, class) in rest.into_iter().take(room) {
                batch.push(self.fresh(class, rng));
            }
            // Those of a group stand together, in the order the batch took the groups.
            let place = |group| taken.iter().position(|&(other, _)| other == group);
            batch.sort_by_key(|&((group, _), _)| (place(group).unwrap_or(taken.len()), group));
        }
        batch
            .into_iter()
            .flat_map(|(_, examples)| examples)
            .collect()
    }
}
