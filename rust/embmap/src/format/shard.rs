//! Which of several files a word is in, where one set of vectors is split over them.

use super::hash::hash;

/// What the hash is keyed with that splits words: no file's index is, so that a shard's words are as even there as any.
const SEED: u64 = 0x656d_626d_6170_0001;

/// One of the files that share the words of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Its number, from 0.
    pub index: u32,
    /// How many files there are.
    pub count: u32,
}

impl Shard {
    /// Whether `word` is in this one.
    #[inline]
    #[must_use]
    pub fn has(self, word: &[u8]) -> bool {
        shard_of(word, self.count) == self.index
    }
}

/// The number of the file that `word` is in, of so many.
#[inline]
#[must_use]
pub fn shard_of(word: &[u8], count: u32) -> u32 {
    ((u128::from(hash(word, SEED)) * u128::from(count)) >> 64) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_evenly_and_always_in_the_same_way() {
        for count in [1, 2, 3, 7, 64] {
            let mut sizes = vec![0usize; count as usize];
            for i in 0..20_000 {
                sizes[shard_of(format!("w{i}").as_bytes(), count) as usize] += 1;
            }
            let mean = 20_000 / count as usize;
            assert!(sizes.iter().all(|size| size.abs_diff(mean) < mean / 3 + 1), "{sizes:?}");
        }
        // Part of the format.
        assert_eq!(["", "king", "queen"].map(|word| shard_of(word.as_bytes(), 1000)), [965, 3, 274]);
    }
}
