//! Cache-line buckets with linear probing, in three ways.

use embmap::unstable::{WordList, hash};
use memmap2::Mmap;

use crate::design::{BATCH, Design, SEED, bucket_of, check_of, mapped, prefetch, u32_at};

/// Places each entry in the first free slot at or after its bucket.
fn place(table: &mut [u8], entry: usize, slots: usize, mut bucket: usize, buckets: usize, write: impl Fn(&mut [u8])) {
    loop {
        for slot in 0..slots {
            let at = bucket * 64 + slot * entry;
            if table[at..at + 4] == [0; 4] {
                write(&mut table[at..at + entry]);
                return;
            }
        }
        bucket = (bucket + 1) % buckets;
    }
}

/// Eight (id + 1, tag) pairs a line; then the offsets, then the bytes: three lines for a known word.
pub struct Tags {
    table: Mmap,
    offsets: Mmap,
    bytes: Mmap,
    buckets: usize,
}
impl Design for Tags {
    const NAME: &'static str = "tag + id, 8 a line";
    fn build(words: &WordList) -> Self {
        let buckets = words.len() * 10 / (8 * 8) + 1;
        let mut table = vec![0; buckets * 64];
        for i in 0..words.len() {
            let h = hash(words.get(i), SEED);
            place(&mut table, 8, 8, bucket_of(h, buckets), buckets, |entry| {
                entry[..4].copy_from_slice(&(i as u32 + 1).to_le_bytes());
                entry[4..].copy_from_slice(&(h as u32).to_le_bytes());
            });
        }
        let offsets: Vec<u8> = words.offsets().iter().flat_map(|end| end.to_le_bytes()).collect();
        Tags { table: mapped(&table), offsets: mapped(&offsets), bytes: mapped(words.bytes()), buckets }
    }
    fn nbytes(&self) -> usize {
        self.table.len()
    }
    fn find(&self, keys: &[&[u8]], ids: &mut [i64]) {
        let mut hashes = [0; BATCH];
        let mut first = [0u32; BATCH];
        for (h, key) in hashes.iter_mut().zip(keys) {
            *h = hash(key, SEED);
            prefetch(&self.table, bucket_of(*h, self.buckets) * 64);
        }
        for j in 0..keys.len() {
            let line = bucket_of(hashes[j], self.buckets) * 64;
            for slot in 0..8 {
                if u32_at(&self.table, line + slot * 8 + 4) == hashes[j] as u32 {
                    first[j] = u32_at(&self.table, line + slot * 8);
                    prefetch(&self.offsets, first[j] as usize * 4);
                }
            }
        }
        for &id in &first[..keys.len()] {
            if id != 0 {
                prefetch(&self.bytes, u32_at(&self.offsets, (id as usize - 1) * 4) as usize);
            }
        }
        for j in 0..keys.len() {
            ids[j] = self.probe(hashes[j], keys[j]);
        }
    }
}
impl Tags {
    fn probe(&self, h: u64, key: &[u8]) -> i64 {
        let mut bucket = bucket_of(h, self.buckets);
        loop {
            for slot in 0..8 {
                let at = bucket * 64 + slot * 8;
                let id = u32_at(&self.table, at);
                if id == 0 {
                    return -1;
                }
                if u32_at(&self.table, at + 4) == h as u32 {
                    let o = (id as usize - 1) * 4;
                    let range = u32_at(&self.offsets, o) as usize..u32_at(&self.offsets, o + 4) as usize;
                    if &self.bytes[range] == key {
                        return i64::from(id) - 1;
                    }
                }
            }
            bucket = (bucket + 1) % self.buckets;
        }
    }
}

/// Four sixteen-byte entries a line, words of at most eleven bytes inside: one line, two for a longer word.
pub struct Inline {
    table: Mmap,
    bytes: Mmap,
    buckets: usize,
}
fn packed(key: &[u8]) -> [u8; 12] {
    let mut entry = [0; 12];
    entry[0] = key.len() as u8;
    let n = key.len();
    if n >= 8 {
        entry[1..9].copy_from_slice(&key[..8]);
        entry[n - 7..=n].copy_from_slice(&key[n - 8..]);
    } else if n >= 4 {
        entry[1..5].copy_from_slice(&key[..4]);
        entry[n - 3..=n].copy_from_slice(&key[n - 4..]);
    } else if n > 0 {
        entry[1] = key[0];
        entry[1 + n / 2] = key[n / 2];
        entry[n] = key[n - 1];
    }
    entry
}
impl Design for Inline {
    const NAME: &'static str = "inline, 4 a line";
    fn build(words: &WordList) -> Self {
        let buckets = words.len() * 10 / (4 * 8) + 1;
        let mut table = vec![0; buckets * 64];
        for i in 0..words.len() {
            let key = words.get(i);
            let h = hash(key, SEED);
            place(&mut table, 16, 4, bucket_of(h, buckets), buckets, |entry| {
                entry[..4].copy_from_slice(&(i as u32 + 1).to_le_bytes());
                if key.len() <= 11 {
                    entry[4..].copy_from_slice(&packed(key));
                } else {
                    entry[4..8].copy_from_slice(&(h as u32 | 0xff).to_le_bytes());
                    entry[8..12].copy_from_slice(&words.offset(i).to_le_bytes());
                    entry[12..].copy_from_slice(&(key.len() as u32).to_le_bytes());
                }
            });
        }
        Inline { table: mapped(&table), bytes: mapped(words.bytes()), buckets }
    }
    fn nbytes(&self) -> usize {
        self.table.len()
    }
    fn find(&self, keys: &[&[u8]], ids: &mut [i64]) {
        let mut hashes = [0; BATCH];
        for (h, key) in hashes.iter_mut().zip(keys) {
            *h = hash(key, SEED);
            prefetch(&self.table, bucket_of(*h, self.buckets) * 64);
        }
        for j in 0..keys.len() {
            if keys[j].len() > 11 {
                let line = bucket_of(hashes[j], self.buckets) * 64;
                for slot in 0..4 {
                    let at = line + slot * 16;
                    if u32_at(&self.table, at + 4) == (hashes[j] as u32 | 0xff) {
                        prefetch(&self.bytes, u32_at(&self.table, at + 8) as usize);
                    }
                }
            }
        }
        for j in 0..keys.len() {
            ids[j] = self.probe(hashes[j], keys[j]);
        }
    }
}
impl Inline {
    fn probe(&self, h: u64, key: &[u8]) -> i64 {
        let mut bucket = bucket_of(h, self.buckets);
        let short = key.len() <= 11;
        let want = if short { packed(key) } else { [0; 12] };
        loop {
            for slot in 0..4 {
                let at = bucket * 64 + slot * 16;
                let id = u32_at(&self.table, at);
                if id == 0 {
                    return -1;
                }
                if short {
                    if self.table[at + 4..at + 16] == want {
                        return i64::from(id) - 1;
                    }
                } else if u32_at(&self.table, at + 4) == (h as u32 | 0xff) {
                    let (start, n) = (u32_at(&self.table, at + 8) as usize, u32_at(&self.table, at + 12) as usize);
                    if n == key.len() && &self.bytes[start..start + n] == key {
                        return i64::from(id) - 1;
                    }
                }
            }
            bucket = (bucket + 1) % self.buckets;
        }
    }
}

/// Five checks (half tag, half length), ids and offsets side by side in a line and compared at once, and a word that says
/// whether anything overflowed: two lines for a known word.
pub struct SideBySide {
    table: Mmap,
    bytes: Mmap,
    buckets: usize,
}
impl Design for SideBySide {
    const NAME: &'static str = "tag + reference, 5 a line";
    fn build(words: &WordList) -> Self {
        let buckets = words.len() * 100 / (5 * 85) + 1;
        let mut table = vec![0; buckets * 64];
        for i in 0..words.len() {
            let key = words.get(i);
            let h = hash(key, SEED);
            let mut bucket = bucket_of(h, buckets);
            loop {
                let line = &mut table[bucket * 64..][..64];
                if let Some(slot) = (0..5).find(|slot| u32_at(line, 20 + slot * 4) == 0) {
                    line[slot * 4..][..4].copy_from_slice(&check_of(h, key.len()).to_le_bytes());
                    line[20 + slot * 4..][..4].copy_from_slice(&(i as u32 + 1).to_le_bytes());
                    line[40 + slot * 4..][..4].copy_from_slice(&words.offset(i).to_le_bytes());
                    break;
                }
                line[60] = 1;
                bucket = (bucket + 1) % buckets;
            }
        }
        SideBySide { table: mapped(&table), bytes: mapped(words.bytes()), buckets }
    }
    fn nbytes(&self) -> usize {
        self.table.len()
    }
    fn find(&self, keys: &[&[u8]], ids: &mut [i64]) {
        let mut hashes = [0; BATCH];
        for (h, key) in hashes.iter_mut().zip(keys) {
            *h = hash(key, SEED);
            prefetch(&self.table, bucket_of(*h, self.buckets) * 64);
        }
        for j in 0..keys.len() {
            let line: &[u8; 64] =
                self.table[bucket_of(hashes[j], self.buckets) * 64..][..64].try_into().expect("a line");
            let slot = Self::matches(line, check_of(hashes[j], keys[j].len())).trailing_zeros() as usize;
            prefetch(&self.bytes, u32_at(line, 40 + (slot & 7).min(5) * 4) as usize);
        }
        for j in 0..keys.len() {
            ids[j] = self.probe(hashes[j], keys[j]);
        }
    }
}
impl SideBySide {
    #[inline(always)]
    fn matches(line: &[u8; 64], check: u32) -> u32 {
        let mut mask = 0;
        for slot in 0..8 {
            mask |= u32::from(u32_at(line, slot * 4) == check) << slot;
        }
        mask & 31
    }
    #[inline(always)]
    fn probe(&self, h: u64, key: &[u8]) -> i64 {
        let mut bucket = bucket_of(h, self.buckets);
        let check = check_of(h, key.len());
        loop {
            let line: &[u8; 64] = self.table[bucket * 64..][..64].try_into().expect("a line");
            let mut mask = Self::matches(line, check);
            while mask != 0 {
                let slot = mask.trailing_zeros() as usize;
                let start = u32_at(line, 40 + slot * 4) as usize;
                if &self.bytes[start..start + key.len()] == key {
                    return i64::from(u32_at(line, 20 + slot * 4)) - 1;
                }
                mask &= mask - 1;
            }
            if line[60] == 0 {
                return -1;
            }
            bucket = (bucket + 1) % self.buckets;
        }
    }
}
