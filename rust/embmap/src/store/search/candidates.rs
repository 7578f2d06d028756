//! The rows that may be among the nearest to one query, by what is known of their cosines so far.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{Neighbor, exact::Exact, order};

/// Rows that are kept in doubt before they are looked through for the first time.
const FEW_ROWS: usize = 64;
/// From so many rows in doubt on, and so many times `k`, float64 decides between them: where thousands of rows are all but the same,
/// no bound tells them apart.
const MANY_ROWS: usize = 4096;

/// A row whose cosine is between two numbers.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    high: f32,
    low: f32,
    id: u32,
}

/// What `k` rows are known to reach, over all threads: it only grows.
#[derive(Debug)]
pub(crate) struct Threshold(AtomicU32);

impl Threshold {
    pub(crate) fn new() -> Threshold {
        Threshold(AtomicU32::new(ascending(f32::NEG_INFINITY)))
    }

    pub(crate) fn get(&self) -> f32 {
        let bits = self.0.load(Ordering::Relaxed);
        f32::from_bits(if bits >> 31 == 1 { bits ^ 1 << 31 } else { !bits })
    }

    fn raise(&self, to: f32) {
        self.0.fetch_max(ascending(to), Ordering::Relaxed);
    }
}

/// Whole numbers in the order of the floats.
fn ascending(x: f32) -> u32 {
    let bits = x.to_bits();
    if bits >> 31 == 0 { bits ^ 1 << 31 } else { !bits }
}

/// One thread's candidates of one query.
#[derive(Debug)]
pub(crate) struct Candidates {
    k: usize,
    /// The best of those that float64 has compared.
    best: Vec<Neighbor>,
    doubts: Vec<Doubt>,
    /// Doubts that are worth looking through.
    room: usize,
}

impl Candidates {
    /// None yet, of which `k`, at least one, are wanted.
    pub(crate) fn new(k: usize) -> Candidates {
        Candidates { k, best: Vec::new(), doubts: Vec::new(), room: FEW_ROWS.max(2 * k) }
    }

    /// The most doubts that are ever kept.
    pub(crate) fn most(k: usize) -> usize {
        MANY_ROWS.saturating_add(k.saturating_mul(4))
    }

    /// Enters a row whose cosine is `score`, give or take `off`.
    #[inline(always)]
    pub(crate) fn enter(&mut self, id: u32, score: f32, off: f32) {
        self.doubts.push(Doubt { high: score + off, low: score - off, id });
    }

    /// Whether it is time to [`settle`](Self::settle).
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.doubts.len() >= self.room
    }

    /// Gives up the rows that can no longer be among the nearest, and raises the threshold to what `k` reach; asks
    /// `exact` where bounds decide too little.
    pub(crate) fn settle<'e>(&mut self, threshold: &Threshold, exact: impl FnOnce() -> Exact<'e>) {
        self.give_up(threshold);
        if self.doubts.len() >= Candidates::most(self.k) {
            self.decide(&mut exact());
            self.give_up(threshold);
        }
        self.room = (2 * self.doubts.len()).clamp(FEW_ROWS.max(2 * self.k), Candidates::most(self.k));
    }

    /// Takes over another thread's.
    pub(crate) fn join(&mut self, mut other: Candidates) {
        self.doubts.append(&mut other.doubts);
        self.best.append(&mut other.best);
    }

    /// The `k` nearest, best first.
    pub(crate) fn finish(mut self, threshold: &Threshold, exact: &mut Exact) -> Vec<Neighbor> {
        self.give_up(threshold);
        self.decide(exact);
        self.best
    }

    fn give_up(&mut self, threshold: &Threshold) {
        let exact = self.best.iter().map(|row| (row.cosine as f32).next_down());
        let mut least: Vec<f32> = self.doubts.iter().map(|row| row.low).chain(exact).collect();
        if let Some(last) = self.k.checked_sub(1).filter(|last| *last < least.len()) {
            let (_, kth, _) = least.select_nth_unstable_by(last, |a, b| b.total_cmp(a));
            threshold.raise(*kth);
        }
        let threshold = threshold.get();
        self.doubts.retain(|row| row.high >= threshold);
    }

    /// Compares all that are in doubt.
    fn decide(&mut self, exact: &mut Exact) {
        let mut ids: Vec<u32> = self.doubts.drain(..).map(|row| row.id).collect();
        exact.scores(&mut ids, &mut self.best);
        self.best.sort_unstable_by(order);
        self.best.truncate(self.k);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dtype::Dtype, store::gather::Rows};

    #[test]
    fn a_threshold_only_grows() {
        let threshold = Threshold::new();
        assert_eq!(threshold.get(), f32::NEG_INFINITY);
        for (raised, expected) in [(-0.5, -0.5), (-0.75, -0.5), (0.0, 0.0), (-0.0, 0.0), (0.25, 0.25), (0.1, 0.25)] {
            threshold.raise(raised);
            assert_eq!(threshold.get(), expected);
        }
    }

    #[test]
    fn of_rows_that_are_all_the_same_the_first_stay_and_few_are_kept() {
        let matrix = vec![1f32; 2 * 100_000];
        let rows = Rows { dtype: Dtype::Float32, dim: 2, stored: bytemuck::cast_slice(&matrix), scales: &[] };
        let mut exact = Exact::cosine(rows, &[1.0, 0.0]);
        let (threshold, mut candidates) = (Threshold::new(), Candidates::new(3));
        for id in (0..100_000).rev() {
            candidates.enter(id, 0.5f32.sqrt(), 1e-3);
            if candidates.is_full() {
                candidates.settle(&threshold, || Exact::cosine(rows, &[1.0, 0.0]));
            }
            assert!(candidates.doubts.len() <= Candidates::most(3));
        }
        let found = candidates.finish(&threshold, &mut exact);
        assert_eq!(found.iter().map(|row| row.id).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
