//! Vectors of words that were never seen: the mean of the vectors of their n-grams, as fastText and floret give them.

mod murmur3;
mod ngrams;

use std::ops::Range;

use crate::{
    error::{Error, FormatError, Result, corrupt},
    format::{
        Kind,
        row_stats::normalize,
        subwords::{Ngrams, Parameters},
    },
    store::{Store, gather::Rows},
    sys::threads::in_parts,
};

/// Words whose n-grams are found before their rows are read.
const BLOCK_WORDS: usize = 32;
/// Rows asked for ahead of the one that is added.
const PREFETCH_ROWS: usize = 4;
/// Words that are worth a thread of their own.
const WORDS_PER_THREAD: usize = 256;

/// The n-gram buckets of a store.
#[derive(Debug, Clone, Copy)]
pub struct Subwords<'a> {
    ngrams: Ngrams,
    unit: bool,
    rows: Rows<'a>,
    /// How many rows there are.
    count: u32,
    /// The buckets that have a row, in order; `None` where all have.
    kept: Option<&'a [u32]>,
}

impl<D: AsRef<[u8]>> Store<D> {
    /// The n-gram buckets, where the store has them.
    pub fn subwords(&self) -> Result<Option<Subwords<'_>>, FormatError> {
        if self.header().section(Kind::Subwords).offset == 0 {
            return Ok(None);
        }
        let section = self.section(Kind::Subwords);
        let (Parameters { ngrams, unit, rows: count }, kept) = Parameters::decode(section)?;
        let kept =
            bytemuck::try_cast_slice(kept).map_err(|error| corrupt(format!("the buckets that are kept: {error}")))?;
        let scales = self.numbers(Kind::BucketScales);
        let rows = Rows { dtype: self.header().dtype, dim: self.dim(), stored: self.section(Kind::Buckets), scales };
        let all = count == ngrams.buckets;
        if rows.len() != count as usize || kept.len() != if all { 0 } else { count as usize } {
            let (found, kept) = (rows.len(), kept.len());
            return Err(corrupt(format!("{found} buckets, {kept} of them kept, where {count} were announced")));
        }
        Ok(Some(Subwords { ngrams, unit, rows, count, kept: (!all).then_some(kept) }))
    }
}

impl<'a> Subwords<'a> {
    /// How words are cut.
    #[must_use]
    pub fn ngrams(&self) -> &Ngrams {
        &self.ngrams
    }

    /// The rows of the buckets.
    #[must_use]
    pub fn rows(&self) -> &Rows<'a> {
        &self.rows
    }

    /// The buckets that have a row, in order; `None` where all have.
    #[must_use]
    pub fn kept(&self) -> Option<&'a [u32]> {
        self.kept
    }

    /// The row of a bucket, where it has one.
    #[inline]
    fn row_of(&self, bucket: u32) -> Option<u32> {
        let row = match self.kept {
            None => bucket,
            // The list may be out of order in a file from a stranger: what is found is a place in it all the same.
            Some(kept) => kept.binary_search(&bucket).ok()? as u32,
        };
        // `subwords` has compared the numbers: this is always so.
        (row < self.count).then_some(row)
    }

    /// Fills row `i` of `out` with what the n-grams of `words[i]` give, zeros where it has none, on several threads when
    /// there are many. Whether the store has the word itself makes no difference.
    ///
    /// The sum is taken in the order of fastText and floret and in their precision, so that a float32 store gives the very
    /// same numbers.
    pub fn vectors(&self, words: &[&[u8]], out: &mut [f32]) -> Result<()> {
        let dim = self.rows.dim();
        if out.len() != words.len() * dim {
            return Err(Error::Length { name: "out", expected: words.len() * dim, found: out.len() });
        }
        if words.is_empty() {
            return Ok(());
        }
        in_parts(words, out, dim, WORDS_PER_THREAD, |_, words, out| {
            let (mut rows, mut ends) = (Vec::new(), Vec::new());
            let (mut scratch, mut values) = (Vec::new(), vec![0.0; dim]);
            for (words, out) in words.chunks(BLOCK_WORDS).zip(out.chunks_mut(BLOCK_WORDS * dim)) {
                rows.clear();
                ends.clear();
                for word in words {
                    self.ngrams.each(word, &mut scratch, |bucket| rows.extend(self.row_of(bucket)));
                    ends.push(rows.len());
                }
                let mut start = 0;
                for (&end, sum) in ends.iter().zip(out.chunks_exact_mut(dim)) {
                    self.add(&rows, start..end, sum, &mut values);
                    mean(sum, end - start);
                    if self.unit {
                        normalize(sum);
                    }
                    start = end;
                }
            }
            Ok(())
        })
    }

    /// The sum of those of `rows`, the ones behind them asked for on the way.
    fn add(&self, rows: &[u32], wanted: Range<usize>, sum: &mut [f32], values: &mut [f32]) {
        sum.fill(0.0);
        for i in wanted {
            if let Some(&next) = rows.get(i + PREFETCH_ROWS) {
                self.rows.prefetch(i64::from(next));
            }
            let row = self.rows.values(rows[i] as usize, values);
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
    }

    /// The checks that opening leaves out: order of the buckets that are kept, finite numbers.
    pub(crate) fn verify(&self, go_on: &mut dyn FnMut() -> bool) -> Result<bool, FormatError> {
        if self.kept.is_some_and(|kept| {
            !kept.is_sorted_by(|a, b| a < b) || kept.last().is_some_and(|&last| last >= self.ngrams.buckets)
        }) {
            return Err(corrupt("the buckets that are kept are out of order"));
        }
        let step = (8 << 20) / (self.rows.dim() * 4) + 1;
        let mut values = vec![0.0; if self.rows.is_empty() { 0 } else { self.rows.dim() }];
        for row in 0..self.rows.len() {
            self.rows.decode(row, &mut values);
            if !values.iter().all(|x| x.is_finite()) {
                return Err(corrupt(format!("bucket {row} has a number that is not finite")));
            }
            if row % step == 0 && !go_on() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A sum of so many rows to their mean, rounded as fastText rounds; none give zeros.
pub(crate) fn mean(sum: &mut [f32], rows: usize) {
    let share = (1.0 / rows.max(1) as f64) as f32;
    sum.iter_mut().for_each(|x| *x *= share);
}
