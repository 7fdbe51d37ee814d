//! `evaluate`: the scores that the program reports, every row a query among all others, under Euclidean distance.

use std::hint::black_box;

use super::{Op, SpeedError, Work, data};
use crate::run::score;

pub(super) fn ops() -> Vec<Op> {
    vec![Op::new("evaluate", |settings| {
        let rows = data::rows(settings, settings.n, 1)?;
        let labels = data::labels(settings);
        Ok(Work::new(move || {
            let scores = score("seeded rows", rows.view(), &labels);
            black_box(scores.map_err(SpeedError::refused("evaluate"))?);
            Ok(())
        }))
    })]
}
