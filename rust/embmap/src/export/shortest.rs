//! The shortest decimal text that reads back as the same float32, and of those the nearest to it.
//!
//! Vectors are mostly numbers between 2⁻¹⁶ and 8. There, all that Schubfach asks (which multiples of a power of ten lie in the
//! interval that rounds to the number) is whole-number arithmetic in 64 bits, and the text has one form, `d.ddd`. It is worked
//! out for several numbers side by side, in loops without a branch that depends on them, which the compiler turns into vector
//! instructions. `zmij` makes every other text, and is what the tests compare with.

use std::hint::select_unpredictable;

use crate::sys::simd::{Isa, Kernel};

/// Bytes that a number's text may take, and the space before it, while it is written.
pub(crate) const ROOM: usize = 25;

/// Numbers side by side, where there are vector instructions.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
const WIDE: usize = 16;

/// The exponents, as float32 holds them, of the numbers that have a short way: those in 2⁻¹⁶..8.
const FIRST: u32 = 127 - 16;
const LAST: u32 = 127 + 2;

/// What numbers of one exponent have in common. With `e` so that such a number is `m × 2ᵉ` for a whole `m` below 2²⁴, `decimals` is
/// the `d` for which 10⁻ᵈ ≤ 2ᵉ < 10¹⁻ᵈ: the interval has one multiple of 10⁻ᵈ at least, and one of 10¹⁻ᵈ at most.
#[derive(Clone, Copy)]
struct Scale {
    /// 5ᵈ.
    five: u32,
    /// 1 - e - d, so that `m × 2ᵉ` is `2m × 5ᵈ / 2ˢʰⁱᶠᵗ` units of 10⁻ᵈ.
    shift: u32,
    /// d.
    decimals: u32,
    /// -e, so that the whole part of `m × 2ᵉ` is `m >> point`.
    point: u32,
}

impl Scale {
    const fn of(exponent: u32) -> Scale {
        let point = 150 - exponent;
        let (mut decimals, mut power) = (0, 1u64);
        while power < 1 << point {
            decimals += 1;
            power *= 10;
        }
        assert!(decimals >= DECIMALS_OF_WHOLE && decimals - DECIMALS_OF_WHOLE <= ZEROS.len() as u32);
        assert!(exponent < 127 || decimals == DECIMALS_OF_WHOLE);
        Scale { five: 5u32.pow(decimals), shift: 1 + point - decimals, decimals, point }
    }
}

/// d of all numbers from 1 on.
const DECIMALS_OF_WHOLE: u32 = 7;

/// The most zeros between the point and the nine digits of a number of units.
const ZEROS: [u8; 5] = [b'0'; 5];

/// The scale of each exponent from `FIRST` on, as many as the five bits of an index can ask for.
const SCALES: ([u32; 32], [u32; 32]) = {
    let (mut fives, mut others) = ([0; 32], [0; 32]);
    let mut i = 0;
    while i < 32 {
        let exponent = if FIRST + i < LAST { FIRST + i } else { LAST };
        let Scale { five, shift, decimals, point } = Scale::of(exponent);
        fives[i as usize] = five;
        others[i as usize] = shift | decimals << 8 | point << 16;
        i += 1;
    }
    (fives, others)
};

/// Writes a space and the text of each of `values`, which are finite, to `out`, which has [`ROOM`] for each; returns the length.
/// With `points`, a whole number has a point and a zero.
#[allow(unsafe_code)]
pub(crate) fn write(kernel: Kernel, values: &[f32], points: bool, out: &mut [u8]) -> usize {
    match kernel.isa() {
        Isa::Scalar => write_by::<1>(values, points, out),
        // SAFETY: a kernel is made by detection alone, so the processor has the instructions of its name, LZCNT and BMI2 among
        // them.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { write_avx2(values, points, out) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 | Isa::Avx512Vnni | Isa::Avx512Vbmi2 => unsafe { write_avx512(values, points, out) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn write_avx2(values: &[f32], points: bool, out: &mut [u8]) -> usize {
    write_by::<WIDE>(values, points, out)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,bmi1,bmi2,lzcnt,popcnt")]
fn write_avx512(values: &[f32], points: bool, out: &mut [u8]) -> usize {
    write_by::<WIDE>(values, points, out)
}

#[inline(always)]
fn write_by<const N: usize>(values: &[f32], points: bool, out: &mut [u8]) -> usize {
    let (chunks, rest) = values.as_chunks::<N>();
    let mut at = 0;
    for values in chunks {
        at = Lanes::of(values, points).write(values, points, out, at);
    }
    for &value in rest {
        at = Lanes::of(&[value], points).write(&[value], points, out, at);
    }
    at
}

/// What the texts of some numbers are made of.
struct Lanes<const N: usize> {
    /// Eight digits, the first in the lowest byte.
    digits: [u64; N],
    /// Bit by bit: 0..8 the length of the text, 0 where it has another form; 8..16 the place of the digit before those eight;
    /// 16..24 that digit; 24..31 the digit before the point; 31 whether there is a sign.
    form: [u32; N],
}

impl<const N: usize> Lanes<N> {
    #[inline(always)]
    fn of(values: &[f32; N], points: bool) -> Lanes<N> {
        let mut lanes = Lanes { digits: [0; N], form: [0; N] };
        for (i, value) in values.iter().enumerate() {
            (lanes.digits[i], lanes.form[i]) = lane(value.to_bits(), u32::from(points));
        }
        lanes
    }

    /// Writes a space and the text of each from place `at` on; returns where they end.
    #[inline(always)]
    fn write(&self, values: &[f32; N], points: bool, out: &mut [u8], mut at: usize) -> usize {
        for ((&digits, &form), &value) in self.digits.iter().zip(&self.form).zip(values) {
            let [space, text @ ..]: &mut [u8; ROOM] = out[at..].first_chunk_mut().expect("ROOM for each number");
            *space = b' ';
            let length = (form & 0xff) as usize;
            at += 1 + if length > 0 { write_fast(digits, form, length, text) } else { write_any(value, points, text) };
        }
        at
    }
}

/// The eight digits and the form of a number's text, with so many decimals at the `least`. What it says of a number without the short way is wrong but for the
/// length of 0: it is what another exponent would give.
#[inline(always)]
fn lane(bits: u32, least: u32) -> (u64, u32) {
    let (exponent, fraction, negative) = ((bits >> 23 & 0xff).wrapping_sub(FIRST), bits & 0x7f_ffff, bits >> 31);
    // The interval of a power of two is shorter on one side.
    let is_fast = exponent <= LAST - FIRST && fraction != 0;
    let others = SCALES.1[exponent as usize % 32];
    let scale = Scale {
        five: SCALES.0[exponent as usize % 32],
        shift: others & 0xff,
        decimals: others >> 8 & 0xff,
        point: others >> 16,
    };
    let m = u64::from(fraction | 1 << 23);
    let whole = (m >> scale.point) as u32;
    // Less than 2 × 10⁸, as `m` is less than 2²⁴ and 2ᵉ less than 10 units.
    let units = nearest_short(m, &scale) - whole * 10u32.pow(DECIMALS_OF_WHOLE);
    let ninth = u32::from(units >= 100_000_000);
    let digits = eight_digits(units - ninth * 100_000_000);
    let decimals = scale.decimals.saturating_sub(digits.leading_zeros() / 8).max(least);
    let length = if is_fast { negative + 1 + u32::from(decimals > 0) + decimals } else { 0 };
    let first = negative + scale.decimals - DECIMALS_OF_WHOLE;
    let zero = u32::from(b'0');
    let form = length | first << 8 | (zero + ninth) << 16 | (zero + whole) << 24 | negative << 31;
    (digits | u64::from_ne_bytes([b'0'; 8]), form)
}

/// The number of units of 10⁻ᵈ that reads back as `m × 2ᵉ` and has the fewest digits, or the nearest of them.
#[inline(always)]
fn nearest_short(m: u64, scale: &Scale) -> u32 {
    // In units of 10⁻ᵈ / 2ˢʰⁱᶠᵗ: the number, and the interval, whose ends belong to it where `m` is even.
    let five = u64::from(scale.five);
    let exact = 2 * m * five;
    let (least, most) = (exact - five + (m & 1), exact + five - (m & 1));
    let below = exact >> scale.shift;
    // A tie to the even one. The interval reaches half a unit and more to either side, so that this is in it.
    let nearest = (exact + (1 << (scale.shift - 1)) - 1 + (below & 1)) >> scale.shift;
    let tens = below as u32 / 10 * 10;
    let has = |units: u32| u64::from(units) << scale.shift;
    let found = select_unpredictable(has(tens + 10) <= most, tens + 10, nearest as u32);
    select_unpredictable(has(tens) >= least, tens, found)
}

/// The decimal digits of a number below 10⁸, the first in the lowest byte.
#[inline(always)]
fn eight_digits(number: u32) -> u64 {
    let fours = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = (fours * 5243) >> 19 & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - hundreds * 100) << 16;
    let tens = (pairs * 103) >> 10 & 0x000f_000f_000f_000f;
    tens | (pairs - tens * 10) << 8
}

/// Back to front: where there are fewer than nine decimals, the point and the whole part take the place of digits that are zeros.
#[inline(always)]
fn write_fast(digits: u64, form: u32, length: usize, out: &mut [u8; ROOM - 1]) -> usize {
    let (at, first) = ((form >> 31) as usize, (form >> 8 & 0xf) as usize);
    out[at + 2..at + 2 + ZEROS.len()].copy_from_slice(&ZEROS);
    out[first] = (form >> 16) as u8;
    out[first + 1..first + 9].copy_from_slice(&digits.to_le_bytes());
    out[0] = b'-';
    out[at] = (form >> 24) as u8 & 0x7f;
    out[at + 1] = b'.';
    length
}

#[cold]
fn write_any(value: f32, points: bool, out: &mut [u8; ROOM - 1]) -> usize {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value);
    let text = if points { text } else { text.strip_suffix(".0").unwrap_or(text) }.as_bytes();
    out[..text.len()].copy_from_slice(text);
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The texts of `values`, by one kernel.
    fn texts(kernel: Kernel, values: &[f32], points: bool) -> Vec<String> {
        let mut out = vec![0; ROOM * values.len()];
        let length = write(kernel, values, points, &mut out);
        let text = String::from_utf8(out[..length].to_vec()).expect("ASCII");
        text.split(' ').skip(1).map(String::from).collect()
    }

    /// Every kernel's texts of `bits` and those that follow are zmij's.
    fn agree(bits: impl IntoIterator<Item = u32>, kernels: &[Kernel]) {
        let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        let (mut expected, mut buffer) = (Vec::new(), zmij::Buffer::new());
        for &value in &values {
            expected.push(b' ');
            expected.extend_from_slice(buffer.format_finite(value).as_bytes());
        }
        let mut out = vec![0; ROOM * values.len()];
        for &kernel in kernels {
            let length = write(kernel, &values, true, &mut out);
            assert!(out[..length] == expected, "{kernel:?}, from {:?} on", values.first());
        }
    }

    #[test]
    fn numbers_at_the_edges() {
        let (values, expected): (Vec<f32>, Vec<&str>) = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-3.0, "-3.0"),
            (0.1, "0.1"),
            (0.418, "0.418"),
            (-0.999_999_94, "-0.99999994"),
            (7.999_999_5, "7.9999995"),
            (1.000_000_1, "1.0000001"),
            (1.525_88e-5, "0.0000152588"),
            (f32::MAX, "3.4028235e+38"),
            (-f32::MIN_POSITIVE, "-1.1754944e-38"),
            (f32::from_bits(1), "1e-45"),
            (123_456.0, "123456.0"),
            (-9_999_999_000_000_000.0, "-9.999999e+15"),
        ]
        .into_iter()
        .cycle()
        .take(15 * WIDE)
        .unzip();
        for kernel in Kernel::available() {
            assert_eq!(texts(kernel, &values, true), expected, "{kernel:?}");
            let whole: Vec<&str> = expected.iter().map(|text| text.strip_suffix(".0").unwrap_or(text)).collect();
            assert_eq!(texts(kernel, &values, false), whole, "{kernel:?}");
        }
    }

    #[test]
    fn the_short_way_gives_the_text_of_the_long_one() {
        for exponent in FIRST - 1..=LAST + 1 {
            let fractions = (0..1 << 23).step_by(1009).chain(0..64).chain((1 << 23) - 64..1 << 23);
            agree(fractions.map(|fraction| exponent << 23 | fraction), &Kernel::available());
        }
    }

    #[test]
    #[ignore = "takes a minute: every number that has the short way"]
    fn the_short_way_gives_the_text_of_the_long_one_for_every_number() {
        for start in (FIRST << 23..(LAST + 1) << 23).step_by(1 << 16) {
            agree(start..start + (1 << 16), &Kernel::available());
        }
    }

    proptest! {
        #[test]
        fn every_text_reads_back_as_the_same_bits(bits in proptest::collection::vec(any::<u32>(), 0..50)) {
            let values: Vec<f32> = bits.into_iter().map(f32::from_bits).filter(|x| x.is_finite()).collect();
            for kernel in Kernel::available() {
                for points in [true, false] {
                    let texts = texts(kernel, &values, points);
                    prop_assert_eq!(texts.len(), values.len());
                    for (value, text) in values.iter().zip(texts) {
                        prop_assert_eq!(text.parse::<f32>().expect("a number").to_bits(), value.to_bits());
                    }
                }
            }
        }
    }
}
