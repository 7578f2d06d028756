//! Words that grow: how a conversion keeps them, and how a store's sections are written.

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
