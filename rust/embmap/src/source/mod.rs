//! What a conversion reads from: the kinds of sources, and what each owes.
//!
//! [`Source`] is what every kind implements, [`batch`] what it fills, [`options`] what the caller says of it, [`head`] its first
//! bytes, from which `sniff` tells what would be misread. Where the bytes come from is `container`'s part; the other folders are
//! a kind each.

pub(crate) mod batch;
pub(crate) mod container;
pub(crate) mod csv;
pub(crate) mod encoding;
pub(crate) mod fasttext;
pub(crate) mod head;
pub(crate) mod huggingface;
pub(crate) mod murmur;
pub(crate) mod options;
pub(crate) mod sniff;
pub(crate) mod text;
pub(crate) mod word2vec;

use std::path::Path;

use crate::{
    error::{Error, Result, Unit},
    format::subwords::Ngrams,
    source::options::Separator,
};
use batch::Batch;

/// Where rows come from. Threads take batches from it, each with the next number, and parse them side by side.
pub(crate) trait Source: Sync {
    /// What a thread keeps between two batches.
    type Scratch: Default;

    /// The file, for messages.
    fn path(&self) -> &Path;
    /// What the store's metadata name: the file, or the folder that it is from.
    fn root(&self) -> &Path {
        self.path()
    }
    /// The part of it that holds the rows, where the source has found it itself.
    fn member(&self) -> Option<&str> {
        None
    }
    /// The dimension: numbers a row.
    fn dim(&self) -> usize;
    /// How many rows the source says it has.
    fn expected_rows(&self) -> Option<u64>;
    /// What stands between the fields, where the source is a text.
    fn separator(&self) -> Option<Separator> {
        None
    }
    /// What errors count: lines, or the words of a binary file.
    fn unit(&self) -> Unit {
        Unit::Line
    }
    /// The line of the first row, counted from 1: what errors count. A source without lines counts its records.
    fn first_line(&self) -> u64;
    /// The bytes that hold the rows, where their number is known before they are read.
    fn length(&self) -> Option<u64>;
    /// How far reading has come once `parsed` bytes of rows are done, and how far it goes: 0 where nobody knows.
    fn progress(&self, parsed: u64) -> (u64, u64);
    /// What lies before the rows.
    fn preamble(&self) -> Envelope;
    /// What lies behind the rows, once they have all been read.
    fn trailer(&self) -> Envelope;
    /// Fills `batch` with the rows of the next part of the source; `false` when there is none.
    fn next(&self, scratch: &mut Self::Scratch, batch: &mut Batch) -> Result<bool, SourceError>;
    /// The bytes of the source and the numbers that come out of it, where few bytes can stand for many numbers.
    fn expansion(&self) -> Option<(u64, u64)> {
        None
    }
    /// Rows that no word owns, and words that own no row: of a model, whose vocabulary and matrix are apart.
    fn unpaired(&self) -> (u64, u64) {
        (0, 0)
    }
    /// How words are cut into n-grams, and the vectors of those, where the source has any.
    fn buckets(&self) -> Option<(Ngrams, &dyn Buckets)> {
        None
    }
}

/// The vectors of n-grams, which share buckets. Any thread can read any of them.
pub(crate) trait Buckets: Sync {
    /// The buckets that have a row, in order; `None` where all have.
    fn kept(&self) -> Option<Vec<u32>>;
    /// Fills `rows` with those of the buckets, from the `first` one that has any.
    fn read(&self, first: u64, rows: &mut [f32]) -> Result<()>;
    /// Where the `i`-th row lies in the source.
    fn place(&self, i: u64) -> u64;
}

/// Why the next batch cannot be had.
#[derive(Debug)]
pub(crate) enum SourceError {
    /// The system refused.
    Refused(Error),
    /// The bytes make no sense from there on.
    Malformed {
        /// Lines of the batch before.
        lines: u64,
        /// The place in the text.
        byte_offset: u64,
        /// What was expected, what was found, what to do.
        reason: String,
    },
}

/// Bytes of a source that hold no rows: a header, a byte-order mark, blank lines at the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Envelope {
    pub bytes: u64,
    pub crc: crc32fast::Hasher,
}

impl Envelope {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.crc.update(bytes);
    }
}
