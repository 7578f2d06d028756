//! A store that is open: constant time to open, each look-up checked. Nothing here writes one.
//!
//! [`Store`] is opened here; what it can do stands in the file of each: words to rows in `lookup`, rows by id in `gather`, what
//! of them a batch needs once in `distinct`, one vector for several rows in `pool`, the nearest rows in `search`, vectors of unseen words in `subwords`, the checks that read
//! everything in `verify`.

pub(crate) mod distinct;
pub(crate) mod gather;
pub(crate) mod lookup;
pub(crate) mod pool;
pub(crate) mod search;
pub(crate) mod selection;
pub(crate) mod subwords;
mod verify;

use std::path::Path;

use crate::{
    dtype::Dtype,
    error::{Error, FormatError, Result, corrupt},
    format::{HEADER_LEN, Header, Kind, index::Index, words::Words},
    store::{
        gather::{Number, Rows},
        search::screen::{Planes, Screen},
    },
    sys::mmap::Map,
};

/// A store over any bytes: a [`Map`] of a file, or a vector in a test.
#[derive(Debug)]
pub struct Store<D = Map> {
    data: D,
    header: Header,
}

impl Store<Map> {
    /// Maps the file at `path`. Takes the same time whatever its size: only the first page is read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Store::over(Map::open(path.as_ref())?)
    }

    /// Copies the file at `path`, so that nothing that becomes of it matters, and opens the copy; see [`Map::copied`].
    pub fn copied(path: impl AsRef<Path>, go_on: &mut dyn FnMut() -> bool) -> Result<Self> {
        Store::over(Map::copied(path.as_ref(), go_on)?)
    }

    fn over(data: Map) -> Result<Self> {
        let path = data.path();
        // Read, not taken from the map: a page that is first touched takes longer than a call.
        let mut head = [0; HEADER_LEN as usize];
        let length = data.read_at(&mut head, 0).map_err(Error::io(path))?;
        let header = Header::decode(&head[..length], data.len() as u64).map_err(Error::format(path))?;
        Ok(Store { data, header })
    }

    /// The same store over a mapping of its own, which may be handed out and written to: see [`Map::again`].
    pub fn again(&self) -> Result<Self> {
        let path = self.data.path();
        let data = self.data.again().map_err(Error::io(path))?;
        if data.len() != self.data.len() {
            return Err(Error::format(path)(corrupt("the file has changed since it was opened")));
        }
        Ok(Store { data, header: self.header.clone() })
    }
}

impl<D: AsRef<[u8]>> Store<D> {
    /// Over bytes that hold a whole file and begin at a multiple of eight, as every map does and a vector nearly always.
    ///
    /// Moving `data` must not move the bytes: of an array, hand over a reference.
    pub fn from_bytes(data: D) -> Result<Self, FormatError> {
        let bytes = data.as_ref();
        if !bytes.as_ptr().cast::<f64>().is_aligned() {
            return Err(FormatError::Misaligned { needed: align_of::<f64>() });
        }
        let header = Header::decode(&bytes[..bytes.len().min(HEADER_LEN as usize)], bytes.len() as u64)?;
        Ok(Store { data, header })
    }

    /// The header, checked.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes, as they were given.
    #[must_use]
    pub fn data(&self) -> &D {
        &self.data
    }

    /// Returns how many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.header.rows as usize
    }

    /// Returns whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The dimension: numbers a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.header.dim as usize
    }

    /// The bytes of one section; empty where the file has none of that kind.
    #[must_use]
    pub fn section(&self, kind: Kind) -> &[u8] {
        &self.data.as_ref()[self.header.section(kind).range()]
    }

    /// The numbers of a section of one type, whose length the header's checks compare with rows and dim. Sections begin at
    /// multiples of [`SECTION_ALIGN`](crate::format::SECTION_ALIGN), and so does a map; other bytes were looked at in
    /// [`from_bytes`](Store::from_bytes).
    pub(crate) fn numbers<T: bytemuck::AnyBitPattern>(&self, kind: Kind) -> &[T] {
        bytemuck::cast_slice(self.section(kind))
    }

    /// The matrix, row after row, where its numbers are float32.
    pub fn vectors(&self) -> Result<&[f32]> {
        match self.header.dtype {
            Dtype::Float32 => Ok(self.numbers(Kind::Matrix)),
            found => Err(Error::DtypeMismatch { expected: Dtype::Float32, found }),
        }
    }

    /// The matrix as it is stored, whatever its numbers are.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        let (dtype, dim) = (self.header.dtype, self.dim());
        Rows { dtype, dim, stored: self.section(Kind::Matrix), scales: self.numbers(Kind::Scales) }
    }

    /// The screening copy, where the file has one.
    pub(crate) fn screen(&self) -> Option<Screen<'_>> {
        let has = |kind| self.header.section(kind).offset != 0;
        if has(Kind::Planes) {
            return Some(Screen::Planes(Planes::new(self.section(Kind::Planes), self.numbers(Kind::PlaneBounds))));
        }
        has(Kind::Codes).then(|| Screen::Bytes { codes: self.numbers(Kind::Codes), bounds: self.numbers(Kind::Bounds) })
    }

    /// 1 / length of each row, 0 for a row of zeros.
    #[must_use]
    pub fn inverse_norms(&self) -> &[f32] {
        self.numbers(Kind::InverseNorms)
    }

    /// Mean and standard deviation of each dimension, end to end; empty where the file has none.
    #[must_use]
    pub fn statistics(&self) -> &[f64] {
        self.numbers(Kind::Statistics)
    }

    /// The metadata, JSON; empty where the file has none. Copied, as words are.
    pub fn metadata(&self) -> Result<String, FormatError> {
        String::from_utf8(self.section(Kind::Metadata).to_vec()).map_err(|_| corrupt("the metadata is not UTF-8"))
    }

    /// The words, in row order.
    #[must_use]
    pub fn words(&self) -> Words<'_> {
        Words::new(self.section(Kind::Words), self.section(Kind::Offsets))
    }

    /// The hash index, from a word to its row.
    #[must_use]
    pub fn index(&self) -> Index<'_> {
        Index::new(self.header.seed, self.section(Kind::Pilots), self.section(Kind::Slots), self.words())
    }

    /// Copies row `ids[i]` to row `i` of `out`; an id of -1 gives zeros, any other id without a row is an error.
    pub fn gather<T: Number>(&self, ids: &[i64], out: &mut [T]) -> Result<()> {
        self.rows().gather(ids, out)
    }
}
