//! The words of a store: bytes end to end, and where each begins.

use super::u32_at;
use crate::error::{FormatError, corrupt};

/// Bytes of an offset.
const OFFSET_LEN: usize = 4;

/// The words of a store that someone else wrote: every read is checked.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    bytes: &'a [u8],
    offsets: &'a [u8],
}

impl<'a> Words<'a> {
    /// Over the two sections; `offsets` holds at least one `u32`.
    #[must_use]
    pub fn new(bytes: &'a [u8], offsets: &'a [u8]) -> Self {
        Words { bytes, offsets }
    }

    /// Returns how many words there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() / OFFSET_LEN - 1
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the `i`-th word begins, or, behind the last one, where that ends.
    #[must_use]
    pub fn offset(&self, i: usize) -> u32 {
        u32_at(self.offsets, i * OFFSET_LEN)
    }

    /// The `i`-th word, which must exist.
    pub fn get(&self, i: usize) -> Result<&'a [u8], FormatError> {
        let (start, end) = (self.offset(i), self.offset(i + 1));
        self.bytes.get(start as usize..end as usize).ok_or_else(|| corrupt(format!("word {i} lies outside the words")))
    }

    /// The `i`-th word as text, copied before it is checked: the bytes of a map can change under a reference.
    pub fn get_str(&self, i: usize) -> Result<String, FormatError> {
        String::from_utf8(self.get(i)?.to_vec()).map_err(|_| corrupt(format!("word {i} is not UTF-8")))
    }

    /// The bytes from `start` on, `n` of them, where they are there.
    #[inline(always)]
    pub(crate) fn slice(&self, start: u32, n: usize) -> Option<&'a [u8]> {
        self.bytes.get(start as usize..)?.get(..n)
    }

    /// All bytes, for a prefetch.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}
