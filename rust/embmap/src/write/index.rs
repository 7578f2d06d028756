//! The index in the making: a pilot for each bucket, which sends its words to slots of their own.

use std::{convert::Infallible, ops::Range};

use crate::{
    error::{Error, Result},
    format::{
        hash::{hash, seed_from},
        index::{
            EMPTY, PART_BUCKETS, PILOT_LEN, SLOT_CHECK, SLOT_ID, SLOT_LEN, SLOT_WORD, check_of, scale, slot_in_part,
        },
        word_list::WordList,
    },
    sys::threads::{for_each, threads},
    write::pilots::Slots,
};

/// Words a bucket: more make the pilots fewer and the search for them longer.
const BUCKET_WORDS: usize = 3;
/// Slots filled, in hundredths: more make the index smaller and the search longer.
const FILL_PERCENT: usize = 95;
/// Words of a part, for each of the mean: with more, which only words that were made for the seed have, all parts would be as large.
const MOST_IN_PART: usize = 2;
/// Pilots tried for each word of a part, 7 on average, and for each part: words that were made for the seed would take many more.
const TRIES_PER_WORD: u64 = 12;
const TRIES_PER_PART: u64 = 1 << 16;
/// Seeds tried before giving up; each fails only if two words share 64 hash bits, or the words were made for it.
const ATTEMPTS: u64 = 8;

/// The two sections of a built index and the seed they were built with.
#[derive(Debug)]
pub struct BuiltIndex {
    /// What the words were hashed with.
    pub seed: u64,
    /// Two bytes a bucket.
    pub pilots: Vec<u8>,
    /// Twelve bytes a slot.
    pub slots: Vec<u8>,
}

impl BuiltIndex {
    /// Builds the index of distinct words on so many threads, or all. The seed follows from the words, so that equal words
    /// make equal files.
    pub fn build(words: &WordList, threads: Option<usize>) -> Result<BuiltIndex> {
        let material = u64::from(crc32fast::hash(words.bytes()));
        (0..ATTEMPTS).find_map(|attempt| Self::build_with(words, seed_from(material, attempt), threads)).ok_or_else(
            || Error::Argument(format!("no index for these words after {ATTEMPTS} seeds: are they distinct?")),
        )
    }

    fn build_with(words: &WordList, seed: u64, threads: Option<usize>) -> Option<BuiltIndex> {
        let mut buckets = words.len().div_ceil(BUCKET_WORDS).max(1);
        if buckets > PART_BUCKETS {
            buckets = buckets.next_multiple_of(PART_BUCKETS);
        }
        let by_part = by_part(words, seed, buckets, threads);
        let largest = by_part.iter().map(Hashes::len).max().unwrap_or(0);
        if largest > MOST_IN_PART * words.len().div_ceil(by_part.len()) {
            return None;
        }
        let slots = (largest * 100).div_ceil(FILL_PERCENT).max(1);

        let mut pilots = vec![0; buckets * PILOT_LEN];
        let mut table = vec![0; by_part.len() * slots * SLOT_LEN];
        let pieces = pilots.chunks_mut(PART_BUCKETS * PILOT_LEN).zip(table.chunks_mut(slots * SLOT_LEN));
        let part = |(i, ((pilots, table), hashes))| Part { first: i * PART_BUCKETS, buckets, hashes, pilots, table };
        let mut parts: Vec<Part> = pieces.zip(by_part).enumerate().map(part).collect();
        for_each(threads, &mut parts, |part| part.build(words).ok_or(())).ok()?;
        drop(parts);
        Some(BuiltIndex { seed, pilots, slots: table })
    }
}

/// Hashes of the words of one part, and their rows, in order.
struct Hashes {
    /// From each of the threads that made them.
    runs: Vec<Vec<(u64, u32)>>,
}

impl Hashes {
    fn len(&self) -> usize {
        self.runs.iter().map(Vec::len).sum()
    }

    fn iter(&self) -> impl Iterator<Item = (u64, u32)> {
        self.runs.iter().flatten().copied()
    }
}

/// Hashes the words, and sorts them by the part of the index that has their bucket.
fn by_part(words: &WordList, seed: u64, buckets: usize, asked: Option<usize>) -> Vec<Hashes> {
    let parts = buckets.div_ceil(PART_BUCKETS);
    let size = words.len().div_ceil(threads(asked)).max(PART_BUCKETS);
    // A few more than the share of each, as some get more.
    let room = size.min(words.len()) / parts * 17 / 16 + 16;
    let hashed = || (0..parts).map(|_| Vec::with_capacity(room)).collect();
    let run = |first: usize| (first..(first + size).min(words.len()), hashed());
    let mut runs: Vec<(Range<usize>, Vec<Vec<_>>)> = (0..words.len()).step_by(size).map(run).collect();
    let Ok(()) = for_each(asked, &mut runs, |(rows, hashed)| {
        for row in rows.clone() {
            let hash = hash(words.get(row), seed);
            hashed[scale(hash, buckets) / PART_BUCKETS].push((hash, row as u32));
        }
        Ok::<(), Infallible>(())
    });
    let mut by_part: Vec<Hashes> = (0..parts).map(|_| Hashes { runs: Vec::new() }).collect();
    for (_, hashed) in runs {
        by_part.iter_mut().zip(hashed).for_each(|(part, hashed)| part.runs.push(hashed));
    }
    by_part
}

/// One part of the index while it is built.
struct Part<'a> {
    /// Its first bucket, and how many there are in all.
    first: usize,
    buckets: usize,
    hashes: Hashes,
    pilots: &'a mut [u8],
    table: &'a mut [u8],
}

impl Part<'_> {
    /// Finds the pilots of the fullest buckets first, because they need the emptiest table; then fills the slots in the order of
    /// the words, whose places are read side by side.
    fn build(&mut self, words: &WordList) -> Option<()> {
        let slots = self.table.len() / SLOT_LEN;
        let count = self.pilots.len() / PILOT_LEN;
        let bucket_of = |hash: u64| scale(hash, self.buckets) - self.first;
        let hashes: Vec<u64> = self.hashes.iter().map(|(hash, _)| hash).collect();
        let (hashes, starts) = sorted_by(&hashes, count, |&hash| bucket_of(hash));
        let members = |bucket: usize| &hashes[starts[bucket]..starts[bucket + 1]];
        let most = (0..count).map(|bucket| members(bucket).len()).max().unwrap_or(0);
        let numbers: Vec<usize> = (0..count).collect();
        let (order, _) = sorted_by(&numbers, most + 1, |&bucket| most - members(bucket).len());
        let (mut free, mut pilots) = (Slots::new(slots), vec![0u16; count]);
        let mut tries_left = TRIES_PER_WORD * hashes.len() as u64 + TRIES_PER_PART;
        for bucket in order {
            let pilot = free.place(members(bucket))?;
            tries_left = tries_left.checked_sub(u64::from(pilot) + 1)?;
            pilots[bucket] = pilot;
        }
        for (bytes, pilot) in self.pilots.as_chunks_mut().0.iter_mut().zip(&pilots) {
            *bytes = pilot.to_le_bytes();
        }
        let table = self.table.as_chunks_mut::<SLOT_LEN>().0;
        for slot in &mut *table {
            slot[SLOT_ID..][..4].copy_from_slice(&EMPTY.to_le_bytes());
        }
        for (hash, id) in self.hashes.iter() {
            let slot = &mut table[slot_in_part(hash, pilots[bucket_of(hash)], slots)];
            let (word, length) = (words.offset(id as usize), words.get(id as usize).len());
            slot[SLOT_ID..][..4].copy_from_slice(&id.to_le_bytes());
            slot[SLOT_CHECK..][..4].copy_from_slice(&check_of(hash, length).to_le_bytes());
            slot[SLOT_WORD..][..4].copy_from_slice(&word.to_le_bytes());
        }
        Some(())
    }
}

/// `items` sorted by a key below `keys`, those of one key in their order, and where each key begins.
fn sorted_by<T: Copy + Default>(items: &[T], keys: usize, key: impl Fn(&T) -> usize) -> (Vec<T>, Vec<usize>) {
    let mut starts = vec![0; keys + 1];
    for item in items {
        starts[key(item) + 1] += 1;
    }
    for i in 0..keys {
        starts[i + 1] += starts[i];
    }
    let (mut next, mut sorted) = (starts.clone(), vec![T::default(); items.len()]);
    for item in items {
        let place = &mut next[key(item)];
        sorted[*place] = *item;
        *place += 1;
    }
    (sorted, starts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{index::Index, words::Words};

    fn offsets(words: &WordList) -> Vec<u8> {
        words.offsets().iter().flat_map(|o| o.to_le_bytes()).collect()
    }

    fn list(words: impl IntoIterator<Item = String>) -> WordList {
        let mut list = WordList::default();
        words.into_iter().for_each(|word| assert!(list.push(word.as_bytes())));
        list
    }

    #[test]
    fn every_word_is_found_and_no_other() {
        for n in [0, 1, 2, 3, 100, 20_000, 65_536, 65_537, 300_000] {
            let words = list((0..n).map(|i| format!("w{i}")));
            let built = BuiltIndex::build(&words, None).expect("an index");
            let offsets = offsets(&words);
            let index = Index::new(built.seed, &built.pilots, &built.slots, Words::new(words.bytes(), &offsets));
            let keys: Vec<Vec<u8>> = (0..2 * n).map(|i| format!("w{i}").into_bytes()).chain([Vec::new()]).collect();
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let mut ids = vec![0; keys.len()];
            index.find_all(&keys, -7, &mut ids).expect("a whole index");
            for (i, key) in keys.iter().enumerate() {
                let expected = if i < n { Some(i as u32) } else { None };
                assert_eq!(index.find(key), Ok(expected));
                assert_eq!(ids[i], expected.map_or(-7, i64::from));
            }
        }
    }

    #[test]
    fn words_longer_than_the_check_can_say_are_told_apart() {
        let words = list([70_000, 65_535, 65_536].map(|n| "a".repeat(n)));
        let built = BuiltIndex::build(&words, None).expect("an index");
        let offsets = offsets(&words);
        let index = Index::new(built.seed, &built.pilots, &built.slots, Words::new(words.bytes(), &offsets));
        assert_eq!(index.find("a".repeat(65_536).as_bytes()), Ok(Some(2)));
        assert_eq!(index.find("a".repeat(65_537).as_bytes()), Ok(None));
    }

    /// Words whose hashes under the seed that they will have are as `wanted`: the last makes the checksum that gives that seed.
    fn crafted(count: usize, wanted: impl Fn(u64) -> bool) -> WordList {
        const MATERIAL: u32 = 0x1234_5678;
        let seed = seed_from(u64::from(MATERIAL), 0);
        let words = (0u64..).map(|i| format!("{i:x}")).filter(|word| wanted(hash(word.as_bytes(), seed)));
        let mut words = list(words.take(count - 1));
        // The four bytes that lead from one checksum to another are found backwards, bit by bit.
        let mut state = !MATERIAL;
        for _ in 0..32 {
            state = if state >> 31 == 1 { (state ^ 0xedb8_8320) << 1 | 1 } else { state << 1 };
        }
        let last = (state ^ !crc32fast::hash(words.bytes())).to_le_bytes();
        assert!(words.push(&last));
        assert_eq!(crc32fast::hash(words.bytes()), MATERIAL);
        words
    }

    #[test]
    fn words_that_were_made_for_the_seed_get_another() {
        let count = 60_000;
        let buckets = (count / BUCKET_WORDS).next_multiple_of(PART_BUCKETS);
        let usual = list((0..count).map(|i| format!("w{i}")));
        let of = |words: &WordList| BuiltIndex::build(words, None).expect("an index");
        for words in [
            // All in one part of two, and all in a fifth of the buckets.
            crafted(count, |hash| scale(hash, buckets) < PART_BUCKETS / 4),
            crafted(count, |hash| scale(hash, buckets).is_multiple_of(5)),
        ] {
            let built = of(&words);
            assert_ne!(built.seed, seed_from(u64::from(crc32fast::hash(words.bytes())), 0));
            assert!(built.slots.len() < of(&usual).slots.len() * 11 / 10);
            let offsets = offsets(&words);
            let index = Index::new(built.seed, &built.pilots, &built.slots, Words::new(words.bytes(), &offsets));
            assert_eq!(index.find(words.get(count / 2)), Ok(Some(count as u32 / 2)));
        }
    }

    #[test]
    fn a_word_twice_is_an_error_not_a_hang() {
        assert!(BuiltIndex::build(&list(["a".into(), "a".into()]), None).is_err());
    }

    #[test]
    fn an_index_of_garbage_answers_or_errs_but_never_panics() {
        let words = list((0..50).map(|i| format!("w{i}")));
        let built = BuiltIndex::build(&words, None).expect("an index");
        let offsets = offsets(&words);
        for at in 0..built.slots.len() {
            let mut slots = built.slots.clone();
            slots[at] ^= 0xff;
            let index = Index::new(built.seed, &built.pilots, &slots, Words::new(words.bytes(), &offsets));
            for word in words.iter() {
                if let Ok(Some(id)) = index.find(word) {
                    assert!((id as usize) < words.len());
                }
            }
        }
    }
}
