//! The keyed hash of a word, which is part of the file format: it never changes within version 1.
//!
//! It is a folded-multiply hash of the wyhash family: fast on the short keys that words are (two multiplications up to
//! sixteen bytes), well mixed in all 64 bits, the same on every platform. docs/format.md states it in prose.

const K0: u64 = 0xa076_1d64_78bd_642f;
const K1: u64 = 0xe703_7ed1_a0b4_28db;
const K2: u64 = 0x8ebc_6af0_9c88_c6e3;

/// The two halves of the 128-bit product, one folded over the other.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline(always)]
fn u64_at(key: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&key[at..at + 8]);
    u64::from_le_bytes(word)
}

#[inline(always)]
fn u32_at(key: &[u8], at: usize) -> u64 {
    let mut word = [0; 4];
    word.copy_from_slice(&key[at..at + 4]);
    u64::from(u32::from_le_bytes(word))
}

/// The hash of `key` under a file's `seed`.
#[inline(always)]
#[must_use]
pub fn hash(key: &[u8], seed: u64) -> u64 {
    let n = key.len();
    let mut state = seed;
    let (a, b) = if n > 16 {
        let mut at = 0;
        while n - at > 16 {
            state = fold(u64_at(key, at) ^ K1, u64_at(key, at + 8) ^ state);
            at += 16;
        }
        (u64_at(key, n - 16), u64_at(key, n - 8))
    } else if n >= 8 {
        (u64_at(key, 0), u64_at(key, n - 8))
    } else if n >= 4 {
        (u32_at(key, 0), u32_at(key, n - 4))
    } else if n > 0 {
        let (first, middle, last) = (key[0], key[n / 2], key[n - 1]);
        (u64::from(first) << 16 | u64::from(middle) << 8 | u64::from(last), 0)
    } else {
        (0, 0)
    };
    fold(fold(a ^ K1, b ^ state) ^ K2 ^ n as u64, K0)
}

/// The `attempt`-th seed derived from `material`: a splitmix64 step, so that neighbours are unrelated.
#[must_use]
pub fn seed_from(material: u64, attempt: u64) -> u64 {
    let z = material.wrapping_add((attempt + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_length_and_every_byte_counts() {
        let base: Vec<u8> = (0..100).collect();
        let mut seen = HashSet::new();
        for n in 0..base.len() {
            assert!(seen.insert(hash(&base[..n], 7)));
            for i in 0..n {
                let mut other = base[..n].to_vec();
                other[i] ^= 0x80;
                assert!(seen.insert(hash(&other, 7)), "byte {i} of {n} does not count");
            }
        }
    }

    #[test]
    fn one_flipped_bit_flips_half_of_the_hash() {
        let key = *b"the quick brown fox jumps over it";
        for n in [1, 3, 4, 7, 8, 12, 16, 17, 32, 33] {
            let reference = hash(&key[..n], 1);
            let mut flips = 0;
            for bit in 0..n * 8 {
                let mut other = key;
                other[bit / 8] ^= 1 << (bit % 8);
                flips += (hash(&other[..n], 1) ^ reference).count_ones();
            }
            let mean = f64::from(flips) / (n * 8) as f64;
            assert!((28.0..36.0).contains(&mean), "{n} bytes: {mean} bits flip");
        }
    }

    #[test]
    fn the_hash_never_changes() {
        let seed = seed_from(0, 0);
        assert_eq!(seed, 0xe220_a839_7b1d_cdaf);
        let golden: Vec<u64> = ["", "a", "king", "queenly", "embedding", "incomprehensibilities"]
            .iter()
            .map(|word| hash(word.as_bytes(), seed))
            .collect();
        assert_eq!(golden, GOLDEN);
    }

    const GOLDEN: [u64; 6] = [
        0xfa79_7111_44d9_f0eb,
        0xd19b_c48e_1b73_d17c,
        0xe8ff_dd4b_2941_ecdb,
        0x46f0_e27f_292a_4096,
        0xedb2_5c89_14ef_e537,
        0xc9ed_17db_f9d4_c6b9,
    ];
}
