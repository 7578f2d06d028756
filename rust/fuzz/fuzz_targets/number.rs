//! Any bytes as a number: what the grammar allows has the value that the standard library gives, and nothing else has one.

#![no_main]

use embmap::unstable::number;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    assert_eq!(number(text).map(f32::to_bits), expected(text).map(f32::to_bits));
});

/// `[+-] digits [. digits] [e [+-] digits]`, digits on one side of the dot at least, and finite as a float32.
fn expected(text: &[u8]) -> Option<f32> {
    let plain = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    // The standard library's grammar has only words besides.
    let text = str::from_utf8(text).ok().filter(|text| text.as_bytes().iter().all(plain))?;
    let value = text.parse::<f64>().ok()? as f32;
    value.is_finite().then_some(value)
}
