//! Tables: text whose fields may be in quotes, that may have a line of names and numbers of its rows.
//!
//! What spreadsheets, pandas and R write. The `csv` crate reads it, one record after the other; vectors that come so are few, and
//! what counts is that a comma in a word is no separator. A row is `word, number, …, number` or `row number, word, number, …`.

mod shape;

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

pub(crate) use shape::Shape;
use shape::{swallows_rows, unglued};

use crate::{
    error::{Error, Result},
    source::{
        Envelope, Source, SourceError,
        batch::{Batch, Fault, RowPosition},
        container::{Input, Progress, Sequential},
        head::Head,
        options::Separator,
        text::row,
    },
};

/// Source bytes from which a batch is full.
const BATCH_BYTES: u64 = 1 << 20;

/// A table, ready to be read.
pub(crate) struct CsvSource {
    path: PathBuf,
    shape: Shape,
    state: Mutex<State>,
    progress: Option<Progress>,
    /// Bytes of a file.
    length: Option<u64>,
}

/// Where reading has come.
struct State {
    reader: Reader<Kept>,
    sequence: u64,
    /// Source bytes before the first that has not been given out.
    given: u64,
    /// The line of the next batch's first row, counted from 1.
    line: u64,
    /// Whether the next record has names.
    named: bool,
    ended: bool,
}

/// A reader that keeps what was read until it is asked for, as checksums are those of the bytes of each batch.
struct Kept {
    inner: Box<dyn Read + Send>,
    bytes: Vec<u8>,
}

impl Read for Kept {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

impl CsvSource {
    /// Over `input`, whose first bytes are `head`, of which `shape` was found.
    pub(crate) fn open(path: &Path, input: Input, head: Head, shape: Shape) -> CsvSource {
        let length = match &input {
            Input::File(_, length) => Some(*length),
            Input::Stream(_) => None,
        };
        let (start, failure) = (head.bytes.len() as u64, head.failure);
        let rest = Sequential::new(input, start);
        let progress = rest.progress();
        let failed = failure.map(|error| Failed(Some(error)));
        let inner: Box<dyn Read + Send> = match failed {
            Some(failed) => Box::new(io::Cursor::new(head.bytes).chain(failed)),
            None => Box::new(io::Cursor::new(head.bytes).chain(rest)),
        };
        let reader = shape.reader(Kept { inner, bytes: Vec::new() });
        let state = State { reader, sequence: 0, given: 0, line: 1, named: shape.named, ended: false };
        CsvSource { path: path.to_path_buf(), shape, state: Mutex::new(state), progress, length }
    }
}

/// What could not be read behind the head.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.take().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))
    }
}

impl Shape {
    /// A reader of such a table, names and all.
    fn reader<R: Read>(&self, bytes: R) -> Reader<R> {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(self.delimiter).quoting(self.quoted).has_headers(false).flexible(true);
        if self.escaped {
            builder.escape(Some(b'\\')).double_quote(false);
        }
        builder.from_reader(bytes)
    }

    /// How many fields a record has.
    fn fields(&self) -> usize {
        usize::from(self.numbered) + 1 + self.dim - usize::from(self.glued)
    }

    /// Fills `row` with the numbers of a record and gives its word; on failure says what was expected and what was found.
    fn read<'a>(&self, record: &'a ByteRecord, row: &mut [f32]) -> Result<&'a [u8], (Fault, String)> {
        let mut fields = record.len();
        while fields > 0 && self.trailing && record.get(fields - 1).is_some_and(<[u8]>::is_empty) {
            fields -= 1;
        }
        let field = |i: usize| record.get(i).unwrap_or_default();
        let (dim, first, expected) = (row.len(), usize::from(self.numbered), self.fields());
        if fields != expected {
            let reason = format!(
                "expected {expected} fields separated by {:?}, a word and {}, found {fields}",
                char::from(self.delimiter),
                row::numbers(dim)
            );
            return Err((Fault::FieldCount, reason));
        }
        let mut word = field(first);
        let mut filled = 0;
        if self.glued {
            let Some((before, number)) = unglued(word) else {
                return Err((
                    Fault::FieldCount,
                    "expected a word, a space and its first number, found no space".into(),
                ));
            };
            row[0] = row::number(number, 0, dim)?;
            (word, filled) = (before, 1);
        }
        for (i, value) in row.iter_mut().enumerate().skip(filled) {
            *value = row::number(field(first + 1 + i - filled).trim_ascii(), i, dim)?;
        }
        if word.is_empty() {
            return Err((Fault::EmptyWord, "the word is empty".into()));
        }
        Ok(word)
    }
}

impl Source for CsvSource {
    type Scratch = ByteRecord;

    fn path(&self) -> &Path {
        &self.path
    }

    fn dim(&self) -> usize {
        self.shape.dim
    }

    fn separator(&self) -> Option<Separator> {
        Some(self.shape.separator())
    }

    fn expected_rows(&self) -> Option<u64> {
        None
    }

    fn first_line(&self) -> u64 {
        1
    }

    fn length(&self) -> Option<u64> {
        self.length
    }

    fn progress(&self, parsed: u64) -> (u64, u64) {
        match &self.progress {
            Some(progress) => progress.get(),
            None => (parsed, self.length.unwrap_or(0)),
        }
    }

    fn preamble(&self) -> Envelope {
        Envelope::default()
    }

    fn trailer(&self) -> Envelope {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut framing = Envelope::default();
        framing.add(&state.reader.get_ref().bytes);
        framing
    }

    fn next(&self, record: &mut ByteRecord, batch: &mut Batch) -> Result<bool, SourceError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        batch.sequence = state.sequence;
        if state.ended {
            return Ok(false);
        }
        batch.begin(&[]);
        let (start, first_line) = (state.given, state.line);
        while state.reader.position().byte() - start < BATCH_BYTES {
            let (offset, line) = (state.reader.position().byte(), state.reader.position().line());
            match state.reader.read_byte_record(record) {
                Ok(true) => {}
                Ok(false) => {
                    state.ended = true;
                    break;
                }
                Err(error) => {
                    state.ended = true;
                    let ErrorKind::Io(error) = error.into_kind() else {
                        unreachable!("records of any length, of bytes");
                    };
                    let lines = line - first_line;
                    if error.raw_os_error().is_some() || error.get_ref().is_none() {
                        return Err(SourceError::Refused(Error::io(&self.path)(error)));
                    }
                    return Err(SourceError::Malformed { lines, byte_offset: offset, reason: error.to_string() });
                }
            }
            // Blank lines before a record are passed over.
            let line = record.position().map_or(line, csv::Position::line);
            let origin =
                RowPosition { line: line - first_line, offset: record.position().map_or(offset, csv::Position::byte) };
            if std::mem::take(&mut state.named) {
                continue;
            }
            let width = self.shape.fields();
            if record.as_slice().contains(&b'\n')
                && record.iter().any(|field| swallows_rows(field, self.shape.delimiter, width))
            {
                state.ended = true;
                return Err(SourceError::Malformed {
                    lines: origin.line,
                    byte_offset: origin.offset,
                    reason: "a quote opens here, and rows stand before the next one: it is no quote, or one with a backslash, \
                             unlike those of the first rows; write the table anew with pandas, or give words and matrix to \
                             embmap.write()"
                        .into(),
                });
            }
            let word = self.shape.word(record);
            if word.is_some_and(|word| !batch.wants(word)) {
                continue;
            }
            batch.push_with(origin, |row| self.shape.read(record, row));
            if batch.is_refused() {
                break;
            }
        }
        state.sequence += 1;
        state.line = state.reader.position().line();
        state.given = state.reader.position().byte();
        batch.lines = state.line - first_line;
        let bytes = &mut state.reader.get_mut().bytes;
        let given = ((state.given - start) as usize).min(bytes.len());
        batch.account(&bytes[..given]);
        bytes.drain(..given);
        Ok(true)
    }
}
