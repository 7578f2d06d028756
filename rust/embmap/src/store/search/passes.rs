//! A pass over the rows with some queries: every thread takes the next rows that nobody has taken, so that one that is held up
//! holds up nobody.

use std::{
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Instant,
};

use super::{
    Neighbor,
    candidates::{Candidates, Threshold},
    codes::Source,
    exact::Exact,
    tile::{GROUP, PerQuery},
};
use crate::{
    error::{Error, Result},
    sys::threads::{TICK, for_each, join_all, spawn, threads},
};

/// Rows that are compared first, to know what others must reach.
pub(crate) const FIRST_ROWS: usize = 96;
/// Rows that a thread takes at a time.
const TAKEN_ROWS: usize = 32 * FIRST_ROWS;
/// Products that are worth a thread of their own.
const PRODUCTS_PER_THREAD: usize = 1 << 21;

/// How rows are compared with all queries of a pass.
pub(crate) trait Scorer: Sync {
    /// Rows that are compared at a time, at most.
    const BLOCK_ROWS: usize;
    /// What a thread needs besides.
    type Room;
    fn room(&self) -> Self::Room;
    /// How many queries there are.
    fn queries(&self) -> usize;
    /// What decides for a query.
    fn exact(&self, query: usize) -> Exact<'_>;
    /// What a score may be off by besides what the row's own bound says.
    fn off(&self, query: usize) -> f32;
    /// Appends those of the rows at some places that may reach what each query asks for: `score + off` is its bar or more.
    fn score(&self, places: Range<usize>, bars: &[PerQuery<f32>], room: &mut Self::Room, scored: &mut Vec<Scored>);
}

/// Calls `each` with the places where `highest` is `bar` or more.
#[inline(always)]
pub(crate) fn reaching(highest: &[f32], bar: f32, mut each: impl FnMut(usize)) {
    for (i, some) in highest.chunks(16).enumerate() {
        // Most have none.
        if some.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a }) < bar {
            continue;
        }
        (16 * i..).zip(some).filter(|(_, high)| **high >= bar).for_each(|(place, _)| each(place));
    }
}

/// A row whose cosine with a query may be what that asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scored {
    pub query: u32,
    pub id: u32,
    pub score: f32,
    /// What the row's bound adds to that of the query.
    pub off: f32,
}

/// The `k` best rows of `source` for each query, as `scorer` compares them.
pub(crate) fn pass(
    source: Source,
    k: usize,
    scorer: &impl Scorer,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Vec<Vec<Neighbor>>> {
    let (rows, dim) = (source.candidates.len(), source.rows.dim());
    let pass = Pass {
        source,
        k,
        scorer,
        thresholds: (0..scorer.queries()).map(|_| Threshold::new()).collect(),
        next: AtomicUsize::new(0),
        taken: (rows / 16).next_multiple_of(FIRST_ROWS).clamp(FIRST_ROWS, TAKEN_ROWS),
    };
    let workers = threads(None).min(rows.saturating_mul(dim * scorer.queries()) / PRODUCTS_PER_THREAD).max(1);
    let (stop, parts) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let work = |go_on: &mut dyn FnMut() -> bool| -> Result<()> {
        let candidates = pass.candidates(go_on)?;
        parts.lock().unwrap_or_else(PoisonError::into_inner).push(candidates);
        Ok(())
    };
    thread::scope(|scope| {
        let others = (1..workers).map_while(|_| spawn(scope, || work(&mut || !stop.load(Relaxed)))).collect();
        let mut asked = Instant::now();
        let mine = work(&mut || {
            if asked.elapsed() >= TICK {
                asked = Instant::now();
                stop.fetch_or(!go_on(), Relaxed);
            }
            !stop.load(Relaxed)
        });
        join_all(mine, others)
    })?;
    let mut parts = parts.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter();
    let mut all: Vec<Candidates> = parts.next().unwrap_or_default();
    for theirs in parts {
        all.iter_mut().zip(theirs).for_each(|(mine, theirs)| mine.join(theirs));
    }
    let mut found: Vec<_> =
        all.into_iter().enumerate().map(|(i, candidates)| (i, Some(candidates), Vec::new())).collect();
    let done: Result<(), std::convert::Infallible> = for_each(Some(workers), &mut found, |(i, candidates, nearest)| {
        if let Some(candidates) = candidates.take() {
            *nearest = candidates.finish(&pass.thresholds[*i], &mut scorer.exact(*i));
        }
        Ok(())
    });
    let Ok(()) = done;
    Ok(found.into_iter().map(|(_, _, nearest)| nearest).collect())
}

/// Some queries on their way over all rows.
struct Pass<'a, S> {
    source: Source<'a>,
    k: usize,
    scorer: &'a S,
    thresholds: Vec<Threshold>,
    /// The first place that no thread has taken.
    next: AtomicUsize,
    /// Places that a thread takes at a time.
    taken: usize,
}

impl<S: Scorer> Pass<'_, S> {
    /// The candidates among the rows that this thread takes.
    fn candidates(&self, go_on: &mut dyn FnMut() -> bool) -> Result<Vec<Candidates>> {
        let rows = self.source.candidates.len();
        let mut candidates: Vec<Candidates> = self.thresholds.iter().map(|_| Candidates::new(self.k)).collect();
        let (mut room, mut scored, mut size) = (self.scorer.room(), Vec::new(), FIRST_ROWS);
        // Where a group has no query, nothing is asked for.
        let mut bars = vec![PerQuery::default(); self.thresholds.len().div_ceil(GROUP)];
        bars.as_flattened_mut().as_flattened_mut().fill(f32::INFINITY);
        loop {
            let start = self.next.fetch_add(self.taken, Relaxed);
            if start >= rows {
                return Ok(candidates);
            }
            if !go_on() {
                return Err(Error::Cancelled);
            }
            for i in 0..candidates.len() {
                *bar(&mut bars, i) = self.bar(i);
            }
            let end = (start + self.taken).min(rows);
            let mut block = start;
            while block < end {
                let next = (block + size).min(end);
                self.scorer.score(block..next, &bars, &mut room, &mut scored);
                (block, size) = (next, (2 * size).min(S::BLOCK_ROWS));
                for row in scored.drain(..) {
                    let i = row.query as usize;
                    // The places in a group that have no query ask for infinity, which a norm of a stranger's store may reach.
                    if i >= candidates.len() {
                        continue;
                    }
                    // The bar may have risen since.
                    if row.score + row.off < *bar(&mut bars, i) {
                        continue;
                    }
                    candidates[i].enter(row.id, row.score, row.off + self.scorer.off(i));
                    if candidates[i].is_full() {
                        candidates[i].settle(&self.thresholds[i], || self.scorer.exact(i));
                        *bar(&mut bars, i) = self.bar(i);
                    }
                }
            }
        }
    }

    /// What a row's score and its own bound must reach.
    fn bar(&self, query: usize) -> f32 {
        self.thresholds[query].get() - self.scorer.off(query)
    }
}

fn bar(bars: &mut [PerQuery<f32>], query: usize) -> &mut f32 {
    &mut bars.as_flattened_mut().as_flattened_mut()[query]
}
