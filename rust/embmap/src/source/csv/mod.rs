//! Tables: text whose fields may be in quotes, that may have a line of names and numbers of its rows.
//!
//! What spreadsheets, pandas and R write. Where a record ends is found one after the other, as a quote may hold a newline; lines
//! without quotes are read as those of text are. What counts is that a comma in a word is no separator. A row is `word, number, …,
//! number` or `row number, word, number, …`.

mod record;
mod shape;

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use record::{Form, Next, Record, Records};
pub(crate) use shape::Shape;
use shape::{Quotes, unglued, without_mark};

use crate::{
    error::Result,
    source::{
        Envelope, Source, SourceError,
        batch::{Batch, Fault, RowPosition},
        container::{Input, Progress, Sequential},
        head::{BlockError, Head, LONGEST_LINE, broken, fill},
        options::Separator,
        text::{
            PIECE_BYTES,
            block::LineBlock,
            kernels::{Positions, Scanned},
            row,
        },
    },
    sys::simd::Kernel,
};

/// Source bytes of a batch, where a record has no more.
const BATCH_BYTES: usize = 1 << 20;

/// A table, ready to be read.
pub(crate) struct CsvSource {
    path: PathBuf,
    shape: Shape,
    form: Form,
    kernel: Kernel,
    state: Mutex<State>,
    progress: Option<Progress>,
    /// Bytes of a file.
    length: Option<u64>,
}

/// Where reading has come.
struct State {
    rest: Box<dyn Read + Send>,
    /// What was read and not yet given out, from byte `offset` of the text on.
    text: Vec<u8>,
    offset: u64,
    /// Why no more can be read.
    failure: Option<io::Error>,
    /// Whether nothing stands behind `text`.
    ended: bool,
    sequence: u64,
}

/// Whole records, which a thread reads while others take those behind them.
#[derive(Default)]
pub(crate) struct Taken {
    block: LineBlock,
    marks: Positions,
    record: Record,
}

impl CsvSource {
    /// Over `input`, whose first bytes are `head`, of which `shape` was found.
    pub(crate) fn open(path: &Path, input: Input, head: Head, shape: Shape) -> CsvSource {
        let length = match &input {
            Input::File(_, length) => Some(*length),
            Input::Stream(_) => None,
        };
        let rest = Sequential::new(input, head.bytes.len() as u64);
        let progress = rest.progress();
        let state = State {
            rest: Box::new(rest),
            text: head.bytes,
            offset: 0,
            failure: head.failure,
            ended: false,
            sequence: 0,
        };
        CsvSource {
            path: path.to_path_buf(),
            form: shape.form(),
            shape,
            kernel: Kernel::detect(),
            state: Mutex::new(state),
            progress,
            length,
        }
    }
}

impl State {
    /// Takes the next records out of the text; none where it has ended.
    fn take(&mut self, form: &Form, taken: &mut Taken) -> Result<(), BlockError> {
        let mut wanted = BATCH_BYTES;
        let end = loop {
            self.read(wanted);
            let end = Records::new(*form, &self.text, self.ended).whole(&mut taken.record);
            if end > 0 || self.ended {
                break end;
            }
            let error = match self.failure.take() {
                Some(failure) => broken(failure, &self.text, self.offset),
                None if self.text.len() > 2 * LONGEST_LINE => BlockError::long_line(&[], self.offset),
                None => {
                    wanted = 2 * wanted.max(self.text.len());
                    continue;
                }
            };
            self.text.clear();
            self.ended = true;
            return Err(error);
        };
        let block = &mut taken.block;
        block.room(end).copy_from_slice(&self.text[..end]);
        block.set(0, end, self.offset);
        if end > 0 && self.text[end - 1] != b'\n' {
            block.end_line();
        }
        self.text.drain(..end);
        self.offset += end as u64;
        self.sequence += 1;
        Ok(())
    }

    /// Reads on until the text has `wanted` bytes, or all that there are.
    fn read(&mut self, wanted: usize) {
        let mut filled = self.text.len();
        if self.ended || self.failure.is_some() || filled >= wanted {
            return;
        }
        self.text.resize(wanted, 0);
        self.failure = fill(&mut self.rest, &mut self.text, &mut filled).err();
        self.ended = filled < wanted && self.failure.is_none();
        self.text.truncate(filled);
    }
}

impl Shape {
    /// Says what is wrong with a record whose fields are too many, too few, or begin where nothing ends them.
    fn check(&self, record: &Record) -> Result<(), (Fault, String)> {
        if record.unclosed && self.quotes == Quotes::Seen {
            let reason = "a quote opens a field, and none closes it before the next separator or the end of the row: write it \
                          twice, as \"\", within quotes";
            return Err((Fault::FieldCount, reason.into()));
        }
        let is_empty = |field: usize| record.get(field).is_some_and(<[u8]>::is_empty);
        let mut fields = record.len();
        while fields > 0 && self.trailing && is_empty(fields - 1) {
            fields -= 1;
        }
        let expected = self.fields();
        if fields == expected {
            return Ok(());
        }
        let reason = format!(
            "expected {expected} fields separated by {:?}, a word and {}, found {fields}",
            char::from(self.delimiter),
            row::numbers(self.dim)
        );
        Err((Fault::FieldCount, reason))
    }

    /// Fills `row` with the numbers of a record that was checked and gives its word; on failure says what was expected and what was found.
    fn read<'a>(&self, record: &'a Record, row: &mut [f32]) -> Result<&'a [u8], (Fault, String)> {
        let field = |i: usize| record.get(i).unwrap_or_default();
        let (dim, first) = (row.len(), usize::from(self.numbered));
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
    type Scratch = Taken;

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
        Envelope::default()
    }

    fn next(&self, taken: &mut Taken, batch: &mut Batch) -> Result<bool, SourceError> {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            batch.sequence = state.sequence;
            state.take(&self.form, taken).map_err(|error| error.into_source_error(&self.path))?;
        }
        let Taken { block, marks, record } = taken;
        batch.begin(block.original());
        let records = Records::new(self.form, block.original(), true);
        let mut cursor = Cursor { source: self, records, offset: block.offset };
        if block.offset == 0 {
            cursor.records.at = block.original().len() - without_mark(block.original()).len();
            if self.shape.named {
                cursor.pass_over_names(record, batch);
            }
        }
        if self.form.newline == b'\n' && !self.shape.glued {
            for piece in block.pieces(PIECE_BYTES) {
                if batch.is_refused() {
                    break;
                }
                let lines = Scanned::new(self.kernel, piece, self.shape.delimiter, marks);
                cursor.lines(lines.behind(usize::from(self.shape.numbered)), block, record, batch);
            }
        } else {
            while !batch.is_refused() && cursor.record(record, batch) {}
        }
        Ok(!block.original().is_empty())
    }
}

/// How far the records of a block are read.
struct Cursor<'a> {
    source: &'a CsvSource,
    records: Records<'a>,
    /// The place of the block in the source.
    offset: u64,
}

impl Cursor<'_> {
    /// Reads lines: those that are a record in the usual form at once, what else begins on one as it is written.
    fn lines(&mut self, mut lines: Scanned, block: &LineBlock, record: &mut Record, batch: &mut Batch) {
        let CsvSource { shape, form, .. } = self.source;
        for i in 0..lines.len() {
            let (line, start) = lines.line(i);
            let begin = (block.offset_of(start) - self.offset) as usize;
            if begin + line.len() <= self.records.at {
                // A record that began before has taken it.
                continue;
            }
            let word = lines.fast_word(i, shape.dim);
            // The first one may have a byte-order mark before its word.
            let usual = begin == self.records.at
                && !(form.quoting && line.contains(&b'"'))
                && (shape.trailing || !ends_with(line, shape.delimiter));
            let Some(word) = word.filter(|_| usual) else {
                self.record(record, batch);
                if batch.is_refused() {
                    return;
                }
                continue;
            };
            let origin = self.origin(batch);
            batch.lines += 1;
            self.records.at += line.len();
            if !batch.wants(word) {
                continue;
            }
            batch.push_with(origin, |row| match lines.parse_fast(i, row) {
                Some(word) => Ok(word),
                None => {
                    Records::new(*form, line, true).next(record);
                    shape.check(record).and_then(|()| shape.read(record, row))
                }
            });
            if batch.is_refused() {
                return;
            }
        }
    }

    /// Reads the next record; `false` where there is none.
    fn record(&mut self, record: &mut Record, batch: &mut Batch) -> bool {
        let shape = &self.source.shape;
        let Some((origin, is_record)) = self.advance(record, batch) else { return false };
        if !is_record || shape.word(record).is_some_and(|word| !batch.wants(word)) {
            return true;
        }
        // Room for a row is made where the record has one.
        match shape.check(record) {
            Ok(()) => batch.push_with(origin, |row| shape.read(record, row)),
            Err((fault, reason)) => batch.reject(origin, fault, reason),
        }
        true
    }

    /// Passes over blank lines and the record that names the columns.
    fn pass_over_names(&mut self, record: &mut Record, batch: &mut Batch) {
        while let Some((_, false)) = self.advance(record, batch) {}
    }

    /// Takes apart the next record, or passes over a blank line; says where it began, and whether it is a record.
    fn advance(&mut self, record: &mut Record, batch: &mut Batch) -> Option<(RowPosition, bool)> {
        let origin = self.origin(batch);
        let (length, is_record) = match self.records.next(record) {
            Next::End | Next::Part => return None,
            Next::Blank(length) => (length, false),
            Next::Record(length) => (length, true),
        };
        let read = self.records.before(length);
        batch.lines += memchr::memchr_iter(self.source.form.newline, read).count() as u64;
        Some((origin, is_record))
    }

    fn origin(&self, batch: &Batch) -> RowPosition {
        RowPosition { line: batch.lines, offset: self.offset + self.records.at as u64 }
    }
}

/// Whether a delimiter ends a line.
fn ends_with(line: &[u8], delimiter: u8) -> bool {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line).last() == Some(&delimiter)
}
