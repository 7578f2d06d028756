//! What a conversion did.

use std::path::PathBuf;

use crate::{
    error::Unit,
    source::{
        batch::{Fault, Rejected},
        options::Separator,
    },
};

/// What [`convert`](crate::convert) did, and what it met.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The file that was read.
    pub source: PathBuf,
    /// Rows written.
    pub rows: u64,
    /// The dimension: numbers a row.
    pub dim: usize,
    /// Bytes of the source read: all of it, unless a limit ended the conversion before.
    pub bytes_read: u64,
    /// Bytes of the store.
    pub bytes_written: u64,
    /// Wall-clock time.
    pub seconds: f64,
    /// The part of it, at the end, in which the disk was waited for.
    pub sync_seconds: f64,
    /// CRC-32 of those bytes, as zlib computes it.
    pub checksum: u32,
    /// Rows whose word was there before.
    pub duplicates: u64,
    /// Rows that could not be read, by what is wrong with them.
    pub rejected_by: [u64; Fault::ALL.len()],
    /// The first of them.
    pub rejected_rows: Vec<Rejected>,
    /// Words that were not UTF-8 and were mended.
    pub invalid_utf8: u64,
    /// Rows whose word became one that was there before when what is not in the encoding was mended.
    pub collisions: u64,
    /// Words that begin or end with a space.
    pub words_with_padding: u64,
    /// Words with a space inside.
    pub words_with_blanks: u64,
    /// Rows of a model's matrix whose id no token has.
    pub rows_without_word: u64,
    /// Tokens of a model whose id is behind the last row.
    pub words_without_row: u64,
    /// Rows of buckets of n-grams in the store, by which words that are not in it have vectors.
    pub ngrams: u64,
    /// Rows that the header announced, where there was one.
    pub header_rows: Option<u64>,
    /// What [`Rejected::line`] counts.
    pub unit: Unit,
    /// Wanted words ([`Options::keep`](crate::Options::keep)) that the source does not have; `None` where all words are wanted.
    pub words_not_found: Option<u64>,
    /// What stands between the fields, of a text.
    pub separator: Option<Separator>,
}

impl Report {
    /// What was dropped or changed on the way, for the store's metadata; empty where nothing was.
    pub(super) fn changed(&self) -> serde_json::Map<String, serde_json::Value> {
        let counts = [
            ("rejected", self.rejected_by.iter().sum()),
            ("duplicates", self.duplicates),
            ("collisions", self.collisions),
            ("invalid_utf8", self.invalid_utf8),
            ("words_with_padding", self.words_with_padding),
            ("rows_without_word", self.rows_without_word),
            ("words_without_row", self.words_without_row),
        ];
        counts.iter().filter(|(_, count)| *count > 0).map(|(name, count)| ((*name).into(), (*count).into())).collect()
    }
}
