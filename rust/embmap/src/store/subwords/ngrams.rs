//! Character n-grams: which a word has, and the buckets of each.

use std::convert::Infallible;

use super::murmur3::murmur3_x64_128;
use crate::format::subwords::{Ngrams, Scheme};

/// Where FNV-1a starts, and what it multiplies by.
const FNV: (u32, u32) = (2_166_136_261, 16_777_619);

impl Ngrams {
    /// Calls `found` with the buckets of each piece of `word` in fastText's order: by first character, then by length.
    ///
    /// The word stands between `<` and `>`; those two alone are no n-grams. A character is a byte and the UTF-8
    /// continuation bytes behind it, so that any bytes have n-grams. floret has the whole word as a piece, before them.
    #[inline]
    pub fn each(&self, word: &[u8], scratch: &mut Vec<u8>, mut found: impl FnMut(u32)) {
        let Ok(()) = self.try_each(word, scratch, |bucket| {
            found(bucket);
            Ok::<(), Infallible>(())
        });
    }

    /// As [`each`](Self::each), until `found` gives an error.
    #[inline]
    pub fn try_each<E>(
        &self,
        word: &[u8],
        scratch: &mut Vec<u8>,
        mut found: impl FnMut(u32) -> Result<(), E>,
    ) -> Result<(), E> {
        if word == b"</s>" && !self.of_eos {
            return Ok(());
        }
        scratch.clear();
        scratch.push(b'<');
        scratch.extend_from_slice(word);
        scratch.push(b'>');
        match self.scheme {
            Scheme::FastText => self.each_piece(scratch, FNV.0, step, |_, hash| found(hash % self.buckets)),
            Scheme::Floret { hashes, seed } => {
                let mut piece = |piece: &[u8]| {
                    let [low, high] = murmur3_x64_128(piece, seed);
                    let numbers = [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32];
                    numbers.iter().take(hashes as usize).try_for_each(|number| found(number % self.buckets))
                };
                piece(scratch)?;
                self.each_piece(scratch, (), |(), _| (), |ngram, ()| piece(ngram))
            }
        }
    }

    /// Calls `found` with each n-gram, and what `step` has made of its bytes: a longer one goes on where the shorter one ended.
    #[inline(always)]
    fn each_piece<S: Copy, E>(
        &self,
        text: &[u8],
        begin: S,
        step: impl Fn(S, u8) -> S,
        mut found: impl FnMut(&[u8], S) -> Result<(), E>,
    ) -> Result<(), E> {
        for start in (0..text.len()).filter(|&start| !continues(text[start])) {
            let (mut state, mut end) = (begin, start);
            for n in 1..=self.maxn {
                if end == text.len() {
                    break;
                }
                state = step(state, text[end]);
                end += 1;
                while end < text.len() && continues(text[end]) {
                    state = step(state, text[end]);
                    end += 1;
                }
                if n >= self.minn && (n > 1 || start > 0 && end < text.len()) {
                    found(&text[start..end], state)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a byte goes on with the character of the one before.
#[inline(always)]
fn continues(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// FNV-1a over signed bytes: fastText has always widened its bytes with their sign.
#[inline(always)]
fn step(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as i8 as u32).wrapping_mul(FNV.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fasttext((minn, maxn): (u32, u32), buckets: u32, of_eos: bool) -> Ngrams {
        Ngrams { minn, maxn, buckets, of_eos, scheme: Scheme::FastText }
    }

    fn buckets_in(ngrams: Ngrams, word: &[u8]) -> Vec<u32> {
        let mut found = Vec::new();
        ngrams.each(word, &mut Vec::new(), |bucket| found.push(bucket));
        found
    }

    fn buckets_of(word: &[u8], lengths: (u32, u32), buckets: u32) -> Vec<u32> {
        buckets_in(fasttext(lengths, buckets, false), word)
    }

    /// Every n-gram cut out and hashed on its own.
    fn slowly(word: &[u8], (minn, maxn): (u32, u32), buckets: u32) -> Vec<u32> {
        let text = [b"<", word, b">"].concat();
        let starts: Vec<usize> = (0..text.len()).filter(|&i| !continues(text[i])).chain([text.len()]).collect();
        let mut found = Vec::new();
        for i in 0..starts.len() - 1 {
            for n in minn.max(1)..=maxn {
                let Some(&end) = starts.get(i + n as usize) else { break };
                if n == 1 && (i == 0 || end == text.len()) {
                    continue;
                }
                found.push(text[starts[i]..end].iter().fold(FNV.0, |hash, &byte| step(hash, byte)) % buckets);
            }
        }
        found
    }

    const APPLE: [u32; 16] = [
        40_534, 20_033, 22_888, 26_128, 2_696, 20_356, 14_912, 48_090, 31_678, 2_833, 44_973, 7_367, 12_426, 46_326,
        45_590, 34_570,
    ];

    proptest! {
        #[test]
        fn hashes_that_go_on_are_those_of_each_ngram(
            word in proptest::collection::vec(any::<u8>(), 0..20), minn in 0u32..5, maxn in 0u32..8, buckets in 1u32..1_000,
        ) {
            prop_assert_eq!(buckets_of(&word, (minn, maxn), buckets), slowly(&word, (minn, maxn), buckets));
        }
    }

    #[test]
    fn the_marks_at_the_ends_are_no_ngrams_but_part_of_some() {
        assert_eq!(buckets_of(b"a", (1, 3), u32::MAX).len(), 4, "<a <a> a a>");
        assert_eq!(buckets_of("é".as_bytes(), (1, 1), u32::MAX).len(), 1, "one character of two bytes");
        assert!(buckets_of(b"", (3, 6), 10).is_empty());
        assert_eq!(buckets_of(b"", (1, 6), 10).len(), 1, "<>");
        assert!(buckets_of(b"word", (5, 3), 10).is_empty());
    }

    #[test]
    fn bytes_are_widened_with_their_sign() {
        // What gensim's ft_hash_bytes gives, compiled from the lines of fastText.
        assert_eq!("é".as_bytes().iter().fold(FNV.0, |hash, &byte| step(hash, byte)), 0x3cfa_68c1);
    }

    #[test]
    fn the_end_of_a_line_has_ngrams_in_old_models_only() {
        let of = |of_eos| buckets_in(fasttext((3, 6), 10, of_eos), b"</s>").len();
        assert_eq!((of(false), of(true)), (0, 10));
    }

    #[test]
    fn floret_has_the_whole_word_too_and_several_buckets_of_each_piece() {
        let floret = |hashes| Ngrams {
            scheme: Scheme::Floret { hashes, seed: 2_166_136_261 },
            ..fasttext((4, 5), 50_000, true)
        };
        let both = buckets_in(floret(2), "größe".as_bytes());
        assert_eq!(both.len(), 2 * (1 + 4 + 3), "<größe>, four of 4 characters and three of 5");
        let one: Vec<u32> = both.iter().copied().step_by(2).collect();
        assert_eq!(buckets_in(floret(1), "größe".as_bytes()), one);
        // What floret 0.10 names as the places of `<apple>` and its n-grams.
        assert_eq!(buckets_in(floret(2), b"apple"), APPLE);
    }
}
