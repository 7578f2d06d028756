//! What the Python binding, the benchmarks and the fuzz targets use besides the interface: no part of it, and free to change.

pub use crate::{
    format::{
        hash::{hash, seed_from},
        index::Index,
        word_list::WordList,
        word_set::WordSet,
        words::Words,
    },
    random_rows::{fill_rows, fill_standard},
    source::murmur::murmur64a,
    store::distinct::distinct,
    sys::prefetch::prefetch_address,
    tokens::{
        model::Model,
        pieces::{Parting, Pieces},
    },
    write::index::BuiltIndex,
};

use crate::{
    export::shortest,
    source::{
        head::BlockError,
        text::{
            kernels::{BACK, FRONT, Padded, Positions, Scanned},
            number, row,
        },
        word2vec::{RecordBlock, Records},
    },
    sys::simd::Kernel,
};

/// Bytes that go through both stages at a time, as in a conversion.
const PIECE_BYTES: usize = 64 << 10;

/// The kernels that this processor can run, the best first.
pub fn kernels() -> Vec<&'static str> {
    Kernel::available().into_iter().map(|kernel| kernel.name()).collect()
}

fn named(name: &str) -> Kernel {
    Kernel::available().into_iter().find(|kernel| kernel.name() == name).expect("one of kernels()")
}

/// Whole lines with the room around them that the kernels need.
pub struct Text {
    buffer: Vec<u8>,
}

impl Text {
    /// A copy of `lines`, whose last newline may be missing.
    pub fn new(lines: &[u8]) -> Text {
        let newline: &[u8] = if lines.last().is_some_and(|&last| last != b'\n') { b"\n" } else { b"" };
        Text { buffer: [&[b'9'; FRONT], lines, newline, &[b'9'; BACK]].concat() }
    }

    fn pieces(&self) -> impl Iterator<Item = Padded<'_>> {
        let mut start = FRONT;
        std::iter::from_fn(move || {
            let rest = &self.buffer[start..self.buffer.len() - BACK];
            let near = PIECE_BYTES.min(rest.len());
            let length = match memchr::memrchr(b'\n', &rest[..near]) {
                Some(newline) => newline + 1,
                None => memchr::memchr(b'\n', rest)? + 1,
            };
            start += length;
            Some(Padded::new(&self.buffer, start - length, start))
        })
    }
}

/// The first stage alone: how many lines `text` has.
pub fn index(kernel: &str, text: &Text, separator: u8) -> usize {
    let (kernel, mut marks) = (named(kernel), Positions::default());
    text.pieces().map(|piece| Scanned::new(kernel, piece, separator, &mut marks).len()).sum()
}

/// Both stages: for each line, its word where it is a usual one, and `row` with its numbers.
pub fn parse(kernel: &str, text: &Text, separator: u8, row: &mut [f32], mut each: impl FnMut(Option<&[u8]>, &[f32])) {
    let (kernel, mut marks) = (named(kernel), Positions::default());
    for piece in text.pieces() {
        let mut indexed = Scanned::new(kernel, piece, separator, &mut marks);
        for i in 0..indexed.len() {
            let word = indexed.parse_fast(i, row);
            each(word, row);
        }
    }
}

/// The fields of the first stage: for each separator and newline, what stands before it.
pub fn fields(kernel: &str, text: &Text, separator: u8, mut each: impl FnMut(&[u8])) {
    let (kernel, mut marks) = (named(kernel), Positions::default());
    for piece in text.pieces() {
        Scanned::new(kernel, piece, separator, &mut marks).fields().for_each(&mut each);
    }
}

/// Reads a line as the slow path does; `None` where it would say what is wrong.
pub fn parse_slow<'a>(line: &'a [u8], separator: u8, row: &mut [f32]) -> Option<&'a [u8]> {
    row::parse_line(line, separator, row).ok()
}

/// The value of a decimal text; `None` where it is malformed or not finite.
pub fn number(text: &[u8]) -> Option<f32> {
    number::parse(text).ok()
}

/// A space and the shortest text of each of `values`, which are finite, at the start of `out`; returns their length.
pub fn write_numbers(kernel: &str, values: &[f32], out: &mut Vec<u8>) -> usize {
    out.resize(values.len() * shortest::ROOM, 0);
    shortest::write(named(kernel), values, false, out)
}

/// The records of `bytes`, whose numbers take `width` bytes each, read in blocks of `size`: `each` gets the place of a word,
/// the word and the bytes of its numbers. Where a word has no end, its place is the error; else a last record that is cut is
/// given out without numbers.
pub fn records(bytes: &[u8], width: usize, size: usize, mut each: impl FnMut(u64, &[u8], &[u8])) -> Result<(), u64> {
    let records = Records::new(bytes, Vec::new(), 0, None, width, size);
    let mut block = RecordBlock::default();
    loop {
        match records.next(&mut block) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(BlockError::Malformed { byte_offset, .. }) => return Err(byte_offset),
            Err(BlockError::Io(error)) => panic!("a slice is always read: {error}"),
        }
        let bytes = block.bytes();
        for record in &block.records {
            let word = &bytes[record.word..record.space];
            each(block.offset + record.word as u64, word, record.numbers(bytes, width));
        }
        if let Some(word) = block.cut {
            each(block.offset + word as u64, &bytes[word..], &[]);
        }
    }
}
