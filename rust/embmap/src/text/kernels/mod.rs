//! The two stages of the parser that are worth vector instructions: where the separators are, and what the numbers between
//! them are worth. One kernel for each instruction set, chosen at run time; all equal the scalar one bit for bit.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512;
mod scalar;

use super::number::parse;

/// Readable bytes before a text: a number is read from its end, eight bytes at once.
pub(crate) const FRONT: usize = 64;
/// Readable bytes behind a text: separators are looked for 64 bytes at once.
pub(crate) const BACK: usize = 64;

/// Powers of ten whose product with a whole number below 10⁸, rounded to float64 and then to float32, is the value of
/// the text: see `short_values_are_those_of_the_module`.
const SCALES: [f64; 8] = [1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7];

/// Whole lines inside a buffer with [`FRONT`] bytes before them and [`BACK`] behind.
#[derive(Clone, Copy)]
pub(crate) struct Padded<'a> {
    buffer: &'a [u8],
    start: usize,
    end: usize,
}

impl<'a> Padded<'a> {
    /// Bytes `start..end` of `buffer`, which must have that room, end in a newline and be less than 4 GiB.
    pub(crate) fn new(buffer: &'a [u8], start: usize, end: usize) -> Padded<'a> {
        assert!(start >= FRONT && start <= end && end + BACK <= buffer.len(), "no room around the text");
        assert!(u32::try_from(buffer.len()).is_ok(), "a block of 4 GiB");
        assert!(start == end || buffer[end - 1] == b'\n', "a line without its end");
        Padded { buffer, start, end }
    }
}

/// Which instructions are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// None in particular.
    Scalar,
    /// AVX-512 F, BW, DQ, VL and CD, and the BMI1, LZCNT and POPCNT that every such processor has.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    /// The best for this processor; `EMBMAP_KERNEL=scalar` asks for less, to measure or to compare.
    pub(crate) fn detect() -> Kernel {
        let asked = std::env::var("EMBMAP_KERNEL").unwrap_or_default();
        *Kernel::available().iter().find(|kernel| asked.is_empty() || kernel.name() == asked).unwrap_or(&Kernel::Scalar)
    }

    /// All that this processor can run, the best first.
    pub(crate) fn available() -> &'static [Kernel] {
        #[cfg(target_arch = "x86_64")]
        if avx512::available() {
            return &[Kernel::Avx512, Kernel::Scalar];
        }
        &[Kernel::Scalar]
    }

    fn name(self) -> &'static str {
        match self {
            Kernel::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => "avx512",
        }
    }
}

/// Where fields end: memory that is used for one text after another.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// The place of every separator and newline.
    places: Vec<u32>,
    /// For each newline, its number among the places.
    newlines: Vec<u32>,
}

/// A text whose separators have been found.
pub(crate) struct Indexed<'a> {
    kernel: Kernel,
    text: Padded<'a>,
    places: &'a mut [u32],
    newlines: &'a [u32],
}

impl<'a> Indexed<'a> {
    /// The first stage.
    #[allow(unsafe_code)]
    pub(crate) fn new(kernel: Kernel, text: Padded<'a>, separator: u8, marks: &'a mut Marks) -> Indexed<'a> {
        marks.places.clear();
        marks.newlines.clear();
        match kernel {
            Kernel::Scalar => scalar::index(text, separator, marks),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the kernel is one of those that `available` found.
            Kernel::Avx512 => unsafe { avx512::index(text, separator, marks) },
        }
        let Marks { places, newlines } = marks;
        Indexed { kernel, text, places, newlines }
    }

    /// How many lines.
    pub(crate) fn len(&self) -> usize {
        self.newlines.len()
    }

    /// Line `i` with its newline, and where it starts in the buffer.
    pub(crate) fn line(&self, i: usize) -> (&'a [u8], usize) {
        let start = self.start(i);
        (&self.text.buffer[start..=self.places[self.newlines[i] as usize] as usize], start)
    }

    fn start(&self, i: usize) -> usize {
        match i {
            0 => self.text.start,
            _ => self.places[self.newlines[i - 1] as usize] as usize + 1,
        }
    }

    /// The word of line `i`, where the line has the usual form: a word without a separator and as many fields as `dim` says.
    #[inline]
    pub(crate) fn usual_word(&self, i: usize, dim: usize) -> Option<&'a [u8]> {
        let (first, last, _) = self.fields(i);
        let (start, end) = (self.start(i), self.places[first] as usize);
        (last - first == dim && end > start).then(|| &self.text.buffer[start..end])
    }

    /// The first and the last place of line `i` that end a field, and whether a carriage return ends the line.
    #[inline]
    fn fields(&self, i: usize) -> (usize, usize, bool) {
        let first = if i == 0 { 0 } else { self.newlines[i - 1] as usize + 1 };
        let last = self.newlines[i] as usize;
        let (start, end) = (self.start(i), self.places[last] as usize);
        let returned = end > start && self.text.buffer[end - 1] == b'\r';
        // A separator may end the line: the last number ends there.
        let trailing = last > first && self.places[last - 1] as usize + 1 + usize::from(returned) == end;
        (first, last - usize::from(trailing), returned)
    }

    /// The second stage: the usual line, a word without a separator and a number for each place of `row`, one separator
    /// between, perhaps one more and a carriage return at the end. Gives the word; `None`, with `row` in any state, where
    /// the line is not usual.
    #[inline]
    #[allow(unsafe_code)]
    pub(crate) fn parse_usual(&mut self, i: usize, row: &mut [f32]) -> Option<&'a [u8]> {
        let (first, last, returned) = self.fields(i);
        let (start, end) = (self.start(i), self.places[self.newlines[i] as usize] as usize);
        let buffer = self.text.buffer;
        if last - first != row.len() || self.places[first] as usize == start {
            return None;
        }
        // The carriage return is not the last number's.
        let shortened = u32::from(returned && self.places[last] as usize == end);
        self.places[last] -= shortened;
        let ends = &self.places[first..=last];
        let good = match self.kernel {
            Kernel::Scalar => scalar::row(buffer, ends, row),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the kernel is one of those that `available` found; `ends` are `row.len() + 1` places of the text,
            // rising, the last perhaps moved back over a carriage return that lies behind the one before it.
            Kernel::Avx512 => unsafe { avx512::row(self.text, ends, row) },
        };
        let word = &buffer[start..ends[0] as usize];
        self.places[last] += shortened;
        good.then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn padded(lines: &str) -> Vec<u8> {
        [&[b'9'; FRONT], lines.as_bytes(), &[b' '; BACK]].concat()
    }

    /// Words and numbers of every line as a kernel reads them.
    fn read(kernel: Kernel, lines: &str, separator: u8, dim: usize) -> Vec<Option<(String, Vec<u32>)>> {
        let buffer = padded(lines);
        let mut marks = Marks::default();
        let text = Padded::new(&buffer, FRONT, FRONT + lines.len());
        let mut indexed = Indexed::new(kernel, text, separator, &mut marks);
        (0..indexed.len())
            .map(|i| {
                let mut row = vec![0.0; dim];
                let word = indexed.parse_usual(i, &mut row)?;
                let word = String::from_utf8_lossy(word).into_owned();
                Some((word, row.into_iter().map(f32::to_bits).collect()))
            })
            .collect()
    }

    #[test]
    fn lines_are_those_of_the_text() {
        let lines = "a 1 2\n\nbb  3\n".repeat(30);
        for &kernel in Kernel::available() {
            let buffer = padded(&lines);
            let mut marks = Marks::default();
            let indexed = Indexed::new(kernel, Padded::new(&buffer, FRONT, FRONT + lines.len()), b' ', &mut marks);
            let found: Vec<&[u8]> = (0..indexed.len()).map(|i| indexed.line(i).0).collect();
            assert_eq!(found, lines.as_bytes().split_inclusive(|&byte| byte == b'\n').collect::<Vec<_>>());
        }
    }

    #[test]
    fn short_values_are_those_of_the_module() {
        // Beside the middles between two float32, where a product that is off by a little would round to the wrong side.
        let mut texts = Vec::new();
        for bits in (0x33d6_bf95..0x4120_0000u32).step_by(997) {
            let middle = (f64::from(f32::from_bits(bits)) + f64::from(f32::from_bits(bits + 1))) / 2.0;
            texts.extend((1..8).map(|decimals| format!("{middle:.decimals$}")));
        }
        texts.extend((0..100_000).step_by(7).map(|x| x.to_string()));
        texts.extend((0..100_000_000u32).step_by(9973).map(|x| format!("{}.{:07}", x / 10_000_000, x % 10_000_000)));
        for &kernel in Kernel::available() {
            for texts in texts.chunks(64) {
                let line = format!("w {}\n", texts.join(" "));
                let expected =
                    texts.iter().map(|text| (text.parse::<f64>().expect("a number") as f32).to_bits()).collect();
                assert_eq!(read(kernel, &line, b' ', texts.len()), [Some(("w".to_string(), expected))], "{kernel:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn all_kernels_read_what_the_careful_parser_reads(
            lines in proptest::collection::vec(
                (
                    "[a-z]{0,3} ?[a-z]?",
                    proptest::collection::vec(
                        prop_oneof![
                            8 => "-?[0-9]\\.[0-9]{1,7}",
                            1 => "[+-]?[0-9]{1,10}\\.?[0-9]{0,10}",
                            1 => "-?[0-9]\\.[0-9]{1,18}(e[+-]?[0-9]{1,2})?",
                            1 => "[-+.0-9e:;<=>?xyz]{1,9}",
                        ],
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
            let reference = read(Kernel::Scalar, &text, separator, dim);
            for (line, found) in text.lines().zip(&reference) {
                let line = line.strip_suffix('\n').unwrap_or(line);
                let mut row = vec![0.0; dim];
                let careful = crate::text::row::parse_line(line.as_bytes(), separator, &mut row);
                if let Some((word, bits)) = found {
                    prop_assert_eq!(careful, Ok(word.as_bytes()), "{:?}", line);
                    prop_assert_eq!(&row.into_iter().map(f32::to_bits).collect::<Vec<_>>(), bits, "{:?}", line);
                }
            }
            for &kernel in Kernel::available() {
                prop_assert_eq!(read(kernel, &text, separator, dim), reference.clone(), "{:?}", kernel);
            }
        }
    }
}
