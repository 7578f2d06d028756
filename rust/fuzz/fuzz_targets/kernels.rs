//! Any bytes as lines: all kernels agree, and where they read a row, the careful parser reads the same.
//!
//! The first byte is the number of columns, and its highest bit asks for tabs.

#![no_main]

use embmap::unstable::{Text, parse_slow, index, kernels, parse};
use libfuzzer_sys::fuzz_target;

type Row = Option<(Vec<u8>, Vec<u32>)>;

fuzz_target!(|input: &[u8]| {
    let Some((&form, lines)) = input.split_first() else { return };
    let dim = usize::from(form & 0x3f) + 1;
    let separator = if form & 0x80 == 0 { b' ' } else { b'\t' };
    let text = Text::new(lines);
    let read = |kernel| {
        let mut rows: Vec<Row> = Vec::new();
        parse(kernel, &text, separator, &mut vec![0.0; dim], |word, row| {
            rows.push(word.map(|word| (word.to_vec(), row.iter().map(|value| value.to_bits()).collect())));
        });
        assert_eq!(rows.len(), index(kernel, &text, separator), "{kernel}");
        rows
    };
    let reference = read("scalar");
    for kernel in kernels() {
        assert_eq!(read(kernel), reference, "{kernel}");
    }
    let mut lines: Vec<&[u8]> = lines.split(|&byte| byte == b'\n').collect();
    // What is behind the last newline is no line if it is nothing.
    lines.pop_if(|last| last.is_empty());
    assert_eq!(lines.len(), reference.len());
    for (line, found) in lines.into_iter().zip(reference) {
        let Some((word, bits)) = found else { continue };
        let mut row = vec![0.0; dim];
        assert_eq!(parse_slow(line, separator, &mut row), Some(&word[..]), "{line:?}");
        assert_eq!(row.into_iter().map(f32::to_bits).collect::<Vec<_>>(), bits, "{line:?}");
    }
});
