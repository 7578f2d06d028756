//! Words that grow: how a conversion keeps them, and how a store's sections are written.

use hashbrown::{HashTable, hash_table::Entry};

use super::hash::hash;

/// Words that grow: how a conversion keeps them, and how a store's sections are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordList {
    bytes: Vec<u8>,
    offsets: Vec<u32>,
}

impl Default for WordList {
    fn default() -> Self {
        WordList { bytes: Vec::new(), offsets: vec![0] }
    }
}

impl WordList {
    /// Appends a word; `false`, and nothing is appended, where all words together would pass 4 GiB.
    #[must_use]
    pub fn push(&mut self, word: &[u8]) -> bool {
        let Ok(end) = u32::try_from(self.bytes.len() + word.len()) else { return false };
        self.bytes.extend_from_slice(word);
        self.offsets.push(end);
        true
    }

    /// Returns how many words there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all words, keeping the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.offsets.truncate(1);
    }

    /// The `i`-th word.
    #[must_use]
    pub fn get(&self, i: usize) -> &[u8] {
        &self.bytes[self.offsets[i] as usize..self.offsets[i + 1] as usize]
    }

    /// Where the `i`-th word begins.
    #[must_use]
    pub fn offset(&self, i: usize) -> u32 {
        self.offsets[i]
    }

    /// All words, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.get(i))
    }

    /// The section of bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The section of offsets.
    #[must_use]
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }
}

/// Different words, in the order in which they came, each found by its hash.
#[derive(Debug, Clone)]
pub struct WordSet {
    words: WordList,
    ids: HashTable<u32>,
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
        WordSet { words: WordList::default(), ids: HashTable::new(), seed: RandomState::new().hash_one(0) }
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
        self.ids.find(hash(word, self.seed), |&id| self.words.get(id as usize) == word).is_some()
    }

    /// Adds `word`, whose hash under the set's seed is `hash`.
    #[inline]
    pub fn enter(&mut self, word: &[u8], hash_of_word: u64) -> Entered {
        let (words, seed) = (&self.words, self.seed);
        let known = |&id: &u32| words.get(id as usize) == word;
        match self.ids.entry(hash_of_word, known, |&id| hash(words.get(id as usize), seed)) {
            Entry::Occupied(occupied) => Entered::Known(*occupied.get()),
            Entry::Vacant(vacant) => {
                let id = self.words.len() as u32;
                if id == u32::MAX - 1 || !self.words.push(word) {
                    return Entered::Full;
                }
                vacant.insert(id);
                Entered::New
            }
        }
    }
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
