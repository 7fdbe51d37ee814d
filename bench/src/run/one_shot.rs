use metric_core::{Euclidean, knn_where};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::error::RunError;
use crate::data::OneShotTasks;

/// How well characters that were seen once are told apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OneShotScore {
    /// What was judged.
    pub name: String,
    /// Share of the drawings asked whose nearest drawing seen in their task is of another character.
    pub error: f64,
    /// Drawings asked.
    pub asked: usize,
    /// Tasks.
    pub tasks: usize,
}

impl OneShotScore {
    /// Of rows for the drawings seen and asked, by Euclidean distance: for unit rows the order of cosines.
    ///
    /// # Errors
    /// [`RunError::Evaluation`] for rows that cannot be judged, such as NaN.
    ///
    /// # Panics
    /// If there is not one row a drawing.
    pub fn of(
        name: &str,
        tasks: &OneShotTasks,
        seen: ArrayView2<'_, f32>,
        asked: ArrayView2<'_, f32>,
    ) -> Result<Self, RunError> {
        let (of_seen, of_asked) = (tasks.seen.labels(), tasks.asked.labels());
        assert_eq!(
            [seen.nrows(), asked.nrows()],
            [of_seen.len(), of_asked.len()],
            "one row a drawing"
        );
        let in_task =
            |asked: usize, seen: usize| tasks.task(of_asked[asked]) == tasks.task(of_seen[seen]);
        let nearest = knn_where(&Euclidean, asked, seen, 1, in_task);
        let nearest = nearest.map_err(|source| RunError::Evaluation {
            what: name.into(),
            source,
        })?;
        let is_wrong = |&((seen, _), label): &((&[usize], &[f32]), &u32)| {
            seen.first().is_none_or(|&seen| of_seen[seen] != *label)
        };
        let wrong = nearest.iter().zip(of_asked).filter(is_wrong).count();
        Ok(Self {
            name: name.into(),
            error: wrong as f64 / of_asked.len() as f64,
            asked: of_asked.len(),
            tasks: tasks.len(),
        })
    }
}
