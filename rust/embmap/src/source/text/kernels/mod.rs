//! The two stages of the parser that are worth vector instructions: where the separators are, and what the numbers between
//! them are worth. One kernel for each instruction set, chosen at run time; all equal the scalar one bit for bit.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512;
mod scalar;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod wide;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod wide512;

use crate::sys::simd::{Isa, Kernel};

/// Readable bytes before a text: a number is read from its end, eight bytes at once.
pub(crate) const FRONT: usize = 64;
/// Readable bytes behind a text: separators are looked for 64 bytes at once.
pub(crate) const BACK: usize = 64;

/// Places that a kernel may write behind those that it found, because it writes several at once.
const SPARE: usize = 64;

/// Powers of ten whose product with a whole number below 10⁸, rounded to float64 and then to float32, is the value of
/// the text: see `every_product_with_a_scale_is_the_quotient`.
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

/// Where fields end: memory that is used for one text after another.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    /// Room for the place of every separator and newline.
    places: Vec<u32>,
    /// For each newline, its number among the places.
    newlines: Vec<u32>,
}

/// A text whose separators have been found.
pub(crate) struct Scanned<'a> {
    kernel: Kernel,
    text: Padded<'a>,
    places: &'a mut [u32],
    newlines: &'a [u32],
    /// Fields before the word.
    lead: usize,
}

impl<'a> Scanned<'a> {
    /// The first stage.
    #[allow(unsafe_code)]
    pub(crate) fn new(kernel: Kernel, text: Padded<'a>, separator: u8, marks: &'a mut Positions) -> Scanned<'a> {
        let Positions { places, newlines } = marks;
        let room = text.end - text.start + SPARE;
        if places.len() < room {
            places.resize(room, 0);
        }
        newlines.clear();
        let found = match kernel.isa() {
            Isa::Scalar => scalar::index(text, separator, places, newlines),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as below.
            Isa::Avx2 => unsafe { avx2::index(text, separator, places, newlines) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as below.
            Isa::Avx512 | Isa::Avx512Vnni => unsafe { avx512::index(text, separator, places, newlines) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel is made by detection alone, so the processor has the instructions of its name; there is room for
            // every byte and `SPARE` more.
            Isa::Avx512Vbmi2 => unsafe { avx512::index_vbmi2(text, separator, places, newlines) },
        };
        let places = &mut places[..found];
        Scanned { kernel, text, places, newlines, lead: 0 }
    }

    /// The same of lines that have so many fields before the word.
    pub(crate) fn behind(self, lead: usize) -> Scanned<'a> {
        Scanned { lead, ..self }
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

    /// What stands before each separator and newline.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'a [u8]> {
        let (buffer, mut start) = (self.text.buffer, self.text.start);
        self.places.iter().map(move |&end| {
            let field = &buffer[start..end as usize];
            start = end as usize + 1;
            field
        })
    }

    fn start(&self, i: usize) -> usize {
        match i {
            0 => self.text.start,
            _ => self.places[self.newlines[i - 1] as usize] as usize + 1,
        }
    }

    /// The word of line `i`, where the line has the usual form: a word without a separator and as many fields as `dim` says.
    #[inline]
    pub(crate) fn fast_word(&self, i: usize, dim: usize) -> Option<&'a [u8]> {
        let (first, last, _) = self.ends(i);
        if last - first != dim + self.lead {
            return None;
        }
        let (start, end) = self.word(i, first);
        (end > start).then(|| &self.text.buffer[start..end])
    }

    /// Where the word of line `i` starts and ends, whose fields end from place `first` on.
    #[inline]
    fn word(&self, i: usize, first: usize) -> (usize, usize) {
        let start = if self.lead == 0 { self.start(i) } else { self.places[first + self.lead - 1] as usize + 1 };
        (start, self.places[first + self.lead] as usize)
    }

    /// The first and the last place of line `i` that end a field, and whether a carriage return ends the line.
    #[inline]
    fn ends(&self, i: usize) -> (usize, usize, bool) {
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
    pub(crate) fn parse_fast(&mut self, i: usize, row: &mut [f32]) -> Option<&'a [u8]> {
        let (first, last, returned) = self.ends(i);
        if last - first != row.len() + self.lead {
            return None;
        }
        let ((start, word_end), end) = (self.word(i, first), self.places[self.newlines[i] as usize] as usize);
        let buffer = self.text.buffer;
        if word_end == start {
            return None;
        }
        // The carriage return is not the last number's.
        let shortened = u32::from(returned && self.places[last] as usize == end);
        self.places[last] -= shortened;
        let ends = &self.places[first + self.lead..=last];
        let good = match self.kernel.isa() {
            Isa::Scalar => scalar::row(buffer, ends, row),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as below.
            Isa::Avx2 => unsafe { avx2::row(self.text, ends, row) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has the instructions, as above; `ends` are `row.len() + 1` places of the text,
            // rising, the last perhaps moved back over a carriage return that lies behind the one before it.
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Avx512Vbmi2 => unsafe { avx512::row(self.text, ends, row) },
        };
        let word = &buffer[start..ends[0] as usize];
        self.places[last] += shortened;
        good.then_some(word)
    }
}

#[cfg(test)]
mod tests;
