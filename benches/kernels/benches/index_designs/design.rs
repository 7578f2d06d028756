//! What every design has: a map, a hash, a batch.

use std::io::Write;

use embmap::unstable::WordList;
use memmap2::Mmap;

/// What every design keys its hash with.
pub const SEED: u64 = 0x1234_5678_9abc_def1;
/// Words hashed and prefetched before the first is compared.
pub const BATCH: usize = 32;

pub fn mapped(bytes: &[u8]) -> Mmap {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("room for the index");
    // SAFETY: the file is unlinked and ours alone.
    unsafe { Mmap::map(&file).expect("a map") }
}

#[inline(always)]
pub fn prefetch(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint; it reads nothing and cannot fault.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(at).cast());
    }
}

pub fn bucket_of(hash: u64, buckets: usize) -> usize {
    ((u128::from(hash) * buckets as u128) >> 64) as usize
}
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// A design answers a batch of at most `BATCH` words with their ids, -1 for unknown ones.
pub trait Design {
    const NAME: &'static str;
    fn build(words: &WordList) -> Self;
    fn nbytes(&self) -> usize;
    fn find(&self, keys: &[&[u8]], ids: &mut [i64]);
}

/// Half tag, half length.
pub fn check_of(h: u64, n: usize) -> u32 {
    (h as u32) << 16 | n.min(0xffff) as u32
}
