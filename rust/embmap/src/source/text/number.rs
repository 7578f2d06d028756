//! Decimal text to float32.
//!
//! The value of a text is the float64 nearest to it, rounded to float32: what `numpy.float32(text)` gives, bit for bit
//! (docs/decisions/0002-rounding.md). The grammar is `[+-] digits [. digits] [e [+-] digits]` with digits on at least one
//! side of the dot; words such as `nan`, spaces, underscores and digits of other scripts are not numbers.

/// Why a text has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotANumber {
    /// It does not follow the grammar.
    Malformed,
    /// It is infinite or not a number, or too large for float32.
    NotFinite,
}

/// The largest power of ten that a mantissa is scaled by at once.
pub(super) const LARGEST: usize = 38;
/// Powers of ten, each the float64 nearest to it; up to 10²² that is the power itself.
pub(super) const POWERS: [f64; LARGEST + 1] = {
    let mut powers = [0.0; LARGEST + 1];
    let mut i = 0;
    while i <= LARGEST {
        powers[i] = 10u128.pow(i as u32) as f64;
        i += 1;
    }
    powers
};

/// How far the bounds of [`scaled`] are from what is between them, as a share of it.
///
/// The promised value rounds the float64 nearest to the text, `n`. Instead, `v` is a mantissa divided or multiplied by a
/// power of ten. The mantissa, the power, the result and `n` are each off by a factor within 1 ± 2⁻⁵³, the mantissa perhaps
/// by two such factors: `n` lies within `v` · (1 ± 5.1 · 2⁻⁵³). The bounds `v` · (1 ± 8 · 2⁻⁵³), each rounded once more,
/// hold it; nothing here is near the ends of float64. Rounding to float32 is monotone: what both bounds round to, `n` does.
pub(super) const MARGIN: f64 = 1.0 / (1u64 << 50) as f64;

/// The value of `mantissa` · 10^`exponent` where one multiplication or division in float64 proves it, see [`MARGIN`]; `None`
/// where the text is to be read with care, because it is too long, too large, or too close to the middle between two
/// float32.
#[inline]
pub(super) fn scaled(mantissa: u64, exponent: i32) -> Option<f32> {
    // Signed integers are cheaper to convert, and what fits them not is rare.
    let mantissa = i64::try_from(mantissa).ok()? as f64;
    let power = *POWERS.get(exponent.unsigned_abs() as usize)?;
    let v = if exponent < 0 { mantissa / power } else { mantissa * power };
    let (low, high) = ((v * (1.0 - MARGIN)) as f32, (v * (1.0 + MARGIN)) as f32);
    (low == high && high < f32::INFINITY).then_some(low)
}

/// Any text of the grammar.
pub(crate) fn parse(text: &[u8]) -> Result<f32, NotANumber> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (whole, after_whole) = digits(0, unsigned);
    let (mantissa, after_mantissa, decimals) = match after_whole {
        [b'.', fraction @ ..] => {
            let (mantissa, rest) = digits(whole, fraction);
            (mantissa, rest, fraction.len() - rest.len())
        }
        rest => (whole, rest, 0),
    };
    let count = unsigned.len() - after_whole.len() + decimals;
    if count == 0 {
        return Err(if is_not_finite(unsigned) { NotANumber::NotFinite } else { NotANumber::Malformed });
    }
    let exponent = exponent(after_mantissa).ok_or(NotANumber::Malformed)?;
    // With more than nineteen digits the mantissa may have overflowed.
    let quick = if count <= 19 { scaled(mantissa, exponent.saturating_sub(decimals as i32)) } else { None };
    let value = match quick {
        Some(value) => value,
        None => fast_float2::parse::<f64, _>(unsigned).map_err(|_| NotANumber::Malformed)? as f32,
    };
    if value.is_finite() { Ok(if negative { -value } else { value }) } else { Err(NotANumber::NotFinite) }
}

/// Appends the digits that `text` begins with to those of `mantissa`; what is behind them. Overflow wraps.
#[inline]
fn digits(mut mantissa: u64, mut text: &[u8]) -> (u64, &[u8]) {
    while let Some((eight, rest)) = text.split_first_chunk() {
        let x = u64::from_le_bytes(*eight) ^ ZEROS;
        if not_digits(x) != 0 {
            break;
        }
        (mantissa, text) = (mantissa.wrapping_mul(100_000_000).wrapping_add(eight_digits(x)), rest);
    }
    while let [digit @ b'0'..=b'9', rest @ ..] = text {
        (mantissa, text) = (mantissa.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')), rest);
    }
    (mantissa, text)
}

/// Zero for no text, else what stands behind the letter; `None` where that is no exponent. Large ones stop growing.
#[inline]
fn exponent(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text {
        [] => return Some(0),
        [b'e' | b'E', b'-', digits @ ..] => (true, digits),
        [b'e' | b'E', b'+', digits @ ..] | [b'e' | b'E', digits @ ..] => (false, digits),
        _ => return None,
    };
    let mut magnitude = 0i32;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude.saturating_mul(10).saturating_add(i32::from(digit - b'0'));
    }
    (!digits.is_empty()).then_some(if negative { -magnitude } else { magnitude })
}

/// Eight times the digit zero.
pub(super) const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Zero if each byte is a digit less the digit zero.
#[inline(always)]
pub(super) fn not_digits(x: u64) -> u64 {
    (x.wrapping_add(0x0606_0606_0606_0606) | x) & 0xf0f0_f0f0_f0f0_f0f0
}

/// Eight digits, the first in the lowest byte, to their number.
#[inline(always)]
pub(super) fn eight_digits(x: u64) -> u64 {
    let pairs = x.wrapping_mul(10).wrapping_add(x >> 8);
    let mask = 0x0000_00ff_0000_00ff;
    let high = (pairs & mask).wrapping_mul(0x000f_4240_0000_0064);
    let low = ((pairs >> 16) & mask).wrapping_mul(0x0000_2710_0000_0001);
    high.wrapping_add(low) >> 32
}

fn is_not_finite(text: &[u8]) -> bool {
    [&b"nan"[..], b"inf", b"infinity"].iter().any(|name| text.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the module promises, by the standard library.
    fn reference(text: &str) -> f32 {
        text.parse::<f64>().expect("a number") as f32
    }

    fn check(text: &str) {
        let expected = reference(text).to_bits();
        assert_eq!(parse(text.as_bytes()).map(f32::to_bits), Ok(expected), "{text}");
    }

    #[test]
    fn the_forms_that_writers_use() {
        for text in [
            "0",
            "-0",
            "0.0",
            "-0.0",
            "1",
            "+1",
            "-1",
            "1.",
            ".5",
            "-.5",
            "+.5",
            "0.123456",
            "-0.12345678",
            "9.99999999",
            "12.5",
            "-103.25",
            "1e5",
            "1E-5",
            "1.5e+3",
            "-2.5e-45",
            "1e-400",
            "0.1234567890123456789",
            "3.4028235e38",
            "0.10000000149011612",
            "123456789012345678901234567890",
            "1.40129846432481707e-45",
            "00001.50",
        ] {
            check(text);
        }
    }

    #[test]
    fn what_is_not_a_number() {
        for text in [
            "", "-", "+", ".", "-.", "e5", "1e", "1e+", "1.2.3", "1_000", "0x10", "1 ", " 1", "--1", "+-1", "1d5",
            "1,5", "\u{ff11}", "infinit", "1.5f", "1e5.0",
        ] {
            assert_eq!(parse(text.as_bytes()), Err(NotANumber::Malformed), "{text:?}");
        }
        for text in ["nan", "NaN", "-nan", "inf", "-Infinity", "1e39", "-3.5e38", "1e400", "9".repeat(400).as_str()] {
            assert_eq!(parse(text.as_bytes()), Err(NotANumber::NotFinite), "{text:?}");
        }
    }

    #[test]
    fn texts_beside_the_midpoints_of_float32() {
        for bits in (0x3400_0000..0x4500_0000u32).step_by(99_991) {
            let (below, above) = (f64::from(f32::from_bits(bits)), f64::from(f32::from_bits(bits + 1)));
            let midpoint = (below + above) / 2.0;
            for text in
                [format!("{midpoint}"), format!("{midpoint:.17e}"), format!("{midpoint:.8}"), format!("{midpoint:.7}")]
            {
                check(&text);
                check(&format!("-{text}"));
            }
        }
    }

    proptest! {
        #[test]
        fn any_float_printed_any_way(bits: u32, digits in 0usize..20) {
            let value = f32::from_bits(bits);
            prop_assume!(value.is_finite());
            check(&format!("{value}"));
            check(&format!("{value:e}"));
            check(&format!("{value:.digits$}"));
        }

        #[test]
        fn short_decimals(text in "-?[0-9]\\.[0-9]{1,9}") {
            check(&text);
        }

        #[test]
        fn garbage_is_judged_as_the_grammar_says(text in "[-+.0-9eE_ ]{0,8}") {
            let grammar = {
                let body = text.trim_start_matches(['+', '-']);
                let signs = text.len() - body.len();
                signs <= 1 && !body.contains(['_', ' ']) && body.parse::<f64>().is_ok()
            };
            prop_assert_eq!(parse(text.as_bytes()) == Err(NotANumber::Malformed), !grammar, "{:?}", text);
        }
    }
}
