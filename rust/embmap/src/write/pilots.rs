//! The search for pilots, which is most of the work of building an index.

use crate::format::index::slot_in_part;
#[cfg(target_arch = "x86_64")]
use crate::sys::simd::{Isa, Kernel};

/// The slots of one part of an index, and which of them have a word.
pub(super) struct Slots {
    count: usize,
    taken: Vec<u64>,
}

impl Slots {
    /// So many, all free: at least one.
    pub(super) fn new(count: usize) -> Slots {
        Slots { count, taken: vec![0; count.div_ceil(64)] }
    }

    /// The first pilot that sends all of `hashes` to free and different slots, which are theirs from then on; `None` where there is
    /// none.
    pub(super) fn place(&mut self, hashes: &[u64]) -> Option<u16> {
        let pilot = self.find(hashes)?;
        for &hash in hashes {
            let slot = slot_in_part(hash, pilot, self.count);
            self.taken[slot / 64] |= 1 << (slot % 64);
        }
        Some(pilot)
    }

    #[allow(unsafe_code)]
    fn find(&self, hashes: &[u64]) -> Option<u16> {
        #[cfg(target_arch = "x86_64")]
        if Kernel::detect().isa() >= Isa::Avx512 {
            // SAFETY: a kernel is made by detection alone, so the processor has the instructions of its name.
            return unsafe { avx512::find(self, hashes) };
        }
        (0..=u16::MAX).find(|&pilot| hashes.iter().all(|&hash| self.is_free(hash, pilot)) && self.apart(hashes, pilot))
    }

    fn is_free(&self, hash: u64, pilot: u16) -> bool {
        let slot = slot_in_part(hash, pilot, self.count);
        self.taken[slot / 64] >> (slot % 64) & 1 == 0
    }

    /// Whether no two of `hashes` share a slot.
    fn apart(&self, hashes: &[u64], pilot: u16) -> bool {
        let slot = |hash: &u64| slot_in_part(*hash, pilot, self.count);
        (1..hashes.len()).all(|i| hashes[..i].iter().all(|other| slot(other) != slot(&hashes[i])))
    }
}

/// Many pilots at a time: one by one, a processor guesses for each whether its slot is free, and guesses wrong.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512 {
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_i64gather_epi64, _mm512_mul_epu32, _mm512_mullo_epi64,
        _mm512_set1_epi64, _mm512_setr_epi64, _mm512_sllv_epi64, _mm512_srli_epi64, _mm512_testn_epi64_mask,
        _mm512_xor_si512,
    };

    use super::Slots;
    use crate::format::index::{MIX, PILOT_MIX};

    const LANES: usize = 8;
    /// Pilots that are tried at a time: two vectors, so that one waits while the other is worked on.
    const TRIED: usize = 2 * LANES;

    /// What [`Slots::find`] promises.
    #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
    pub(super) fn find(slots: &Slots, hashes: &[u64]) -> Option<u16> {
        let step = |n: usize| _mm512_set1_epi64((n as u64).wrapping_mul(PILOT_MIX) as i64);
        let lanes = _mm512_mullo_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7), step(1));
        let mut mixed = [lanes, _mm512_add_epi64(lanes, step(LANES))];
        for first in (0..=u16::MAX).step_by(TRIED) {
            let mut free = (1u32 << TRIED) - 1;
            for &hash in hashes {
                let [low, high] = mixed.map(|mixed| u32::from(free_slots(slots, hash, mixed)));
                free &= high << LANES | low;
                if free == 0 {
                    break;
                }
            }
            while free != 0 {
                let pilot = first + free.trailing_zeros() as u16;
                if slots.apart(hashes, pilot) {
                    return Some(pilot);
                }
                free &= free - 1;
            }
            mixed = mixed.map(|mixed| _mm512_add_epi64(mixed, step(TRIED)));
        }
        None
    }

    /// Which of eight pilots, each times [`PILOT_MIX`], send `hash` to a free slot.
    #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
    fn free_slots(slots: &Slots, hash: u64, pilots: __m512i) -> u8 {
        let places = places(hash, pilots, slots.count);
        // SAFETY: whatever the pilots, each place is below `slots.count`, and `taken` has a bit for each of those.
        let taken = unsafe { _mm512_i64gather_epi64::<8>(_mm512_srli_epi64::<6>(places), slots.taken.as_ptr().cast()) };
        let bit = _mm512_sllv_epi64(_mm512_set1_epi64(1), _mm512_and_si512(places, _mm512_set1_epi64(63)));
        _mm512_testn_epi64_mask(taken, bit)
    }

    /// What [`slot_in_part`](super::slot_in_part) gives for eight pilots, each times [`PILOT_MIX`].
    #[target_feature(enable = "avx512f,avx512dq,avx512vl")]
    fn places(hash: u64, pilots: __m512i, slots: usize) -> __m512i {
        let (hash, slots) = (_mm512_set1_epi64(hash as i64), _mm512_set1_epi64(slots as i64));
        let mix = _mm512_set1_epi64(MIX as i64);
        let mixed = _mm512_mullo_epi64(_mm512_xor_si512(hash, pilots), mix);
        let mixed = _mm512_mullo_epi64(_mm512_xor_si512(mixed, _mm512_srli_epi64::<32>(mixed)), mix);
        let (high, low) = (_mm512_mul_epu32(_mm512_srli_epi64::<32>(mixed), slots), _mm512_mul_epu32(mixed, slots));
        _mm512_srli_epi64::<32>(_mm512_add_epi64(high, _mm512_srli_epi64::<32>(low)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_pilot_is_found(
            count in 1usize..200,
            buckets in prop::collection::vec(prop::collection::vec(any::<u64>(), 0..6), 0..60),
        ) {
            let mut slots = Slots::new(count);
            for hashes in buckets {
                let free = |pilot: u16| hashes.iter().all(|&hash| slots.is_free(hash, pilot));
                let expected = (0..=u16::MAX).find(|&pilot| free(pilot) && slots.apart(&hashes, pilot));
                prop_assert_eq!(slots.place(&hashes), expected);
                if expected.is_none() {
                    break;
                }
            }
        }
    }

    #[test]
    fn hashes_of_one_slot_have_no_pilot() {
        assert_eq!(Slots::new(1).place(&[1, 2]), None);
        assert_eq!(Slots::new(100).place(&[7, 7]), None);
    }
}
