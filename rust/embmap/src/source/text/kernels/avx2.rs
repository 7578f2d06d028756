//! Sixty-four bytes or eight numbers at once, in two vectors.

use std::arch::x86_64::*;

use super::{BACK, FRONT, Padded, SCALES, SPARE, wide};

/// The first stage.
///
/// # Safety
///
/// The processor must have the instructions below, and `places` have room for every byte of the text and [`SPARE`] more.
#[target_feature(enable = "avx2,bmi1,popcnt")]
pub(super) unsafe fn index(text: Padded, separator: u8, places: &mut [u32], newlines: &mut Vec<u32>) -> usize {
    debug_assert!(places.len() >= text.end - text.start + SPARE);
    /// Places that are written at once; few texts have more separators in 64 bytes.
    const MANY: usize = 12;
    const { assert!(BACK >= 64 && SPARE >= MANY) };
    let separators = _mm256_set1_epi8(separator as i8);
    let line_ends = _mm256_set1_epi8(b'\n' as i8);
    let mut found = 0;
    for at in (text.start..text.end).step_by(64) {
        // SAFETY: a `Padded` text has `BACK`, 64, readable bytes behind its end, and `at` is before that end.
        let (low, high) = unsafe {
            let bytes = text.buffer.as_ptr().add(at).cast::<__m256i>();
            (_mm256_loadu_si256(bytes), _mm256_loadu_si256(bytes.add(1)))
        };
        let equal = |to: __m256i| {
            let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, to)) as u32;
            let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, to)) as u32;
            u64::from(low) | u64::from(high) << 32
        };
        let inside = match text.end - at {
            left @ 0..64 => (1u64 << left) - 1,
            _ => u64::MAX,
        };
        let mut lines = equal(line_ends) & inside;
        let mut fields = equal(separators) & inside | lines;
        while lines != 0 {
            let before = lines & lines.wrapping_neg();
            newlines.push(found as u32 + (fields & (before - 1)).count_ones());
            lines &= lines - 1;
        }
        let mut next = found;
        found += fields.count_ones() as usize;
        // At least once, without asking.
        loop {
            for i in 0..MANY {
                // SAFETY: this runs first where `next` is what was found before `at`, and again only where it is less than
                // what was found by now, so that `next` is at most the number of bytes of the text, and `i` less than
                // `SPARE`: the place is within the room that the caller promises.
                unsafe { *places.as_mut_ptr().add(next + i) = at as u32 + fields.trailing_zeros() };
                fields &= fields.wrapping_sub(1);
            }
            next += MANY;
            if next >= found {
                break;
            }
        }
    }
    found
}

/// The second stage: number `i` of `row` lies between the separator at `ends[i]` and `ends[i + 1]`.
///
/// # Safety
///
/// The processor must have the instructions below; there is one end more than numbers; all ends lie inside `text`, rising.
#[target_feature(enable = "avx2,bmi1,popcnt")]
pub(super) unsafe fn row(text: Padded, ends: &[u32], row: &mut [f32]) -> bool {
    debug_assert!(ends.len() == row.len() + 1 && ends.is_sorted());
    debug_assert!(ends.iter().all(|&end| (text.start..=text.end).contains(&(end as usize))));
    // SAFETY: the caller's promises, and `wide::row` asks for nine ends and eight numbers of theirs.
    unsafe {
        wide::row(
            text,
            ends,
            row,
            |ends, row| eight(text, ends, row),
            |ends, row, done| wide::any(text, ends, row, done),
        )
    }
}

/// Reads those of eight numbers that [`scalar::number`](super::scalar::number) reads at once, as it does and with its
/// names; they are the bits of the answer. What is written for the others means nothing.
///
/// Vectors of eight have the numbers in order. Where each takes eight bytes, numbers 0, 1, 4 and 5 are in one vector and
/// 2, 3, 6 and 7 in another: that is how unpacking takes eight apart, and packing puts them together again.
///
/// # Safety
///
/// As for [`row`], with nine `ends` and eight numbers of room.
#[inline]
#[target_feature(enable = "avx2,bmi1,popcnt")]
unsafe fn eight(text: Padded, ends: *const u32, row: *mut f32) -> u8 {
    const { assert!(FRONT >= 8 && BACK >= 4) };
    let base = text.buffer.as_ptr();
    // SAFETY: an end lies inside the text, so eight bytes before it and, one further, four bytes behind it lie inside the
    // buffer; the nine ends are the caller's.
    let (windows, heads, starts, stops) = unsafe {
        let window = |i: usize| base.add(*ends.add(i + 1) as usize).sub(8).cast::<i64>().read_unaligned();
        let head = |i: usize| base.add(*ends.add(i) as usize + 1).cast::<i32>().read_unaligned();
        (
            [
                _mm256_setr_epi64x(window(0), window(1), window(4), window(5)),
                _mm256_setr_epi64x(window(2), window(3), window(6), window(7)),
            ],
            _mm256_setr_epi32(head(0), head(1), head(2), head(3), head(4), head(5), head(6), head(7)),
            _mm256_loadu_si256(ends.cast()),
            _mm256_loadu_si256(ends.add(1).cast()),
        )
    };
    let each = |x: u32| _mm256_set1_epi32(x as i32);
    let zero = _mm256_setzero_si256();
    let low_byte = each(0xff);
    // A comparison gives all ones, or minus one, where it holds.
    let negative = _mm256_cmpeq_epi32(_mm256_and_si256(heads, low_byte), each(u32::from(b'-')));
    let heads = _mm256_srlv_epi32(heads, _mm256_and_si256(negative, each(8)));
    let lengths = _mm256_sub_epi32(_mm256_sub_epi32(stops, starts), each(1));
    let lengths = _mm256_add_epi32(lengths, negative);
    let short = _mm256_cmpeq_epi32(_mm256_and_si256(heads, each(0xff00)), each(u32::from(b'.') << 8));
    let digits = _mm256_add_epi32(lengths, _mm256_add_epi32(short, short));
    let whole = _mm256_sub_epi32(_mm256_and_si256(heads, low_byte), each(u32::from(b'0')));
    let whole = _mm256_and_si256(whole, short);
    // Zero digits up to seven behind a dot, one to eight without one; and a digit before the dot.
    let range = _mm256_sub_epi32(_mm256_sub_epi32(digits, each(1)), short);
    let in_range = _mm256_cmpeq_epi32(range, _mm256_min_epu32(range, each(7)));
    let whole_is_digit = _mm256_cmpeq_epi32(whole, _mm256_min_epu32(whole, each(9)));

    // Bits that are no digit's; with other than zero to eight digits the shift is out of range and nothing is kept.
    let bits = _mm256_sub_epi32(each(64), _mm256_slli_epi32::<3>(digits));
    let bits = [_mm256_unpacklo_epi32(bits, zero), _mm256_unpackhi_epi32(bits, zero)];
    let x = [0, 1].map(|i| {
        let kept = _mm256_sllv_epi64(_mm256_set1_epi64x(-1), bits[i]);
        _mm256_and_si256(_mm256_xor_si256(windows[i], _mm256_set1_epi8(b'0' as i8)), kept)
    });
    let over = x.map(|x| _mm256_castsi256_ps(_mm256_subs_epu8(x, _mm256_set1_epi8(9))));
    let over = _mm256_or_ps(_mm256_shuffle_ps::<0x88>(over[0], over[1]), _mm256_shuffle_ps::<0xdd>(over[0], over[1]));
    let all_digits = _mm256_cmpeq_epi32(_mm256_castps_si256(over), zero);
    let usual = _mm256_and_si256(_mm256_and_si256(in_range, whole_is_digit), all_digits);

    // Digits to pairs, pairs to fours, fours to eight.
    let pairs = x.map(|x| _mm256_maddubs_epi16(x, _mm256_set1_epi16(0x010a)));
    let fours = _mm256_maddubs_epi16(_mm256_packus_epi16(pairs[0], pairs[1]), _mm256_set1_epi16(0x0164));
    let fraction = _mm256_madd_epi16(fours, each(0x0001_2710));
    let power = _mm256_and_si256(digits, short);
    let powers = _mm256_setr_epi32(1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000);
    let weighted = _mm256_mullo_epi32(whole, _mm256_permutevar8x32_epi32(powers, power));
    let mantissa = _mm256_add_epi32(fraction, weighted);
    // A number below 2³² in the low bits of 2⁵² as a float64 is itself, added.
    let magic = each(0x4330_0000);
    let mantissa = [_mm256_unpacklo_epi32(mantissa, magic), _mm256_unpackhi_epi32(mantissa, magic)];
    let scales = SCALES.map(f64::to_bits);
    let lows = scales.map(|scale| scale as i32);
    let highs = scales.map(|scale| (scale >> 32) as i32);
    // SAFETY: eight numbers of four bytes.
    let (lows, highs) =
        unsafe { (_mm256_loadu_si256(lows.as_ptr().cast()), _mm256_loadu_si256(highs.as_ptr().cast())) };
    let lows = _mm256_permutevar8x32_epi32(lows, power);
    let highs = _mm256_permutevar8x32_epi32(highs, power);
    let scales = [_mm256_unpacklo_epi32(lows, highs), _mm256_unpackhi_epi32(lows, highs)];
    let values = [0, 1].map(|i| {
        let mantissa = _mm256_sub_pd(_mm256_castsi256_pd(mantissa[i]), _mm256_set1_pd((1u64 << 52) as f64));
        _mm256_cvtpd_ps(_mm256_mul_pd(mantissa, _mm256_castsi256_pd(scales[i])))
    });
    let values = _mm256_castps_pd(_mm256_set_m128(values[1], values[0]));
    let values = _mm256_castpd_si256(_mm256_permute4x64_pd::<0b11_01_10_00>(values));
    let signed = _mm256_or_si256(values, _mm256_slli_epi32::<31>(negative));
    // SAFETY: the caller has room for eight numbers.
    unsafe { _mm256_storeu_si256(row.cast(), signed) };

    _mm256_movemask_ps(_mm256_castsi256_ps(usual)) as u8
}
