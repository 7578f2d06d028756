//! Word2vec's binary form, as its C tool and gensim write it.
//!
//! A line "rows dim", then records: the word, a space, `dim` float32, little-endian. The C tool ends each record with a
//! newline and gensim does not, so newlines before a word are passed over, as both do when they read; otherwise a word may
//! hold any byte but a space. Records are counted as lines are: line 3 of an error is the third record.

mod header;
mod records;

use std::path::{Path, PathBuf};

pub(crate) use header::Form;
pub(crate) use records::{RecordBlock, Records};

use crate::{
    error::{Error, ParseError, Result, Unit},
    source::{
        Envelope, Source, SourceError,
        batch::{Batch, Fault, RowPosition},
        container::{Input, Progress, Sequential},
        head::{HEAD_BYTES, Head},
        options::Options,
    },
};
use header::Header;

/// More numbers than any row has: a header that announces more lies.
const WIDEST: usize = 4 << 20;

/// Binary vectors, ready to be read by several threads.
pub(crate) struct Word2vecSource {
    path: PathBuf,
    header: Header,
    records: Records<Sequential>,
    before: Envelope,
    /// How far a stream has come; a file is asked for its length.
    progress: Option<Progress>,
    /// Bytes of the file, where that is known.
    length: Option<u64>,
}

impl Word2vecSource {
    /// Over `input`, whose first bytes are `head`.
    pub(crate) fn open(path: &Path, input: Input, head: Head, options: &Options) -> Result<Word2vecSource> {
        if options.header == Some(false) {
            return Err(Error::Argument("word2vec's binary form has a header always: header=False cannot be".into()));
        }
        let known_length = match &input {
            Input::File(_, length) => Some(*length),
            Input::Stream(_) if head.bytes.len() < HEAD_BYTES => Some(head.bytes.len() as u64),
            Input::Stream(_) => None,
        };
        let header = checked(&head, known_length, options.dim).map_err(|reason| ParseError::of(path, reason))?;
        let start = header.length as u64;
        let mut before = Envelope::default();
        before.add(&head.bytes[..header.length]);
        let (carry, length) = match &input {
            Input::File(_, length) => (Vec::new(), Some(*length)),
            Input::Stream(_) => (head.bytes[header.length..].to_vec(), None),
        };
        let bytes = Sequential::new(input, start);
        let progress = bytes.progress();
        let records = Records::new(bytes, carry, start, head.failure, header.width(), options.block_bytes);
        Ok(Word2vecSource { path: path.to_path_buf(), header, records, before, progress, length })
    }
}

/// The header of a file that can have the rows it announces, `dim` numbers each where the caller knows.
fn checked(head: &Head, length: Option<u64>, dim: Option<usize>) -> Result<Header, String> {
    let header = Header::of(&head.bytes).ok_or_else(|| {
        let start = head.bytes[..head.bytes.len().min(40)].escape_ascii();
        format!("expected the header \"rows dim\" of word2vec's binary form, found \"{start}\"")
    })?;
    let Header { dim: found, length: start, .. } = header;
    if found > WIDEST {
        return Err(format!("expected at most {WIDEST} numbers a row, the header announces {found}"));
    }
    if let Some(asked) = dim.filter(|&asked| asked != found) {
        return Err(format!("expected vectors of dimension {asked}, found {found}"));
    }
    // Else the header alone would decide how much memory is asked for.
    if let Some(body) = length.map(|length| length - start as u64)
        && (1..header.width() as u64).contains(&body)
    {
        return Err(format!(
            "the header announces {found} numbers a row, the file has {body} bytes: it was cut short or its header lies"
        ));
    }
    Ok(header)
}

impl Source for Word2vecSource {
    type Scratch = RecordBlock;

    fn path(&self) -> &Path {
        &self.path
    }

    fn dim(&self) -> usize {
        self.header.dim
    }

    fn expected_rows(&self) -> Option<u64> {
        Some(self.header.rows)
    }

    fn unit(&self) -> Unit {
        Unit::Word
    }

    fn first_line(&self) -> u64 {
        1
    }

    fn length(&self) -> Option<u64> {
        self.length.map(|length| length - self.header.length as u64)
    }

    fn progress(&self, parsed: u64) -> (u64, u64) {
        match &self.progress {
            Some(progress) => progress.get(),
            None => (self.header.length as u64 + parsed, self.length.unwrap_or(0)),
        }
    }

    fn preamble(&self) -> Envelope {
        self.before.clone()
    }

    fn trailer(&self) -> Envelope {
        self.records.trailer()
    }

    fn next(&self, block: &mut RecordBlock, batch: &mut Batch) -> Result<bool, SourceError> {
        let next = self.records.next(block);
        batch.sequence = block.sequence;
        if !next.map_err(|error| error.into_source_error(&self.path))? {
            return Ok(false);
        }
        let (bytes, width) = (block.bytes(), self.header.width());
        batch.begin(bytes);
        for record in &block.records {
            let origin = RowPosition { line: batch.lines, offset: block.offset + record.word as u64 };
            batch.lines += 1;
            let word = &bytes[record.word..record.space];
            if batch.wants(word) {
                batch.push_with(origin, |row| read(word, record.numbers(bytes, width), row));
                if batch.is_refused() {
                    return Ok(true);
                }
            }
        }
        if let Some(word) = block.cut {
            let origin = RowPosition { line: batch.lines, offset: block.offset + word as u64 };
            batch.lines += 1;
            let (dim, left) = (self.header.dim, bytes.len() - word);
            let reason = format!(
                "expected a word, a space and {dim} numbers of 4 bytes, the file ends {left} bytes into the record"
            );
            batch.reject(origin, Fault::FieldCount, reason);
        }
        Ok(true)
    }
}

/// Copies the numbers of a record to `row` and gives its word; on failure says what was found.
fn read<'a>(word: &'a [u8], numbers: &[u8], row: &mut [f32]) -> Result<&'a [u8], (Fault, String)> {
    if word.is_empty() {
        return Err((Fault::EmptyWord, "the word is empty: the record starts with a space".into()));
    }
    bytemuck::cast_slice_mut::<f32, u8>(row).copy_from_slice(numbers);
    if are_finite(row) {
        return Ok(word);
    }
    let i = row.iter().position(|x| !x.is_finite()).unwrap_or_default();
    Err((Fault::NotFinite, format!("number {} of {}, {}, is not finite", i + 1, row.len(), row[i])))
}

/// Whether all are: the exponent of one that is not has all its bits, and adding one carries into the sign.
fn are_finite(row: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    // Without an early end, so that many are looked at in one instruction.
    let carried = row.iter().fold(0, |seen, x| seen | ((x.to_bits() & EXPONENT) + (1 << 23)));
    carried >> 31 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_not_finite_is_found_wherever_it_is() {
        for bits in [0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7f80_0001, 0xffff_ffff] {
            for i in 0..40 {
                let mut row = [f32::MAX; 40];
                assert!(are_finite(&row));
                row[i] = f32::from_bits(bits);
                assert!(!are_finite(&row));
            }
        }
        assert!(are_finite(&[f32::MIN, -0.0, f32::MIN_POSITIVE, f32::from_bits(1)]));
    }
}
