//! The kernel that every processor runs, and the reference for the others.

use super::{Padded, SCALES};
use crate::source::text::number::{ZEROS, eight_digits, not_digits, parse};

const ONES: u64 = 0x0101_0101_0101_0101;
const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// The high bit of each byte of `x` that is zero.
fn zero_bytes(x: u64) -> u64 {
    !((x & LOW).wrapping_add(LOW) | x | LOW)
}

/// Whether a byte of `x` is zero.
fn has_zero_byte(x: u64) -> bool {
    x.wrapping_sub(ONES) & !x & !LOW != 0
}

#[inline(always)]
fn word_at(buffer: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&buffer[at..at + 8]);
    u64::from_le_bytes(word)
}

/// For each set of bytes in a word, their places in order, and how many.
const PLACES: [([u8; 8], u8); 256] = {
    let mut table = [([0; 8], 0); 256];
    let mut set = 0;
    while set < 256 {
        let mut place = 0;
        while place < 8 {
            if set >> place & 1 == 1 {
                table[set].0[table[set].1 as usize] = place;
                table[set].1 += 1;
            }
            place += 1;
        }
        set += 1;
    }
    table
};

/// The first stage, eight bytes at once. But for newlines, no branch depends on the text.
pub(super) fn index(text: Padded, separator: u8, places: &mut [u32], newlines: &mut Vec<u32>) -> usize {
    let (separators, line_ends) = (u64::from(separator) * ONES, u64::from(b'\n') * ONES);
    let mut found = 0;
    for at in (text.start..text.end).step_by(8) {
        let word = word_at(text.buffer, at);
        let inside = match text.end - at {
            left @ 0..8 => (1 << (8 * left)) - 1,
            _ => u64::MAX,
        };
        let mut fields = zero_bytes(word ^ separators) & inside;
        if has_zero_byte(word ^ line_ends) {
            let mut lines = zero_bytes(word ^ line_ends) & inside;
            fields |= lines;
            while lines != 0 {
                let before = lines & lines.wrapping_neg();
                newlines.push(found as u32 + (fields & (before - 1)).count_ones());
                lines &= lines - 1;
            }
        }
        // The high bits side by side. Eight places are written, of which those that count are kept.
        let set = (fields >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        let (inside_word, count) = PLACES[set as usize];
        places[found..found + 8].copy_from_slice(&inside_word.map(|place| at as u32 + u32::from(place)));
        found += usize::from(count);
    }
    found
}

/// The second stage: number `i` of `row` lies between the separator at `ends[i]` and `ends[i + 1]`.
#[inline]
pub(super) fn row(buffer: &[u8], ends: &[u32], row: &mut [f32]) -> bool {
    ends.windows(2).zip(row).all(|(ends, value)| number(buffer, ends[0] as usize + 1, ends[1] as usize, value))
}

/// Reads the number at `start..end`: perhaps a sign; a digit, a dot and up to seven digits, or up to eight digits; nothing
/// else. The last digits are read from the eight bytes that end the number. Any other form is [`unusual`].
#[inline(always)]
pub(super) fn number(buffer: &[u8], start: usize, end: usize, value: &mut f32) -> bool {
    let head = word_at(buffer, start) as u32;
    let negative = head as u8 == b'-';
    let head = head >> (8 * u32::from(negative));
    // Of an empty number the first byte is the separator behind it, no sign; its length, less one or two, is out of range.
    let length = (end - start) as u32 - u32::from(negative);
    let short = (head >> 8) as u8 == b'.';
    let decimals = length.wrapping_sub(2);
    let (digits, whole, power) =
        if short { (decimals, (head as u8).wrapping_sub(b'0'), decimals & 7) } else { (length, 0, 0) };
    let x = digits_of(word_at(buffer, end - 8), digits as usize & 15);
    let in_range = digits.wrapping_sub(u32::from(!short)) < 8;
    if in_range & (whole < 10) & (not_digits(x) == 0) {
        let mantissa = eight_digits(x) as u32 + u32::from(whole) * WHOLE[power as usize];
        let magnitude = (f64::from(mantissa) * SCALES[power as usize]) as f32;
        *value = f32::from_bits(magnitude.to_bits() | u32::from(negative) << 31);
        return true;
    }
    unusual(buffer, start, end, value)
}

/// Reads the number at `start..end`, whatever its form.
#[inline(never)]
pub(super) fn unusual(buffer: &[u8], start: usize, end: usize, value: &mut f32) -> bool {
    let parsed = parse(&buffer[start..end]);
    if let Ok(parsed) = parsed {
        *value = parsed;
    }
    parsed.is_ok()
}

/// What the digit before the dot counts, by the number of decimals.
const WHOLE: [u32; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// The last bytes of a word, so many.
const LAST: [u64; 16] = {
    let mut last = [u64::MAX; 16];
    let mut count = 0;
    while count < 8 {
        last[count] = !(u64::MAX >> (8 * count));
        count += 1;
    }
    last
};

/// The last `count` bytes of a window, up to eight, less the digit zero; the others are zero.
#[inline(always)]
fn digits_of(window: u64, count: usize) -> u64 {
    (window ^ ZEROS) & LAST[count]
}
