//! Decimal text to float32.
//!
//! The value of a text is the float64 nearest to it, rounded to float32: what `numpy.float32(text)` gives, bit for bit
//! (docs/decisions/0002-rounding.md). The grammar is `[+-] digits [. digits] [e [+-] digits]` with digits on at least one
//! side of the dot; words such as `nan`, blanks, underscores and digits of other scripts are not numbers.

/// Why a text has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotANumber {
    /// It does not follow the grammar.
    Malformed,
    /// It is infinite or not a number, or too large for float32.
    NotFinite,
}

/// Powers of ten that float64 holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// Any text of the grammar.
pub(crate) fn parse(text: &[u8]) -> Result<f32, NotANumber> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let mut mantissa = 0u64;
    let (mut seen, mut decimals, mut dot, mut at) = (0, 0, false, 0);
    while at < digits.len() {
        match digits[at] {
            digit @ b'0'..=b'9' => {
                // Past nineteen digits the mantissa overflows, but then it is not used either.
                mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
                seen += 1;
                decimals += usize::from(dot);
            }
            b'.' if !dot => dot = true,
            _ => break,
        }
        at += 1;
    }
    if seen == 0 {
        return Err(if is_not_finite(digits) { NotANumber::NotFinite } else { NotANumber::Malformed });
    }
    let value = if at == digits.len() && seen <= 19 && mantissa < 1 << 53 && decimals < POWERS.len() {
        mantissa as f64 / POWERS[decimals]
    } else {
        if at < digits.len() && !is_exponent(&digits[at..]) {
            return Err(NotANumber::Malformed);
        }
        fast_float2::parse::<f64, _>(digits).map_err(|_| NotANumber::Malformed)?
    };
    let value = (if negative { -value } else { value }) as f32;
    if value.is_finite() { Ok(value) } else { Err(NotANumber::NotFinite) }
}

fn is_exponent(text: &[u8]) -> bool {
    let digits = match text {
        [b'e' | b'E', b'+' | b'-', digits @ ..] | [b'e' | b'E', digits @ ..] => digits,
        _ => return false,
    };
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
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
