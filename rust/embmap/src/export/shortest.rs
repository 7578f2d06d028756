//! The shortest decimal text that reads back as the same float32, and of those the nearest to it.
//!
//! Vectors are mostly numbers between 2⁻¹⁶ and 8. There, all that Schubfach asks (which multiples of a power of ten lie in the
//! interval that rounds to the number) is whole-number arithmetic in 64 bits, and the text has one form, `d.ddd`: it is made
//! without a branch that depends on the digits. `zmij` makes every other text, and is what the tests compare with.

use std::hint::select_unpredictable;

/// Bytes that a number's text may take while it is written.
pub(crate) const ROOM: usize = 24;

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
    shift: u8,
    /// d.
    decimals: u8,
    /// -e, so that the whole part of `m × 2ᵉ` is `m >> point`.
    point: u8,
}

/// d of all numbers from 1 on.
const DECIMALS_OF_WHOLE: u32 = 7;

const SCALES: [Scale; (LAST - FIRST + 1) as usize] = {
    let mut scales = [Scale { five: 0, shift: 0, decimals: 0, point: 0 }; (LAST - FIRST + 1) as usize];
    let mut exponent = FIRST;
    while exponent <= LAST {
        let point = 150 - exponent;
        let (mut d, mut power) = (0, 1u64);
        while power < 1 << point {
            d += 1;
            power *= 10;
        }
        assert!(exponent < 127 || d == DECIMALS_OF_WHOLE);
        assert!(d >= DECIMALS_OF_WHOLE && d - DECIMALS_OF_WHOLE <= ZEROS);
        let (five, shift) = (5u32.pow(d), (1 + point - d) as u8);
        scales[(exponent - FIRST) as usize] = Scale { five, shift, decimals: d as u8, point: point as u8 };
        exponent += 1;
    }
    scales
};

/// The most zeros between the point and the nine digits of a number of units.
const ZEROS: u32 = 5;

/// Writes the text of `x`, which is finite, at the start of `out`; returns its length.
#[inline(always)]
pub(crate) fn write(x: f32, out: &mut [u8; ROOM]) -> usize {
    let bits = x.to_bits();
    let (exponent, fraction) = (bits >> 23 & 0xff, bits & 0x7f_ffff);
    match SCALES.get(exponent.wrapping_sub(FIRST) as usize) {
        // The interval of a power of two is shorter on one side.
        Some(scale) if fraction != 0 => write_usual(bits >> 31, u64::from(fraction | 1 << 23), scale, out),
        _ => write_any(x, out),
    }
}

#[cold]
fn write_any(x: f32, out: &mut [u8; ROOM]) -> usize {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(x).as_bytes();
    out[..text.len()].copy_from_slice(text);
    text.len()
}

/// The text of `m × 2ᵉ`, whose whole part is one digit.
#[inline(always)]
fn write_usual(negative: u32, m: u64, scale: &Scale, out: &mut [u8; ROOM]) -> usize {
    let whole = m >> scale.point;
    // Less than 2 × 10⁸, as `m` is less than 2²⁴ and 2ᵉ less than 10 units.
    let units = (nearest_short(m, scale) - whole * 10u64.pow(DECIMALS_OF_WHOLE)) as u32;
    let ninth = u32::from(units >= 100_000_000);
    let digits = eight_digits(units - ninth * 100_000_000);
    // Back to front: where there are fewer than nine decimals, the point and the whole part take the place of digits that
    // are zeros.
    let (at, decimals) = (negative as usize, usize::from(scale.decimals));
    out[at + 2..at + 7].copy_from_slice(&[b'0'; ZEROS as usize]);
    let first = at + decimals - DECIMALS_OF_WHOLE as usize;
    out[first] = b'0' + ninth as u8;
    out[first + 1..first + 9].copy_from_slice(&(digits | u64::from_ne_bytes([b'0'; 8])).to_le_bytes());
    out[0] = b'-';
    out[at] = b'0' + whole as u8;
    out[at + 1] = b'.';
    at + 2 + decimals.saturating_sub(digits.leading_zeros() as usize / 8).max(1)
}

/// The number of units of 10⁻ᵈ that reads back as `m × 2ᵉ` and has the fewest digits, or the nearest of them.
#[inline(always)]
fn nearest_short(m: u64, scale: &Scale) -> u64 {
    // In units of 10⁻ᵈ / 2ˢʰⁱᶠᵗ: the number, and the interval, whose ends belong to it where `m` is even.
    let five = u64::from(scale.five);
    let exact = 2 * m * five;
    let (least, most) = (exact - five + (m & 1), exact + five - (m & 1));
    let below = exact >> scale.shift;
    // A tie to the even one. The interval reaches half a unit and more to either side, so that this is in it.
    let nearest = (exact + (1 << (scale.shift - 1)) - 1 + (below & 1)) >> scale.shift;
    let tens = below / 10 * 10;
    let found = select_unpredictable((tens + 10) << scale.shift <= most, tens + 10, nearest);
    select_unpredictable(tens << scale.shift >= least, tens, found)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(x: f32) -> String {
        let mut out = [0; ROOM];
        let length = write(x, &mut out);
        String::from_utf8(out[..length].to_vec()).expect("ASCII")
    }

    fn agrees(bits: u32) {
        let x = f32::from_bits(bits);
        let mut out = [0; ROOM];
        let length = write(x, &mut out);
        assert_eq!(std::str::from_utf8(&out[..length]), Ok(zmij::Buffer::new().format_finite(x)), "{bits:#x}");
    }

    #[test]
    fn numbers_at_the_edges() {
        for (x, expected) in [
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
        ] {
            assert_eq!(text(x), expected);
        }
    }

    #[test]
    fn the_short_way_gives_the_text_of_the_long_one() {
        for exponent in FIRST - 1..=LAST + 1 {
            for fraction in (0..1 << 23).step_by(1009).chain(0..64).chain((1 << 23) - 64..1 << 23) {
                agrees(exponent << 23 | fraction);
            }
        }
    }

    #[test]
    #[ignore = "takes a quarter of a minute: every number that has the short way"]
    fn the_short_way_gives_the_text_of_the_long_one_for_every_number() {
        (FIRST << 23..(LAST + 1) << 23).for_each(agrees);
    }

    proptest! {
        #[test]
        fn every_text_reads_back_as_the_same_bits(bits in any::<u32>()) {
            let x = f32::from_bits(bits);
            prop_assume!(x.is_finite());
            prop_assert_eq!(text(x).parse::<f32>().expect("a number").to_bits(), bits);
        }
    }
}
