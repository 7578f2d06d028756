//! Sixty-four bytes or eight numbers at once.

use std::arch::x86_64::*;

use super::{BACK, FRONT, Padded, SCALES, SPARE, wide, wide512};

/// The first stage.
///
/// # Safety
///
/// The processor must have the instructions below, and `places` have room for every byte of the text and [`SPARE`] more.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,bmi1,lzcnt,popcnt")]
pub(super) unsafe fn index(text: Padded, separator: u8, places: &mut [u32], newlines: &mut Vec<u32>) -> usize {
    debug_assert!(places.len() >= text.end - text.start + SPARE);
    let count_up = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    // SAFETY: the caller's promises; `found` grows by what was counted.
    unsafe {
        index_by(text, separator, places, newlines, |fields, at, to| {
            // Sixteen bytes at a time, the places of those that count are moved together and all sixteen written; no
            // branch depends on the text.
            let mut found = 0;
            for part in 0..4 {
                let counted = (fields >> (16 * part)) as u16;
                let all = _mm512_add_epi32(count_up, _mm512_set1_epi32(at + 16 * part));
                // SAFETY: at most 16 of `part` have been counted, and there is room for 64 places.
                _mm512_storeu_epi32(to.add(found).cast(), _mm512_maskz_compress_epi32(counted, all));
                found += counted.count_ones() as usize;
            }
        })
    }
}

/// The first stage where single bytes can be moved together: one move for all sixty-four.
///
/// # Safety
///
/// As for [`index`], and the processor must have VBMI2.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi2,bmi1,lzcnt,popcnt")]
pub(super) unsafe fn index_vbmi2(text: Padded, separator: u8, places: &mut [u32], newlines: &mut Vec<u32>) -> usize {
    const COUNT_UP: [u8; 64] = {
        let mut bytes = [0; 64];
        let mut i = 0;
        while i < 64 {
            bytes[i] = i as u8;
            i += 1;
        }
        bytes
    };
    // SAFETY: the array has 64 bytes.
    let count_up = unsafe { _mm512_loadu_epi8(COUNT_UP.as_ptr().cast()) };
    // SAFETY: the caller's promises.
    unsafe {
        index_by(text, separator, places, newlines, |fields, at, to| {
            let kept = _mm512_maskz_compress_epi8(fields, count_up);
            let sixteen = |bytes| _mm512_add_epi32(_mm512_set1_epi32(at), _mm512_cvtepu8_epi32(bytes));
            // SAFETY: there is room for 64 places. More than sixteen, four bytes a field, are rare.
            _mm512_storeu_epi32(to.cast(), sixteen(_mm512_castsi512_si128(kept)));
            if fields.count_ones() > 16 {
                _mm512_storeu_epi32(to.add(16).cast(), sixteen(_mm512_extracti32x4_epi32::<1>(kept)));
                _mm512_storeu_epi32(to.add(32).cast(), sixteen(_mm512_extracti32x4_epi32::<2>(kept)));
                _mm512_storeu_epi32(to.add(48).cast(), sixteen(_mm512_extracti32x4_epi32::<3>(kept)));
            }
        })
    }
}

/// The first stage; `write` gets the bits of those of 64 bytes that end a field, the place of the first byte, and room for
/// 64 places, of which it fills as many as there are bits.
///
/// # Safety
///
/// As for [`index`].
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,bmi1,lzcnt,popcnt")]
unsafe fn index_by(
    text: Padded,
    separator: u8,
    places: &mut [u32],
    newlines: &mut Vec<u32>,
    write: impl Fn(u64, i32, *mut u32),
) -> usize {
    debug_assert!(places.len() >= text.end - text.start + SPARE);
    const { assert!(BACK >= 64 && SPARE >= 64) };
    let separators = _mm512_set1_epi8(separator as i8);
    let line_ends = _mm512_set1_epi8(b'\n' as i8);
    let mut found = 0;
    for at in (text.start..text.end).step_by(64) {
        // SAFETY: a `Padded` text has `BACK`, 64, readable bytes behind its end, and `at` is before that end.
        let bytes = unsafe { _mm512_loadu_epi8(text.buffer.as_ptr().add(at).cast()) };
        let inside = match text.end - at {
            left @ 0..64 => (1u64 << left) - 1,
            _ => u64::MAX,
        };
        let mut lines = _mm512_mask_cmpeq_epi8_mask(inside, bytes, line_ends);
        let fields = _mm512_mask_cmpeq_epi8_mask(inside, bytes, separators) | lines;
        while lines != 0 {
            let before = lines & lines.wrapping_neg();
            newlines.push(found as u32 + (fields & (before - 1)).count_ones());
            lines &= lines - 1;
        }
        // SAFETY: `found` counts bytes before `at`, which is less than 64 behind the last byte of the text: 64 places from
        // there on are within the room that the caller promises.
        write(fields, at as i32, unsafe { places.as_mut_ptr().add(found) });
        found += fields.count_ones() as usize;
    }
    found
}

/// The second stage: number `i` of `row` lies between the separator at `ends[i]` and `ends[i + 1]`.
///
/// # Safety
///
/// The processor must have the instructions below; there is one end more than numbers; all ends lie inside `text`, rising.
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,bmi1,lzcnt,popcnt")]
pub(super) unsafe fn row(text: Padded, ends: &[u32], row: &mut [f32]) -> bool {
    debug_assert!(ends.len() == row.len() + 1 && ends.is_sorted());
    debug_assert!(ends.iter().all(|&end| (text.start..=text.end).contains(&(end as usize))));
    // SAFETY: the caller's promises, and `wide::row` asks for nine ends and eight numbers of theirs.
    unsafe {
        wide::row(text, ends, row, |ends, row| eight(text, ends, row), |ends, row, _| wide512::any(text, ends, row))
    }
}

/// Reads those of eight numbers that [`scalar::number`](super::scalar::number) reads at once, as it does and with its
/// names; they are the bits of the answer. What is written for the others means nothing.
///
/// Digits have the bit 0x10; dot, sign, space, tab and newline have not: that is how many digits end a number.
///
/// # Safety
///
/// As for [`row`], with nine `ends` and eight numbers of room.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,bmi1,lzcnt,popcnt")]
unsafe fn eight(text: Padded, ends: *const u32, row: *mut f32) -> u8 {
    const { assert!(FRONT >= 8 && BACK >= 2) };
    let base = text.buffer.as_ptr();
    // SAFETY: an end lies inside the text, so eight bytes before it and, one further, two bytes behind it lie inside the
    // buffer; the nine ends are the caller's.
    let (windows, heads, starts, stops) = unsafe {
        let window = |i: usize| base.add(*ends.add(i + 1) as usize).sub(8).cast::<i64>().read_unaligned();
        let head = |i: usize| u64::from(base.add(*ends.add(i) as usize + 1).cast::<u16>().read_unaligned());
        // Put together in whole registers: vector inserts are what this function has most of already.
        let four = |i: usize| (head(i) | head(i + 1) << 16 | head(i + 2) << 32 | head(i + 3) << 48) as i64;
        (
            _mm512_setr_epi64(window(0), window(1), window(2), window(3), window(4), window(5), window(6), window(7)),
            _mm_set_epi64x(four(4), four(0)),
            _mm256_loadu_epi32(ends.cast()),
            _mm256_loadu_epi32(ends.add(1).cast()),
        )
    };
    let each = |x: i64| _mm512_set1_epi64(x);
    let lengths = _mm512_cvtepu32_epi64(_mm256_sub_epi32(_mm256_sub_epi32(stops, starts), _mm256_set1_epi32(1)));
    let heads = _mm512_cvtepu16_epi64(heads);
    let negative = _mm512_cmpeq_epi64_mask(_mm512_and_si512(heads, each(0xff)), each(i64::from(b'-')));
    let whole = _mm512_and_si512(_mm512_mask_srli_epi64::<8>(heads, negative, heads), each(0xff));
    let whole = _mm512_sub_epi64(whole, each(i64::from(b'0')));
    let lengths = _mm512_mask_sub_epi64(lengths, negative, lengths, each(1));

    let bits = _mm512_lzcnt_epi64(_mm512_andnot_si512(windows, each(0x1010_1010_1010_1010)));
    let bits = _mm512_and_si512(bits, each(!7));
    let digits = _mm512_srli_epi64::<3>(bits);
    let kept = _mm512_sllv_epi64(each(-1), _mm512_sub_epi64(each(64), bits));
    let x = _mm512_and_si512(_mm512_xor_si512(windows, each(0x3030_3030_3030_3030)), kept);
    let high = _mm512_or_si512(_mm512_add_epi8(x, each(0x0606_0606_0606_0606)), x);
    let all_digits = _mm512_testn_epi64_mask(high, each(0xf0f0_f0f0_f0f0_f0f0_u64 as i64));

    // The byte before the digits; with eight digits the shift is out of range and gives zero, which is no dot.
    let before = _mm512_and_si512(_mm512_srlv_epi64(windows, _mm512_sub_epi64(each(56), bits)), each(0xff));
    let short = _mm512_cmpeq_epi64_mask(before, each(i64::from(b'.')))
        & _mm512_cmpeq_epi64_mask(lengths, _mm512_add_epi64(digits, each(2)))
        & _mm512_cmplt_epu64_mask(whole, each(10));
    let integer = _mm512_cmpeq_epi64_mask(lengths, digits) & _mm512_test_epi64_mask(digits, digits);

    // Digits to pairs, pairs to fours, fours to eight.
    let pairs = _mm512_maddubs_epi16(x, _mm512_set1_epi16(0x010a));
    let fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x0001_0064));
    let fraction = _mm512_add_epi64(_mm512_mul_epu32(fours, each(10_000)), _mm512_srli_epi64::<32>(fours));
    let powers = _mm512_setr_epi64(1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000);
    let weighted = _mm512_maskz_mul_epu32(short, whole, _mm512_permutexvar_epi64(digits, powers));
    let [s0, s1, s2, s3, s4, s5, s6, s7] = SCALES;
    let scales = _mm512_setr_pd(s0, s1, s2, s3, s4, s5, s6, s7);
    let scale = _mm512_permutexvar_pd(_mm512_maskz_mov_epi64(short, digits), scales);
    let value = _mm512_mul_pd(_mm512_cvtepu64_pd(_mm512_add_epi64(fraction, weighted)), scale);
    let bits = _mm256_castps_si256(_mm512_cvtpd_ps(value));
    let signed = _mm256_mask_or_epi32(bits, negative, bits, _mm256_set1_epi32(i32::MIN));
    // SAFETY: the caller has room for eight numbers.
    unsafe { _mm256_storeu_epi32(row.cast(), signed) };

    all_digits & (short | integer)
}
