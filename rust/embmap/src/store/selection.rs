//! Some rows of a store: all up to one, or these.

/// Which rows are meant, and in which order.
#[derive(Debug, Clone, Copy)]
pub enum RowSelection<'a> {
    /// The first so many.
    First(usize),
    /// These.
    Only(&'a [u32]),
}

impl RowSelection<'_> {
    /// Rows that are selected.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            RowSelection::First(rows) => *rows,
            RowSelection::Only(ids) => ids.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The row at `place` among those selected.
    #[inline(always)]
    pub(crate) fn id(&self, place: usize) -> usize {
        match self {
            RowSelection::First(_) => place,
            RowSelection::Only(ids) => ids[place] as usize,
        }
    }
}
