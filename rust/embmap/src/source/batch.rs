//! A run of rows on its way from a source to the store.

use std::borrow::Cow;

use super::options::{OnBadRow, Options};
use crate::format::{row_stats::normalize, word_list::WordList};

/// Unwanted words that an error shows.
pub(crate) const SHOWN: usize = 3;

/// Rejected rows that a batch and a report describe; all are counted.
pub(crate) const DESCRIBED: usize = 10;

/// What is wrong with a row that was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Fewer numbers than the others have.
    FieldCount,
    /// Nothing before the numbers.
    EmptyWord,
    /// A field that is not a number.
    NotANumber,
    /// A number that is infinite, too large or none.
    NotFinite,
    /// A word that is not UTF-8, or not in the encoding that was named.
    NotUtf8,
}

impl Fault {
    /// Every fault and its name, in the order of [`Report::rejected_by`](crate::Report::rejected_by).
    pub const ALL: [(Fault, &'static str); 5] = [
        (Fault::FieldCount, "field_count"),
        (Fault::EmptyWord, "empty_word"),
        (Fault::NotANumber, "not_a_number"),
        (Fault::NotFinite, "not_finite"),
        (Fault::NotUtf8, "not_utf8"),
    ];
}

/// A row that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Counted from 1; of a binary file, the record.
    pub line: u64,
    /// Where it starts, counted from 0.
    pub byte_offset: u64,
    /// What is wrong, in one word.
    pub fault: Fault,
    /// What was expected and what was found.
    pub reason: String,
    /// Whether the source ends within the row: passing over it is no remedy.
    pub cut: bool,
}

/// Where a row begins: its line or record, counted from 0 in the batch, and its byte, counted from 0 in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowPosition {
    pub line: u64,
    pub offset: u64,
}

/// Consecutive rows, checked and decoded, not yet compared with those of other batches.
pub(crate) struct Batch<'a> {
    options: &'a Options,
    dim: usize,
    /// The batch's place in the source, from 0.
    pub sequence: u64,
    /// The words, one a row.
    pub words: WordList,
    /// The numbers, row after row.
    pub rows: Vec<f32>,
    /// Where each row begins.
    pub positions: Vec<RowPosition>,
    /// The first bad rows, their lines counted in the batch from 0.
    pub rejected: Vec<Rejected>,
    /// The lines of all bad rows, and what is wrong with them.
    pub rejections: Vec<(u64, Fault)>,
    /// The lines of words that were not UTF-8 and were mended.
    pub mended: Vec<u64>,
    /// The lines of words with a space inside.
    pub spaced: Vec<u64>,
    /// The lines of words that begin or end with a space.
    pub padded: Vec<u64>,
    /// The first words that are not wanted.
    pub unwanted: Vec<Vec<u8>>,
    /// Whether the row's word was found before the row was read, and is this store's of several.
    routed: bool,
    /// Lines read, the bad ones included.
    pub lines: u64,
    /// Source bytes read.
    pub bytes: u64,
    /// CRC-32 of those bytes.
    pub crc: crc32fast::Hasher,
}

impl<'a> Batch<'a> {
    /// An empty batch, to be filled again and again.
    pub(crate) fn new(options: &'a Options, dim: usize) -> Batch<'a> {
        Batch {
            options,
            dim,
            sequence: 0,
            words: WordList::default(),
            rows: Vec::new(),
            positions: Vec::new(),
            rejected: Vec::new(),
            rejections: Vec::new(),
            mended: Vec::new(),
            spaced: Vec::new(),
            padded: Vec::new(),
            unwanted: Vec::new(),
            routed: false,
            lines: 0,
            bytes: 0,
            crc: crc32fast::Hasher::new(),
        }
    }

    /// Starts over, with the source bytes that the batch is made from.
    pub(crate) fn begin(&mut self, bytes: &[u8]) {
        self.words.clear();
        self.rows.clear();
        self.positions.clear();
        self.rejected.clear();
        self.rejections.clear();
        self.mended.clear();
        self.spaced.clear();
        self.padded.clear();
        self.unwanted.clear();
        self.lines = 0;
        self.bytes = bytes.len() as u64;
        self.crc = crc32fast::Hasher::new();
        self.crc.update(bytes);
    }

    /// Appends a row: `read` fills its numbers and returns its word, or says why it cannot.
    pub(crate) fn push_with<'w>(
        &mut self,
        origin: RowPosition,
        read: impl FnOnce(&mut [f32]) -> Result<&'w [u8], (Fault, String)>,
    ) {
        let start = self.rows.len();
        self.rows.resize(start + self.dim, 0.0);
        let word = read(&mut self.rows[start..]).and_then(|word| {
            self.finish_row(start)?;
            self.decode(word, origin)
        });
        let kept = match word {
            Ok(word) if self.keeps(&word) => {
                if word.contains(&b' ') {
                    self.spaced.push(origin.line);
                    if word.starts_with(b" ") || word.ends_with(b" ") {
                        self.padded.push(origin.line);
                    }
                }
                self.positions.push(origin);
                // A batch is a few megabytes, far from the 4 GiB that a list can hold.
                self.words.push(&word)
            }
            Ok(word) => {
                self.miss(&word);
                false
            }
            Err((fault, reason)) => {
                self.reject(origin, fault, reason);
                false
            }
        };
        self.routed = false;
        if !kept {
            self.rows.truncate(start);
        }
    }

    /// Makes of the row at `start` what the store will have.
    fn finish_row(&mut self, start: usize) -> Result<(), (Fault, String)> {
        let row = &mut self.rows[start..];
        if self.options.normalize {
            normalize(row);
        }
        self.options.dtype.accept(row).map_err(|reason| (Fault::NotFinite, reason))
    }

    /// Whether the row of `word` is worth reading: one that is decoded first may become a word that is kept.
    #[inline]
    pub(crate) fn wants(&mut self, word: &[u8]) -> bool {
        let Options { keep, shard, encoding, .. } = self.options;
        if keep.is_none() && shard.is_none() {
            return true;
        }
        let changes = if encoding.is_utf8() { std::str::from_utf8(word).is_err() } else { !word.is_ascii() };
        if changes {
            return true;
        }
        let ours = shard.is_none_or(|shard| shard.has(word));
        let wanted = ours && keep.as_ref().is_none_or(|keep| keep.contains(word));
        if !wanted {
            self.miss(word);
        }
        self.routed = wanted && shard.is_some();
        wanted
    }

    /// Notes the first words that are not wanted, for an error where all are such.
    fn miss(&mut self, word: &[u8]) {
        if self.unwanted.len() < SHOWN {
            self.unwanted.push(word.to_vec());
        }
    }

    fn keeps(&self, word: &[u8]) -> bool {
        let Options { keep, shard, .. } = self.options;
        keep.as_ref().is_none_or(|keep| keep.contains(word)) && shard.is_none_or(|shard| shard.has(word))
    }

    /// The word as the store will have it.
    fn decode<'w>(&mut self, word: &'w [u8], origin: RowPosition) -> Result<Cow<'w, [u8]>, (Fault, String)> {
        let encoding = self.options.encoding;
        let decoded = encoding.decode(word, self.options.errors).map_err(|at| {
            let (shown, name) = (word.escape_ascii(), encoding.name());
            let reason = format!(
                "the word b\"{shown}\" is not {name} at byte {at}; errors=\"replace\" or \"ignore\" accepts it, \
                 \"backslashreplace\" keeps such words apart; of a file that is in another encoding throughout, \
                 encoding= says which"
            );
            (Fault::NotUtf8, reason)
        })?;
        if decoded.mended {
            if decoded.text.is_empty() {
                let reason = format!("the word is empty once what is not {} is left out", encoding.name());
                return Err((Fault::EmptyWord, reason));
            }
            self.mended.push(origin.line);
        }
        Ok(decoded.text)
    }

    /// Notes a row that cannot be read.
    pub(crate) fn reject(&mut self, origin: RowPosition, fault: Fault, reason: String) {
        // Of several stores, one counts it: that of the word, or the first where no word was found.
        if !std::mem::take(&mut self.routed) && self.options.shard.is_some_and(|shard| shard.index > 0) {
            return;
        }
        self.rejections.push((origin.line, fault));
        if self.rejected.len() < DESCRIBED {
            self.rejected.push(Rejected { line: origin.line, byte_offset: origin.offset, fault, reason, cut: false });
        }
    }

    /// Says of the row at `byte_offset` that the source ends within it, where it is a bad one.
    pub(crate) fn cut_at(&mut self, byte_offset: u64) {
        if let Some(last) = self.rejected.last_mut().filter(|last| last.byte_offset == byte_offset) {
            last.reason += "; the file ends in this row: it was cut short, download it again";
            last.cut = true;
        }
    }

    /// Which rows have words that were mended.
    pub(crate) fn mended_rows(&self) -> Vec<usize> {
        let row = |line: &u64| self.positions.binary_search_by_key(line, |origin| origin.line).ok();
        self.mended.iter().filter_map(row).collect()
    }

    /// Whether a bad row has ended the conversion, so that the rest of the batch need not be read.
    pub(crate) fn is_refused(&self) -> bool {
        !self.rejected.is_empty() && self.options.on_bad_row == OnBadRow::Error
    }

    /// Drops the rows that `keep` says no to; those that stay move up.
    pub(crate) fn retain_rows(&mut self, keep: impl Fn(usize) -> bool) {
        let mut kept = 0;
        for i in 0..self.rows.len() / self.dim {
            if keep(i) {
                self.rows.copy_within(i * self.dim..(i + 1) * self.dim, kept * self.dim);
                kept += 1;
            }
        }
        self.rows.truncate(kept * self.dim);
    }
}
