//! Tables: text whose fields may be in quotes, that may have a line of names and numbers of its rows.
//!
//! What spreadsheets, pandas and R write. One record is read after the other, as a quote may hold a newline; vectors that come
//! so are few, and what counts is that a comma in a word is no separator. A row is `word, number, …, number` or `row number, word,
//! number, …`.

mod record;
mod shape;

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use record::{Form, Next, Record};
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
        text::row,
    },
};

/// Source bytes of a batch, where a record has no more.
const BATCH_BYTES: usize = 1 << 20;

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
pub(crate) struct Records {
    text: Vec<u8>,
    offset: u64,
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
        CsvSource { path: path.to_path_buf(), shape, state: Mutex::new(state), progress, length }
    }
}

impl State {
    /// Takes the next records out of the text; none where it has ended.
    fn take(&mut self, form: &Form, records: &mut Records) -> Result<(), BlockError> {
        records.offset = self.offset;
        let mut wanted = BATCH_BYTES;
        let end = loop {
            self.read(wanted);
            let end = form.whole(&self.text, self.ended, &mut records.record);
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
        let behind = self.text.split_off(end);
        records.text = std::mem::replace(&mut self.text, behind);
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
    /// Fills `row` with the numbers of a record and gives its word; on failure says what was expected and what was found.
    fn read<'a>(&self, record: &'a Record, row: &mut [f32]) -> Result<&'a [u8], (Fault, String)> {
        if record.unclosed && self.quotes == Quotes::Seen {
            let reason = "a quote opens a field, and none closes it before the next separator or the end of the row: write it \
                          twice, as \"\", within quotes";
            return Err((Fault::FieldCount, reason.into()));
        }
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
    type Scratch = Records;

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

    fn next(&self, records: &mut Records, batch: &mut Batch) -> Result<bool, SourceError> {
        let form = self.shape.form();
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            batch.sequence = state.sequence;
            state.take(&form, records).map_err(|error| error.into_source_error(&self.path))?;
        }
        let Records { text, offset, record } = records;
        let text: &[u8] = text;
        batch.begin(text);
        let is_first = *offset == 0;
        let mut named = is_first && self.shape.named;
        let mut rest = if is_first { without_mark(text) } else { text };
        loop {
            let origin = RowPosition { line: batch.lines, offset: *offset + (text.len() - rest.len()) as u64 };
            let (length, is_record) = match form.next(rest, true, record) {
                Next::End | Next::Part => break,
                Next::Blank(length) => (length, false),
                Next::Record(length) => (length, true),
            };
            let (read, behind) = rest.split_at(length);
            rest = behind;
            batch.lines += memchr::memchr_iter(form.newline, read).count() as u64;
            if !is_record
                || std::mem::take(&mut named)
                || self.shape.word(record).is_some_and(|word| !batch.wants(word))
            {
                continue;
            }
            batch.push_with(origin, |row| self.shape.read(record, row));
            if !read.ends_with(&[form.newline]) {
                batch.cut_at(origin.offset);
            }
            if batch.is_refused() {
                break;
            }
        }
        Ok(!text.is_empty())
    }
}
