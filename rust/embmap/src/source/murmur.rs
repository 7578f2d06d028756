//! MurmurHash64A, by which spaCy names the strings of a vocabulary.

const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
const SHIFT: u32 = 47;

/// The hash of `bytes` under `seed`.
#[must_use]
pub fn murmur64a(bytes: &[u8], seed: u64) -> u64 {
    let mix = |number: u64| {
        let number = number.wrapping_mul(MULTIPLIER);
        (number ^ (number >> SHIFT)).wrapping_mul(MULTIPLIER)
    };
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let (eights, rest) = bytes.as_chunks::<8>();
    for &eight in eights {
        hash = (hash ^ mix(u64::from_le_bytes(eight))).wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ (hash >> SHIFT)).wrapping_mul(MULTIPLIER);
    hash ^ (hash >> SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_have_the_hashes_that_spacy_gives_them() {
        // `spacy.strings.hash_string`, whose seed is 1.
        for (text, hash) in [("coffee", 3_197_928_453_018_144_401), ("apple", 8_566_208_034_543_834_098)] {
            assert_eq!(murmur64a(text.as_bytes(), 1), hash, "{text}");
        }
    }
}
