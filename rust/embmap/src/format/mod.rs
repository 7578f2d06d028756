//! Every byte of a store, and only here: docs/format.md says the same in prose.
//!
//! [`Header`] is the first page and its checks of constant time; the other files read, and only read, what its sections hold.

pub(crate) mod hash;
mod header;
pub(crate) mod index;
pub(crate) mod row_stats;
mod shard;
pub(crate) mod subwords;
pub(crate) mod word_list;
pub(crate) mod word_set;
pub(crate) mod words;

#[doc(hidden)]
pub use header::{CRC_AT, FILE_LENGTH_AT};
pub use header::{Header, MAGIC, VERSION};
pub use shard::{Shard, shard_of};

use crate::dtype::Dtype;

/// The header fills one page, so that the matrix behind it starts on one.
pub const HEADER_LEN: u64 = 4096;
/// The matrix starts at a multiple of this, every other section at a multiple of [`SECTION_ALIGN`].
pub const MATRIX_ALIGN: u64 = 4096;
/// A cache line.
pub const SECTION_ALIGN: u64 = 64;
/// Numbers from which a row is none: the longest line of a text has no room for more, and a store of no rows at all would ask for
/// memory by its header alone.
pub const WIDEST: u32 = 8 << 20;

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// `rows × dim` numbers, row after row: it is the tensor.
    Matrix = 1,
    /// `rows` float32: 1 / length of each row, 0 for a row of zeros.
    InverseNorms = 2,
    /// The index's pilots, one `u16` for each bucket.
    Pilots = 3,
    /// The index's slots.
    Slots = 4,
    /// The words' bytes, end to end, in row order.
    Words = 5,
    /// `rows + 1` `u32`: word `i` is `offsets[i]..offsets[i + 1]` of the words.
    Offsets = 6,
    /// JSON: where the vectors came from.
    Metadata = 7,
    /// `2 × dim` float64: mean, then standard deviation, of each dimension.
    Statistics = 8,
    /// `rows` float32: what one whole number of the row is worth. Only where the numbers are int8.
    Scales = 9,
    /// Rows of n-gram buckets, as the matrix's rows are: what vectors of unseen words are made of.
    Buckets = 10,
    /// One float32 for each of those rows: what one whole number of it is worth. Only where the numbers are int8.
    BucketScales = 11,
    /// How words are cut into n-grams, and which buckets have a row.
    Subwords = 12,
    /// A byte for each number of the matrix: which rows can be near is told from these.
    Codes = 13,
    /// For each row what one of its codes is worth, and how far from the row they are, float32.
    Bounds = 14,
    /// The same codes: the upper four bits of all rows, then the lower four.
    Planes = 15,
    /// For each row what one of its codes is worth, how far from the row they are, and how far their upper bits alone, float32.
    PlaneBounds = 16,
}

impl Kind {
    /// Every kind of version 1, in the order of the table.
    pub const ALL: [Kind; 16] = [
        Kind::Matrix,
        Kind::InverseNorms,
        Kind::Pilots,
        Kind::Slots,
        Kind::Words,
        Kind::Offsets,
        Kind::Metadata,
        Kind::Statistics,
        Kind::Scales,
        Kind::Buckets,
        Kind::BucketScales,
        Kind::Subwords,
        Kind::Codes,
        Kind::Bounds,
        Kind::Planes,
        Kind::PlaneBounds,
    ];

    fn align(self) -> u64 {
        if self == Kind::Matrix { MATRIX_ALIGN } else { SECTION_ALIGN }
    }

    /// Whether a reader that does not know the kind must give up.
    fn required(self) -> bool {
        use Kind::{Bounds, BucketScales, Buckets, Codes, Metadata, PlaneBounds, Planes, Statistics, Subwords};
        !matches!(
            self,
            Metadata | Statistics | Buckets | BucketScales | Subwords | Codes | Bounds | Planes | PlaneBounds
        )
    }

    /// Whether a store of such numbers must have the section.
    fn expected_with(self, dtype: Dtype) -> bool {
        self.required() && (self != Kind::Scales || dtype == Dtype::Int8)
    }
}

/// Where a section lies, and the CRC-32 of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Section {
    /// From the start of the file.
    pub offset: u64,
    /// In bytes.
    pub length: u64,
    /// As zlib computes it.
    pub crc: u32,
}

impl Section {
    /// The section's place in the file; [`Header::decode`] has checked that it lies inside.
    #[must_use]
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset as usize..(self.offset + self.length) as usize
    }
}

/// The `u32` at byte `at`.
#[inline(always)]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

/// The `u64` at byte `at`.
#[inline(always)]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
