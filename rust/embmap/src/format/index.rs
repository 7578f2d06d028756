//! The hash index, word → row: one pilot, one slot, one comparison, whatever the word and whoever wrote the file.
//!
//! A perfect hash by displacement. The word's hash picks a bucket; the bucket's pilot, chosen when the file was built,
//! sends each of its words to a slot of its own; the slot says which row the word has and where its bytes are. A word that
//! is not there lands on some slot too and is told apart by a check of 16 hash bits and the length, then by its bytes. So a
//! look-up never probes further, and crafted words cannot make it. docs/decisions/0001-index.md has the measurements.

use super::{hash::hash, u32_at, words::Words};
use crate::{
    error::{FormatError, corrupt},
    sys::prefetch::prefetch,
};

/// Bytes of one pilot.
pub(crate) const PILOT_LEN: usize = 2;
/// Buckets of one part of the index: parts are built side by side, each in a near cache.
pub(crate) const PART_BUCKETS: usize = 1 << 14;
// The fields of a slot, each four bytes.
pub(crate) const SLOT_ID: usize = 0;
pub(crate) const SLOT_CHECK: usize = SLOT_ID + 4;
pub(crate) const SLOT_WORD: usize = SLOT_CHECK + 4;
/// Bytes of one slot.
pub(crate) const SLOT_LEN: usize = SLOT_WORD + 4;
/// Words hashed and prefetched before the first of them is compared.
const BATCH_WORDS: usize = 32;
/// The id in a slot that no word has.
pub(crate) const EMPTY: u32 = u32::MAX;

#[inline(always)]
pub(crate) fn scale(hash: u64, n: usize) -> usize {
    ((u128::from(hash) * n as u128) >> 64) as usize
}

/// Whether two words of one length are the same; most are so short that calling a function for it takes longer.
#[inline(always)]
fn equal(a: &[u8], b: &[u8]) -> bool {
    fn ends<const N: usize>(a: &[u8], b: &[u8]) -> bool {
        a.first_chunk::<N>() == b.first_chunk::<N>() && a.last_chunk::<N>() == b.last_chunk::<N>()
    }
    match a.len() {
        0..4 => a.iter().eq(b),
        4..8 => ends::<4>(a, b),
        8..=16 => ends::<8>(a, b),
        _ => a == b,
    }
}

/// How buckets and slots are divided into parts, each an index of its own.
#[derive(Debug, Clone, Copy)]
struct Shape {
    buckets: usize,
    /// Slots of one part.
    slots: usize,
}

impl Shape {
    fn of(buckets: usize, all_slots: usize) -> Shape {
        Shape { buckets, slots: all_slots / buckets.div_ceil(PART_BUCKETS) }
    }

    #[inline(always)]
    fn bucket(self, hash: u64) -> usize {
        scale(hash, self.buckets)
    }

    #[inline(always)]
    fn slot(self, hash: u64, bucket: usize, pilot: u16) -> usize {
        bucket / PART_BUCKETS * self.slots + slot_in_part(hash, pilot, self.slots)
    }
}

/// What a pilot and a hash are mixed with.
pub(crate) const PILOT_MIX: u64 = 0x9e37_79b9_7f4a_7c15;
pub(crate) const MIX: u64 = 0xd6e8_feb8_6659_fd93;

#[inline(always)]
pub(crate) fn slot_in_part(hash: u64, pilot: u16, slots: usize) -> usize {
    let mixed = (hash ^ u64::from(pilot).wrapping_mul(PILOT_MIX)).wrapping_mul(MIX);
    scale((mixed ^ (mixed >> 32)).wrapping_mul(MIX), slots)
}

/// Sixteen bits of the hash beside the length, which saturates.
#[inline(always)]
pub(crate) fn check_of(hash: u64, length: usize) -> u32 {
    (hash as u32) << 16 | length.min(0xffff) as u32
}

#[inline(always)]
fn pilot_at(pilots: &[u8], bucket: usize) -> u16 {
    u16::from_le_bytes([pilots[bucket * PILOT_LEN], pilots[bucket * PILOT_LEN + 1]])
}

/// The index of a store that someone else wrote: every id and offset is checked before it is used.
#[derive(Debug, Clone, Copy)]
pub struct Index<'a> {
    seed: u64,
    shape: Shape,
    pilots: &'a [u8],
    slots: &'a [u8],
    words: Words<'a>,
}

impl<'a> Index<'a> {
    /// Over the two sections, which hold at least one pilot and one slot, and the words they lead to.
    #[must_use]
    pub fn new(seed: u64, pilots: &'a [u8], slots: &'a [u8], words: Words<'a>) -> Self {
        let shape = Shape::of(pilots.len() / PILOT_LEN, slots.len() / SLOT_LEN);
        Index { seed, shape, pilots, slots, words }
    }

    /// Where the slot of a hash begins.
    #[inline(always)]
    fn slot(&self, hash: u64) -> usize {
        let bucket = self.shape.bucket(hash);
        self.shape.slot(hash, bucket, pilot_at(self.pilots, bucket)) * SLOT_LEN
    }

    /// The row of `word`.
    #[inline]
    pub fn find(&self, word: &[u8]) -> Result<Option<u32>, FormatError> {
        let hash = hash(word, self.seed);
        self.compare(word, hash, self.slot(hash))
    }

    #[inline(always)]
    fn compare(&self, word: &[u8], hash: u64, slot: usize) -> Result<Option<u32>, FormatError> {
        if u32_at(self.slots, slot + SLOT_CHECK) != check_of(hash, word.len()) {
            return Ok(None);
        }
        let id = u32_at(self.slots, slot + SLOT_ID);
        let Some(found) = self.words.slice(u32_at(self.slots, slot + SLOT_WORD), word.len()) else { return Ok(None) };
        if !equal(found, word) || id == EMPTY {
            return Ok(None);
        }
        if id as usize >= self.words.len() {
            return Err(corrupt(format!("the index names row {id} of {}", self.words.len())));
        }
        // A length that saturates the check has not been compared yet.
        if word.len() >= 0xffff && self.words.get(id as usize)? != word {
            return Ok(None);
        }
        Ok(Some(id))
    }

    /// The rows of many words, `missing` for those that are not there. Bucket, slot and bytes of a batch are asked for
    /// before any of them is read, so that their latencies overlap.
    pub fn find_all(&self, words: &[&[u8]], missing: i64, ids: &mut [i64]) -> Result<(), FormatError> {
        let mut hashes = [0; BATCH_WORDS];
        let mut slots = [0; BATCH_WORDS];
        let mut later = words.iter().skip(BATCH_WORDS);
        for (words, ids) in words.chunks(BATCH_WORDS).zip(ids.chunks_mut(BATCH_WORDS)) {
            // Another thread may have read the next words, and have them in a cache of its own.
            later.by_ref().take(BATCH_WORDS).for_each(|word| prefetch(word, 0));
            for (hash_, word) in hashes.iter_mut().zip(words) {
                *hash_ = hash(word, self.seed);
                prefetch(self.pilots, self.shape.bucket(*hash_) * PILOT_LEN);
            }
            for (slot, hash) in slots.iter_mut().zip(&hashes[..words.len()]) {
                *slot = self.slot(*hash);
                prefetch(self.slots, *slot);
            }
            for (slot, (hash, word)) in slots.iter().zip(hashes.iter().zip(words)) {
                if u32_at(self.slots, slot + SLOT_CHECK) == check_of(*hash, word.len()) {
                    prefetch(self.words.bytes(), u32_at(self.slots, slot + SLOT_WORD) as usize);
                }
            }
            for (j, id) in ids.iter_mut().enumerate() {
                *id = self.compare(words[j], hashes[j], slots[j])?.map_or(missing, i64::from);
            }
        }
        Ok(())
    }
}
