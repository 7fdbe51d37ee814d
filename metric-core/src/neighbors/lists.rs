//! Lists of neighbours whose lengths differ.

/// For every query a list of rows and of one value for each, stored as compressed sparse rows.
///
/// ```text
/// list of query i = indices[offsets[i] .. offsets[i + 1]], and the same range of values
/// ```
/// The values are distances, or counts for [`shared_neighbors`](crate::shared_neighbors).
#[derive(Debug, Clone, PartialEq)]
pub struct NeighborLists<V> {
    offsets: Vec<usize>,
    indices: Vec<usize>,
    values: Vec<V>,
}

impl<V> NeighborLists<V> {
    pub(super) fn from_lists(lists: Vec<Vec<(usize, V)>>) -> Self {
        let mut offsets = Vec::with_capacity(lists.len() + 1);
        offsets.push(0);
        let mut end = 0;
        for list in &lists {
            end += list.len();
            offsets.push(end);
        }
        let (indices, values) = lists.into_iter().flatten().unzip();
        Self {
            offsets,
            indices,
            values,
        }
    }

    /// Number of queries.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Is there no query? An answer to queries never is empty in this sense; its lists may be.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where each list starts, and at last where the last one ends: `[queries + 1]`.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// The rows of all lists, one list after another.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// The values that belong to [`indices`](Self::indices).
    pub fn values(&self) -> &[V] {
        &self.values
    }

    /// Rows and values of one query.
    ///
    /// # Panics
    ///
    /// If there is no such query.
    pub fn list(&self, query: usize) -> (&[usize], &[V]) {
        let range = self.offsets[query]..self.offsets[query + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Rows and values of every query in turn.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[usize], &[V])> {
        (0..self.len()).map(|query| self.list(query))
    }
}
