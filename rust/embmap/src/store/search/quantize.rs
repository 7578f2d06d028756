//! Rows and queries as int8 codes with a bound of what those leave out, so that integers alone tell which rows cannot be among the
//! nearest.
//!
//! A vector of unit length is `worth × codes + rest`, where `off`, the length of `rest`, is kept, rounded up. By the inequality of
//! Cauchy and Schwarz the cosine of two such vectors is the product of their worths and codes, give or take
//! `off + off' + off × off'`.

use crate::{
    dtype::Dtype,
    sys::simd::{Isa, Kernel},
};

/// What a code is worth, and the length of what the codes leave out.
pub(crate) type Bound = [f32; 2];

/// What is added to a code where a byte without a sign is wanted.
pub(crate) const SIGN: u8 = 128;

/// What float32 may be off by when it multiplies and adds up integers, worths and bounds, several times over.
pub(crate) const ROUNDING: f32 = 16.0 * f32::EPSILON;

/// Appends the codes of a row, as the screening copy has them, and returns their bound.
pub(crate) fn encode(row: &[f32], codes: &mut Vec<u8>) -> Bound {
    let square: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let (start, mut scale) = (codes.len(), Vec::new());
    Dtype::Int8.encode(row, row.len(), codes, &mut scale);
    if square == 0.0 {
        return [0.0; 2];
    }
    let length = square.sqrt();
    let unit = (f64::from(scale[0]) / length) as f32;
    let rest: f64 = row
        .iter()
        .zip(&codes[start..])
        .map(|(&x, &code)| (f64::from(x) / length - f64::from(unit) * f64::from(code as i8)).powi(2))
        .sum();
    [unit, length_up(rest)]
}

/// The length whose square that is, rounded up past what float64 may have lost.
pub(crate) fn length_up(square: f64) -> f32 {
    ((square.sqrt() * (1.0 + 1e-9)) as f32).next_up()
}

/// Lengths of rows whose squares, quotients and products with others float32 holds at its full precision.
const USUAL: std::ops::Range<f32> = 1e-15..1e15;

/// Whether float32 is enough for a row of that inverse norm.
#[inline(always)]
pub(crate) fn is_usual(inverse_norm: f32) -> bool {
    USUAL.contains(&inverse_norm)
}

/// Writes codes of a row, each plus [`SIGN`], and returns their bound: in float32, whose own errors the bound has in it.
pub(crate) fn quantize(kernel: Kernel, row: &[f32], inverse_norm: f32, codes: &mut [u8]) -> Bound {
    if !is_usual(inverse_norm) {
        let mut signed = Vec::with_capacity(row.len());
        let bound = encode(row, &mut signed);
        codes.iter_mut().zip(signed).for_each(|(code, signed)| *code = signed ^ SIGN);
        return bound;
    }
    quantize_usual(kernel, row, inverse_norm, codes)
}

/// Added to a small number, leaves it rounded to a whole one in the last bits.
const TO_WHOLE: f32 = 1.5 * (1 << 23) as f32;
/// Sums that do not wait for each other.
const LANES: usize = 16;

#[allow(unsafe_code)]
fn quantize_usual(kernel: Kernel, row: &[f32], inverse_norm: f32, codes: &mut [u8]) -> Bound {
    match kernel.isa() {
        Isa::Scalar => quantize_generic(row, inverse_norm, codes, |a, b, c| a * b + c),
        // SAFETY: a kernel is made by detection alone, so the processor has the instructions of its name, FMA among them.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { quantize_avx2(row, inverse_norm, codes) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 | Isa::Avx512Vnni | Isa::Avx512Vbmi2 => unsafe { quantize_avx512(row, inverse_norm, codes) },
    }
}

/// Sixteen numbers at a time, the last ones too.
///
/// # Panics
///
/// Where there is not a code for each number.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
#[allow(unsafe_code)]
fn quantize_avx512(row: &[f32], inverse_norm: f32, codes: &mut [u8]) -> Bound {
    use std::arch::x86_64::*;

    assert_eq!(row.len(), codes.len(), "lengths that do not fit");
    let (blocks, rest) = row.as_chunks::<LANES>();
    let (to, to_rest) = codes.as_chunks_mut::<LANES>();
    let inside = (1u16 << rest.len()) - 1;
    // SAFETY: the mask has a bit for each number of the rest and no other.
    let last = unsafe { _mm512_maskz_loadu_ps(inside, rest.as_ptr()) };
    let mut largest = _mm512_abs_ps(last);
    for block in blocks {
        largest = _mm512_max_ps(largest, _mm512_abs_ps(bytemuck::cast(*block)));
    }
    let [worth, per_code] = scale(_mm512_reduce_max_ps(largest), inverse_norm);
    let each = |x: f32| _mm512_set1_ps(x);
    let (per_code, of_worth, inverse_norm) = (each(per_code), each(worth), each(inverse_norm));
    let code = |x: __m512| {
        let rounded = _mm512_fmadd_ps(x, per_code, each(TO_WHOLE));
        let code = _mm512_sub_ps(rounded, each(TO_WHOLE));
        let rest = _mm512_fnmadd_ps(code, of_worth, _mm512_mul_ps(x, inverse_norm));
        let bytes = _mm_xor_si128(_mm512_cvtepi32_epi8(_mm512_castps_si512(rounded)), _mm_set1_epi8(SIGN as i8));
        (bytes, rest)
    };
    let (bytes, rest) = code(last);
    // SAFETY: the mask has a bit for each code of the rest, as many as numbers, and no other.
    unsafe { _mm_mask_storeu_epi8(to_rest.as_mut_ptr().cast(), inside, bytes) };
    // Two sums, which do not wait for each other.
    let (mut sum, mut other) = (_mm512_mul_ps(rest, rest), _mm512_setzero_ps());
    let ((pairs, single), (to_pairs, to_single)) = (blocks.as_chunks::<2>(), to.as_chunks_mut::<2>());
    for ([a, b], [to_a, to_b]) in pairs.iter().zip(to_pairs) {
        let ((bytes_a, rest_a), (bytes_b, rest_b)) = (code(bytemuck::cast(*a)), code(bytemuck::cast(*b)));
        (*to_a, *to_b) = (bytemuck::cast(bytes_a), bytemuck::cast(bytes_b));
        (sum, other) = (_mm512_fmadd_ps(rest_a, rest_a, sum), _mm512_fmadd_ps(rest_b, rest_b, other));
    }
    for (block, to) in single.iter().zip(to_single) {
        let (bytes, rest) = code(bytemuck::cast(*block));
        *to = bytemuck::cast(bytes);
        other = _mm512_fmadd_ps(rest, rest, other);
    }
    [worth, bound_of(_mm512_reduce_add_ps(_mm512_add_ps(sum, other)), row.len())]
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn quantize_avx2(row: &[f32], inverse_norm: f32, codes: &mut [u8]) -> Bound {
    quantize_generic(row, inverse_norm, codes, f32::mul_add)
}

#[inline(always)]
fn quantize_generic(
    row: &[f32],
    inverse_norm: f32,
    codes: &mut [u8],
    multiply_add: impl Fn(f32, f32, f32) -> f32,
) -> Bound {
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let (blocks, rest) = row.as_chunks::<LANES>();
    let (to, to_rest) = codes.as_chunks_mut::<LANES>();
    // Numbers that are zeros change nothing.
    let mut last = [0f32; LANES];
    last[..rest.len()].copy_from_slice(rest);
    let mut largest = last.map(f32::abs);
    for block in blocks {
        largest.iter_mut().zip(block).for_each(|(largest, x)| *largest = larger(x.abs(), *largest));
    }
    let [worth, per_code] = scale(largest.into_iter().fold(0.0, larger), inverse_norm);
    let mut sums = [0f32; LANES];
    let scales = [per_code, worth, inverse_norm];
    for (block, to) in blocks.iter().zip(to) {
        quantize_block(block, scales, to, &mut sums, &multiply_add);
    }
    let mut few = [0; LANES];
    quantize_block(&last, scales, &mut few, &mut sums, &multiply_add);
    to_rest.copy_from_slice(&few[..rest.len()]);
    [worth, bound_of(sums.iter().sum(), row.len())]
}

#[inline(always)]
fn quantize_block(
    block: &[f32; LANES],
    [per_code, worth, inverse_norm]: [f32; 3],
    codes: &mut [u8; LANES],
    sums: &mut [f32; LANES],
    multiply_add: &impl Fn(f32, f32, f32) -> f32,
) {
    for ((sum, &x), code) in sums.iter_mut().zip(block).zip(codes) {
        let rounded = multiply_add(x, per_code, TO_WHOLE);
        let rest = multiply_add(rounded - TO_WHOLE, -worth, x * inverse_norm);
        *sum = multiply_add(rest, rest, *sum);
        *code = rounded.to_bits() as u8 ^ SIGN;
    }
}

/// What a code is worth, and how many codes a number is, where the largest has 127.
#[inline(always)]
fn scale(largest: f32, inverse_norm: f32) -> [f32; 2] {
    [largest * inverse_norm * (1.0 / 127.0), 127.0 / largest]
}

/// The length of the rest, from the sum of its squares. That is off by a rounding each addition. The inverse norm, its product
/// with a number and that of a code and its worth are off by half an epsilon each, which moves the row by as much; twice over.
#[inline(always)]
fn bound_of(sum: f32, dim: usize) -> f32 {
    sum.sqrt() * (1.0 + (dim / LANES + 2 * LANES) as f32 * f32::EPSILON) + 3.0 * f32::EPSILON
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a bound promises, in float64.
    fn rest_of(row: &[f32], codes: &[u8], worth: f32) -> f64 {
        let length = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let rest = |(&x, &code): (&f32, &u8)| f64::from(x) / length - f64::from(worth) * f64::from((code ^ SIGN) as i8);
        row.iter().zip(codes).map(|pair| rest(pair).powi(2)).sum::<f64>().sqrt()
    }

    proptest! {
        #[test]
        fn the_rest_is_within_its_bound(
            row in proptest::collection::vec(-1f32..1.0, 1..70),
            power in -35i32..36,
            outlier in 0usize..70,
        ) {
            let mut row: Vec<f32> = row.into_iter().map(|x| x * 10f32.powi(power)).collect();
            if let Some(x) = row.get_mut(outlier) {
                *x *= 30.0;
            }
            prop_assume!(row.iter().any(|x| *x != 0.0));
            let mut codes = vec![0; row.len()];
            for kernel in Kernel::available() {
                let [worth, off] = quantize(kernel, &row, crate::inverse_norm(&row), &mut codes);
                let rest = rest_of(&row, &codes, worth);
                prop_assert!(rest <= f64::from(off), "{kernel:?}: {rest} {off}");
                prop_assert!(f64::from(off) <= rest * 1.001 + 1e-6, "{kernel:?}: {rest} {off}");
            }
            let mut signed = Vec::new();
            let [worth, off] = encode(&row, &mut signed);
            let codes: Vec<u8> = signed.iter().map(|code| code ^ SIGN).collect();
            prop_assert!(rest_of(&row, &codes, worth) <= f64::from(off));
        }
    }

    #[test]
    fn a_row_of_zeros_has_no_rest() {
        let mut codes = [1; 20];
        assert_eq!(quantize(Kernel::SCALAR, &[0.0; 20], 0.0, &mut codes), [0.0; 2]);
        assert_eq!(codes, [SIGN; 20]);
    }
}
