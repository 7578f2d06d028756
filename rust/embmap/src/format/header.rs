//! The first page of a store: what is where, and the checks that opening makes.

use super::{
    HEADER_LEN, Kind, Section, WIDEST,
    hash::hash,
    index::{PART_BUCKETS, PILOT_LEN, SLOT_LEN},
    u32_at, u64_at,
};
use std::ops::Range;

use crate::{
    dtype::Dtype,
    error::{FormatError, corrupt},
};

/// The first eight bytes: not text, not ASCII-safe, and damaged by a transfer that "mends" line ends.
pub const MAGIC: [u8; 8] = *b"\x89EMBMAP\n";
/// The version that this crate writes and the latest it reads.
pub const VERSION: u32 = 1;

// Where each field begins, from the one before.
const VERSION_AT: usize = MAGIC.len();
const FLAGS_AT: usize = VERSION_AT + 4;
const DTYPE_AT: usize = FLAGS_AT + 4;
const DIM_AT: usize = DTYPE_AT + 4;
const ROWS_AT: usize = DIM_AT + 4;
/// Where the length of the file is, eight bytes.
pub const FILE_LENGTH_AT: usize = ROWS_AT + 8;
const SEED_AT: usize = FILE_LENGTH_AT + 8;
const IDENTITY_AT: usize = SEED_AT + 8;
const SECTION_COUNT_AT: usize = IDENTITY_AT + IDENTITY_LEN;
/// Where the header's own checksum is, four bytes.
pub const CRC_AT: usize = SECTION_COUNT_AT + 4;
const TABLE_AT: usize = 128;

const IDENTITY_LEN: usize = 16;

// The same in an entry of the table.
const ENTRY_KIND: usize = 0;
const ENTRY_FLAGS: usize = ENTRY_KIND + 4;
const ENTRY_OFFSET: usize = ENTRY_FLAGS + 4;
const ENTRY_LENGTH: usize = ENTRY_OFFSET + 8;
const ENTRY_CRC: usize = ENTRY_LENGTH + 8;
const ENTRY_LEN: usize = 32;
const MAX_SECTIONS: usize = (HEADER_LEN as usize - TABLE_AT) / ENTRY_LEN;
/// The flag of an entry that a reader must know.
const REQUIRED: u32 = 1;

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
    pub identity: [u8; IDENTITY_LEN],
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
        Header { dtype, dim, rows, file_length: end, seed, identity: [0; IDENTITY_LEN], sections }
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
        put(VERSION_AT, &VERSION.to_le_bytes());
        put(DTYPE_AT, &(self.dtype as u32).to_le_bytes());
        put(DIM_AT, &self.dim.to_le_bytes());
        put(ROWS_AT, &self.rows.to_le_bytes());
        put(FILE_LENGTH_AT, &self.file_length.to_le_bytes());
        put(SEED_AT, &self.seed.to_le_bytes());
        let present = || Kind::ALL.iter().zip(&self.sections).filter(|(_, section)| section.offset != 0);
        put(SECTION_COUNT_AT, &(present().count() as u32).to_le_bytes());
        for (i, (kind, section)) in present().enumerate() {
            let at = TABLE_AT + i * ENTRY_LEN;
            put(at + ENTRY_KIND, &(*kind as u32).to_le_bytes());
            put(at + ENTRY_FLAGS, &u32::from(kind.required()).to_le_bytes());
            put(at + ENTRY_OFFSET, &section.offset.to_le_bytes());
            put(at + ENTRY_LENGTH, &section.length.to_le_bytes());
            put(at + ENTRY_CRC, &section.crc.to_le_bytes());
        }
        let halves = [hash(&page, 0), hash(&page, 1)];
        self.identity = bytemuck::cast(halves.map(u64::to_le_bytes));
        page[IDENTITY_AT..][..IDENTITY_LEN].copy_from_slice(&self.identity);
        let crc = crc32fast::hash(&page);
        page[CRC_AT..][..4].copy_from_slice(&crc.to_le_bytes());
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
        let version = u32_at(page, VERSION_AT);
        if version != VERSION {
            return Err(if version > VERSION {
                FormatError::Version { found: version, newest: VERSION }
            } else {
                corrupt(format!("format version {version} never existed"))
            });
        }
        let mut zeroed = *page;
        zeroed[CRC_AT..][..4].fill(0);
        if crc32fast::hash(&zeroed) != u32_at(page, CRC_AT) {
            return Err(corrupt("the header's checksum does not match"));
        }
        if u32_at(page, FLAGS_AT) != 0 {
            return Err(FormatError::TooNew(format!("flags {:#x}", u32_at(page, FLAGS_AT))));
        }
        let code = u32_at(page, DTYPE_AT);
        let Some(&dtype) = Dtype::ALL.get(code as usize) else {
            return Err(FormatError::TooNew(format!("number type {code}")));
        };
        let mut header = Header {
            dtype,
            dim: u32_at(page, DIM_AT),
            rows: u64_at(page, ROWS_AT),
            file_length: u64_at(page, FILE_LENGTH_AT),
            seed: u64_at(page, SEED_AT),
            identity: page[IDENTITY_AT..][..IDENTITY_LEN].try_into().unwrap_or_default(),
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
        let count = u32_at(page, SECTION_COUNT_AT) as usize;
        if count > MAX_SECTIONS {
            return Err(corrupt(format!("{count} sections, at most {MAX_SECTIONS} fit")));
        }
        for i in 0..count {
            let at = TABLE_AT + i * ENTRY_LEN;
            let code = u32_at(page, at + ENTRY_KIND);
            let section = Section {
                offset: u64_at(page, at + ENTRY_OFFSET),
                length: u64_at(page, at + ENTRY_LENGTH),
                crc: u32_at(page, at + ENTRY_CRC),
            };
            let Some(kind) = Kind::ALL.into_iter().find(|kind| *kind as u32 == code) else {
                if u32_at(page, at + ENTRY_FLAGS) & REQUIRED != 0 {
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

    /// Where no section lies, whatever its kind, in a file of which `page` is the first; an error where two share a byte.
    pub(crate) fn gaps(&self, page: &[u8; HEADER_LEN as usize]) -> Result<Vec<Range<u64>>, FormatError> {
        let count = (u32_at(page, SECTION_COUNT_AT) as usize).min(MAX_SECTIONS);
        let entry = |i| {
            let at = TABLE_AT + i * ENTRY_LEN;
            (u64_at(page, at + ENTRY_OFFSET), u64_at(page, at + ENTRY_LENGTH))
        };
        let mut sections: Vec<(u64, u64)> = (0..count).map(entry).filter(|&(_, length)| length > 0).collect();
        sections.sort_unstable();
        let (mut gaps, mut end) = (Vec::new(), HEADER_LEN);
        for (offset, length) in sections {
            if offset < end {
                return Err(corrupt(format!("two sections share the byte {offset}")));
            }
            gaps.push(end..offset);
            end = offset.saturating_add(length);
        }
        if end > self.file_length {
            return Err(corrupt("a section ends behind the end of the file"));
        }
        gaps.push(end..self.file_length);
        Ok(gaps)
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
        if self.section(Kind::Planes).offset != 0 || self.section(Kind::PlaneBounds).offset != 0 {
            expect(Kind::Planes, rows.checked_mul(dim.next_multiple_of(2)))?;
            expect(Kind::PlaneBounds, Some(rows * 12))?;
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
