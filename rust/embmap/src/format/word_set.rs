//! Words that grow, each found by its hash: what a conversion knows of the words that it has seen.

use super::{hash::hash, word_list::WordList};
use crate::sys::prefetch::prefetch_address;

/// Different words, in the order in which they came, each found by its hash.
///
/// A table of open addressing whose slots hold half of each hash beside the word's number: words that are new are told from those that
/// are there without looking at any, the table grows without hashing again, and its slots can be asked for before they are needed.
/// That takes a third of the time that a table of numbers alone does, which must go to the words for each of these.
#[derive(Debug, Clone)]
pub struct WordSet {
    words: WordList,
    /// The upper half of a word's hash, then its number counted from 1; 0 where there is no word.
    slots: Vec<u64>,
    seed: u64,
}

/// What became of a word that was to enter a [`WordSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// It is new.
    New,
    /// It was there, as the word of that number.
    Known(u32),
    /// Neither: the words would pass 4 GiB, or 2³².
    Full,
}

impl Default for WordSet {
    /// An empty set, keyed anew each time, so that nobody can make words collide in it.
    fn default() -> Self {
        use std::hash::{BuildHasher, RandomState};
        WordSet { words: WordList::default(), slots: vec![0; 16], seed: RandomState::new().hash_one(0) }
    }
}

impl WordSet {
    /// What the hashes are keyed with.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The words, in order.
    #[must_use]
    pub fn words(&self) -> &WordList {
        &self.words
    }

    /// The words without the table.
    #[must_use]
    pub fn into_words(self) -> WordList {
        self.words
    }

    /// Whether `word` is one of them.
    #[must_use]
    pub fn contains(&self, word: &[u8]) -> bool {
        self.find(word, half(hash(word, self.seed))).is_ok()
    }

    /// Makes room for as many words in all, so that the table need not grow.
    pub fn reserve(&mut self, words: usize) {
        // Two thirds full, the slots looked at for a new word are five on average, and in one cache line or two.
        let slots = words.saturating_add(words / 2);
        if slots > self.slots.len() {
            self.grow(slots);
        }
    }

    /// Asks for the slots of a hash, which will enter soon.
    #[inline]
    pub fn prefetch(&self, hash_of_word: u64) {
        let start = self.start(half(hash_of_word));
        prefetch_address(self.slots.as_ptr().wrapping_add(start).cast());
    }

    /// Adds `word`, whose hash under the set's seed is `hash_of_word`.
    #[inline]
    pub fn enter(&mut self, word: &[u8], hash_of_word: u64) -> Entered {
        let half = half(hash_of_word);
        let slot = match self.find(word, half) {
            Ok(id) => return Entered::Known(id),
            Err(slot) => slot,
        };
        let id = self.words.len() as u32;
        if id == u32::MAX - 1 || !self.words.push(word) {
            return Entered::Full;
        }
        self.slots[slot] = u64::from(half) << 32 | u64::from(id + 1);
        if self.words.len() > self.slots.len() / 4 * 3 {
            self.grow(self.slots.len() * 2);
        }
        Entered::New
    }

    /// Where a word is looked for first. Words lie in the order of their hashes, so that to grow is to walk both tables once.
    #[inline]
    fn start(&self, half: u32) -> usize {
        ((u64::from(half) * self.slots.len() as u64) >> 32) as usize
    }

    /// The slot behind `slot`.
    #[inline]
    fn next(&self, slot: usize) -> usize {
        if slot + 1 == self.slots.len() { 0 } else { slot + 1 }
    }

    /// The number of `word`, or else the slot that it would have.
    #[inline]
    fn find(&self, word: &[u8], half: u32) -> Result<u32, usize> {
        let mut slot = self.start(half);
        loop {
            let found = self.slots[slot];
            if found == 0 {
                return Err(slot);
            }
            let id = found as u32 - 1;
            if found >> 32 == u64::from(half) && self.words.get(id as usize) == word {
                return Ok(id);
            }
            slot = self.next(slot);
        }
    }

    /// Moves every word to a table of so many slots, more than there are.
    fn grow(&mut self, slots: usize) {
        let old = std::mem::replace(&mut self.slots, vec![0; slots]);
        for found in old.into_iter().filter(|&found| found != 0) {
            let mut slot = self.start(half(found));
            while self.slots[slot] != 0 {
                slot = self.next(slot);
            }
            self.slots[slot] = found;
        }
    }
}

/// The half of a hash, or of what a slot holds, by which a word is found.
#[inline]
fn half(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl<W: AsRef<[u8]>> FromIterator<W> for WordSet {
    /// # Panics
    ///
    /// Where the words together pass 4 GiB.
    fn from_iter<I: IntoIterator<Item = W>>(words: I) -> Self {
        let mut set = WordSet::default();
        for word in words {
            let word = word.as_ref();
            assert_ne!(set.enter(word, hash(word, set.seed)), Entered::Full, "more than 4 GiB of words");
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn it_knows_what_a_map_knows(words in prop::collection::vec("[a-d]{0,4}", 0..300), room in 0usize..400) {
            let (mut set, mut map) = (WordSet::default(), HashMap::new());
            set.reserve(room);
            for word in &words {
                let next = map.len() as u32;
                let expected = match map.insert(word, *map.get(word).unwrap_or(&next)) {
                    Some(id) => Entered::Known(id),
                    None => Entered::New,
                };
                prop_assert_eq!(set.enter(word.as_bytes(), hash(word.as_bytes(), set.seed())), expected);
            }
            prop_assert!(words.iter().all(|word| set.contains(word.as_bytes())));
            prop_assert!(!set.contains(b"e"));
            prop_assert_eq!(set.words().len(), map.len());
        }
    }

    #[test]
    fn words_of_one_hash_are_told_apart() {
        let mut set = WordSet::default();
        for hash in [0, u64::MAX] {
            for (i, word) in (0..100u32).map(|i| (i, [&hash.to_le_bytes()[..], &i.to_le_bytes()].concat())) {
                assert_eq!(set.enter(&word, hash), Entered::New);
                assert_eq!(set.enter(&word, hash), Entered::Known(set.words().len() as u32 - 1), "{i}");
            }
        }
    }
}
