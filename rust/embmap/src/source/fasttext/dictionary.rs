//! The words of a model: read once to find where the words of each batch are, and again by whoever takes that batch.

use std::ops::Range;

use super::{header::Header, reader::Reader};
use crate::error::Result;

/// Behind each word and its NUL: its count, and whether it is a label.
const TRAILER_LEN: usize = 9;
/// No word is as long; a file without NULs is none of fastText's.
const LONGEST_WORD: usize = 1 << 16;

/// Which words there are, and which buckets have rows.
#[derive(Debug)]
pub(super) struct Dictionary {
    /// Words; the labels of a classifier, which have no vectors, are not among them.
    pub words: u32,
    /// Words of one batch.
    pub batch: usize,
    /// Where the words of each batch begin, and where the last ends.
    starts: Vec<u64>,
    /// The buckets that have rows, in order, each with its row behind those of words; `None` where all have.
    pub kept: Option<Vec<(u32, u32)>>,
}

impl Dictionary {
    /// Reads over the dictionary of a model.
    pub(super) fn read(reader: &mut Reader, header: &Header, batch: usize) -> Result<Dictionary> {
        let (size, words) = (reader.count("the number of words")?, reader.count("the number of words")?);
        let labels = reader.count("the number of labels")?;
        reader.i64("the number of tokens")?;
        let pruned = if header.marked { reader.i64("the number of buckets kept")? } else { -1 };
        if words.checked_add(labels) != Some(size) || words == 0 {
            return Err(
                reader.refuse(format!("{words} words and {labels} labels make {size}: this is no fastText model"))
            );
        }
        if u64::from(size) * (TRAILER_LEN as u64 + 1) > reader.left() {
            return Err(reader.cut_short(&format!("a dictionary of {size} words")));
        }
        let mut starts = Vec::new();
        for i in 0..size {
            if i < words && (i as usize).is_multiple_of(batch) || i == words {
                starts.push(reader.at());
            }
            reader.skip_word(LONGEST_WORD)?;
            let behind = reader.array::<TRAILER_LEN>("the count of a word")?;
            if behind[TRAILER_LEN - 1] != u8::from(i >= words) {
                let (kind, n) = (behind[TRAILER_LEN - 1], i + 1);
                return Err(reader.refuse(format!("word {n} has type {kind}: words, then labels, were expected")));
            }
        }
        if labels == 0 {
            starts.push(reader.at());
        }
        let kept = u64::try_from(pruned).ok().map(|pruned| Dictionary::kept(reader, header, pruned)).transpose()?;
        Ok(Dictionary { words, batch, starts, kept })
    }

    /// Reads the buckets that were kept when the others were pruned.
    fn kept(reader: &mut Reader, header: &Header, count: u64) -> Result<Vec<(u32, u32)>> {
        if count > reader.left() / 8 || count > u64::from(header.buckets) {
            return Err(reader.cut_short(&format!("an index of {count} of {} buckets", header.buckets)));
        }
        let mut kept = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let (bucket, row) = (reader.count("a bucket")?, reader.count("the row of a bucket")?);
            if bucket >= header.buckets || u64::from(row) >= count {
                let buckets = header.buckets;
                return Err(reader.refuse(format!("bucket {bucket} of {buckets} has row {row} of {count}")));
            }
            kept.push((bucket, row));
        }
        kept.sort_unstable();
        match kept.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(reader.refuse(format!("bucket {} is kept twice", pair[0].0))),
            None => Ok(kept),
        }
    }

    /// How many batches there are.
    pub(super) fn batches(&self) -> u64 {
        self.starts.len() as u64 - 1
    }

    /// Where the words of a batch lie in the file.
    pub(super) fn range(&self, batch: u64) -> Range<u64> {
        self.starts[batch as usize]..self.starts[batch as usize + 1]
    }

    /// The rows of a batch.
    pub(super) fn rows(&self, batch: u64) -> Range<u64> {
        let start = batch * self.batch as u64;
        start..(start + self.batch as u64).min(u64::from(self.words))
    }

    /// The words of a batch and where each begins, of the bytes in its range.
    pub(super) fn entries(mut bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let nul = memchr::memchr(0, bytes)?;
            let (word, start) = (&bytes[..nul], at);
            let next = nul + 1 + TRAILER_LEN;
            at += next;
            bytes = bytes.get(next..)?;
            Some((start, word))
        })
    }
}
