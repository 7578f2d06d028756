//! fastText's character n-grams: which a word has, and the bucket of each.

use crate::format::subwords::Ngrams;

/// Where FNV-1a starts, and what it multiplies by.
const FNV: (u32, u32) = (2_166_136_261, 16_777_619);

impl Ngrams {
    /// Calls `found` with the bucket of each n-gram of `word` in fastText's order: by first character, then by length.
    ///
    /// The word stands between `<` and `>`; those two alone are no n-grams. A character is a byte and the UTF-8
    /// continuation bytes behind it, so that any bytes have n-grams.
    #[inline]
    pub fn each(&self, word: &[u8], scratch: &mut Vec<u8>, mut found: impl FnMut(u32)) {
        if word == b"</s>" && !self.of_eos {
            return;
        }
        scratch.clear();
        scratch.push(b'<');
        scratch.extend_from_slice(word);
        scratch.push(b'>');
        let text = scratch.as_slice();
        for start in (0..text.len()).filter(|&start| !continues(text[start])) {
            let (mut hash, mut end) = (FNV.0, start);
            for n in 1..=self.maxn {
                if end == text.len() {
                    break;
                }
                // A longer n-gram is hashed from where the shorter one ended.
                hash = step(hash, text[end]);
                end += 1;
                while end < text.len() && continues(text[end]) {
                    hash = step(hash, text[end]);
                    end += 1;
                }
                if n >= self.minn && (n > 1 || start > 0 && end < text.len()) {
                    found(hash % self.buckets);
                }
            }
        }
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

    fn buckets_of(word: &[u8], (minn, maxn): (u32, u32), buckets: u32) -> Vec<u32> {
        let mut found = Vec::new();
        Ngrams { minn, maxn, buckets, of_eos: false }.each(word, &mut Vec::new(), |bucket| found.push(bucket));
        found
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
        let (mut new, mut old) = (0, 0);
        let ngrams = Ngrams { minn: 3, maxn: 6, buckets: 10, of_eos: false };
        ngrams.each(b"</s>", &mut Vec::new(), |_| new += 1);
        Ngrams { of_eos: true, ..ngrams }.each(b"</s>", &mut Vec::new(), |_| old += 1);
        assert_eq!((new, old), (0, 10));
    }
}
