//! The byte layout of a store: the only file that knows offsets. docs/format.md says the same in prose.

use crate::{
    dtype::Dtype,
    error::{FormatError, corrupt},
    hash::hash,
};

/// The first eight bytes: not text, not ASCII-safe, and damaged by a transfer that "mends" line ends.
pub const MAGIC: [u8; 8] = *b"\x89EMBMAP\n";
/// The version that this crate writes and the latest it reads.
pub const VERSION: u32 = 1;
/// The header fills one page, so that the matrix behind it starts on one.
pub const HEADER_LEN: u64 = 4096;
/// The matrix starts at a multiple of this, every other section at a multiple of [`SECTION_ALIGN`].
pub const MATRIX_ALIGN: u64 = 4096;
/// A cache line.
pub const SECTION_ALIGN: u64 = 64;
/// Bytes of one slot of the index: id, check, offset of the word.
pub const SLOT_LEN: usize = 12;
/// Buckets of one part of the index: parts are built side by side, each in a near cache.
pub const PART_BUCKETS: usize = 1 << 14;
/// Bytes of one pilot of the index.
pub const PILOT_LEN: usize = 2;

const TABLE_AT: usize = 128;
const ENTRY_LEN: usize = 32;
const CRC_AT: usize = 68;
/// Numbers from which a row is none: the longest line of a text has no room for more, and a store of no rows at all would ask for
/// memory by its header alone.
pub const WIDEST: u32 = 8 << 20;
const MAX_SECTIONS: usize = (HEADER_LEN as usize - TABLE_AT) / ENTRY_LEN;
const REQUIRED: u32 = 1;

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
}

impl Kind {
    /// Every kind of version 1, in the order of the table.
    pub const ALL: [Kind; 14] = [
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
    ];

    fn align(self) -> u64 {
        if self == Kind::Matrix { MATRIX_ALIGN } else { SECTION_ALIGN }
    }

    /// Whether a reader that does not know the kind must give up.
    fn required(self) -> bool {
        use Kind::{Bounds, BucketScales, Buckets, Codes, Metadata, Statistics, Subwords};
        !matches!(self, Metadata | Statistics | Buckets | BucketScales | Subwords | Codes | Bounds)
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

/// The first page of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The type of the numbers.
    pub dtype: Dtype,
    /// Numbers a row, at least 1.
    pub dim: u32,
    /// Rows, each with its own word.
    pub rows: u64,
    /// Bytes of the whole file.
    pub file_length: u64,
    /// What the index's hash is keyed with.
    pub seed: u64,
    /// Derived from everything else, so that two files with one identity have one content.
    pub identity: [u8; 16],
    sections: [Section; Kind::ALL.len()],
}

impl Header {
    /// Lays out sections of the given lengths behind the header, in the order given.
    #[must_use]
    pub fn lay_out(dtype: Dtype, dim: u32, rows: u64, seed: u64, lengths: &[(Kind, u64)]) -> Header {
        let mut sections = [Section::default(); Kind::ALL.len()];
        let mut end = HEADER_LEN;
        for &(kind, length) in lengths {
            let offset = end.next_multiple_of(kind.align());
            sections[kind as usize - 1] = Section { offset, length, crc: 0 };
            end = offset + length;
        }
        Header { dtype, dim, rows, file_length: end, seed, identity: [0; 16], sections }
    }

    /// The section of that kind; at offset 0, with no bytes, where the file has none.
    #[must_use]
    pub fn section(&self, kind: Kind) -> &Section {
        &self.sections[kind as usize - 1]
    }

    /// The section of that kind, to note its checksum.
    pub fn section_mut(&mut self, kind: Kind) -> &mut Section {
        &mut self.sections[kind as usize - 1]
    }

    /// The page, with the identity and the header's checksum filled in.
    #[must_use]
    pub fn encode(&mut self) -> [u8; HEADER_LEN as usize] {
        let mut page = [0; HEADER_LEN as usize];
        let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(16, &(self.dtype as u32).to_le_bytes());
        put(20, &self.dim.to_le_bytes());
        put(24, &self.rows.to_le_bytes());
        put(32, &self.file_length.to_le_bytes());
        put(40, &self.seed.to_le_bytes());
        let present = || Kind::ALL.iter().zip(&self.sections).filter(|(_, section)| section.offset != 0);
        put(64, &(present().count() as u32).to_le_bytes());
        for (i, (kind, section)) in present().enumerate() {
            let at = TABLE_AT + i * ENTRY_LEN;
            put(at, &(*kind as u32).to_le_bytes());
            put(at + 4, &u32::from(kind.required()).to_le_bytes());
            put(at + 8, &section.offset.to_le_bytes());
            put(at + 16, &section.length.to_le_bytes());
            put(at + 24, &section.crc.to_le_bytes());
        }
        let halves = [hash(&page, 0), hash(&page, 1)];
        self.identity = bytemuck::cast(halves.map(u64::to_le_bytes));
        page[48..64].copy_from_slice(&self.identity);
        let crc = crc32fast::hash(&page);
        page[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads and checks the first page of a file of `found` bytes. What it returns points nowhere outside the file, and
    /// every section has the length that rows and dim ask for.
    pub fn decode(bytes: &[u8], found: u64) -> Result<Header, FormatError> {
        if bytes.len() < MAGIC.len() || bytes[..MAGIC.len()] != MAGIC {
            return Err(FormatError::NotAStore(
                "its first bytes are not those of one; make one with embmap.convert()".into(),
            ));
        }
        let Some(page) = bytes.first_chunk::<{ HEADER_LEN as usize }>() else {
            return Err(FormatError::Truncated { expected: HEADER_LEN, found });
        };
        let version = u32_at(page, 8);
        if version != VERSION {
            return Err(if version > VERSION {
                FormatError::TooNew(format!("format version {version}, this one reads {VERSION}"))
            } else {
                corrupt(format!("format version {version} never existed"))
            });
        }
        let mut zeroed = *page;
        zeroed[CRC_AT..CRC_AT + 4].fill(0);
        if crc32fast::hash(&zeroed) != u32_at(page, CRC_AT) {
            return Err(corrupt("the header's checksum does not match"));
        }
        if u32_at(page, 12) != 0 {
            return Err(FormatError::TooNew(format!("flags {:#x}", u32_at(page, 12))));
        }
        let code = u32_at(page, 16);
        let Some(&dtype) = Dtype::ALL.get(code as usize) else {
            return Err(FormatError::TooNew(format!("number type {code}")));
        };
        let mut header = Header {
            dtype,
            dim: u32_at(page, 20),
            rows: u64_at(page, 24),
            file_length: u64_at(page, 32),
            seed: u64_at(page, 40),
            identity: page[48..64].try_into().unwrap_or_default(),
            sections: [Section::default(); Kind::ALL.len()],
        };
        if header.file_length != found {
            return Err(FormatError::Truncated { expected: header.file_length, found });
        }
        header.read_table(page)?;
        header.check_lengths()?;
        Ok(header)
    }

    fn read_table(&mut self, page: &[u8; HEADER_LEN as usize]) -> Result<(), FormatError> {
        let count = u32_at(page, 64) as usize;
        if count > MAX_SECTIONS {
            return Err(corrupt(format!("{count} sections, at most {MAX_SECTIONS} fit")));
        }
        for i in 0..count {
            let at = TABLE_AT + i * ENTRY_LEN;
            let code = u32_at(page, at);
            let section =
                Section { offset: u64_at(page, at + 8), length: u64_at(page, at + 16), crc: u32_at(page, at + 24) };
            let Some(kind) = Kind::ALL.into_iter().find(|kind| *kind as u32 == code) else {
                if u32_at(page, at + 4) & REQUIRED != 0 {
                    return Err(FormatError::TooNew(format!("section {code} is required and unknown")));
                }
                continue;
            };
            let inside = section.offset.checked_add(section.length).is_some_and(|end| end <= self.file_length);
            if !inside || section.offset < HEADER_LEN || !section.offset.is_multiple_of(kind.align()) {
                return Err(corrupt(format!("section {kind:?} lies outside the file or out of line")));
            }
            if self.section(kind).offset != 0 {
                return Err(corrupt(format!("section {kind:?} is there twice")));
            }
            *self.section_mut(kind) = section;
        }
        match Kind::ALL.into_iter().find(|kind| kind.expected_with(self.dtype) && self.section(*kind).offset == 0) {
            Some(kind) => Err(corrupt(format!("section {kind:?} is missing"))),
            None => Ok(()),
        }
    }

    fn check_lengths(&self) -> Result<(), FormatError> {
        let (rows, dim) = (self.rows, u64::from(self.dim));
        if dim == 0 || dim > u64::from(WIDEST) || rows >= u64::from(u32::MAX) {
            return Err(corrupt(format!("{rows} rows of {dim} numbers")));
        }
        let expect = |kind: Kind, length: Option<u64>| {
            let found = self.section(kind).length;
            if length == Some(found) {
                return Ok(());
            }
            Err(corrupt(format!("section {kind:?} has {found} bytes, not what {rows} rows of {dim} numbers need")))
        };
        expect(Kind::Matrix, rows.checked_mul(dim).and_then(|n| n.checked_mul(self.dtype.size() as u64)))?;
        expect(Kind::InverseNorms, Some(rows * 4))?;
        expect(Kind::Offsets, Some((rows + 1) * 4))?;
        if self.section(Kind::Statistics).offset != 0 {
            expect(Kind::Statistics, Some(dim * 16))?;
        }
        if self.section(Kind::Scales).offset != 0 {
            expect(Kind::Scales, Some(rows * 4))?;
        }
        if self.section(Kind::Codes).offset != 0 || self.section(Kind::Bounds).offset != 0 {
            expect(Kind::Codes, rows.checked_mul(dim))?;
            expect(Kind::Bounds, Some(rows * 8))?;
        }
        self.check_buckets()?;
        let (pilots, slots) = (self.section(Kind::Pilots).length, self.section(Kind::Slots).length);
        let parts = (pilots / PILOT_LEN as u64).div_ceil(PART_BUCKETS as u64);
        if parts > 1
            && (!(pilots / PILOT_LEN as u64).is_multiple_of(PART_BUCKETS as u64)
                || !(slots / SLOT_LEN as u64).is_multiple_of(parts))
        {
            return Err(corrupt(format!("an index of {pilots} + {slots} bytes in {parts} parts")));
        }
        if pilots == 0
            || pilots % PILOT_LEN as u64 != 0
            || slots < rows.max(1) * SLOT_LEN as u64
            || slots % SLOT_LEN as u64 != 0
        {
            return Err(corrupt(format!("an index of {pilots} + {slots} bytes for {rows} rows")));
        }
        Ok(())
    }

    /// Whether buckets are whole rows, each with its scale where it needs one, and never without their parameters.
    fn check_buckets(&self) -> Result<(), FormatError> {
        let [buckets, scales, subwords] =
            [Kind::Buckets, Kind::BucketScales, Kind::Subwords].map(|kind| *self.section(kind));
        let row = u64::from(self.dim) * self.dtype.size() as u64;
        let scaled = if self.dtype == Dtype::Int8 { buckets.length / row * 4 } else { 0 };
        if !buckets.length.is_multiple_of(row)
            || scales.length != scaled
            || (buckets.offset == 0) != (subwords.offset == 0)
        {
            let (buckets, scales, subwords) = (buckets.length, scales.length, subwords.length);
            return Err(corrupt(format!("n-gram buckets of {buckets} + {scales} + {subwords} bytes")));
        }
        Ok(())
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
