//! Eight numbers of nearly any form at once: what `wide.rs` does with four, step by step, in vectors twice as wide. What is a vector of
//! ones and zeros there is a mask here.

use std::arch::x86_64::*;

use super::{BACK, FRONT, Padded};
use crate::source::text::number::{LARGEST, MARGIN, POWERS};

type Words = [__m512i; 3];

/// Reads number `i` of `row` between the separators at `ends[i]` and `ends[i + 1]`, for each `i < 8` that it can: those are the bits of
/// the answer, and the others are left as they are.
///
/// # Safety
///
/// The processor must have the instructions below. There are nine `ends`, inside the text and rising, and eight numbers of room.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn any(text: Padded, ends: *const u32, row: *mut f32) -> u8 {
    const { assert!(FRONT >= 32 && BACK >= 2) };
    let base = text.buffer.as_ptr();
    // SAFETY: an end lies inside the text, so 32 bytes before it and, one further, two bytes behind it lie inside the buffer; the
    // nine ends are the caller's.
    let (tails, heads, starts, stops) = unsafe {
        let tail = |i: usize| _mm256_loadu_si256(base.add(*ends.add(i + 1) as usize).sub(32).cast());
        let both = |i: usize| _mm512_inserti64x4::<1>(_mm512_castsi256_si512(tail(i)), tail(i + 4));
        let head = |i: usize| i64::from(*base.add(*ends.add(i) as usize + 1)) << (8 * i);
        let heads = (head(0) | head(1)) | (head(2) | head(3)) | (head(4) | head(5)) | (head(6) | head(7));
        (
            [both(0), both(1), both(2), both(3)],
            heads,
            _mm256_loadu_epi32(ends.cast()),
            _mm256_loadu_epi32(ends.add(1).cast()),
        )
    };
    let each = |x: i64| _mm512_set1_epi64(x);
    let negative = _mm_cmpeq_epi8_mask(_mm_cvtsi64_si128(heads), _mm_set1_epi8(b'-' as i8)) as u8;
    let lengths = _mm512_cvtepi32_epi64(_mm256_sub_epi32(_mm256_sub_epi32(stops, starts), _mm256_set1_epi32(1)));
    let lengths = _mm512_mask_sub_epi64(lengths, negative, lengths, each(1));

    // Words 0 and 2, then 1 and 3, of numbers 0, 1, 4, 5 and of 2, 3, 6, 7.
    let even = [_mm512_unpacklo_epi64(tails[0], tails[1]), _mm512_unpacklo_epi64(tails[2], tails[3])];
    let odd = [_mm512_unpackhi_epi64(tails[0], tails[1]), _mm512_unpackhi_epi64(tails[2], tails[3])];
    let (first, second) = (_mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15));
    let text = [
        _mm512_permutex2var_epi64(odd[0], second, odd[1]),
        _mm512_permutex2var_epi64(even[0], second, even[1]),
        _mm512_permutex2var_epi64(odd[0], first, odd[1]),
    ];
    // Of each number its own bytes, less the digit zero; zeros before it.
    let before = all_but(lengths);
    let zeros = _mm512_set1_epi8(b'0' as i8);
    let mut bytes = [0, 1, 2].map(|i| _mm512_andnot_si512(before[i], _mm512_xor_si512(text[i], zeros)));
    let mut good = _mm512_cmplt_epi64_mask(lengths, each(25));
    let mut lengths = lengths;
    let mut exponents = _mm512_setzero_si512();
    let letters = _mm512_cmpeq_epi8_mask(_mm512_or_si512(bytes[0], _mm512_set1_epi8(0x20)), different(b'E'));
    if letters != 0 {
        let (valid, behind);
        (valid, behind, exponents) = exponent(bytes[0], letters);
        good &= valid;
        lengths = _mm512_sub_epi64(lengths, behind);
        bytes = up(bytes, _mm512_slli_epi64::<3>(behind));
    }

    // One byte at most is no digit, and that is a dot.
    let dots = bytes.map(|x| _mm512_cmpeq_epi8_mask(x, different(b'.')));
    let decimals = [0, 1, 2].map(|i| _mm512_maskz_mov_epi8(dots[i], places(i)));
    let decimals = sum(_mm512_or_si512(_mm512_or_si512(decimals[0], decimals[1]), decimals[2]));
    let dotted = dots.map(|dots| _mm512_movm_epi8(dots));
    let dotted = _mm512_or_si512(_mm512_or_si512(dotted[0], dotted[1]), dotted[2]);
    let dotted = _mm512_test_epi64_mask(dotted, dotted);
    let dot = _mm512_maskz_set1_epi64(dotted, 1);
    let nine = _mm512_set1_epi8(9);
    let others = bytes.map(|x| _mm512_maskz_set1_epi8(_mm512_cmpgt_epu8_mask(x, nine), 1));
    let others = sum(_mm512_add_epi8(_mm512_add_epi8(others[0], others[1]), others[2]));
    good &= _mm512_cmpeq_epi64_mask(others, dot);
    good &= _mm512_cmpgt_epi64_mask(lengths, dot);

    // What is before the dot moves up by one, so that the digits are side by side.
    let before = all_but(_mm512_mask_mov_epi64(each(-1), dotted, decimals));
    let moved = up(bytes, each(8));
    let x = [0, 1, 2].map(|i| _mm512_ternarylogic_epi64::<0xca>(before[i], moved[i], bytes[i]));

    // Digits to pairs, pairs to fours, fours to eight.
    let [low, middle, high] = x.map(|x| {
        let pairs = _mm512_maddubs_epi16(x, _mm512_set1_epi16(0x010a));
        let fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x0001_0064));
        let eight = _mm512_add_epi64(_mm512_mul_epu32(fours, each(10_000)), _mm512_srli_epi64::<32>(fours));
        _mm512_cvtepi64_pd(eight)
    });
    // As many roundings as in `four`.
    let mantissa = _mm512_add_pd(_mm512_mul_pd(middle, _mm512_set1_pd(1e8)), low);
    let mantissa = _mm512_add_pd(_mm512_mul_pd(high, _mm512_set1_pd(1e16)), mantissa);

    let scale = _mm512_sub_epi64(decimals, exponents);
    good &= _mm512_cmplt_epu64_mask(scale, each(LARGEST as i64 + 1));
    let one = _mm512_set1_pd(1.0);
    // SAFETY: where `good` has a bit, the scale is a place of the table.
    let powers = unsafe { _mm512_mask_i64gather_pd::<8>(one, good, scale, POWERS.as_ptr()) };
    let values = _mm512_div_pd(mantissa, powers);
    // As in `scaled`, with a mantissa off by one rounding more.
    let low = _mm512_cvtpd_ps(_mm512_mul_pd(values, _mm512_set1_pd(1.0 - MARGIN)));
    let high = _mm512_cvtpd_ps(_mm512_mul_pd(values, _mm512_set1_pd(1.0 + MARGIN)));
    good &= _mm256_cmp_ps_mask::<_CMP_EQ_OQ>(low, high);
    let bits = _mm256_castps_si256(low);
    let signed = _mm256_mask_or_epi32(bits, negative, bits, _mm256_set1_epi32(i32::MIN));
    // SAFETY: the caller has room for eight numbers.
    unsafe { _mm256_mask_storeu_epi32(row.cast(), good, signed) };
    good
}

/// The exponents behind `letters`: which numbers have one or need none, the bytes that each takes, and its value; zero where there is
/// no letter.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn exponent(bytes: __m512i, letters: __mmask64) -> (__mmask8, __m512i, __m512i) {
    let each = |x: i64| _mm512_set1_epi64(x);
    let lettered = _mm512_movm_epi8(letters);
    let lettered = _mm512_test_epi64_mask(lettered, lettered);
    let length = sum(_mm512_maskz_mov_epi8(letters, places(0)));
    let tail = _mm512_maskz_andnot_epi64(lettered, all_but(length)[0], bytes);
    // A sign is the first, and is not all; behind it are up to four digits.
    let minus = _mm512_cmpeq_epi8_mask(tail, different(b'-'));
    let signs = _mm512_movm_epi8(minus | _mm512_cmpeq_epi8_mask(tail, different(b'+')));
    let first = all_but(_mm512_sub_epi64(length, each(1)))[0];
    let signed = _mm512_test_epi64_mask(signs, signs);
    let count = _mm512_mask_sub_epi64(length, signed, length, each(1));
    let x = _mm512_andnot_si512(signs, tail);
    let over = _mm512_subs_epu8(x, _mm512_set1_epi8(9));
    let wrong = _mm512_or_si512(over, _mm512_andnot_si512(first, signs));
    let counted = _mm512_cmpgt_epi64_mask(count, each(0)) & _mm512_cmplt_epi64_mask(count, each(5));
    let valid = _mm512_testn_epi64_mask(wrong, wrong) & counted | !lettered;
    let pairs = _mm512_maddubs_epi16(x, _mm512_set1_epi16(0x010a));
    let magnitude = _mm512_srli_epi64::<32>(_mm512_madd_epi16(pairs, _mm512_set1_epi32(0x0001_0064)));
    let minus = _mm512_movm_epi8(minus);
    let minus = _mm512_test_epi64_mask(minus, minus);
    let exponent = _mm512_mask_sub_epi64(magnitude, minus, each(0), magnitude);
    let taken = _mm512_maskz_add_epi64(lettered, length, each(1));
    (valid, taken, exponent)
}

/// The sum of the bytes of each word.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn sum(bytes: __m512i) -> __m512i {
    _mm512_sad_epu8(bytes, _mm512_setzero_si512())
}

/// A byte, less the digit zero, everywhere.
#[inline]
#[target_feature(enable = "avx512f")]
fn different(byte: u8) -> __m512i {
    _mm512_set1_epi8((byte ^ b'0') as i8)
}

/// In each byte of word `i`, how many bytes are behind it.
#[inline]
#[target_feature(enable = "avx512f")]
fn places(i: usize) -> __m512i {
    _mm512_set1_epi64(0x0001_0203_0405_0607 + 0x0808_0808_0808_0808 * i as i64)
}

/// Ones but for the last bytes of a number, so many.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn all_but(counts: __m512i) -> Words {
    // A shift by more than there are bits leaves zero; counts below zero are large.
    let bits = _mm512_slli_epi64::<3>(counts);
    let less = |bits| _mm512_subs_epu16(bits, _mm512_set1_epi64(64));
    let ones = _mm512_set1_epi64(-1);
    [bits, less(bits), less(less(bits))].map(|bits| _mm512_srlv_epi64(ones, bits))
}

/// Every number moved towards its end by less than a word; what is moved out is lost.
#[inline]
#[target_feature(enable = "avx512f")]
fn up(words: Words, bits: __m512i) -> Words {
    let rest = _mm512_sub_epi64(_mm512_set1_epi64(64), bits);
    let join = |word, next| _mm512_or_si512(_mm512_sllv_epi64(word, bits), _mm512_srlv_epi64(next, rest));
    [join(words[0], words[1]), join(words[1], words[2]), _mm512_sllv_epi64(words[2], bits)]
}
