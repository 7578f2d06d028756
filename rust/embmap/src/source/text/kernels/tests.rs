//! What all kernels promise: the same words and numbers, and the values of the module above.

use proptest::prelude::*;

use super::*;
use crate::source::text::number::parse;

fn padded(lines: &str) -> Vec<u8> {
    [&[b'9'; FRONT], lines.as_bytes(), &[b' '; BACK]].concat()
}

/// Words and numbers of every line as a kernel reads them.
fn read(kernel: Kernel, lines: &str, separator: u8, dim: usize) -> Vec<Option<(String, Vec<u32>)>> {
    let buffer = padded(lines);
    let mut marks = Positions::default();
    let text = Padded::new(&buffer, FRONT, FRONT + lines.len());
    let mut indexed = Scanned::new(kernel, text, separator, &mut marks);
    (0..indexed.len())
        .map(|i| {
            let mut row = vec![0.0; dim];
            let word = indexed.parse_fast(i, &mut row)?;
            let word = String::from_utf8_lossy(word).into_owned();
            Some((word, row.into_iter().map(f32::to_bits).collect()))
        })
        .collect()
}

#[test]
fn lines_are_those_of_the_text() {
    let lines = "a 1 2\n\nbb  3\n".repeat(30);
    for kernel in Kernel::available() {
        let buffer = padded(&lines);
        let mut marks = Positions::default();
        let indexed = Scanned::new(kernel, Padded::new(&buffer, FRONT, FRONT + lines.len()), b' ', &mut marks);
        let found: Vec<&[u8]> = (0..indexed.len()).map(|i| indexed.line(i).0).collect();
        assert_eq!(found, lines.as_bytes().split_inclusive(|&byte| byte == b'\n').collect::<Vec<_>>());
    }
}

/// Asserts that every kernel reads the texts, which are numbers, as the standard library does.
fn check(texts: &[String]) {
    for kernel in Kernel::available() {
        for texts in texts.chunks(64) {
            let line = format!("w {}\n", texts.join(" "));
            let expected = texts.iter().map(|text| (text.parse::<f64>().expect("a number") as f32).to_bits()).collect();
            assert_eq!(read(kernel, &line, b' ', texts.len()), [Some(("w".to_string(), expected))], "{kernel:?}");
        }
    }
}

/// The middle between a float32 and the next.
fn middle(bits: u32) -> f64 {
    (f64::from(f32::from_bits(bits)) + f64::from(f32::from_bits(bits + 1))) / 2.0
}

/// Every number with up to seven decimals that a kernel reads as short: the division is exact before it is rounded.
#[test]
fn every_product_with_a_scale_is_the_quotient() {
    for (decimals, scale) in SCALES.into_iter().enumerate() {
        let power = f64::from(10u32.pow(decimals as u32));
        let wrong = (0..10u32.pow(decimals as u32 + 1))
            .filter(|&x| (f64::from(x) * scale) as f32 != (f64::from(x) / power) as f32)
            .count();
        assert_eq!(wrong, 0, "{decimals} decimals");
    }
}

#[test]
fn short_numbers_beside_the_middles_of_float32() {
    let mut texts = Vec::new();
    for bits in (0x33d6_bf95..0x4120_0000u32).step_by(4999) {
        for decimals in 1..8 {
            let below = (middle(bits) * 10f64.powi(decimals)) as u64;
            let (power, decimals) = (10u64.pow(decimals as u32), decimals as usize);
            texts.extend([below, below + 1].map(|x| format!("{}.{:0decimals$}", x / power, x % power)));
        }
    }
    texts.extend((0..100_000).step_by(7).map(|x| x.to_string()));
    texts.extend((0..100_000_000u32).step_by(9973).map(|x| format!("-{}.{:07}", x / 10_000_000, x % 10_000_000)));
    check(&texts);
}

#[test]
fn long_numbers_beside_the_middles_of_float32() {
    let mut texts = Vec::new();
    for bits in (0x2000_0000..0x4b80_0000u32).step_by(99_991) {
        let middle = middle(bits);
        for x in [middle.next_down(), middle, -middle.next_up()] {
            texts.extend([format!("{x}"), format!("{x:e}"), format!("{x:.17e}"), format!("{x:.8e}")]);
            texts.extend([6, 8, 9, 16, 17, 20].map(|decimals| format!("{x:.decimals$}")));
        }
    }
    check(&texts);
}

/// One of the forms that writers use, or close to one.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "-?[0-9]\\.[0-9]{1,7}",
        2 => "-?[0-9]{1,3}\\.[0-9]{6}",
        2 => "-?[0-9]{1,3}",
        2 => "-?0\\.0{0,3}[0-9]{8,9}",
        2 => "-?0\\.0{0,4}[0-9]{15,18}",
        2 => "-?[0-9]\\.[0-9]{1,18}[eE]-[0-9]{2}",
        1 => "-?[0-9](\\.[0-9]{1,18})?e[+]?[0-9]{1,2}",
        1 => "[+-]?[0-9]{0,25}\\.?[0-9]{0,25}",
        1 => "-?[0-9]{1,4}\\.[0-9]{1,20}(e[+-]?[0-9]{1,4})?",
    ]
}

proptest! {
    #[test]
    fn all_kernels_read_every_form_as_the_module_does(texts in proptest::collection::vec(number(), 9..40)) {
        let values: Option<Vec<u32>> = texts
            .iter()
            .map(|text| {
                let value = parse(text.as_bytes()).ok();
                let expected = text.parse::<f64>().ok().map(|x| x as f32).filter(|x| x.is_finite());
                assert_eq!(value.map(f32::to_bits), expected.map(f32::to_bits), "{text}");
                value.map(f32::to_bits)
            })
            .collect();
        let expected = [values.map(|values| ("w".to_string(), values))];
        for kernel in Kernel::available() {
            let found = read(kernel, &format!("w {}\n", texts.join(" ")), b' ', texts.len());
            prop_assert_eq!(&found[..], &expected[..], "{:?}", kernel);
        }
    }

    #[test]
    fn all_kernels_read_what_the_careful_parser_reads(
        lines in proptest::collection::vec(
            (
                "[a-z]{0,3} ?[a-z]?",
                proptest::collection::vec(
                    prop_oneof![30 => number(), 1 => "[-+.0-9e:;<=>?xyz]{1,9}"],
                    9..12,
                ),
                prop_oneof![8 => Just(""), 1 => Just(" "), 1 => Just("\r"), 1 => Just(" \r")],
            ),
            1..8,
        ),
        dim in 9usize..12,
        tab: bool,
    ) {
        let separator = if tab { "\t" } else { " " };
        let text: String =
            lines.iter().map(|(word, numbers, end)| format!("{word} {}{end}\n", numbers.join(" "))).collect();
        let text = text.replace(' ', separator);
        let separator = separator.as_bytes()[0];
        let reference = read(Kernel::SCALAR, &text, separator, dim);
        for (line, found) in text.lines().zip(&reference) {
            let line = line.strip_suffix('\n').unwrap_or(line);
            let mut row = vec![0.0; dim];
            let careful = crate::source::text::row::parse_line(line.as_bytes(), separator, &mut row);
            if let Some((word, bits)) = found {
                prop_assert_eq!(careful, Ok(word.as_bytes()), "{:?}", line);
                prop_assert_eq!(&row.into_iter().map(f32::to_bits).collect::<Vec<_>>(), bits, "{:?}", line);
            }
        }
        for kernel in Kernel::available() {
            prop_assert_eq!(read(kernel, &text, separator, dim), reference.clone(), "{:?}", kernel);
        }
    }
}
