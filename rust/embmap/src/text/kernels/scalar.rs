//! The kernel that every processor runs, and the reference for the others.

use super::{Marks, Padded, SCALES, parse};

const ONES: u64 = 0x0101_0101_0101_0101;
const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// The high bit of each byte of `x` that is zero.
fn zero_bytes(x: u64) -> u64 {
    !((x & LOW).wrapping_add(LOW) | x | LOW)
}

#[inline(always)]
fn word_at(buffer: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&buffer[at..at + 8]);
    u64::from_le_bytes(word)
}

/// The first stage, eight bytes at once.
pub(super) fn index(text: Padded, separator: u8, marks: &mut Marks) {
    let (separators, newlines) = (u64::from(separator) * ONES, u64::from(b'\n') * ONES);
    for at in (text.start..text.end).step_by(8) {
        let word = word_at(text.buffer, at);
        let mut found = zero_bytes(word ^ separators) | zero_bytes(word ^ newlines);
        while found != 0 {
            let place = at + found.trailing_zeros() as usize / 8;
            if place >= text.end {
                return;
            }
            if text.buffer[place] == b'\n' {
                marks.newlines.push(marks.places.len() as u32);
            }
            marks.places.push(place as u32);
            found &= found - 1;
        }
    }
}

/// The second stage: number `i` of `row` lies between the separator at `ends[i]` and `ends[i + 1]`.
#[inline]
pub(super) fn row(buffer: &[u8], ends: &[u32], row: &mut [f32]) -> bool {
    ends.windows(2).zip(row).all(|(ends, value)| number(buffer, ends[0] as usize + 1, ends[1] as usize, value))
}

/// Reads the number at `start..end`, from its end: up to eight digits lie in the eight bytes before it, and what is in
/// front of them must be the dot and one digit, or nothing, and perhaps a sign. Any other form goes to [`parse`].
#[inline(always)]
pub(super) fn number(buffer: &[u8], start: usize, end: usize, value: &mut f32) -> bool {
    let window = word_at(buffer, end - 8);
    let negative = buffer[start] == b'-';
    let first = start + usize::from(negative);
    // Digits have the bit 0x10; dot, sign, blank, tab and newline have not.
    let digits = (!window & 0x1010_1010_1010_1010).leading_zeros() as usize / 8;
    let x = if digits == 0 { 0 } else { (window ^ 0x3030_3030_3030_3030) & (u64::MAX << (64 - 8 * digits)) };
    let all_digits = (x.wrapping_add(0x0606_0606_0606_0606) | x) & 0xf0f0_f0f0_f0f0_f0f0 == 0;
    let whole = buffer[first].wrapping_sub(b'0');
    let short = digits < 8 && end - first == digits + 2 && buffer[first + 1] == b'.' && whole < 10;
    if all_digits && (short || end - first == digits && digits > 0) {
        let (power, scale, whole) = if short { (WHOLE[digits], SCALES[digits], u64::from(whole)) } else { (0, 1.0, 0) };
        let magnitude = ((eight_digits(x) + whole * power) as f64 * scale) as f32;
        *value = f32::from_bits(magnitude.to_bits() | u32::from(negative) << 31);
        return true;
    }
    match parse(&buffer[start..end]) {
        Ok(parsed) => {
            *value = parsed;
            true
        }
        Err(_) => false,
    }
}

/// What the digit before the dot counts, by the number of decimals.
const WHOLE: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Eight digits, the first in the lowest byte, to their number.
#[inline(always)]
fn eight_digits(x: u64) -> u64 {
    let pairs = x.wrapping_mul(10).wrapping_add(x >> 8);
    let mask = 0x0000_00ff_0000_00ff;
    let high = (pairs & mask).wrapping_mul(0x000f_4240_0000_0064);
    let low = ((pairs >> 16) & mask).wrapping_mul(0x0000_2710_0000_0001);
    high.wrapping_add(low) >> 32
}
