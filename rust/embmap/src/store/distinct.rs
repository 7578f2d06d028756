//! Ids of which each is needed once: what of a batch must travel to a device.

/// Returns the different ids of `ids` in the order in which they first appear, without those from 0 up to `known`, and for each
/// of `ids` a place: an id below `known` is its own, the others are counted on from there.
#[must_use]
pub fn distinct(ids: &[i64], known: i64) -> (Vec<i64>, Vec<i64>) {
    // At most half full, so that runs of taken slots stay short. Each has a position in `once`, counted from 1.
    let bits = (2 * ids.len()).next_power_of_two().trailing_zeros().max(1);
    let mut slots = vec![0; 1 << bits];
    let (mut once, mut places) = (Vec::new(), Vec::with_capacity(ids.len()));
    for &id in ids {
        if (0..known).contains(&id) {
            places.push(id);
            continue;
        }
        // Fibonacci hashing: neighbours are spread over the table.
        let mut slot = ((id as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - bits)) as usize;
        let position = loop {
            match slots[slot] {
                0 => {
                    once.push(id);
                    slots[slot] = once.len();
                    break once.len();
                }
                taken if once[taken - 1] == id => break taken,
                _ => slot = (slot + 1) & (slots.len() - 1),
            }
        };
        places.push(known + position as i64 - 1);
    }
    (once, places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn places_lead_back_to_the_ids(ids in prop::collection::vec(-1_i64..50, 0..200), known in 0_i64..60) {
            let (once, places) = distinct(&ids, known);
            let mut sorted = once.clone();
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert_eq!(sorted.len(), once.len());
            prop_assert!(once.iter().all(|id| !(0..known).contains(id)));
            let back: Vec<i64> =
                places.iter().map(|&place| if place < known { place } else { once[(place - known) as usize] }).collect();
            prop_assert_eq!(back, ids);
        }
    }

    #[test]
    fn they_come_in_the_order_of_their_first() {
        let far = i64::MAX;
        assert_eq!(distinct(&[far, 7, -1, 7, 2, far], 3), (vec![far, 7, -1], vec![3, 4, 5, 4, 2, 3]));
        assert_eq!(distinct(&[], 3), (vec![], vec![]));
    }
}
