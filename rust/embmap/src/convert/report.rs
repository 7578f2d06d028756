//! What a conversion did.

use std::path::PathBuf;

/// A row that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Counted from 1.
    pub line: u64,
    /// Where the line starts, counted from 0.
    pub byte_offset: u64,
    /// What was expected and what was found.
    pub reason: String,
}

/// What a conversion did, and what it met.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The file that was read.
    pub source: PathBuf,
    /// The store that was written.
    pub target: PathBuf,
    /// Rows written.
    pub rows: u64,
    /// Numbers a row.
    pub dim: usize,
    /// Bytes of rows read.
    pub bytes_read: u64,
    /// Bytes of the store.
    pub bytes_written: u64,
    /// Wall-clock time.
    pub seconds: f64,
    /// CRC-32 of the rows read, as zlib computes it.
    pub checksum: u32,
    /// Rows whose word was there before.
    pub duplicates: u64,
    /// Rows that could not be read.
    pub rejected: u64,
    /// The first of them.
    pub first_rejected: Vec<Rejected>,
    /// Words that were not UTF-8 and were mended.
    pub mended: u64,
    /// Words with a blank inside.
    pub spaced: u64,
    /// Rows that the header announced, where there was one.
    pub announced_rows: Option<u64>,
}
