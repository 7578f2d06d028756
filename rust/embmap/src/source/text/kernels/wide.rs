//! Four numbers of nearly any form at once: what the vector kernels do where numbers are not short.
//!
//! More digits than eight, more than one before the dot, an exponent: all that `%lf`, `%.9g`, `%.17g`, `%e` and the
//! shortest text of a float give. A branch depends on whether there are exponents, none on digits or lengths.
//!
//! The 24 bytes that end a number are three words, the last word first. A vector holds one of them of each number.

use std::arch::x86_64::*;

use super::{BACK, FRONT, Padded, scalar};
use crate::source::text::number::{LARGEST, MARGIN, POWERS};

type Words = [__m256i; 3];

/// The second stage of both kernels: number `i` of `row` lies between the separator at `ends[i]` and `ends[i + 1]`.
/// `short` reads those of eight numbers that are short, and `any` those that are of nearly any form and not done yet; both say which.
///
/// # Safety
///
/// There is one end more than numbers; all ends lie inside `text`, rising. `short` and `any` may read nine ends and write eight
/// numbers.
#[inline(always)]
pub(super) unsafe fn row(
    text: Padded,
    ends: &[u32],
    row: &mut [f32],
    short: impl Fn(*const u32, *mut f32) -> u8,
    any: impl Fn(*const u32, *mut f32, u8) -> u8,
) -> bool {
    let dim = row.len();
    if dim < 8 {
        return scalar::row(text.buffer, ends, row);
    }
    let mut at = 0;
    let mut long = false;
    loop {
        // SAFETY: `at + 8 <= dim`, so that there are nine ends and eight places of `row` from `at` on; the rest is the
        // caller's promise.
        let (ends, numbers) = unsafe { (ends.as_ptr().add(at), row.as_mut_ptr().add(at)) };
        let done = if long { 0 } else { short(ends, numbers) };
        // The first eight tell what to expect of the others. With one number in eight that is not short, trying costs
        // about what it saves.
        long |= at == 0 && done.count_ones() < 7;
        // SAFETY: as above.
        if done != 0xff && !unsafe { rest(text, ends, numbers, done | any(ends, numbers, done)) } {
            return false;
        }
        if at + 8 == dim {
            return true;
        }
        // The last eight overlap those before: reading a number twice is cheaper than a special case.
        at = (at + 8).min(dim - 8);
    }
}

/// Reads number `i` of `row` between the separators at `ends[i]` and `ends[i + 1]`, for each `i < 8` that is not among the
/// bits of `done`, one by one; `false` where there is one that is no number.
///
/// # Safety
///
/// There are nine `ends`, inside the text and rising, and eight numbers of room.
#[inline(always)]
unsafe fn rest(text: Padded, ends: *const u32, row: *mut f32, done: u8) -> bool {
    let mut left = !done;
    while left != 0 {
        let i = left.trailing_zeros() as usize;
        left &= left - 1;
        // SAFETY: `i < 8`, of nine ends and eight numbers.
        let (start, end, value) = unsafe { (*ends.add(i) + 1, *ends.add(i + 1), &mut *row.add(i)) };
        if !scalar::unusual(text.buffer, start as usize, end as usize, value) {
            return false;
        }
    }
    true
}

/// Reads those of eight numbers that are not `done` and that [`four`] can read: those are the bits of the answer.
///
/// # Safety
///
/// The processor must have AVX2. There are nine `ends`, inside the text and rising, and eight numbers of room.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn any(text: Padded, ends: *const u32, row: *mut f32, done: u8) -> u8 {
    let mut read = 0;
    for i in [0, 4] {
        if !done >> i & 0xf != 0 {
            // SAFETY: of nine ends and eight numbers, five and four from `i` on.
            read |= unsafe { four(text, ends.add(i), row.add(i)) } << i;
        }
    }
    read
}

/// Reads number `i` of `row` between the separators at `ends[i]` and `ends[i + 1]`, for each `i < 4` that it can: those
/// are the bits of the answer, and the others are left as they are.
///
/// # Safety
///
/// The processor must have AVX2. There are five `ends`, inside the text and rising, and four numbers of room.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn four(text: Padded, ends: *const u32, row: *mut f32) -> u8 {
    const { assert!(FRONT >= 32 && BACK >= 4) };
    let base = text.buffer.as_ptr();
    // SAFETY: an end lies inside the text, so 32 bytes before it and, one further, four bytes behind it lie inside the
    // buffer; the five ends are the caller's.
    let (tails, heads, starts, stops) = unsafe {
        let tail = |i: usize| _mm256_loadu_si256(base.add(*ends.add(i + 1) as usize).sub(32).cast());
        let head = |i: usize| base.add(*ends.add(i) as usize + 1).cast::<i32>().read_unaligned();
        (
            [tail(0), tail(1), tail(2), tail(3)],
            _mm_setr_epi32(head(0), head(1), head(2), head(3)),
            _mm_loadu_si128(ends.cast()),
            _mm_loadu_si128(ends.add(1).cast()),
        )
    };
    let zero = _mm256_setzero_si256();
    let each = |x: i64| _mm256_set1_epi64x(x);
    // A comparison gives all ones, or minus one, where it holds.
    let negative = _mm_cmpeq_epi32(_mm_and_si128(heads, _mm_set1_epi32(0xff)), _mm_set1_epi32(i32::from(b'-')));
    let lengths = _mm_sub_epi32(_mm_sub_epi32(stops, starts), _mm_set1_epi32(1));
    let lengths = _mm256_cvtepi32_epi64(_mm_add_epi32(lengths, negative));

    let even = [_mm256_unpacklo_epi64(tails[0], tails[1]), _mm256_unpacklo_epi64(tails[2], tails[3])];
    let odd = [_mm256_unpackhi_epi64(tails[0], tails[1]), _mm256_unpackhi_epi64(tails[2], tails[3])];
    let text = [
        _mm256_permute2x128_si256::<0x31>(odd[0], odd[1]),
        _mm256_permute2x128_si256::<0x31>(even[0], even[1]),
        _mm256_permute2x128_si256::<0x20>(odd[0], odd[1]),
    ];
    // Of each number its own bytes, less the digit zero; zeros before it.
    let before = all_but(lengths);
    let zeros = _mm256_set1_epi8(b'0' as i8);
    let mut bytes = [0, 1, 2].map(|i| _mm256_andnot_si256(before[i], _mm256_xor_si256(text[i], zeros)));
    let mut good = _mm256_cmpgt_epi64(each(25), lengths);
    let mut lengths = lengths;
    let mut exponents = zero;
    let letters = _mm256_cmpeq_epi8(_mm256_or_si256(bytes[0], _mm256_set1_epi8(0x20)), different(b'E'));
    if _mm256_movemask_epi8(letters) != 0 {
        let (valid, behind);
        (valid, behind, exponents) = exponent(bytes[0], letters);
        good = _mm256_and_si256(good, valid);
        lengths = _mm256_sub_epi64(lengths, behind);
        bytes = up(bytes, _mm256_slli_epi64::<3>(behind));
    }

    // One byte at most is no digit, and that is a dot.
    let dots = bytes.map(|x| _mm256_cmpeq_epi8(x, different(b'.')));
    let dotless = _mm256_cmpeq_epi64(_mm256_or_si256(_mm256_or_si256(dots[0], dots[1]), dots[2]), zero);
    let dot = _mm256_add_epi64(each(1), dotless);
    let digits = bytes.map(|x| _mm256_cmpeq_epi8(x, _mm256_min_epu8(x, _mm256_set1_epi8(9))));
    let digits = _mm256_add_epi8(_mm256_add_epi8(digits[0], digits[1]), digits[2]);
    let others = _mm256_sad_epu8(_mm256_add_epi8(digits, _mm256_set1_epi8(3)), zero);
    good = _mm256_and_si256(good, _mm256_cmpeq_epi64(others, dot));
    good = _mm256_and_si256(good, _mm256_cmpgt_epi64(lengths, dot));

    // What is before the dot moves up by one, so that the digits are side by side.
    let decimals = [0, 1, 2].map(|i| _mm256_and_si256(dots[i], places(i)));
    let decimals = _mm256_or_si256(_mm256_or_si256(decimals[0], decimals[1]), decimals[2]);
    let decimals = _mm256_sad_epu8(decimals, zero);
    let before = all_but(_mm256_or_si256(decimals, dotless));
    let moved = up(bytes, each(8));
    let x = [0, 1, 2].map(|i| _mm256_blendv_epi8(bytes[i], moved[i], before[i]));

    // Digits to pairs, pairs to fours, fours to eight; a number below 2³² in the low bits of 2⁵² is itself, added.
    let fours = x.map(|x| {
        let pairs = _mm256_maddubs_epi16(x, _mm256_set1_epi16(0x010a));
        _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x0001_0064))
    });
    let eights = |a, b| _mm256_madd_epi16(_mm256_packus_epi32(a, b), _mm256_set1_epi32(0x0001_2710));
    let (low, high) = (eights(fours[0], fours[1]), eights(fours[2], fours[2]));
    let magic = _mm256_set1_epi32(0x4330_0000);
    let float = |x| _mm256_sub_pd(_mm256_castsi256_pd(x), _mm256_set1_pd((1u64 << 52) as f64));
    let [low, middle, high] = [
        float(_mm256_unpacklo_epi32(low, magic)),
        float(_mm256_unpackhi_epi32(low, magic)),
        float(_mm256_unpacklo_epi32(high, magic)),
    ];
    // Up to sixteen digits are off by one rounding, for their product is exact: 10⁸ has eight factors of two. More are off
    // by two, of the sum and of either summand.
    let mantissa = _mm256_add_pd(_mm256_mul_pd(middle, _mm256_set1_pd(1e8)), low);
    let mantissa = _mm256_add_pd(_mm256_mul_pd(high, _mm256_set1_pd(1e16)), mantissa);

    let scale = _mm256_sub_epi64(decimals, exponents);
    good = _mm256_and_si256(good, _mm256_cmpgt_epi64(scale, each(-1)));
    good = _mm256_and_si256(good, _mm256_cmpgt_epi64(each(LARGEST as i64 + 1), scale));
    let scale = _mm256_and_si256(scale, good);
    let mut scales = [0u64; 4];
    // SAFETY: four places of eight bytes.
    unsafe { _mm256_storeu_si256(scales.as_mut_ptr().cast(), scale) };
    let [s0, s1, s2, s3] = scales.map(|scale| POWERS[scale as usize]);
    let values = _mm256_div_pd(mantissa, _mm256_setr_pd(s0, s1, s2, s3));
    // As in `scaled`, with a mantissa off by one rounding more.
    let low = _mm256_cvtpd_ps(_mm256_mul_pd(values, _mm256_set1_pd(1.0 - MARGIN)));
    let high = _mm256_cvtpd_ps(_mm256_mul_pd(values, _mm256_set1_pd(1.0 + MARGIN)));
    let same = _mm_castps_si128(_mm_cmpeq_ps(low, high));
    let halves = _mm_castsi128_ps(_mm256_castsi256_si128(good));
    let good = _mm_castps_si128(_mm_shuffle_ps::<0x88>(halves, _mm_castsi128_ps(_mm256_extracti128_si256::<1>(good))));
    let good = _mm_castsi128_ps(_mm_and_si128(good, same));
    let signed = _mm_or_ps(low, _mm_castsi128_ps(_mm_slli_epi32::<31>(negative)));
    // SAFETY: the caller has room for four numbers.
    unsafe { _mm_storeu_ps(row, _mm_blendv_ps(_mm_loadu_ps(row), signed, good)) };
    _mm_movemask_ps(good) as u8
}

/// The exponents behind `letters`, each with whether it is one and the bytes that it takes, zero where there is no letter.
#[inline]
#[target_feature(enable = "avx2")]
fn exponent(bytes: __m256i, letters: __m256i) -> (__m256i, __m256i, __m256i) {
    let zero = _mm256_setzero_si256();
    let none = _mm256_cmpeq_epi64(letters, zero);
    let length = _mm256_sad_epu8(_mm256_and_si256(letters, places(0)), zero);
    let tail = _mm256_andnot_si256(_mm256_or_si256(all_but(length)[0], none), bytes);
    // A sign is the first, and is not all; behind it are up to four digits.
    let minus = _mm256_cmpeq_epi8(tail, different(b'-'));
    let signs = _mm256_or_si256(minus, _mm256_cmpeq_epi8(tail, different(b'+')));
    let first = all_but(_mm256_sub_epi64(length, _mm256_set1_epi64x(1)))[0];
    let unsigned = _mm256_cmpeq_epi64(signs, zero);
    let count = _mm256_sub_epi64(length, _mm256_add_epi64(_mm256_set1_epi64x(1), unsigned));
    let x = _mm256_andnot_si256(signs, tail);
    let over = _mm256_subs_epu8(x, _mm256_set1_epi8(9));
    let wrong = _mm256_or_si256(over, _mm256_andnot_si256(first, signs));
    let counted = _mm256_and_si256(_mm256_cmpgt_epi64(count, zero), _mm256_cmpgt_epi64(_mm256_set1_epi64x(5), count));
    let valid = _mm256_or_si256(_mm256_and_si256(_mm256_cmpeq_epi64(wrong, zero), counted), none);
    let pairs = _mm256_maddubs_epi16(x, _mm256_set1_epi16(0x010a));
    let magnitude = _mm256_srli_epi64::<32>(_mm256_madd_epi16(pairs, _mm256_set1_epi32(0x0001_0064)));
    let positive = _mm256_cmpeq_epi64(minus, zero);
    let exponent = _mm256_blendv_epi8(_mm256_sub_epi64(zero, magnitude), magnitude, positive);
    let taken = _mm256_andnot_si256(none, _mm256_add_epi64(length, _mm256_set1_epi64x(1)));
    (valid, taken, exponent)
}

/// A byte, less the digit zero, everywhere.
#[inline]
#[target_feature(enable = "avx2")]
fn different(byte: u8) -> __m256i {
    _mm256_set1_epi8((byte ^ b'0') as i8)
}

/// In each byte of word `i`, how many bytes are behind it.
#[inline]
#[target_feature(enable = "avx2")]
fn places(i: usize) -> __m256i {
    _mm256_set1_epi64x(0x0001_0203_0405_0607 + 0x0808_0808_0808_0808 * i as i64)
}

/// Ones but for the last bytes of a number, so many.
#[inline]
#[target_feature(enable = "avx2")]
fn all_but(counts: __m256i) -> Words {
    // A shift by more than there are bits leaves zero; counts below zero are large.
    let bits = _mm256_slli_epi64::<3>(counts);
    let less = |bits| _mm256_subs_epu16(bits, _mm256_set1_epi64x(64));
    let ones = _mm256_set1_epi64x(-1);
    [bits, less(bits), less(less(bits))].map(|bits| _mm256_srlv_epi64(ones, bits))
}

/// Every number moved towards its end by less than a word; what is moved out is lost.
#[inline]
#[target_feature(enable = "avx2")]
fn up(words: Words, bits: __m256i) -> Words {
    let rest = _mm256_sub_epi64(_mm256_set1_epi64x(64), bits);
    let join = |word, next| _mm256_or_si256(_mm256_sllv_epi64(word, bits), _mm256_srlv_epi64(next, rest));
    [join(words[0], words[1]), join(words[1], words[2]), _mm256_sllv_epi64(words[2], bits)]
}
