//! The index in the making: a pilot for each bucket, which sends its words to slots of their own.

use crate::{
    error::{Error, Result},
    format::{
        hash::{hash, seed_from},
        index::{
            EMPTY, PART_BUCKETS, PILOT_LEN, SLOT_CHECK, SLOT_ID, SLOT_LEN, SLOT_WORD, check_of, scale, slot_in_part,
        },
        word_list::WordList,
    },
    sys::threads::for_each,
};

/// Words a bucket: more make the pilots fewer and the search for them longer.
const BUCKET_WORDS: usize = 4;
/// Slots filled, in hundredths: more make the index smaller and the search longer.
const FILL_PERCENT: usize = 95;
/// Seeds tried before giving up; each fails only if two words share 64 hash bits or a bucket finds no pilot.
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
        let members = Buckets::group(words, seed, buckets);
        let slots = (members.largest_part() * 100).div_ceil(FILL_PERCENT).max(1);
        let parts = buckets.div_ceil(PART_BUCKETS);

        let mut pilots = vec![0; buckets * PILOT_LEN];
        let mut table = vec![0; parts * slots * SLOT_LEN];
        let pieces = pilots.chunks_mut(PART_BUCKETS * PILOT_LEN).zip(table.chunks_mut(slots * SLOT_LEN));
        let mut pieces: Vec<Part> =
            pieces.enumerate().map(|(i, (pilots, table))| Part { first: i * PART_BUCKETS, pilots, table }).collect();
        for_each(threads, &mut pieces, |part| part.build(&members, words).ok_or(())).ok()?;
        drop(pieces);
        Some(BuiltIndex { seed, pilots, slots: table })
    }
}

/// Hashes and rows of the words, sorted by bucket.
struct Buckets {
    sorted: Vec<(u64, u32)>,
    starts: Vec<u32>,
}

impl Buckets {
    fn group(words: &WordList, seed: u64, buckets: usize) -> Buckets {
        let hashes: Vec<u64> = words.iter().map(|word| hash(word, seed)).collect();
        let mut starts = vec![0u32; buckets + 1];
        for &h in &hashes {
            starts[scale(h, buckets) + 1] += 1;
        }
        for i in 0..buckets {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let mut sorted = vec![(0, 0); hashes.len()];
        for (id, &h) in hashes.iter().enumerate() {
            let place = &mut next[scale(h, buckets)];
            sorted[*place as usize] = (h, id as u32);
            *place += 1;
        }
        Buckets { sorted, starts }
    }

    fn members(&self, bucket: usize) -> &[(u64, u32)] {
        &self.sorted[self.starts[bucket] as usize..self.starts[bucket + 1] as usize]
    }

    /// Words in the part that has most.
    fn largest_part(&self) -> usize {
        let last = self.starts.len() - 1;
        let parts = (0..last).step_by(PART_BUCKETS);
        let words = parts.map(|first| self.starts[(first + PART_BUCKETS).min(last)] - self.starts[first]);
        words.max().unwrap_or(0) as usize
    }
}

/// One part of the index while it is built.
struct Part<'a> {
    /// Its first bucket.
    first: usize,
    pilots: &'a mut [u8],
    table: &'a mut [u8],
}

impl Part<'_> {
    /// Finds the pilots, the fullest bucket first because it needs the emptiest table, and fills the slots. `None` where a
    /// bucket has no pilot.
    fn build(&mut self, buckets: &Buckets, words: &WordList) -> Option<()> {
        let slots = self.table.len() / SLOT_LEN;
        for slot in self.table.chunks_exact_mut(SLOT_LEN) {
            slot[SLOT_ID..][..4].copy_from_slice(&EMPTY.to_le_bytes());
        }
        let count = self.pilots.len() / PILOT_LEN;
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|bucket| std::cmp::Reverse(buckets.members(self.first + bucket).len()));
        let (mut taken, mut places) = (vec![0u64; slots.div_ceil(64)], Vec::new());
        for bucket in order {
            let members = buckets.members(self.first + bucket);
            let pilot = find_pilot(members, slots, &mut taken, &mut places)?;
            self.pilots[bucket * PILOT_LEN..][..PILOT_LEN].copy_from_slice(&pilot.to_le_bytes());
            for (&(h, id), &place) in members.iter().zip(&places) {
                let slot = &mut self.table[place * SLOT_LEN..][..SLOT_LEN];
                slot[SLOT_ID..][..4].copy_from_slice(&id.to_le_bytes());
                slot[SLOT_CHECK..][..4].copy_from_slice(&check_of(h, words.get(id as usize).len()).to_le_bytes());
                slot[SLOT_WORD..][..4].copy_from_slice(&words.offset(id as usize).to_le_bytes());
            }
        }
        Some(())
    }
}

/// The first pilot that sends all of `members` to free and different slots, which it takes and leaves in `places`.
fn find_pilot(members: &[(u64, u32)], slots: usize, taken: &mut [u64], places: &mut Vec<usize>) -> Option<u16> {
    'pilots: for pilot in 0..=u16::MAX {
        places.clear();
        for &(h, _) in members {
            let slot = slot_in_part(h, pilot, slots);
            if taken[slot / 64] >> (slot % 64) & 1 == 1 || places.contains(&slot) {
                continue 'pilots;
            }
            places.push(slot);
        }
        for &slot in &*places {
            taken[slot / 64] |= 1 << (slot % 64);
        }
        return Some(pilot);
    }
    None
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
