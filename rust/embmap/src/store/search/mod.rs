//! The rows nearest to queries by cosine, exactly: every row is read, block by block, and compared with all queries at once.
//!
//! Products are taken in float32, which orders all but near ties; the best rows of each query, and some more, are then
//! compared anew in float64, so that order and cosines are those of a calculation in float64.

pub(crate) mod dot;
pub(crate) mod screen;

use std::{cmp::Ordering, ops::Range};

use crate::{
    dtype::Dtype,
    error::{Error, Result},
    store::{
        Store,
        gather::Rows,
        search::{
            dot::{FEW_QUERIES, gemv, products},
            screen::{Screen, Screened},
        },
        selection::RowSelection,
    },
    sys::threads::{for_each, in_blocks, threads},
};

/// Rows compared at a time: their products with all queries of a pass lie in a near cache.
const BLOCK_ROWS: usize = 256;
/// Queries compared in one pass over the rows.
const PASS_QUERIES: usize = 256;
/// Rows that are worth a thread of their own.
const ROWS_PER_THREAD: usize = 4 * BLOCK_ROWS;
/// Rows kept beyond those asked for, among which float64 decides.
const SPARE_ROWS: usize = 16;

/// A row and its cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// The row.
    pub id: u32,
    /// Its cosine with the query, 0 where one of them is zeros.
    pub cosine: f64,
}

/// Best first; in a tie, lower ids first.
fn order(a: &Neighbor, b: &Neighbor) -> Ordering {
    b.cosine.total_cmp(&a.cosine).then(a.id.cmp(&b.id))
}

impl<D: AsRef<[u8]> + Sync> Store<D> {
    /// The `k` candidates, which rise, nearest to each of `queries`, `dim` finite numbers each, best first; fewer where there are
    /// fewer candidates. `go_on` is asked before each pass over the rows.
    pub fn nearest(
        &self,
        queries: &[f32],
        k: usize,
        candidates: RowSelection,
        mut go_on: impl FnMut() -> bool,
    ) -> Result<Vec<Vec<Neighbor>>> {
        let (rows, dim) = (self.rows(), self.dim());
        let inverse_norms = self.inverse_norms();
        let whole = queries.len().next_multiple_of(dim);
        if whole != queries.len() {
            return Err(Error::Length { name: "queries", expected: whole, found: queries.len() });
        }
        let last = match candidates {
            RowSelection::First(rows) => rows,
            RowSelection::Only(ids) => ids.last().map_or(0, |&id| id as usize + 1),
        };
        if last > rows.len() || matches!(candidates, RowSelection::Only(ids) if !ids.is_sorted()) {
            return Err(Error::Argument("the candidates are not rows, rising".into()));
        }
        let mut found = Vec::with_capacity(queries.len() / dim);
        if let (Some(screen), RowSelection::First(first)) = (self.screen(), candidates)
            && queries.len() <= FEW_QUERIES * dim
            && Screen::is_worth(k, first)
        {
            for query in queries.chunks_exact(dim) {
                if !go_on() {
                    return Err(Error::Cancelled);
                }
                found.push(nearest(&rows, screened(screen, query, k, first), query, k));
            }
            return Ok(found);
        }
        for queries in queries.chunks(PASS_QUERIES * dim) {
            if !go_on() {
                return Err(Error::Cancelled);
            }
            let search = Search { rows, inverse_norms, candidates, queries, kept: k.saturating_add(SPARE_ROWS) };
            for (best, query) in search.run().into_iter().zip(queries.chunks_exact(dim)) {
                found.push(nearest(&rows, best.into_iter().map(|(_, id)| id).collect(), query, k));
            }
        }
        Ok(found)
    }
}

/// The `k` nearest of some rows, by float64.
fn nearest(rows: &Rows, ids: Vec<u32>, query: &[f32], k: usize) -> Vec<Neighbor> {
    let mut best = vec![Neighbor { id: 0, cosine: 0.0 }; ids.len()];
    in_blocks(&ids, &mut best, 1, ROWS_PER_THREAD, |ids, best| {
        for (&id, best) in ids.iter().zip(best) {
            *best = Neighbor { id, cosine: cosine(rows, id, query) };
        }
    });
    best.sort_by(order);
    best.truncate(k);
    best
}

/// Those of the first rows that may be among the `k` nearest to a query, on all threads.
fn screened(screen: Screen, query: &[f32], k: usize, first: usize) -> Vec<u32> {
    let length = query.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if length == 0.0 {
        // Its cosine with every row is 0, and lower ids come first.
        return (0..k as u32).collect();
    }
    let unit: Vec<f32> = query.iter().map(|&x| (f64::from(x) / length) as f32).collect();
    Screened::join(on_parts(first, |rows| screen.part(&unit, k, rows)), k)
}

/// What `work` makes of equal parts of so many rows, each on a thread of its own.
fn on_parts<T: Send>(all: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let parts = threads(None).min(all.div_ceil(ROWS_PER_THREAD)).max(1);
    let size = all.div_ceil(parts).next_multiple_of(BLOCK_ROWS);
    let part = |i: usize| (i * size).min(all)..((i + 1) * size).min(all);
    let mut found: Vec<(Range<usize>, Option<T>)> = (0..parts).map(|i| (part(i), None)).collect();
    let done: Result<(), std::convert::Infallible> = for_each(Some(parts), &mut found, |(rows, result)| {
        *result = Some(work(rows.clone()));
        Ok(())
    });
    let Ok(()) = done;
    found.into_iter().filter_map(|(_, result)| result).collect()
}

/// One pass of a few queries over all candidates.
struct Search<'a> {
    rows: Rows<'a>,
    inverse_norms: &'a [f32],
    candidates: RowSelection<'a>,
    queries: &'a [f32],
    kept: usize,
}

/// The best of one query so far, best first: product with the row's unit vector, and row.
type Best = Vec<(f32, u32)>;

impl Search<'_> {
    /// The best of each query, from all threads.
    fn run(&self) -> Vec<Best> {
        let mut parts = on_parts(self.candidates.len(), |places| self.part(places)).into_iter();
        let mut best = parts.next().unwrap_or_default();
        for theirs in parts {
            for (mine, theirs) in best.iter_mut().zip(theirs) {
                mine.extend(theirs);
                mine.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                mine.truncate(self.kept);
            }
        }
        best
    }

    /// The best of each query among the candidates at those places.
    fn part(&self, places: Range<usize>) -> Vec<Best> {
        let dim = self.rows.dim();
        let queries = self.queries.len() / dim;
        let mut best = vec![Best::new(); queries];
        let mut block = Vec::new();
        let mut scores = vec![0f32; queries * BLOCK_ROWS];
        let mut norms = [0f32; BLOCK_ROWS];
        for start in places.clone().step_by(BLOCK_ROWS) {
            let here = start..(start + BLOCK_ROWS).min(places.end);
            for (norm, place) in norms.iter_mut().zip(here.clone()) {
                *norm = self.inverse_norms[self.candidates.id(place)];
            }
            let scores = &mut scores[..queries * here.len()];
            self.products(here.clone(), scores, &mut norms, &mut block);
            for (best, scores) in best.iter_mut().zip(scores.chunks_exact_mut(here.len())) {
                self.enter(best, scores, &norms, start);
            }
        }
        best
    }

    /// Products of all queries and the rows at those places. Where codes are multiplied as they are, `norms` take their scale.
    fn products(&self, places: Range<usize>, scores: &mut [f32], norms: &mut [f32; BLOCK_ROWS], block: &mut Vec<f32>) {
        let (dim, dtype) = (self.rows.dim(), self.rows.dtype);
        let few = self.queries.len() <= FEW_QUERIES * dim && matches!(self.candidates, RowSelection::First(_));
        let stored = || &self.rows.stored[places.start * dim * dtype.size()..places.end * dim * dtype.size()];
        let each = self.queries.chunks_exact(dim).zip(scores.chunks_exact_mut(places.len()));
        match dtype {
            Dtype::BFloat16 if few => {
                each.for_each(|(query, scores)| gemv(query, stored().as_chunks::<2>().0, scores));
            }
            Dtype::Int8 if few => {
                each.for_each(|(query, scores)| gemv(query, bytemuck::cast_slice::<u8, i8>(stored()), scores));
                norms.iter_mut().zip(&self.rows.scales[places]).for_each(|(norm, scale)| *norm *= scale);
            }
            _ => products(self.queries, self.values(places, block), dim, scores),
        }
    }

    /// The values of the rows at those places: as they are in the file, or converted into `block`.
    fn values<'b>(&'b self, places: Range<usize>, block: &'b mut Vec<f32>) -> &'b [f32] {
        let dim = self.rows.dim();
        if let (RowSelection::First(_), Some(values)) = (self.candidates, self.rows.float32()) {
            return &values[places.start * dim..places.end * dim];
        }
        block.resize(places.len() * dim, 0.0);
        for (place, row) in places.zip(block.chunks_exact_mut(dim)) {
            self.rows.decode(self.candidates.id(place), row);
        }
        block
    }

    /// Enters those of a block's products that are among the best.
    fn enter(&self, best: &mut Best, scores: &mut [f32], norms: &[f32], start: usize) {
        for (score, norm) in scores.iter_mut().zip(norms) {
            *score *= norm;
        }
        let mut least = self.least(best);
        for (i, some) in scores.chunks(16).enumerate() {
            // Most blocks have none: one look at the largest of a few passes over them.
            if some.iter().fold(f32::NEG_INFINITY, |largest, &score| largest.max(score)) <= least {
                continue;
            }
            for (j, &score) in some.iter().enumerate() {
                if score > least {
                    let place = best.partition_point(|&(other, _)| other >= score);
                    best.insert(place, (score, self.candidates.id(start + 16 * i + j) as u32));
                    best.truncate(self.kept);
                    least = self.least(best);
                }
            }
        }
    }

    /// What a product must exceed to enter.
    fn least(&self, best: &Best) -> f32 {
        match best.last() {
            Some(&(score, _)) if best.len() >= self.kept => score,
            _ => f32::NEG_INFINITY,
        }
    }
}

/// The cosine of a row and a query in float64.
fn cosine(rows: &Rows, id: u32, query: &[f32]) -> f64 {
    let mut row = vec![0.0; query.len()];
    rows.decode(id as usize, &mut row);
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let lengths = (dot(&row, &row) * dot(query, query)).sqrt();
    if lengths > 0.0 { dot(&row, query) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_found_whatever_the_number_of_queries() {
        let (n, dim) = (3000, 7);
        let value = |i: usize| ((i * 2_654_435_761) % 100_003) as f32 - 50_000.0;
        let matrix: Vec<f32> = (0..n * dim).map(value).collect();
        let norms: Vec<f32> = matrix.chunks(dim).map(crate::inverse_norm).collect();
        let rows = Rows { dtype: Dtype::Float32, dim, stored: bytemuck::cast_slice(&matrix), scales: &[] };
        let odd: Vec<u32> = (0..n as u32).filter(|id| id % 2 == 1).collect();
        for queries in [1, 2, 5, 64] {
            let queries = &matrix[7 * dim..(7 + queries) * dim];
            for candidates in [RowSelection::First(n), RowSelection::First(10), RowSelection::Only(&odd)] {
                let search = Search { rows, inverse_norms: &norms, candidates, queries, kept: 12 };
                for (best, query) in search.run().iter().zip(queries.chunks(dim)) {
                    let mut expected: Vec<Neighbor> = (0..candidates.len())
                        .map(|place| candidates.id(place) as u32)
                        .map(|id| Neighbor { id, cosine: cosine(&rows, id, query) })
                        .collect();
                    expected.sort_by(order);
                    let found: Vec<u32> = best.iter().take(5).map(|&(_, id)| id).collect();
                    assert_eq!(found, expected.iter().take(5).map(|n| n.id).collect::<Vec<_>>());
                    assert_eq!(best.len(), 12.min(candidates.len()));
                }
            }
        }
    }
}
