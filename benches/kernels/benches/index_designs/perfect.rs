//! Perfect hashes: a library's, and the one that stores have.

use embmap::unstable::{BuiltIndex, Index, WordList, hash};
use memmap2::Mmap;
use ptr_hash::{DefaultPtrHash, PtrHashParams};

use crate::design::{BATCH, Design, SEED, check_of, mapped, prefetch, u32_at};

/// A minimal perfect hash to a slot that holds (id, offset, length, tag); the word is compared.
pub struct Perfect {
    function: DefaultPtrHash,
    slots: Mmap,
    bytes: Mmap,
}
impl Design for Perfect {
    const NAME: &'static str = "minimal perfect hash";
    fn build(words: &WordList) -> Self {
        let hashes: Vec<u64> = (0..words.len()).map(|i| hash(words.get(i), SEED)).collect();
        let function = DefaultPtrHash::new(&hashes, PtrHashParams::default());
        let mut slots = vec![0; words.len() * 12];
        for (i, h) in hashes.iter().enumerate() {
            let at = function.index(h) * 12;
            slots[at..at + 4].copy_from_slice(&(i as u32).to_le_bytes());
            slots[at + 4..at + 8].copy_from_slice(&check_of(*h, words.get(i).len()).to_le_bytes());
            slots[at + 8..at + 12].copy_from_slice(&words.offset(i).to_le_bytes());
        }
        Perfect { function, slots: mapped(&slots), bytes: mapped(words.bytes()) }
    }
    fn nbytes(&self) -> usize {
        self.slots.len() + self.slots.len() / 12 * 3 / 8
    }
    fn find(&self, keys: &[&[u8]], ids: &mut [i64]) {
        let mut hashes = [0; BATCH];
        for (h, key) in hashes.iter_mut().zip(keys) {
            *h = hash(key, SEED);
        }
        let mut places = [0; BATCH];
        for (place, slot) in places.iter_mut().zip(self.function.index_batch::<BATCH, _>(hashes)) {
            *place = slot * 12;
            prefetch(&self.slots, *place);
        }
        for j in 0..keys.len() {
            if u32_at(&self.slots, places[j] + 4) == check_of(hashes[j], keys[j].len()) {
                prefetch(&self.bytes, u32_at(&self.slots, places[j] + 8) as usize);
            }
        }
        for j in 0..keys.len() {
            let (at, key) = (places[j], keys[j]);
            let start = u32_at(&self.slots, at + 8) as usize;
            let known = u32_at(&self.slots, at + 4) == check_of(hashes[j], key.len())
                && &self.bytes[start..start + key.len()] == key;
            ids[j] = if known { i64::from(u32_at(&self.slots, at)) } else { -1 };
        }
    }
}

/// What the stores have: this crate's displacement hash.
pub struct Displaced {
    seed: u64,
    pilots: Mmap,
    slots: Mmap,
    bytes: Mmap,
    offsets: Mmap,
}
impl Design for Displaced {
    const NAME: &'static str = "embmap's index";
    fn build(words: &WordList) -> Self {
        let built = BuiltIndex::build(words, None).expect("distinct words");
        let offsets: Vec<u8> = words.offsets().iter().flat_map(|end| end.to_le_bytes()).collect();
        Displaced {
            seed: built.seed,
            pilots: mapped(&built.pilots),
            slots: mapped(&built.slots),
            bytes: mapped(words.bytes()),
            offsets: mapped(&offsets),
        }
    }
    fn nbytes(&self) -> usize {
        self.pilots.len() + self.slots.len()
    }
    fn find(&self, keys: &[&[u8]], ids: &mut [i64]) {
        let words = embmap::unstable::Words::new(&self.bytes, &self.offsets);
        Index::new(self.seed, &self.pilots, &self.slots, words).find_all(keys, -1, ids).expect("a whole index");
    }
}
